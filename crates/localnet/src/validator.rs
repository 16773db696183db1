//! The validator: its ports, its start, its end.

use crate::{Arguments, spawn};
use anyhow::{Result, bail};
use margrave_client::{Pubkey, pyth, rpc::Connection};
use std::{net::TcpListener, path::Path, time::Duration};
use tokio::process::{Child, Command};

pub const RPC: &str = "http://127.0.0.1:8899";
pub const WEBSOCKET: &str = "ws://127.0.0.1:8900";
const RPC_PORT: u16 = 8899;
const WEBSOCKET_PORT: u16 = 8900;
const FAUCET_PORT: u16 = 9900;
/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// Refuses to start where somebody listens already: half a network would be worse than none.
pub fn require_free(others: &[(&str, u16)]) -> Result<()> {
    let ours = [("RPC", RPC_PORT), ("websocket", WEBSOCKET_PORT), ("faucet", FAUCET_PORT)];
    for (what, port) in ours.iter().chain(others) {
        if let Err(error) = TcpListener::bind(("127.0.0.1", *port)) {
            bail!(
                "port {port}, for the {what}, cannot be used: {error}. Is another local network running? Stop it first, \
                 or find who listens with: ss -ltnp 'sport = :{port}'"
            );
        }
    }
    Ok(())
}

fn arguments_of(arguments: &Arguments, admin: &Pubkey) -> Result<Vec<String>> {
    let program = |name: &str| {
        let path = arguments.programs.join(name);
        if !path.exists() {
            bail!("{} is not there; build it with ./dev build", path.display());
        }
        Ok(path.display().to_string())
    };
    let ledger = arguments.dir.join("ledger").display().to_string();
    let mut list: Vec<String> =
        ["--reset", "--quiet", "--bind-address", "127.0.0.1", "--limit-ledger-size", "50000"].map(str::to_owned).into();
    list.extend(["--ledger".to_owned(), ledger, "--mint".to_owned(), admin.to_string()]);
    list.extend(["--rpc-port".to_owned(), RPC_PORT.to_string(), "--faucet-port".to_owned(), FAUCET_PORT.to_string()]);
    let margrave = program("margrave.so")?;
    list.extend(["--upgradeable-program".to_owned(), margrave::ID.to_string(), margrave, admin.to_string()]);
    list.extend(["--bpf-program".to_owned(), pyth::RECEIVER.to_string(), program("margrave_price_receiver.so")?]);
    Ok(list)
}

pub fn start(arguments: &Arguments, admin: &Pubkey) -> Result<Child> {
    let log = arguments.dir.join("validator.log");
    spawn(Command::new(&arguments.validator).args(arguments_of(arguments, admin)?), &log)
}

/// Until it answers, is past its first slots and knows the programs.
pub async fn wait(connection: &Connection, child: &mut Child, dir: &Path) -> Result<()> {
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            bail!("the validator has ended ({status}); see {}", dir.join("validator.log").display());
        }
        let healthy = connection.rpc().get_health().await.is_ok();
        if healthy && connection.rpc().get_slot().await.is_ok_and(|slot| slot > 2) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!(
                "the validator does not answer within {} s; see {}",
                PATIENCE.as_secs(),
                dir.join("validator.log").display()
            );
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
