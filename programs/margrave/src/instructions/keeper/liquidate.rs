use crate::{
    breaker::Present, error::*, events::*, liquidation::*, oracle::Action, portfolio::*, state::*, trading::Sheet,
};
use anchor_lang::prelude::*;
use margrave_risk::{Quantity, Valuation};

#[event_cpi]
#[derive(Accounts)]
pub struct Liquidate<'info> {
    pub group: AccountLoader<'info, Group>,
    pub liquidator_owner: Signer<'info>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = liquidator.load()?.owner == liquidator_owner.key() @ MargraveError::SignerIsNotOwner,
    )]
    pub liquidator: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = liquidatee.load()?.owner != liquidator_owner.key() @ MargraveError::SelfDealing,
    )]
    pub liquidatee: AccountLoader<'info, MarginAccount>,
    /// Writable: open interest may change.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    // remaining - the banks and other underlyings of both accounts
}

/// Takes over positions of an account below its maintenance margin on one underlying at their marks less a fee: one, or several that
/// hedge one another in the proportion the caller names.
///
/// No more units than bring the account to its liquidation end, and no more than `max_units`; the account's health must improve
/// (I-22, I-23), and the liquidator must meet its own initial margin (I-15).
pub fn liquidate<'info>(
    ctx: Context<'info, Liquidate<'info>>,
    legs: Vec<LiquidationLeg>,
    max_units: u64,
) -> Result<()> {
    require!(max_units > 0, MargraveError::AmountMustBePositive);
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let named = [accounts.underlying.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let group = accounts.group.load()?;
    let mut arranged = Arranged::new(&group)?;

    let mut liquidatee = accounts.liquidatee.load_mut()?;
    // What is taken over needs a fresh price. The rest counts at its last one: a trifle on a dead feed is no shield (I-25).
    accounts.underlying.load()?.oracle.require_good_for(Action::Liquidate, now)?;
    accounts.underlying.load()?.require_no_restart(&Present::get()?)?;
    liquidatee.count_change()?;
    arranged.read(&liquidatee, &directory, Action::Reduce, now)?;
    let (before, after, taken) = {
        let underlying = accounts.underlying.load()?;
        let mut step = PositionStep::new(&mut liquidatee, &arranged, &group, key, &underlying, &legs, now)?;
        let units = step.quote(&mut arranged, max_units)?;
        let after = step.after(&mut arranged, units, Some(&mut liquidatee))?;
        (step.before, after, step.takes(units)?)
    };
    require_improved(&before, &after)?;

    let mut liquidator = accounts.liquidator.load_mut()?;
    let mut fee = 0i64;
    for one in &taken {
        let (given, received, value);
        {
            let underlying = accounts.underlying.load()?;
            let sheet = Sheet::of(key, &underlying, &one.instrument, now)?;
            given = liquidatee.take_over(&sheet, key, one, -1)?;
            received = liquidator.take_over(&sheet, key, one, 1)?;
            value = sheet.notional_price.value_up(Quantity::new(one.quantity), sheet.unit).or_refuse()?.abs();
        }
        let mut underlying = accounts.underlying.load_mut()?;
        underlying.change_interest(&one.instrument, given + received)?;
        underlying.count_liquidation(key, value.micros().unsigned_abs(), now);
        fee += one.fee;
    }
    let insured = group.terms.insured_part_up(fee)?;
    let index = liquidator.risk_in(&key).ok_or(MargraveError::InvariantViolated)?;
    liquidator.risk[index].charge_fee(insured)?;
    accounts.underlying.load()?.invariant()?;

    liquidatee.compact()?;
    liquidatee.record(&after, now);
    liquidatee.invariant()?;
    let numbers = require_liquidator(&mut liquidator, &mut arranged, &directory, now)?;

    let event = PositionsLiquidated {
        underlying: key,
        liquidatee: SideSummary::of(accounts.liquidatee.key(), &liquidatee, after),
        liquidator: SideSummary::of(accounts.liquidator.key(), &liquidator, numbers),
        taken: taken.to_vec(),
        insured,
        health_before: before.maintenance_health().micros(),
        health_after: after.maintenance_health().micros(),
        index_price: accounts.underlying.load()?.oracle.price,
    };
    event.emit_by(&accounts.event_authority)
}

/// Whoever takes over must be able to carry it (I-15).
#[inline(never)]
pub fn require_liquidator(
    liquidator: &mut MarginAccount,
    arranged: &mut Arranged,
    directory: &impl Directory,
    now: i64,
) -> Result<Valuation> {
    liquidator.count_change()?;
    liquidator.compact()?;
    let valuation = revalue(liquidator, arranged, directory, Action::AddRisk, now)?;
    require_initial_margin(&valuation)?;
    liquidator.invariant()?;
    Ok(valuation)
}
