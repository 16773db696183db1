//! A validator with a market on it that was made in process and is given to it as genesis accounts, a publisher of prices, and keepers
//! as processes.

use crate::common::config;
use anchor_lang::{AccountSerialize, InstructionData, ToAccountMetas};
use anyhow::{Context, Result, bail, ensure};
use base64::prelude::*;
use margrave::state::{Change, GroupTerms, MarginAccount, Proposal};
use margrave_client::{
    Event, Instruction, Pubkey, pyth,
    rpc::{Connection, Sending, Snapshot},
};
use margrave_keeper::config::{Address, Config};
use margrave_price_receiver::{accounts, instruction};
use margrave_sim::{SOL_FEED, TOKEN_PROGRAM, Trader, World, check_books, terms::group_terms};
use solana_keypair::Keypair;
use solana_rpc_client_api::{request::RpcRequest, response::RpcConfirmedTransactionStatusWithSignature};
use solana_signer::Signer;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime},
};
use tokio::task::JoinHandle;

pub const RPC: &str = "http://127.0.0.1:18899";
pub const WEBSOCKET: &str = "ws://127.0.0.1:18900";
/// Of the first keeper; the others' are above it.
const METRICS_PORT: usize = 19464;
const DOLLAR: u64 = 1_000_000;
pub const SOL: i64 = 1_000_000_000;
pub const PRICE: i64 = 350_000_000_000;

/// What a queued change makes of the group, which nobody has executed.
const OUTFLOW_CAP: u64 = 77_000_000_000;

/// Ends a process when it goes out of scope, whatever has happened.
pub struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

impl Process {
    /// SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }

    /// SIGTERM, and what it ends with.
    pub fn terminate(&mut self) -> Result<ExitStatus> {
        ensure!(Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status()?.success());
        Ok(self.0.wait()?)
    }

    /// KiB.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.trim().split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default()
    }
}

/// Everything that runs but the keepers.
pub struct Network {
    dir: PathBuf,
    world: World,
    pub connection: Connection,
    longs: Vec<(Trader, i64)>,
    keepers: Vec<Trader>,
    price: Arc<AtomicI64>,
    publisher: JoinHandle<()>,
    _validator: Process,
}

impl Drop for Network {
    fn drop(&mut self) {
        self.publisher.abort();
    }
}

fn variable(name: &str) -> Result<PathBuf> {
    Ok(std::env::var_os(name).with_context(|| format!("{name} is not set; run ./dev e2e"))?.into())
}

impl Network {
    /// Longs of so many SOL each with 5,000 dollars, a maker between them, keepers, and a queued change whose time has come; `name` is the
    /// folder of what they write.
    pub async fn start(name: &str, sizes: impl Iterator<Item = i64>, keepers: usize) -> Result<Self> {
        let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        let _ = fs::remove_dir_all(&dir);
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let mut world = World::with_market_at(PRICE, i64::try_from(now)?)?;
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let mut longs = Vec::new();
        for size in sizes {
            let long = world.funded(&format!("long of {size}"), 5_000 * DOLLAR, 0);
            world.trade(&long, &maker, size * SOL, PRICE)?;
            longs.push((long, size * SOL));
        }
        let keepers: Vec<Trader> =
            (0..keepers).map(|at| world.funded(&format!("keeper {at}"), 10_000_000 * DOLLAR, 0)).collect();
        let change = Change::Group(GroupTerms { outflow_cap: OUTFLOW_CAP, ..group_terms() });
        let queued = world.queue(change)?;
        let mut account = world.svm.get_account(&queued).context("it is queued")?;
        let due = Proposal { executable_at: world.now(), ..world.proposal(&queued) };
        due.try_serialize(&mut account.data.as_mut_slice())?;
        world.svm.set_account(queued, account)?;
        let mut wallets: Vec<Pubkey> = keepers.iter().map(Trader::key).collect();
        wallets.push(world.admin.pubkey());
        genesis(&world, &wallets, &dir.join("accounts"))?;
        let validator = start_validator(&world, &dir).await?;
        let price = Arc::new(AtomicI64::new(PRICE));
        let publisher = publish(&world.admin, &price);
        let connection = Connection::new(RPC);
        Ok(Self { dir, world, connection, longs, keepers, price, publisher, _validator: validator })
    }

