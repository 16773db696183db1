//! The one bridge from accounts to the margin engine. The program, the client and the keeper cross it with the same code;
//! they differ only in where accounts come from, which is what [`Directory`] abstracts.
//!
//! Three steps: [`Arranged::read`] turns the accounts into plain numbers, [`Arranged::evaluate`] asks the engine, the caller
//! decides.

use crate::{breaker::Present, constants::*, error::*, oracle::Action, snapshot::funding_due_up, state::*};
use anchor_lang::prelude::*;
use arrayvec::ArrayVec;
use margrave_risk::{
    Breach, Cell as RiskCell, Collateral, Dated, DatedRisk, Decimals, Expiry, Exposure, Holdings, LinearPosition,
    Market, Mode as RiskMode, Nodes, OptionTerms, Portfolio, Price, Quantity, Ratio, RiskError, Split, Strike,
    UnderlyingRisk, Usd, Valuation,
};
use std::{cell::Cell, cell::Ref, cell::RefMut, ops::Deref, ops::Range};

/// Where the banks and underlyings of a margin account are found, by the keys the account has recorded.
pub trait Directory {
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>>;
    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>>;
}

/// The accounts of one instruction, found by key. Neither their order nor what else is among them matters; a missing one is
/// refused.
pub struct InstructionAccounts<'a, 'info> {
    named: &'a [&'a AccountInfo<'info>],
    remaining: &'a [AccountInfo<'info>],
    /// Where the last search ended: the next account is usually the next one.
    next: Cell<usize>,
}

impl<'a, 'info> InstructionAccounts<'a, 'info> {
    /// `named` are banks and underlyings that the instruction knows by name; `remaining` the rest.
    pub fn new(named: &'a [&'a AccountInfo<'info>], remaining: &'a [AccountInfo<'info>]) -> Self {
        Self { named, remaining, next: Cell::new(0) }
    }

    fn find(&self, key: &Pubkey) -> Option<&'a AccountInfo<'info>> {
        let next = self.next.get();
        match self.remaining.get(next) {
            Some(info) if same_key(info.key, key) => {
                self.next.set(next + 1);
                Some(info)
            }
            _ => self.search(key),
        }
    }

    #[inline(never)]
    fn search(&self, key: &Pubkey) -> Option<&'a AccountInfo<'info>> {
        if let Some(named) = self.named.iter().find(|info| same_key(info.key, key)) {
            return Some(named);
        }
        let (before, after) = self.remaining.split_at(self.next.get().min(self.remaining.len()));
        let matches = |info: &AccountInfo| same_key(info.key, key);
        let index = match after.iter().position(matches) {
            Some(index) => before.len() + index,
            None => before.iter().position(matches)?,
        };
        self.next.set(index + 1);
        Some(&self.remaining[index])
    }

    /// The account at a place in the list.
    pub fn at(&self, index: u8) -> Result<&'a AccountInfo<'info>> {
        self.remaining.get(usize::from(index)).ok_or_else(|| error!(MargraveError::UnderlyingMissing))
    }

    /// The bank with `key`, to be written.
    pub fn bank_mut(&self, key: &Pubkey) -> Result<RefMut<'a, Bank>> {
        view_mut(self.find(key).ok_or(MargraveError::BankMissing)?)
    }

    /// The underlying with `key`, to be written.
    pub fn underlying_mut(&self, key: &Pubkey) -> Result<RefMut<'a, Underlying>> {
        view_mut(self.find(key).ok_or(MargraveError::UnderlyingMissing)?)
    }

    /// Whether the bank with `key` may be written.
    pub fn is_writable(&self, key: &Pubkey) -> bool {
        self.find(key).is_some_and(|info| info.is_writable)
    }
}

impl InstructionAccounts<'_, '_> {
    /// The sheet that prices a bank, at a price that positions and collateral may be taken over at; none for the quote token.
    pub fn priced(&self, bank: &Bank, present: &Present) -> Result<Option<Ref<'_, Underlying>>> {
        if bank.is_quote() {
            return Ok(None);
        }
        let info = self.find(&bank.underlying).ok_or(MargraveError::UnderlyingMissing)?;
        let underlying = view::<Underlying>(info)?;
        underlying.oracle.require_good_for(Action::Liquidate, present.now)?;
        underlying.require_no_restart(present)?;
        Ok(Some(underlying))
    }
}

