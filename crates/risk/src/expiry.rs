//! An expiry, a grid and a strike, prepared for the cells: after this an option costs divisions, products and table lookups
//! only. A program stores them when a price is accepted. See `docs/margin-model.md` §2 and §3.

use crate::black76::{cap_total_vol, excess_bits, total_vol};
use crate::math::wide_product;
use crate::{Grid, Log, NODES, Price, Quantity, Ratio, RiskError, Vol, Years};

/// How options are shocked and charged.
#[derive(Clone, Copy, Debug)]
pub struct OptionTerms {
    /// Relative rise of volatility at 30 days.
    pub vol_up: Ratio,
    /// Relative fall of volatility at 30 days.
    pub vol_down: Ratio,
    /// Power of `30 days / T` up to 30 days.
    pub power_short: Ratio,
    /// The same beyond.
    pub power_long: Ratio,
    /// The least volatility of the cells in which it rises.
    pub vol_floor: Ratio,
    /// Most that the skew cells change a volatility, of itself, for an expiry now.
    pub skew_cap: Ratio,
    /// How much less per root of a year.
    pub skew_cap_slope: Ratio,
    /// The log-moneyness at which the cap is reached, per root of a year.
    pub skew_width: Ratio,
    /// The least such log-moneyness.
    pub skew_min_width: Ratio,
    /// What counts of net long time value in a cell; at most one.
    pub long_factor: Ratio,
    /// What counts of net short time value in a cell; at least one.
    pub short_factor: Ratio,
    /// Charge on an expiry's loss at a third of the scan range.
    pub basis_base: Ratio,
    /// How much more per year to expiry.
    pub basis_per_year: Ratio,
    /// Charge on an expiry's loss when volatility alone moves.
    pub vega_charge: Ratio,
    /// Charge on naked short options, of the underlying's price.
    pub naked_maintenance: Ratio,
    /// What initial margin adds to it.
    pub naked_initial: Ratio,
}

/// What is known of an expiry.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Time left.
    pub years: Years,
    /// Forward of the settlement price, and the mark of the future.
    pub forward: Price,
    /// What a dollar at expiry is worth now; at most one.
    pub discount: Ratio,
}

/// What the positions of one expiry share, ready for the cells. It may be stored and used again as long as its inputs stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    pub(crate) forward: Price,
    pub(crate) discount: Ratio,
    /// ln F, 2^-48.
    pub(crate) log_forward: Log,
    /// sqrt T, 2^-30.
    pub(crate) root_years: i64,
    /// Factors of the shocked volatilities, 2^-28.
    pub(crate) vol_down: i64,
    pub(crate) vol_up: i64,
    /// The least total volatility where it rises, 2^-30.
    pub(crate) floor: i64,
    /// The skew cells' bound and its slope by log-moneyness, 2^-30.
    pub(crate) skew_cap: i64,
    pub(crate) skew_slope: i64,
    /// The share of the forward that still moves.
    pub(crate) unobserved: Ratio,
    /// Of the loss at so many thirds of the range.
    pub(crate) basis: Ratio,
    pub(crate) thirds: u8,
    /// Bits of the forward beyond 34.
    pub(crate) excess: u32,
    pub(crate) years: Years,
}

/// A strike price and its logarithm, which is made of it here and nowhere else: a wrong one would price an option away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StrikePrice {
    price: Price,
    log: Log,
}

/// The options of one strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    pub(crate) at: StrikePrice,
    /// Implied volatility now.
    pub vol: Vol,
    /// Calls held, signed.
    pub calls: Quantity,
    /// Puts held, signed.
    pub puts: Quantity,
}

/// The price nodes of an underlying's grid as options need them. It may be stored with the scan range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nodes {
    pub(crate) moves: [NodeMove; NODES],
    /// Of the profit and loss of the tails.
    pub(crate) weight: [Ratio; TAILS],
    /// 4/3 of the scan range, by which the grid is told from another.
    pub(crate) edge: Ratio,
}

/// F'/F at a node and its logarithm, both in 2^-30: at least 1/1024 and below 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NodeMove {
    pub(crate) factor: i64,
    pub(crate) log: i64,
}

/// 30 days and one day, in 2^-40 years.
const THIRTY_DAYS: i64 = (30 << Years::BITS) / 365;
const ONE_DAY: i64 = (1 << Years::BITS) / 365;
/// The settlement window, 30 minutes, in 2^-40 years.
const WINDOW: i64 = (1800 << Years::BITS) / Years::SECONDS;
/// No expiry is charged more for its basis than its loss at the end of the core, three thirds of the range.
const MAX_BASIS: i64 = 3 << Ratio::BITS;
/// Factors of volatility are held to 8.
const MAX_UP: i64 = 8 << 28;
/// The least width of the skew, 1/1024: a narrower one would make its slope overflow.
const LEAST_SKEW_WIDTH: i64 = 1 << 20;
/// The least factor of a price, 1/1024.
const LEAST_FACTOR: i64 = 1 << 20;

