use crate::{error::*, events::*, state::*, token::*, vault::pay_out};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenInterface;

#[event_cpi]
#[derive(Accounts)]
pub struct CollectFees<'info> {
    pub admin: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        has_one = mint @ MargraveError::MintMismatch,
        has_one = vault @ MargraveError::VaultMismatch,
    )]
    pub bank: AccountLoader<'info, Bank>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub outflow_limit: AccountLoader<'info, OutflowLimit>,
    #[account(mut, dup)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    // mint - checked by the bank
    pub mint: InterfaceAccount<'info, Mint>,
    #[account(
        mut,
        dup,
        constraint = destination.key() != vault.key() @ error::ErrorCode::ConstraintDuplicateMutableAccount,
        constraint = destination.mint == mint.key() @ MargraveError::MintMismatch,
    )]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
}

/// Pays out fees that a bank has earned, within the same outflow limits as everybody's withdrawals. Insurance stays.
pub fn collect_fees(ctx: Context<CollectFees>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let now = Clock::get()?.unix_timestamp;
    {
        let group = ctx.accounts.group.load()?;
        group.roles.require_admin(&ctx.accounts.admin)?;
        let mut bank = ctx.accounts.bank.load_mut()?;
        bank.require_no_deficit(now)?;
        bank.accrue(now)?;
        bank.fees = bank.fees.checked_sub(amount).ok_or(MargraveError::BalanceExceeded)?;
        require!(amount <= ctx.accounts.vault.amount, MargraveError::VaultIlliquid);
        bank.count_outflow(&mut *ctx.accounts.outflow_limit.load_mut()?, &group, amount, now)?;
        bank.invariant()?;
    } // release the bank: it signs for the vault next
    let accounts = &mut *ctx.accounts;
    pay_out(
        &accounts.bank,
        &mut accounts.vault,
        &accounts.destination,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;

    let event = FeesCollected { bank: accounts.bank.key(), amount, destination: accounts.destination.key() };
    event.emit_by(&accounts.event_authority)
}
