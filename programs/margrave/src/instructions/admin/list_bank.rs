use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;
use anchor_spl::{
    token,
    token_interface::{Mint, TokenAccount, TokenInterface},
};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ListBankArgs {
    pub deposit_cap: u64,
    pub haircut_maintenance_ppm: u32,
    pub haircut_initial_ppm: u32,
}

#[derive(Accounts)]
pub struct ListBank<'info> {
    #[account(mut)]
    pub admin: Signer<'info>,
    #[account(mut, has_one = admin @ MargraveError::SignerIsNotAdmin)]
    pub group: AccountLoader<'info, Group>,
    /// SPL Token only: Token-2022 waits for its extension allow-list.
    #[account(mint::token_program = token_program)]
    pub mint: InterfaceAccount<'info, Mint>,
    #[account(
        init,
        payer = admin,
        space = 8 + size_of::<Bank>(),
        seeds = [BANK_SEED, group.key().as_ref(), mint.key().as_ref()],
        bump,
    )]
    pub bank: AccountLoader<'info, Bank>,
    #[account(
        init,
        payer = admin,
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
    #[account(address = token::ID @ MargraveError::TokenNotAllowed)]
    pub token_program: Interface<'info, TokenInterface>,
    pub system_program: Program<'info, System>,
}

/// Lists a collateral token.
pub fn list_bank(ctx: Context<ListBank>, args: ListBankArgs) -> Result<()> {
    let mut group = ctx.accounts.group.load_mut()?;
    let underlying = ctx.accounts.underlying.as_ref().map(|underlying| underlying.key());
    // The quote token is cash at par; anything else needs a price.
    let is_quote = ctx.accounts.mint.key() == group.quote_mint;
    require!(is_quote == underlying.is_none(), MargraveError::ParameterOutOfBounds);
    require!(!is_quote || args.haircut_initial_ppm == 0, MargraveError::ParameterOutOfBounds);
    require!(ctx.accounts.mint.decimals <= margrave_risk::Decimals::MAX, MargraveError::ParameterOutOfBounds);

    if let Some(underlying) = &ctx.accounts.underlying {
        let asked = underlying.load()?.largest_requirement_ppm() + u64::from(args.haircut_initial_ppm);
        require!(asked <= u64::from(PPM), MargraveError::ParameterOutOfBounds);
    }

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
    bank.deposit_cap = args.deposit_cap;
    bank.haircut_maintenance_ppm = args.haircut_maintenance_ppm;
    bank.haircut_initial_ppm = args.haircut_initial_ppm;
    bank.invariant()?;
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