pub(crate) const TAILS: usize = 6;
pub(crate) const EDGES: usize = 2;
pub(crate) const CORE_NODES: usize = 7;
pub(crate) const OUTER_NODES: usize = NODES - CORE_NODES;
/// Cells of the core; each later node has one cell.
pub(crate) const CORE_CELLS: usize = 3 * CORE_NODES;
pub(crate) const FIRST_TAIL_NODE: usize = NODES - TAILS;
pub(crate) const UNCHANGED_NODE: usize = 3;
pub(crate) const EDGE_NODE: usize = FIRST_TAIL_NODE - 1;

impl OptionTerms {
    /// The default terms of `docs/margin-model.md`.
    pub const fn standard() -> Self {
        const fn ppm(millionths: u32) -> Ratio {
            match Ratio::from_ppm_up(millionths) {
                Ok(ratio) => ratio,
                Err(_) => Ratio::ZERO,
            }
        }
        Self {
            vol_up: ppm(500_000),
            vol_down: ppm(250_000),
            power_short: ppm(300_000),
            power_long: ppm(130_000),
            vol_floor: ppm(400_000),
            skew_cap: ppm(250_000),
            skew_cap_slope: ppm(100_000),
            skew_width: ppm(2_400_000),
            skew_min_width: ppm(10_000),
            long_factor: ppm(950_000),
            short_factor: ppm(1_040_000),
            basis_base: ppm(500_000),
            basis_per_year: ppm(2_000_000),
            vega_charge: ppm(100_000),
            naked_maintenance: ppm(3_000),
            naked_initial: ppm(2_000),
        }
    }

    /// # Errors
    /// [`RiskError::TimeValueFactorsOutOfRange`] unless `0 <= long <= 1 <= short <= 2`: swapped, merging portfolios would raise
    /// margin. [`RiskError::RatioOutOfRange`] for a negative parameter, a down shock or skew cap above one, a
    /// power above 2 or a least skew width below 1/1024.
    pub fn require_valid(&self) -> Result<(), RiskError> {
        let (zero, one, two) = (Ratio::ZERO, Ratio::ONE, Ratio::ONE.doubled());
        if self.long_factor < zero || self.long_factor > one || self.short_factor < one || self.short_factor > two {
            return Err(RiskError::TimeValueFactorsOutOfRange);
        }
        let all = [
            self.vol_up,
            self.vol_down,
            self.power_short,
            self.power_long,
            self.vol_floor,
            self.skew_cap,
            self.skew_cap_slope,
            self.skew_width,
            self.basis_base,
            self.basis_per_year,
            self.vega_charge,
            self.naked_maintenance,
            self.naked_initial,
        ];
        let within = all.iter().all(|ratio| *ratio >= zero)
            && self.skew_min_width.bits() >= LEAST_SKEW_WIDTH
            && self.skew_cap <= one
            && self.vol_down <= one
            && self.power_short <= two
            && self.power_long <= two;
        if within { Ok(()) } else { Err(RiskError::RatioOutOfRange) }
    }
}

impl StrikePrice {
    /// Words of the stored form.
    pub const WORDS: usize = 2;

    /// Takes the logarithm.
    pub const fn new(price: Price) -> Self {
        Self { price, log: Log::of_price(price) }
    }

    /// The price.
    pub const fn price(&self) -> Price {
        self.price
    }

    /// Its logarithm.
    pub const fn log(&self) -> Log {
        self.log
    }

    /// The stored form.
    pub const fn to_words(&self) -> [i64; Self::WORDS] {
        [self.price.raw(), self.log.bits()]
    }

    /// From the stored form. Only for words that [`StrikePrice::to_words`] made: they are not checked.
    pub const fn from_words(&[price, log]: &[i64; Self::WORDS]) -> Self {
        Self { price: Price::of_word(price), log: Log::of_word(log) }
    }
}

impl Strike {
    /// The options at a strike price.
    pub const fn new(price: Price, vol: Vol, calls: Quantity, puts: Quantity) -> Self {
        Self { at: StrikePrice::new(price), vol, calls, puts }
    }

    /// The same with the logarithm at hand.
    pub const fn at(strike: &StrikePrice, vol: Vol, calls: Quantity, puts: Quantity) -> Self {
        Self { at: *strike, vol, calls, puts }
    }

    /// Strike price.
    pub const fn price(&self) -> Price {
        self.at.price
    }

