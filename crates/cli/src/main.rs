//! `margrave`: see `margrave --help`.

use anyhow::Result;
use clap::{Parser, Subcommand};
use margrave_cli::eval::{self, Kind};
use std::io::{BufWriter, Write, stdin, stdout};

/// Portfolio margin on Solana: the engine on the command line.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Evaluate JSON lines from standard input offline, one answer per line, in the integers the chain computes in.
    #[command(long_about = eval::HELP, arg_required_else_help = true)]
    Eval {
        /// What the lines ask for.
        kind: Kind,
        /// Exit with code 1 if any line was refused.
        #[arg(long)]
        strict: bool,
    },
}

fn main() -> Result<()> {
    let Command::Eval { kind, strict } = Arguments::parse().command;
    let mut out = BufWriter::new(stdout().lock());
    let mut refused = false;
    for line in stdin().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = eval::line(kind, &line);
        refused |= answer.get("error").is_some();
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    std::process::exit(i32::from(strict && refused));
}
