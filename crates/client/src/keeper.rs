//! What a keeper does next: pure functions of fetched accounts, so that every decision can be replayed.
//!
//! An account below its maintenance margin is offered the step that relieves most for each dollar it costs; one that is bankrupt gives
//! up its positions, then pays with what it has, then others bear the rest in the program's order. Nothing here sends anything.

use crate::{Accounts, Instruction, instruction, instruction::Keyed};
use anchor_lang::prelude::*;
use margrave::{
    constants::*, liquidation::*, losses::*, oracle::Action, portfolio::Directory, state::*, trading::Sheet,
};
use margrave_risk::{Ratio, Relief, Usd, most_relief};

/// Who decides, and what for.
#[derive(Clone, Copy, Debug)]
pub struct Keeper<'a> {
    pub margin_account: Pubkey,
    /// Underlyings on which it takes no positions of accounts that have been bankrupt for less than so many seconds, who pay no fee at
    /// first: they are left to be closed against profit.
    pub avoided: &'a [Pubkey],
    pub avoided_secs: i64,
}

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StepKind {
    Flag,
    Positions,
    Collateral,
    Slice,
    Settle,
    CoverDeficit,
    WriteOffDebt,
    Nominate,
    Deleverage,
    RegisterProfit,
    ShareLoss,
}

/// One instruction to send now, and what it is expected to do.
#[derive(Clone, Debug)]
pub struct Decision {
    pub kind: StepKind,
    /// The margin account it is about; of a shared loss the underlying.
    pub subject: Pubkey,
    pub instruction: Instruction,
    /// Of a liquidation: what all of the step frees and what the account pays, however much of it the keeper can carry.
    pub expected: Option<Relief>,
    /// Of a liquidation: what the keeper gains by its part, micro-dollars, rounded down. What it takes over may lose value later.
    pub gain: Option<i64>,
}

impl Decision {
    fn of(kind: StepKind, subject: Pubkey, instruction: Instruction) -> Self {
        Self { kind, subject, instruction, expected: None, gain: None }
    }
}

/// Combined legs go in this many units.
const COMBINED_UNITS: u64 = 1_000;
/// Purchases of collateral that relieve less, micro-dollars, are not worth a step.
const LEAST_RELIEF: i64 = 10_000;
/// How often a step is halved until its liquidator can carry it.
const MAX_HALVINGS: u32 = 12;

/// The next step for an account; `None` when there is nothing to do now.
///
/// # Errors
/// As the program: a price that is too old, an account that is not in the cache.
pub fn decide(accounts: &Accounts, key: &Pubkey, keeper: &Keeper, now: i64) -> Result<Option<Decision>> {
    let account = accounts.margin_account(key)?;
    let before = accounts.value_to_liquidate(key, now)?;
    if !account.is_liquidatable(&before, now) {
        // Who is still counted as bankrupt keeps others from their profit.
        let counted = account.risk.iter().any(|slot| slot.bankrupt != 0)
            || account.collateral.iter().any(|slot| slot.bankrupt != 0);
        return Ok(counted.then(|| Decision::of(StepKind::Flag, *key, instruction::flag_account((*key, account)))));
    }
    let bankrupt = before.equity.is_negative();
    if bankrupt != account.is_bankrupt() {
        return Ok(Some(Decision::of(StepKind::Flag, *key, instruction::flag_account((*key, account)))));
    }
    let case = Case { accounts, account: (*key, account), keeper, now, bankrupt };
    if let Some(decision) = case.liquidation()? {
        return Ok(Some(decision));
    }
    if bankrupt { case.resolution() } else { Ok(None) }
}

