//! What a keeper would do about an account.

use super::{View, facts};
use crate::{
    amount::Amount,
    market::{Market, refused},
};
use anyhow::Result;
use margrave_client::{
    Event, Pubkey,
    keeper::{Decision, Keeper, StepKind, decide},
};
use serde::Serialize;

/// The next step for an account.
#[derive(Clone, Debug, Serialize)]
pub struct LiquidationView {
    pub address: String,
    /// Equity less maintenance margin at the last prices; negative: may be liquidated.
    pub health_before: Amount,
    pub step: Option<&'static str>,
    /// What the step is expected to free of what the account lacks to its liquidation end.
    pub relief: Option<Amount>,
    /// What the account is expected to pay for it: the liquidator's fee and insurance's part.
    pub fee: Option<Amount>,
    /// By the simulation.
    pub health_after: Option<Amount>,
    pub compute_units: Option<u64>,
    /// What the simulation was refused for.
    pub refusal: Option<String>,
    /// Of the transaction that was sent.
    pub signature: Option<String>,
}

/// What [`decide`] says, and the screen that goes with it.
///
/// # Errors
/// As [`decide`].
pub fn liquidation(market: &Market, key: &Pubkey, keeper: &Pubkey) -> Result<(LiquidationView, Option<Decision>)> {
    market.account(key)?;
    market.account(keeper)?;
    let before = market.accounts.value_to_liquidate(key, market.now).map_err(refused)?;
    let keeper = Keeper { margin_account: *keeper, avoided: &[], avoided_secs: 0 };
    let decision = decide(&market.accounts, key, &keeper, market.now).map_err(refused)?;
    let expected = decision.as_ref().and_then(|decision| decision.expected);
    let view = LiquidationView {
        address: key.to_string(),
        health_before: Amount::usd(before.maintenance_health().micros()),
        step: decision.as_ref().map(|decision| step_name(decision.kind)),
        relief: expected.map(|relief| Amount::usd(relief.relief.micros())),
        fee: expected.map(|relief| Amount::usd(relief.cost.micros())),
        health_after: None,
        compute_units: None,
        refusal: None,
        signature: None,
    };
    Ok((view, decision))
}

/// Maintenance health after a step, as its events tell it.
pub fn health_after(events: &[Event]) -> Option<i64> {
    events.iter().find_map(|event| match event {
        Event::PositionsLiquidated(it) => Some(it.health_after),
        Event::CollateralLiquidated(it) => Some(it.health_after),
        Event::SliceLiquidated(it) => Some(it.health_after),
        Event::AccountFlagged(it) => Some(it.account.numbers.equity - it.account.numbers.maintenance_margin),
        _ => None,
    })
}

fn step_name(kind: StepKind) -> &'static str {
    match kind {
        StepKind::Flag => "write down where it stands",
        StepKind::Positions => "take over positions",
        StepKind::Collateral => "buy collateral for a debt",
        StepKind::Slice => "buy a slice of everything",
        StepKind::Settle => "settle profit and loss",
        StepKind::CoverDeficit => "cover a deficit",
        StepKind::WriteOffDebt => "write off a debt",
        StepKind::Nominate => "name a candidate for deleveraging",
        StepKind::Deleverage => "deleverage",
        StepKind::RegisterProfit => "register profit",
        StepKind::ShareLoss => "share a loss",
    }
}

impl View for LiquidationView {
    fn text(&self, _: bool) -> String {
        let dollars = |amount: Option<Amount>| amount.map(|amount| format!("{} $", amount.grouped(2)));
        let mut rows = vec![
            ("Account", Some(self.address.clone())),
            ("Health before", dollars(Some(self.health_before))),
            ("Next step", Some(self.step.unwrap_or("none: there is nothing to do now").to_owned())),
            ("Expected relief", dollars(self.relief)),
            ("Expected fee", dollars(self.fee)),
            ("Health after", dollars(self.health_after)),
            ("Compute units", self.compute_units.map(|units| units.to_string())),
            ("Refused", self.refusal.clone()),
            ("Signature", self.signature.clone()),
        ];
        rows.retain(|(_, value)| value.is_some());
        let rows: Vec<(&str, String)> =
            rows.into_iter().map(|(name, value)| (name, value.unwrap_or_default())).collect();
        facts(&rows)
    }
}
