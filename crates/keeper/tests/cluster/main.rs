//! The keeper's binary on a real validator over RPC: killed at random moments (F-07), behind a network that fails in every way
//! (F-08, F-12), and against others. `./dev e2e` runs this; `MARGRAVE_VALIDATOR` is the path of solana-test-validator.

#[path = "../common/mod.rs"]
mod common;
mod network;
mod proxy;

use anyhow::{Result, ensure};
use network::*;
use proxy::{Faults, Proxy};
use std::time::{Duration, Instant};

/// All due work is done within so long.
const PATIENCE: Duration = Duration::from_secs(60);
/// The price at which all of 40 accounts of 400 SOL and more may be liquidated.
const CRASH: i64 = 270_000_000_000;

/// A number that a variable gives.
fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// `MARGRAVE_KILLS` kills, while the price falls and more and more accounts are due.
#[tokio::test]
async fn a_killed_keeper_leaves_nothing_half_done() -> Result<()> {
    let kills = number("MARGRAVE_KILLS", 20);
    let mut network = Network::start("killed", (0..40).map(|at| 200 + 7 * at), 1).await?;
    let mut rng = fastrand::Rng::with_seed(7);
    for life in 1..=kills {
        // From 35 to 27 dollars, a little at a time.
        network.publish(PRICE - (PRICE - CRASH) / i64::try_from(kills)? * i64::try_from(life)?);
        let mut process = network.spawn_keeper(0, RPC, WEBSOCKET)?;
        tokio::time::sleep(Duration::from_millis(rng.u64(50..2_500))).await;
        process.kill()?;
        if life % 20 == 0 {
            let snapshot = network.require_books().await?;
            println!("{life} kills, {} due", due(&snapshot).len());
        }
    }
    let killed = network.require_once(&network.rest().await?).await?;
    println!("killed {kills} times: {killed:?}");
    ensure!(killed.steps > 0, "nothing was done before a kill");

    let mut process = network.spawn_keeper(0, RPC, WEBSOCKET)?;
    println!("all due work was done {:?} after the last start", network.settle(PATIENCE).await?);
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("memory: {} KiB", process.memory());
    let stopped = Instant::now();
    let status = process.terminate()?;
    ensure!(status.success(), "SIGTERM: {status}");
    println!("SIGTERM: {status} after {:?}", stopped.elapsed());
    let after = network.require_books().await?;
    println!("{:?}", network.require_once(&after).await?);
    network.execute_change().await
}

#[tokio::test]
async fn a_bad_network_holds_up_nothing_for_a_minute() -> Result<()> {
    let mut network = Network::start("faults", (0..40).map(|at| 400 + at), 1).await?;
    let proxy = Proxy::start(RPC, WEBSOCKET, 11).await?;
    let mut keeper = network.spawn_keeper(0, &proxy.rpc, &proxy.websocket)?;
    network.until_counted(0, "margrave_keeper_live", 1, PATIENCE).await?;
    proxy.play(Faults { lost: 10, unheard: 10, limited: 10, delayed: 20, stale: 10, untold: 10, overtaken: 10 });
    let resyncs = network.counted(0, "margrave_keeper_resyncs_total").await?;
    network.publish(CRASH);
    proxy.cut();
    let done = network.settle(PATIENCE).await?;
    println!("all due work was done {done:?} after the crash");

    // The lines that were lost come up again, and everything is read anew: after a cut, and after a silence.
    proxy.play(Faults::default());
    network.until_counted(0, "margrave_keeper_resyncs_total", resyncs + 1, PATIENCE).await?;
    proxy.silence();
    network.until_counted(0, "margrave_keeper_resyncs_total", resyncs + 2, PATIENCE).await?;
    network.until_counted(0, "margrave_keeper_live", 1, PATIENCE).await?;
    println!("played: {:?}", proxy.played());
    keeper.kill()?;
    let snapshot = network.require_books().await?;
    let tally = network.require_once(&snapshot).await?;
    println!("{tally:?}");
    ensure!(tally.accounts == 40, "not everybody was below maintenance margin");
    ensure!(due(&snapshot).is_empty());
    Ok(())
}

/// One step of the price, and everybody is due at once for `MARGRAVE_KEEPERS` keepers.
#[tokio::test]
async fn keepers_that_compete_take_everything_once() -> Result<()> {
    let keepers = number("MARGRAVE_KEEPERS", 5);
    let mut network = Network::start("compete", (0..40).map(|at| 400 + at), keepers).await?;
    let mut processes = Vec::new();
    for at in 0..keepers {
        processes.push(network.spawn_keeper(at, RPC, WEBSOCKET)?);
        network.until_counted(at, "margrave_keeper_live", 1, PATIENCE).await?;
    }
    network.publish(CRASH);
    println!("{keepers} keepers: all due work was done {:?} after the crash", network.settle(PATIENCE).await?);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut landed = 0;
    for at in 0..keepers {
        let counts = ["attempts", "successes", "failures"];
        let mut counted = [0; 3];
        for (name, count) in counts.iter().zip(&mut counted) {
            let metric = format!("margrave_keeper_{name}_total{{job=\"liquidation\"");
            *count = network.counted(at, &metric).await?;
        }
        println!("keeper {at}: {counts:?} {counted:?}, {}", network.reasons(at).await?);
        landed += counted[1];
    }
    processes.clear();
    let snapshot = network.require_books().await?;
    let tally = network.require_once(&snapshot).await?;
    println!("{tally:?}");
    ensure!(due(&snapshot).is_empty());
    ensure!((tally.accounts, tally.steps) == (40, usize::try_from(landed)?), "every step is one keeper's");
    Ok(())
}
