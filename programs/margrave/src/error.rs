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
    #[msg("The same account was given twice")]
    DuplicateAccount,
    #[msg("A bank the margin account has a balance in was not given")]
    BankMissing,
    #[msg("An underlying the margin account has risk in was not given")]
    UnderlyingMissing,
    #[msg("An extra account is not owned by this program")]
    UnexpectedAccount,
    #[msg("The account's data is not of the expected type or version")]
    WrongAccountType,
    #[msg("A party cannot deal with itself")]
    SelfDealing,

    // Amounts and limits: 6100
    #[msg("The amount must be more than zero")]
    AmountMustBePositive = 100,
    #[msg("The withdrawal exceeds the account's balance in this bank")]
    BalanceExceeded,
    #[msg("The deposit would exceed the bank's deposit_cap")]
    DepositCapExceeded,
    #[msg("The amount is too small to be worth one share")]
    AmountBelowOneShare,
    #[msg("The account already holds its 8 collateral tokens; withdraw one entirely first")]
    CollateralLimitExceeded,
    #[msg("The account already holds its 32 positions; close one first")]
    PositionLimitExceeded,
    #[msg("The account already has risk in its 8 underlyings; close one first")]
    UnderlyingLimitExceeded,
    #[msg("The quantity is not a whole number of the market's lots")]
    QuantityNotInLots,
    #[msg("A number exceeds what the engine can value; see the bound in the log")]
    ValueOutOfRange,

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

    // Trading and margin: 6300
    #[msg("The account would be below its initial margin; see the numbers in the log")]
    InitialMarginNotMet = 300,
    #[msg("The trade price is further than max_trade_deviation_ppm from the index")]
    PriceOutsideBand,
    #[msg("The underlying has no perp listed")]
    PerpNotListed,
    #[msg("The trade would exceed the market's open_interest_cap")]
    OpenInterestCapExceeded,

    // Liquidation: 6400
    #[msg("The account is at or above its maintenance margin")]
    AccountIsHealthy = 400,
    #[msg("The account holds no position in this instrument")]
    NoPosition,
    #[msg("Taking over this position would not lower the account's risk")]
    LiquidationWouldNotHelp,
    #[msg("The liquidation would not improve the account's health")]
    HealthMustImprove,

    // Listing and parameters: 6500
    #[msg("A parameter is outside its bound; see docs/parameters.md")]
    ParameterOutOfBounds = 500,
    #[msg("The token's program or one of its extensions is not allowed")]
    TokenNotAllowed,
    #[msg("The perp is listed already")]
    AlreadyListed,

    // State: 6900
    #[msg("An account's invariant does not hold; nothing was changed")]
    InvariantViolated = 900,
}

impl From<RiskError> for MargraveError {
    fn from(error: RiskError) -> Self {
        match error {
            RiskError::PriceOutOfRange => Self::PriceOutOfRange,
            RiskError::ValueOutOfRange | RiskError::TooManyItems | RiskError::NoSuchCell => Self::ValueOutOfRange,
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
