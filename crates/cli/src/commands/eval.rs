use anyhow::Result;
use margrave_eval::Kind;
use std::{
    io::{BufWriter, Write, stdin, stdout},
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
    let mut out = BufWriter::new(stdout().lock());
    let mut refused = false;
    for line in stdin().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = margrave_eval::line(arguments.kind, &line);
        refused |= answer.get("error").is_some();
        writeln!(out, "{answer}")?;
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(arguments.strict && refused)))
}
