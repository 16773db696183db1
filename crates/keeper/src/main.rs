//! `margrave-keeper`: see docs/keeper.md.

use anyhow::{Context, Result, anyhow};
use clap::Parser;
use margrave_keeper::{
    chain::{Chain, Cluster},
    config::{Config, LogFormat},
    keeper::Keeper,
    metrics,
    server::{Status, serve},
};
use serde::Serialize;
use solana_commitment_config::CommitmentConfig;
use std::{path::PathBuf, rc::Rc, sync::Arc, time::Duration};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

/// Watches every margin account of a group and does what is due: prices, liquidations, bankruptcies, settlements.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// TOML file; keeper.example.toml explains every key
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Do what is due until nothing is, then exit
    #[arg(long)]
    once: bool,
    /// Print the configuration in effect, endpoints without their keys, and exit
    #[arg(long)]
    print_config: bool,
    /// Create a lookup table for the keeper's transactions, print its address, and exit
    #[arg(long)]
    create_table: bool,
    #[command(flatten)]
    over: Over,
}

/// What may be given as a flag as well.
#[derive(clap::Args, Serialize)]
struct Over {
    /// HTTP endpoint of a node
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    rpc_url: Option<String>,
    /// Its websocket; empty: poll
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    ws_url: Option<String>,
    /// The group to watch
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    /// Path of the wallet
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    keypair: Option<PathBuf>,
    /// Simulate everything and send nothing
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    /// Where /metrics, /health and /ready are served
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<String>,
    /// json or text
    #[arg(long)]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<String>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let config = Config::load(args.config.as_deref(), &args.over)?;
    if args.print_config {
        print!("{}", config.printed()?);
        return Ok(());
    }
    log(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(run(&args, config))
}

fn log(config: &Config) -> Result<()> {
    let filter = EnvFilter::try_new(&config.log).with_context(|| format!("log = {:?}", config.log))?;
    let to_stderr = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Json => to_stderr.json().flatten_event(true).with_current_span(false).init(),
        LogFormat::Text => to_stderr.with_ansi(false).init(),
    }
    Ok(())
}

async fn run(args: &Args, config: Config) -> Result<()> {
    let path = config.keypair_path();
    let wallet =
        solana_keypair::read_keypair_file(&path).map_err(|error| anyhow!("keypair {}: {error}", path.display()))?;
    let commitment: CommitmentConfig = config.commitment.parse().context("commitment")?;
    let source = config.source().filter(|_| !args.once && !args.create_table);
    let group = config.group.0;
    let mut cluster = Cluster::new(&config.rpc_url, commitment, source, group, wallet, config.priority());
    if let Some(table) = &config.lookup_table {
        cluster.use_table(&table.0).await.context("lookup_table")?;
    }
    let prometheus = metrics::install()?;
    let (status, stop) = (Arc::new(Status::default()), CancellationToken::new());
    if !args.once && !args.create_table {
        serve(config.listen, Arc::clone(&status), prometheus, stop.clone()).await?;
        tracing::info!(listen = %config.listen, "metrics are served");
    }
    stop_on_signals(&stop)?;

    let cluster = Rc::new(cluster);
    let tick = Duration::from_millis(config.loop_.tick_ms);
    tracing::info!(wallet = %cluster.wallet(), "starting");
    let mut keeper = loop {
        match Keeper::start(Rc::clone(&cluster), config.clone(), Arc::clone(&status)).await {
            Ok(keeper) => break keeper,
            // A node that is still starting is no reason to give up; nor is a group that is still being made.
            Err(error) if !args.once && !args.create_table => {
                tracing::warn!(reason = format!("{error:#}"), "not started yet");
                tokio::select! {
                    () = stop.cancelled() => return Ok(()),
                    () = tokio::time::sleep(Duration::from_secs(2)) => {}
                }
            }
            Err(error) => return Err(error),
        }
    };
    if args.create_table {
        println!("{}", cluster.create_table(&keeper.common_addresses()).await?);
        return Ok(());
    }
    if args.once {
        return once(&mut keeper, &config).await;
    }
    while !stop.is_cancelled() {
        if let Err(error) = keeper.look().await {
            tracing::warn!(reason = format!("{error:#}"), "look failed");
        }
        // What ends meanwhile is taken in at once.
        let wait = tokio::time::sleep(tick);
        tokio::pin!(wait);
        loop {
            tokio::select! {
                () = &mut wait => break,
                () = stop.cancelled() => break,
                _ = keeper.next_ended(), if !keeper.is_idle() => if keeper.has_room() { break },
            }
        }
    }
    tracing::info!("stopping: nothing new begins");
    keeper.drain().await;
    tracing::info!("stopped");
    Ok(())
}

/// Looks until a look begins nothing.
async fn once(keeper: &mut Keeper<Cluster>, config: &Config) -> Result<()> {
    loop {
        let look = keeper.look().await?;
        while keeper.next_ended().await {}
        if look.begun == 0 || config.dry_run {
            return Ok(());
        }
    }
}

fn stop_on_signals(stop: &CancellationToken) -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
