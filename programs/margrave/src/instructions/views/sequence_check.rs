use crate::{error::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SequenceCheck<'info> {
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

/// Fails when the account has changed since its sequence was `expected`. Put it before an instruction that was decided on then.
pub fn sequence_check(ctx: Context<SequenceCheck>, expected: u64) -> Result<()> {
    require!(ctx.accounts.margin_account.load()?.sequence == expected, MargraveError::SequenceMoved);
    Ok(())
}
