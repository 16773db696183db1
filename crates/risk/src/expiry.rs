//! Futures and options of one expiry: what their scenarios share, and their profit and loss in every cell.
//!
//! [`Expiry`] is computed once per expiry, [`Nodes`] once per underlying; after that an option costs divisions, products and
//! table lookups only. See `docs/margin-model.md` §2 to §5 for the formulas.

use crate::black76::{
    Distance, TotalVol, cap_total_vol, excess_bits, forward_delta, log_moneyness, normalise, time_value, total_vol,
};
use crate::math::wide_product;
use crate::{CELLS, Decimals, Grid, LinearPosition, Log, NODES, Price, Quantity, Ratio, RiskError, Usd, Vol, Years};

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
    forward: Price,
    discount: Ratio,
    /// ln F, 2^-48.
    log_forward: Log,
    /// sqrt T, 2^-30.
    root_years: i64,
    /// Factors of the shocked volatilities, 2^-28.
    vol_down: i64,
    vol_up: i64,
    /// The least total volatility where it rises, 2^-30.
    floor: i64,
    /// The skew cells' bound and its slope by log-moneyness, 2^-30.
    skew_cap: i64,
    skew_slope: i64,
    /// The share of the forward that still moves.
    unobserved: Ratio,
    /// Of the loss at so many thirds of the range.
    basis: Ratio,
    thirds: u8,
    /// Bits of the forward beyond 34.
    excess: u32,
    years: Years,
}

/// The options of one strike.
#[derive(Clone, Copy, Debug)]
pub struct Strike {
    price: Price,
    /// Made of the price here and nowhere else: a wrong one would price the option away.
    log: Log,
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
    moves: [NodeMove; NODES],
    /// Of the profit and loss of the tails.
    weight: [Ratio; TAILS],
    /// 4/3 of the scan range, by which the grid is told from another.
    edge: Ratio,
}

/// F'/F at a node and its logarithm, both in 2^-30: at least 1/1024 and below 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NodeMove {
    factor: i64,
    log: i64,
}

/// Everything with an expiry on one underlying, being added up. Plain sums: the order of expiries changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct DatedBook<'a> {
    context: Context<'a>,
    risk: DatedRisk,
}

#[derive(Clone, Copy, Debug)]
struct Context<'a> {
    grid: &'a Grid,
    nodes: &'a Nodes,
    terms: &'a OptionTerms,
    price: Price,
    unit: Decimals,
    relief: bool,
}

/// Profit and loss, deltas and charges of the futures and options of one underlying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatedRisk {
    /// Profit and loss of the options in each cell, shaved and weighted.
    pub cells: [Usd; CELLS],
    /// What of the futures moves with the price.
    pub futures: Usd,
    /// Unsettled profit of the futures.
    pub profit: Usd,
    /// Value of the options now.
    pub mark: Usd,
    /// Sum of the delta items, in dollars of the forward, signed.
    pub net: Usd,
    /// Sum of their sizes.
    pub gross: Usd,
    /// How far long options can still lower, and raise, the sum.
    pub room_down: Usd,
    /// See `room_down`.
    pub room_up: Usd,
    /// Sum of the sizes of all deltas, long options' too.
    pub uncertain: Usd,
    /// Charge for expiries moving apart.
    pub basis: Usd,
    /// Charge for volatilities of expiries moving apart.
    pub vega: Usd,
    /// Charges on naked short options.
    pub naked_maintenance: Usd,
    /// What initial margin adds.
    pub naked_initial: Usd,
}

impl DatedRisk {
    /// Nothing held.
    pub const NONE: Self = Self {
        cells: [Usd::ZERO; CELLS],
        futures: Usd::ZERO,
        profit: Usd::ZERO,
        mark: Usd::ZERO,
        net: Usd::ZERO,
        gross: Usd::ZERO,
        room_down: Usd::ZERO,
        room_up: Usd::ZERO,
        uncertain: Usd::ZERO,
        basis: Usd::ZERO,
        vega: Usd::ZERO,
        naked_maintenance: Usd::ZERO,
        naked_initial: Usd::ZERO,
    };
}

