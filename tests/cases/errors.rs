//! Clients decode errors by number: a number once given never changes its meaning.

use margrave::error::MargraveError::*;

#[test]
fn error_numbers_are_fixed() {
    let numbers = [
        (SignerIsNotOwner as u32, 0),
        (SignerIsNotAdmin as u32, 1),
        (SignerIsNotUpgradeAuthority as u32, 2),
        (GroupMismatch as u32, 3),
        (VaultMismatch as u32, 4),
        (MintMismatch as u32, 5),
        (DuplicateAccount as u32, 6),
        (BankMissing as u32, 7),
        (UnderlyingMissing as u32, 8),
        (UnexpectedAccount as u32, 9),
        (WrongAccountType as u32, 10),
        (SelfDealing as u32, 11),
        (AmountMustBePositive as u32, 100),
        (BalanceExceeded as u32, 101),
        (DepositCapExceeded as u32, 102),
        (AmountBelowOneShare as u32, 103),
        (CollateralLimitExceeded as u32, 104),
        (PositionLimitExceeded as u32, 105),
        (UnderlyingLimitExceeded as u32, 106),
        (QuantityNotInLots as u32, 107),
        (ValueOutOfRange as u32, 108),
        (ReceiverNotAllowed as u32, 200),
        (NotAPriceUpdate as u32, 201),
        (FeedMismatch as u32, 202),
        (PriceNotFullyVerified as u32, 203),
        (PriceTooOld as u32, 204),
        (PriceFromTheFuture as u32, 205),
        (PriceWentBack as u32, 206),
        (PriceMustBePositive as u32, 207),
        (PriceTooUncertain as u32, 208),
        (PriceOutOfRange as u32, 209),
        (PriceNotInitialized as u32, 210),
        (InitialMarginNotMet as u32, 300),
        (PriceOutsideBand as u32, 301),
        (PerpNotListed as u32, 302),
        (OpenInterestCapExceeded as u32, 303),
        (AccountIsHealthy as u32, 400),
        (NoPosition as u32, 401),
        (LiquidationWouldNotHelp as u32, 402),
        (HealthMustImprove as u32, 403),
        (ParameterOutOfBounds as u32, 500),
        (TokenNotAllowed as u32, 501),
        (AlreadyListed as u32, 502),
        (InvariantViolated as u32, 900),
    ];
    for (actual, expected) in numbers {
        assert_eq!(actual, expected);
    }
}
