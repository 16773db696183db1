//! What one strike sees of every price node, and the sums over the strikes of a book: the innermost loops, where one instruction
//! counts 31 times per option.

use crate::black76::{Distance, TotalVol, time_value};
use crate::expiry::{CORE_NODES, NodeMove, OUTER_NODES, UNCHANGED_NODE, shocked, times};
use crate::{Expiry, Nodes, Ratio, Usd};

/// An amount split at 2^20 for products with numbers in 2^-30 below 2^33.
#[derive(Clone, Copy)]
pub(crate) struct Weight {
    high: i64,
    low: i64,
}

impl Weight {
    pub(crate) const fn of(amount: Usd) -> Self {
        Self { high: amount.micros() >> 20, low: amount.micros() & ((1 << 20) - 1) }
    }

    /// Rounded down by less than two micro-dollars.
    #[inline(always)]
    pub(crate) const fn times_down(self, factor: i64) -> i64 {
        (self.high.wrapping_mul(factor) >> 10).wrapping_add(self.low.wrapping_mul(factor) >> 30)
    }
}

/// An amount with 33 bits of it left, rounded down, so that its product with a time value of at most one fits: as many of its bits are
/// dropped as `SHIFT` is below 30. Sums are made by code for one shift each, since a register that holds it is one of ten.
#[derive(Clone, Copy)]
pub(crate) struct Scaled<const SHIFT: u32>(i64);

impl<const SHIFT: u32> Scaled<SHIFT> {
    const fn of(amount: Usd) -> Self {
        Self(amount.micros() >> (30 - SHIFT))
    }

    /// Micro-dollars, rounded down, of a time value in 2^-62.
    #[inline(always)]
    const fn times_down(self, time_value: u64) -> i64 {
        (time_value >> 32).cast_signed().wrapping_mul(self.0) >> SHIFT
    }
}

/// A price node as seen from the strike at hand, and the sums over the options there, at so many volatilities.
#[derive(Clone, Copy)]
pub(crate) struct Place<const VOLS: usize> {
    /// The lesser and the greater of forward and strike, 2^-30.
    pub(crate) lo: i64,
    pub(crate) hi: i64,
    /// |ln(F/K)|.
    pub(crate) distance: Distance,
    /// Sums in micro-dollars: intrinsic value, and time value by volatility ([`DOWN`], [`SAME`], [`UP`] in the core).
    pub(crate) intrinsic: i64,
    pub(crate) time_value: [i64; VOLS],
}

/// An expression for each of some literals, written out: on the VM a loop costs two registers of ten and four instructions a
/// turn.
macro_rules! each {
    ($name:ident of $($value:literal)+: $body:expr) => { $( { let $name: usize = $value; $body } )+ };
}

/// An expression with the shift that an amount below 2^49 has as a [`Scaled`]: four bits at a time, since leading_zeros is forty
/// instructions on the VM.
macro_rules! scaled {
    ($amount:expr, |$shift:ident| $body:expr) => {{
        let size = $amount.abs().micros();
        if size >> 33 == 0 {
            const $shift: u32 = 30;
            $body
        } else if size >> 37 == 0 {
            const $shift: u32 = 26;
            $body
        } else if size >> 41 == 0 {
            const $shift: u32 = 22;
            $body
        } else if size >> 45 == 0 {
            const $shift: u32 = 18;
            $body
        } else {
            const $shift: u32 = 14;
            $body
        }
    }};
}

impl<const VOLS: usize> Place<VOLS> {
    pub(crate) const EMPTY: Self = Self { lo: 0, hi: 0, distance: Distance::ZERO, intrinsic: 0, time_value: [0; VOLS] };

    /// Sets what is seen of this node from a strike, and adds the intrinsic value of its options.
    #[inline(always)]
    pub(crate) fn see(&mut self, node: &NodeMove, view: &View) {
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
    fn add<const VOL: usize, const SHIFT: u32>(&mut self, vol: TotalVol, options: Scaled<SHIFT>) {
        if let Some(value) = time_value(self.lo, self.hi, self.distance, vol) {
            self.time_value[VOL] = self.time_value[VOL].wrapping_add(options.times_down(value));
        }
    }

    /// What the options' time value here is at a volatility, rounded as [`Sheet::add_time_value`] does.
    pub(crate) fn time_value_of(&self, vol: TotalVol, options: Usd) -> i64 {
        let Some(value) = time_value(self.lo, self.hi, self.distance, vol) else { return 0 };
        scaled!(options, |SHIFT| Scaled::<SHIFT>::of(options).times_down(value))
    }
}

/// The sums of a sheet where the price is so many thirds of the range lower, as many higher, and now; and now at a lower and a higher
/// volatility.
pub(crate) struct Probed {
    pub(crate) intrinsic: [i64; 3],
    pub(crate) time_value: [i64; 3],
    pub(crate) time_value_of_vol: [i64; 2],
}

/// What rounding may add to the size of a time value: 2^16 micro-dollars that [`Scaled`] drops, and two more.
const MOST_ADDED: i64 = 1 << 17;

/// Places of the volatilities in a node's sums.
pub(crate) const DOWN: usize = 0;
pub(crate) const SAME: usize = 1;
pub(crate) const UP: usize = 2;

/// The options of one book of one expiry, being added up.
pub(crate) struct Sheet {
    pub(crate) core: [Place<3>; CORE_NODES],
    /// The edges and tails, where volatility only rises.
    pub(crate) outer: [Place<1>; OUTER_NODES],
    /// Time value with the smile rotated and lifted, then both the other way.
    pub(crate) turned: [i64; 4],
    /// The notional of its options at the greater of forward and strike, in micro-dollars and rounded up: no sum of time values is
    /// larger.
    pub(crate) notional: i64,
    /// More than 2 KiB is cleared by one call of ten units, and less by a store for every word.
    _rest: [i64; 170],
}

impl Sheet {
    pub(crate) const EMPTY: Self = Self {
        core: [Place::EMPTY; CORE_NODES],
        outer: [Place::EMPTY; OUTER_NODES],
        turned: [0; 4],
        notional: 0,
        _rest: [0; 170],
    };

