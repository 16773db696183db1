//! From exposures to a verdict: equity, charges, scan, and the three margin levels.

use crate::array::LinearArray;
use crate::{
    CELLS, Cell, DatedRisk, Decimals, Grid, LinearPosition, MAX_ITEMS, Price, Quantity, Ratio, RiskArray, RiskError,
    Usd,
};

/// One underlying: its price now and the terms its risk is charged on.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    /// The accepted index price, which is also the mark of its perp.
    pub price: Price,
    /// The oracle's confidence as a share of the price, rounded up. Charged to initial margin only (I-19).
    pub confidence: Ratio,
    /// How much a dollar of net value loses if a slower price counts: `(price - slower) / price`, signed, times what margin leaves
    /// of a dollar. Charged to initial margin where it goes against the book (I-19); within -1 and 1.
    pub stable_gap: Ratio,
    /// Decimals of a position's smallest unit.
    pub unit: Decimals,
    /// The scan range R: the price move the core of the grid covers.
    pub scan_range: Ratio,
    /// Charge on the size of the net value: what an unhedged book pays beyond the grid.
    pub net_charge: Ratio,
    /// Charge on the hedged value, long against short: basis between a perp and its hedge is outside the grid.
    pub hedged_charge: Ratio,
    /// How much of unsettled profit does not count.
    pub profit: Haircuts,
    /// Most of it that counts at all.
    pub profit_cap: Usd,
    /// Charge on a book that is large for its market.
    pub size: SizeCharge,
    /// The part of the worst loss that maintenance margin sees, at most one: less while a risen scan range is new.
    pub ramp: Ratio,
    /// What it moves together with.
    pub group: Group,
}

impl Market {
    /// For setters: the bounds that [`Book`] relies on and does not look at again.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] when the scan range or the ramp is not positive, the range above 3, kappa not 0 to 0.8, the
    /// group above 63, the stable gap beyond one, a cap or another ratio negative, a haircut above one, the initial one below the
    /// maintenance one, or the hedged charge is more than twice the net charge (merging two accounts could then raise margin).
    pub fn require_valid(&self) -> Result<(), RiskError> {
        let charges = [
            self.confidence,
            self.scan_range,
            self.net_charge,
            self.hedged_charge,
            self.ramp,
            self.size.slope,
            self.size.cap,
        ];
        let Haircuts { maintenance, initial } = self.profit;
        let Group { id, kappa } = self.group;
        let valid = charges.iter().all(|ratio| *ratio >= Ratio::ZERO)
            && self.stable_gap.clamp_to(Ratio::ONE) == self.stable_gap
            && self.scan_range > Ratio::ZERO
            && self.scan_range.bits() <= 3 * Ratio::ONE.bits()
            && self.ramp > Ratio::ZERO
            && id <= MAX_GROUP
            && (Ratio::ZERO..=Ratio::MAX_KAPPA).contains(&kappa)
            && !self.profit_cap.is_negative()
            && self.hedged_charge <= self.net_charge.times_up(Ratio::ONE.doubled())
            && Ratio::ZERO <= maintenance
            && maintenance <= initial
            && initial <= Ratio::ONE;
        if valid { Ok(()) } else { Err(RiskError::RatioOutOfRange) }
    }
}

/// `min(cap, slope (gross - depth) / depth)` of the gross value, above the depth: nothing below it, and growing faster than size.
#[derive(Clone, Copy, Debug)]
pub struct SizeCharge {
    /// Gross value that the market takes without moving; zero: no charge at any size.
    pub depth: Usd,
    /// Rate at twice the depth.
    pub slope: Ratio,
    /// Highest rate.
    pub cap: Ratio,
}

impl SizeCharge {
    /// No charge.
    pub const NONE: Self = Self { depth: Usd::ZERO, slope: Ratio::ZERO, cap: Ratio::ZERO };

    fn on(&self, gross: Usd) -> Usd {
        let (excess, depth) = ((gross - self.depth).micros(), self.depth.micros());
        if depth <= 0 || excess <= 0 {
            return Usd::ZERO;
        }
        // Eight depths above it the rate is capped, whatever the slope: a ratio goes no further.
        let multiple = Ratio::of_up(excess, depth).unwrap_or(Ratio::MAX);
        gross.mul_up(multiple.times_up(self.slope).min(self.cap))
    }
}

