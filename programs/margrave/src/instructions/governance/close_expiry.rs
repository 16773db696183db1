use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseExpiry<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Frees the slots of an expiry that is past and in which nobody has a position any more. Anyone.
pub fn close_expiry(ctx: Context<CloseExpiry>, expiry: u8) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let slot = underlying.expiries.get(usize::from(expiry)).filter(|slot| !slot.is_free());
    let slot = *slot.ok_or(MargraveError::InstrumentNotListed)?;
    require!(now >= slot.time, MargraveError::NotSettledYet);
    require!(slot.interest == 0, MargraveError::ExpiryInUse);

    underlying.expiries[usize::from(expiry)] = bytemuck::Zeroable::zeroed();
    for strike in underlying.strikes.iter_mut().filter(|strike| strike.expiry == expiry + 1) {
        *strike = bytemuck::Zeroable::zeroed();
    }
    underlying.invariant()?;
    emit!(ExpiryClosed { underlying: ctx.accounts.underlying.key(), index: expiry, series: slot.series });
    Ok(())
}
