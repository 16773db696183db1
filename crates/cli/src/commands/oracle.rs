use crate::{
    chain::{Chain, Reading},
    view::oracle::OracleStatus,
};
use anyhow::Result;

#[derive(clap::Subcommand)]
pub enum Command {
    /// Price, age, confidence and stable price of every underlying, and what each is good enough for.
    Status,
}

pub async fn run(chain: &Chain, command: &Command) -> Result<()> {
    let Command::Status = command;
    let group = chain.group().await?;
    let market = chain.market(group, Reading::Only(Vec::new())).await?;
    chain.print(&OracleStatus::of(&market))
}
