//! Every refusal, grouped by topic with room to grow inside each group. A name states the rule that was broken.
//! Never reorder and never reuse a number: clients decode by it. `tests/cases/errors.rs` pins the list.

use anchor_lang::prelude::*;
use margrave_risk::RiskError;

#[error_code]
pub enum MargraveError {
    // Accounts and authority: 6000
    #[msg("The signer is not the account's owner")]
    SignerIsNotOwner = 0,
    #[msg("The signer is not the group's admin")]
    SignerIsNotAdmin,
    #[msg("Only the program's upgrade authority may create a group")]
    SignerIsNotUpgradeAuthority,
    #[msg("The account belongs to another group")]
    GroupMismatch,
    #[msg("The vault is not this bank's vault")]
    VaultMismatch,
    #[msg("The token account or mint is not of this bank's token")]
    MintMismatch,
    #[msg("A bank the margin account has a balance in was not given")]
    BankMissing = 7,
    #[msg("An underlying the margin account has risk in was not given")]
    UnderlyingMissing,
    #[msg("An extra account is not owned by this program")]
    UnexpectedAccount,
    #[msg("The account's data is not of the expected type or version")]
    WrongAccountType,
    #[msg("A party cannot deal with itself")]
    SelfDealing,
    #[msg("The signer is neither the group's manager nor its admin")]
    SignerIsNotManager,
    #[msg("The signer is neither the group's operator nor its manager")]
    SignerIsNotOperator,
    #[msg("The signer is neither the group's guardian nor its admin")]
    SignerIsNotGuardian,
    #[msg("The signer is neither the account's owner nor a delegate whose time has not run out")]
    SignerMayNotTrade,
    #[msg("The account must be passed as writable")]
    AccountMustBeWritable,
    #[msg("The quote bank must be passed as writable: a premium is paid from or into a loan")]
    QuoteBankMustBeWritable,
    #[msg("Both margin accounts must have the same owner")]
    OwnersDiffer,
    #[msg("A guardian has paused this")]
    Paused,
    #[msg("The group is not launched yet")]
    NotLaunched,
    #[msg("The group is launched already")]
    AlreadyLaunched,
    #[msg("The margin account still holds a balance, a position or a claim")]
    MarginAccountNotEmpty,
    #[msg("The account has grown to its full size already")]
    AlreadyGrown,
    #[msg("A pause holds for 1 second to 7 days; pausing again prolongs it")]
    PauseTooLong,
    #[msg("The signer is not the venue's authority, which only its program can sign with")]
    SignerIsNotVenue,
    #[msg("The venue that the change is of was not given")]
    VenueMissing,

    // Amounts and limits: 6100
    #[msg("The amount must be more than zero")]
    AmountMustBePositive = 100,
    #[msg("The withdrawal exceeds the account's balance in this bank")]
    BalanceExceeded,
    #[msg("The deposit would exceed the bank's deposit_cap")]
    DepositCapExceeded,
    #[msg("The amount is too small to be worth one share")]
    AmountBelowOneShare,
    #[msg("The account has room for 7 collateral tokens and the quote token; withdraw one entirely first")]
    CollateralLimitExceeded,
    #[msg("The account already holds its 32 positions; close one first")]
    PositionLimitExceeded,
    #[msg("The account already has risk in its 8 underlyings; close one first")]
    UnderlyingLimitExceeded,
    #[msg("The quantity is not a whole number of the market's lots")]
    QuantityNotInLots,
    #[msg("A number exceeds what the engine can value; see the bound in the log")]
    ValueOutOfRange,
    #[msg("The loan would exceed the bank's borrow_cap")]
    BorrowCapExceeded,
    #[msg("More would leave in a day than outflow_cap allows; try less, or later")]
    OutflowLimitExceeded,
    #[msg("The vault does not hold enough tokens that are not lent or reserved")]
    VaultIlliquid,
    #[msg("A trade needs 1 to 8 legs and one sheet for each")]
    LegsOutOfRange,
    #[msg("A delegate may be appointed for at most a year")]
    DelegationTooLong,
    #[msg("A consent may be given for at most a year")]
    ConsentTooLong,

