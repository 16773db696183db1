//! The loop: what has changed, what is due, begin as much of it as there is room for.
//!
//! Everything it goes by is on chain. A keeper that is stopped at any point, started again, or not alone does nothing twice: each step
//! is simulated on the state as it is, and the program takes each only once.

use crate::{
    act::{Actor, Ended, Ending, Gate, Job, Seen, Task},
    book::Book,
    chain::Chain,
    config::Config,
    jobs::{Schedule, View},
    metrics,
    prices::{Prices, symbol},
    server::Status,
    watch::Watch,
};
use anyhow::{Context, Result, ensure};
use margrave::breaker::Present;
use margrave_client::{Pubkey, keeper, pda};
use std::{
    collections::{HashMap, VecDeque},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

const CLOCK: Pubkey = Pubkey::from_str_const("SysvarC1ock11111111111111111111111111111111");
const LAST_RESTART: Pubkey = Pubkey::from_str_const("SysvarLastRestartS1ot1111111111111111111111");
/// An account about which there is nothing to do now is asked about again after so long, or when it changes.
const NOTHING_TO_DO: Duration = Duration::from_secs(5);

/// A keeper at work.
pub struct Keeper<C> {
    chain: Rc<C>,
    config: Config,
    margin_account: Pubkey,
    avoided: Vec<Pubkey>,
    book: Book,
    prices: Prices,
    watch: Watch,
    schedule: Schedule,
    actor: Actor,
    /// Tasks that wait for a place.
    backlog: VecDeque<Task>,
    present: Present,
    /// The last slot of which changes are known.
    heard: u64,
    /// Whether there was more to begin than room.
    left_over: bool,
    /// Changes were missed, and not everything has been read since.
    missed: bool,
    /// When everything was last asked for.
    read_everything_at: Duration,
    status: Arc<Status>,
}

/// What one look came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Tasks that have begun.
    pub begun: usize,
    /// Accounts that were valued.
    pub valued: usize,
    /// Accounts that may be liquidated.
    pub liquidatable: usize,
}

