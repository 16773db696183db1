use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{self, Mint, TokenAccount, TokenInterface, TransferChecked};

#[derive(Accounts)]
pub struct Deposit<'info> {
    /// Only the owner deposits: a stranger could otherwise fill the account's slots with dust.
    pub owner: Signer<'info>,
    #[account(
        mut,
        has_one = owner @ MargraveError::SignerIsNotOwner,
        constraint = margin_account.load()?.group == bank.load()?.group @ MargraveError::GroupMismatch,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = mint @ MargraveError::MintMismatch, has_one = vault @ MargraveError::VaultMismatch)]
    pub bank: AccountLoader<'info, Bank>,
    #[account(mut)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    // mint - checked by the bank
    pub mint: InterfaceAccount<'info, Mint>,
    /// Where the tokens come from; the token program checks that the owner may move them.
    #[account(mut)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
}

/// Deposits `amount` atoms of the bank's token as collateral. Rounds down to whole shares.
///
/// Cannot lower health (I-12), so no price is needed and no margin is checked.
pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);

    // The token moves first: what is credited is what arrived.
    let before = ctx.accounts.vault.amount;
    let accounts = TransferChecked {
        from: ctx.accounts.source.to_account_info(),
        mint: ctx.accounts.mint.to_account_info(),
        to: ctx.accounts.vault.to_account_info(),
        authority: ctx.accounts.owner.to_account_info(),
    };
    let context = CpiContext::new(ctx.accounts.token_program.key(), accounts);
    token_interface::transfer_checked(context, amount, ctx.accounts.mint.decimals)?;
    ctx.accounts.vault.reload()?;
    let after = ctx.accounts.vault.amount;
    let received = after.checked_sub(before).ok_or(MargraveError::InvariantViolated)?;

    let bank_key = ctx.accounts.bank.key();
    let mut bank = ctx.accounts.bank.load_mut()?;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let shares = bank.deposit(received)?;
    let slot = account.open_collateral(bank_key, bank.underlying)?;
    let credit = i64::try_from(shares).map_err(|_| MargraveError::ValueOutOfRange)?;
    slot.shares = slot.shares.checked_add(credit).ok_or(MargraveError::ValueOutOfRange)?;
    account.count_change()?;
    account.compact();
    bank.require_solvent(after)?;
    bank.invariant()?;
    account.invariant()?;

    emit!(Deposited {
        margin_account: ctx.accounts.margin_account.key(),
        bank: bank_key,
        amount: received,
        shares,
        sequence: account.sequence,
    });
    Ok(())
}