    // Prices: 6200
    #[msg("The price account's owner is not one of the group's receiver programs")]
    ReceiverNotAllowed = 200,
    #[msg("The price account does not hold a Pyth PriceUpdateV2")]
    NotAPriceUpdate,
    #[msg("The price account is of another feed")]
    FeedMismatch,
    #[msg("The price update is not fully verified")]
    PriceNotFullyVerified,
    #[msg("The price is older than max_age_secs; refresh it in the same transaction")]
    PriceTooOld,
    #[msg("The price was published later than now plus max_future_secs")]
    PriceFromTheFuture,
    #[msg("The price is older than the one accepted before")]
    PriceWentBack,
    #[msg("The price must be positive")]
    PriceMustBePositive,
    #[msg("The price's confidence exceeds max_confidence_ppm of the price")]
    PriceTooUncertain,
    #[msg("The price's exponent must be between -18 and 0 and the price at most ten million dollars")]
    PriceOutOfRange,
    #[msg("No price has been accepted yet; refresh it first")]
    PriceNotInitialized,
    #[msg("The change is faster than vol_rate_ppm or carry_rate_ppm allow")]
    SurfaceMovesTooFast,
    #[msg("The expiry's surface is older than max_surface_age_secs; nothing may be opened on it")]
    SurfaceTooOld,
    #[msg("The settlement price is not known yet; refresh the price after the expiry")]
    NotSettledYet,
    #[msg("A volatility must be between a tenth and three times the one that the scan range stands for")]
    VolFarFromScanRange,
    #[msg("The first price after a halt must be from after it, and no older than liquidation_max_age_secs")]
    PriceFromBeforeHalt,
    #[msg("The price is further than max_jump_ppm from one that is not an hour old")]
    PriceJumpedTooFar,

