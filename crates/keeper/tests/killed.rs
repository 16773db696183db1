//! F-07 on a real validator: the keeper's binary is killed with SIGKILL at random moments, 200 times, while prices fall and more and more
//! accounts are due. Needs `MARGRAVE_VALIDATOR` (the path of solana-test-validator) and `MARGRAVE_PROGRAMS` (the folder of the
//! compiled programs), and takes some minutes:
//!
//! ```sh
//! cargo test -p margrave-keeper --test killed -- --ignored --nocapture
//! ```
//!
//! The market is made in process and given to the validator as its genesis accounts.

mod common;

use anchor_lang::{InstructionData, ToAccountMetas};
use anyhow::{Context, Result, ensure};
use base64::prelude::*;
use common::config;
use margrave_client::{
    Instruction, Pubkey, pyth,
    rpc::{Connection, Sending, Snapshot},
};
use margrave_keeper::config::{Address, Config};
use margrave_price_receiver::{accounts, instruction};
use margrave_sim::{SOL_FEED, TOKEN_PROGRAM, Trader, World, check_books};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    sync::atomic::{AtomicI64, Ordering},
    time::{Duration, Instant, SystemTime},
};

const RPC: &str = "http://127.0.0.1:18899";
const METRICS: &str = "127.0.0.1:19464";
const DOLLAR: u64 = 1_000_000;
const SOL: i64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;
const LONGS: i64 = 40;
const KILLS: usize = 200;

/// Ends a process when it goes out of scope, whatever has happened.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn variable(name: &str) -> Result<PathBuf> {
    Ok(std::env::var_os(name).with_context(|| format!("{name} is not set"))?.into())
}

