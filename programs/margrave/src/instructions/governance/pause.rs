use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct PauseGroup<'info> {
    pub guardian: Signer<'info>,
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    /// Left out to pause the whole group.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: Option<AccountLoader<'info, Underlying>>,
}

/// Sets [`Pause`] bits of the group, or with an underlying stops new risk on it. Clearing them is a change that waits; none of
/// them blocks an exit (I-34).
pub fn pause(ctx: Context<PauseGroup>, bits: u32) -> Result<()> {
    let mut group = ctx.accounts.group.load_mut()?;
    group.roles.require_guardian(&ctx.accounts.guardian)?;
    require!(bits & !Pause::ALL == 0, MargraveError::ParameterOutOfBounds);
    match &ctx.accounts.underlying {
        Some(underlying) => {
            require!(bits == Pause::NEW_RISK, MargraveError::ParameterOutOfBounds);
            underlying.load_mut()?.paused = 1;
        }
        None => group.paused |= bits,
    }
    group.invariant()?;

    let underlying = ctx.accounts.underlying.as_ref().map(|underlying| underlying.key());
    emit!(PausedBits { group: ctx.accounts.group.key(), underlying, bits, guardian: ctx.accounts.guardian.key() });
    Ok(())
}
