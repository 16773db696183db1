//! The commands, one file each.

mod account;
pub mod admin;
mod eval;
pub mod export;
mod init;
mod liquidate;
mod local;
mod money;
mod oracle;
mod positions;
mod quote;
mod risk;
mod solvency;
mod venue;

use crate::chain::{Chain, Options};
use anyhow::Result;
use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

/// Portfolio margin on Solana.
///
/// Reads what `solana config` says unless told otherwise. Answers go to standard output, progress to standard error. Exit codes: 0
/// done, 1 refused or broken, 2 the command does not make sense.
#[derive(Parser)]
#[command(name = "margrave", version)]
pub struct Arguments {
    #[command(flatten)]
    pub options: Options,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Margin accounts: open, close, list, show, change the mode, appoint a delegate.
    #[command(subcommand)]
    Account(account::Command),
    /// Put tokens from the wallet into the margin account.
    Deposit(money::Deposit),
    /// Take tokens out of the margin account.
    Withdraw(money::Withdraw),
    /// Move collateral to another margin account of the same owner.
    Transfer(money::Transfer),
    /// Open positions: size, mark, profit, greeks, expiry.
    Positions(positions::Arguments),
    /// Ask a maker for a price, or sign one.
    Quote(quote::Quote),
    /// Ask a maker for a price, check it, preview the margin, and take it.
    Fill(quote::Fill),
    /// Trade with another wallet at agreed prices; both sign.
    Trade(quote::Trade),
    /// Risk arrays, components of margin, greeks, liquidation prices.
    #[command(subcommand)]
    Risk(risk::Command),
    /// Every number behind an account's margin, as the chain would explain it.
    Explain(risk::Explain),
    /// Prices: age, confidence, what they are good for, what is paused.
    #[command(subcommand)]
    Oracle(oracle::Command),
    /// Add up the books again from all accounts; exit code 1 if an identity is broken.
    Solvency,
    /// Do what a keeper would do next about somebody's margin account; --dry-run only shows it.
    ///
    /// What is taken over goes to the wallet's own margin account, which --account names.
    Liquidate(liquidate::Arguments),
    /// Set up a group with its banks and markets from a file, or what of it is missing.
    Init(init::Arguments),
    /// Parameters, queued changes, pauses.
    #[command(subcommand)]
    Admin(admin::Command),
    /// Venues: other programs that may trade for a margin account.
    #[command(subcommand)]
    Venue(venue::Command),
    /// CSV files for spreadsheets and notebooks.
    Export(export::Arguments),
    /// Tokens of a local network for the wallet.
    Faucet,
    /// Move a price of a local network: `margrave shock SOL -30`.
    Shock(local::Shock),
    /// Evaluate JSON lines from standard input offline, one answer per line, in the integers the chain computes in.
    #[command(long_about = margrave_eval::HELP, arg_required_else_help = true)]
    Eval(eval::Arguments),
    /// A completion script for a shell, on standard output.
    Completions { shell: clap_complete::Shell },
}

/// Does what was asked for.
///
/// # Errors
/// What went wrong, which rule that broke, and what to do.
pub async fn run(arguments: Arguments) -> Result<ExitCode> {
    let Arguments { options, command } = arguments;
    match command {
        Command::Eval(arguments) => return eval::run(&arguments),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "margrave", &mut std::io::stdout());
            return Ok(ExitCode::SUCCESS);
        }
        _ => {}
    }
    let chain = Chain::new(options)?;
    match command {
        Command::Account(command) => account::run(&chain, command).await?,
        Command::Deposit(arguments) => money::deposit(&chain, &arguments).await?,
        Command::Withdraw(arguments) => money::withdraw(&chain, &arguments).await?,
        Command::Transfer(arguments) => money::transfer(&chain, &arguments).await?,
        Command::Positions(arguments) => positions::run(&chain, &arguments).await?,
        Command::Quote(arguments) => quote::quote(&chain, arguments).await?,
        Command::Fill(arguments) => quote::fill(&chain, &arguments).await?,
        Command::Trade(arguments) => quote::trade(&chain, &arguments).await?,
        Command::Risk(command) => risk::run(&chain, &command).await?,
        Command::Explain(arguments) => risk::explain(&chain, &arguments).await?,
        Command::Oracle(command) => oracle::run(&chain, &command).await?,
        Command::Solvency => return solvency::run(&chain).await,
        Command::Liquidate(arguments) => return liquidate::run(&chain, &arguments).await,
        Command::Init(arguments) => init::run(&chain, &arguments).await?,
        Command::Admin(command) => admin::run(&chain, command).await?,
        Command::Venue(command) => venue::run(&chain, command).await?,
        Command::Export(arguments) => export::run(&chain, &arguments).await?,
        Command::Faucet => local::faucet(&chain).await?,
        Command::Shock(arguments) => local::shock(&chain, &arguments).await?,
        Command::Eval(_) | Command::Completions { .. } => {}
    }
    Ok(ExitCode::SUCCESS)
}
