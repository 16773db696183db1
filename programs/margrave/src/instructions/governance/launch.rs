use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct Launch<'info> {
    pub admin: Signer<'info>,
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
}

/// Opens a group for deposits, for good. From here on a change that loosens anything waits (I-33).
pub fn launch(ctx: Context<Launch>) -> Result<()> {
    let mut group = ctx.accounts.group.load_mut()?;
    group.roles.require_admin(&ctx.accounts.admin)?;
    require!(group.launched == 0, MargraveError::AlreadyLaunched);
    // Without it no fee, premium or profit could be paid.
    require!(group.quote_bank != Pubkey::default(), MargraveError::BankMissing);

    group.launched = 1;
    group.invariant()?;
    emit!(GroupLaunched { group: ctx.accounts.group.key() });
    Ok(())
}
