use crate::{constants::*, error::*, state::*};
use anchor_lang::{prelude::*, system_program};

/// Most that one instruction may add to an account.
const STEP: usize = 10_240;

#[derive(Accounts)]
#[instruction(symbol: [u8; 16])]
pub struct GrowUnderlying<'info> {
    #[account(mut)]
    pub manager: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    /// CHECK: its address is that of the underlying with this symbol; until it is listed nothing reads it.
    #[account(mut, seeds = [UNDERLYING_SEED, group.key().as_ref(), &symbol], bump)]
    pub underlying: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

/// Makes room for an underlying's sheet, which is larger than one instruction may create: called until it has its size, then
/// `list_underlying`.
pub fn grow_underlying(ctx: Context<GrowUnderlying>, symbol: [u8; 16]) -> Result<()> {
    ctx.accounts.group.load()?.roles.require_manager(&ctx.accounts.manager)?;
    let (sheet, payer) = (&ctx.accounts.underlying, &ctx.accounts.manager);
    let target = 8 + size_of::<Underlying>();
    let length = sheet.data_len();
    require!(length < target, MargraveError::AlreadyGrown);
    let next = target.min(length + STEP);
    if *sheet.owner == crate::ID {
        return sheet.resize(next).map_err(Into::into);
    }

    // Somebody may have sent lamports there: create_account would fail, these three do not.
    let missing = Rent::get()?.minimum_balance(target).saturating_sub(sheet.lamports());
    let accounts = system_program::Transfer { from: payer.to_account_info(), to: sheet.to_account_info() };
    system_program::transfer(CpiContext::new(system_program::ID, accounts), missing)?;
    let group = ctx.accounts.group.key();
    let seeds: &[&[u8]] = &[UNDERLYING_SEED, group.as_ref(), &symbol, &[ctx.bumps.underlying]];
    let signers = [seeds];
    let accounts = system_program::Allocate { account_to_allocate: sheet.to_account_info() };
    let space = u64::try_from(next).map_err(|_| MargraveError::ValueOutOfRange)?;
    system_program::allocate(CpiContext::new_with_signer(system_program::ID, accounts, &signers), space)?;
    let accounts = system_program::Assign { account_to_assign: sheet.to_account_info() };
    system_program::assign(CpiContext::new_with_signer(system_program::ID, accounts, &signers), &crate::ID)
}