impl Directory for InstructionAccounts<'_, '_> {
    // The key was recorded when the bank's group was checked, so the group is not checked again.
    fn bank(&self, key: &Pubkey) -> Result<impl Deref<Target = Bank>> {
        view::<Bank>(self.find(key).ok_or(MargraveError::BankMissing)?)
    }

    fn underlying(&self, key: &Pubkey) -> Result<impl Deref<Target = Underlying>> {
        view::<Underlying>(self.find(key).ok_or(MargraveError::UnderlyingMissing)?)
    }
}

/// A margin account as the engine's plain numbers: lists that underlyings and expiries have ranges of. It can be filled again
/// and again without asking for more memory.
pub struct Arranged {
    mode: RiskMode,
    /// What an underlying must not be stopped for, if it must not.
    running: Option<(Present, Lending)>,
    cash: Usd,
    /// Whether a token is owed.
    owes: bool,
    /// Whether the account that the known markets have their haircut of borrows.
    last_borrowed: bool,
    /// The collateral slots up to the last one that is used.
    held: usize,
    options: OptionTerms,
    levels: margrave_risk::Levels,
    /// Every underlying that was read so far, of all accounts: one instruction sees one price of each (I-21).
    // Boxed, so that a ninth market does not make the heap hold all of them twice.
    #[allow(clippy::vec_box)]
    markets: Vec<Box<KnownMarket>>,
    lines: Vec<Line>,
    dated: Vec<DatedLine>,
    linear: Vec<LinearPosition>,
    strikes: Vec<Strike>,
    collateral: Vec<Collateral>,
    /// The account's slot of each of them, its price and its unit.
    balances: Vec<(usize, Price, Decimals)>,
}

/// An underlying as the engine sees it.
struct KnownMarket {
    key: Pubkey,
    /// With the initial haircut on profit of the account at hand.
    market: Market,
    /// That haircut for an account that owes nothing.
    profit_haircut: Ratio,
    /// The most that margin asks for the token itself, with what the stable price takes, in millionths rounded up.
    asked_ppm: u64,
    nodes: Nodes,
    publish_time: i64,
    terms_version: u32,
}

/// One underlying of an account.
struct Line {
    /// The risk slot.
    slot: usize,
    /// Its place among the known markets.
    market: usize,
    perps: Range<usize>,
    dated: Range<usize>,
    collateral: Range<usize>,
}

/// One expiry of it.
struct DatedLine {
    /// Its place on the sheet.
    index: u8,
    expiry: Expiry,
    futures: Range<usize>,
    strikes: Range<usize>,
}

/// Reads one account after another into the same memory.
impl Arranged {
    /// With the group's terms.
    pub fn new(group: &Group) -> Result<Self> {
        Ok(Self {
            mode: RiskMode::Portfolio,
            running: None,
            cash: Usd::ZERO,
            owes: false,
            last_borrowed: false,
            held: 0,
            options: group.options.terms()?,
            levels: group.levels()?,
            markets: Vec::with_capacity(2 * MAX_UNDERLYINGS),
            lines: Vec::with_capacity(MAX_UNDERLYINGS),
            dated: Vec::with_capacity(MAX_POSITIONS),
            linear: Vec::with_capacity(MAX_POSITIONS + MAX_UNDERLYINGS),
            strikes: Vec::with_capacity(MAX_POSITIONS),
            collateral: Vec::with_capacity(MAX_COLLATERALS),
            balances: Vec::with_capacity(MAX_COLLATERALS),
        })
    }

    /// Requires of every underlying that is read, as [`crate::breaker::require_not_stopped`] does.
    pub fn requiring_not_stopped(mut self, present: Present, lending: Lending) -> Self {
        self.running = Some((present, lending));
        self
    }

