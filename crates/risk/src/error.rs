use core::fmt;

/// The ways an input can be unusable. Each names the bound it broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RiskError {
    /// A dollar amount beyond [`crate::Usd::MAX`] in size.
    ValueOutOfRange,
    /// A price that is not positive or is above [`crate::Price::MAX`].
    PriceOutOfRange,
    /// A ratio of 8 or more.
    RatioOutOfRange,
    /// A unit with more than 18 decimals.
    DecimalsOutOfRange,
    /// More than [`crate::MAX_ITEMS`] positions, collaterals and cash balances in one portfolio.
    TooManyItems,
    /// A grid cell index of 31 or more.
    NoSuchCell,
}

impl fmt::Display for RiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ValueOutOfRange => "a value exceeds 2^50 micro-dollars (about 1.1 billion dollars)",
            Self::PriceOutOfRange => "a price must be positive and at most 10 million dollars",
            Self::RatioOutOfRange => "a ratio must be below 8",
            Self::DecimalsOutOfRange => "a unit has more than 18 decimals",
            Self::TooManyItems => "a portfolio has more than 64 positions and balances",
            Self::NoSuchCell => "the scenario grid has 31 cells",
        })
    }
}

impl core::error::Error for RiskError {}
