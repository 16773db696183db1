//! The chain of `margrave-sim` as a keeper sees it: the compiled program in process, with time that tests move.
#![allow(dead_code)]

use margrave_client::{
    Instruction, Pubkey, Refusal, pda,
    rpc::{Failure, MAX_COMPUTE_UNITS, Priority, Receipt, Sending, Simulation, Snapshot},
};
use margrave_keeper::{
    chain::{Chain, Fetched, Read},
    config::{Address, Config, PriceSource},
    feed::{Update, Updates},
    keeper::Keeper,
};
use margrave_sim::{RECEIVER, Trader, World};
use solana_keypair::Keypair;
use solana_rpc_client_api::client_error::ErrorKind;
use solana_signer::Signer;
use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// How a chain misbehaves.
#[derive(Clone, Copy, Default)]
pub struct Faults {
    /// In so many of a hundred questions there is no answer.
    pub lost_percent: u8,
    /// In so many of a hundred readings the answer is of before.
    pub stale_percent: u8,
    /// So many of a hundred transactions never land.
    pub dropped_percent: u8,
    /// So many of a hundred land, and nobody hears of it.
    pub unheard_percent: u8,
}

/// One node, and what one keeper asks of it.
pub struct SimChain {
    pub world: Rc<RefCell<World>>,
    pub wallet: Keypair,
    pub live: bool,
    pub faults: Cell<Faults>,
    pub sent: Cell<u64>,
    pub landed: Cell<u64>,
    /// What has changed since it was asked last is lost, and that something may be is told.
    pub cut: Cell<bool>,
    rng: RefCell<fastrand::Rng>,
    seen: RefCell<BTreeMap<Pubkey, Vec<u8>>>,
    old: RefCell<Option<Snapshot>>,
}

/// Lets go once, as every real question does.
async fn hop() {
    let mut gone = false;
    std::future::poll_fn(|context| match std::mem::replace(&mut gone, true) {
        true => Poll::Ready(()),
        false => {
            context.waker().wake_by_ref();
            Poll::Pending
        }
    })
    .await;
}

fn no_answer() -> Failure {
    Failure::Rpc(Box::new(ErrorKind::Io(std::io::Error::other("no answer")).into()))
}

impl SimChain {
    pub fn new(world: &Rc<RefCell<World>>, wallet: &Trader, live: bool) -> Self {
        Self {
            world: Rc::clone(world),
            wallet: wallet.keypair.insecure_clone(),
            live,
            faults: Cell::default(),
            sent: Cell::new(0),
            landed: Cell::new(0),
            cut: Cell::new(false),
            rng: RefCell::new(fastrand::Rng::with_seed(7)),
            seen: RefCell::default(),
            old: RefCell::default(),
        }
    }

    fn happens(&self, percent: u8) -> bool {
        self.rng.borrow_mut().u8(0..100) < percent
    }

    fn lost(&self) -> Result<(), Failure> {
        match self.happens(self.faults.get().lost_percent) {
            true => Err(no_answer()),
            false => Ok(()),
        }
    }

    fn slot(&self) -> u64 {
        self.world.borrow().svm.get_sysvar::<solana_clock::Clock>().slot
    }

    fn failure(error: String, log: Vec<String>) -> Failure {
        match Refusal::in_log(&log) {
            Some(refusal) => Failure::Refused { refusal, log },
            None => Failure::Failed { error, log },
        }
    }

    fn transaction(
        &self,
        instructions: &[Instruction],
        units: u32,
    ) -> Result<solana_transaction::versioned::VersionedTransaction, Failure> {
        let mut sending = Sending::new(&self.wallet, instructions.to_vec());
        sending.priority = Priority::Fixed(0);
        sending.build(self.world.borrow().svm.latest_blockhash(), units, 0)
    }
}

impl Chain for SimChain {
    async fn snapshot(&self) -> Result<Snapshot, Failure> {
        hop().await;
        self.lost()?;
        if self.happens(self.faults.get().stale_percent)
            && let Some(old) = &*self.old.borrow()
        {
            return Ok(old.clone());
        }
        let world = self.world.borrow();
        let mut snapshot = Snapshot { slot: self.slot(), now: world.now(), ..Snapshot::default() };
        for (key, account) in world.svm.get_program_accounts(&margrave::ID) {
            snapshot.insert(key, &account.data);
        }
        *self.old.borrow_mut() = Some(snapshot.clone());
        Ok(snapshot)
    }

    fn updates(&self) -> Updates {
        if !self.live {
            return Updates::none();
        }
        let (slot, mut seen) = (self.slot(), self.seen.borrow_mut());
        let mut updates = Updates { live: true, slot, ..Updates::default() };
        for (key, account) in self.world.borrow().svm.get_program_accounts(&margrave::ID) {
            if seen.get(&key) != Some(&account.data) {
                seen.insert(key, account.data.clone());
                updates.changed.push(Update { slot, key, data: account.data });
            }
        }
        if self.cut.take() {
            updates.changed.clear();
            updates.missed = true;
        }
        updates
    }