/// Underlyings whose worst cases are taken to come together only in part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Which group, 1 to 63; 0: alone.
    pub id: u8,
    /// The floor of the correlation of its members under stress, 0 to 0.8. The least of its members' counts.
    pub kappa: Ratio,
}

/// The last group.
pub(crate) const MAX_GROUP: u8 = 63;

impl Group {
    /// Offsets nothing.
    pub const ALONE: Self = Self { id: 0, kappa: Ratio::ZERO };
}

/// Discounts on something owned. `initial` is at least `maintenance`; if it is set lower, `maintenance` is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Haircuts {
    /// Off the value wherever equity is counted.
    pub maintenance: Ratio,
    /// Off the value where risk is added.
    pub initial: Ratio,
}

/// How the scan and the charges make the three margin levels. Shares below zero are taken as zero and above one as one.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// The part of the scan that maintenance margin asks for.
    pub maintenance_scan: Ratio,
    /// How far above maintenance a liquidation goes, as a share of it.
    pub liquidation_buffer: Ratio,
    /// Surcharge on the scan in initial margin while the quote token is below its peg.
    pub depeg: Ratio,
}

/// Every charge outside the grid, in dollars, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Charges {
    /// Expiries moving apart. Part of the scan, where it competes with the cells; named here.
    pub basis: Usd,
    /// On net and hedged value.
    pub delta: Usd,
    /// On naked short options.
    pub naked_maintenance: Usd,
    /// On volatilities of expiries moving apart.
    pub vega: Usd,
    /// On size.
    pub size: Usd,
    /// What initial margin adds on naked short options.
    pub naked_initial: Usd,
    /// On the oracle's confidence; initial margin only.
    pub confidence: Usd,
    /// On a price that has run ahead of its slower one; initial margin only.
    pub stable: Usd,
    /// Initial less maintenance haircuts of collateral and profit; initial margin only.
    pub collateral: Usd,
    /// On the quote token's peg; initial margin only.
    pub depeg: Usd,
}

impl Charges {
    /// What maintenance margin adds to its part of the scan.
    pub fn maintenance(&self) -> Usd {
        self.delta + self.naked_maintenance + self.vega + self.size
    }

    /// What initial margin adds to that.
    pub fn initial(&self) -> Usd {
        self.naked_initial + self.confidence + self.stable + self.collateral + self.depeg
    }
}

impl Market {
    /// On what is net and what is hedged, with as much of the long options' room as helps.
    fn delta_charge(&self, exposure: &Exposure, dated: Option<&DatedRisk>) -> Usd {
        let room = match dated {
            None => Usd::ZERO,
            Some(dated) if exposure.net.is_negative() => dated.room_up,
            Some(dated) => dated.room_down,
        };
        let helps = self.net_charge >= self.hedged_charge;
        let used = if helps { exposure.net.abs().min(room) } else { Usd::ZERO };
        let net = exposure.net.abs() - used;
        let hedged = Usd::of_sum((exposure.gross + used - net).micros() / 2);
        net.mul_up(self.net_charge) + hedged.mul_up(self.hedged_charge)
    }
}

/// The linear items of one underlying at one price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposure {
    /// Sum of signed values: the book's delta in dollars.
    pub net: Usd,
    /// Sum of the sizes of the values.
    pub gross: Usd,
    /// Value of the positions plus what they have paid and received: the unsettled profit, signed.
    pub profit: Usd,
}

impl Exposure {
    /// Adds a perp or future: `quantity` held against `quote` paid (negative) or received (positive) so far.
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] when the position's value is beyond [`Usd::MAX`].
    pub fn add_position(&mut self, market: &Market, quantity: Quantity, quote: Usd) -> Result<(), RiskError> {
        let value = market.price.value_down(quantity, market.unit)?;
        self.add_value(value);
        self.profit += value + quote;
        Ok(())
    }

    /// Adds collateral in the underlying's own asset: it nets a short perp here, and counts as equity in
    /// [`Book::add_collateral`]. The same `value` goes to both, so what is in the array is there once.
    pub fn add_collateral(&mut self, value: Usd) {
        self.add_value(value);
    }

    /// The exposure without a position that was added before, exactly as if it had not been.
    ///
    /// # Errors
    /// As [`Exposure::add_position`].
    pub fn without_position(mut self, market: &Market, position: &LinearPosition) -> Result<Self, RiskError> {
        let value = market.price.value_down(position.quantity, market.unit)?;
        self.net -= value;
        self.gross -= value.abs();
        self.profit -= value + position.quote;
        Ok(self)
    }

    fn add_value(&mut self, value: Usd) {
        self.net += value;
        self.gross += value.abs();
    }

    /// The exact risk array.
    pub fn array(&self, grid: &Grid) -> RiskArray {
        RiskArray::linear(self.net, grid)
    }
}