/// The largest notional of one strike's calls or puts: a shocked price is at most 8 times the greater of forward and strike.
const MAX_NOTIONAL: i64 = Usd::MAX.micros() >> 3;
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

const TAILS: usize = 6;
const EDGES: usize = 2;
const CORE_NODES: usize = 7;
/// Cells of the core; each later node has one cell.
const CORE_CELLS: usize = 3 * CORE_NODES;
const FIRST_TAIL_NODE: usize = NODES - TAILS;
const UNCHANGED_NODE: usize = 3;
const EDGE_NODE: usize = FIRST_TAIL_NODE - 1;

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

impl Strike {
    /// The options at a strike price.
    pub const fn new(price: Price, vol: Vol, calls: Quantity, puts: Quantity) -> Self {
        Self { price, log: Log::of_price(price), vol, calls, puts }
    }

    /// Strike price.
    pub const fn price(&self) -> Price {
        self.price
    }
}

impl Nodes {
    /// For a scan range.
    pub fn new(grid: &Grid) -> Self {
        Self::moving_by(grid, Ratio::ONE)
    }

    /// For a forward of which `share` still moves.
    fn moving_by(grid: &Grid, share: Ratio) -> Self {
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
const fn times(a: i64, b: i64) -> i64 {
    (((a >> 10) * b) >> 20) + (((a & 1023) * b) >> 30)
}

/// A total volatility times a factor in 2^-28: 24 is below 2^34.6, and 8 is 2^31, so it is split.
const fn shocked(sd: i64, factor: i64) -> i64 {
    cap_total_vol(((sd >> 10).wrapping_mul(factor) >> 18).wrapping_add((sd & 1023).wrapping_mul(factor) >> 28))
}

/// An amount split at 2^20 for products with numbers in 2^-30 below 2^33.
#[derive(Clone, Copy)]
struct Weight {
    high: i64,
    low: i64,
}

impl Weight {
    const fn of(amount: Usd) -> Self {
        Self { high: amount.micros() >> 20, low: amount.micros() & ((1 << 20) - 1) }
    }

    /// Rounded down by less than two micro-dollars.
    #[inline(always)]
    const fn times_down(self, factor: i64) -> i64 {
        (self.high.wrapping_mul(factor) >> 10).wrapping_add(self.low.wrapping_mul(factor) >> 30)
    }
}

/// An amount with 33 bits of it left, rounded down, so that its product with a time value of at most one fits.
#[derive(Clone, Copy)]
struct Scaled {
    amount: i64,
    /// From the product with a number in 2^-30 to micro-dollars.
    shift: Shift,
}

/// A number of bits that the compiler knows to be below 64.
#[derive(Clone, Copy)]
#[repr(u64)]
enum Shift {
    By14 = 14,
    By18 = 18,
    By22 = 22,
    By26 = 26,
    By30 = 30,
}

impl Scaled {
    const fn of(amount: Usd) -> Self {
        // Four bits at a time: the size is at most 2^47, and leading_zeros is forty instructions on the VM.
        let size = amount.micros().unsigned_abs();
        let shift = if size >> 33 == 0 {
            Shift::By30
        } else if size >> 37 == 0 {
            Shift::By26
        } else if size >> 41 == 0 {
            Shift::By22
        } else if size >> 45 == 0 {
            Shift::By18
        } else {
            Shift::By14
        };
        Self { amount: amount.micros() >> (30 - shift as u64), shift }
    }

    /// Micro-dollars, rounded down, of a time value in 2^-62.
    #[inline(always)]
    const fn times_down(self, time_value: u64) -> i64 {
        (time_value >> 32).cast_signed().wrapping_mul(self.amount) >> self.shift as u64
    }
}

/// A price node as seen from the strike at hand, and the sums over the options there.
#[derive(Clone, Copy)]
struct Place {
    /// The lesser and the greater of forward and strike, 2^-30.
    lo: i64,
    hi: i64,
    /// |ln(F/K)|.
    distance: Distance,
    /// Sums in micro-dollars: intrinsic value, and time value by volatility ([`DOWN`], [`SAME`], [`UP`]).
    intrinsic: i64,
    time_value: [i64; 3],
}

/// An expression for each of some literals, written out: on the VM a loop costs two registers of ten and four instructions a
/// turn.
macro_rules! each {
    ($name:ident of $($value:literal)+: $body:expr) => { $( { let $name: usize = $value; $body } )+ };
}

impl Place {
    /// Sets what is seen of this node from a strike, and adds the intrinsic value of its options.
    #[inline(always)]
    fn see(&mut self, node: &NodeMove, view: &View) {
        let moved = view.f.wrapping_mul(node.factor) >> 30;
        let log = view.log.wrapping_add(node.log);
        // At the strike the two roundings may disagree about the side; then the distance is none.
        if moved >= view.k {
            (self.lo, self.hi, self.distance) = (view.k, moved, Distance::of(log));
            if let Some(calls) = &view.calls {
                self.intrinsic = self.intrinsic.wrapping_add(calls.times_down(moved.wrapping_sub(view.k)));
            }
        } else {
            (self.lo, self.hi, self.distance) = (moved, view.k, Distance::of(log.wrapping_neg()));
            if let Some(puts) = &view.puts {
                self.intrinsic = self.intrinsic.wrapping_add(puts.times_down(view.k.wrapping_sub(moved)));
            }
        }
    }

    /// Adds the options' time value here at a volatility, rounded down.
    #[inline(always)]
    fn add<const VOL: usize>(&mut self, vol: TotalVol, options: Scaled) {
        if let Some(value) = time_value(self.lo, self.hi, self.distance, vol) {
            self.time_value[VOL] = self.time_value[VOL].wrapping_add(options.times_down(value.get()));
        }
    }
}

/// Places of the volatilities in a node's sums.
const DOWN: usize = 0;
const SAME: usize = 1;
const UP: usize = 2;

/// The options of one book of one expiry, being added up.
struct Sheet {
    places: [Place; NODES],
    /// Time value with the smile rotated and lifted, then both the other way.
    turned: [i64; 4],
}

impl Sheet {
    const EMPTY: Self = Self {
        places: [Place { lo: 0, hi: 0, distance: Distance::ZERO, intrinsic: 0, time_value: [0; 3] }; NODES],
        turned: [0; 4],
    };

    /// Looks at the nodes from a strike, and adds the intrinsic value there of calls and puts worth so much at the greater of
    /// forward and strike.
    #[inline(never)]
    fn look(&mut self, nodes: &Nodes, view: &View) {
        each!(node of 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14: self.places[node].see(&nodes.moves[node], view));
    }

    /// Adds the options' time value at the core nodes at one volatility. A function of its own, since on the VM a call brings
    /// registers, and without a loop, since a loop needs two of them.
    #[inline(never)]
    fn sweep_core<const VOL: usize>(&mut self, vol: TotalVol, options: Scaled) {
        each!(node of 0 1 2 3 4 5 6: self.places[node].add::<VOL>(vol, options));
    }

    /// The same at the edges and tails.
    #[inline(never)]
    fn sweep_outer(&mut self, vol: TotalVol, options: Scaled) {
        each!(node of 7 8 9 10 11 12 13 14: self.places[node].add::<UP>(vol, options));
    }

    /// The options' time value at the unchanged price.
    #[inline(never)]
    fn turn(&self, vol: TotalVol, options: Scaled) -> i64 {
        let place = &self.places[UNCHANGED_NODE];
        time_value(place.lo, place.hi, place.distance, vol).map_or(0, |value| options.times_down(value.get()))
    }

    /// Adds the time value of a strike's options in every cell.
    fn add_time_value(&mut self, sd: i64, options: Scaled, expiry: &Expiry, log: i64) {
        self.sweep_core::<DOWN>(TotalVol::of(shocked(sd, expiry.vol_down)), options);
        self.sweep_core::<SAME>(TotalVol::of(sd), options);
        let up = TotalVol::of(shocked(sd, expiry.vol_up).max(expiry.floor));
        self.sweep_core::<UP>(up, options);
        self.sweep_outer(up, options);

        // The wings lifted and dropped; the smile rotated one way and the other is the same two, by the strike's side.
        let lean = times(log.abs(), expiry.skew_slope).min(expiry.skew_cap);
        let turned = |factor: i64| self.turn(TotalVol::of(shocked(sd, factor >> 2)), options);
        let (lifted, dropped) = (turned(Ratio::ONE.bits() + lean), turned(Ratio::ONE.bits() - lean));
        let (one, other) = if log < 0 { (lifted, dropped) } else { (dropped, lifted) };
        for (sum, value) in self.turned.iter_mut().zip([one, lifted, other, dropped]) {
            *sum = sum.wrapping_add(value);
        }
    }
}

/// A strike: forward and strike price over the greater of the two, ln(F/K), all in 2^-30, and what its options are worth there.
struct View {
    f: i64,
    k: i64,
    log: i64,
    calls: Option<Weight>,
    puts: Option<Weight>,
}

/// What is added up over the positions of one expiry besides its cells.
#[derive(Default)]
struct Probes {
    /// How many thirds of the range the basis charge looks at.
    thirds: usize,
    /// Result of the options when the price moves so far down and up, and volatility down and up.
    down: Usd,
    up: Usd,
    vol_down: Usd,
    vol_up: Usd,
    /// Delta in dollars of futures and short options, and the falling and rising ones of long options.
    firm: Usd,
    long_down: Usd,
    long_up: Usd,
    /// Options held, signed.
    options: i128,
}

impl<'a> DatedBook<'a> {
    /// An empty book on an underlying at `price` with positions counted in `unit`. With `relief` the strikes of an expiry are
    /// one book; without it each position is a book of its own and a long one's gains do not count.
    ///
    /// # Errors
    /// [`RiskError::NodesOfAnotherRange`] when the nodes were not prepared for this grid's scan range.
    pub fn new(
        grid: &'a Grid,
        nodes: &'a Nodes,
        terms: &'a OptionTerms,
        price: Price,
        unit: Decimals,
        relief: bool,
    ) -> Result<Self, RiskError> {
        if nodes.edge != grid.moves()[EDGE_NODE] {
            return Err(RiskError::NodesOfAnotherRange);
        }
        Ok(Self { context: Context { grid, nodes, terms, price, unit, relief }, risk: DatedRisk::NONE })
    }

    /// Adds the positions of one expiry. Give each expiry once: its basis and vega charges are for the sum of its positions.
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] for calls or puts of a strike worth more than 2^47 micro-dollars (140 million dollars) at
    /// the greater of forward and strike, or a future beyond [`Usd::MAX`].
    pub fn add_expiry(
        &mut self,
        expiry: &Expiry,
        futures: &[LinearPosition],
        strikes: &[Strike],
    ) -> Result<(), RiskError> {
        let (context, risk) = (&self.context, &mut self.risk);
        let mut probes = Probes { thirds: usize::from(expiry.thirds), ..Probes::default() };
        let mut moving = Usd::ZERO;
        for future in futures {
            let value = expiry.forward.value_down(future.quantity, context.unit)?;
            risk.profit += value + future.quote;
            risk.uncertain += value.abs();
            moving += value;
            context.add_delta(risk, &mut probes, value, false);
        }
        if expiry.unobserved == Ratio::ONE {
            context.add_strikes(risk, expiry, context.nodes, strikes, &mut probes)?;
        } else {
            moving = moving.mul_down(expiry.unobserved);
            let nodes = Nodes::moving_by(context.grid, expiry.unobserved);
            context.add_strikes(risk, expiry, &nodes, strikes, &mut probes)?;
        }
        risk.futures += moving;
        if context.relief {
            risk.add_expiry_item(&probes);
            context.add_naked(risk, i64::try_from(probes.options).map_err(|_| RiskError::ValueOutOfRange)?)?;
        }
        let third = |node: usize, options: Usd| options + moving.mul_down(context.grid.moves()[node]);
        let (down, up) = (UNCHANGED_NODE - probes.thirds, UNCHANGED_NODE + probes.thirds);
        let basis = loss(third(down, probes.down)).max(loss(third(up, probes.up)));
        risk.basis += basis.mul_up(expiry.basis);
        risk.vega += loss(probes.vol_down).max(loss(probes.vol_up)).mul_up(context.terms.vega_charge);
        Ok(())
    }

    /// The sums.
    pub const fn risk(&self) -> &DatedRisk {
        &self.risk
    }
}

impl DatedRisk {
    fn add_item(&mut self, delta: Usd) {
        self.net += delta;
        self.gross += delta.abs();
    }

