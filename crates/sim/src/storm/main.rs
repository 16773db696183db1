//! A storm twice from the same seed: its table, and that both ended in the same bytes.

use anyhow::{Result, ensure};
use clap::Parser;
use margrave_sim::storm;
use std::process::ExitCode;

/// Halves every price over thousands of random accounts and lets five keepers clear up.
#[derive(Parser)]
#[command(name = "margrave-storm")]
struct Arguments {
    /// Margin accounts.
    #[arg(default_value_t = 2_000)]
    accounts: usize,
    /// Seed of the accounts and of who is first.
    #[arg(default_value_t = 1)]
    seed: u64,
    /// Run it once, without comparing.
    #[arg(long)]
    once: bool,
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
    let report = storm::run(arguments.accounts, arguments.seed)?;
    println!("{report}");
    if !arguments.once {
        let again = storm::run(arguments.accounts, arguments.seed)?;
        ensure!(again == report, "the second run ended otherwise:\n{again}");
        println!("A second run from the same seed ended in the same bytes.");
    }
    ensure!(report.stuck.is_empty(), "I-25: no step helps these accounts:\n{}", report.stuck.join("\n"));
    Ok(())
}