    /// Its calls and its puts apart, those that are held.
    pub(crate) fn legs(&self) -> impl Iterator<Item = Self> {
        let legs = [Self { puts: Quantity::ZERO, ..*self }, Self { calls: Quantity::ZERO, ..*self }];
        legs.into_iter().filter(|leg| leg.calls.atoms() | leg.puts.atoms() != 0)
    }

    /// Of a leg.
    pub(crate) const fn is_long(&self) -> bool {
        self.calls.atoms() + self.puts.atoms() > 0
    }
}

impl Nodes {
    /// For a scan range.
    pub fn new(grid: &Grid) -> Self {
        Self::moving_by(grid, Ratio::ONE)
    }

    /// For a forward of which `share` still moves.
    pub(crate) fn moving_by(grid: &Grid, share: Ratio) -> Self {
        let of = |moved: Ratio| NodeMove::of(moved.bits().wrapping_mul(share.bits()) >> Ratio::BITS);
        let tails = if share == Ratio::ONE { TAIL_MOVES } else { crate::grid::TAILS.map(of) };
        let moves = core::array::from_fn(|node| match node.checked_sub(FIRST_TAIL_NODE) {
            Some(tail) => tails[tail],
            None => of(grid.moves()[node]),
        });
        let weight = core::array::from_fn(|tail| grid.tail_weight_up(FIRST_TAIL_NODE + tail));
        Self { moves, weight, edge: grid.moves()[EDGE_NODE] }
    }
}

impl Nodes {
    /// Words of the stored form.
    pub const WORDS: usize = 2 * FIRST_TAIL_NODE + TAILS;

    /// The stored form: the moves within the edge, and the weights of the tails, whose moves are the same for every range.
    pub fn to_words(&self) -> [i64; Self::WORDS] {
        let mut words = [0; Self::WORDS];
        let (moves, weights) = words.split_at_mut(2 * FIRST_TAIL_NODE);
        for (pair, moved) in moves.chunks_exact_mut(2).zip(&self.moves) {
            pair.copy_from_slice(&[moved.factor, moved.log]);
        }
        for (word, weight) in weights.iter_mut().zip(&self.weight) {
            *word = weight.bits();
        }
        words
    }

    /// From the stored form. Only for words that [`Nodes::to_words`] made: they are not checked.
    pub fn from_words(words: &[i64; Self::WORDS]) -> Self {
        let moves = core::array::from_fn(|node| match node.checked_sub(FIRST_TAIL_NODE) {
            Some(tail) => TAIL_MOVES[tail],
            None => NodeMove { factor: words[2 * node], log: words[2 * node + 1] },
        });
        let weight = core::array::from_fn(|tail| Ratio::of_word(words[2 * FIRST_TAIL_NODE + tail]));
        // The edge is a rise: no bound has changed its factor.
        Self { moves, weight, edge: Ratio::of_word(words[2 * EDGE_NODE].wrapping_sub(Ratio::ONE.bits())) }
    }
}

impl NodeMove {
    /// For a move in 2^-30.
    const fn of(moved: i64) -> Self {
        const LOG_ONE: Log = Log::of_ratio(1 << Ratio::BITS);
        if moved == 0 {
            return Self { factor: Ratio::ONE.bits(), log: 0 };
        }
        let whole = Ratio::ONE.bits() + moved;
        let factor = if whole < LEAST_FACTOR { LEAST_FACTOR } else { whole };
        Self { factor, log: Log::of_ratio(factor.unsigned_abs()).minus(LOG_ONE).bits_30() }
    }
}

/// Those of the tails.
const TAIL_MOVES: [NodeMove; TAILS] = {
    let mut moves = [NodeMove { factor: 0, log: 0 }; TAILS];
    let mut tail = 0;
    while tail < TAILS {
        moves[tail] = NodeMove::of(crate::grid::TAILS[tail].bits());
        tail += 1;
    }
    moves
};

