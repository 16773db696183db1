use crate::{
    chain::{Chain, Reading},
    view::risk::{ExplainView, RiskView},
};
use anyhow::Result;

#[derive(clap::Subcommand)]
pub enum Command {
    /// The 31 scenarios of each underlying, margin's components, greeks, and where a price would have to go.
    Show {
        /// Number or address [default: --account, else 0].
        account: Option<String>,
    },
}

#[derive(clap::Args)]
pub struct Explain {
    /// Number or address [default: --account, else 0].
    account: Option<String>,
}

pub async fn run(chain: &Chain, command: &Command) -> Result<()> {
    let Command::Show { account } = command;
    let group = chain.group().await?;
    let key = chain.margin_account(&group, account.as_deref())?;
    let market = chain.market(group, Reading::Only(vec![key])).await?;
    chain.print(&RiskView::of(&market, &key)?)
}

pub async fn explain(chain: &Chain, arguments: &Explain) -> Result<()> {
    let group = chain.group().await?;
    let key = chain.margin_account(&group, arguments.account.as_deref())?;
    let market = chain.market(group, Reading::Only(vec![key])).await?;
    chain.print(&ExplainView::of(&market, &key)?)
}