    /// Reads `account` and everything it refers to, for an action now. Every non-empty slot is counted exactly once (I-11).
    ///
    /// # Errors
    /// A missing account, or a price that is not good enough for the action. Where risk is added, collateral with a stale price
    /// counts as nothing; where an account is liquidated it counts at its last price (I-19).
    pub fn read(
        &mut self,
        account: &MarginAccount,
        directory: &impl Directory,
        action: Action,
        now: i64,
    ) -> Result<()> {
        // Collateral is out of it that its slot still shows.
        require!(account.bracket.open == 0, MargraveError::BracketOpen);
        (self.mode, self.cash) = (account.mode()?, Usd::ZERO);
        // Without a position there is nothing to isolate: closing the last one must not make its collateral count as nothing.
        if self.mode == RiskMode::Isolated && account.positions[0].is_empty() {
            self.mode = RiskMode::Cross;
        }
        self.held = account.collateral.iter().rposition(|slot| !slot.is_empty()).map_or(0, |last| last + 1);
        self.owes = account.collateral.iter().any(|slot| slot.shares < 0);
        self.lines.clear();
        self.dated.clear();
        self.linear.clear();
        self.strikes.clear();
        self.collateral.clear();
        self.balances.clear();

        for slot in account.collateral[..self.held].iter().filter(|slot| slot.risk_slot == 0 && !slot.is_empty()) {
            let bank = directory.bank(&slot.bank)?;
            let shares = slot.shares.unsigned_abs();
            // Money beyond what the engine can value counts as the most it can; a debt must not.
            let micros = |atoms: u64| i64::try_from(atoms).unwrap_or(i64::MAX);
            if slot.shares < 0 {
                self.cash -= Usd::new(micros(bank.debt_up_at(shares, now)?)).or_refuse()?;
            } else {
                self.cash += Usd::new(micros(bank.atoms_down(shares)?)).unwrap_or(Usd::MAX);
            }
        }
        let mut position = 0;
        for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            let underlying = directory.underlying(&slot.underlying)?;
            let of_slot = |position: &&PositionSlot| !position.is_empty() && usize::from(position.risk_slot) == index;
            // Positions are sorted by risk slot.
            let end = position + account.positions[position..].iter().take_while(of_slot).count();
            let positions = &account.positions[position..end];
            position = end;
            self.read_underlying(account, index, slot, positions, &underlying, directory, action, now)?;
        }
        // Members of one correlation group follow one another.
        // At most eight, and in order already when there are no groups.
        for end in 1..self.lines.len() {
            let mut index = end;
            while index > 0 && self.group_id(index - 1) > self.group_id(index) {
                self.lines.swap(index - 1, index);
                index -= 1;
            }
        }
        self.haircut_profit();
        Ok(())
    }

    /// Unsettled profit is somebody's promise: nothing is lent on it, or its owner could take out what no loser has paid (P-23).
    fn haircut_profit(&mut self) {
        let borrows = self.owes || self.cash.is_negative();
        if borrows || self.last_borrowed {
            for known in &mut self.markets {
                known.market.profit.initial = if borrows { Ratio::ONE } else { known.profit_haircut };
            }
        }
        self.last_borrowed = borrows;
    }

    fn group_id(&self, line: usize) -> u8 {
        self.markets[self.lines[line].market].market.group.id
    }

    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    fn read_underlying(
        &mut self,
        account: &MarginAccount,
        index: usize,
        slot: &RiskSlot,
        positions: &[PositionSlot],
        underlying: &Underlying,
        directory: &impl Directory,
        action: Action,
        now: i64,
    ) -> Result<()> {
        if let Some((present, lending)) = &self.running {
            underlying.require_not_stopped(present, *lending)?;
        }
        let own = |balance: &&CollateralSlot| usize::from(balance.risk_slot) == index + 1 && !balance.is_empty();
        if !underlying.oracle.is_good_for(action, now) {
            let owes = account.collateral.iter().filter(own).any(|balance| balance.shares < 0);
            if !positions.is_empty() || owes {
                return underlying.oracle.require_good_for(action, now);
            }
            if underlying.oracle.price == 0 || action == Action::AddRisk {
                // What was lost here is owed all the same.
                self.cash += Usd::new(slot.claim.min(0)).or_refuse()?;
                return Ok(());
            }
        }
        // An isolated account has no use for what it holds beside its one market, and owes what it lost there all the same.
        if self.mode == RiskMode::Isolated && positions.is_empty() {
            let owes = account.collateral.iter().filter(own).any(|balance| balance.shares < 0);
            if !owes {
                self.cash += Usd::new(slot.claim.min(0)).or_refuse()?;
                return Ok(());
            }
        }
        let known = self.market_of(&slot.underlying, underlying, now)?;
        let price = self.markets[known].market.price;

        let first_collateral = self.collateral.len();
        let asked = self.markets[known].asked_ppm;
        for (place, balance) in account.collateral[..self.held].iter().enumerate().filter(|(_, balance)| own(balance)) {
            let bank = directory.bank(&balance.bank)?;
            let unit = Decimals::new(bank.decimals).or_refuse()?;
            let shares = balance.shares.unsigned_abs();
            push(&mut self.balances, || (place, price, unit))?;
            let counted = if balance.shares < 0 {
                let atoms = i64::try_from(bank.debt_up_at(shares, now)?).map_err(|_| MargraveError::ValueOutOfRange)?;
                let value = price.value_up(Quantity::new(atoms), unit).or_refuse()?;
                Collateral { value: -value, haircuts: bank.surcharges()? }
            } else {
                let value = price.collateral_value_down(bank.atoms_down(shares)?, unit);
                Collateral { value, haircuts: bank.haircuts(asked)? }
            };
            push(&mut self.collateral, || counted)?;
        }

        let (first_linear, first_dated) = (self.linear.len(), self.dated.len());
        let mut claim = slot.claim;
        if action == Action::AddRisk {
            // What is registered may be taken, wherever it has gone since.
            claim = claim.saturating_sub(slot.registered);
        }
        let is_perp = |position: &&PositionSlot| position.kind == InstrumentKind::Perp as u8;
        let (of_perp, mut rest) = positions.split_at(positions.iter().take_while(is_perp).count());
        for perp in of_perp {
            let due =
                funding_due_up(perp.quantity, perp.funding_index, underlying.perp.funding_index, underlying.decimals)?;
            let quote = perp.quote.checked_add(claim).and_then(|quote| quote.checked_sub(due));
            let quote = Usd::new(quote.ok_or(MargraveError::ValueOutOfRange)?).or_refuse()?;
            push(&mut self.linear, || LinearPosition { quantity: perp.quantity(), quote })?;
            claim = 0;
        }
        if claim != 0 {
            self.linear.push(LinearPosition { quantity: Quantity::ZERO, quote: Usd::new(claim).or_refuse()? });
        }
        let perps = first_linear..self.linear.len();
        while let Some(first) = rest.first() {
            let of_expiry = |position: &&PositionSlot| position.expiry == first.expiry;
            let (positions, next) = rest.split_at(rest.iter().take_while(of_expiry).count());
            self.read_expiry(underlying, first.expiry, positions)?;
            rest = next;
        }
        let dated = first_dated..self.dated.len();
        self.lines.push(Line {
            slot: index,
            market: known,
            perps,
            dated,
            collateral: first_collateral..self.collateral.len(),
        });
        Ok(())
    }

    /// The place of an underlying among the known markets.
    #[inline(never)]
    fn market_of(&mut self, key: &Pubkey, underlying: &Underlying, now: i64) -> Result<usize> {
        if let Some(index) = self.markets.iter().position(|known| same_key(&known.key, key)) {
            return Ok(index);
        }
        let mut market = underlying.market()?;
        // Profit that may have to bear a loss secures nothing (I-28).
        if underlying.losses.is_open(now) {
            market.profit.initial = Ratio::ONE;
        }
        // At most one, so the product is at most 2^50.
        let gap_ppm = ((market.stable_gap.bits().unsigned_abs() * u64::from(PPM)) >> 30) + 1;
        self.markets.push(Box::new(KnownMarket {
            key: *key,
            profit_haircut: market.profit.initial,
            asked_ppm: underlying.largest_requirement_ppm() + gap_ppm,
            market,
            nodes: underlying.grid_nodes(),
            publish_time: underlying.oracle.publish_time,
            terms_version: underlying.risk.version,
        }));
        Ok(self.markets.len() - 1)
    }

    /// Reads the positions of one expiry: the future first, then options by strike, at most a call and a put of each.
    fn read_expiry(&mut self, underlying: &Underlying, index: u8, positions: &[PositionSlot]) -> Result<()> {
        let (first_linear, first_strike) = (self.linear.len(), self.strikes.len());
        let is_future = |position: &&PositionSlot| position.kind == InstrumentKind::Future as u8;
        let (futures, mut options) = positions.split_at(positions.iter().take_while(is_future).count());
        for future in futures {
            let quote = future.quote()?;
            push(&mut self.linear, || LinearPosition { quantity: future.quantity(), quote })?;
        }
        while let [option, rest @ ..] = options {
            let (mut calls, mut puts) = (Quantity::ZERO, Quantity::ZERO);
            let mut hold = |option: &PositionSlot| -> Result<()> {
                match option.kind()? {
                    InstrumentKind::Call => calls = option.quantity(),
                    _ => puts = option.quantity(),
                }
                Ok(())
            };
            hold(option)?;
            options = match rest {
                [other, rest @ ..] if other.strike == option.strike => {
                    hold(other)?;
                    rest
                }
                rest => rest,
            };
            let strike = underlying.strikes.get(usize::from(option.strike));
            let strike = strike.ok_or(MargraveError::InvariantViolated)?;
            let vol = strike.vol()?;
            push(&mut self.strikes, || Strike::at(&strike.strike_price(), vol, calls, puts))?;
        }
        let slot = underlying.expiries.get(usize::from(index)).ok_or(MargraveError::InvariantViolated)?;
        let (futures, strikes) = (first_linear..self.linear.len(), first_strike..self.strikes.len());
        push(&mut self.dated, || DatedLine { index, expiry: slot.expiry(), futures, strikes })
    }

    /// Gives the engine's portfolio to `ask`. Its lists are on the stack: what the heap has given it does not take back, and one
    /// instruction asks up to four times.
    fn with_portfolio<T>(&self, ask: impl FnOnce(&Portfolio) -> core::result::Result<T, RiskError>) -> Result<T> {
        // Filled in place: a list that is collected is moved with all its empty places, 460 compute units for the two of them.
        let mut dated = ArrayVec::<Dated, MAX_POSITIONS>::new();
        dated.extend(self.dated.iter().map(|line| self.dated_of(line)));
        self.with_holdings(&dated, ask)
    }

    #[inline(never)]
    fn with_holdings<T>(
        &self,
        dated: &[Dated],
        ask: impl FnOnce(&Portfolio) -> core::result::Result<T, RiskError>,
    ) -> Result<T> {
        let mut holdings = ArrayVec::<Holdings, MAX_UNDERLYINGS>::new();
        holdings.extend(self.lines.iter().map(|line| self.holdings_of(line, dated)));
        ask(&self.portfolio(&holdings)).or_refuse()
    }

    fn portfolio<'a>(&'a self, underlyings: &'a [Holdings<'a>]) -> Portfolio<'a> {
        Portfolio {
            mode: self.mode,
            cash: self.cash,
            collateral: &[],
            underlyings,
            options: &self.options,
            levels: self.levels,
        }
    }

    fn dated_of<'a>(&'a self, line: &'a DatedLine) -> Dated<'a> {
        Dated {
            expiry: &line.expiry,
            futures: &self.linear[line.futures.clone()],
            strikes: &self.strikes[line.strikes.clone()],
        }
    }

    fn holdings_of<'a>(&'a self, line: &'a Line, dated: &'a [Dated<'a>]) -> Holdings<'a> {
        Holdings { expiries: &dated[line.dated.clone()], ..self.holdings_without_dated(line) }
    }

    fn holdings_without_dated<'a>(&'a self, line: &'a Line) -> Holdings<'a> {
        let KnownMarket { market, nodes, .. } = &*self.markets[line.market];
        Holdings {
            market,
            nodes: Some(nodes),
            perps: &self.linear[line.perps.clone()],
            collateral: &self.collateral[line.collateral.clone()],
            expiries: &[],
        }
    }

    /// The engine's verdict. `keep` is given each underlying's risk slot, price stamp and part.
    pub fn evaluate(&self, keep: impl FnMut(usize, &Stamp, &UnderlyingRisk)) -> Result<Valuation> {
        self.evaluate_with(|_| None, keep)
    }

    #[inline(never)]
    fn evaluate_with<'b>(
        &self,
        known: impl Fn(usize) -> Option<&'b DatedRisk>,
        mut keep: impl FnMut(usize, &Stamp, &UnderlyingRisk),
    ) -> Result<Valuation> {
        let visit = |index: usize, risk: &UnderlyingRisk| {
            let line = &self.lines[index];
            keep(line.slot, &self.stamp(line), risk);
        };
        let mut valuation = self.with_portfolio(|portfolio| portfolio.evaluate_with(known, visit))?;
        // The engine counts the underlyings it was given; we name the account's slot.
        if let Some(worst) = &mut valuation.worst {
            let line = self.lines.get(usize::from(worst.underlying));
            worst.underlying = line.and_then(|line| u8::try_from(line.slot).ok()).unwrap_or(u8::MAX);
        }
        Ok(valuation)
    }

    /// The verdict, and what futures and options add up to.
    pub fn valuation_and_sums(&self) -> Result<(Valuation, DatedSums)> {
        let mut sums = Vec::with_capacity(self.lines.len());
        let valuation = self.evaluate(|slot, _, part| sums.extend(part.dated.map(|dated| (slot, *dated))))?;
        Ok((valuation, DatedSums(sums)))
    }

    /// The verdict alone.
    pub fn valuation(&self) -> Result<Valuation> {
        self.evaluate(|_, _, _| ())
    }

    /// The engine's bound from below by the cell named for each risk slot.
    pub fn breach(&self, cells: &[RiskCell; MAX_UNDERLYINGS]) -> Result<Breach> {
        let named = |index: usize| self.lines.get(index).map_or(RiskCell::UNCHANGED, |line| cells[line.slot]);
        self.with_portfolio(|portfolio| portfolio.breach(named))
    }

    fn line_of(&self, slot: usize) -> Result<usize> {
        let index = self.lines.iter().position(|line| line.slot == slot);
        index.ok_or_else(|| error!(MargraveError::UnderlyingMissing))
    }

    /// The underlying of a risk slot apart from everything else, whose risk arrays are stored in the account.
    #[inline(never)]
    pub fn split_storing(&self, slot: usize, account: &mut MarginAccount) -> Result<Box<Split>> {
        let index = self.line_of(slot)?;
        let split = self.with_portfolio(|portfolio| {
            split_off(portfolio, index, |other, part| {
                let line = &self.lines[other];
                account.store_array(line.slot, &self.stamp(line), part);
            })
        })?;
        account.forget_unseen(slot);
        Ok(split)
    }

    /// The sums of one underlying, for a split whose positions on it have changed. With `dated` those of its futures and options are
    /// added up too, into memory that is used again and again.
    #[inline(never)]
    pub fn sums(&self, slot: usize, into: Option<&mut DatedRisk>) -> Result<Exposure> {
        let line = &self.lines[self.line_of(slot)?];
        let dated: ArrayVec<Dated, MAX_POSITIONS> = match into.is_some() {
            true => self.dated[line.dated.clone()].iter().map(|line| self.dated_of(line)).collect(),
            false => ArrayVec::new(),
        };
        let mut holdings = self.holdings_without_dated(line);
        holdings.expiries = &dated;
        sums_of(&self.portfolio(&[holdings]), into).or_refuse()
    }

    /// Where a position of the account that was read is in the lists.
    pub fn place_of(&self, account: &MarginAccount, position: usize) -> Result<Place> {
        let held = &account.positions[position];
        let line = &self.lines[self.line_of(usize::from(held.risk_slot))?];
        let kind = held.kind()?;
        if kind == InstrumentKind::Perp {
            return Ok(Place::Linear(line.perps.start));
        }
        let dated = self.dated[line.dated.clone()].iter().find(|dated| dated.index == held.expiry);
        let dated = dated.ok_or(MargraveError::InvariantViolated)?;
        if kind == InstrumentKind::Future {
            return Ok(Place::Linear(dated.futures.start));
        }
        // Options are sorted by strike; calls and puts of one share an entry.
        let (mut entry, mut last) = (dated.strikes.start, None);
        for other in &account.positions[..=position] {
            let same = other.risk_slot == held.risk_slot && other.expiry == held.expiry && other.kind()?.is_option();
            if same && last.replace(other.strike).is_some_and(|last| last != other.strike) {
                entry += 1;
            }
        }
        Ok(if kind == InstrumentKind::Call { Place::Calls(entry) } else { Place::Puts(entry) })
    }

    /// Changes how much of a position there is, for what is only thought of.
    pub fn set_quantity(&mut self, place: &Place, quantity: Quantity) {
        match *place {
            Place::Linear(index) => self.linear[index].quantity = quantity,
            Place::Calls(index) => self.strikes[index].calls = quantity,
            Place::Puts(index) => self.strikes[index].puts = quantity,
        }
    }

    fn stamp(&self, line: &Line) -> Stamp {
        let KnownMarket { market, publish_time, terms_version, .. } = &*self.markets[line.market];
        Stamp { price: market.price.raw(), publish_time: *publish_time, terms_version: *terms_version }
    }

    /// The stamp of the underlying of a risk slot.
    pub fn stamp_of(&self, slot: usize) -> Result<Stamp> {
        Ok(self.stamp(&self.lines[self.line_of(slot)?]))
    }

    /// Whether the account's balance in a bank is among what was read.
    pub fn counts(&self, account: &MarginAccount, bank: &Pubkey) -> bool {
        let slot = account.collateral.iter().position(|slot| !slot.is_empty() && same_key(&slot.bank, bank));
        slot.is_some_and(|slot| self.balances.iter().any(|(place, ..)| *place == slot))
    }

    /// Sets the balance of a collateral slot of the account that was read, in atoms, for what is only thought of.
    ///
    /// # Errors
    /// `BankMissing` for a balance that counts as nothing.
    pub fn set_balance(&mut self, slot: usize, atoms: i64) -> Result<()> {
        let index = self.balances.iter().position(|(place, ..)| *place == slot).ok_or(MargraveError::BankMissing)?;
        let (_, price, unit) = self.balances[index];
        self.collateral[index].value = match u64::try_from(atoms) {
            Ok(owned) => price.collateral_value_down(owned, unit),
            Err(_) => -price.value_up(Quantity::new(atoms.saturating_neg()), unit).or_refuse()?,
        };
        Ok(())
    }

    /// Equity with every balance at its price, without haircuts and surcharges, and what is owed in banks, micro-dollars.
    pub fn full_equity_and_debts(&self, equity: Usd) -> (i64, i64) {
        let (mut equity, mut debts) = (equity, self.cash.min(Usd::ZERO).abs());
        for Collateral { value, haircuts } in &self.collateral {
            equity += value.abs().mul_down(haircuts.maintenance);
            debts += value.min(&Usd::ZERO).abs();
        }
        (equity.micros(), debts.micros())
    }

    /// Adds to the cash that was read, for what is only thought of.
    pub fn add_cash(&mut self, micros: i64) -> Result<()> {
        self.cash += Usd::new(micros).or_refuse()?;
        self.haircut_profit();
        Ok(())
    }

    pub fn levels(&self) -> &margrave_risk::Levels {
        &self.levels
    }
}

