//! A whole portfolio as plain data, and its verdict: the same evaluation for a program, a keeper and a screen.

use crate::array::LinearArray;
use crate::dated::Context;
use crate::{
    Book, CELLS, Cell, CompressedArray, DatedRisk, Expiry, Exposure, Grid, Group, Haircuts, Levels, LinearPosition,
    Market, Nodes, OptionTerms, RiskArray, RiskError, Strike, Usd, Valuation,
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

    pub(crate) const fn option_relief(self) -> bool {
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
    pub market: &'a Market,
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

/// A portfolio. Underlyings of one correlation group follow one another, in any order otherwise; verdicts name an underlying by its
/// place in the list, so whoever numbers them in another way keeps the numbers beside it.
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
    linear: &'a LinearArray,
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

    /// The 64-byte form of that, rounded down.
    pub fn compressed(&self) -> CompressedArray {
        let mut mantissas = [0; CELLS];
        let exponent = self.compress_into(&mut mantissas);
        CompressedArray { exponent, mantissas }
    }

    /// The same where it is stored: fills the mantissas and gives the exponent.
    #[inline]
    pub fn compress_into(&self, mantissas: &mut [i16; CELLS]) -> u16 {
        self.linear.compress_into(self.dated.map(|dated| &dated.cells), mantissas)
    }
}

/// A portfolio with one underlying apart, for quotes that change that one only: each look at it costs the adding of one underlying.
/// A program that adds it up itself gives `rest` the members of the underlying's group last, its balances too, and names no worst
/// underlying by it.
#[derive(Clone, Copy, Debug)]
pub struct Split {
    /// All other underlyings, cash, and all collateral.
    pub rest: Book,
    /// The underlying's market.
    pub market: Market,
    /// What it offsets with in the portfolio's mode.
    pub group: Group,
    /// Its grid.
    pub grid: Grid,
    /// Its perps and own collateral.
    pub exposure: Exposure,
    /// Its futures and options, if it has expiries.
    pub dated: Option<DatedRisk>,
}

/// One underlying added up, before it is in a book.
#[derive(Clone, Copy)]
struct Sums<'a> {
    market: &'a Market,
    group: Group,
    grid: &'a Grid,
    exposure: &'a Exposure,
    dated: Option<&'a DatedRisk>,
}

