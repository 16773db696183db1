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
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub venue: Option<AccountLoader<'info, Venue>>,
}

/// Sets [`Pause`] bits of the group for `secs`, or with an underlying stops new risk on it, or with a venue whatever it fills. Pausing
/// again prolongs and never shortens; ending it sooner is a change that waits. None of them blocks an exit (I-34).
pub fn pause(ctx: Context<PauseGroup>, bits: u32, secs: u32) -> Result<()> {
    let until = Clock::get()?.unix_timestamp.saturating_add(i64::from(secs));
    let mut group = ctx.accounts.group.load_mut()?;
    group.roles.require_guardian(&ctx.accounts.guardian)?;
    require!(bits & !Pause::ALL == 0, MargraveError::ParameterOutOfBounds);
    require!((1..=MAX_PAUSE_SECS).contains(&secs), MargraveError::PauseTooLong);
    let (key, guardian) = (ctx.accounts.group.key(), ctx.accounts.guardian.key());
    let PauseGroup { underlying, venue, .. } = ctx.accounts;
    // One underlying or one venue has one bit.
    let fits = underlying.is_none() && venue.is_none() || bits == Pause::NEW_RISK;
    require!(fits && !(underlying.is_some() && venue.is_some()), MargraveError::ParameterOutOfBounds);
    if let Some(venue) = venue {
        venue.load_mut()?.pause(until)?;
        emit!(VenuePaused { group: key, venue: venue.key(), until, guardian });
        return Ok(());
    }
    match underlying {
        Some(underlying) => {
            let held = &mut underlying.load_mut()?.breaker.paused_until;
            *held = until.max(*held);
        }
        None => group.pause(bits, until),
    }
    group.invariant()?;

    emit!(PausedUntil { group: key, underlying: underlying.as_ref().map(|it| it.key()), bits, until, guardian });
    Ok(())
}
