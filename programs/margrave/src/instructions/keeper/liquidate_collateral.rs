use super::require_liquidator;
use crate::{breaker::Present, error::*, events::*, liquidation::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct LiquidateCollateral<'info> {
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
    /// Of the collateral that is bought.
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = asset_bank.key() != debt_bank.key() @ MargraveError::SelfDealing,
    )]
    pub asset_bank: AccountLoader<'info, Bank>,
    /// Of the token that is owed.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub debt_bank: AccountLoader<'info, Bank>,
    // remaining - the other banks and the underlyings of both accounts
}

/// Repays at most `max_repay` atoms of what an account below its maintenance margin owes, from the liquidator's deposit, for
/// collateral worth that and a bonus. In the quote token realised losses that nobody has paid are owed too.
///
/// No more than brings the account to its liquidation end; its health must improve (I-22, I-23). The bonus grows with time, is
/// less than what margin asks for the two balances, and leaves an account that can pay its debts able to (I-24).
pub fn liquidate_collateral<'info>(ctx: Context<'info, LiquidateCollateral<'info>>, max_repay: u64) -> Result<()> {
    let present = Present::get()?;
    let now = present.now;
    let accounts = &*ctx.accounts;
    let keys = [accounts.asset_bank.key(), accounts.debt_bank.key()];
    let named = [accounts.asset_bank.as_ref(), accounts.debt_bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let group = accounts.group.load()?;
    let mut arranged = Arranged::new(&group)?;
    for bank in [&accounts.asset_bank, &accounts.debt_bank] {
        bank.load_mut()?.accrue(now)?;
    }

    let mut liquidatee = accounts.liquidatee.load_mut()?;
    liquidatee.count_change()?;
    arranged.read(&liquidatee, &directory, Action::Reduce, now)?;
    let (before, Exchange { repaid, seized }) = {
        let (asset, debt) = (accounts.asset_bank.load()?, accounts.debt_bank.load()?);
        let (asset_sheet, debt_sheet) = (directory.priced(&asset, &present)?, directory.priced(&debt, &present)?);
        let sheets = [asset_sheet.as_deref(), debt_sheet.as_deref()];
        let (asset, debt) = ((&keys[0], &*asset), (&keys[1], &*debt));
        let mut step = CollateralStep::new(&mut liquidatee, &arranged, &group.terms, asset, debt, sheets, now)?;
        let units = step.quote(&mut arranged, max_repay)?;
        (step.before, step.exchange(units)?)
    };
    let mut liquidator = accounts.liquidator.load_mut()?;
    {
        let mut debt = accounts.debt_bank.load_mut()?;
        debt.transfer(&keys[1], &mut liquidator, &mut liquidatee, repaid)?;
        debt.invariant()?;
        let mut asset = accounts.asset_bank.load_mut()?;
        asset.transfer(&keys[0], &mut liquidatee, &mut liquidator, seized)?;
        asset.invariant()?;
    } // release the banks: the valuations read them
    liquidatee.compact()?;
    let after = revalue(&mut liquidatee, &mut arranged, &directory, Action::Reduce, now)?;
    require_improved(&before, &after)?;
    liquidatee.invariant()?;
    let numbers = require_liquidator(&mut liquidator, &mut arranged, &directory, now)?;

    let event = CollateralLiquidated {
        asset_bank: keys[0],
        debt_bank: keys[1],
        liquidatee: SideSummary::of(accounts.liquidatee.key(), &liquidatee, after),
        liquidator: SideSummary::of(accounts.liquidator.key(), &liquidator, numbers),
        seized,
        repaid,
        health_before: before.maintenance_health().micros(),
        health_after: after.maintenance_health().micros(),
    };
    event.emit_by(&accounts.event_authority)
}
