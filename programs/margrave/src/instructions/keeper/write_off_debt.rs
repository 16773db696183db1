use crate::{error::*, events::*, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct WriteOffDebt<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub bank: AccountLoader<'info, Bank>,
    // remaining - the account's other banks and underlyings; those it owes something must be writable
}

/// Repays what a bankrupt account without positions and collateral owes a bank: from the bank's insurance, and the rest from all its
/// depositors in proportion (I-26). Anyone.
pub fn write_off_debt<'info>(ctx: Context<'info, WriteOffDebt<'info>>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.bank.key());
    let group = accounts.group.load()?;
    let named = [accounts.bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let mut account = accounts.margin_account.load_mut()?;
    account.require_nothing_left(&directory, true, now)?;
    require!(account.positions[0].is_empty(), MargraveError::PositionsFirst);

    let (insurance, shared, deposit_index) = {
        let mut bank = accounts.bank.load_mut()?;
        bank.accrue(now)?;
        let shares = account.shares_in(&key);
        require!(shares < 0, MargraveError::NothingToRepay);
        let debt = bank.debt_up_at(shares.unsigned_abs(), now)?;
        let insurance = debt.min(bank.insurance);
        bank.insurance -= insurance;
        let shared = bank.share_loss(debt - insurance)?;
        let left = bank.credit(shares, insurance + shared)?;
        account.set_shares(key, bank.underlying, left)?;
        bank.invariant()?;
        (insurance, shared, bank.deposit_index)
    }; // release the bank: the valuation reads it again
    account.restate(&group, &directory, now)?;

    let margin_account = accounts.margin_account.key();
    DebtWrittenOff { margin_account, bank: key, insurance, shared, deposit_index }.emit_by(&accounts.event_authority)
}
