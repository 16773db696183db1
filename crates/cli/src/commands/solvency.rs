use crate::{chain::Chain, view::solvency::Solvency};
use anyhow::Result;
use std::process::ExitCode;

pub async fn run(chain: &Chain) -> Result<ExitCode> {
    let group = chain.group().await?;
    let (market, vaults) = chain.books(group).await?;
    let solvency = Solvency::of(&market, &vaults)?;
    chain.print(&solvency)?;
    Ok(if solvency.holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
