//! What is due now, as tasks: pure functions of the book, and a note of when each periodic look is next.

use crate::{
    act::{Job, Task},
    book::Book,
    config::Config,
    prices::Prices,
};
use margrave::{constants::PPM, state::*};
use margrave_client::{
    Pubkey, instruction,
    keeper::{Decision, Keeper, StepKind, decide, settlements, share_losses},
};
use margrave_risk::Ratio;
use std::{collections::HashMap, time::Duration};

/// How often expired positions, fees and proposals are looked for.
const LOOK_SECS: u64 = 10;

/// What every job looks at.
pub struct View<'a> {
    pub book: &'a Book,
    pub prices: &'a Prices,
    pub config: &'a Config,
    pub wallet: Pubkey,
    pub keeper: Keeper<'a>,
    /// Unix time of the chain.
    pub now: i64,
}

/// When each periodic look is next, by the keeper's own clock.
#[derive(Default)]
pub struct Schedule {
    next: HashMap<(Job, Pubkey), Duration>,
}

impl Schedule {
    /// Whether it is time to look, and if so when the next time is.
    fn is_time(&mut self, job: Job, subject: Pubkey, every_secs: u64, elapsed: Duration) -> bool {
        let next = self.next.entry((job, subject)).or_insert(Duration::ZERO);
        let is_time = elapsed >= *next;
        if is_time {
            *next = elapsed + Duration::from_secs(every_secs);
        }
        is_time
    }
}