impl Portfolio<'_> {
    /// The verdict. `visit` is given each underlying's place in the list and its part.
    ///
    /// # Errors
    /// [`RiskError::TooManyItems`], [`RiskError::IsolatedToOneUnderlying`], [`RiskError::TimeValueFactorsOutOfRange`], and what the
    /// parts refuse ([`RiskError::ValueOutOfRange`] for an option or a future that is worth too much, [`Book::add_underlying_with`]).
    pub fn evaluate(&self, visit: impl FnMut(usize, &UnderlyingRisk)) -> Result<Valuation, RiskError> {
        self.evaluate_with(|_| None, visit)
    }

    /// The same where it is known what the futures and options of some underlyings add up to in this mode, by their places in the list:
    /// the part of an earlier verdict at the same prices, whose positions are the same.
    ///
    /// # Errors
    /// As [`Portfolio::evaluate`].
    pub fn evaluate_with<'b>(
        &self,
        known: impl Fn(usize) -> Option<&'b DatedRisk>,
        mut visit: impl FnMut(usize, &UnderlyingRisk),
    ) -> Result<Valuation, RiskError> {
        let mut book = Book::default();
        self.start(&mut book)?;
        for (index, held) in self.underlyings.iter().enumerate() {
            self.add(&mut book, index, held, &known, |risk| visit(index, risk))?;
        }
        Ok(book.valuation(&self.levels))
    }

    /// The portfolio with the underlying at `index` apart. `visit` is given the place and part of each other one.
    ///
    /// # Errors
    /// [`RiskError::NoSuchUnderlying`], and as [`Portfolio::evaluate`].
    #[inline(never)]
    pub fn split(&self, index: usize, mut visit: impl FnMut(usize, &UnderlyingRisk)) -> Result<Split, RiskError> {
        let apart = self.underlyings.get(index).ok_or(RiskError::NoSuchUnderlying)?;
        let mut split = Split {
            rest: Book::default(),
            market: *apart.market,
            group: self.group(apart),
            grid: Grid::new(apart.market.scan_range)?,
            exposure: Exposure::default(),
            dated: None,
        };
        let Split { rest, group, exposure, dated, .. } = &mut split;
        self.start(rest)?;
        for members in [false, true] {
            for (other, held) in self.underlyings.iter().enumerate() {
                let member = group.id != 0 && self.group(held).id == group.id;
                if other != index && member == members {
                    self.add(rest, other, held, |_| None, |risk| visit(other, risk))?;
                }
            }
        }
        self.sum(
            rest,
            index,
            apart,
            |_| None,
            |_, sums| {
                (*exposure, *dated) = (*sums.exposure, sums.dated.copied());
                Ok(())
            },
        )?;
        Ok(split)
    }

    /// The sums of one underlying alone, for a [`Split`] whose positions on it have changed.
    ///
    /// # Errors
    /// As [`Portfolio::split`].
    #[inline(never)]
    pub fn sums(&self, index: usize) -> Result<(Exposure, Option<DatedRisk>), RiskError> {
        let apart = self.underlyings.get(index).ok_or(RiskError::NoSuchUnderlying)?;
        let mut result = (Exposure::default(), None);
        self.sum(
            &mut Book::default(),
            index,
            apart,
            |_| None,
            |_, sums| {
                result = (*sums.exposure, sums.dated.copied());
                Ok(())
            },
        )?;
        Ok(result)
    }

    /// What it offsets with in this mode.
    pub(crate) fn group(&self, held: &Holdings) -> Group {
        if self.mode.offsets_between_underlyings() { held.market.group } else { Group::ALONE }
    }

    /// Adds cash and the collateral that is no underlying's own, if the portfolio is one that can be valued.
    pub(crate) fn start(&self, book: &mut Book) -> Result<(), RiskError> {
        self.options.require_valid()?;
        let shares = self.mode.shares_collateral();
        if !shares && self.underlyings.iter().filter(|held| held.has_positions()).count() > 1 {
            return Err(RiskError::IsolatedToOneUnderlying);
        }
        book.add_cash(self.cash);
        let counted = |collateral: &&Collateral| shares || collateral.value.is_negative();
        self.collateral.iter().filter(counted).try_for_each(|collateral| add_collateral(book, collateral))
    }

    /// Adds one underlying, unless it is none of the account's.
    #[inline(never)]
    fn add<'b>(
        &self,
        book: &mut Book,
        index: usize,
        held: &Holdings,
        known: impl Fn(usize) -> Option<&'b DatedRisk>,
        visit: impl FnOnce(&UnderlyingRisk),
    ) -> Result<(), RiskError> {
        self.sum(book, index, held, known, |book, Sums { market, group, grid, exposure, dated }| {
            let linear = LinearArray::of(exposure, dated, grid);
            let worst = book.add_with(market, group, exposure, dated, &linear)?;
            visit(&UnderlyingRisk { linear: &linear, worst, exposure, dated });
            Ok(())
        })
    }

    /// Adds one underlying's balances to the book and its perps and balances up, unless it is none of the account's: whether it is.
    #[inline(always)]
    pub(crate) fn linear(&self, book: &mut Book, held: &Holdings, exposure: &mut Exposure) -> Result<bool, RiskError> {
        let shares = self.mode.shares_collateral();
        let counts = |collateral: &&Collateral| shares || held.has_positions() || collateral.value.is_negative();
        if !(shares || held.has_positions() || held.collateral.iter().any(|collateral| counts(&collateral))) {
            return Ok(false);
        }
        count(book, held.perps.len())?;
        for perp in held.perps {
            exposure.add_position(held.market, perp.quantity, perp.quote)?;
        }
        for collateral in held.collateral.iter().filter(&counts) {
            add_collateral(book, collateral)?;
            exposure.add_collateral(collateral.value);
        }
        Ok(true)
    }

    /// Adds one underlying's balances to the book and its items up, unless it is none of the account's.
    #[inline(always)]
    fn sum<'b>(
        &self,
        book: &mut Book,
        index: usize,
        held: &Holdings,
        known: impl Fn(usize) -> Option<&'b DatedRisk>,
        then: impl FnOnce(&mut Book, Sums) -> Result<(), RiskError>,
    ) -> Result<(), RiskError> {
        let mut exposure = Exposure::default();
        if !self.linear(book, held, &mut exposure)? {
            return Ok(());
        }
        book.name_next(index);
        let (market, group) = (held.market, self.group(held));
        let grid = Grid::new(market.scan_range)?;
        let sums = Sums { market, group, grid: &grid, exposure: &exposure, dated: None };
        let known = known(index);
        if known.is_some() || held.expiries.is_empty() {
            return then(book, Sums { dated: known, ..sums });
        }
        let prepared;
        let nodes = match held.nodes {
            Some(nodes) => nodes,
            None => {
                prepared = Nodes::new(&grid);
                &prepared
            }
        };
        for Dated { futures, strikes, .. } in held.expiries {
            count(book, futures.len() + strikes.len())?;
        }
        let mut dated = DatedRisk::NONE;
        Context::new(&grid, nodes, self.options, market, self.mode.option_relief())?.add(&mut dated, held.expiries)?;
        then(book, Sums { dated: Some(&dated), ..sums })
    }
}

impl Split {
    /// The whole account's verdict: that of [`Portfolio::evaluate`].
    ///
    /// # Errors
    /// As [`Book::add_underlying_with`].
    pub fn valuation(&self, levels: &Levels) -> Result<Valuation, RiskError> {
        self.valuation_with(&self.exposure, levels)
    }

    /// The verdict with other perps or own collateral on the underlying apart; what is owned counts as equity as before.
    ///
    /// # Errors
    /// As [`Book::add_underlying_with`].
    pub fn valuation_with(&self, exposure: &Exposure, levels: &Levels) -> Result<Valuation, RiskError> {
        self.valuation_of(exposure, self.dated.as_ref(), levels, |_| ())
    }

    /// The verdict with other sums of the underlying apart: those of [`Portfolio::sums`]. `visit` is given its part.
    ///
    /// # Errors
    /// As [`Book::add_underlying_with`].
    #[inline(never)]
    pub fn valuation_of(
        &self,
        exposure: &Exposure,
        dated: Option<&DatedRisk>,
        levels: &Levels,
        visit: impl FnOnce(&UnderlyingRisk),
    ) -> Result<Valuation, RiskError> {
        let mut book = self.rest;
        let linear = LinearArray::of(exposure, dated, &self.grid);
        let worst = book.add_with(&self.market, self.group, exposure, dated, &linear)?;
        visit(&UnderlyingRisk { linear: &linear, worst, exposure, dated });
        Ok(book.valuation(levels))
    }
}

pub(crate) fn count(book: &mut Book, items: usize) -> Result<(), RiskError> {
    book.count(u32::try_from(items).unwrap_or(u32::MAX))
}

fn add_collateral(book: &mut Book, Collateral { value, haircuts }: &Collateral) -> Result<(), RiskError> {
    book.count(1)?;
    if value.is_negative() {
        book.add_debt(value.abs(), *haircuts);
    } else {
        book.add_collateral(*value, *haircuts);
    }
    Ok(())
}
