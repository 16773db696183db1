//! One named cell of each underlying instead of all: a bound from below on maintenance margin. Whoever knows which cells are the worst
//! proves with it that an account is below its margin, for much less than the whole evaluation.

use crate::black76::TotalVol;
use crate::book::MAX_GROUP;
use crate::dated::{Context, Probes, Seen, Share};
use crate::expiry::{FIRST_TAIL_NODE, UNCHANGED_NODE, shocked};
use crate::portfolio::count;
use crate::sheet::{Place, leant, risen};
use crate::{
    Book, Cell, Dated, DatedRisk, Expiry, Exposure, Grid, Group, Holdings, Nodes, Portfolio, Ratio, RiskError, Strike,
    Usd, VolMove,
};

/// What one named cell of each underlying says of a portfolio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The portfolio's equity, to the micro-dollar.
    pub equity: Usd,
    /// Not above its maintenance margin: the part of the named cells' losses that it sees, and all charges but those for expiries moving
    /// apart and for their volatilities.
    pub maintenance_at_least: Usd,
}

impl Breach {
    /// Whether the portfolio is below its maintenance margin. Then [`Portfolio::evaluate`] says so too.
    pub fn is_proven(&self) -> bool {
        self.equity < self.maintenance_at_least
    }
}

/// The correlation group whose members are being added.
#[derive(Default)]
struct Members {
    group: Option<Group>,
    /// The cell that all of them name, if they do.
    cell: Option<Cell>,
    /// Their losses as maintenance margin sees them, and their results in the cell.
    seen: Usd,
    together: Usd,
    /// The least that maintenance margin sees of any of them.
    ramp: Ratio,
}

impl Members {
    /// Of `W - kappa (W - J)`, seen through ramps of at least `ramp`: `seen (1 - kappa) + kappa ramp J`, rounded down.
    fn scan_down(&self) -> Usd {
        let kappa = self.group.map_or(Ratio::ZERO, |group| group.kappa);
        let together = if self.cell.is_some() { (-self.together).max(Usd::ZERO) } else { Usd::ZERO };
        self.seen - self.seen.mul_up(kappa) + together.mul_down(self.ramp).mul_down(kappa)
    }
}

impl Portfolio<'_> {
    /// The portfolio's equity and a bound from below on its maintenance margin, by the cell that `cell` names for each underlying of
    /// the list. The unchanged cell, in which nothing is lost, is a name for none; [`Cell::BASIS`] is one too.
    ///
    /// # Errors
    /// As [`Portfolio::evaluate`].
    pub fn breach(&self, cell: impl Fn(usize) -> Cell) -> Result<Breach, RiskError> {
        let (mut book, mut scan) = (Book::default(), Usd::ZERO);
        self.start(&mut book)?;
        let (mut members, mut closed) = (Members::default(), 0u64);
        for (index, held) in self.underlyings.iter().enumerate() {
            // The charge for expiries moving apart is no cell.
            let cell = Some(cell(index)).filter(|cell| *cell != Cell::BASIS).unwrap_or(Cell::UNCHANGED);
            let group = self.group(held);
            let Some(result) = self.result_in(&mut book, held, cell)? else { continue };
            let (loss, ramp) = ((-result).max(Usd::ZERO), held.market.ramp.clamp(Ratio::ZERO, Ratio::ONE));
            let seen = loss.mul_down(ramp);
            if group.id == 0 {
                scan += seen;
                continue;
            }
            match &mut members.group {
                Some(open) if open.id == group.id => {
                    open.kappa = open.kappa.min(group.kappa).max(Ratio::ZERO);
                    members.cell = members.cell.filter(|named| *named == cell);
                    members.ramp = members.ramp.min(ramp);
                }
                open => {
                    if group.id > MAX_GROUP || closed >> group.id & 1 == 1 {
                        return Err(RiskError::GroupsOutOfOrder);
                    }
                    if group.kappa < Ratio::ZERO || group.kappa > Ratio::MAX_KAPPA {
                        return Err(RiskError::RatioOutOfRange);
                    }
                    closed |= open.map_or(0, |open| 1 << open.id);
                    scan += members.scan_down();
                    members = Members { group: Some(group), cell: Some(cell), ramp, ..Members::default() };
                }
            }
            members.seen += seen;
            members.together += result;
        }
        scan += members.scan_down();
        let part = self.levels.maintenance_scan.clamp(Ratio::ZERO, Ratio::ONE);
        let (equity, charges) = book.equity_and_maintenance_charges();
        Ok(Breach { equity, maintenance_at_least: scan.mul_down(part) + charges })
    }

    /// One underlying's result in a cell, unless it is none of the account's. The rest of it is added to the book.
    #[inline(never)]
    fn result_in(&self, book: &mut Book, held: &Holdings, cell: Cell) -> Result<Option<Usd>, RiskError> {
        let mut exposure = Exposure::default();
        if !self.linear(book, held, &mut exposure)? {
            return Ok(None);
        }
        let (market, grid) = (held.market, Grid::new(held.market.scan_range)?);
        let (mut dated, mut options) = (DatedRisk::NONE, Usd::ZERO);
        if held.expiries.is_empty() {
            book.charge(market, &exposure, None);
        } else {
            options = self.dated_in(book, held, &grid, cell, &mut dated)?;
            let whole = book.charge_dated(market, &exposure, &dated);
            book.charge(market, &whole, Some(&dated));
        }
        let linear = match Grid::node_of(usize::from(cell.index())) {
            UNCHANGED_NODE => Usd::ZERO,
            node => (exposure.net + dated.futures).mul_down(grid.moves()[node]),
        };
        Ok(Some(linear + options))
    }

    /// Adds up what expires, all but the cells and the two charges that need them. Gives the result of the options in one cell.
    #[inline(never)]
    fn dated_in(
        &self,
        book: &mut Book,
        held: &Holdings,
        grid: &Grid,
        cell: Cell,
        risk: &mut DatedRisk,
    ) -> Result<Usd, RiskError> {
        let prepared;
        let nodes = match held.nodes {
            Some(nodes) => nodes,
            None => {
                prepared = Nodes::new(grid);
                &prepared
            }
        };
        let context = Context::new(grid, nodes, self.options, held.market, self.mode.option_relief())?;
        // Options of expiries that are all bought, or all sold, are one book in the tails' weights.
        let (mut result, mut sheet) = (Usd::ZERO, Usd::ZERO);
        for Dated { expiry, futures, strikes } in held.expiries {
            count(book, futures.len() + strikes.len())?;
            context.add_expiry(risk, &mut Probes::default(), expiry, futures, |risk, probes, nodes| {
                let share = context.one_sided(expiry, strikes);
                let more = context.result_in(risk, probes, expiry, nodes, strikes, share, cell)?;
                match share {
                    Some(_) => sheet += more,
                    None => result += more,
                }
                Ok(())
            })?;
        }
        Ok(result + weighted(sheet, nodes, cell))
    }
}