    /// The number nearest to zero between the lowest and the highest that long options can make of the firm delta.
    fn add_expiry_item(&mut self, probes: &Probes) {
        let (lowest, highest) = (probes.firm + probes.long_down, probes.firm + probes.long_up);
        let item = Usd::ZERO.max(lowest).min(highest);
        self.add_item(item);
        self.room_down += item - lowest;
        self.room_up += highest - item;
    }
}

impl Context<'_> {
    /// Counts the delta of a position: with relief into its expiry's item, else as an item of its own, a long option's not at
    /// all.
    fn add_delta(&self, risk: &mut DatedRisk, probes: &mut Probes, delta: Usd, long: bool) {
        match (self.relief, long) {
            (false, true) => (),
            (false, false) => risk.add_item(delta),
            (true, false) => probes.firm += delta,
            (true, true) if delta.is_negative() => probes.long_down += delta,
            (true, true) => probes.long_up += delta,
        }
    }

    fn add_naked(&self, risk: &mut DatedRisk, options: i64) -> Result<(), RiskError> {
        if options < 0 {
            let naked = self.price.value_up(Quantity::new(options.saturating_neg()), self.unit)?;
            risk.naked_maintenance += naked.mul_up(self.terms.naked_maintenance);
            risk.naked_initial += naked.mul_up(self.terms.naked_initial);
        }
        Ok(())
    }