/// The scenario that sets a portfolio's scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstCell {
    /// Index of the underlying with the largest loss, the first of equal ones.
    pub underlying: u8,
    /// Its worst cell.
    pub cell: Cell,
}

/// A portfolio being added up. Whoever adds items counts them with [`Book::count`]; [`MAX_ITEMS`] is the most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Book {
    equity: Usd,
    closed: Scan,
    open: OpenGroup,
    charges: Charges,
    worst: Option<(WorstCell, Usd)>,
    underlyings: u8,
    items: u64,
    /// Groups that have been closed, by bit.
    closed_groups: u64,
}

/// The scanning loss in full, and the part of it that maintenance margin sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Scan {
    full: Usd,
    maintenance: Usd,
}

/// The correlation group whose members are being added.
#[derive(Clone, Copy, Debug, Default)]
struct OpenGroup {
    id: u8,
    kappa: Ratio,
    /// Sum of the members' arrays: by node of those that are linear, by cell of the rest.
    linear: LinearArray,
    cells: [Usd; CELLS],
    /// Sum of their worst losses, and of the part that maintenance sees.
    apart: Scan,
    basis: Usd,
}

impl OpenGroup {
    /// Adds a member's array; gives back its worst cell and the result there.
    fn add(&mut self, linear: &LinearArray, dated: Option<&DatedRisk>) -> (Cell, Usd) {
        let Some(dated) = dated else {
            self.linear.add(linear);
            return linear.worst(None);
        };
        self.basis += dated.basis;
        linear.worst_added(&dated.cells, &mut self.cells)
    }

    /// `W - kappa (W - J)`, where W adds the members' worst losses and J is the loss when all are in one cell.
    fn scan(&self) -> Scan {
        let together = self.basis.max(-self.linear.least(&self.cells)).max(Usd::ZERO);
        let Scan { full: apart, maintenance } = self.apart;
        let full = apart - (apart - together).mul_down(self.kappa);
        if maintenance == apart {
            return Scan { full, maintenance: full };
        }
        // In the proportion in which maintenance sees the members' losses; at most all of it.
        let product = i128::from(full.micros()) * i128::from(maintenance.micros());
        let part = (product + i128::from(apart.micros()) - 1) / i128::from(apart.micros());
        Scan { full, maintenance: i64::try_from(part).map_or(full, Usd::of_sum).min(full) }
    }
}

impl Book {
    /// Counts `items` more positions or balances.
    ///
    /// # Errors
    /// [`RiskError::TooManyItems`] beyond [`MAX_ITEMS`].
    pub fn count(&mut self, items: u32) -> Result<(), RiskError> {
        // No book is long enough to be counted beyond 2^64.
        self.items += u64::from(items);
        if self.items > u64::from(MAX_ITEMS) { Err(RiskError::TooManyItems) } else { Ok(()) }
    }

    /// The next underlying is the one at `index`, however many were added before.
    pub(crate) fn name_next(&mut self, index: usize) {
        self.underlyings = u8::try_from(index).unwrap_or(u8::MAX);
    }

    /// Adds cash in the quote currency at par, negative for a debt.
    pub fn add_cash(&mut self, cash: Usd) {
        self.equity += cash;
    }

    /// Adds collateral worth `value` (not negative): equity after the maintenance haircut, and the rest of the initial
    /// haircut as an initial charge.
    pub fn add_collateral(&mut self, value: Usd, haircuts: Haircuts) {
        let discount = value.mul_up(haircuts.maintenance);
        self.equity += value - discount;
        self.charges.collateral += value.mul_up(haircuts.initial.max(haircuts.maintenance)) - discount;
    }

    /// Adds a debt of `value` (not negative) in some asset: it weighs more than its value by the haircuts.
    pub fn add_debt(&mut self, value: Usd, haircuts: Haircuts) {
        let surcharge = value.mul_up(haircuts.maintenance);
        self.equity -= value + surcharge;
        self.charges.collateral += value.mul_up(haircuts.initial.max(haircuts.maintenance)) - surcharge;
    }

