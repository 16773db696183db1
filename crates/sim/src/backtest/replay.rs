//! The portfolio-margin system hour by hour, with a keeper that acts once an hour.
//!
//! Prices gap from close to close. At the close the keeper flags who is below maintenance margin; two minutes later, at
//! the same prices, it takes the steps that pay it most until nothing more is allowed; then the losses of bankrupt
//! accounts go down the waterfall.

use crate::{
    market::{Market, Path, Row},
    population::Population,
    tally::Tally,
};
use anyhow::Result;
use margrave::state::{Instrument, MarginAccount, PositionSlot, Status};
use margrave_client::{Accounts, InstrumentKind, LiquidationLeg, Pubkey};
use margrave_sim::{Outcome, Token, Trader, check_books};

/// How a keeper works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeper {
    /// Acts in each so-manieth hour.
    pub every_hours: usize,
    /// Takes over what bankrupt accounts hold, or leaves it to be deleveraged.
    pub takes_bankrupt: bool,
}

pub const DILIGENT: Keeper = Keeper { every_hours: 1, takes_bankrupt: true };
/// Once a day, and bankrupt accounts are left alone.
pub const ABSENT: Keeper = Keeper { every_hours: 24, takes_bankrupt: false };

impl Keeper {
    /// Whether it acts in the hour of this number.
    pub fn acts_in(&self, number: usize) -> bool {
        number % self.every_hours == self.every_hours - 1
    }
}

/// What the control is shown of an hour.
pub struct Seen {
    pub time: i64,
    /// By coin; the last one where an hour has none.
    pub prices: Vec<i64>,
    pub marks: Vec<Vec<i64>>,
}

pub struct Replay<'a> {
    market: &'a mut Market,
    population: &'a Population,
    keeper: Keeper,
    row: &'a Row,
    pub tally: Tally,
    pub seen: Vec<Seen>,
}

const HOURS_BETWEEN_SETTLEMENTS: usize = 24;
/// No liquidation takes as many steps.
const MOST_STEPS: usize = 40;

impl<'a> Replay<'a> {
    /// Replays the period to its end.
    pub fn run(market: &'a mut Market, population: &'a Population, path: &'a Path, keeper: Keeper) -> Result<Self> {
        let mut this = Self { market, population, keeper, row: path.first(), tally: Tally::default(), seen: vec![] };
        this.begin();
        for (number, row) in path.hours[path.begin + 1..].iter().enumerate() {
            this.row = row;
            this.hour(number)?;
        }
        this.tally.open = this.market.listed.iter().map(|listed| this.unshared(&listed.underlying)).sum();
        let (accounts, now) = (this.market.world.accounts(), this.market.world.now());
        for member in &population.members {
            let equity = accounts.value(&member.trader.margin_account, now)?.equity;
            this.tally.open += (-equity.micros()).max(0);
        }
        Ok(this)
    }

    fn begin(&mut self) {
        self.tally.accounts = self.population.members.len();
        for member in &self.population.members {
            self.tally.initial_margin += member.initial_margin;
            self.tally.equity += member.equity;
        }
        // The fees of the opening trades are all that insurance begins with.
        self.settle_everybody();
        self.tally.insured = self.market.world.bank(Token::Usdc).1.insurance;
        self.see();
    }

    fn hour(&mut self, number: usize) -> Result<()> {
        let (bad_debt, liquidated) = (self.tally.bad_debt, self.tally.liquidated.len());
        self.market.world.set_time(self.row.time);
        self.market.post(self.row)?;
        self.market.set_surfaces()?;
        self.see();
        let below = if self.keeper.acts_in(number) { self.below() } else { vec![] };
        if !below.is_empty() {
            below.iter().for_each(|index| self.flag(*index));
            self.wait(120)?;
            for index in &below {
                self.liquidate(*index)?;
            }
            for index in &below {
                self.rescue(*index)?;
            }
            self.share_losses()?;
        }
        if number % HOURS_BETWEEN_SETTLEMENTS == HOURS_BETWEEN_SETTLEMENTS - 1 {
            self.settle_everybody();
        }
        self.tally.hours += 1;
        match check_books(&self.market.world) {
            Ok(_) => self.tally.conserved += 1,
            Err(error) => {
                let time = margrave_sim::text::time(self.row.time);
                self.tally.first_break.get_or_insert(format!("{time}: {error}"));
            }
        }
        self.tally.end_hour(margrave_sim::text::time(self.row.time), bad_debt, liquidated);
        Ok(())
    }

