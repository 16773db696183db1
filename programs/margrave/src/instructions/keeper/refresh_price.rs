use crate::{error::*, events::*, oracle::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct RefreshPrice<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    /// CHECK: owner, type, feed and content are checked by `read_price_update` and `Oracle::accept`.
    pub price_update: UncheckedAccount<'info>,
}

/// Accepts a Pyth price into an underlying. Anyone may call it; every check of I-18 applies.
///
/// A price equal in time to the accepted one is left alone and succeeds, so that many transactions may carry it.
pub fn refresh_price(ctx: Context<RefreshPrice>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let update = read_price_update(&*ctx.accounts.group.load()?, &ctx.accounts.price_update)?;

    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let is_new = underlying.oracle.accept(&update, now)?;
    underlying.invariant()?;

    if is_new {
        emit!(PriceAccepted {
            underlying: ctx.accounts.underlying.key(),
            price: underlying.oracle.price,
            confidence: underlying.oracle.confidence,
            publish_time: underlying.oracle.publish_time,
            posted_slot: underlying.oracle.posted_slot,
        });
    }
    Ok(())
}
