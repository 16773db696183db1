use crate::{constants::*, error::*, events::*, state::*};
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

/// Sets [`Pause`] bits of the group for `secs`, or with an underlying stops new risk on it. Pausing again prolongs and never
/// shortens; ending it sooner is a change that waits. None of them blocks an exit (I-34).
pub fn pause(ctx: Context<PauseGroup>, bits: u32, secs: u32) -> Result<()> {
    let until = Clock::get()?.unix_timestamp.saturating_add(i64::from(secs));
    let mut group = ctx.accounts.group.load_mut()?;
    group.roles.require_guardian(&ctx.accounts.guardian)?;
    require!(bits & !Pause::ALL == 0, MargraveError::ParameterOutOfBounds);
    require!((1..=MAX_PAUSE_SECS).contains(&secs), MargraveError::PauseTooLong);
    match &ctx.accounts.underlying {
        Some(underlying) => {
            require!(bits == Pause::NEW_RISK, MargraveError::ParameterOutOfBounds);
            let held = &mut underlying.load_mut()?.breaker.paused_until;
            *held = until.max(*held);
        }
        None => group.pause(bits, until),
    }
    group.invariant()?;

    let underlying = ctx.accounts.underlying.as_ref().map(|underlying| underlying.key());
    emit!(PausedUntil {
        group: ctx.accounts.group.key(),
        underlying,
        bits,
        until,
        guardian: ctx.accounts.guardian.key()
    });
    Ok(())
}