impl View<'_> {
    fn group(&self) -> Pubkey {
        self.config.group.0
    }

    fn terms(&self) -> Option<&Group> {
        self.book.accounts.groups.get(&self.group())
    }

    /// The underlyings in the order of their addresses, which makes what happens repeatable.
    fn underlyings(&self) -> Vec<(&Pubkey, &Underlying)> {
        let sheets = self.book.accounts.underlyings.iter();
        let mut sheets: Vec<_> = sheets.map(|(key, sheet)| (key, &**sheet)).collect();
        sheets.sort_unstable_by_key(|(key, _)| **key);
        sheets
    }

    fn banks(&self) -> Vec<(&Pubkey, &Bank)> {
        let mut banks: Vec<_> = self.book.accounts.banks.iter().collect();
        banks.sort_unstable_by_key(|(key, _)| **key);
        banks
    }

    /// The next step for a margin account, if there is one and it is the keeper's to make.
    ///
    /// # Errors
    /// The program's name of why it cannot be known: a price that is too old, mostly.
    pub fn account(&self, key: &Pubkey, health: i64) -> Result<Option<Task>, String> {
        let decision = decide(&self.book.accounts, key, &self.keeper, self.now);
        let Some(decision) = decision.map_err(|error| crate::prices::name_of(&error))? else { return Ok(None) };
        let is_bankrupt = self.book.accounts.margin_accounts.get(key).is_some_and(MarginAccount::is_bankrupt);
        let mut task = self.of_decision(decision);
        task.health = Some(health);
        // Nobody is paid for what a bankrupt account owns, and somebody has to take it.
        task.profit = task.profit.filter(|_| !is_bankrupt);
        let is_ours = match task.job {
            Job::Liquidation => self.config.jobs.liquidation,
            _ => self.config.jobs.bankruptcy,
        };
        Ok(is_ours.then_some(task))
    }

    fn of_decision(&self, decision: Decision) -> Task {
        let (job, step) = match decision.kind {
            StepKind::Flag => (Job::Liquidation, "flag"),
            StepKind::Positions => (Job::Liquidation, "positions"),
            StepKind::Collateral => (Job::Liquidation, "collateral"),
            StepKind::Slice => (Job::Liquidation, "slice"),
            StepKind::Settle => (Job::Bankruptcy, "settle"),
            StepKind::CoverDeficit => (Job::Bankruptcy, "cover_deficit"),
            StepKind::WriteOffDebt => (Job::Bankruptcy, "write_off_debt"),
            StepKind::Nominate => (Job::Bankruptcy, "nominate"),
            StepKind::Deleverage => (Job::Bankruptcy, "deleverage"),
            StepKind::RegisterProfit => (Job::Losses, "register_profit"),
            StepKind::ShareLoss => (Job::Losses, "share_loss"),
        };
        let Decision { subject, instruction, gain, .. } = decision;
        let mut instructions = self.prices.before(std::slice::from_ref(&instruction));
        instructions.push(instruction);
        Task { job, step, subject, instructions, health: None, profit: gain }
    }

    fn task(&self, job: Job, step: &'static str, subject: Pubkey, instruction: margrave_client::Instruction) -> Task {
        let mut instructions = self.prices.before(std::slice::from_ref(&instruction));
        if !instructions.contains(&instruction) {
            instructions.push(instruction);
        }
        Task { job, step, subject, instructions, health: None, profit: None }
    }

    /// Prices that have to be put.
    pub fn prices(&self) -> Vec<Task> {
        if !self.config.jobs.prices {
            return Vec::new();
        }
        let due = self.prices.due(self.book, self.config, self.now).into_iter();
        due.map(|due| self.task(Job::Prices, "refresh_price", due.underlying, due.refresh)).collect()
    }

    /// What losses that profit has to bear need next.
    pub fn losses(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        let open = |sheet: &Underlying| sheet.losses.registering_until != 0 || sheet.losses.is_sharing();
        for (key, _) in self.underlyings().into_iter().filter(|(_, sheet)| self.config.jobs.losses && open(sheet)) {
            match share_losses(&self.book.accounts, key, self.now) {
                Ok(decisions) => tasks.extend(
                    decisions.into_iter().map(|decision| Task { job: Job::Losses, ..self.of_decision(decision) }),
                ),
                Err(error) => tracing::warn!(underlying = %key, reason = crate::prices::name_of(&error), "losses"),
            }
        }
        tasks
    }

    /// Everything else, each as often as it is worth looking.
    pub fn chores(&self, schedule: &mut Schedule, elapsed: Duration) -> Vec<Task> {
        let mut tasks = Vec::new();
        self.depeg(&mut tasks);
        self.interest(&mut tasks);
        self.expiries(schedule, elapsed, &mut tasks);
        self.settlement(schedule, elapsed, &mut tasks);
        self.sweeps(schedule, elapsed, &mut tasks);
        self.proposals(&mut tasks);
        tasks
    }

    fn depeg(&self, tasks: &mut Vec<Task>) {
        let Some(group) = self.terms().filter(|_| self.config.jobs.depeg) else { return };
        let peg = group.terms.peg_underlying;
        let Some(sheet) = self.book.accounts.underlyings.get(&peg) else { return };
        if surcharge(group, sheet).is_some_and(|surcharge| surcharge != group.depeg)
            && sheet.oracle.is_good_for(margrave::oracle::Action::AddRisk, self.now)
        {
            let update = instruction::update_depeg(self.group(), peg);
            tasks.push(self.task(Job::Depeg, "update_depeg", self.group(), update));
        }
    }

    fn interest(&self, tasks: &mut Vec<Task>) {
        let jobs = &self.config.jobs;
        let due = |bank: &Bank| bank.borrow_shares > 0 && self.now - bank.accrued_at >= jobs.interest_secs;
        for (key, bank) in self.banks().into_iter().filter(|(_, bank)| jobs.interest && due(bank)) {
            tasks.push(self.task(Job::Interest, "accrue_interest", *key, instruction::accrue_interest((*key, bank))));
        }
    }

    fn expiries(&self, schedule: &mut Schedule, elapsed: Duration, tasks: &mut Vec<Task>) {
        for (key, sheet) in self.underlyings().into_iter().filter(|_| self.config.jobs.expiry) {
            let past = |slot: &ExpirySlot| !slot.is_free() && slot.is_settled() && slot.time <= self.now;
            let past: Vec<(u8, u64)> = (0u8..)
                .zip(&sheet.expiries)
                .filter(|(_, slot)| past(slot))
                .map(|(at, slot)| (at, slot.interest))
                .collect();
            if past.is_empty() || !schedule.is_time(Job::Expiry, *key, LOOK_SECS, elapsed) {
                continue;
            }
            for (expiry, _) in past.iter().filter(|(_, interest)| *interest == 0) {
                let close = instruction::close_expiry(self.wallet, self.group(), *key, *expiry);
                tasks.push(self.task(Job::Expiry, "close_expiry", *key, close));
            }
            let mut holders: Vec<_> = self.book.accounts.margin_accounts.iter().collect();
            holders.sort_unstable_by_key(|(holder, _)| **holder);
            for (holder, account) in holders {
                let Some(slot) = account.risk_in(key) else { continue };
                let held = account.positions.iter().take_while(|position| !position.is_empty());
                let held = held.filter(|it| usize::from(it.risk_slot) == slot && it.kind != InstrumentKind::Perp as u8);
                // One at a time: the next one when the account has been seen after this one.
                let expired = held.map(|it| it.expiry).find(|it| past.iter().any(|(expiry, _)| expiry == it));
                if let Some(expiry) = expired {
                    let settle = instruction::settle_expiry(*holder, *key, expiry);
                    tasks.push(self.task(Job::Expiry, "settle_expiry", *holder, settle));
                }
            }
        }
    }

    fn settlement(&self, schedule: &mut Schedule, elapsed: Duration, tasks: &mut Vec<Task>) {
        let jobs = &self.config.jobs;
        let every = jobs.settlement_secs.max(1).unsigned_abs();
        for (key, _) in self.underlyings().into_iter().filter(|_| jobs.settlement) {
            if !schedule.is_time(Job::Settlement, *key, every, elapsed) {
                continue;
            }
            let mut due = match settlements(&self.book.accounts, key, self.now) {
                Ok(due) => due,
                Err(error) => {
                    tracing::debug!(underlying = %key, reason = crate::prices::name_of(&error), "settlement");
                    continue;
                }
            };
            due.retain(|one| i64::try_from(one.amount).unwrap_or(i64::MAX) >= jobs.settlement_least);
            // Losers first: they pay what winners draw.
            due.sort_by_key(|one| !one.is_payment);
            for one in due {
                tasks.push(self.task(Job::Settlement, "settle_pnl", one.margin_account, one.instruction));
            }
        }
    }

    fn sweeps(&self, schedule: &mut Schedule, elapsed: Duration, tasks: &mut Vec<Task>) {
        let Some(group) = self.terms().filter(|_| self.config.jobs.sweep) else { return };
        let due = |sheet: &Underlying| {
            sheet.pool.unsettled_fees > 0 && sheet.pool.balance > 0 && !sheet.losses.is_open(self.now)
        };
        for (key, _) in self.underlyings().into_iter().filter(|(_, sheet)| due(sheet)) {
            if schedule.is_time(Job::Sweep, *key, self.config.jobs.settlement_secs.max(1).unsigned_abs(), elapsed) {
                let sweep = instruction::sweep_fees(self.group(), *key, group.quote_bank);
                tasks.push(self.task(Job::Sweep, "sweep_fees", *key, sweep));
            }
        }
    }

    fn proposals(&self, tasks: &mut Vec<Task>) {
        let Some(group) = self.terms().filter(|_| self.config.jobs.proposals) else { return };
        let is_stopped = group.paused_now(self.now) & Pause::EXECUTE != 0;
        for (key, proposal) in &self.book.proposals {
            let may = !is_stopped || matches!(proposal.change, Change::Unpause(_));
            if may && proposal.require_executable(self.now).is_ok() {
                let bank_underlying = match proposal.change {
                    Change::Bank { bank, .. } => self.book.accounts.banks.get(&bank).map(|bank| bank.underlying),
                    _ => None,
                };
                let bank_underlying = bank_underlying.filter(|key| *key != Pubkey::default());
                let execute = instruction::execute_change((*key, proposal), bank_underlying);
                tasks.push(self.task(Job::Proposals, "execute_change", *key, execute));
            }
        }
    }
}

/// The surcharge that the quote token's price asks for, 2^-30, as the program takes it.
fn surcharge(group: &Group, sheet: &Underlying) -> Option<i64> {
    let missing = (i64::from(group.terms.peg_threshold_ppm) * 10_000 - sheet.oracle.price).max(0);
    let asked = u128::from(missing.unsigned_abs()) * u128::from(group.terms.peg_factor_ppm);
    let ppm = u32::try_from(asked.div_ceil(10_000 * u128::from(PPM))).ok()?;
    Ratio::from_ppm_up(ppm).ok().map(Ratio::bits)
}
