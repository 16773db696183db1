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
    /// A volatility that is not positive or is above [`crate::Vol::MAX`].
    VolOutOfRange,
    /// A time that is negative or above [`crate::Years::MAX`].
    TimeOutOfRange,
    /// A logarithm of zero, or an argument of the exponential beyond 44 in size.
    LogOutOfRange,
    /// A smile outside the bounds of [`crate::Smile::new`].
    SmileOutOfRange,
    /// A price that no volatility gives.
    NoImpliedVol,
    /// A long factor above one or a short factor below it, or one beyond 2.
    TimeValueFactorsOutOfRange,
    /// The underlyings of a correlation group were not given one after another.
    GroupsOutOfOrder,
    /// Grid nodes that were prepared for another scan range.
    NodesOfAnotherRange,
    /// Positions on more than one underlying in an isolated account.
    IsolatedToOneUnderlying,
    /// An underlying that is not in the list.
    NoSuchUnderlying,
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
            Self::VolOutOfRange => "a volatility must be positive and at most 3,200 %",
            Self::TimeOutOfRange => "a time to expiry must be 0 to 8 years",
            Self::LogOutOfRange => "a logarithm needs a positive argument, and an exponential one of at most 44 in size",
            Self::SmileOutOfRange => {
                "a smile needs b of 0 to 8, |rho| below 1, sigma above 0, |a|, |m| and sigma at most 8, and no negative variance"
            }
            Self::NoImpliedVol => "the price is at or below the intrinsic value or above what any volatility gives",
            Self::TimeValueFactorsOutOfRange => "time value factors must satisfy 0 <= long <= 1 <= short <= 2",
            Self::GroupsOutOfOrder => "the underlyings of one correlation group must follow one another",
            Self::NodesOfAnotherRange => "the grid nodes were prepared for another scan range",
            Self::IsolatedToOneUnderlying => "an isolated account holds positions on one underlying only",
            Self::NoSuchUnderlying => "there is no such underlying in the portfolio",
        })
    }
}

impl core::error::Error for RiskError {}
