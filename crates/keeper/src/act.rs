//! Tasks become transactions: simulated, held against what they must earn, sent, confirmed. One at a time for each address that a task
//! is about, and none for a while after a failure. Nothing here is remembered across a restart: the chain knows what was done.

use crate::{
    chain::{Chain, Fetched},
    config::Loop,
};
use futures_util::{FutureExt, StreamExt, future::LocalBoxFuture, stream::FuturesUnordered};
use margrave_client::{Instruction, Pubkey, rpc::Failure};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    time::Duration,
};

/// What a task is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Job {
    Liquidation,
    Bankruptcy,
    Losses,
    Prices,
    Depeg,
    Expiry,
    Settlement,
    Interest,
    Sweep,
    Proposals,
}

impl Job {
    pub const ALL: [Self; 10] = [
        Self::Liquidation,
        Self::Bankruptcy,
        Self::Losses,
        Self::Prices,
        Self::Depeg,
        Self::Expiry,
        Self::Settlement,
        Self::Interest,
        Self::Sweep,
        Self::Proposals,
    ];

    const fn lane(self) -> Lane {
        if matches!(self, Self::Prices) { Lane::Prices } else { Lane::Rest }
    }

    /// As in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Liquidation => "liquidation",
            Self::Bankruptcy => "bankruptcy",
            Self::Losses => "losses",
            Self::Prices => "prices",
            Self::Depeg => "depeg",
            Self::Expiry => "expiry",
            Self::Settlement => "settlement",
            Self::Interest => "interest",
            Self::Sweep => "sweep",
            Self::Proposals => "proposals",
        }
    }
}

/// Tasks of one lane about one address follow one another. A price is in nobody's way: whoever comes second changes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Lane {
    Prices,
    Rest,
}

/// One transaction that should be made now.
#[derive(Clone, Debug)]
pub struct Task {
    pub job: Job,
    /// What it does, in a word.
    pub step: &'static str,
    /// The margin account, underlying, bank, group or proposal it is about.
    pub subject: Pubkey,
    pub instructions: Vec<Instruction>,
    /// The account's equity beyond maintenance margin, micro-dollars.
    pub health: Option<i64>,
    /// What the keeper gains, micro-dollars, before fees; not given: it is done at the keeper's cost.
    pub profit: Option<i64>,
}

/// What a transaction must earn, and what its fee is counted at.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gate {
    /// Micro-dollars after the fee.
    pub least: i64,
    /// The most that the priority policy pays, micro-lamports for each compute unit.
    pub most_price: u64,
    /// Micro-dollars for each SOL.
    pub sol_price: i64,
}

/// Lamports for each signature.
const SIGNATURE_LAMPORTS: u128 = 5_000;

impl Gate {
    /// What a transaction that uses so many units costs at most, micro-dollars, rounded up.
    pub fn fee(&self, units: u64) -> i64 {
        let priority = (u128::from(units) * u128::from(self.most_price)).div_ceil(1_000_000);
        let sol_price = u128::from(self.sol_price.max(0).unsigned_abs());
        let micros = ((SIGNATURE_LAMPORTS + priority) * sol_price).div_ceil(1_000_000_000);
        i64::try_from(micros).unwrap_or(i64::MAX)
    }

    fn lets_pass(&self, profit: i64, units: u64) -> bool {
        profit.saturating_sub(self.fee(units)) >= self.least
    }
}

/// What became of a task.
#[derive(Debug)]
pub enum Ending {
    Done {
        signature: String,
        units: u64,
    },
    /// It would have succeeded, and nothing is sent.
    Simulated {
        units: u64,
    },
    Unprofitable {
        units: u64,
    },
    Failed(Failure),
}

