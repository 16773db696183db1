//! What only a local network offers.

use crate::{amount::parse_percent, chain::Chain, usage, view::View};
use anyhow::Result;
use serde::Serialize;
use solana_keypair::Signer;

#[derive(clap::Args)]
pub struct Shock {
    /// The underlying, as SOL.
    symbol: String,
    /// By how much its price moves, as -30 or +12.5.
    #[arg(allow_hyphen_values = true)]
    percent: String,
}

/// What a server answered, as it is.
#[derive(Serialize)]
struct Answer {
    what: String,
    answer: serde_json::Value,
}

impl View for Answer {
    fn text(&self, _: bool) -> String {
        format!("{}: {}", self.what, self.answer)
    }
}

pub async fn faucet(chain: &Chain) -> Result<()> {
    let owner = chain.wallet()?.pubkey();
    let answer = chain.quote_server()?.faucet(&owner).await?;
    chain.print(&Answer { what: format!("tokens for {owner}"), answer })
}

pub async fn shock(chain: &Chain, arguments: &Shock) -> Result<()> {
    let ppm = parse_percent(&arguments.percent).map_err(|error| usage(error.to_string()))?;
    if ppm <= -1_000_000 {
        return Err(usage("a price cannot fall by 100 % or more"));
    }
    let symbol = arguments.symbol.to_ascii_uppercase();
    let answer = chain.quote_server()?.shock(&symbol, ppm).await?;
    chain.print(&Answer { what: format!("{symbol} moved by {ppm} millionths"), answer })
}