    #[inline(never)]
    fn add_strikes(
        &self,
        risk: &mut DatedRisk,
        expiry: &Expiry,
        nodes: &Nodes,
        strikes: &[Strike],
        probes: &mut Probes,
    ) -> Result<(), RiskError> {
        let mut sheet = Sheet::EMPTY;
        if self.relief {
            for strike in strikes {
                self.add_strike(risk, expiry, nodes, strike, &mut sheet, probes)?;
            }
            if !strikes.is_empty() {
                self.close::<false>(risk, nodes, &sheet, probes);
            }
            return Ok(());
        }
        for strike in strikes {
            let legs = [Strike { puts: Quantity::ZERO, ..*strike }, Strike { calls: Quantity::ZERO, ..*strike }];
            for leg in legs.iter().filter(|leg| leg.calls.atoms() | leg.puts.atoms() != 0) {
                self.add_strike(risk, expiry, nodes, leg, &mut sheet, probes)?;
                if leg.calls.atoms() + leg.puts.atoms() > 0 {
                    self.close::<true>(risk, nodes, &sheet, probes);
                } else {
                    self.close::<false>(risk, nodes, &sheet, probes);
                }
                sheet = Sheet::EMPTY;
            }
        }
        Ok(())
    }

    /// Adds the options of a strike to the sums, and counts their deltas and number.
    #[inline(never)]
    fn add_strike(
        &self,
        risk: &mut DatedRisk,
        expiry: &Expiry,
        nodes: &Nodes,
        strike: &Strike,
        sheet: &mut Sheet,
        probes: &mut Probes,
    ) -> Result<(), RiskError> {
        let unit_price = expiry.forward.max(strike.price);
        let (f, k) = normalise(expiry.forward.raw(), strike.price.raw(), expiry.excess);
        let log = log_moneyness(expiry.log_forward, strike.log);
        let sd = total_vol(strike.vol.bits(), expiry.root_years);
        let delta = forward_delta(log, TotalVol::of(sd)) >> 2;
        let (has_calls, has_puts) = (strike.calls != Quantity::ZERO, strike.puts != Quantity::ZERO);
        let (mut uncertain, mut both) = (Usd::ZERO, Usd::ZERO);
        let mut held = |quantity: Quantity, delta: i64| {
            let value = self.discounted(unit_price, quantity, expiry)?;
            both += value;
            let held = Weight::of(value);
            let dollars = Usd::of_sum(Weight::of(Usd::of_sum(held.times_down(delta))).times_down(f));
            uncertain += dollars;
            self.add_delta(risk, probes, dollars, quantity.atoms() > 0);
            Ok(held)
        };
        let calls = if has_calls { Some(held(strike.calls, delta)?) } else { None };
        let puts = if has_puts { Some(held(strike.puts, delta - Ratio::ONE.bits())?) } else { None };
        risk.uncertain += uncertain.abs();
        sheet.look(nodes, &View { f, k, log, calls, puts });
        let count = match (has_calls, has_puts) {
            (true, true) => strike.calls.checked_add(strike.puts)?,
            (true, false) => strike.calls,
            (false, _) => strike.puts,
        };
        if self.relief {
            probes.options += i128::from(count.atoms());
        } else {
            self.add_naked(risk, count.atoms())?;
        }
        // A synthetic future has no time value, and nothing has at expiry.
        if count == Quantity::ZERO || expiry.root_years == 0 {
            return Ok(());
        }
        if has_calls && has_puts {
            // Each is within the bound of a notional, so together they are within twice that.
            both = unit_price.value_down(count, self.unit)?.mul_down(expiry.discount);
        }
        sheet.add_time_value(sd, Scaled::of(both), expiry, log);
        Ok(())
    }

