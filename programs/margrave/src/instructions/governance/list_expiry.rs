use crate::{constants::*, error::*, events::*, state::*, surface::Surface};
use anchor_lang::prelude::*;

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Debug)]
pub struct ListExpiryArgs {
    /// Unix seconds; must lie at least a settlement window ahead and at most two years.
    pub time: i64,
    pub surface: Surface,
}

#[derive(Accounts)]
pub struct ListExpiry<'info> {
    pub operator: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Lists an expiry with its future and no strikes, in the first free slot.
pub fn list_expiry(ctx: Context<ListExpiry>, args: ListExpiryArgs) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let group = ctx.accounts.group.load()?;
    group.roles.require_operator(&ctx.accounts.operator)?;
    group.require_running(Pause::LISTING, now)?;
    let times = now.saturating_add(SETTLEMENT_WINDOW_SECS)..=now.saturating_add(MAX_EXPIRY_SECS);
    require!(times.contains(&args.time), MargraveError::ParameterOutOfBounds);

    let mut underlying = ctx.accounts.underlying.load_mut()?;
    require!(underlying.oracle.price != 0, MargraveError::PriceNotInitialized);
    require!(underlying.expiries.iter().all(|slot| slot.time != args.time), MargraveError::AlreadyListed);
    let index = underlying.expiries.iter().position(ExpirySlot::is_free).ok_or(MargraveError::NoFreeSlot)?;
    let series = underlying.series.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
    underlying.series = series;
    underlying.expiries[index] = ExpirySlot { series, time: args.time, ..bytemuck::Zeroable::zeroed() };
    underlying.set_surface(index, &args.surface, &group.options.terms()?, now)?;
    underlying.invariant()?;

    let (underlying, index) = (ctx.accounts.underlying.key(), u8::try_from(index).unwrap_or(u8::MAX));
    emit!(ExpiryListed { underlying, index, series, time: args.time });
    Ok(())
}