    // Trading and margin: 6300; quotes: 6320; venues: 6340
    #[msg("The account would be below its initial margin; see the numbers in the log")]
    InitialMarginNotMet = 300,
    #[msg("The trade price is further than max_trade_deviation_ppm from the index")]
    PriceOutsideBand,
    #[msg("The instrument is not listed")]
    InstrumentNotListed,
    #[msg("The trade would exceed the market's open_interest_cap")]
    OpenInterestCapExceeded,
    #[msg("The position would be more than concentration_ppm of the open interest and above position_allowance")]
    PositionTooConcentrated,
    #[msg("The expiry has passed")]
    ExpiryHasPassed,
    #[msg("Health is below what health_check demands")]
    HealthTooLow,
    #[msg("The account has changed: its sequence is not the expected one")]
    SequenceMoved,
    #[msg("The price has moved by more than gap_ppm: nothing may be opened on this underlying for gap_pause_secs")]
    PriceGapPause,
    #[msg(
        "The cluster has stood still: nothing may be opened and nobody liquidated here for grace_secs after the first price"
    )]
    RestartGrace,
    #[msg(
        "More than liquidation_volume_cap was liquidated in volume_window_secs: nothing may be opened on this underlying"
    )]
    LiquidationVolumeExceeded,
    #[msg("The bytes are not a quote of this program")]
    NotAQuote = 320,
    #[msg("The instruction at this index does not verify exactly one signature of its own bytes")]
    QuoteNotSigned,
    #[msg("The quote was signed neither by the maker's owner nor by its delegate")]
    QuoteSignerMayNotTrade,
    #[msg("The quote is for another group, maker or taker")]
    QuoteOfOthers,
    #[msg("The quote has expired")]
    QuoteExpired,
    #[msg("A quote may live for at most a day")]
    QuoteLivesTooLong,
    #[msg("The quote was cancelled")]
    QuoteCancelled,
    #[msg("The quote has fewer units left")]
    QuoteFilled,
    #[msg("Another living quote is remembered in this nonce's slot; cancel below a nonce to free it")]
    QuoteSlotTaken,
    #[msg("The venue is not enabled, or a guardian has stopped it")]
    VenueStopped = 340,
    #[msg("The venue's terms do not allow this kind of instrument on this underlying")]
    VenueMarketNotAllowed,
    #[msg("A leg is worth more than the venue's fill_cap on its underlying")]
    VenueFillTooLarge,
    #[msg(
        "More value would add risk through the venue in a day than its exposure_cap; what both sides reduce is not counted"
    )]
    VenueExposureExceeded,
    #[msg("The consent is of another margin account, or for another venue")]
    ConsentOfOthers,
    #[msg(
        "The consent is from before the account was opened or last went into liquidation; its owner may grant it again"
    )]
    ConsentVoid,
    #[msg("The consent has expired")]
    ConsentExpired,
    #[msg("The fill is worth more than what is left of the consent's allowance")]
    ConsentUsedUp,

    // Liquidation: 6400
    #[msg("The account is at or above its maintenance margin")]
    AccountIsHealthy = 400,
    #[msg("The account holds no position in this instrument")]
    NoPosition,
    #[msg("Taking over this position would not lower the account's risk")]
    LiquidationWouldNotHelp,
    #[msg("The liquidation would not improve the account's health")]
    HealthMustImprove,
    #[msg("A liquidator's bracket is open on the account; it must be ended in the same transaction")]
    BracketOpen,
    #[msg("No bracket is open on the account")]
    BracketNotOpen,
    #[msg(
        "A bracket must be ended by a later instruction of the same transaction, and nothing of this program between"
    )]
    BracketNotEnded,
    #[msg("A bracket may not be opened or ended by another program")]
    BracketCalledByProgram,
    #[msg("The account would lose more equity than the liquidation fee of what was taken")]
    LossTooLarge,
    #[msg("A step takes over 1 to 4 different positions of the account")]
    LiquidationLegsOutOfRange,
    #[msg("The account owes nothing in this bank, or holds nothing in it")]
    NothingToRepay,
    #[msg("The step would take more than the account needs")]
    TakesTooMuch,
    #[msg("A slice is sold of an account with equity; others are taken over position by position")]
    NoEquityToSell,
    #[msg("The account is not bankrupt")]
    AccountIsSolvent,
    #[msg("The account has collateral or claims of its own; they bear its losses first")]
    OwnCollateralFirst,
    #[msg("The account's positions on the underlying must be closed first")]
    PositionsFirst,
    #[msg("A deficit is open here; profit is drawn and fees are swept after it was shared")]
    DeficitOpen = 417,
    #[msg("It is too early; see loss_notice_secs")]
    NoticeRunning,
    #[msg("Another account is first in the queue")]
    NotFirstInQueue,
    #[msg("The account has no profit here, or no position opposite to the bankrupt one")]
    NotACandidate,
    #[msg("The account's profit was registered in this round already")]
    AlreadyRegistered,
    #[msg(
        "The losses in the named cells do not put the account below its maintenance margin; flag_account looks at all of them"
    )]
    BreachNotProven,
    #[msg("The cells of the scenario grid are 0 to 30")]
    NoSuchCell,

    // Listing and parameters: 6500
    #[msg("A parameter is outside its bound; see docs/parameters.md")]
    ParameterOutOfBounds = 500,
    #[msg("The token's program or one of its extensions is not allowed")]
    TokenNotAllowed,
    #[msg("This is listed already")]
    AlreadyListed,
    #[msg("The underlying has no free slot for an expiry or strike")]
    NoFreeSlot,
    #[msg("The expiry still has open positions")]
    ExpiryInUse,
    #[msg("The change loosens a limit and must be queued")]
    ChangeMustBeQueued,
    #[msg("The change may not be executed before its time")]
    ChangeMustWait,
    #[msg("The change was not executed in time and is void")]
    ChangeExpired,
    #[msg("The rent of a proposal goes back to its proposer")]
    ProposerMismatch,
    #[msg("A venue's program must be executable")]
    NotAProgram,

    // State: 6900
    #[msg("An account's invariant does not hold; nothing was changed")]
    InvariantViolated = 900,
}

impl From<RiskError> for MargraveError {
    fn from(error: RiskError) -> Self {
        match error {
            RiskError::PriceOutOfRange => Self::PriceOutOfRange,
            RiskError::ValueOutOfRange | RiskError::TooManyItems => Self::ValueOutOfRange,
            RiskError::NoSuchCell => Self::NoSuchCell,
            // Terms of a market, which are checked where they are set.
            _ => Self::ParameterOutOfBounds,
        }
    }
}

/// `risk_call().or_refuse()?`: the engine's error as this program's, with its sentence in the log.
pub trait OrRefuse<T> {
    fn or_refuse(self) -> Result<T>;
}

impl<T> OrRefuse<T> for core::result::Result<T, RiskError> {
    fn or_refuse(self) -> Result<T> {
        self.map_err(|error| {
            msg!("{}", error);
            MargraveError::from(error).into()
        })
    }
}
