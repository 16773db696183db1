//! Portfolio margin in integers: what a set of positions and collateral is worth, and what it must hold against loss.
//!
//! One pass has three steps. *Arrange*: an [`Exposure`] per underlying collects its linear items at one price.
//! *Evaluate*: the exposure becomes a [`RiskArray`], its profit and loss in each of 31 scenarios, and a [`Book`] adds up
//! equity, the worst cells and the charges that the grid cannot see. *Decide*: [`Valuation`] answers with equity, three
//! margin levels and the scenario that set them.
//!
//! ```text
//! scan              = sum over underlyings of -(worst cell)
//! maintenance       = 0.8 scan + maintenance charges
//! initial           = scan + maintenance charges + initial charges
//! liquidation end   = min(maintenance + 15 % of it, initial)
//! ```
//!
//! The numbers 0.8 and 15 % are [`Levels`], parameters like all others. The model is described in `docs/margin-model.md`.
//!
//! **Rounding:** what the account owns rounds down, what it owes or must post rounds up. Every operation that can round
//! says which way in its name.
//!
//! **Bounds:** values are checked where they enter ([`Usd::new`], [`Price::new`], [`Ratio::from_ppm_up`]); with the number
//! of items bounded as well, sums and products cannot overflow (`units.rs` has the proof as constant assertions).
//!
//! Not here yet: options, futures, correlation between underlyings (each underlying's worst cell is added), size and
//! depeg charges. The scenario cells that only move options when volatility or skew moves are present and equal their
//! price node.
#![no_std]
#![forbid(unsafe_code)]
#![deny(missing_docs)]
#![deny(clippy::float_arithmetic, clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_possible_wrap)]

mod array;
mod black76;
mod book;
mod error;
mod expiry;
mod grid;
mod liquidation;
mod math;
mod portfolio;
mod range;
mod shortfall;
mod smile;
mod stored;
mod units;

pub use array::{CompressedArray, RiskArray};
pub use black76::{Black76, Greeks, OptionKind};
pub use book::{
    Book, Charges, Exposure, Group, Haircuts, Levels, Market, SizeCharge, UnderlyingArray, Valuation, WorstCell,
};
pub use error::RiskError;
pub use expiry::{DatedBook, DatedRisk, Expiry, Nodes, OptionTerms, Strike, Terms};
pub use grid::{CELLS, Cell, Grid, NODES, PriceMove, VolMove};
pub use liquidation::{LinearPosition, Takeover, quote_takeover};
pub use math::{Log, Scaled, normal_cdf, normal_pdf, sqrt_down};
pub use portfolio::{Collateral, Dated, Holdings, Mode, Portfolio, UnderlyingRisk};
pub use range::{RangeTerms, ScanRange, Volatility};
pub use shortfall::{CellWeights, Shortfall};
pub use smile::{Smile, SmileParameters};
pub use stored::{StoredArray, stored_scan};
pub use units::{Decimals, MAX_ITEMS, Price, Quantity, Ratio, Usd, Vol, Years};