    fn see(&mut self) {
        let before = self.seen.last().map(|seen| seen.prices.clone());
        let last = |index: usize| before.as_ref().map_or(0, |prices| prices[index]);
        let prices = self.row.prices.iter().enumerate().map(|(index, price)| price.unwrap_or_else(|| last(index)));
        let seen = Seen { time: self.row.time, prices: prices.collect(), marks: self.market.marks() };
        self.seen.push(seen);
    }

    /// Time goes by at the hour's prices.
    fn wait(&mut self, secs: i64) -> Result<()> {
        let now = self.market.world.now();
        self.market.world.set_time(now + secs);
        self.market.post(self.row)
    }

    fn trader(&self, index: usize) -> &'a Trader {
        &self.population.members[index].trader
    }

    /// Counts what a step did, or why it was refused.
    fn note(&mut self, outcome: Outcome) -> bool {
        let receipt = match outcome {
            Ok(receipt) => receipt,
            Err(refusal) => {
                let named = refusal.logs.iter().find_map(|line| line.split("Error Code: ").nth(1)?.split('.').next());
                *self.tally.refusals.entry(named.unwrap_or(&refusal.error).to_owned()).or_default() += 1;
                return false;
            }
        };
        let (population, market, row) = (self.population, &self.market, self.row);
        let name = |key: &Pubkey| {
            let found = population.everybody().find(|trader| trader.margin_account == *key);
            found.map_or_else(String::new, |trader| trader.name.clone())
        };
        let value = |bank: &Pubkey, atoms: u64| {
            let found = market.listed.iter().position(|it| it.bank.is_some_and(|(key, _)| key == *bank));
            let price = found.map_or(Some(10_000_000_000_000), |index| row.prices[index]).unwrap_or(0);
            i64::try_from(i128::from(atoms) * i128::from(price) / 10_000_000_000_000).unwrap_or(i64::MAX)
        };
        self.tally.read(&receipt.events(), name, value);
        true
    }

    /// Who may be liquidated.
    fn below(&self) -> Vec<usize> {
        let (accounts, now) = (self.market.world.accounts(), self.market.world.now());
        let is_below = |index: &usize| {
            let key = self.trader(*index).margin_account;
            let status = accounts.margin_accounts[&key].status;
            status == Status::Bankrupt as u8
                || accounts.value(&key, now).is_ok_and(|value| value.maintenance_health().is_negative())
        };
        (0..self.population.members.len()).filter(is_below).collect()
    }

    fn flag(&mut self, index: usize) {
        let outcome = self.market.world.flag(self.trader(index));
        self.note(outcome);
    }

    fn settle(&mut self, trader: &Trader) {
        let account = self.market.world.account(trader);
        for slot in account.risk.iter().filter(|slot| !slot.is_empty()) {
            let outcome = self.market.world.settle_pnl(trader, slot.underlying, false);
            self.note(outcome);
        }
    }

    /// Losers first, as the pool pays nobody before they have paid; then fees go to insurance.
    fn settle_everybody(&mut self) {
        for _ in 0..2 {
            self.population.everybody().for_each(|trader| self.settle(trader));
        }
        for index in 0..self.market.listed.len() {
            let (group, underlying) = (self.market.world.group, self.market.listed[index].underlying);
            let pool = self.market.world.sheet(&underlying).pool;
            if pool.unsettled_fees > 0 && pool.balance > 0 {
                let sweep = margrave_client::instruction::sweep_fees(group, underlying, self.market.world.usdc_bank);
                let outcome = self.market.world.send(&[sweep], &[]);
                self.note(outcome);
            }
        }
    }

    /// Takes steps until nothing more is allowed.
    fn liquidate(&mut self, index: usize) -> Result<()> {
        let trader = self.trader(index);
        for _ in 0..MOST_STEPS {
            let (accounts, now) = (self.market.world.accounts(), self.market.world.now());
            let account = accounts.margin_account(&trader.margin_account)?;
            let value = accounts.value(&trader.margin_account, now)?;
            if !account.is_liquidatable(&value, now) {
                break;
            }
            if value.equity.is_negative() && !self.keeper.takes_bankrupt {
                break;
            }
            let keeper = &self.population.keeper;
            if let Some((underlying, legs)) = best_step(&accounts, account, &trader.margin_account, now)? {
                let outcome = self.market.world.liquidate_legs(keeper, trader, underlying, legs, u64::MAX);
                if self.note(outcome) {
                    continue;
                }
            }
            if self.sell_collateral(trader) {
                continue;
            }
            if value.equity.micros() <= 0 {
                break;
            }
            let outcome = self.market.world.liquidate_slice(keeper, trader, 1 << 30);
            if let Some(discount) =
                outcome.as_ref().ok().and_then(|receipt| slice_discount(receipt, value.equity.micros()))
            {
                self.tally.fees += discount;
            }
            if !self.note(outcome) {
                break;
            }
        }
        Ok(())
    }

    /// Buys deposited coins for what the account owes in dollars. Returns whether any were bought.
    fn sell_collateral(&mut self, trader: &Trader) -> bool {
        let usdc = self.market.world.usdc_bank;
        let owes =
            |account: &MarginAccount| account.shares_in(&usdc) < 0 || account.risk.iter().any(|slot| slot.claim < 0);
        if self.market.world.account(trader).collateral.iter().all(|slot| slot.shares <= 0 || slot.bank == usdc) {
            return false;
        }
        self.settle(trader);
        let account = self.market.world.account(trader);
        let banks: Vec<Pubkey> = account
            .collateral
            .iter()
            .filter(|slot| slot.shares > 0 && slot.bank != usdc)
            .map(|slot| slot.bank)
            .collect();
        owes(&account)
            && banks.into_iter().any(|bank| {
                let keeper = &self.population.keeper;
                let outcome = self.market.world.liquidate_collateral(keeper, trader, [bank, usdc], u64::MAX);
                self.note(outcome)
            })
    }

    fn is_bankrupt(&self, index: usize) -> bool {
        self.market.world.account(self.trader(index)).status == Status::Bankrupt as u8
    }

    /// Takes a bankrupt account's losses down the waterfall.
    fn rescue(&mut self, index: usize) -> Result<()> {
        let trader = self.trader(index);
        self.flag(index);
        if !self.is_bankrupt(index) {
            return Ok(());
        }
        self.settle(trader);
        if self.sell_collateral(trader) {
            self.settle(trader);
        }
        let held = self.market.world.account(trader);
        for slot in held.positions.iter().take_while(|slot| !slot.is_empty()) {
            let underlying = held.risk[usize::from(slot.risk_slot)].underlying;
            self.deleverage(trader, underlying, slot)?;
        }
        self.settle(trader);
        self.flag(index);
        let account = self.market.world.account(trader);
        if account.status != Status::Bankrupt as u8 || !account.positions[0].is_empty() {
            return Ok(());
        }
        for slot in account.risk.iter().filter(|slot| slot.claim < 0) {
            let outcome = self.market.world.cover_deficit(trader, slot.underlying);
            self.note(outcome);
        }
        for slot in account.collateral.iter().filter(|slot| slot.shares < 0) {
            let outcome = self.market.world.write_off_debt(trader, slot.bank);
            self.note(outcome);
        }
        Ok(())
    }

    /// Closes a bankrupt account's position against profitable ones.
    fn deleverage(&mut self, trader: &Trader, underlying: Pubkey, slot: &PositionSlot) -> Result<()> {
        let sheet = self.market.world.sheet(&underlying);
        let instrument = instrument_of(&sheet, slot);
        let opposite = |one: &&Trader| {
            let account = self.market.world.account(one);
            account.position_of(&underlying, &instrument).is_ok_and(|held| held.signum() == -slot.quantity.signum())
        };
        let candidates: Vec<&Trader> = self.population.everybody().filter(opposite).collect();
        for candidate in &candidates {
            let outcome = self.market.world.nominate(trader, candidate, underlying, instrument);
            self.note(outcome);
        }
        self.wait(31)?;
        for _ in 0..MOST_STEPS {
            let first = self.market.world.sheet(&underlying).losses.queue.candidates[0].margin_account;
            let Some(first) = candidates.iter().find(|one| one.margin_account == first) else { break };
            let outcome = self.market.world.deleverage(trader, first, underlying, instrument);
            if !self.note(outcome) || self.market.world.account(trader).position_of(&underlying, &instrument).is_err() {
                break;
            }
        }
        Ok(())
    }

    fn unshared(&self, underlying: &Pubkey) -> i64 {
        i64::try_from(self.market.world.sheet(underlying).losses.unshared).unwrap_or(i64::MAX)
    }

    /// Shares what nobody has borne among those with profit on the underlying.
    fn share_losses(&mut self) -> Result<()> {
        let open: Vec<Pubkey> = self.market.listed.iter().map(|listed| listed.underlying).collect();
        let open: Vec<Pubkey> = open.into_iter().filter(|underlying| self.unshared(underlying) > 0).collect();
        if open.is_empty() {
            return Ok(());
        }
        let mut registered = Vec::new();
        for underlying in &open {
            for trader in self.population.everybody() {
                if self.market.world.account(trader).risk_in(underlying).is_none() {
                    continue;
                }
                let outcome = self.market.world.register_profit(trader, *underlying);
                // Who has no profit is no candidate; the program says so.
                if outcome.is_ok() {
                    registered.push((trader, *underlying));
                }
            }
        }
        self.wait(601)?;
        for underlying in &open {
            let outcome = self.market.world.share_loss(*underlying);
            self.note(outcome);
        }
        for (trader, underlying) in registered {
            let outcome = self.market.world.settle_pnl(trader, underlying, false);
            self.note(outcome);
        }
        Ok(())
    }
}