    /// Adds one underlying's perps and own-asset collateral.
    ///
    /// # Errors
    /// As [`Book::add_underlying_with`].
    pub fn add_underlying(&mut self, market: &Market, exposure: &Exposure) -> Result<UnderlyingArray, RiskError> {
        self.add_underlying_with(market, market.group, &Grid::new(market.scan_range)?, exposure, None)
    }

    /// Adds one underlying with its futures and options, on the grid they were added up on, as a member of `group`.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] when the market's scan range is not positive or above 3, or its kappa is above 0.8;
    /// [`RiskError::GroupsOutOfOrder`] when its group was left and is entered again, or is above 63.
    pub fn add_underlying_with(
        &mut self,
        market: &Market,
        group: Group,
        grid: &Grid,
        exposure: &Exposure,
        dated: Option<&DatedRisk>,
    ) -> Result<UnderlyingArray, RiskError> {
        let linear = LinearArray::of(exposure, dated, grid);
        let worst = self.add_with(market, group, exposure, dated, &linear)?;
        Ok(UnderlyingArray { linear, worst })
    }

    /// The same, with what is linear of it made by the caller, who keeps it: it is 15 words to copy.
    #[inline(never)]
    pub(crate) fn add_with(
        &mut self,
        market: &Market,
        group: Group,
        exposure: &Exposure,
        dated: Option<&DatedRisk>,
        linear: &LinearArray,
    ) -> Result<Cell, RiskError> {
        match dated {
            None => self.add(market, group, exposure, None, linear),
            Some(held) => {
                let whole = self.charge_dated(market, exposure, held);
                self.add(market, group, &whole, dated, linear)
            }
        }
    }

    /// Adds the value of options and the charges on what expires. Gives the exposure with what expires in it.
    #[inline(always)]
    pub(crate) fn charge_dated(&mut self, market: &Market, exposure: &Exposure, dated: &DatedRisk) -> Exposure {
        self.equity += dated.mark;
        self.charges.basis += dated.basis;
        self.charges.vega += dated.vega;
        self.charges.naked_maintenance += dated.naked_maintenance;
        self.charges.naked_initial += dated.naked_initial;
        self.charges.confidence += (dated.uncertain - dated.gross).mul_up(market.confidence);
        Exposure {
            net: exposure.net + dated.net,
            gross: exposure.gross + dated.gross,
            profit: exposure.profit + dated.profit,
        }
    }

    #[inline(never)]
    fn add(
        &mut self,
        market: &Market,
        group: Group,
        exposure: &Exposure,
        dated: Option<&DatedRisk>,
        linear: &LinearArray,
    ) -> Result<Cell, RiskError> {
        let (mut cell, mut result) = if group.id == 0 {
            linear.worst(dated.map(|dated| &dated.cells))
        } else {
            self.enter(group)?;
            self.open.add(linear, dated)
        };
        if let Some(dated) = dated
            && -dated.basis < result
        {
            (cell, result) = (Cell::BASIS, -dated.basis);
        }
        let is_worse =
            |(named, worst): (WorstCell, Usd)| result < worst || result == worst && self.underlyings < named.underlying;
        if self.worst.is_none_or(is_worse) {
            self.worst = Some((WorstCell { underlying: self.underlyings, cell }, result));
        }
        self.underlyings = self.underlyings.saturating_add(1);
        let loss = -result;
        let seen = if market.ramp >= Ratio::ONE { loss } else { loss.mul_up(market.ramp) };
        let apart = Scan { full: loss, maintenance: seen };
        if group.id == 0 {
            self.closed.add(apart);
        } else {
            self.open.apart.add(apart);
        }
        self.charge(market, exposure, dated);
        Ok(cell)
    }

    /// Adds the charges on what is linear, and the unsettled profit.
    #[inline(always)]
    pub(crate) fn charge(&mut self, market: &Market, exposure: &Exposure, dated: Option<&DatedRisk>) {
        self.charges.delta += market.delta_charge(exposure, dated);
        self.charges.confidence += exposure.gross.mul_up(market.confidence);
        if exposure.net.is_negative() == (market.stable_gap < Ratio::ZERO) {
            self.charges.stable += exposure.net.abs().mul_up(market.stable_gap.abs());
        }
        self.charges.size += market.size.on(exposure.gross);
        if exposure.profit > Usd::ZERO {
            self.add_collateral(exposure.profit.min(market.profit_cap), market.profit);
        } else {
            self.equity += exposure.profit;
        }
    }

