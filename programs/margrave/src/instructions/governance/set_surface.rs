use crate::{error::*, events::*, state::*, surface::Surface};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetSurface<'info> {
    pub operator: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Sets the forward's carry and the implied volatilities of an expiry, no faster than the underlying's terms allow. `series`
/// must be the one that the operator has in mind.
pub fn set_surface(ctx: Context<SetSurface>, expiry: u8, series: u32, surface: Surface) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let group = ctx.accounts.group.load()?;
    group.roles.require_operator(&ctx.accounts.operator)?;
    group.require_running(Pause::SURFACE, now)?;

    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let index = usize::from(expiry);
    let listed = underlying.expiries.get(index).is_some_and(|slot| !slot.is_free() && slot.series == series);
    require!(listed, MargraveError::InstrumentNotListed);
    require!(now < underlying.expiries[index].time, MargraveError::ExpiryHasPassed);
    underlying.set_surface(index, &surface, &group.options.terms()?, now)?;
    underlying.invariant()?;

    let forward = underlying.expiries[index].expiry().terms().forward.raw();
    emit!(SurfaceSet { underlying: ctx.accounts.underlying.key(), expiry, series, surface, forward });
    Ok(())
}
