//! `margrave-eval`: `margrave eval` by itself, without anything that talks to a cluster.

use clap::Parser;
use margrave_eval::{HELP, Kind, run};
use std::io::{stdin, stdout};

/// Evaluate JSON lines from standard input offline, one answer per line, in the integers the chain computes in.
#[derive(Parser)]
#[command(version, long_about = HELP)]
struct Arguments {
    /// What the lines ask for.
    kind: Kind,
    /// Exit with code 1 if any line was refused.
    #[arg(long)]
    strict: bool,
}

fn main() -> std::io::Result<()> {
    let Arguments { kind, strict } = Arguments::parse();
    let refused = run(kind, stdin().lock(), stdout().lock())?;
    std::process::exit(i32::from(strict && refused));
}