fn instrument_of(sheet: &margrave::state::Underlying, slot: &PositionSlot) -> Instrument {
    let kind = slot.kind().unwrap_or(InstrumentKind::Perp);
    let series = if kind == InstrumentKind::Perp { 0 } else { sheet.expiries[usize::from(slot.expiry)].series };
    Instrument { kind, expiry: slot.expiry, strike: slot.strike, series }
}

/// The step on positions with the highest fee: one position, two that lean against each other, or all of an underlying.
fn best_step(
    accounts: &Accounts,
    account: &MarginAccount,
    key: &Pubkey,
    now: i64,
) -> Result<Option<(Pubkey, Vec<LiquidationLeg>)>> {
    let mut best: Option<(i64, Pubkey, Vec<LiquidationLeg>)> = None;
    for (index, risk) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
        let sheet = &accounts.underlyings[&risk.underlying];
        let held: Vec<&PositionSlot> =
            account.positions.iter().filter(|slot| !slot.is_empty() && usize::from(slot.risk_slot) == index).collect();
        let mut sets: Vec<Vec<&PositionSlot>> = held.iter().map(|slot| vec![*slot]).collect();
        for (place, one) in held.iter().enumerate() {
            sets.extend(held[place + 1..].iter().map(|two| vec![*one, *two]));
        }
        for set in sets {
            let least = set.iter().map(|slot| slot.quantity.unsigned_abs()).min().unwrap_or(1).max(1);
            let leg = |slot: &&PositionSlot| LiquidationLeg {
                instrument: instrument_of(sheet, slot),
                lots: u32::try_from((slot.quantity.unsigned_abs() + least / 2) / least).unwrap_or(1),
            };
            let legs: Vec<LiquidationLeg> = set.iter().map(leg).collect();
            let Some(step) = accounts.position_step(key, &risk.underlying, &legs, u64::MAX, now)? else { continue };
            if step.after.maintenance_health() <= step.before.maintenance_health() {
                continue;
            }
            let fee = step.taken.iter().map(|taken| taken.fee).sum();
            if best.as_ref().is_none_or(|(most, ..)| fee > *most) {
                best = Some((fee, risk.underlying, legs));
            }
        }
    }
    Ok(best.map(|(_, underlying, legs)| (underlying, legs)))
}

/// What a slice was worth more than was paid for it.
fn slice_discount(receipt: &margrave_sim::Receipt, equity: i64) -> Option<i64> {
    receipt.events().iter().find_map(|event| match event {
        margrave_client::Event::SliceLiquidated(event) => {
            let part = (i128::from(equity) * i128::from(event.share)) >> 30;
            Some(i64::try_from(part).ok()? - event.price_paid)
        }
        _ => None,
    })
}
