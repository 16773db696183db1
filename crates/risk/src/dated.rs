//! Futures and options of one underlying: their profit and loss in every cell, their deltas and charges. See
//! `docs/margin-model.md` §4 and §5 for the formulas.

use crate::black76::{TotalVol, forward_delta, log_moneyness, normalise, total_vol};
use crate::expiry::{CORE_CELLS, EDGE_NODE, EDGES, UNCHANGED_NODE};
use crate::math::low_i64;
use crate::sheet::{DOWN, Place, SAME, Sheet, UP, View, Weight};
use crate::{
    CELLS, Dated, Decimals, Expiry, Grid, LinearPosition, Market, Nodes, OptionTerms, Price, Quantity, Ratio,
    RiskError, Strike, Usd,
};

/// What the positions on one underlying share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) grid: &'a Grid,
    pub(crate) nodes: &'a Nodes,
    pub(crate) terms: &'a OptionTerms,
    pub(crate) price: Price,
    pub(crate) unit: Decimals,
    pub(crate) relief: bool,
}

/// The options of a strike as the cells need them.
pub(crate) struct Seen {
    pub(crate) f: i64,
    pub(crate) k: i64,
    /// ln(F/K), 2^-30.
    pub(crate) log: i64,
    /// Total volatility, 2^-30.
    pub(crate) sd: i64,
    /// Discounted dollars of the calls and the puts at the greater of forward and strike; none of what is not held.
    pub(crate) calls: Option<Usd>,
    pub(crate) puts: Option<Usd>,
    /// Calls and puts together.
    pub(crate) count: Quantity,
    /// Discounted dollars of these: what has time value.
    pub(crate) options: Usd,
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

/// What is added up over the positions of one expiry besides its cells.
#[derive(Default)]
pub(crate) struct Probes {
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

/// What is left of the time value of options that are all bought, or all sold: the same part of each.
#[derive(Clone, Copy)]
pub(crate) struct Share {
    pub(crate) factor: Ratio,
    /// One over it, rounded so that time value is rounded down.
    pub(crate) inverse: Ratio,
}

impl Share {
    /// None below a half, so that the inverse is at most two.
    #[inline(always)]
    fn of_long(factor: Ratio) -> Option<Self> {
        let bits = factor.bits().cast_unsigned();
        let inverse = Ratio::of_word((ONE_SQUARED / bits.max(1)).cast_signed());
        (bits >= HALF).then_some(Self { factor, inverse })
    }

    /// None from two up: twice the largest notional is too large.
    #[inline(always)]
    fn of_short(factor: Ratio) -> Option<Self> {
        let bits = factor.bits().cast_unsigned();
        let inverse = Ratio::of_word(((ONE_SQUARED + bits - 1) / bits.max(1)).cast_signed());
        (bits < 4 * HALF).then_some(Self { factor, inverse })
    }
}

const HALF: u64 = 1 << (Ratio::BITS - 1);
const ONE_SQUARED: u64 = 1 << (2 * Ratio::BITS);

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

impl<'a> Context<'a> {
    /// On an underlying at `price` with positions counted in `unit`. With `relief` the strikes of an expiry are one book; without it
    /// each position is a book of its own and a long one's gains do not count.
    ///
    /// # Errors
    /// [`RiskError::NodesOfAnotherRange`] when the nodes were not prepared for this grid's scan range.
    #[inline(always)]
    pub(crate) fn new(
        grid: &'a Grid,
        nodes: &'a Nodes,
        terms: &'a OptionTerms,
        market: &Market,
        relief: bool,
    ) -> Result<Self, RiskError> {
        if nodes.edge != grid.moves()[EDGE_NODE] {
            return Err(RiskError::NodesOfAnotherRange);
        }
        Ok(Self { grid, nodes, terms, price: market.price, unit: market.unit, relief })
    }

