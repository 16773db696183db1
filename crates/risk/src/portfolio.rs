//! A whole portfolio as plain data, and its verdict: the same evaluation for a program, a keeper and a screen.

use crate::array::LinearArray;
use crate::book::UnderlyingArray;
use crate::{
    Book, Cell, DatedBook, DatedRisk, Expiry, Exposure, Grid, Group, Haircuts, Levels, LinearPosition, Market, Nodes,
    OptionTerms, RiskArray, RiskError, Strike, Usd, Valuation,
};

/// How much of a portfolio offsets the rest. One code path, three parameter rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// One underlying, its own collateral and cash, nothing shared.
    Isolated,
    /// One pool of collateral; no offset between underlyings, and gains of long options offset nothing.
    Cross,
    /// Everything the model offers.
    Portfolio,
}

impl Mode {
    const fn offsets_between_underlyings(self) -> bool {
        matches!(self, Self::Portfolio)
    }

    const fn option_relief(self) -> bool {
        matches!(self, Self::Portfolio)
    }

    const fn shares_collateral(self) -> bool {
        !matches!(self, Self::Isolated)
    }
}

/// Collateral, or with a negative value a debt.
#[derive(Clone, Copy, Debug)]
pub struct Collateral {
    /// Value at the accepted price: rounded down if owned, away from zero if owed.
    pub value: Usd,
    /// Off what is owned, on top of what is owed. From 0 to 1, which is checked where a bank sets them and not here.
    pub haircuts: Haircuts,
}

/// The positions of one expiry.
#[derive(Clone, Copy, Debug)]
pub struct Dated<'a> {
    /// The expiry, prepared.
    pub expiry: &'a Expiry,
    /// Its futures.
    pub futures: &'a [LinearPosition],
    /// Its options, one entry per strike.
    pub strikes: &'a [Strike],
}

/// Everything on one underlying.
#[derive(Clone, Copy, Debug)]
pub struct Holdings<'a> {
    /// Price and terms.
    pub market: Market,
    /// The grid's nodes for options, if they are at hand; prepared here if not.
    pub nodes: Option<&'a Nodes>,
    /// Perps.
    pub perps: &'a [LinearPosition],
    /// Collateral in the underlying's own asset: inside the array.
    pub collateral: &'a [Collateral],
    /// Futures and options by expiry, each expiry once.
    pub expiries: &'a [Dated<'a>],
}

impl Holdings<'_> {
    fn has_positions(&self) -> bool {
        !self.perps.is_empty()
            || self.expiries.iter().any(|dated| !dated.futures.is_empty() || !dated.strikes.is_empty())
    }
}

/// A portfolio. Underlyings of one correlation group follow one another.
#[derive(Clone, Copy, Debug)]
pub struct Portfolio<'a> {
    /// How much of it offsets the rest.
    pub mode: Mode,
    /// Cash in the quote currency.
    pub cash: Usd,
    /// Collateral that is no underlying's own.
    pub collateral: &'a [Collateral],
    /// The rest, by underlying.
    pub underlyings: &'a [Holdings<'a>],
    /// Terms of all options.
    pub options: &'a OptionTerms,
    /// How the margin levels are made.
    pub levels: Levels,
}

/// One underlying's part of the verdict.
#[derive(Clone, Copy, Debug)]
pub struct UnderlyingRisk<'a> {
    linear: LinearArray,
    /// The worst cell, or [`Cell::BASIS`].
    pub worst: Cell,
    /// Perps and own collateral.
    pub exposure: &'a Exposure,
    /// Futures and options, if it has expiries.
    pub dated: Option<&'a DatedRisk>,
}

impl UnderlyingRisk<'_> {
    /// Profit and loss in each cell.
    pub fn array(&self) -> RiskArray {
        self.linear.with(self.dated.map(|dated| &dated.cells))
    }
}

impl Portfolio<'_> {
    /// The verdict. `visit` is given each underlying's place in the list and its part.
    ///
    /// # Errors
    /// [`RiskError::TooManyItems`], [`RiskError::IsolatedToOneUnderlying`], [`RiskError::TimeValueFactorsOutOfRange`], and what the
    /// parts refuse ([`DatedBook::add_expiry`], [`Book::add_underlying_with`]).
    pub fn evaluate(&self, mut visit: impl FnMut(usize, &UnderlyingRisk)) -> Result<Valuation, RiskError> {
        self.options.require_valid()?;
        let shares = self.mode.shares_collateral();
        if !shares && self.underlyings.iter().filter(|held| held.has_positions()).count() > 1 {
            return Err(RiskError::IsolatedToOneUnderlying);
        }
        let mut book = Book::default();
        book.add_cash(self.cash);
        let counted = |collateral: &&Collateral| shares || collateral.value.is_negative();
        add_collateral(&mut book, self.collateral.iter().filter(counted))?;
        for (index, held) in self.underlyings.iter().enumerate() {
            let counts = |collateral: &&Collateral| shares || held.has_positions() || collateral.value.is_negative();
            if shares || held.has_positions() || held.collateral.iter().any(|collateral| counts(&collateral)) {
                self.add(&mut book, held, counts, |risk| visit(index, risk))?;
            } else {
                book.skip_underlying();
            }
        }
        Ok(book.valuation(&self.levels))
    }

    /// Adds one underlying with the collateral that `counts`.
    fn add(
        &self,
        book: &mut Book,
        held: &Holdings,
        counts: impl Fn(&&Collateral) -> bool,
        visit: impl FnOnce(&UnderlyingRisk),
    ) -> Result<(), RiskError> {
        let market = &held.market;
        let group = if self.mode.offsets_between_underlyings() { market.group } else { Group::ALONE };
        let mut exposure = Exposure::default();
        count(book, held.perps.len())?;
        for perp in held.perps {
            exposure.add_position(market, perp.quantity, perp.quote)?;
        }
        add_collateral(book, held.collateral.iter().filter(&counts))?;
        for collateral in held.collateral.iter().filter(&counts) {
            exposure.add_collateral(collateral.value);
        }
        let grid = Grid::new(market.scan_range)?;
        if held.expiries.is_empty() {
            let UnderlyingArray { linear, worst } = book.add_underlying_with(market, group, &grid, &exposure, None)?;
            visit(&UnderlyingRisk { linear, worst, exposure: &exposure, dated: None });
            return Ok(());
        }
        let prepared;
        let nodes = match held.nodes {
            Some(nodes) => nodes,
            None => {
                prepared = Nodes::new(&grid);
                &prepared
            }
        };
        let relief = self.mode.option_relief();
        let mut dated = DatedBook::new(&grid, nodes, self.options, market.price, market.unit, relief)?;
        for Dated { expiry, futures, strikes } in held.expiries {
            count(book, futures.len() + strikes.len())?;
            dated.add_expiry(expiry, futures, strikes)?;
        }
        let dated = dated.risk();
        let UnderlyingArray { linear, worst } =
            book.add_underlying_with(market, group, &grid, &exposure, Some(dated))?;
        visit(&UnderlyingRisk { linear, worst, exposure: &exposure, dated: Some(dated) });
        Ok(())
    }
}

fn count(book: &mut Book, items: usize) -> Result<(), RiskError> {
    book.count(u32::try_from(items).unwrap_or(u32::MAX))
}

fn add_collateral<'a>(book: &mut Book, items: impl Iterator<Item = &'a Collateral>) -> Result<(), RiskError> {
    for Collateral { value, haircuts } in items {
        book.count(1)?;
        if value.is_negative() {
            book.add_debt(value.abs(), *haircuts);
        } else {
            book.add_collateral(*value, *haircuts);
        }
    }
    Ok(())
}
