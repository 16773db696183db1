use anyhow::Result;
use margrave_eval::Kind;
use std::{
    io::{stdin, stdout},
    process::ExitCode,
};

#[derive(clap::Args)]
pub struct Arguments {
    /// What the lines ask for.
    kind: Kind,
    /// Exit with code 1 if any line was refused.
    #[arg(long)]
    strict: bool,
}

pub fn run(arguments: &Arguments) -> Result<ExitCode> {
    let refused = margrave_eval::run(arguments.kind, stdin().lock(), stdout().lock())?;
    Ok(ExitCode::from(u8::from(arguments.strict && refused)))
}
