//! A local cluster with a market on it: a real validator, prices that move, a market maker that signs quotes, the keeper, and
//! small services for wallets (`/info`, `/faucet`, `/quote`, `/price`). One Ctrl-C stops all of it.

mod maker;
mod prices;
mod services;
mod validator;
mod wallets;

use anyhow::{Context, Result, bail};
use clap::Parser;
use maker::Maker;
use margrave_cli::deploy::{Config, Deployer, Deployment, local_account};
use margrave_client::{Pubkey, instruction, pda, pyth, rpc::Connection};
use prices::{Publisher, Source};
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};
use wallets::Wallets;

const SERVICES_PORT: u16 = 8787;
const METRICS_PORT: u16 = 9464;

/// A local cluster with a market on it.
#[derive(Parser)]
struct Arguments {
    /// What is listed.
    #[arg(long, default_value = "migrations/localnet.toml")]
    config: PathBuf,
    /// The solana-test-validator to run.
    #[arg(long, default_value = "solana-test-validator")]
    validator: PathBuf,
    /// Where the compiled programs are.
    #[arg(long, default_value = "target/deploy")]
    programs: PathBuf,
    /// The keeper to run; without it nobody brings prices on chain or liquidates.
    #[arg(long)]
    keeper: Option<PathBuf>,
    /// Ledger, keys, logs and the keeper's configuration; started afresh each time, but for the keys.
    #[arg(long, default_value = "target/localnet")]
    dir: PathBuf,
    /// Prices to replay: SYMBOL=FILE, a CSV with columns unix_time and close. May be given for each underlying.
    #[arg(long, value_name = "SYMBOL=FILE")]
    prices: Vec<Source>,
    /// Rows of the files for each second.
    #[arg(long, default_value_t = 1)]
    speed: usize,
    /// Prices stand still but for shocks.
    #[arg(long, conflicts_with = "prices")]
    calm: bool,
    /// Of the generated prices.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut network = tokio::select! {
        network = Network::start(&arguments) => network?,
        () = stop_signal() => return Ok(()),
    };
    network.greet();
    network.run().await
}

/// Everything that runs.
struct Network {
    children: Vec<(&'static str, Child)>,
    publisher: Arc<Publisher>,
    services: tokio::task::JoinHandle<Result<()>>,
    dir: PathBuf,
    started: Instant,
}

impl Network {
    async fn start(arguments: &Arguments) -> Result<Self> {
        let started = Instant::now();
        let say = |what: &str| eprintln!("{:>5.1} s  {what}", started.elapsed().as_secs_f64());
        let config = Config::read(&arguments.config)?;
        validator::require_free(&[("services", SERVICES_PORT), ("keeper", METRICS_PORT)])?;
        std::fs::create_dir_all(&arguments.dir).context("the working folder")?;
        let wallets = Wallets::open(&arguments.dir.join("keys"))?;

        say("starting the validator");
        let mut children = vec![("validator", validator::start(arguments, &wallets.admin.pubkey())?)];
        // One node has no forks. A new one takes no transaction before its 32nd slot, whatever is asked of it.
        let connection = Arc::new(Connection::with_commitment(validator::RPC, CommitmentConfig::processed()));
        validator::wait(&connection, &mut children[0].1, &arguments.dir).await?;

        say("making tokens and prices");
        let mints = wallets.create_mints(&connection, &config).await?;
        let publisher = Publisher::new(connection.clone(), &wallets, &config, arguments)?;
        wallets.fund_lamports(&connection).await?;
        publisher.open().await?;

        let deployer = Deployer {
            connection: &connection,
            config: &config,
            payer: &wallets.admin,
            mints: &mints,
            price_account: local_account,
            say: &say,
        };
        let deployment = deployer.deploy().await?;

        say("funding the market maker and the keeper");
        let maker = Maker::open(connection.clone(), &wallets, &deployment).await?;
        wallets.open_and_fund(&connection, &deployment, &wallets.keeper, 0, wallets::KEEPER_DEPOSIT).await?;
        let table = lookup_table(&connection, &wallets, &deployment, &maker).await?;

        let publisher = Arc::new(publisher);
        tokio::spawn({
            let publisher = publisher.clone();
            async move { publisher.run().await }
        });
        if let Some(keeper) = &arguments.keeper {
            say("starting the keeper");
            let file = arguments.dir.join("keeper.toml");
            std::fs::write(&file, keeper_config(&wallets, &deployment))?;
            children.push((
                "keeper",
                spawn(Command::new(keeper).arg("--config").arg(&file), &arguments.dir.join("keeper.log"))?,
            ));
        }
        std::fs::write(arguments.dir.join("config.yml"), user_config(&wallets))?;
        std::fs::write(arguments.dir.join("market.toml"), market_of(&arguments.config, &deployment)?)?;
        let info = services::info(&deployment, &config, &maker, table);
        std::fs::write(arguments.dir.join("info.json"), serde_json::to_vec_pretty(&info)?)?;
        let state = services::State::new(wallets, deployment, maker, publisher.clone(), info);
        let services = tokio::spawn(services::serve(state, SERVICES_PORT));
        say("ready");
        Ok(Self { children, publisher, services, dir: arguments.dir.clone(), started })
    }

    fn greet(&self) {
        let seconds = self.started.elapsed().as_secs();
        println!(
            "\nA market runs on this machine (started in {seconds} s; logs in {}).\n\n  \
             RPC        {}\n  websocket  {}\n  services   http://127.0.0.1:{SERVICES_PORT}/info\n  \
             keeper     http://127.0.0.1:{METRICS_PORT}/metrics\n  \
             wallet     {}\n\nIn another shell: target/debug/margrave -C {} faucet\nCtrl-C stops all of it.",
            self.dir.display(),
            validator::RPC,
            validator::WEBSOCKET,
            self.dir.join("keys/user.json").display(),
            self.dir.join("config.yml").display(),
        );
    }