    /// What the charges of an expiry look at.
    #[inline(always)]
    pub(crate) fn probed(&self, thirds: usize) -> Probed {
        let (low, unchanged, high) =
            (&self.core[UNCHANGED_NODE - thirds], &self.core[UNCHANGED_NODE], &self.core[UNCHANGED_NODE + thirds]);
        Probed {
            intrinsic: [low.intrinsic, high.intrinsic, unchanged.intrinsic],
            time_value: [low.time_value[SAME], high.time_value[SAME], unchanged.time_value[SAME]],
            time_value_of_vol: [unchanged.time_value[DOWN], unchanged.time_value[UP]],
        }
    }

    /// Looks at the nodes from a strike, and adds the intrinsic value there of calls and puts worth so much at the greater of
    /// forward and strike.
    #[inline(never)]
    pub(crate) fn look(&mut self, nodes: &Nodes, view: &View) {
        each!(node of 0 1 2 3 4 5 6: self.core[node].see(&nodes.moves[node], view));
        each!(node of 0 1 2 3 4 5 6 7: self.outer[node].see(&nodes.moves[CORE_NODES + node], view));
    }

    /// Adds the options' time value at the core nodes at one volatility. A function of its own, since on the VM a call brings
    /// registers, and without a loop, since a loop needs two of them.
    #[inline(never)]
    fn sweep_core<const VOL: usize, const SHIFT: u32>(&mut self, vol: TotalVol, options: Scaled<SHIFT>) {
        each!(node of 0 1 2 3 4 5 6: self.core[node].add::<VOL, SHIFT>(vol, options));
    }

    /// The same where volatility rises: at the core nodes, the edges and the tails.
    #[inline(never)]
    fn sweep_up<const SHIFT: u32>(&mut self, vol: TotalVol, options: Scaled<SHIFT>) {
        each!(node of 0 1 2 3 4 5 6: self.core[node].add::<UP, SHIFT>(vol, options));
        each!(node of 0 1 2 3 4 5 6 7: self.outer[node].add::<0, SHIFT>(vol, options));
    }

    /// The same at the unchanged price with the smile lifted and dropped. Rotated one way and the other it is the same two, by the
    /// strike's side.
    #[inline(never)]
    fn turn<const SHIFT: u32>(&mut self, lifted: TotalVol, dropped: TotalVol, options: Scaled<SHIFT>, falling: bool) {
        let Place { lo, hi, distance, .. } = self.core[UNCHANGED_NODE];
        let value = |vol: TotalVol| time_value(lo, hi, distance, vol).map_or(0, |value| options.times_down(value));
        let (lifted, dropped) = (value(lifted), value(dropped));
        let (one, other) = if falling { (lifted, dropped) } else { (dropped, lifted) };
        for (sum, value) in self.turned.iter_mut().zip([one, lifted, other, dropped]) {
            *sum = sum.wrapping_add(value);
        }
    }

    /// Adds the time value of a strike's options in every cell.
    #[inline(always)]
    pub(crate) fn add_time_value(&mut self, sd: i64, options: Usd, expiry: &Expiry, log: i64) {
        self.notional += options.abs().micros() + MOST_ADDED;
        scaled!(options, |SHIFT| self.add_scaled(sd, Scaled::<SHIFT>::of(options), expiry, log))
    }

    #[inline(never)]
    fn add_scaled<const SHIFT: u32>(&mut self, sd: i64, options: Scaled<SHIFT>, expiry: &Expiry, log: i64) {
        self.sweep_core::<DOWN, SHIFT>(TotalVol::of(shocked(sd, expiry.vol_down)), options);
        self.sweep_core::<SAME, SHIFT>(TotalVol::of(sd), options);
        self.sweep_up(risen(sd, expiry), options);
        let [lifted, dropped] = leant(sd, expiry, log);
        self.turn(lifted, dropped, options, log < 0);
    }
}

/// The total volatility where it rises.
#[inline(always)]
pub(crate) fn risen(sd: i64, expiry: &Expiry) -> TotalVol {
    TotalVol::of(shocked(sd, expiry.vol_up).max(expiry.floor))
}

/// The total volatility with the smile's wing lifted and dropped at a strike.
#[inline(always)]
pub(crate) fn leant(sd: i64, expiry: &Expiry, log: i64) -> [TotalVol; 2] {
    let lean = times(log.abs(), expiry.skew_slope).min(expiry.skew_cap);
    let leant = |factor: i64| TotalVol::of(shocked(sd, factor >> 2));
    [leant(Ratio::ONE.bits() + lean), leant(Ratio::ONE.bits() - lean)]
}

/// A strike: forward and strike price over the greater of the two, ln(F/K), all in 2^-30, and what its options are worth there.
pub(crate) struct View {
    pub(crate) f: i64,
    pub(crate) k: i64,
    pub(crate) log: i64,
    pub(crate) calls: Option<Weight>,
    pub(crate) puts: Option<Weight>,
}