impl Expiry {
    /// Prepares an expiry.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] for a discount that is not positive or above one, and what
    /// [`OptionTerms::require_valid`] refuses.
    pub fn new(terms: &Terms, options: &OptionTerms) -> Result<Self, RiskError> {
        options.require_valid()?;
        if terms.discount <= Ratio::ZERO || terms.discount > Ratio::ONE {
            return Err(RiskError::RatioOutOfRange);
        }
        let years = terms.years.bits();
        let power = if years <= THIRTY_DAYS { options.power_short } else { options.power_long };
        const LOG_THIRTY_DAYS: Log = Log::of_nonzero(THIRTY_DAYS.unsigned_abs());
        // At most ln 97 in size, below 2^38 in 2^-35; a power is at most 2.
        let ratio = LOG_THIRTY_DAYS.minus(Log::of_nonzero(years.max(ONE_DAY).unsigned_abs()));
        let power = times(ratio.bits() >> 13, power.bits()) << 13;
        // At most (30)^2, so below 2^38 in 2^-28; at least 2^-14.
        let tenor = Log::from_bits(power)?.exp()?.fixed_down(28)?;
        let root_years = terms.years.sqrt_down();
        let up = (1 << 28) + times(tenor, options.vol_up.bits());
        let down = ((1 << 28) - times(tenor, options.vol_down.bits())).max(0);
        let cap = (options.skew_cap.bits() - times(root_years, options.skew_cap_slope.bits())).max(0);
        let width = times(root_years, options.skew_width.bits()).max(options.skew_min_width.bits()).max(1);
        let unobserved = if years >= WINDOW {
            Ratio::ONE
        } else {
            Ratio::from_bits(((years << Ratio::BITS).unsigned_abs() / WINDOW.unsigned_abs()).cast_signed())?
        };
        // Below 2^33 x 2^43; rounded up.
        let (high, low) = wide_product(options.basis_per_year.bits().unsigned_abs(), years.unsigned_abs());
        let per_year = high << (64 - Years::BITS) | low >> Years::BITS;
        let per_year = (per_year + u64::from(low & ((1 << Years::BITS) - 1) != 0)).cast_signed();
        // The loss at the next node from a factor on, in proportion: no factor makes a loss larger than it can be.
        let factor = (options.basis_base.bits() + per_year).min(MAX_BASIS);
        let thirds = 1 + u8::from(factor > Ratio::ONE.bits()) + u8::from(factor > 2 * Ratio::ONE.bits());
        Ok(Self {
            forward: terms.forward,
            discount: terms.discount,
            log_forward: Log::of_price(terms.forward),
            root_years,
            vol_down: down,
            vol_up: up.min(MAX_UP),
            floor: total_vol(options.vol_floor.bits(), root_years),
            skew_cap: cap,
            skew_slope: ((cap << 30).unsigned_abs() / width.unsigned_abs()).cast_signed(),
            unobserved,
            basis: Ratio::from_bits((factor.unsigned_abs().div_ceil(u64::from(thirds))).cast_signed())?,
            thirds,
            excess: excess_bits(terms.forward.raw()),
            years: terms.years,
        })
    }

    /// Words of the stored form.
    pub const WORDS: usize = 14;

    /// The stored form.
    pub fn to_words(&self) -> [i64; Self::WORDS] {
        [
            self.forward.raw(),
            self.discount.bits(),
            self.log_forward.bits(),
            self.root_years,
            self.vol_down,
            self.vol_up,
            self.floor,
            self.skew_cap,
            self.skew_slope,
            self.unobserved.bits(),
            self.basis.bits(),
            self.thirds.into(),
            self.excess.into(),
            self.years.bits(),
        ]
    }

    /// From the stored form. Only for words that [`Expiry::to_words`] made: they are not checked.
    pub fn from_words(words: &[i64; Self::WORDS]) -> Self {
        let [forward, discount, log_forward, root_years, vol_down, vol_up, floor, skew_cap, skew_slope, rest @ ..] =
            *words;
        let [unobserved, basis, thirds, excess, years] = rest;
        Self {
            forward: Price::of_word(forward),
            discount: Ratio::of_word(discount),
            log_forward: Log::of_word(log_forward),
            root_years,
            vol_down,
            vol_up,
            floor,
            skew_cap,
            skew_slope,
            unobserved: Ratio::of_word(unobserved),
            basis: Ratio::of_word(basis),
            // Both are below these bounds.
            thirds: u8::try_from(thirds & 3).unwrap_or(0),
            excess: u32::try_from(excess & 63).unwrap_or(0),
            years: Years::of_word(years),
        }
    }

    /// What it was prepared for: whoever stores it compares before using it again.
    pub const fn terms(&self) -> Terms {
        Terms { years: self.years, forward: self.forward, discount: self.discount }
    }

    /// The logarithm of the forward.
    pub const fn log_forward(&self) -> Log {
        self.log_forward
    }

    /// The share of the forward that still moves.
    pub const fn unobserved(&self) -> Ratio {
        self.unobserved
    }
}

/// `a x b` of a number and a number in 2^-30, both below 2^38 and 2^33: split so that nothing overflows.
pub(crate) const fn times(a: i64, b: i64) -> i64 {
    (((a >> 10) * b) >> 20) + (((a & 1023) * b) >> 30)
}

/// A total volatility times a factor in 2^-28: 24 is below 2^34.6, and 8 is 2^31, so it is split.
pub(crate) const fn shocked(sd: i64, factor: i64) -> i64 {
    cap_total_vol(((sd >> 10).wrapping_mul(factor) >> 18).wrapping_add((sd & 1023).wrapping_mul(factor) >> 28))
}