    /// Until Ctrl-C, or until a part of it ends.
    async fn run(&mut self) -> Result<()> {
        let ended = tokio::select! {
            () = stop_signal() => None,
            name = first_to_end(&mut self.children) => Some(name),
            served = &mut self.services => {
                served??;
                Some("services")
            }
        };
        self.publisher.stop();
        for (name, child) in self.children.iter_mut().rev() {
            stop(name, child).await;
        }
        if let Some(name) = ended {
            bail!("the {name} has ended by itself; the end of its log is in {}", self.dir.display());
        }
        eprintln!("stopped");
        Ok(())
    }
}

async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn first_to_end(children: &mut [(&'static str, Child)]) -> &'static str {
    loop {
        for (name, child) in children.iter_mut() {
            if matches!(child.try_wait(), Ok(Some(_)) | Err(_)) {
                return name;
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Asks it to stop, and after five seconds makes it.
async fn stop(name: &str, child: &mut Child) {
    if let Some(id) = child.id() {
        let _ = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
    }
    if tokio::time::timeout(Duration::from_secs(5), child.wait()).await.is_err() {
        eprintln!("the {name} does not stop by itself");
        let _ = child.kill().await;
    }
}

/// A child that writes to a log, in a process group of its own: a Ctrl-C reaches us only, and we stop it in order.
fn spawn(command: &mut Command, log: &Path) -> Result<Child> {
    let file = std::fs::File::create(log).with_context(|| log.display().to_string())?;
    let program = command.as_std().get_program().to_owned();
    let command =
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0).kill_on_drop(true);
    command.spawn().with_context(|| format!("{} does not start", program.display()))
}

/// The configuration with the tokens and price accounts of this network: what a deployment to any cluster starts from.
fn market_of(config: &Path, deployment: &Deployment) -> Result<String> {
    let mut table: toml::Table = std::fs::read_to_string(config)?.parse()?;
    let mut fill = |list: &str, field: &str, values: Vec<Pubkey>| {
        let items = table.get_mut(list).and_then(toml::Value::as_array_mut).into_iter().flatten();
        for (item, value) in items.filter_map(toml::Value::as_table_mut).zip(values) {
            item.insert(field.to_owned(), toml::Value::String(value.to_string()));
        }
    };
    fill("bank", "mint", deployment.banks.iter().map(|bank| bank.mint).collect());
    fill("underlying", "price_account", deployment.underlyings.iter().map(|listed| listed.price_account).collect());
    Ok(table.to_string())
}

/// For command lines that read the Solana command line's configuration.
fn user_config(wallets: &Wallets) -> String {
    format!(
        "json_rpc_url: {}\nwebsocket_url: {}\nkeypair_path: {}\ncommitment: confirmed\n",
        validator::RPC,
        validator::WEBSOCKET,
        wallets.path("user").display(),
    )
}

fn keeper_config(wallets: &Wallets, deployment: &Deployment) -> String {
    let mut text = format!(
        "rpc_url = \"{}\"\nws_url = \"{}\"\ngroup = \"{}\"\nkeypair = \"{}\"\nmargin_account = 0\nlisten = \"127.0.0.1:{METRICS_PORT}\"\n\n\
         [priority]\npercentile = 0\n\n[jobs]\nprice_secs = 5\nsettlement_secs = 30\nproposals = true\n",
        validator::RPC,
        validator::WEBSOCKET,
        deployment.group,
        wallets.path("keeper").display(),
    );
    for listed in &deployment.underlyings {
        text += &format!("\n[[price]]\nunderlying = \"{}\"\naccount = \"{}\"\n", listed.symbol, listed.price_account);
    }
    text
}

/// What most transactions here refer to.
async fn lookup_table(
    connection: &Connection,
    wallets: &Wallets,
    deployment: &Deployment,
    maker: &Maker,
) -> Result<Pubkey> {
    let group = deployment.group;
    let mut addresses = vec![
        group,
        pda::outflow_limit(&group),
        instruction::event_authority(),
        margrave::ID,
        spl_token_interface::ID,
        spl_associated_token_account_interface::program::ID,
        margrave_client::INSTRUCTIONS_SYSVAR,
        pyth::RECEIVER,
    ];
    addresses.extend(deployment.banks.iter().flat_map(|bank| [bank.bank, bank.mint, pda::vault(&bank.bank)]));
    addresses.extend(deployment.underlyings.iter().flat_map(|listed| [listed.address, listed.price_account]));
    addresses.extend(maker.accounts());
    // A table is derived from a finalised slot.
    while connection.rpc().get_slot_with_commitment(CommitmentConfig::finalized()).await? == 0 {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(connection.create_lookup_table(&wallets.admin, &addresses).await?)
}

/// A keypair from a file, made if it is not there.
fn keypair_at(path: &Path) -> Result<Keypair> {
    use std::os::unix::fs::OpenOptionsExt;
    if let Ok(text) = std::fs::read(path) {
        let bytes: Vec<u8> = serde_json::from_slice(&text).with_context(|| path.display().to_string())?;
        return Keypair::try_from(&bytes[..]).ok().with_context(|| format!("{} holds no key", path.display()));
    }
    let keypair = Keypair::new();
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    serde_json::to_writer(file, &keypair.to_bytes().to_vec())?;
    Ok(keypair)
}