impl Ending {
    /// A word for metrics: the program's rule where one was broken.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Simulated { .. } => "simulated",
            Self::Unprofitable { .. } => "unprofitable",
            Self::Failed(failure) => match failure {
                Failure::Refused { refusal, .. } => refusal.name,
                Failure::Failed { .. } => "failed",
                Failure::Expired { .. } => "expired",
                Failure::Unknown { .. } => "unknown",
                Failure::TooLarge { .. } => "too_large",
                Failure::NotBuilt(_) => "not_built",
                Failure::WrongAccount { .. } => "wrong_account",
                Failure::Rpc(_) => "rpc_error",
            },
        }
    }
}

/// A task that has ended, and the accounts it was about as they are afterwards.
pub struct Ended {
    pub task: Task,
    pub ending: Ending,
    pub seen: Option<Seen>,
}

/// Some accounts as they were at a slot; `None` for those that did not exist.
pub struct Seen {
    pub slot: u64,
    pub accounts: Vec<(Pubkey, Option<Fetched>)>,
}

/// Tasks under way, and what is left alone.
#[derive(Default)]
pub struct Actor {
    under_way: FuturesUnordered<LocalBoxFuture<'static, Ended>>,
    busy: HashSet<(Pubkey, Lane)>,
    resting: HashMap<(Job, Pubkey), Rest>,
}

struct Rest {
    until: Duration,
    failures: u32,
}

impl Actor {
    /// How many more tasks may begin.
    pub fn room(&self, limits: &Loop) -> usize {
        limits.max_in_flight.saturating_sub(self.under_way.len())
    }

    pub fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// How many tasks are under way.
    pub fn len(&self) -> usize {
        self.under_way.len()
    }

    pub fn is_empty(&self) -> bool {
        self.under_way.is_empty()
    }

    /// Whether a task of this kind about this address may begin.
    pub fn is_free(&self, job: Job, subject: &Pubkey, elapsed: Duration) -> bool {
        let rests = self.resting.get(&(job, *subject)).is_some_and(|rest| rest.until > elapsed);
        !rests && !self.busy.contains(&(*subject, job.lane()))
    }

    /// Begins a task. The caller has asked whether it may.
    pub fn begin<C: Chain + 'static>(&mut self, chain: &Rc<C>, task: Task, gate: Gate, dry_run: bool) {
        self.busy.insert((task.subject, task.job.lane()));
        self.under_way.push(perform(Rc::clone(chain), task, gate, dry_run).boxed_local());
    }

    /// Leaves a task about this address alone until then.
    pub fn rest(&mut self, job: Job, subject: Pubkey, until: Duration) {
        self.resting.insert((job, subject), Rest { until, failures: 0 });
    }

    /// The next task that ends; `None` when none is under way.
    pub async fn next(&mut self, limits: &Loop, elapsed: impl Fn() -> Duration) -> Option<Ended> {
        let ended = self.under_way.next().await?;
        self.note(&ended, limits, elapsed());
        Some(ended)
    }

    /// A task that has ended already, without waiting.
    pub fn next_now(&mut self, limits: &Loop, elapsed: Duration) -> Option<Ended> {
        let ended = self.under_way.next().now_or_never()??;
        self.note(&ended, limits, elapsed);
        Some(ended)
    }

    fn note(&mut self, ended: &Ended, limits: &Loop, elapsed: Duration) {
        let key = (ended.task.job, ended.task.subject);
        self.busy.remove(&(ended.task.subject, ended.task.job.lane()));
        if matches!(ended.ending, Ending::Done { .. }) {
            self.resting.remove(&key);
            return;
        }
        let most = Duration::from_millis(limits.backoff_most_ms);
        let rest = self.resting.entry(key).or_insert(Rest { until: elapsed, failures: 0 });
        let pause =
            |failures: u32| Duration::from_millis(limits.backoff_ms.saturating_mul(1 << failures.min(20))).min(most);
        rest.until = elapsed
            + match &ended.ending {
                Ending::Simulated { .. } => most,
                // Bad luck says nothing about the task: whoever has it again and again is not left alone for longer and longer.
                Ending::Failed(failure) if failure.is_of_the_network() => pause(0),
                _ => {
                    rest.failures = rest.failures.saturating_add(1);
                    pause(rest.failures - 1)
                }
            };
        // What has rested for long is forgotten.
        self.resting.retain(|_, rest| rest.until + most > elapsed);
    }
}