    /// Discounted dollars of `quantity` at `price`, rounded down.
    fn discounted(&self, price: Price, quantity: Quantity, expiry: &Expiry) -> Result<Usd, RiskError> {
        let value = price.value_down(quantity, self.unit)?;
        if value.abs().micros() > MAX_NOTIONAL {
            return Err(RiskError::ValueOutOfRange);
        }
        Ok(if expiry.discount == Ratio::ONE { value } else { value.mul_down(expiry.discount) })
    }

    /// Turns the sums of one book into profit and loss.
    #[inline(never)]
    fn close<const LONG: bool>(&self, risk: &mut DatedRisk, nodes: &Nodes, sheet: &Sheet, probes: &mut Probes) {
        let unchanged = &sheet.places[UNCHANGED_NODE];
        let mark = unchanged.intrinsic + unchanged.time_value[SAME];
        risk.mark += Usd::of_sum(mark);
        // A long option's gains count only as far as they are its value.
        let counted = |result: Usd| if LONG { result.min(Usd::ZERO) } else { result };
        let (short_factor, long_factor) = (self.terms.short_factor, self.terms.long_factor);
        let shaved =
            |time_value: i64| Usd::of_sum(time_value).mul_down(if time_value < 0 { short_factor } else { long_factor });
        let (core, outer) = sheet.places.split_at(CORE_NODES);
        let (core_cells, outer_cells) = risk.cells.split_at_mut(CORE_CELLS);
        for (place, cells) in core.iter().zip(core_cells.chunks_exact_mut(3)) {
            let intrinsic = Usd::of_sum(place.intrinsic - mark);
            for (cell, time_value) in cells.iter_mut().zip(&place.time_value) {
                *cell += counted(intrinsic + shaved(*time_value));
            }
        }
        let result = |place: &Place| Usd::of_sum(place.intrinsic - mark) + shaved(place.time_value[UP]);
        for (place, cell) in outer[..EDGES].iter().zip(&mut outer_cells[..EDGES]) {
            *cell += counted(result(place));
        }
        for ((place, cell), weight) in outer[EDGES..].iter().zip(&mut outer_cells[EDGES..]).zip(&nodes.weight) {
            *cell += counted(result(place).mul_down(*weight));
        }
        // The worse of one turn and the other.
        let intrinsic = Usd::of_sum(unchanged.intrinsic - mark);
        let [one, lifted, other, dropped] = &sheet.turned;
        let [.., rotated_cell, lifted_cell] = &mut risk.cells;
        *rotated_cell += counted(intrinsic + shaved(*one).min(shaved(*other)));
        *lifted_cell += counted(intrinsic + shaved(*lifted).min(shaved(*dropped)));
        let result = |place: &Place, vol: usize| counted(Usd::of_sum(place.intrinsic - mark + place.time_value[vol]));
        probes.down += result(&sheet.places[UNCHANGED_NODE - probes.thirds], SAME);
        probes.up += result(&sheet.places[UNCHANGED_NODE + probes.thirds], SAME);
        probes.vol_down += result(unchanged, DOWN);
        probes.vol_up += result(unchanged, UP);
    }
}

/// The size of a loss, zero for a gain.
fn loss(result: Usd) -> Usd {
    (-result).max(Usd::ZERO)
}