    /// What is published from now on.
    pub fn publish(&self, price: i64) {
        self.price.store(price, Ordering::Relaxed);
    }

    /// Starts a keeper that talks to the node at these addresses.
    pub fn spawn_keeper(&self, at: usize, rpc: &str, websocket: &str) -> Result<Process> {
        let wallet = self.dir.join(format!("wallet-{at}.json"));
        fs::write(&wallet, serde_json::to_string(&self.keepers[at].keypair.to_bytes().to_vec())?)?;
        let mut config = Config {
            rpc_url: rpc.to_owned(),
            ws_url: Some(websocket.to_owned()),
            keypair: wallet,
            listen: format!("127.0.0.1:{}", METRICS_PORT + at).parse()?,
            ..config(&self.world)
        };
        config.price[0].account = Address(price_account());
        (config.priority.percentile, config.jobs.price_secs) = (0, 2);
        let file = self.dir.join(format!("keeper-{at}.toml"));
        fs::write(&file, config.printed()?)?;
        let log = fs::File::options().create(true).append(true).open(self.dir.join(format!("keeper-{at}.log")))?;
        let mut command = Command::new(env!("CARGO_BIN_EXE_margrave-keeper"));
        command.arg("--config").arg(file).stdout(Stdio::null()).stderr(log);
        Ok(Process(command.spawn()?))
    }

    async fn metrics(&self, at: usize) -> Result<String> {
        Ok(reqwest::get(format!("http://127.0.0.1:{}/metrics", METRICS_PORT + at)).await?.text().await?)
    }

