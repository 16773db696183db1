use crate::{constants::*, error::*, events::*, state::*, vault::require_allowed_mint};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::{Mint, TokenAccount, TokenInterface};

#[derive(Accounts)]
pub struct ListBank<'info> {
    #[account(mut)]
    pub manager: Signer<'info>,
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    /// SPL Token, or Token-2022 with extensions from the allow-list.
    #[account(mint::token_program = token_program)]
    pub mint: InterfaceAccount<'info, Mint>,
    #[account(
        init,
        payer = manager,
        space = 8 + size_of::<Bank>(),
        seeds = [BANK_SEED, group.key().as_ref(), mint.key().as_ref()],
        bump,
    )]
    pub bank: AccountLoader<'info, Bank>,
    #[account(
        init,
        payer = manager,
        token::mint = mint,
        token::authority = bank,
        token::token_program = token_program,
        seeds = [VAULT_SEED, bank.key().as_ref()],
        bump,
    )]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    /// Prices the token and takes it into its risk array. Left out for the quote token, and only for it.
    #[account(has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: Option<AccountLoader<'info, Underlying>>,
    pub token_program: Interface<'info, TokenInterface>,
    pub system_program: Program<'info, System>,
}

/// Lists a collateral token, which nobody can deposit or borrow until a change of its terms has raised its caps: listing alone
/// gives a thief nothing (P-43).
pub fn list_bank(ctx: Context<ListBank>) -> Result<()> {
    let mut group = ctx.accounts.group.load_mut()?;
    group.roles.require_manager(&ctx.accounts.manager)?;
    let now = Clock::get()?.unix_timestamp;
    group.require_running(Pause::LISTING, now)?;
    let underlying = ctx.accounts.underlying.as_ref().map(|underlying| underlying.key());
    // The quote token is cash at par; anything else needs a price.
    let is_quote = ctx.accounts.mint.key() == group.quote_mint;
    require!(is_quote == underlying.is_none(), MargraveError::ParameterOutOfBounds);
    require!(ctx.accounts.mint.decimals <= margrave_risk::Decimals::MAX, MargraveError::ParameterOutOfBounds);
    require_allowed_mint(ctx.accounts.mint.as_ref())?;

    let mut bank = ctx.accounts.bank.load_init()?;
    bank.version = VERSION;
    bank.bump = ctx.bumps.bank;
    bank.vault_bump = ctx.bumps.vault;
    bank.decimals = ctx.accounts.mint.decimals;
    bank.index = group.banks;
    bank.group = ctx.accounts.group.key();
    bank.mint = ctx.accounts.mint.key();
    bank.vault = ctx.accounts.vault.key();
    bank.underlying = underlying.unwrap_or_default();
    bank.deposit_index = Bank::INDEX_ONE;
    bank.borrow_index = Bank::INDEX_ONE;
    bank.accrued_at = now;
    bank.terms = BankTerms::default();
    bank.invariant()?;
    if is_quote {
        group.quote_bank = ctx.accounts.bank.key();
    }
    group.banks = group.banks.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
    group.invariant()?;

    emit!(BankListed {
        group: bank.group,
        bank: ctx.accounts.bank.key(),
        mint: bank.mint,
        underlying: bank.underlying,
        index: bank.index,
    });
    Ok(())
}