/// Adds to a list that has room for the fullest account. As it never grows nothing is made before it is known to fit, and the compiler
/// has not to keep all its words while a longer list might be asked for.
#[inline(always)]
fn push<T>(list: &mut Vec<T>, item: impl FnOnce() -> T) -> Result<()> {
    require!(list.len() < list.capacity(), MargraveError::InvariantViolated);
    list.push(item());
    Ok(())
}

/// A frame of its own: what is split off does not fit beside the lists.
#[inline(never)]
fn split_off(
    portfolio: &Portfolio,
    index: usize,
    visit: impl FnMut(usize, &UnderlyingRisk),
) -> core::result::Result<Box<Split>, RiskError> {
    portfolio.split(index, visit).map(Box::new)
}

#[inline(never)]
fn sums_of(portfolio: &Portfolio, into: Option<&mut DatedRisk>) -> core::result::Result<Exposure, RiskError> {
    let (exposure, dated) = portfolio.sums(0)?;
    if let (Some(into), Some(dated)) = (into, dated) {
        *into = dated;
    }
    Ok(exposure)
}

/// Where a position is in an account's lists.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Linear(usize),
    Calls(usize),
    Puts(usize),
}

/// What the futures and options of risk slots add up to at some prices.
pub struct DatedSums(Vec<(usize, DatedRisk)>);