/// What can be done now about losses that profit on an underlying has to bear: register profit, end the round, take each part.
///
/// # Errors
/// As [`decide`].
pub fn share_losses(accounts: &Accounts, key: &Pubkey, now: i64) -> Result<Vec<Decision>> {
    let underlying = accounts.underlying(key)?;
    let losses = &underlying.losses;
    let group = underlying.group;
    let quote_bank = quote_bank(accounts, &group)?;
    let bank = accounts.bank(&quote_bank)?;
    let mut decisions = Vec::new();
    for (holder, account, slot) in holders(accounts, key) {
        if losses.is_sharing() && slot.registered != 0 && slot.loss_round == losses.round {
            // While a bank's loss is open only a bankrupt account's deposit leaves it for a pool.
            let claim = borne(accounts, account, key, &underlying, now)?;
            if claim < 0 && !account.is_bankrupt() && bank.require_no_deficit(now).is_err() {
                continue;
            }
            let settle = instruction::settle_pnl((*holder, account), *key, quote_bank, false);
            decisions.push(Decision::of(StepKind::Settle, *holder, settle));
        } else if losses.registering_until != 0
            && now <= losses.registering_until
            && slot.loss_round != losses.round
            && with_realised(account, key, &underlying, now)?.profit(key, &underlying, now)? > 0
        {
            let register = instruction::register_profit(*holder, *key);
            decisions.push(Decision::of(StepKind::RegisterProfit, *holder, register));
        }
    }
    // Whoever is bankrupt still adds to the loss: a loss that comes while one is shared keeps its bearers from settling.
    if losses.registering_until != 0
        && now > losses.registering_until
        && (losses.bankrupts == 0 || now > losses.gated_until)
    {
        decisions.push(Decision::of(StepKind::ShareLoss, *key, instruction::share_loss(group, *key)));
    }
    Ok(decisions)
}

/// A settlement that moves money.
#[derive(Clone, Debug)]
pub struct Settlement {
    pub margin_account: Pubkey,
    pub instruction: Instruction,
    /// Whether a loss is paid into the pool, and no profit drawn from it.
    pub is_payment: bool,
    /// What is to be paid or drawn if deposit and pool go that far, micro-dollars, above zero.
    pub amount: u64,
}

/// Everybody who can pay a loss into an underlying's pool, or draw a profit that nothing holds back.
///
/// # Errors
/// As [`decide`].
pub fn settlements(accounts: &Accounts, key: &Pubkey, now: i64) -> Result<Vec<Settlement>> {
    let underlying = accounts.underlying(key)?;
    let quote = quote_bank(accounts, &underlying.group)?;
    let bank = accounts.bank(&quote)?;
    let is_open = underlying.losses.require_closed(now).is_ok() && underlying.pool.balance > 0;
    let mut settlements = Vec::new();
    for (holder, account, _) in holders(accounts, key) {
        let claim = realised(account, key, &underlying, now)?;
        let has_deposit = bank.atoms_down(account.shares_in(&quote).max(0).unsigned_abs())? > 0;
        // While a bank's loss is open only a bankrupt account's deposit leaves it for a pool.
        let may_pay = account.is_bankrupt() || bank.require_no_deficit(now).is_ok();
        let is_payment = claim < 0 && has_deposit && may_pay;
        if is_payment || (claim > 0 && is_open) {
            let instruction = instruction::settle_pnl((*holder, account), *key, quote, false);
            let amount = claim.unsigned_abs();
            settlements.push(Settlement { margin_account: *holder, instruction, is_payment, amount });
        }
    }
    Ok(settlements)
}

/// Everybody with a risk slot on an underlying, in the order of their addresses.
fn holders<'a>(accounts: &'a Accounts, key: &Pubkey) -> Vec<(&'a Pubkey, &'a MarginAccount, &'a RiskSlot)> {
    let all = accounts.margin_accounts.iter();
    let here = all.filter_map(|(holder, account)| Some((holder, account, &account.risk[account.risk_in(key)?])));
    let mut here: Vec<_> = here.collect();
    here.sort_unstable_by_key(|(holder, ..)| **holder);
    here
}

/// The account once its perps and futures on an underlying are settled at their marks.
fn with_realised(
    account: &MarginAccount,
    key: &Pubkey,
    underlying: &Underlying,
    now: i64,
) -> Result<Box<MarginAccount>> {
    let mut copy = Box::new(*account);
    if let Some(index) = copy.risk_in(key) {
        copy.realise(index, underlying, now)?;
    }
    Ok(copy)
}

/// Its claim there then.
fn realised(account: &MarginAccount, key: &Pubkey, underlying: &Underlying, now: i64) -> Result<i64> {
    let account = with_realised(account, key, underlying, now)?;
    Ok(account.risk_in(key).map_or(0, |index| account.risk[index].claim))
}

/// The same with its part of a loss that is being shared.
fn borne(accounts: &Accounts, account: &MarginAccount, key: &Pubkey, underlying: &Underlying, now: i64) -> Result<i64> {
    let mut account = with_realised(account, key, underlying, now)?;
    let Some(index) = account.risk_in(key) else { return Ok(0) };
    let group = accounts.groups.get(&account.group).ok_or(margrave::error::MargraveError::GroupMismatch)?;
    let mut sheet = Box::new(*underlying);
    sheet.bear_loss(&mut account.risk[index], &group.terms, now)?;
    Ok(account.risk[index].claim)
}