    /// What has been added up to now, without a scan.
    pub(crate) fn equity_and_maintenance_charges(&self) -> (Usd, Usd) {
        (self.equity, self.charges.maintenance())
    }

    /// Makes `group` the open one.
    #[inline(never)]
    fn enter(&mut self, group: Group) -> Result<(), RiskError> {
        if self.open.id == group.id {
            self.open.kappa = self.open.kappa.min(group.kappa).max(Ratio::ZERO);
            return Ok(());
        }
        if group.id > MAX_GROUP || self.closed_groups >> group.id & 1 == 1 {
            return Err(RiskError::GroupsOutOfOrder);
        }
        if group.kappa < Ratio::ZERO || group.kappa > Ratio::MAX_KAPPA {
            return Err(RiskError::RatioOutOfRange);
        }
        if self.open.id != 0 {
            self.closed_groups |= 1 << self.open.id;
            self.closed.add(self.open.scan());
        }
        self.open = OpenGroup { id: group.id, kappa: group.kappa, ..OpenGroup::default() };
        Ok(())
    }

    /// The verdict.
    pub fn valuation(&self, levels: &Levels) -> Valuation {
        let share = |ratio: Ratio| ratio.clamp(Ratio::ZERO, Ratio::ONE);
        let (part, buffer) = (share(levels.maintenance_scan), share(levels.liquidation_buffer));
        let mut scan = self.closed;
        if self.open.id != 0 {
            scan.add(self.open.scan());
        }
        let charges = Charges { depeg: scan.full.mul_up(levels.depeg.max(Ratio::ZERO)), ..self.charges };
        let maintenance_margin = scan.maintenance.mul_up(part) + charges.maintenance();
        let initial_margin = (scan.full + charges.maintenance() + charges.initial()).max(maintenance_margin);
        Valuation {
            equity: self.equity,
            initial_margin,
            liquidation_end: initial_margin.min(maintenance_margin + maintenance_margin.mul_up(buffer)),
            maintenance_margin,
            scan: scan.full,
            charges,
            worst: self.worst.map(|(worst, _)| worst),
        }
    }
}

impl Scan {
    fn add(&mut self, other: Self) {
        self.full += other.full;
        self.maintenance += other.maintenance;
    }
}

/// What one underlying adds to the scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnderlyingArray {
    pub(crate) linear: LinearArray,
    /// Its worst cell, or [`Cell::BASIS`].
    pub worst: Cell,
}

impl UnderlyingArray {
    /// Profit and loss in each cell; `dated` is what the underlying was added with.
    pub fn array(&self, dated: Option<&DatedRisk>) -> RiskArray {
        self.linear.with(dated.map(|dated| &dated.cells))
    }
}

/// What a portfolio is worth and what it must hold. `maintenance <= liquidation end <= initial`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valuation {
    /// Cash, collateral after maintenance haircuts, and unsettled profit and loss. Rounded down.
    pub equity: Usd,
    /// Needed to add risk. Rounded up, as are all three levels.
    pub initial_margin: Usd,
    /// Where a liquidation stops.
    pub liquidation_end: Usd,
    /// Needed not to be liquidated.
    pub maintenance_margin: Usd,
    /// The scanning loss after offsets between underlyings, as a positive amount.
    pub scan: Usd,
    /// Everything outside the scan.
    pub charges: Charges,
    /// The underlying and the cell with the largest loss; `None` without any exposure.
    pub worst: Option<WorstCell>,
}

impl Valuation {
    /// Equity beyond initial margin; negative means that no risk may be added.
    pub fn initial_health(&self) -> Usd {
        self.equity - self.initial_margin
    }

    /// Equity beyond the level at which a liquidation stops.
    pub fn liquidation_end_health(&self) -> Usd {
        self.equity - self.liquidation_end
    }

    /// Equity beyond maintenance margin; negative means that the account may be liquidated.
    pub fn maintenance_health(&self) -> Usd {
        self.equity - self.maintenance_margin
    }
}