/// The prices and terms that a risk array was computed with.
pub struct Stamp {
    /// 10^-10 dollars.
    pub price: i64,
    pub publish_time: i64,
    pub terms_version: u32,
}

/// Values `account` and stores the result in it: margin numbers, status and risk arrays (I-09).
pub fn revalue(
    account: &mut MarginAccount,
    arranged: &mut Arranged,
    directory: &impl Directory,
    action: Action,
    now: i64,
) -> Result<Valuation> {
    arranged.read(account, directory, action, now)?;
    store(account, arranged, |_| None, now)
}

/// The same of an account whose prices and positions are still those of `sums`.
pub fn revalue_collateral(
    account: &mut MarginAccount,
    arranged: &mut Arranged,
    sums: &DatedSums,
    directory: &impl Directory,
    action: Action,
    now: i64,
) -> Result<Valuation> {
    arranged.read(account, directory, action, now)?;
    let arranged = &*arranged;
    let known = |index: usize| sums.0.iter().find(|(slot, _)| *slot == arranged.lines[index].slot);
    store(account, arranged, |index| known(index).map(|(_, dated)| dated), now)
}

#[inline(always)]
fn store<'a>(
    account: &mut MarginAccount,
    arranged: &Arranged,
    known: impl Fn(usize) -> Option<&'a DatedRisk>,
    now: i64,
) -> Result<Valuation> {
    let keep = |index: usize, stamp: &Stamp, part: &UnderlyingRisk| account.store_array(index, stamp, part);
    let valuation = arranged.evaluate_with(known, keep)?;
    account.forget_unseen(usize::MAX);
    account.record(&valuation, now);
    Ok(valuation)
}