impl<C: Chain + 'static> Keeper<C> {
    /// Reads everything.
    ///
    /// # Errors
    /// When the group is not there or the keeper has no margin account to liquidate with.
    pub async fn start(chain: Rc<C>, config: Config, status: Arc<Status>) -> Result<Self> {
        let group = config.group.0;
        let mut book = Book::new(group);
        book.merge(chain.snapshot().await.with_context(|| format!("group {group} cannot be read"))?);
        let margin_account = pda::margin_account(&group, &chain.wallet(), config.margin_account);
        let acts = config.jobs.liquidation || config.jobs.bankruptcy;
        ensure!(
            !acts || book.accounts.margin_accounts.contains_key(&margin_account),
            "the wallet {} has no margin account number {} in group {group} ({margin_account}): open it and deposit, or switch \
             off jobs.liquidation and jobs.bankruptcy",
            chain.wallet(),
            config.margin_account,
        );
        let mut avoided = Vec::new();
        for name in &config.profit.avoided {
            let named = |(key, _): &(&Pubkey, &_)| key.to_string() == *name;
            let mut sheets = book.sheets.iter();
            let found = sheets.find(|(key, sheet)| symbol(sheet) == *name || named(&(*key, *sheet)));
            avoided.push(*found.with_context(|| format!("[profit] avoided: there is no underlying {name}"))?.0);
        }
        tracing::info!(
            group = %group,
            accounts = book.accounts.margin_accounts.len(),
            underlyings = book.sheets.len(),
            banks = book.accounts.banks.len(),
            slot = book.slot,
            dry_run = config.dry_run,
            "loaded"
        );
        let (read_everything_at, watch) = (chain.elapsed(), Watch::new(config.loop_.revalue_secs));
        Ok(Self {
            chain,
            config,
            margin_account,
            avoided,
            book,
            prices: Prices::default(),
            watch,
            schedule: Schedule::default(),
            actor: Actor::default(),
            backlog: VecDeque::new(),
            present: Present { now: 0, slot: 0, restart_slot: 0 },
            heard: 0,
            left_over: false,
            missed: false,
            read_everything_at,
            status,
        })
    }

    /// Every address that its transactions name again and again: what a lookup table should hold.
    pub fn common_addresses(&self) -> Vec<Pubkey> {
        let book = &self.book;
        let mut keys: Vec<Pubkey> = book.accounts.banks.keys().chain(book.sheets.keys()).copied().collect();
        keys.sort_unstable();
        keys.extend([self.config.group.0, self.margin_account, margrave::ID, margrave::EVENT_AUTHORITY_AND_BUMP.0]);
        keys
    }

    /// Looks once: takes in what has changed and begins what is due.
    ///
    /// # Errors
    /// When the node cannot be read; nothing was begun then, and the next look may do better.
    pub async fn look(&mut self) -> Result<Look> {
        let started = Instant::now();
        let limits = self.config.loop_.clone();
        while let Some(ended) = self.actor.next_now(&limits, self.chain.elapsed()) {
            self.absorb(ended);
        }
        self.take_updates().await;
        self.read_present().await?;
        let scan = Instant::now();
        let found = self.watch.look(&mut self.book, &self.config.group.0, self.present.now);
        let found = found.map_err(|error| anyhow::anyhow!("the group cannot be used: {error}"))?;
        metrics::took("margrave_keeper_scan_seconds", scan.elapsed());
        metrics::count("margrave_keeper_valuations_total", found.valued);
        metrics::set("margrave_keeper_liquidatable", found.liquidatable);
        metrics::set("margrave_keeper_watched_closely", found.close);
        metrics::set("margrave_keeper_unknown", found.unknown.len());
        for (account, reason) in &found.unknown {
            tracing::debug!(account = %account, reason, "cannot be valued");
        }
        let begun = self.begin(&found.due);
        self.report();
        metrics::took("margrave_keeper_look_seconds", started.elapsed());
        self.status.looked();
        Ok(Look { begun, valued: found.valued, liquidatable: found.liquidatable })
    }

    /// Waits until a task ends, if one is under way, and takes in what became of it.
    pub async fn next_ended(&mut self) -> bool {
        let chain = Rc::clone(&self.chain);
        match self.actor.next(&self.config.loop_, || chain.elapsed()).await {
            Some(ended) => {
                self.absorb(ended);
                true
            }
            None => false,
        }
    }

    /// Begins nothing more and waits for what is under way.
    pub async fn drain(&mut self) {
        self.backlog.clear();
        while self.next_ended().await {}
    }

    /// Whether the last look left something for want of room, and there is room again.
    pub fn has_room(&self) -> bool {
        self.left_over && self.actor.room(&self.config.loop_) * 2 >= self.config.loop_.max_in_flight
    }

    /// Whether nothing is under way.
    pub fn is_idle(&self) -> bool {
        self.actor.is_idle()
    }

    fn absorb(&mut self, ended: Ended) {
        metrics::ended(&ended);
        if let Ending::Failed(margrave_client::rpc::Failure::TooLarge { .. }) = ended.ending
            && ended.task.instructions.len() > 1
        {
            // The prices go ahead by themselves; the step follows when they are there.
            let (_, refreshes) = ended.task.instructions.split_last().expect("more than one");
            for refresh in refreshes {
                let subject = refresh.accounts[1].pubkey;
                self.backlog.push_front(Task {
                    job: Job::Prices,
                    step: "refresh_price",
                    subject,
                    instructions: vec![refresh.clone()],
                    health: None,
                    profit: None,
                });
            }
        }
        if let Some(Seen { slot, accounts }) = ended.seen {
            self.book.refetched(slot, accounts);
        }
    }

    /// Changes that were told of; everything, when some may have been missed or it is time.
    async fn take_updates(&mut self) {
        let updates = self.chain.updates();
        metrics::count("margrave_keeper_updates_total", updates.changed.len());
        metrics::set("margrave_keeper_live", i64::from(updates.live));
        for update in &updates.changed {
            self.book.apply(update);
        }
        let limits = &self.config.loop_;
        self.missed |= updates.missed;
        let every = if updates.live && !self.missed { limits.resync_secs } else { limits.poll_secs };
        let since = self.chain.elapsed().saturating_sub(self.read_everything_at);
        if updates.missed || since >= Duration::from_secs(every) {
            self.read_everything_at = self.chain.elapsed();
            self.missed = match self.chain.snapshot().await {
                Ok(snapshot) => !self.book.merge(snapshot),
                Err(failure) => {
                    tracing::warn!(reason = %failure, "everything cannot be read again");
                    true
                }
            };
            metrics::count("margrave_keeper_resyncs_total", usize::from(!self.missed));
        }
        self.heard = self.heard.max(self.book.slot).max(if updates.live { updates.slot } else { 0 });
    }

    /// The chain's clock, the wallet and the published prices, at one slot.
    async fn read_present(&mut self) -> Result<()> {
        let mut keys = vec![CLOCK, LAST_RESTART, self.chain.wallet()];
        let fixed = keys.len();
        keys.extend(self.prices.sources(&self.book, &self.config));
        let read = self.chain.read(&keys).await.context("the node cannot be read")?;
        ensure!(read.slot >= self.present.slot, "the node has gone back to slot {}", read.slot);
        let word = |account: usize, at: usize| {
            let data = &read.accounts.get(account)?.as_ref()?.data;
            Some(u64::from_le_bytes(data.get(at..at + 8)?.try_into().ok()?))
        };
        let now = word(0, 32).context("the clock cannot be read")?.cast_signed();
        self.present = Present { now, slot: read.slot, restart_slot: word(1, 0).unwrap_or(0) };
        if let Some(Some(wallet)) = read.accounts.get(2) {
            metrics::set("margrave_keeper_wallet_lamports", i64::try_from(wallet.lamports).unwrap_or(i64::MAX));
        }
        let published: HashMap<_, _> = keys.into_iter().zip(read.accounts).skip(fixed).collect();
        let published = published.into_iter().filter_map(|(key, account)| Some((key, account?))).collect();
        self.prices.look(&mut self.book, &published, self.config.group.0, &self.present);
        for (key, reason) in &self.prices.refused {
            tracing::debug!(underlying = %key, reason, "the published price is not accepted");
        }
        Ok(())
    }

    /// Begins what is due, as far as there is room: prices, accounts by depth, losses, then the rest.
    fn begin(&mut self, due: &[(i64, Pubkey)]) -> usize {
        let elapsed = self.chain.elapsed();
        let keeper = keeper::Keeper {
            margin_account: self.margin_account,
            avoided: &self.avoided,
            avoided_secs: self.config.profit.avoided_secs,
        };
        let view = View {
            book: &self.book,
            prices: &self.prices,
            config: &self.config,
            wallet: self.chain.wallet(),
            keeper,
            now: self.present.now,
        };
        let gate = self.gate();
        let (chain, actor, limits) = (&self.chain, &mut self.actor, &self.config.loop_);
        let mut begun = 0;
        let mut begin = |task: Task, actor: &mut Actor| {
            metrics::begun(&task);
            actor.begin(chain, task, gate, view.config.dry_run);
            begun += 1;
        };
        // A price first: one of them may hold up everything else.
        for task in view.prices() {
            if actor.room(limits) > 0 && actor.is_free(task.job, &task.subject, elapsed) {
                begin(task, actor);
            }
        }
        for (health, key) in due.iter().filter(|(_, key)| is_ours(view.config, key, &self.margin_account)) {
            if actor.room(limits) == 0 {
                break;
            }
            let free = |job, actor: &Actor| actor.is_free(job, key, elapsed);
            if !free(Job::Liquidation, actor) || !free(Job::Bankruptcy, actor) {
                continue;
            }
            match view.account(key, *health) {
                Ok(Some(task)) => begin(task, actor),
                Ok(None) => actor.rest(Job::Liquidation, *key, elapsed + NOTHING_TO_DO),
                Err(reason) => {
                    tracing::debug!(account = %key, health, reason, "not decided");
                    actor.rest(Job::Liquidation, *key, elapsed + Duration::from_secs(1));
                }
            }
        }
        let mut rest: Vec<Task> = view.losses();
        rest.extend(view.chores(&mut self.schedule, elapsed));
        for task in rest {
            let waits = |other: &Task| (other.job, other.subject) == (task.job, task.subject);
            if !self.backlog.iter().any(waits) {
                self.backlog.push_back(task);
            }
        }
        let mut later = VecDeque::new();
        while let Some(task) = self.backlog.pop_front() {
            if actor.room(limits) == 0 {
                self.backlog.push_front(task);
                break;
            }
            match actor.is_free(task.job, &task.subject, elapsed) {
                true => begin(task, actor),
                false => later.push_back(task),
            }
        }
        self.backlog.extend(later);
        self.left_over = actor.room(limits) == 0;
        begun
    }

    fn gate(&self) -> Gate {
        let profit = &self.config.profit;
        let mut sheets = self.book.accounts.underlyings.values();
        let sol = sheets.find(|sheet| symbol(sheet) == profit.sol).map(|sheet| sheet.oracle.price / 10_000);
        let most_price = match self.config.priority.percentile {
            0 => self.config.priority.price,
            _ => self.config.priority.most,
        };
        Gate { least: profit.least, most_price, sol_price: sol.filter(|price| *price > 0).unwrap_or(profit.sol_price) }
    }

    fn report(&self) {
        metrics::set("margrave_keeper_accounts", self.book.accounts.margin_accounts.len());
        metrics::set("margrave_keeper_in_flight", self.actor.len());
        metrics::set("margrave_keeper_backlog", self.backlog.len());
        let lag = self.present.slot.saturating_sub(self.heard);
        metrics::set("margrave_keeper_slot_lag", i64::try_from(lag).unwrap_or(i64::MAX));
        self.status.is_behind(lag > self.config.loop_.max_slot_lag);
        for sheet in self.book.sheets.values() {
            metrics::oracle_age(symbol(sheet), self.present.now - sheet.oracle.publish_time);
        }
        if let Ok(value) = self.book.accounts.value_to_liquidate(&self.margin_account, self.present.now) {
            metrics::set("margrave_keeper_equity_micros", value.equity.micros());
            metrics::set("margrave_keeper_free_micros", value.initial_health().micros());
        }
        if let Ok(unix) = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            metrics::set("margrave_keeper_last_look_timestamp_seconds", unix.as_secs());
        }
    }
}

fn is_ours(config: &Config, key: &Pubkey, own: &Pubkey) -> bool {
    let named = |list: &[crate::config::Address]| list.iter().any(|it| it.0 == *key);
    key != own && (config.only.is_empty() || named(&config.only)) && !named(&config.except)
}