/// The options of one book now, and in a cell: there at two volatilities where the smile turns, of which the worse counts.
struct Spot {
    now: Place<1>,
    there: Place<2>,
}

impl Spot {
    const EMPTY: Self = Self { now: Place::EMPTY, there: Place::EMPTY };
}

/// As it counts in a cell: a tail's result is weighted.
fn weighted(result: Usd, nodes: &Nodes, cell: Cell) -> Usd {
    match Grid::node_of(usize::from(cell.index())).checked_sub(FIRST_TAIL_NODE) {
        Some(tail) => result.mul_down(nodes.weight[tail]),
        None => result,
    }
}

impl Context<'_> {
    /// The result of an expiry's options in a cell; with a share of them, before the tails' weights.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn result_in(
        &self,
        risk: &mut DatedRisk,
        probes: &mut Probes,
        expiry: &Expiry,
        nodes: &Nodes,
        strikes: &[Strike],
        share: Option<Share>,
        cell: Cell,
    ) -> Result<Usd, RiskError> {
        let mut spot = Spot::EMPTY;
        if self.relief {
            for strike in strikes {
                self.look(risk, probes, expiry, nodes, strike, share, cell, &mut spot)?;
            }
            let result = self.result_of(risk, &spot, share);
            return Ok(if share.is_some() { result } else { weighted(result, nodes, cell) });
        }
        let mut sum = Usd::ZERO;
        for leg in strikes.iter().flat_map(Strike::legs) {
            self.look(risk, probes, expiry, nodes, &leg, None, cell, &mut spot)?;
            let result = weighted(self.result_of(risk, &spot, None), nodes, cell);
            sum += if leg.is_long() { result.min(Usd::ZERO) } else { result };
            spot = Spot::EMPTY;
        }
        Ok(sum)
    }

    /// Adds the options of a strike, with the share of their time value that counts if it is the same for all of the book.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn look(
        &self,
        risk: &mut DatedRisk,
        probes: &mut Probes,
        expiry: &Expiry,
        nodes: &Nodes,
        strike: &Strike,
        share: Option<Share>,
        cell: Cell,
        spot: &mut Spot,
    ) -> Result<(), RiskError> {
        let seen = self.see(expiry, strike)?;
        let view = self.count_strike(risk, probes, strike, &seen)?;
        let Seen { log, sd, options, count, .. } = seen;
        let Spot { now, there } = spot;
        now.see(&nodes.moves[UNCHANGED_NODE], &view);
        there.see(&nodes.moves[Grid::node_of(usize::from(cell.index()))], &view);
        if count.atoms() == 0 || expiry.root_years == 0 {
            return Ok(());
        }
        let options = share.map_or(options, |share| options.mul_down(share.factor));
        now.time_value[0] += now.time_value_of(TotalVol::of(sd), options);
        let one = |vol: TotalVol| [there.time_value_of(vol, options); 2];
        let both = |vols: [TotalVol; 2]| vols.map(|vol| there.time_value_of(vol, options));
        let values = match cell.vol_move() {
            VolMove::Down => one(TotalVol::of(shocked(sd, expiry.vol_down))),
            VolMove::Same => one(TotalVol::of(sd)),
            VolMove::Up => one(risen(sd, expiry)),
            VolMove::WingsLifted => both(leant(sd, expiry, log)),
            VolMove::Rotated => {
                let [lifted, dropped] = leant(sd, expiry, log);
                both(if log < 0 { [lifted, dropped] } else { [dropped, lifted] })
            }
        };
        for (sum, value) in there.time_value.iter_mut().zip(values) {
            *sum += value;
        }
        Ok(())
    }

    /// As [`Context::add`] has it. Adds the value now to the sums.
    fn result_of(&self, risk: &mut DatedRisk, spot: &Spot, share: Option<Share>) -> Usd {
        let terms = self.terms;
        let shaved = |time_value: i64| match share {
            Some(_) => Usd::of_sum(time_value),
            None if time_value < 0 => Usd::of_sum(time_value).mul_down(terms.short_factor),
            None => Usd::of_sum(time_value).mul_down(terms.long_factor),
        };
        let now = Usd::of_sum(spot.now.time_value[0]);
        let now = share.map_or(now, |share| now.mul_down(share.inverse));
        let mark = Usd::of_sum(spot.now.intrinsic) + now;
        risk.mark += mark;
        let [one, other] = spot.there.time_value.map(shaved);
        Usd::of_sum(spot.there.intrinsic) - mark + one.min(other)
    }
}
