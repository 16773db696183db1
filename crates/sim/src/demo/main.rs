//! The main job in one process: a market, a hedged and an unhedged account, a crash hour by hour, and a keeper.

mod render;
mod scenario;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use margrave_sim::prices;
use std::{path::PathBuf, process::ExitCode};

/// Walks SOL through a crash: a hedged account survives, an unhedged one is partly liquidated by a keeper.
#[derive(Parser)]
#[command(name = "margrave-demo")]
struct Arguments {
    /// CSV of hourly prices with the columns unix_time and close; without it a seeded generator runs.
    #[arg(long)]
    prices: Option<PathBuf>,
    /// First day to replay, UTC, as 2022-11-06.
    #[arg(long)]
    from: Option<jiff::civil::Date>,
    /// Last day to replay, UTC, to its end.
    #[arg(long)]
    to: Option<jiff::civil::Date>,
    /// Seed of the price generator.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one machine-readable summary instead of tables.
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let hours = match &arguments.prices {
        Some(file) => prices::read_csv(file, arguments.from, arguments.to)
            .with_context(|| format!("cannot replay {}", file.display()))?,
        None => {
            ensure!(arguments.from.is_none() && arguments.to.is_none(), "--from and --to select from --prices FILE");
            prices::generate(arguments.seed)
        }
    };
    let source = arguments.prices.as_ref().map_or_else(
        || format!("generated, seed {}", arguments.seed),
        |file| file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned()),
    );

    let mut screen = render::Screen::new(arguments.json);
    let summary = scenario::run(&hours, source, &mut screen)?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        screen.summary(&summary);
    }
    ensure!(
        summary.liquidations.iter().all(|event| event.health_after > event.health_before),
        "a liquidation did not improve health"
    );
    Ok(())
}