/// Reads after a transaction until the node has seen it.
const MOST_READS: u32 = 10;
const READ_PAUSE: Duration = Duration::from_millis(300);

async fn perform<C: Chain>(chain: Rc<C>, task: Task, gate: Gate, dry_run: bool) -> Ended {
    let (ending, least_slot) = match attempt(&*chain, &task, gate, dry_run).await {
        Ok((ending, slot)) => (ending, slot),
        Err(failure) => (Ending::Failed(failure), 0),
    };
    if matches!(ending, Ending::Simulated { .. } | Ending::Unprofitable { .. }) {
        return Ended { task, ending, seen: None };
    }
    // Whatever has happened, the next decision is made on accounts that have seen it.
    let metas = task.instructions.iter().flat_map(|instruction| &instruction.accounts);
    let mut keys: Vec<Pubkey> = metas.filter(|meta| meta.is_writable).map(|meta| meta.pubkey).collect();
    keys.push(task.subject);
    keys.sort_unstable();
    keys.dedup();
    let mut seen = None;
    for _ in 0..MOST_READS {
        if let Ok(read) = chain.read(&keys).await
            && read.slot >= least_slot
        {
            seen = Some(Seen { slot: read.slot, accounts: keys.into_iter().zip(read.accounts).collect() });
            break;
        }
        chain.pause(READ_PAUSE).await;
    }
    Ended { task, ending, seen }
}

async fn attempt<C: Chain>(chain: &C, task: &Task, gate: Gate, dry_run: bool) -> Result<(Ending, u64), Failure> {
    let units = chain.simulate(&task.instructions).await?.compute_units;
    if task.profit.is_some_and(|profit| !gate.lets_pass(profit, units)) {
        return Ok((Ending::Unprofitable { units }, 0));
    }
    if dry_run {
        return Ok((Ending::Simulated { units }, 0));
    }
    let receipt = chain.send(&task.instructions, units).await?;
    Ok((Ending::Done { signature: receipt.signature.to_string(), units }, receipt.slot))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fee_is_counted_at_its_most_and_rounded_up() {
        let gate = Gate { least: 1_000, most_price: 1_000_000, sol_price: 150_000_000 };
        // 5,000 lamports and 200,000 units at a lamport each are 0.000205 SOL: 0.03075 dollars.
        assert_eq!(gate.fee(200_000), 30_750);
        assert!(gate.lets_pass(31_750, 200_000));
        assert!(!gate.lets_pass(31_749, 200_000));
        assert_eq!(Gate { sol_price: 1, ..gate }.fee(0), 1);
    }

    /// How long a task rests after each of some failures.
    fn rests(failure: impl Fn() -> Failure) -> Vec<u64> {
        let (mut actor, limits) = (Actor::default(), Loop::default());
        let subject = Pubkey::new_unique();
        let fail = |_| {
            let (job, instructions) = (Job::Liquidation, Vec::new());
            let task = Task { job, step: "positions", subject, instructions, health: None, profit: None };
            actor.note(&Ended { task, ending: Ending::Failed(failure()), seen: None }, &limits, Duration::ZERO);
            actor.resting[&(job, subject)].until.as_secs()
        };
        (0..8).map(fail).collect()
    }

    #[test]
    fn what_is_refused_rests_for_longer_each_time_and_what_is_lost_does_not() {
        assert_eq!(rests(|| Failure::Failed { error: String::new(), log: vec![] }), [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(rests(|| Failure::Expired { signature: Default::default() }), [1; 8]);
    }
}
