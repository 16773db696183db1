use crate::{
    amount::Amount,
    chain::{Chain, Reading},
    view::liquidation::{health_after, liquidation},
};
use anyhow::Result;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Arguments {
    /// The margin account to liquidate: its address, or its number among the wallet's.
    target: String,
}

/// `--account` is the liquidator's, which takes over what leaves the other.
pub async fn run(chain: &Chain, arguments: &Arguments) -> Result<ExitCode> {
    let group = chain.group().await?;
    let target = chain.margin_account(&group, Some(&arguments.target))?;
    let keeper = chain.margin_account(&group, None)?;
    let market = chain.market(group, Reading::Everything).await?;
    let (mut view, decision) = liquidation(&market, &target, &keeper)?;
    let Some(decision) = decision else {
        chain.print(&view)?;
        return Ok(ExitCode::SUCCESS);
    };
    let what = format!("liquidate {target}: {}", view.step.unwrap_or_default());
    match chain.send_telling(&what, vec![decision.instruction], &[]).await {
        Ok((sent, events)) => {
            view.health_after = health_after(&events).map(Amount::usd);
            (view.compute_units, view.signature) = (Some(sent.compute_units), sent.signature);
        }
        Err(error) => view.refusal = Some(format!("{error:#}")),
    }
    chain.print(&view)?;
    Ok(if view.refusal.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
