//! Sets up a market from its configuration.

use crate::{
    chain::Chain,
    deploy::{Config, Deployer, local_account, push_account},
    view::View,
};
use anyhow::Result;
use margrave_client::Pubkey;
use serde::Serialize;
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    /// The market's configuration, as migrations/localnet.toml is one.
    market: PathBuf,
    /// Tokens of the banks, in the configuration's order, where it names none.
    #[arg(long, value_name = "ADDRESS")]
    mint: Vec<Pubkey>,
    /// Prices are where a local network's receiver keeps them, and not in Pyth's push accounts.
    #[arg(long)]
    local_prices: bool,
}

/// What is there now.
#[derive(Serialize)]
struct Answer {
    group: String,
    banks: Vec<Named>,
    underlyings: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    symbol: String,
    address: String,
}

impl View for Answer {
    fn text(&self, _: bool) -> String {
        let line = |kind: &str, named: &Named| format!("\n{kind} {:6} {}", named.symbol, named.address);
        let banks = self.banks.iter().map(|named| line("bank      ", named));
        let underlyings = self.underlyings.iter().map(|named| line("underlying", named));
        format!("group             {}{}", self.group, banks.chain(underlyings).collect::<String>())
    }
}

pub async fn run(chain: &Chain, arguments: &Arguments) -> Result<()> {
    let config = Config::read(&arguments.market)?;
    let deployer = Deployer {
        connection: &chain.connection,
        config: &config,
        payer: &chain.wallet()?,
        mints: &arguments.mint,
        price_account: if arguments.local_prices { local_account } else { push_account },
        say: &|what| eprintln!("{what}"),
    };
    let deployment = deployer.deploy().await?;
    let named = |symbol: &String, address: &Pubkey| Named { symbol: symbol.clone(), address: address.to_string() };
    chain.print(&Answer {
        group: deployment.group.to_string(),
        banks: deployment.banks.iter().map(|bank| named(&bank.symbol, &bank.bank)).collect(),
        underlyings: deployment.underlyings.iter().map(|listed| named(&listed.symbol, &listed.address)).collect(),
    })
}