    /// Adds everything of an underlying that expires to `risk`, in which there is nothing: plain sums, so the order of expiries changes
    /// nothing. Give each expiry once: its basis and vega charges are for the sum of its positions.
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] for calls or puts of a strike worth more than 2^47 micro-dollars (140 million dollars) at
    /// the greater of forward and strike, or a future beyond [`Usd::MAX`].
    #[inline(never)]
    pub(crate) fn add(&self, risk: &mut DatedRisk, expiries: &[Dated]) -> Result<(), RiskError> {
        // The options of expiries that are all bought, or all sold, with what is shaved of their time value already off.
        let (mut sheet, mut mark, mut others) = (Sheet::EMPTY, None, false);
        for Dated { expiry, futures, strikes } in expiries {
            let mut probes = Probes { thirds: usize::from(expiry.thirds), ..Probes::default() };
            let moving = self.add_expiry(risk, &mut probes, expiry, futures, |risk, probes, nodes| {
                if strikes.is_empty() {
                    return Ok(());
                }
                let Some(share) = self.one_sided(expiry, strikes) else {
                    others = true;
                    return self.add_strikes(risk, expiry, nodes, strikes, probes);
                };
                *mark.get_or_insert(0) += self.add_one_sided(risk, expiry, strikes, share, &mut sheet, probes)?;
                Ok(())
            })?;
            let third = |node: usize, options: Usd| match moving {
                Usd::ZERO => options,
                _ => options + moving.mul_down(self.grid.moves()[node]),
            };
            let (down, up) = (UNCHANGED_NODE - probes.thirds, UNCHANGED_NODE + probes.thirds);
            let basis = loss(third(down, probes.down)).max(loss(third(up, probes.up)));
            risk.basis += basis.mul_up(expiry.basis);
            risk.vega += loss(probes.vol_down).max(loss(probes.vol_up)).mul_up(self.terms.vega_charge);
        }
        match mark {
            Some(mark) if others => pour::<false, true>(&mut risk.cells, self.nodes, &sheet, mark, Usd::of_sum),
            Some(mark) => pour::<false, false>(&mut risk.cells, self.nodes, &sheet, mark, Usd::of_sum),
            None => (),
        }
        Ok(())
    }