fn quote_bank(accounts: &Accounts, group: &Pubkey) -> Result<Pubkey> {
    let group = accounts.groups.get(group).ok_or(margrave::error::MargraveError::GroupMismatch)?;
    Ok(group.quote_bank)
}

/// A step that may be taken, and what it would do.
struct Candidate {
    way: Way,
    relief: Relief,
    reaches_end: bool,
}

#[derive(Clone)]
enum Way {
    Positions { underlying: Pubkey, legs: Vec<LiquidationLeg>, units: u64 },
    Collateral { asset: Pubkey, debt: Pubkey, max_repay: u64 },
    Slice { max_share: i64 },
}

/// An account to be liquidated, and by whom.
struct Case<'a> {
    accounts: &'a Accounts,
    account: Keyed<'a, MarginAccount>,
    keeper: &'a Keeper<'a>,
    now: i64,
    bankrupt: bool,
}

impl Case<'_> {
    /// The step that relieves most for each dollar.
    fn liquidation(&self) -> Result<Option<Decision>> {
        let mut candidates = self.candidates()?;
        while let Some(best) = most_relief(candidates.iter().map(|candidate| candidate.relief)) {
            let Candidate { way, relief, .. } = candidates.swap_remove(best);
            if let Some(carried) = self.carried(way.clone())? {
                let gain = self.gain(&way, &carried, relief.cost)?;
                return self.decision(carried, relief, gain).map(Some);
            }
        }
        Ok(None)
    }

    fn decision(&self, way: Way, relief: Relief, gain: i64) -> Result<Decision> {
        let liquidator = (self.keeper.margin_account, self.accounts.margin_account(&self.keeper.margin_account)?);
        let (kind, instruction) = match way {
            Way::Positions { underlying, legs, units } => {
                (StepKind::Positions, instruction::liquidate(liquidator, self.account, underlying, legs, units))
            }
            Way::Collateral { asset, debt, max_repay } => {
                let step = instruction::liquidate_collateral(liquidator, self.account, asset, debt, max_repay);
                (StepKind::Collateral, step)
            }
            Way::Slice { max_share } => {
                let bank = quote_bank(self.accounts, &self.account.1.group)?;
                (StepKind::Slice, instruction::liquidate_slice(liquidator, self.account, bank, max_share))
            }
        };
        Ok(Decision { kind, subject: self.account.0, instruction, expected: Some(relief), gain: Some(gain) })
    }

    /// What the keeper gains by the part of a step that it carries: what the account pays, less insurance's part of a fee.
    fn gain(&self, whole: &Way, carried: &Way, cost: Usd) -> Result<i64> {
        let group = self.accounts.groups.get(&self.account.1.group);
        let terms = &group.ok_or(margrave::error::MargraveError::GroupMismatch)?.terms;
        match (whole, carried) {
            (_, Way::Positions { underlying, legs, units }) => {
                let step = self.accounts.position_step(&self.account.0, underlying, legs, *units, self.now)?;
                let fee = step.map_or(0, |step| step.taken.iter().map(|taken| taken.fee).sum::<i64>());
                Ok(fee - terms.insured_part_up(fee)?)
            }
            (Way::Slice { max_share: whole }, Way::Slice { max_share }) => {
                let part = i128::from(cost.micros()) * i128::from(*max_share) / i128::from((*whole).max(1));
                Ok(i64::try_from(part).unwrap_or(0))
            }
            _ => Ok(cost.micros()),
        }
    }

    fn candidates(&self) -> Result<Vec<Candidate>> {
        let account = self.account.1;
        let mut candidates = Vec::new();
        let early = self.bankrupt && self.now - account.flagged_at < self.keeper.avoided_secs;
        let is_left = |slot: &RiskSlot| early && self.keeper.avoided.contains(&slot.underlying);
        let taken = |slot: &&RiskSlot| !slot.is_empty() && !is_left(slot);
        let underlyings: Vec<Pubkey> = account.risk.iter().filter(taken).map(|slot| slot.underlying).collect();
        for key in &underlyings {
            for leg in self.legs(key)? {
                self.add_positions(&mut candidates, key, vec![LiquidationLeg { lots: 1, ..leg }])?;
            }
        }
        self.add_collateral(&mut candidates)?;
        if !candidates.iter().any(|candidate| candidate.reaches_end) {
            for key in &underlyings {
                let legs = self.legs(key)?;
                for (index, first) in legs.iter().enumerate() {
                    for second in &legs[index + 1..] {
                        self.add_positions(&mut candidates, key, vec![*first, *second])?;
                    }
                }
                if legs.len() > 2 {
                    self.add_positions(&mut candidates, key, legs.into_iter().take(MAX_LIQUIDATION_LEGS).collect())?;
                }
            }
        }
        self.add_slice(&mut candidates)?;
        Ok(candidates)
    }

    /// The positions on an underlying, the largest first, as legs of a step that takes all of them in the same proportion.
    fn legs(&self, key: &Pubkey) -> Result<Vec<LiquidationLeg>> {
        let (account, underlying) = (self.account.1, self.accounts.underlying(key)?);
        let slot = account.risk_in(key);
        let here = account.positions.iter().take_while(|position| !position.is_empty());
        let mut legs = Vec::new();
        for position in here.filter(|position| Some(usize::from(position.risk_slot)) == slot) {
            let lots = position.quantity.unsigned_abs().div_ceil(underlying.market.lot.max(1));
            legs.push((lots, instrument_of(position, &underlying)?));
        }
        legs.sort_by_key(|(lots, _)| std::cmp::Reverse(*lots));
        let lots = |lots: u64| u32::try_from(lots.div_ceil(COMBINED_UNITS)).unwrap_or(u32::MAX);
        Ok(legs.into_iter().map(|(held, instrument)| LiquidationLeg { instrument, lots: lots(held) }).collect())
    }

    fn add_positions(&self, into: &mut Vec<Candidate>, key: &Pubkey, legs: Vec<LiquidationLeg>) -> Result<()> {
        let step = self.accounts.position_step(&self.account.0, key, &legs, u64::MAX, self.now)?;
        let Some(step) = step.filter(|step| step.after.maintenance_health() > step.before.maintenance_health()) else {
            return Ok(());
        };
        into.push(Candidate {
            way: Way::Positions { underlying: *key, legs, units: step.units.unsigned_abs() },
            relief: Relief {
                relief: step.after.liquidation_end_health() - step.before.liquidation_end_health(),
                cost: dollars(step.taken.iter().map(|taken| taken.fee).sum()),
            },
            reaches_end: !step.after.liquidation_end_health().is_negative(),
        });
        Ok(())
    }

    fn add_collateral(&self, into: &mut Vec<Candidate>) -> Result<()> {
        let (account, keeper) = (self.account.1, self.accounts.margin_account(&self.keeper.margin_account)?);
        let quote = quote_bank(self.accounts, &account.group)?;
        let free =
            self.accounts.value(&self.keeper.margin_account, self.now)?.initial_health().micros().max(0).unsigned_abs();
        let held = account.collateral.iter().filter(|slot| slot.shares > 0);
        let mut debts: Vec<Pubkey> =
            account.collateral.iter().filter(|slot| slot.shares < 0).map(|slot| slot.bank).collect();
        if account.unpaid_losses() > 0 && !debts.contains(&quote) {
            debts.push(quote);
        }
        for (asset, debt) in held.flat_map(|slot| debts.iter().map(move |debt| (slot.bank, *debt))) {
            if asset == debt {
                continue;
            }
            let bank = self.accounts.bank(&debt)?;
            let mut most = bank.atoms_down(keeper.shares_in(&debt).max(0).unsigned_abs())?;
            if debt == quote {
                most = most.min(free);
            }
            let step = self.accounts.collateral_step(&self.account.0, [&asset, &debt], most, self.now)?;
            let Some(step) = step else { continue };
            let relief = step.after.liquidation_end_health() - step.before.liquidation_end_health();
            // Less than a cent may be rounding, which falls the other way in shares.
            let helps =
                step.after.maintenance_health() > step.before.maintenance_health() && relief >= dollars(LEAST_RELIEF);
            // A bankrupt account is wound up whether that helps it or not: hedged with its own tokens, it never does. What helps
            // comes first.
            let winds_up = self.bankrupt && step.exchange.repaid > 1 && step.exchange.seized > 1;
            if !helps && !winds_up {
                continue;
            }
            let (before, after) = (step.before.equity, step.after.equity);
            into.push(Candidate {
                // The bound, not the size: the chain counts in whole cents.
                way: Way::Collateral { asset, debt, max_repay: most },
                relief: Relief {
                    relief: if helps { relief } else { dollars(1) },
                    // A haircut that is gone is no gain of the account's.
                    cost: if after < before { before - after } else { Usd::ZERO },
                },
                reaches_end: !step.after.liquidation_end_health().is_negative(),
            });
        }
        Ok(())
    }

    fn add_slice(&self, into: &mut Vec<Candidate>) -> Result<()> {
        if self.bankrupt || self.account.1.positions[0].is_empty() {
            return Ok(());
        }
        let Some(slice) = self.accounts.slice(&self.account.0, Ratio::ONE, self.now)? else { return Ok(()) };
        // Positions go in whole lots, and of a small hedge that may be too little.
        if slice.after.maintenance_health() < slice.before.maintenance_health() + dollars(LEAST_RELIEF) {
            return Ok(());
        }
        let gone = slice.before.liquidation_end - slice.before.equity;
        into.push(Candidate {
            way: Way::Slice { max_share: slice.share.bits() },
            relief: Relief {
                relief: gone.mul_down(slice.share) + dollars(slice.price_paid),
                cost: dollars(slice.equity - slice.price_paid),
            },
            reaches_end: true,
        });
        Ok(())
    }

    /// As much of a step as the keeper's own initial margin carries; `None` when that is nothing.
    fn carried(&self, way: Way) -> Result<Option<Way>> {
        match way {
            Way::Positions { underlying, legs, mut units } => {
                for _ in 0..MAX_HALVINGS {
                    if units == 0 || self.carries_positions(&underlying, &legs, units)? {
                        break;
                    }
                    units /= 2;
                }
                Ok((units > 0).then_some(Way::Positions { underlying, legs, units }))
            }
            Way::Slice { max_share } => {
                let share = Ratio::from_bits(max_share).unwrap_or(Ratio::ONE);
                let Some(slice) = self.accounts.slice(&self.account.0, share, self.now)? else { return Ok(None) };
                let free = self.accounts.value(&self.keeper.margin_account, self.now)?.initial_health().micros();
                let wanted =
                    (slice.before.initial_margin - slice.before.equity).mul_up(slice.share).micros() + slice.price_paid;
                let fits = i128::from(max_share) * i128::from(free.max(0)) / i128::from(wanted.max(1));
                let share = i64::try_from(fits).unwrap_or(i64::MAX).min(max_share);
                Ok((share > 0).then_some(Way::Slice { max_share: share }))
            }
            Way::Collateral { .. } => Ok(Some(way)),
        }
    }

    fn carries_positions(&self, key: &Pubkey, legs: &[LiquidationLeg], units: u64) -> Result<bool> {
        let Some(step) = self.accounts.position_step(&self.account.0, key, legs, units, self.now)? else {
            return Ok(false);
        };
        let underlying = self.accounts.underlying(key)?;
        let health = self.accounts.initial_health_after(&self.keeper.margin_account, self.now, |keeper| {
            for taken in &step.taken {
                let sheet = Sheet::of(*key, &underlying, &taken.instrument, self.now)?;
                keeper.take_over(&sheet, *key, taken, 1)?;
            }
            Ok(())
        });
        let insured = step.taken.iter().map(|taken| taken.fee).sum::<i64>();
        // A keeper without room for another position does not carry it either.
        Ok(health.is_ok_and(|health| health >= insured))
    }

    /// What a bankrupt account that nobody takes anything from does with what is left: its own means first, then others bear the rest.
    fn resolution(&self) -> Result<Option<Decision>> {
        let (key, account) = self.account;
        let quote = quote_bank(self.accounts, &account.group)?;
        let bank = self.accounts.bank(&quote)?;
        let deposit = bank.atoms_down(account.shares_in(&quote).max(0).unsigned_abs())?;
        for slot in account.risk.iter().filter(|slot| !slot.is_empty()) {
            let underlying = self.accounts.underlying(&slot.underlying)?;
            let claim = realised(account, &slot.underlying, &underlying, self.now)?;
            let pays = claim < 0 && deposit > 0;
            let may_draw = !underlying.losses.is_open(self.now) || account.owes_at_any_price(&quote, &bank)?;
            let draws = claim >= DUST && underlying.pool.balance > 0 && may_draw;
            // Others' options are paid for through claims: what was lost or gained is realised before it is covered.
            let unrealised = claim != slot.claim;
            if pays || draws || unrealised {
                let settle = instruction::settle_pnl((key, account), slot.underlying, quote, false);
                return Ok(Some(Decision::of(StepKind::Settle, key, settle)));
            }
        }
        let is_closed = account.positions[0].is_empty();
        if account.require_nothing_left(self.accounts, is_closed, self.now).is_err() {
            return Ok(None);
        }
        if !account.positions[0].is_empty() {
            return self.deleveraging();
        }
        for slot in account.risk.iter().filter(|slot| !slot.is_empty() && slot.claim < 0) {
            if !self.accounts.underlying(&slot.underlying)?.losses.is_sharing() {
                let cover = instruction::cover_deficit((key, account), slot.underlying, quote);
                return Ok(Some(Decision::of(StepKind::CoverDeficit, key, cover)));
            }
        }
        if let Some(slot) = account.collateral.iter().find(|slot| slot.shares < 0) {
            let write_off = instruction::write_off_debt((key, account), slot.bank);
            return Ok(Some(Decision::of(StepKind::WriteOffDebt, key, write_off)));
        }
        Ok(None)
    }

    /// Names those who stand opposite, highest rank first, and closes against the first when the notice has run out.
    fn deleveraging(&self) -> Result<Option<Decision>> {
        let (key, account) = self.account;
        let terms =
            &self.accounts.groups.get(&account.group).ok_or(margrave::error::MargraveError::GroupMismatch)?.terms;
        if self.now - account.flagged_at < i64::from(terms.liquidation_ramp_secs) {
            return Ok(None);
        }
        let quote = quote_bank(self.accounts, &account.group)?;
        for position in account.positions.iter().take_while(|position| !position.is_empty()) {
            let underlying_key = account.risk[usize::from(position.risk_slot)].underlying;
            let underlying = self.accounts.underlying(&underlying_key)?;
            let instrument = instrument_of(position, &underlying)?;
            let queue = &underlying.losses.queue;
            let ours = queue.is_about(&key, &instrument) && queue.candidates[0].rank != 0;
            let free = queue.candidates[0].rank == 0
                || self.now > queue.ready_at + 10 * i64::from(terms.deleverage_notice_secs);
            if !ours && !free {
                continue;
            }
            if ours && self.now >= queue.ready_at {
                let first = queue.candidates[0].margin_account;
                let step = instruction::deleverage((key, account), first, underlying_key, quote, instrument);
                return Ok(Some(Decision::of(StepKind::Deleverage, key, step)));
            }
            let known = |holder: &Pubkey| ours && queue.candidates.iter().any(|it| it.margin_account == *holder);
            let lowest = if ours { queue.candidates[MAX_CANDIDATES - 1].rank } else { 0 };
            let mut best: Option<(u64, Keyed<MarginAccount>)> = None;
            for (holder, other, _) in holders(self.accounts, &underlying_key) {
                let opposite = other
                    .position_of(&underlying_key, &instrument)
                    .is_ok_and(|held| held.signum() == -position.quantity.signum());
                if !opposite || *holder == key || known(holder) {
                    continue;
                }
                let copy = with_realised(other, &underlying_key, &underlying, self.now)?;
                let profit = copy.bearable(&underlying_key, &instrument, &underlying, self.now)?;
                // Whoever has gained nothing is closed at a fresh mark only.
                if profit <= 0 && underlying.oracle.require_good_for(Action::Liquidate, self.now).is_err() {
                    continue;
                }
                let equity = self.accounts.value_to_liquidate(holder, self.now)?.equity.micros();
                let rank = rank_of(profit, equity);
                if rank > lowest && best.is_none_or(|(rank_of_best, _)| rank > rank_of_best) {
                    best = Some((rank, (*holder, other)));
                }
            }
            if let Some((_, candidate)) = best {
                let nominate = instruction::nominate_candidate((key, account), candidate, underlying_key, instrument);
                return Ok(Some(Decision::of(StepKind::Nominate, key, nominate)));
            }
        }
        Ok(None)
    }
}

fn instrument_of(position: &PositionSlot, underlying: &Underlying) -> Result<Instrument> {
    let kind = position.kind()?;
    let series =
        if kind == InstrumentKind::Perp { 0 } else { underlying.expiries[usize::from(position.expiry)].series };
    Ok(Instrument { kind, expiry: position.expiry, strike: position.strike, series })
}

fn dollars(micros: i64) -> Usd {
    Usd::new(micros).unwrap_or(Usd::MAX)
}
