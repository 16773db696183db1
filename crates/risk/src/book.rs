//! From exposures to a verdict: equity, charges, scan, and the three margin levels.

use crate::{Cell, Decimals, Grid, LinearPosition, MAX_ITEMS, Price, Quantity, Ratio, RiskArray, RiskError, Usd};

/// One underlying: its price now and the terms its risk is charged on.
#[derive(Clone, Copy, Debug)]
pub struct Market {
    /// The accepted index price, which is also the mark of its perp.
    pub price: Price,
    /// The oracle's confidence as a share of the price, rounded up. Charged to initial margin only (I-19).
    pub confidence: Ratio,
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
}

/// Discounts on something owned. `initial` is at least `maintenance`; if it is set lower, `maintenance` is used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Haircuts {
    /// Off the value wherever equity is counted.
    pub maintenance: Ratio,
    /// Off the value where risk is added.
    pub initial: Ratio,
}

/// How the scan and the charges make the three margin levels. More than one is taken as one.
#[derive(Clone, Copy, Debug)]
pub struct Levels {
    /// The part of the scan that maintenance margin asks for.
    pub maintenance_scan: Ratio,
    /// How far above maintenance a liquidation goes, as a share of it.
    pub liquidation_buffer: Ratio,
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

    /// The part of the gross value that stands against the opposite side.
    pub fn hedged(&self) -> Usd {
        Usd::of_sum((self.gross - self.net.abs()).micros() / 2)
    }

    /// The exact risk array.
    pub fn array(&self, grid: &Grid) -> RiskArray {
        RiskArray::linear(self.net, grid)
    }
}

/// The scenario that sets a portfolio's scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorstCell {
    /// Index of the underlying with the largest loss, in the order they were added.
    pub underlying: u8,
    /// Its worst cell.
    pub cell: Cell,
}

/// A portfolio being added up. Whoever adds items counts them with [`Book::count`]; [`MAX_ITEMS`] is the most.
#[derive(Clone, Copy, Debug, Default)]
pub struct Book {
    equity: Usd,
    scan: Usd,
    maintenance_charges: Usd,
    initial_charges: Usd,
    worst: Option<(WorstCell, Usd)>,
    underlyings: u8,
    items: u32,
}

impl Book {
    /// Counts `items` more positions or balances.
    ///
    /// # Errors
    /// [`RiskError::TooManyItems`] beyond [`MAX_ITEMS`].
    pub fn count(&mut self, items: u32) -> Result<(), RiskError> {
        self.items = self.items.saturating_add(items);
        if self.items > MAX_ITEMS { Err(RiskError::TooManyItems) } else { Ok(()) }
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
        self.initial_charges += value.mul_up(haircuts.initial.max(haircuts.maintenance)) - discount;
    }

    /// Adds one underlying's exposure and returns its risk array and worst cell.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] when the market's scan range is not positive or above 3.
    pub fn add_underlying(&mut self, market: &Market, exposure: &Exposure) -> Result<(RiskArray, Cell), RiskError> {
        let array = exposure.array(&Grid::new(market.scan_range)?);
        let (cell, result) = array.worst();
        if self.worst.is_none_or(|(_, worst)| result < worst) {
            self.worst = Some((WorstCell { underlying: self.underlyings, cell }, result));
        }
        self.underlyings = self.underlyings.saturating_add(1);
        self.scan -= result;
        self.maintenance_charges +=
            exposure.net.abs().mul_up(market.net_charge) + exposure.hedged().mul_up(market.hedged_charge);
        self.initial_charges += exposure.gross.mul_up(market.confidence);
        if exposure.profit > Usd::ZERO {
            self.add_collateral(exposure.profit, market.profit);
        } else {
            self.equity += exposure.profit;
        }
        Ok((array, cell))
    }

    /// The verdict.
    pub fn valuation(&self, levels: &Levels) -> Valuation {
        let (part, buffer) = (levels.maintenance_scan.min(Ratio::ONE), levels.liquidation_buffer.min(Ratio::ONE));
        let maintenance_margin = self.scan.mul_up(part) + self.maintenance_charges;
        let initial_margin = (self.scan + self.maintenance_charges + self.initial_charges).max(maintenance_margin);
        Valuation {
            equity: self.equity,
            initial_margin,
            liquidation_end: initial_margin.min(maintenance_margin + maintenance_margin.mul_up(buffer)),
            maintenance_margin,
            scan: self.scan,
            worst: self.worst.map(|(worst, _)| worst),
        }
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
    /// The scanning loss: the sum of the worst cells, as a positive amount.
    pub scan: Usd,
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