impl MarginAccount {
    /// Keeps an underlying's risk array, computed for the account as it is now (I-09).
    pub fn store_array(&mut self, slot: usize, stamp: &Stamp, part: &UnderlyingRisk) {
        let sequence = self.sequence;
        let slot = &mut self.risk[slot];
        slot.exponent = part.compress_into(&mut slot.mantissas);
        slot.price = stamp.price;
        slot.publish_time = stamp.publish_time;
        slot.sequence = sequence;
        slot.terms_version = stamp.terms_version;
        slot.worst_cell = part.worst.index();
    }

    /// What counts as nothing has no array: a stale one would promise a hedge that the margin does not see. `later` is stored after
    /// this.
    fn forget_unseen(&mut self, later: usize) {
        let sequence = self.sequence;
        let unseen = |(index, slot): &(usize, &mut RiskSlot)| *index != later && slot.sequence != sequence;
        for (_, slot) in self.risk.iter_mut().enumerate().filter(|(_, slot)| !slot.is_empty()).filter(unseen) {
            (slot.exponent, slot.mantissas) = (0, [0; margrave_risk::CELLS]);
        }
    }
}

/// Refuses a loan so large that a rising price or interest could soon make its account impossible to value, and so to liquidate.
pub fn require_debt_in_range(
    account: &MarginAccount,
    key: &Pubkey,
    directory: &impl Directory,
    now: i64,
) -> Result<()> {
    let bank = directory.bank(key)?;
    let debt = bank.debt_up_at(account.shares_in(key).min(0).unsigned_abs(), now)?;
    let value = if bank.is_quote() {
        debt
    } else {
        let atoms = i64::try_from(debt).map_err(|_| MargraveError::ValueOutOfRange)?;
        let price = Price::new(directory.underlying(&bank.underlying)?.oracle.price).or_refuse()?;
        let value = price.value_up(Quantity::new(atoms), Decimals::new(bank.decimals).or_refuse()?).or_refuse()?;
        value.micros().unsigned_abs()
    };
    require!(value <= MAX_TRADED_VALUE, MargraveError::ValueOutOfRange);
    Ok(())
}

/// The sentence every risk-adding instruction ends with. The numbers go to the log: "why?" is the first question asked.
pub fn require_initial_margin(valuation: &Valuation) -> Result<()> {
    if valuation.initial_health().is_negative() {
        log_valuation(valuation);
        return err!(MargraveError::InitialMarginNotMet);
    }
    Ok(())
}

/// Equity, requirement and worst scenario, in micro-dollars.
pub fn log_valuation(valuation: &Valuation) {
    // Whoever computes the same off chain has a screen of his own.
    #[cfg(target_os = "solana")]
    msg!(
        "equity {} initial {} maintenance {} worst slot and cell {:?}",
        valuation.equity.micros(),
        valuation.initial_margin.micros(),
        valuation.maintenance_margin.micros(),
        valuation.worst.map(|worst| (worst.underlying, worst.cell.index())),
    );
    #[cfg(not(target_os = "solana"))]
    let _ = valuation;
}
