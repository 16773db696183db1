use crate::{
    chain::{Chain, Reading},
    view::positions::Positions,
};
use anyhow::Result;

#[derive(clap::Args)]
pub struct Arguments {
    /// Number or address [default: --account, else 0].
    account: Option<String>,
}

pub async fn run(chain: &Chain, arguments: &Arguments) -> Result<()> {
    let group = chain.group().await?;
    let key = chain.margin_account(&group, arguments.account.as_deref())?;
    let market = chain.market(group, Reading::Only(vec![key])).await?;
    chain.print(&Positions::of(&market, &key)?)
}