/// Longs from 200 SOL on, each with 5,000 dollars, so that each dollar down makes some of them due.
fn market() -> Result<(World, Vec<Trader>, Trader)> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let mut world = World::with_market_at(PRICE, i64::try_from(now)?)?;
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let mut longs = Vec::new();
    for index in 0..LONGS {
        let long = world.funded(&format!("long {index}"), 5_000 * DOLLAR, 0);
        world.trade(&long, &maker, (200 + 7 * index) * SOL, PRICE)?;
        longs.push(long);
    }
    let keeper = world.funded("keeper", 10_000_000 * DOLLAR, 0);
    Ok((world, longs, keeper))
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
    let programs = variable("MARGRAVE_PROGRAMS")?;
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
    let connection = Connection::new(RPC);
    for _ in 0..120 {
        if connection.rpc().get_health().await.is_ok() && connection.rpc().get_slot().await.is_ok_and(|slot| slot > 2) {
            return Ok(child);
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    anyhow::bail!("the validator does not come up; see {}", dir.join("validator.log").display())
}

/// Posts the price that it is told every second.
fn publish(admin: &Keypair, price: &Arc<AtomicI64>) -> tokio::task::JoinHandle<()> {
    let (admin, price) = (admin.insecure_clone(), Arc::clone(price));
    tokio::spawn(async move {
        let connection = Connection::new(RPC);
        loop {
            let _ = connection.send(&Sending::new(&admin, vec![post(price.load(Ordering::Relaxed))])).await;
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    })
}

fn spawn_keeper(dir: &Path) -> Result<Process> {
    let log = fs::File::options().create(true).append(true).open(dir.join("keeper.log"))?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_margrave-keeper"));
    command.arg("--config").arg(dir.join("keeper.toml")).stdout(Stdio::null()).stderr(log);
    Ok(Process(command.spawn()?))
}

/// The chain's accounts in the world that they came from, where its laws are checked.
async fn require_books(world: &mut World, connection: &Connection) -> Result<Snapshot> {
    let snapshot = connection.snapshot(&world.group).await?;
    for owner in [margrave::ID, TOKEN_PROGRAM] {
        for (key, _) in world.svm.get_program_accounts(&owner) {
            let account = connection.rpc().get_account(&key).await?;
            let account = solana_account::Account {
                lamports: account.lamports,
                data: account.data,
                owner: account.owner,
                executable: false,
                rent_epoch: u64::MAX,
            };
            world.svm.set_account(key, account)?;
        }
    }
    check_books(world)?;
    Ok(snapshot)
}

/// Who may be liquidated at the price on chain.
fn due(snapshot: &Snapshot) -> Vec<Pubkey> {
    let accounts = snapshot.accounts.margin_accounts.iter();
    let is_due = |(key, account): &(&Pubkey, &margrave::state::MarginAccount)| {
        let value = snapshot.accounts.value_to_liquidate(key, snapshot.now);
        value.is_ok_and(|value| account.is_liquidatable(&value, snapshot.now))
    };
    accounts.filter(is_due).map(|(key, _)| *key).collect()
}

fn memory(process: &Process) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", process.0.id())).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().split(' ').next().and_then(|text| text.parse().ok()).unwrap_or_default()
}

#[tokio::test]
#[ignore = "needs a validator, and some minutes"]
async fn a_killed_keeper_leaves_nothing_half_done() -> Result<()> {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("killed");
    let _ = fs::remove_dir_all(&dir);
    let (mut world, longs, keeper) = market()?;
    genesis(&world, &[world.admin.pubkey(), keeper.key()], &dir.join("accounts"))?;
    fs::write(dir.join("wallet.json"), serde_json::to_string(&keeper.keypair.to_bytes().to_vec())?)?;
    let mut config =
        Config { rpc_url: RPC.to_owned(), ws_url: None, keypair: dir.join("wallet.json"), ..config(&world) };
    config.price[0].account = Address(price_account());
    config.listen = METRICS.parse()?;
    (config.priority.percentile, config.jobs.price_secs) = (0, 2);
    fs::write(dir.join("keeper.toml"), config.printed()?)?;

    let _validator = start_validator(&world, &dir).await?;
    let connection = Connection::new(RPC);
    let price = Arc::new(AtomicI64::new(PRICE));
    let publisher = publish(&world.admin, &price);
    let mut rng = fastrand::Rng::with_seed(7);
    for life in 0..KILLS {
        // From 35 to 27 dollars, a little at a time.
        let part = i64::try_from(life).unwrap_or(0);
        price.store(PRICE - part * 80_000_000_000 / 200, Ordering::Relaxed);
        let mut process = spawn_keeper(&dir)?;
        tokio::time::sleep(Duration::from_millis(rng.u64(50..2_500))).await;
        process.0.kill()?;
        process.0.wait()?;
        if life % 20 == 19 {
            let snapshot = require_books(&mut world, &connection).await?;
            println!("{} lives, {} due", life + 1, due(&snapshot).len());
        }
    }
    let before = require_books(&mut world, &connection).await?;
    let taken = |snapshot: &Snapshot| snapshot.accounts.margin_accounts[&keeper.margin_account].positions[0].quantity;
    println!(
        "killed {KILLS} times: {} SOL were taken over by then, {} accounts are due",
        taken(&before) / SOL,
        due(&before).len()
    );
    ensure!(taken(&before) > 0, "nothing was done before a kill");

    // Whatever is due is done within a minute of the last kill.
    let mut process = spawn_keeper(&dir)?;
    let started = Instant::now();
    let after = loop {
        let snapshot = connection.snapshot(&world.group).await?;
        let sheet = snapshot.accounts.underlyings.values().next().context("a sheet")?;
        let is_fresh = (sheet.oracle.price - price.load(Ordering::Relaxed)).abs() < 1_000;
        if is_fresh && due(&snapshot).is_empty() {
            break snapshot;
        }
        ensure!(started.elapsed() < Duration::from_secs(60), "still due: {:?}", due(&snapshot));
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    println!("all due work was done {:.1} s after the last start", started.elapsed().as_secs_f64());
    let held: i64 =
        longs.iter().map(|long| after.accounts.margin_accounts[&long.margin_account].positions[0].quantity).sum();
    assert_eq!(held + taken(&after), (0..LONGS).map(|index| (200 + 7 * index) * SOL).sum::<i64>(), "I-02");

    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("memory: {} KiB", memory(&process));
    let stopped = Instant::now();
    ensure!(Command::new("kill").args(["-TERM", &process.0.id().to_string()]).status()?.success());
    let status = process.0.wait()?;
    ensure!(status.success(), "SIGTERM: {status}");
    println!("SIGTERM: {status} after {:.1} s", stopped.elapsed().as_secs_f64());
    publisher.abort();
    require_books(&mut world, &connection).await?;
    Ok(())
}
