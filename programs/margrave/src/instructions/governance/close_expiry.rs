use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseExpiry<'info> {
    /// Anyone; the manager or the admin before the expiry's time.
    pub closer: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Frees the slots of an expiry in which nobody has a position: anyone when it is past, the manager before. Slots that were listed
/// by mistake or malice do not stay taken.
pub fn close_expiry(ctx: Context<CloseExpiry>, expiry: u8) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let slot = underlying.expiries.get(usize::from(expiry)).filter(|slot| !slot.is_free());
    let slot = *slot.ok_or(MargraveError::InstrumentNotListed)?;
    if now < slot.time {
        ctx.accounts.group.load()?.roles.require_manager(&ctx.accounts.closer)?;
    }
    require!(slot.interest == 0, MargraveError::ExpiryInUse);

    underlying.expiries[usize::from(expiry)] = bytemuck::Zeroable::zeroed();
    for strike in underlying.strikes.iter_mut().filter(|strike| strike.expiry == expiry + 1) {
        *strike = bytemuck::Zeroable::zeroed();
    }
    underlying.invariant()?;
    emit!(ExpiryClosed { underlying: ctx.accounts.underlying.key(), index: expiry, series: slot.series });
    Ok(())
}
