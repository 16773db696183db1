use crate::{
    amount::Amount,
    chain::{Chain, Reading},
    usage,
    view::liquidation::{health_after, liquidation},
};
use anyhow::Result;
use margrave_client::Pubkey;
use std::process::ExitCode;

#[derive(clap::Args)]
pub struct Arguments {
    /// Address of the margin account to liquidate, whoever owns it.
    #[arg(value_name = "ADDRESS")]
    target: Pubkey,
}

pub async fn run(chain: &Chain, arguments: &Arguments) -> Result<ExitCode> {
    let group = chain.group().await?;
    let target = arguments.target;
    let keeper = chain.margin_account(&group, None)?;
    if target == keeper {
        return Err(usage(format!("{target} cannot liquidate itself; name another of the wallet's with --account")));
    }
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
