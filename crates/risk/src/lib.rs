//! Portfolio margin in integers: what a set of positions and collateral is worth, and what it must hold against loss.
//!
//! A [`Portfolio`] is plain data; [`Portfolio::evaluate`] goes through it once. Per underlying an [`Exposure`] adds up perps and
//! collateral, a [`DatedRisk`] futures and options by expiry; together they are a [`RiskArray`], profit and loss in each of 31
//! scenarios. A [`Book`] adds up equity, the worst cells of correlation groups and the charges that the grid cannot see, and
//! [`Valuation`] answers with equity, three margin levels, every charge and the scenario that set them. A program that reads
//! accounts one by one uses the parts directly.
//!
//! ```text
//! scan              = per correlation group W - kappa (W - J): worst losses apart, and all in one cell
//! maintenance       = 0.8 scan + maintenance charges
//! initial           = scan + maintenance charges + initial charges
//! liquidation end   = min(maintenance + 15 % of it, initial)
//! ```
//!
//! The model and its numbers are in `docs/margin-model.md`; every number in it is a parameter.
//!
//! | module | holds |
//! |---|---|
//! | `units`, `math` | dollars, prices, ratios, volatilities, times; logarithm, exponential, root, normal distribution |
//! | `black76`, `smile` | option values, greeks, implied volatility; SVI with arbitrage checks |
//! | `grid`, `array`, `expiry`, `dated`, `sheet` | scenarios, arrays and their 64 bytes, what futures and options do in them |
//! | `book`, `portfolio` | charges, groups, levels; modes and the whole evaluation |
//! | `breach` | one named cell of each underlying: a bound that proves a breach |
//! | `range`, `shortfall`, `stored`, `liquidation`, `interest` | adaptive scan range, expected shortfall, scans of stored arrays, quotes, growth |
//!
//! **Rounding:** what the account owns rounds down, what it owes or must post rounds up. Every operation that can round
//! says which way in its name.
//!
//! **Bounds:** values are checked where they enter ([`Usd::new`], [`Price::new`], [`Ratio::from_ppm_up`]); with the number
//! of items bounded as well, sums and products cannot overflow (`units.rs` has the proof as constant assertions).
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::float_arithmetic, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

mod array;
mod black76;
mod book;
mod breach;
mod dated;
mod error;
mod expiry;
mod grid;
mod interest;
mod liquidation;
mod math;
mod portfolio;
mod range;
mod sheet;
mod shortfall;
mod smile;
mod stored;
mod units;

pub use array::{CompressedArray, RiskArray};
pub use black76::{Black76, Greeks, OptionKind};
pub use book::{
    Book, Charges, Exposure, Group, Haircuts, Levels, Market, SizeCharge, UnderlyingArray, Valuation, WorstCell,
};
pub use breach::Breach;
pub use dated::DatedRisk;
pub use error::RiskError;
pub use expiry::{Expiry, Nodes, OptionTerms, Strike, StrikePrice, Terms};
pub use grid::{CELLS, Cell, Grid, NODES, PriceMove, VolMove};
pub use interest::growth_down;
pub use liquidation::{LinearPosition, Relief, Takeover, most_relief, quote_lots, quote_slice, quote_takeover};
pub use math::{Log, Scaled, normal_cdf, normal_pdf, sqrt_down};
pub use portfolio::{Collateral, Dated, Holdings, Mode, Portfolio, Split, UnderlyingRisk};
pub use range::{RangeTerms, ScanRange, Volatility};
pub use shortfall::{CellWeights, Shortfall};
pub use smile::{Smile, SmileParameters};
pub use stored::{StoredArray, stored_scan};
pub use units::{Decimals, MAX_ITEMS, Price, Quantity, Ratio, Usd, Vol, Years};
