// Generated from idl/margrave.json and idl/remedies.json by scripts/generate.mjs.
export const MARGRAVE_ERRORS = {
  6000: {
    name: "SignerIsNotOwner",
    sentence: "The signer is not the account's owner",
    remedy: "Connect the wallet that owns the margin account.",
  },
  6001: {
    name: "SignerIsNotAdmin",
    sentence: "The signer is not the group's admin",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6002: {
    name: "SignerIsNotUpgradeAuthority",
    sentence: "Only the program's upgrade authority may create a group",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6003: {
    name: "GroupMismatch",
    sentence: "The account belongs to another group",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6004: {
    name: "VaultMismatch",
    sentence: "The vault is not this bank's vault",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6005: {
    name: "MintMismatch",
    sentence: "The token account or mint is not of this bank's token",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6007: {
    name: "BankMissing",
    sentence: "A bank the margin account has a balance in was not given",
    remedy: "Load the margin account again and pass every account it refers to.",
  },
  6008: {
    name: "UnderlyingMissing",
    sentence: "An underlying the margin account has risk in was not given",
    remedy: "Load the margin account again and pass every account it refers to.",
  },
  6009: {
    name: "UnexpectedAccount",
    sentence: "An extra account is not owned by this program",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6010: {
    name: "WrongAccountType",
    sentence: "The account's data is not of the expected type or version",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6011: {
    name: "SelfDealing",
    sentence: "A party cannot deal with itself",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6012: {
    name: "SignerIsNotManager",
    sentence: "The signer is neither the group's manager nor its admin",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6013: {
    name: "SignerIsNotOperator",
    sentence: "The signer is neither the group's operator nor its manager",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6014: {
    name: "SignerIsNotGuardian",
    sentence: "The signer is neither the group's guardian nor its admin",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6015: {
    name: "SignerMayNotTrade",
    sentence: "The signer is neither the account's owner nor a delegate whose time has not run out",
    remedy: "Connect the owner's wallet, or have the owner appoint this key as a delegate.",
  },
  6016: {
    name: "AccountMustBeWritable",
    sentence: "The account must be passed as writable",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6017: {
    name: "QuoteBankMustBeWritable",
    sentence: "The quote bank must be passed as writable: a premium is paid from or into a loan",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6018: {
    name: "OwnersDiffer",
    sentence: "Both margin accounts must have the same owner",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6019: {
    name: "Paused",
    sentence: "A guardian has paused this",
    remedy: "Withdraw, repay or reduce meanwhile: a pause never stops these.",
  },
  6020: { name: "NotLaunched", sentence: "The group is not launched yet", remedy: "Wait until the group is launched." },
  6021: {
    name: "AlreadyLaunched",
    sentence: "The group is launched already",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6022: {
    name: "MarginAccountNotEmpty",
    sentence: "The margin account still holds a balance, a position or a claim",
    remedy: "Close the positions, settle them, and withdraw every balance.",
  },
  6023: {
    name: "AlreadyGrown",
    sentence: "The account has grown to its full size already",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6024: {
    name: "PauseTooLong",
    sentence: "A pause holds for 1 second to 7 days; pausing again prolongs it",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6025: {
    name: "SignerIsNotVenue",
    sentence: "The signer is not the venue's authority, which only its program can sign with",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6026: {
    name: "VenueMissing",
    sentence: "The venue that the change is of was not given",
    remedy: "Load the accounts again and rebuild the transaction; check which wallet is connected.",
  },
  6100: {
    name: "AmountMustBePositive",
    sentence: "The amount must be more than zero",
    remedy: "Change the amount to within the limit.",
  },
  6101: {
    name: "BalanceExceeded",
    sentence: "The withdrawal exceeds the account's balance in this bank",
    remedy: "Withdraw less, or allow borrowing.",
  },
  6102: {
    name: "DepositCapExceeded",
    sentence: "The deposit would exceed the bank's deposit_cap",
    remedy: "Deposit less, or another token.",
  },
  6103: {
    name: "AmountBelowOneShare",
    sentence: "The amount is too small to be worth one share",
    remedy: "Change the amount to within the limit.",
  },
  6104: {
    name: "CollateralLimitExceeded",
    sentence: "The account has room for 7 collateral tokens and the quote token; withdraw one entirely first",
    remedy: "Change the amount to within the limit.",
  },
  6105: {
    name: "PositionLimitExceeded",
    sentence: "The account already holds its 32 positions; close one first",
    remedy: "Change the amount to within the limit.",
  },
  6106: {
    name: "UnderlyingLimitExceeded",
    sentence: "The account already has risk in its 8 underlyings; close one first",
    remedy: "Change the amount to within the limit.",
  },
  6107: {
    name: "QuantityNotInLots",
    sentence: "The quantity is not a whole number of the market's lots",
    remedy: "Round the quantity to the market's lot.",
  },
  6108: {
    name: "ValueOutOfRange",
    sentence: "A number exceeds what the engine can value; see the bound in the log",
    remedy: "Change the amount to within the limit.",
  },
  6109: {
    name: "BorrowCapExceeded",
    sentence: "The loan would exceed the bank's borrow_cap",
    remedy: "Borrow less, or wait until others repay.",
  },
  6110: {
    name: "OutflowLimitExceeded",
    sentence: "More would leave in a day than outflow_cap allows; try less, or later",
    remedy: "Withdraw less now; the limit refills within a day.",
  },
  6111: {
    name: "VaultIlliquid",
    sentence: "The vault does not hold enough tokens that are not lent or reserved",
    remedy: "Withdraw less, or wait until borrowers repay.",
  },
  6112: {
    name: "LegsOutOfRange",
    sentence: "A trade needs 1 to 8 legs and one sheet for each",
    remedy: "Change the amount to within the limit.",
  },
  6113: {
    name: "DelegationTooLong",
    sentence: "A delegate may be appointed for at most a year",
    remedy: "Change the amount to within the limit.",
  },
  6114: {
    name: "ConsentTooLong",
    sentence: "A consent may be given for at most a year",
    remedy: "Change the amount to within the limit.",
  },
  6200: {
    name: "ReceiverNotAllowed",
    sentence: "The price account's owner is not one of the group's receiver programs",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6201: {
    name: "NotAPriceUpdate",
    sentence: "The price account does not hold a Pyth PriceUpdateV2",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6202: {
    name: "FeedMismatch",
    sentence: "The price account is of another feed",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6203: {
    name: "PriceNotFullyVerified",
    sentence: "The price update is not fully verified",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6204: {
    name: "PriceTooOld",
    sentence: "The price is older than max_age_secs; refresh it in the same transaction",
    remedy: "Put a price refresh in front of the instruction.",
  },
  6205: {
    name: "PriceFromTheFuture",
    sentence: "The price was published later than now plus max_future_secs",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6206: {
    name: "PriceWentBack",
    sentence: "The price is older than the one accepted before",
    remedy: "Use the newest price update.",
  },
  6207: {
    name: "PriceMustBePositive",
    sentence: "The price must be positive",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6208: {
    name: "PriceTooUncertain",
    sentence: "The price's confidence exceeds max_confidence_ppm of the price",
    remedy: "Wait until the price's confidence is better.",
  },
  6209: {
    name: "PriceOutOfRange",
    sentence: "The price's exponent must be between -18 and 0 and the price at most ten million dollars",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6210: {
    name: "PriceNotInitialized",
    sentence: "No price has been accepted yet; refresh it first",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6211: {
    name: "SurfaceMovesTooFast",
    sentence: "The change is faster than vol_rate_ppm or carry_rate_ppm allow",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6212: {
    name: "SurfaceTooOld",
    sentence: "The expiry's surface is older than max_surface_age_secs; nothing may be opened on it",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6213: {
    name: "NotSettledYet",
    sentence: "The settlement price is not known yet; refresh the price after the expiry",
    remedy: "Wait for the settlement window to be observed, then refresh the price.",
  },
  6214: {
    name: "VolFarFromScanRange",
    sentence: "A volatility must be between a tenth and three times the one that the scan range stands for",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6215: {
    name: "PriceFromBeforeHalt",
    sentence: "The first price after a halt must be from after it, and no older than liquidation_max_age_secs",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6216: {
    name: "PriceJumpedTooFar",
    sentence: "The price is further than max_jump_ppm from one that is not an hour old",
    remedy: "Refresh the price in the same transaction, or wait for a better one.",
  },
  6300: {
    name: "InitialMarginNotMet",
    sentence: "The account would be below its initial margin; see the numbers in the log",
    remedy: "Deposit collateral or trade less; the log and the preview name the worst scenario.",
  },
  6301: {
    name: "PriceOutsideBand",
    sentence: "The trade price is further than max_trade_deviation_ppm from the index",
    remedy: "Trade nearer to the mark.",
  },
  6302: {
    name: "InstrumentNotListed",
    sentence: "The instrument is not listed",
    remedy: "Choose a listed expiry and strike; the series may have been replaced.",
  },
  6303: {
    name: "OpenInterestCapExceeded",
    sentence: "The trade would exceed the market's open_interest_cap",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6304: {
    name: "PositionTooConcentrated",
    sentence: "The position would be more than concentration_ppm of the open interest and above position_allowance",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6305: { name: "ExpiryHasPassed", sentence: "The expiry has passed", remedy: "Settle the expiry instead of trading it." },
  6306: {
    name: "HealthTooLow",
    sentence: "Health is below what health_check demands",
    remedy: "Prices have moved since the transaction was built: preview it again.",
  },
  6307: {
    name: "SequenceMoved",
    sentence: "The account has changed: its sequence is not the expected one",
    remedy: "Load the account again and decide again.",
  },
  6308: {
    name: "PriceGapPause",
    sentence: "The price has moved by more than gap_ppm: nothing may be opened on this underlying for gap_pause_secs",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6309: {
    name: "RestartGrace",
    sentence:
      "The cluster has stood still: nothing may be opened and nobody liquidated here for grace_secs after the first price",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6310: {
    name: "LiquidationVolumeExceeded",
    sentence: "More than liquidation_volume_cap was liquidated in volume_window_secs: nothing may be opened on this underlying",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6320: {
    name: "NotAQuote",
    sentence: "The bytes are not a quote of this program",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6321: {
    name: "QuoteNotSigned",
    sentence: "The instruction at this index does not verify exactly one signature of its own bytes",
    remedy: "Put the quote's signature instruction at the index that the fill names.",
  },
  6322: {
    name: "QuoteSignerMayNotTrade",
    sentence: "The quote was signed neither by the maker's owner nor by its delegate",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6323: {
    name: "QuoteOfOthers",
    sentence: "The quote is for another group, maker or taker",
    remedy: "Take the quote with the margin account it was made for.",
  },
  6324: { name: "QuoteExpired", sentence: "The quote has expired", remedy: "Ask the maker for a new quote." },
  6325: {
    name: "QuoteLivesTooLong",
    sentence: "A quote may live for at most a day",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6326: { name: "QuoteCancelled", sentence: "The quote was cancelled", remedy: "Ask the maker for a new quote." },
  6327: {
    name: "QuoteFilled",
    sentence: "The quote has fewer units left",
    remedy: "Fill fewer units, or ask the maker for a new quote.",
  },
  6328: {
    name: "QuoteSlotTaken",
    sentence: "Another living quote is remembered in this nonce's slot; cancel below a nonce to free it",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6340: {
    name: "VenueStopped",
    sentence: "The venue is not enabled, or a guardian has stopped it",
    remedy: "Trade with a maker's quote, or co-signed: a venue is nobody's only way out.",
  },
  6341: {
    name: "VenueMarketNotAllowed",
    sentence: "The venue's terms do not allow this kind of instrument on this underlying",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6342: {
    name: "VenueFillTooLarge",
    sentence: "A leg is worth more than the venue's fill_cap on its underlying",
    remedy: "Change the trade: less size, another price, or more collateral.",
  },
  6343: {
    name: "VenueExposureExceeded",
    sentence: "More value would add risk through the venue in a day than its exposure_cap; what both sides reduce is not counted",
    remedy: "Try less, or later: the cap refills within a day. Reductions by both sides still pass.",
  },
  6344: {
    name: "ConsentOfOthers",
    sentence: "The consent is of another margin account, or for another venue",
    remedy: "Pass the consent of each margin account to this venue.",
  },
  6345: {
    name: "ConsentVoid",
    sentence: "The consent is from before the account was opened or last went into liquidation; its owner may grant it again",
    remedy: "The owner may grant the consent again.",
  },
  6346: { name: "ConsentExpired", sentence: "The consent has expired", remedy: "The owner may grant the consent again." },
  6347: {
    name: "ConsentUsedUp",
    sentence: "The fill is worth more than what is left of the consent's allowance",
    remedy: "The owner may grant a consent for more.",
  },
  6400: {
    name: "AccountIsHealthy",
    sentence: "The account is at or above its maintenance margin",
    remedy: "Nothing to liquidate: prices have moved, or somebody was faster.",
  },
  6401: {
    name: "NoPosition",
    sentence: "The account holds no position in this instrument",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6402: {
    name: "LiquidationWouldNotHelp",
    sentence: "Taking over this position would not lower the account's risk",
    remedy: "This position hedges others: take over another one.",
  },
  6403: {
    name: "HealthMustImprove",
    sentence: "The liquidation would not improve the account's health",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6404: {
    name: "BracketOpen",
    sentence: "A liquidator's bracket is open on the account; it must be ended in the same transaction",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6405: {
    name: "BracketNotOpen",
    sentence: "No bracket is open on the account",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6406: {
    name: "BracketNotEnded",
    sentence: "A bracket must be ended by a later instruction of the same transaction, and nothing of this program between",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6407: {
    name: "BracketCalledByProgram",
    sentence: "A bracket may not be opened or ended by another program",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6408: {
    name: "LossTooLarge",
    sentence: "The account would lose more equity than the liquidation fee of what was taken",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6409: {
    name: "LiquidationLegsOutOfRange",
    sentence: "A step takes over 1 to 4 different positions of the account",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6410: {
    name: "NothingToRepay",
    sentence: "The account owes nothing in this bank, or holds nothing in it",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6411: {
    name: "TakesTooMuch",
    sentence: "The step would take more than the account needs",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6412: {
    name: "NoEquityToSell",
    sentence: "A slice is sold of an account with equity; others are taken over position by position",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6413: {
    name: "AccountIsSolvent",
    sentence: "The account is not bankrupt",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6414: {
    name: "OwnCollateralFirst",
    sentence: "The account has collateral or claims of its own; they bear its losses first",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6415: {
    name: "PositionsFirst",
    sentence: "The account's positions on the underlying must be closed first",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6417: {
    name: "DeficitOpen",
    sentence: "A deficit is open here; profit is drawn and fees are swept after it was shared",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6418: {
    name: "NoticeRunning",
    sentence: "It is too early; see loss_notice_secs",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6419: {
    name: "NotFirstInQueue",
    sentence: "Another account is first in the queue",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6420: {
    name: "NotACandidate",
    sentence: "The account has no profit here, or no position opposite to the bankrupt one",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6421: {
    name: "AlreadyRegistered",
    sentence: "The account's profit was registered in this round already",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6422: {
    name: "BreachNotProven",
    sentence:
      "The losses in the named cells do not put the account below its maintenance margin; flag_account looks at all of them",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6423: {
    name: "NoSuchCell",
    sentence: "The cells of the scenario grid are 0 to 30",
    remedy: "Load both accounts again: the liquidation may have been done already.",
  },
  6500: {
    name: "ParameterOutOfBounds",
    sentence: "A parameter is outside its bound; see docs/parameters.md",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6501: {
    name: "TokenNotAllowed",
    sentence: "The token's program or one of its extensions is not allowed",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6502: { name: "AlreadyListed", sentence: "This is listed already", remedy: "Compare the value with docs/parameters.md." },
  6503: {
    name: "NoFreeSlot",
    sentence: "The underlying has no free slot for an expiry or strike",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6504: {
    name: "ExpiryInUse",
    sentence: "The expiry still has open positions",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6505: {
    name: "ChangeMustBeQueued",
    sentence: "The change loosens a limit and must be queued",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6506: {
    name: "ChangeMustWait",
    sentence: "The change may not be executed before its time",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6507: {
    name: "ChangeExpired",
    sentence: "The change was not executed in time and is void",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6508: {
    name: "ProposerMismatch",
    sentence: "The rent of a proposal goes back to its proposer",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6509: {
    name: "NotAProgram",
    sentence: "A venue's program must be executable",
    remedy: "Compare the value with docs/parameters.md.",
  },
  6900: {
    name: "InvariantViolated",
    sentence: "An account's invariant does not hold; nothing was changed",
    remedy: "Report this with the transaction's signature.",
  },
} as const;
