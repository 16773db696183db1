//! Compute units of each instruction on the compiled program, for named portfolio shapes.
//!
//! They are exact, so the committed table must equal the measurement, and no shape may exceed its ceiling.

mod engine;
mod every;
mod full;
mod liquidation;
mod shapes;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use margrave_client::Pubkey;
use margrave_sim::Outcome;
use margrave_tests::pages;
use std::{fmt::Write, path::PathBuf};

#[derive(Parser)]
struct Arguments {
    /// Update tests/cu/baseline.md and the pages with its figures instead of comparing with them.
    #[arg(long)]
    write: bool,
}

/// One measured instruction, or one check by the engine.
#[derive(Clone)]
struct Measurement {
    shape: String,
    units: u64,
    /// The part used by the token program, called by ours.
    token_program: u64,
    /// Above this the build fails.
    ceiling: u64,
}

/// What has been measured so far.
#[derive(Default)]
struct Table(Vec<Measurement>);

const TOKEN_PROGRAM: Pubkey = Pubkey::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");

impl Table {
    /// What Margrave used when another program called it.
    fn add_called(&mut self, shape: &str, ceiling: u64, outcome: Outcome) -> Result<()> {
        let mut receipt = outcome?;
        // The outermost of its calls: it calls itself to report.
        receipt.compute_units = receipt.most_compute_units_of(&margrave::ID);
        self.add(shape, ceiling, Ok(receipt))
    }

    fn add(&mut self, shape: &str, ceiling: u64, outcome: Outcome) -> Result<()> {
        let receipt = outcome?;
        let (units, token_program) = (receipt.compute_units, receipt.compute_units_of(&TOKEN_PROGRAM));
        self.0.push(Measurement { shape: shape.to_owned(), units, token_program, ceiling });
        Ok(())
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut table = Table(engine::measure()?);
    shapes::measure(&mut table)?;
    full::measure(&mut table)?;
    liquidation::measure(&mut table)?;
    every::measure(&mut table)?;
    let measured = table.0;
    let table = report(&measured)?;
    print!("{table}");
    for Measurement { shape, units, ceiling, .. } in &measured {
        ensure!(units <= ceiling, "{shape}: {units} compute units exceed the ceiling of {ceiling}");
    }

    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |file: &str| std::fs::read_to_string(root.join(file)).with_context(|| file.to_owned());
    let mut files = vec![("tests/cu/baseline.md", table.clone())];
    for file in pages::PAGES {
        files.push((file, pages::page(file, &read(file)?, &table)?));
    }
    if arguments.write {
        for (file, text) in files {
            std::fs::write(root.join(file), text)?;
            eprintln!("{file} written");
        }
    } else if toolchain_of(&read("tests/cu/baseline.md")?) == toolchain_of(&table) {
        for (file, text) in files {
            ensure!(
                read(file)? == text,
                "{file} is not what was measured; ./dev cu --write, and say why in the commit"
            );
        }
    } else {
        eprintln!("The committed table is of another toolchain, so only the ceilings were checked.");
    }
    Ok(())
}

fn toolchain_of(table: &str) -> Option<&str> {
    table.lines().find(|line| line.starts_with("- toolchain:"))
}

fn report(measured: &[Measurement]) -> Result<String> {
    // Set by ./dev.
    let toolchain =
        std::env::var("SBF_TOOLCHAIN").context("run ./dev cu, which names the toolchain in SBF_TOOLCHAIN")?;
    let mut text = String::from("# Compute units\n\n");
    writeln!(text, "Measured in LiteSVM 0.16 (Agave 4.2) by `./dev cu`; written by `./dev cu --write`.\n")?;
    writeln!(text, "- toolchain: {toolchain}\n")?;
    writeln!(
        text,
        "| instruction, or part of the engine, and shape | compute units | of which token program | ceiling |"
    )?;
    writeln!(text, "|---|---:|---:|---:|")?;
    for Measurement { shape, units, token_program, ceiling } in measured {
        writeln!(text, "| {shape} | {units} | {token_program} | {ceiling} |")?;
    }
    Ok(text)
}
