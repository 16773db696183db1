use crate::{constants::*, error::*, events::*, portfolio::*, state::*};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{self, Mint, TokenAccount, TokenInterface, TransferChecked};

#[derive(Accounts)]
pub struct Withdraw<'info> {
    pub owner: Signer<'info>,
    #[account(
        mut,
        has_one = owner @ MargraveError::SignerIsNotOwner,
        has_one = group @ MargraveError::GroupMismatch,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        has_one = mint @ MargraveError::MintMismatch,
        has_one = vault @ MargraveError::VaultMismatch,
    )]
    pub bank: AccountLoader<'info, Bank>,
    #[account(mut)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    // mint - checked by the bank
    pub mint: InterfaceAccount<'info, Mint>,
    /// Where the tokens go: the owner's choice, any account of this mint.
    #[account(mut, constraint = destination.mint == mint.key() @ MargraveError::MintMismatch)]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
    // remaining - the account's other banks and its underlyings, unless it is flat
}

/// Withdraws `amount` atoms of collateral; `u64::MAX` withdraws the whole balance. The debit rounds up to whole shares.
///
/// The account must meet its initial margin afterwards (I-15). A flat account owes nothing and needs no price (I-34).
pub fn withdraw<'info>(ctx: Context<'info, Withdraw<'info>>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let bank_key = ctx.accounts.bank.key();
    let now = Clock::get()?.unix_timestamp;

    let mut account = ctx.accounts.margin_account.load_mut()?;
    let (amount, shares, sequence) = {
        let mut bank = ctx.accounts.bank.load_mut()?;
        let held = account.collateral_in(&bank_key).map_or(Ok(0), CollateralSlot::deposit_shares)?;
        let (amount, shares) = match amount {
            u64::MAX => (bank.atoms_down(held)?, held),
            _ => (amount, bank.shares_up(amount)?),
        };
        require!(amount > 0 && shares <= held, MargraveError::BalanceExceeded);
        let slot = account.open_collateral(bank_key, bank.underlying)?;
        slot.shares = i64::try_from(held - shares).map_err(|_| MargraveError::ValueOutOfRange)?;
        bank.burn(shares)?;
        bank.invariant()?;
        account.count_change()?;
        account.compact();
        account.invariant()?;
        (amount, shares, account.sequence)
    }; // release the bank: the valuation reads it again

    if !account.is_flat() {
        let bank = [ctx.accounts.bank.as_ref()];
        let directory = InstructionAccounts::new(&bank, ctx.remaining_accounts)?;
        let levels = ctx.accounts.group.load()?.levels()?;
        require_initial_margin(&revalue(&mut account, &directory, &levels, Purpose::Risk(now), now)?)?;
    }
    drop(account);

    // The token moves last: everything is written and checked.
    let (group, mint, bump) = {
        let bank = ctx.accounts.bank.load()?;
        (bank.group, bank.mint, bank.bump)
    };
    let seeds: &[&[u8]] = &[BANK_SEED, group.as_ref(), mint.as_ref(), &[bump]];
    let accounts = TransferChecked {
        from: ctx.accounts.vault.to_account_info(),
        mint: ctx.accounts.mint.to_account_info(),
        to: ctx.accounts.destination.to_account_info(),
        authority: ctx.accounts.bank.to_account_info(),
    };
    let signers = [seeds];
    let context = CpiContext::new_with_signer(ctx.accounts.token_program.key(), accounts, &signers);
    token_interface::transfer_checked(context, amount, ctx.accounts.mint.decimals)?;
    ctx.accounts.vault.reload()?;
    ctx.accounts.bank.load()?.require_solvent(ctx.accounts.vault.amount)?;

    emit!(Withdrawn { margin_account: ctx.accounts.margin_account.key(), bank: bank_key, amount, shares, sequence });
    Ok(())
}