    /// Adds up all of an expiry but what scenarios make of its options, which is what `add` does for its strikes with the nodes as the
    /// expiry sees them. Gives what of the futures moves.
    #[inline(always)]
    pub(crate) fn add_expiry(
        &self,
        risk: &mut DatedRisk,
        probes: &mut Probes,
        expiry: &Expiry,
        futures: &[LinearPosition],
        add: impl FnOnce(&mut DatedRisk, &mut Probes, &Nodes) -> Result<(), RiskError>,
    ) -> Result<Usd, RiskError> {
        let mut moving = Usd::ZERO;
        for future in futures {
            let value = expiry.forward.value_down(future.quantity, self.unit)?;
            risk.profit += value + future.quote;
            risk.uncertain += value.abs();
            moving += value;
            self.add_delta(risk, probes, value, false);
        }
        let nodes;
        let nodes = if expiry.unobserved == Ratio::ONE {
            self.nodes
        } else {
            moving = moving.mul_down(expiry.unobserved);
            nodes = Nodes::moving_by(self.grid, expiry.unobserved);
            &nodes
        };
        add(risk, probes, nodes)?;
        risk.futures += moving;
        if self.relief {
            risk.add_expiry_item(probes);
            let options = low_i64(probes.options);
            if i128::from(options) != probes.options {
                return Err(RiskError::ValueOutOfRange);
            }
            self.add_naked(risk, options)?;
        }
        Ok(moving)
    }

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
            let naked = self.price.value_up(Quantity::new(-options.max(-i64::MAX)), self.unit)?;
            risk.naked_maintenance += naked.mul_up(self.terms.naked_maintenance);
            risk.naked_initial += naked.mul_up(self.terms.naked_initial);
        }
        Ok(())
    }

    /// The share of an expiry whose options are all bought, or all sold.
    #[inline(always)]
    pub(crate) fn one_sided(&self, expiry: &Expiry, strikes: &[Strike]) -> Option<Share> {
        // An expiry in its settlement window has nodes of its own.
        if !self.relief || expiry.unobserved != Ratio::ONE {
            return None;
        }
        // A sum beyond 2^63 is refused where the strike is added.
        let count = |strike: &Strike| strike.calls.atoms().wrapping_add(strike.puts.atoms());
        if strikes.iter().all(|strike| count(strike) >= 0) {
            Share::of_long(self.terms.long_factor)
        } else if strikes.iter().all(|strike| count(strike) <= 0) {
            Share::of_short(self.terms.short_factor)
        } else {
            None
        }
    }

    /// Adds the strikes of an expiry to the sheet, and gives the value now of their options.
    #[inline(always)]
    fn add_one_sided(
        &self,
        risk: &mut DatedRisk,
        expiry: &Expiry,
        strikes: &[Strike],
        share: Share,
        sheet: &mut Sheet,
        probes: &mut Probes,
    ) -> Result<i64, RiskError> {
        let before = sheet.probed(probes.thirds);
        sheet.turned = [0; 4];
        for strike in strikes {
            let seen = self.see(expiry, strike)?;
            let view = self.count_strike(risk, probes, strike, &seen)?;
            sheet.look(self.nodes, &view);
            if expiry.root_years != 0 && seen.count != Quantity::ZERO {
                sheet.add_time_value(seen.sd, seen.options.mul_down(share.factor), expiry, seen.log);
            }
        }
        let after = sheet.probed(probes.thirds);
        let whole = |after: i64, before: i64| Usd::of_sum(after - before).mul_down(share.inverse);
        let at = |place: usize| {
            let intrinsic = Usd::of_sum(after.intrinsic[place] - before.intrinsic[place]);
            intrinsic + whole(after.time_value[place], before.time_value[place])
        };
        let of_vol = |vol: usize| whole(after.time_value_of_vol[vol], before.time_value_of_vol[vol]);
        let intrinsic = Usd::of_sum(after.intrinsic[2] - before.intrinsic[2]);
        let mark = at(2);
        probes.down += at(0) - mark;
        probes.up += at(1) - mark;
        probes.vol_down += intrinsic + of_vol(0) - mark;
        probes.vol_up += intrinsic + of_vol(1) - mark;
        let [one, lifted, other, dropped] = sheet.turned;
        let [.., rotated_cell, lifted_cell] = &mut risk.cells;
        *rotated_cell += intrinsic + Usd::of_sum(one.min(other)) - mark;
        *lifted_cell += intrinsic + Usd::of_sum(lifted.min(dropped)) - mark;
        risk.mark += mark;
        Ok(mark.micros())
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
            self.close::<false>(risk, nodes, &sheet, probes);
            return Ok(());
        }
        for strike in strikes {
            for leg in strike.legs() {
                self.add_strike(risk, expiry, nodes, &leg, &mut sheet, probes)?;
                if leg.is_long() {
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
        let seen = self.see(expiry, strike)?;
        let view = self.count_strike(risk, probes, strike, &seen)?;
        sheet.look(nodes, &view);
        if expiry.root_years != 0 && seen.count != Quantity::ZERO {
            sheet.add_time_value(seen.sd, seen.options, expiry, seen.log);
        }
        Ok(())
    }

    /// Counts the deltas and the number of the options of a strike.
    #[inline(always)]
    pub(crate) fn count_strike(
        &self,
        risk: &mut DatedRisk,
        probes: &mut Probes,
        strike: &Strike,
        seen: &Seen,
    ) -> Result<View, RiskError> {
        let &Seen { f, k, log, sd, .. } = seen;
        let delta = forward_delta(log, TotalVol::of(sd)) >> 2;
        let mut uncertain = Usd::ZERO;
        let mut held = |value: Usd, delta: i64, long: bool| {
            let held = Weight::of(value);
            let dollars = Usd::of_sum(Weight::of(Usd::of_sum(held.times_down(delta))).times_down(f));
            uncertain += dollars;
            self.add_delta(risk, probes, dollars, long);
            held
        };
        let calls = seen.calls.map(|value| held(value, delta, strike.calls.atoms() > 0));
        let puts = seen.puts.map(|value| held(value, delta - Ratio::ONE.bits(), strike.puts.atoms() > 0));
        risk.uncertain += uncertain.abs();
        if self.relief {
            probes.options += i128::from(seen.count.atoms());
        } else {
            self.add_naked(risk, seen.count.atoms())?;
        }
        Ok(View { f, k, log, calls, puts })
    }

    /// The options of a strike. A synthetic future has no time value, and nothing has at expiry.
    #[inline(always)]
    pub(crate) fn see(&self, expiry: &Expiry, strike: &Strike) -> Result<Seen, RiskError> {
        let at = &strike.at;
        let unit_price = expiry.forward.max(at.price());
        let (f, k) = normalise(expiry.forward.raw(), at.price().raw(), expiry.excess);
        let (has_calls, has_puts) = (strike.calls != Quantity::ZERO, strike.puts != Quantity::ZERO);
        let calls = if has_calls { Some(self.discounted(unit_price, strike.calls, expiry)?) } else { None };
        let puts = if has_puts { Some(self.discounted(unit_price, strike.puts, expiry)?) } else { None };
        let (count, options) = match (calls, puts) {
            (Some(_), Some(_)) => {
                let count = strike.calls.checked_add(strike.puts)?;
                // Each is within the bound of a notional, so together they are within twice that.
                (count, unit_price.value_down(count, self.unit)?.mul_down(expiry.discount))
            }
            (Some(calls), None) => (strike.calls, calls),
            (None, puts) => (strike.puts, puts.unwrap_or(Usd::ZERO)),
        };
        Ok(Seen {
            f,
            k,
            log: log_moneyness(expiry.log_forward, at.log()),
            sd: total_vol(strike.vol.bits(), expiry.root_years),
            calls,
            puts,
            count,
            options,
        })
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
    fn close<const LONG: bool>(&self, risk: &mut DatedRisk, nodes: &Nodes, sheet: &Sheet, probes: &mut Probes) {
        let one = Ratio::ONE.bits();
        // Both are not negative. Then no product of a time value and one of them is beyond 2^63.
        let (short, long) = (self.terms.short_factor.bits() - one, one - self.terms.long_factor.bits());
        if (short | long) >> 26 == 0 && sheet.notional >> 37 == 0 {
            self.close_with::<LONG>(risk, nodes, sheet, probes, |time_value| {
                // x (1 + e) = x + x e, and rounding the second down rounds the sum down. Chosen by the sign's mask: given a branch the
                // compiler decides all 31 first and keeps them in memory.
                let excess = ((time_value >> 63) & (short + long)) - long;
                Usd::of_sum(time_value.wrapping_add(time_value.wrapping_mul(excess) >> Ratio::BITS))
            });
        } else {
            let (short, long) = (self.terms.short_factor, self.terms.long_factor);
            self.close_with::<LONG>(risk, nodes, sheet, probes, |time_value| {
                Usd::of_sum(time_value).mul_down(if time_value < 0 { short } else { long })
            });
        }
    }

    /// `shaved` is what of a time value counts: with products of 64 bits where the book's notional is below 2^37 micro-dollars
    /// (137,000 dollars) and the factors are within 6 % of one, which is 200 compute units of 740 less.
    #[inline(never)]
    fn close_with<const LONG: bool>(
        &self,
        risk: &mut DatedRisk,
        nodes: &Nodes,
        sheet: &Sheet,
        probes: &mut Probes,
        shaved: impl Fn(i64) -> Usd,
    ) {
        let unchanged = &sheet.core[UNCHANGED_NODE];
        let mark = unchanged.intrinsic + unchanged.time_value[SAME];
        risk.mark += Usd::of_sum(mark);
        pour::<LONG, true>(&mut risk.cells, nodes, sheet, mark, &shaved);
        // A long option's gains count only as far as they are its value.
        let counted = |result: Usd| if LONG { result.min(Usd::ZERO) } else { result };
        // The worse of one turn and the other.
        let intrinsic = Usd::of_sum(unchanged.intrinsic - mark);
        let [one, lifted, other, dropped] = &sheet.turned;
        let [.., rotated_cell, lifted_cell] = &mut risk.cells;
        *rotated_cell += counted(intrinsic + shaved(*one).min(shaved(*other)));
        *lifted_cell += counted(intrinsic + shaved(*lifted).min(shaved(*dropped)));
        let result =
            |place: &Place<3>, vol: usize| counted(Usd::of_sum(place.intrinsic - mark + place.time_value[vol]));
        probes.down += result(&sheet.core[UNCHANGED_NODE - probes.thirds], SAME);
        probes.up += result(&sheet.core[UNCHANGED_NODE + probes.thirds], SAME);
        probes.vol_down += result(unchanged, DOWN);
        probes.vol_up += result(unchanged, UP);
    }
}

/// Profit and loss in the cells in which the price or the level of volatility moves, on top of what is there if there is anything.
#[inline(always)]
fn pour<const LONG: bool, const ADD: bool>(
    cells: &mut [Usd; CELLS],
    nodes: &Nodes,
    sheet: &Sheet,
    mark: i64,
    shaved: impl Fn(i64) -> Usd,
) {
    let put = |cell: &mut Usd, result: Usd| {
        // A long option's gains count only as far as they are its value.
        let counted = if LONG { result.min(Usd::ZERO) } else { result };
        *cell = if ADD { *cell + counted } else { counted };
    };
    let (core_cells, outer_cells) = cells.split_at_mut(CORE_CELLS);
    for (place, cells) in sheet.core.iter().zip(core_cells.chunks_exact_mut(3)) {
        let intrinsic = Usd::of_sum(place.intrinsic - mark);
        for (cell, time_value) in cells.iter_mut().zip(&place.time_value) {
            put(cell, intrinsic + shaved(*time_value));
        }
    }
    let result = |place: &Place<1>| Usd::of_sum(place.intrinsic - mark) + shaved(place.time_value[0]);
    let (edges, tails) = sheet.outer.split_at(EDGES);
    for (place, cell) in edges.iter().zip(&mut outer_cells[..EDGES]) {
        put(cell, result(place));
    }
    for ((place, cell), weight) in tails.iter().zip(&mut outer_cells[EDGES..]).zip(&nodes.weight) {
        put(cell, result(place).mul_down(*weight));
    }
}

/// The size of a loss, zero for a gain.
fn loss(result: Usd) -> Usd {
    (-result).max(Usd::ZERO)
}
