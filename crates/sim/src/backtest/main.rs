//! Real prices through the compiled program: crashes, a depeg, collateral that goes to zero. Written to docs/backtest.md.

mod control;
mod coverage;
mod market;
mod population;
mod replay;
mod report;
mod tally;
#[cfg(test)]
mod tests;

use anyhow::{Context, Result, ensure};
use clap::Parser;
use margrave_sim::prices::{self, Hour};
use market::{Coin, FTT, LUNA, MAJORS, Market, Path, USDC};
use population::Population;
use replay::{ABSENT, DILIGENT, Replay};
use std::{path::PathBuf, process::ExitCode};
use tally::Tally;

/// Replays hourly prices through a market with a population of margin accounts, and through a control without offsets.
#[derive(Parser)]
#[command(name = "margrave-backtest")]
struct Arguments {
    /// Folder with SOLUSDT_1h.csv, BTCUSDT_1h.csv and so on: columns unix_time and close.
    #[arg(long, default_value = "../shared/data/prices")]
    prices: PathBuf,
    /// Accounts in each period.
    #[arg(long, default_value_t = 60)]
    accounts: usize,
    /// Seed of the population.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only the period of this name, to the terminal.
    #[arg(long, conflicts_with = "write")]
    only: Option<String>,
    /// Write docs/backtest.md.
    #[arg(long)]
    write: bool,
}

/// A stretch of history.
pub struct Period {
    pub name: &'static str,
    pub title: &'static str,
    /// First and last day, UTC, both included.
    pub days: [&'static str; 2],
    /// Besides the major coins.
    pub extra: Option<Coin>,
}

const PERIODS: [Period; 4] = [
    Period { name: "may-2022", title: "May 2022", days: ["2022-05-04", "2022-05-14"], extra: None },
    Period {
        name: "luna",
        title: "LUNA to zero, as collateral",
        days: ["2022-05-04", "2022-05-12"],
        extra: Some(LUNA),
    },
    Period { name: "november-2022", title: "November 2022", days: ["2022-11-05", "2022-11-14"], extra: None },
    Period { name: "usdc", title: "USDC below its peg", days: ["2023-03-08", "2023-03-15"], extra: Some(USDC) },
];

/// Days before a period that teach the scan range.
const WARM_UP_DAYS: i64 = 20;

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
    ensure!(
        arguments.prices.is_dir(),
        "there is no folder {}: the back-test needs hourly prices, which are not part of this repository. \
         Give a folder with files named as SOLUSDT_1h.csv, with the columns unix_time (UTC seconds) and close, by --prices DIR",
        arguments.prices.display()
    );
    let mut text = report::head(arguments.accounts, arguments.seed);
    for period in PERIODS.iter().filter(|period| arguments.only.as_ref().is_none_or(|only| only == period.name)) {
        eprintln!("{}", period.title);
        let path = read_period(arguments, period)?;
        let outcome = replay(&path, arguments.accounts, arguments.seed)?;
        text += &report::period(period, &path, &outcome);
        if period.name == PERIODS[0].name {
            text += &report::margins(&outcome);
        }
    }
    if arguments.only.as_deref().is_none_or(|only| only == "coverage") {
        eprintln!("Coverage");
        let coins = [&MAJORS[..], &[LUNA, FTT]].concat();
        let series = coins.iter().map(|coin| read(arguments, coin)).collect::<Result<Vec<_>>>()?;
        text += &report::coverage(&coverage::run(&coins, &series)?, &series[0]);
    }
    if arguments.write {
        std::fs::write("docs/backtest.md", &text).context("docs/backtest.md")?;
        eprintln!("docs/backtest.md written");
    } else {
        println!("{text}");
    }
    Ok(())
}

fn read(arguments: &Arguments, coin: &Coin) -> Result<Vec<Hour>> {
    let file = arguments.prices.join(coin.file());
    prices::read_csv(&file, None, None).with_context(|| format!("cannot replay {}", file.display()))
}

fn read_period(arguments: &Arguments, period: &Period) -> Result<Path> {
    let [from, to] = period.days.map(|day| day.parse::<jiff::civil::Date>());
    let (begin, end) = (prices::start_of_day(from?)?, prices::start_of_day(to?.tomorrow()?)?);
    let coins: Vec<Coin> = MAJORS.into_iter().chain(period.extra).collect();
    let within = begin - WARM_UP_DAYS * 86_400..end;
    let series = coins.iter().map(|coin| {
        let mut hours = read(arguments, coin)?;
        hours.retain(|hour| within.contains(&hour.unix_time));
        Ok(hours)
    });
    Path::new(coins.clone(), &series.collect::<Result<Vec<_>>>()?, begin)
}

/// What a period came to, with a keeper that acts every hour and with one that hardly does.
pub struct Outcome {
    pub portfolio: [Tally; 2],
    pub control: [Tally; 2],
    pub could_not_open: usize,
    pub refused_deposits: usize,
    /// Of every account: its style, and what the two systems ask for.
    pub margins: Vec<(&'static str, [i64; 2])>,
    pub seen: Vec<replay::Seen>,
}

fn replay(path: &Path, accounts: usize, seed: u64) -> Result<Outcome> {
    let run = |keeper| -> Result<_> {
        let mut market = Market::open(path)?;
        let population = Population::open(&mut market, path, accounts, seed)?;
        let Replay { tally, seen, .. } = Replay::run(&mut market, &population, path, keeper)?;
        let control = control::run(&population, path, &seen, tally.insured, keeper);
        Ok((population, tally, control, seen))
    };
    let (_, absent, absent_control, _) = run(ABSENT)?;
    let (population, portfolio, control, seen) = run(DILIGENT)?;
    let first = seen.first().context("no hours")?;
    let margins = population
        .members
        .iter()
        .map(|member| (member.style.name, [member.initial_margin, control::initial_margin(member, path, first)]));
    Ok(Outcome {
        margins: margins.collect(),
        could_not_open: control::could_not_open(&population, path, first),
        refused_deposits: population.refused_deposits,
        portfolio: [portfolio, absent],
        control: [control, absent_control],
        seen,
    })
}