    async fn read(&self, keys: &[Pubkey]) -> Result<Read, Failure> {
        hop().await;
        self.lost()?;
        let world = self.world.borrow();
        let fetch = |key: &Pubkey| {
            let account = world.svm.get_account(key)?;
            Some(Fetched { owner: account.owner, lamports: account.lamports, data: account.data })
        };
        Ok(Read { slot: self.slot(), accounts: keys.iter().map(fetch).collect() })
    }

    async fn simulate(&self, instructions: &[Instruction]) -> Result<Simulation, Failure> {
        hop().await;
        self.lost()?;
        let transaction = self.transaction(instructions, MAX_COMPUTE_UNITS)?;
        match self.world.borrow().svm.simulate_transaction(transaction) {
            Ok(info) => Ok(Simulation {
                compute_units: info.meta.compute_units_consumed,
                log: info.meta.logs,
                return_data: vec![],
                events: vec![],
            }),
            Err(failed) => Err(Self::failure(failed.err.to_string(), failed.meta.logs)),
        }
    }

    async fn send(&self, instructions: &[Instruction], units: u64) -> Result<Receipt, Failure> {
        hop().await;
        self.lost()?;
        self.sent.set(self.sent.get() + 1);
        let faults = self.faults.get();
        self.world.borrow_mut().svm.expire_blockhash();
        let limit = u32::try_from((units + 300) * 12 / 10).unwrap().min(MAX_COMPUTE_UNITS);
        let transaction = self.transaction(instructions, limit)?;
        let signature = transaction.signatures[0];
        if self.happens(faults.dropped_percent) {
            hop().await;
            return Err(Failure::Expired { signature });
        }
        let outcome = self.world.borrow_mut().svm.send_transaction(transaction);
        // A keeper may die before it hears of it.
        hop().await;
        let meta = outcome.map_err(|failed| Self::failure(failed.err.to_string(), failed.meta.logs))?;
        self.landed.set(self.landed.get() + 1);
        if self.happens(faults.unheard_percent) {
            return Err(no_answer());
        }
        Ok(Receipt { signature, slot: self.slot(), compute_units: meta.compute_units_consumed })
    }

    fn wallet(&self) -> Pubkey {
        self.wallet.pubkey()
    }

    fn elapsed(&self) -> Duration {
        Duration::from_secs(self.world.borrow().now().saturating_sub(World::START).max(0).unsigned_abs())
    }

    async fn pause(&self, _: Duration) {
        hop().await;
    }
}

/// Polls to the end; everything that a test awaits goes on by itself.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    polled(future, 10_000_000).expect("it ends")
}

/// Polls at most so many times, then drops it where it is: what a kill does.
pub fn polled<T>(future: impl Future<Output = T>, most: usize) -> Option<T> {
    let mut future = Box::pin(future);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..most {
        if let Poll::Ready(value) = Pin::as_mut(&mut future).poll(&mut context) {
            return Some(value);
        }
    }
    None
}

/// A configuration for the standard market of a world.
pub fn config(world: &World) -> Config {
    let mut config = Config { group: Address(world.group), ..Config::default() };
    config.price.push(PriceSource { underlying: "SOL".to_owned(), account: Address(world.price_update) });
    config.jobs.settlement_secs = 10;
    config.jobs.settlement_least = 1;
    // The last lots of a liquidation earn less than their fee: these keepers do them all the same.
    config.profit.least = -10_000;
    config
}

pub fn keeper_on(chain: &Rc<SimChain>, config: &Config) -> Keeper<SimChain> {
    // Where RUST_LOG asks for it.
    let _ = tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).try_init();
    block_on(Keeper::start(Rc::clone(chain), config.clone(), Arc::default())).expect("it starts")
}

/// One look, and everything that it began to its end.
pub async fn step(keeper: &mut Keeper<SimChain>) -> usize {
    let begun = keeper.look().await.map_or(0, |look| look.begun);
    while keeper.next_ended().await {}
    begun
}

/// Publishes a price that nobody has put on chain.
pub fn publish(world: &mut World, price: i64) {
    let message = world.good_price(price);
    world.post(&message, RECEIVER);
}

/// Time passes, and the price is published again as it is.
pub fn pass(world: &Rc<RefCell<World>>, secs: i64, price: i64) {
    let mut world = world.borrow_mut();
    let now = world.now();
    world.set_time(now + secs);
    publish(&mut world, price);
}

/// The margin account of a wallet.
pub fn account_of(world: &World, trader: &Trader) -> Pubkey {
    pda::margin_account(&world.group, &trader.key(), 0)
}