    /// What a keeper counts: the sum of all metrics whose name and labels begin so.
    pub async fn counted(&self, at: usize, metric: &str) -> Result<u64> {
        let metrics = self.metrics(at).await?;
        let lines = metrics.lines().filter(|line| line.starts_with(metric));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum())
    }

    /// How often a keeper's liquidations have failed, by reason.
    pub async fn reasons(&self, at: usize) -> Result<String> {
        const FAILURES: &str = "margrave_keeper_failures_total{job=\"liquidation\",reason=";
        let metrics = self.metrics(at).await?;
        let lines = metrics.lines().filter_map(|line| line.strip_prefix(FAILURES));
        Ok(lines.collect::<Vec<_>>().join(", "))
    }

    /// Until a keeper's counter has reached so much.
    pub async fn until_counted(&self, at: usize, metric: &str, least: u64, patience: Duration) -> Result<()> {
        let started = Instant::now();
        while self.counted(at, metric).await.unwrap_or(0) < least {
            ensure!(started.elapsed() < patience, "{metric} of keeper {at} has not reached {least}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    pub async fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.connection.snapshot(&self.world.group).await?)
    }

    /// The group when nothing has moved for four slots: what a keeper has sent may land when it is gone.
    pub async fn rest(&self) -> Result<Snapshot> {
        let sequences = |snapshot: &Snapshot| {
            let mut all: Vec<_> =
                snapshot.accounts.margin_accounts.iter().map(|(key, account)| (*key, account.sequence)).collect();
            all.sort_unstable();
            all
        };
        let mut before = self.snapshot().await?;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = self.snapshot().await?;
            if sequences(&now) != sequences(&before) {
                before = now;
            } else if now.slot >= before.slot + 4 {
                return Ok(now);
            }
        }
    }

    /// Until the price on chain is the published one and nobody may be liquidated at it; how long that took.
    pub async fn settle(&self, patience: Duration) -> Result<Duration> {
        let started = Instant::now();
        loop {
            let snapshot = self.snapshot().await?;
            let sheet = snapshot.accounts.underlyings.values().next().context("a sheet")?;
            let is_fresh = (sheet.oracle.price - self.price.load(Ordering::Relaxed)).abs() < 1_000;
            let due = due(&snapshot);
            if is_fresh && due.is_empty() {
                return Ok(started.elapsed());
            }
            ensure!(started.elapsed() < patience, "after {patience:?} these are due: {due:?}");
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// The chain's accounts in the world that they came from, where its laws are checked. No keeper may be at work.
    pub async fn require_books(&mut self) -> Result<Snapshot> {
        let snapshot = self.rest().await?;
        for owner in [margrave::ID, TOKEN_PROGRAM] {
            for (key, _) in self.world.svm.get_program_accounts(&owner) {
                let account = self.connection.rpc().get_account(&key).await?;
                let account = solana_account::Account {
                    lamports: account.lamports,
                    data: account.data,
                    owner: account.owner,
                    executable: false,
                    rent_epoch: u64::MAX,
                };
                self.world.svm.set_account(key, account)?;
            }
        }
        check_books(&self.world)?;
        Ok(snapshot)
    }

    /// Anybody makes the queued change, from the command line that is beside the keeper.
    pub async fn execute_change(&self) -> Result<()> {
        let cli = Path::new(env!("CARGO_BIN_EXE_margrave-keeper")).with_file_name("margrave");
        let wallet = self.dir.join("wallet-0.json");
        let command = |what: [&str; 3]| {
            Command::new(&cli).args(["-u", RPC, "--keypair"]).arg(&wallet).args(what).output().context("margrave")
        };
        let done = command(["admin", "execute", "0"])?;
        ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        ensure!(self.snapshot().await?.accounts.groups[&self.world.group].terms.outflow_cap == OUTFLOW_CAP);
        let again = command(["admin", "execute", "0"])?;
        ensure!(!again.status.success(), "a change is executed once");
        Ok(())
    }

    /// The transactions that name an account, those that failed as well, the newest first.
    async fn landed(&self, key: &Pubkey) -> Result<Vec<RpcConfirmedTransactionStatusWithSignature>> {
        let params = serde_json::json!([key.to_string(), { "commitment": "confirmed" }]);
        Ok(self.connection.rpc().send(RpcRequest::GetSignaturesForAddress, params).await?)
    }

    /// What has landed, in which nothing happened twice: each long was below maintenance margin when the first step came, has lost what
    /// the steps say, and all of it has arrived with the keepers.
    pub async fn require_once(&self, snapshot: &Snapshot) -> Result<Tally> {
        let held = |key: &Pubkey| snapshot.accounts.margin_accounts[key].positions[0].quantity;
        let mut tally = Tally::default();
        for (long, opened) in &self.longs {
            let (mut steps, mut taken, mut is_sliced) = (Vec::new(), 0, false);
            for found in self.landed(&long.margin_account).await?.into_iter().rev() {
                if found.err.is_some() {
                    tally.refused += 1;
                    continue;
                }
                let (_, events) = self.connection.transaction(&found.signature.parse()?).await?;
                for event in events {
                    match event {
                        Event::PositionsLiquidated(event) => {
                            taken += event.taken.iter().map(|taken| taken.quantity).sum::<i64>();
                            steps.push(event.health_before);
                        }
                        // Its event does not say how much that was.
                        Event::SliceLiquidated(event) => {
                            is_sliced = true;
                            steps.push(event.health_before);
                        }
                        _ => {}
                    }
                }
            }
            let lost = opened - held(&long.margin_account);
            ensure!(lost == taken || is_sliced && lost > taken, "{} has lost {lost} and not {taken}", long.name);
            ensure!(steps.first().is_none_or(|health| *health < 0), "{} was well: {steps:?}", long.name);
            tally.steps += steps.len();
            tally.accounts += usize::from(!steps.is_empty());
            tally.taken += lost;
        }
        let arrived: i64 = self.keepers.iter().map(|keeper| held(&keeper.margin_account)).sum();
        ensure!(tally.taken == arrived, "{} was taken, {arrived} has arrived", tally.taken);
        Ok(tally)
    }
}

/// What has landed about the longs.
#[derive(Debug, Default)]
pub struct Tally {
    /// Accounts from whom something was taken, and in how many steps.
    pub accounts: usize,
    pub steps: usize,
    /// Transactions that failed on chain.
    pub refused: usize,
    /// Units that changed hands.
    pub taken: i64,
}

/// Who may be liquidated at the price on chain.
pub fn due(snapshot: &Snapshot) -> Vec<Pubkey> {
    let accounts = snapshot.accounts.margin_accounts.iter();
    let is_due = |(key, account): &(&Pubkey, &MarginAccount)| {
        let value = snapshot.accounts.value_to_liquidate(key, snapshot.now);
        value.is_ok_and(|value| account.is_liquidatable(&value, snapshot.now))
    };
    accounts.filter(is_due).map(|(key, _)| *key).collect()
}

/// Everything that exists, as the validator reads it.
fn genesis(world: &World, wallets: &[Pubkey], dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let mut all = world.svm.get_program_accounts(&margrave::ID);
    all.extend(world.svm.get_program_accounts(&TOKEN_PROGRAM));
    all.extend(wallets.iter().filter_map(|key| Some((*key, world.svm.get_account(key)?))));
    all.push((price_account(), world.svm.get_account(&world.price_update).context("a price")?));
    for (key, account) in all {
        let text = serde_json::json!({"pubkey": key.to_string(), "account": {
            "lamports": account.lamports, "data": [BASE64_STANDARD.encode(&account.data), "base64"],
            "owner": account.owner.to_string(), "executable": false, "rentEpoch": u64::MAX, "space": account.data.len(),
        }});
        fs::write(dir.join(format!("{key}.json")), text.to_string())?;
    }
    Ok(())
}

fn price_account() -> Pubkey {
    Pubkey::find_program_address(&[&SOL_FEED], &pyth::RECEIVER).0
}

fn post(price: i64) -> Instruction {
    let accounts = accounts::Post { price_update: price_account() }.to_account_metas(None);
    let confidence = price.unsigned_abs() / 1_000;
    let data = instruction::Post { feed_id: SOL_FEED, price, confidence, exponent: -10 }.data();
    Instruction { program_id: pyth::RECEIVER, accounts, data }
}

async fn start_validator(world: &World, dir: &Path) -> Result<Process> {
    let programs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/deploy"));
    let mut command = Command::new(variable("MARGRAVE_VALIDATOR")?);
    command.args([
        "--reset",
        "--quiet",
        "--bind-address",
        "127.0.0.1",
        "--rpc-port",
        "18899",
        "--faucet-port",
        "19900",
    ]);
    command.args(["--dynamic-port-range", "18100-18160", "--gossip-port", "18099", "--limit-ledger-size", "50000"]);
    command.arg("--ledger").arg(dir.join("ledger")).arg("--account-dir").arg(dir.join("accounts"));
    command.args(["--mint", &world.admin.pubkey().to_string()]);
    let program = |id: Pubkey, file: &str| -> [OsString; 3] {
        ["--bpf-program".into(), id.to_string().into(), programs.join(file).into()]
    };
    command.args(program(margrave::ID, "margrave.so")).args(program(pyth::RECEIVER, "margrave_price_receiver.so"));
    let log = fs::File::create(dir.join("validator.log"))?;
    let child = Process(command.stdout(log.try_clone()?).stderr(log).spawn()?);
    // It answers long before it takes a transaction.
    let (connection, first) = (Connection::new(RPC), Sending::new(&world.admin, vec![post(PRICE)]));
    for _ in 0..120 {
        if connection.rpc().get_health().await.is_ok() && connection.send(&first).await.is_ok() {
            return Ok(child);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    bail!("the validator does not come up; see {}", dir.join("validator.log").display())
}

/// Posts the price that it is told every second.
fn publish(admin: &Keypair, price: &Arc<AtomicI64>) -> JoinHandle<()> {
    let (admin, price) = (admin.insecure_clone(), Arc::clone(price));
    tokio::spawn(async move {
        let connection = Connection::new(RPC);
        loop {
            let _ = connection.send(&Sending::new(&admin, vec![post(price.load(Ordering::Relaxed))])).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
}
