use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Price, StrikePrice};

#[derive(Accounts)]
pub struct ListStrikes<'info> {
    pub operator: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Lists the calls and puts of some strike prices (10^-10 dollars) on an expiry. Their logarithms are taken here, once; their
/// volatilities are the expiry's smile's.
pub fn list_strikes(ctx: Context<ListStrikes>, expiry: u8, prices: Vec<i64>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let group = ctx.accounts.group.load()?;
    group.roles.require_operator(&ctx.accounts.operator)?;
    group.require_running(Pause::LISTING, now)?;

    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let index = usize::from(expiry);
    let slot =
        underlying.expiries.get(index).filter(|slot| !slot.is_free()).ok_or(MargraveError::InstrumentNotListed)?;
    require!(now < slot.time, MargraveError::ExpiryHasPassed);
    let (series, mark) = (slot.series, expiry + 1);
    for price in &prices {
        let strike = StrikePrice::new(Price::new(*price).or_refuse()?);
        let listed = |slot: &StrikeSlot| slot.expiry == mark && slot.price[0] == *price;
        require!(!underlying.strikes.iter().any(listed), MargraveError::AlreadyListed);
        let free = underlying.strikes.iter().position(StrikeSlot::is_free).ok_or(MargraveError::NoFreeSlot)?;
        let vol = underlying.smile_vol(index, &strike)?;
        underlying.strikes[free] =
            StrikeSlot { price: strike.to_words(), vol: vol.bits(), expiry: mark, ..bytemuck::Zeroable::zeroed() };
    }
    underlying.invariant()?;

    emit!(StrikesListed { underlying: ctx.accounts.underlying.key(), expiry, series, prices });
    Ok(())
}
