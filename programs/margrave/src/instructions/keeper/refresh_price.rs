use crate::{breaker::Present, error::*, events::*, oracle::read_price, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct RefreshPrice<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    /// CHECK: owner, type, feed and content are checked by `read_price` and `Oracle::accept`.
    pub price_account: UncheckedAccount<'info>,
}

/// Accepts a Pyth price into an underlying, and brings funding, volatility, scan range, forwards and expiries to its moment.
/// Anyone may call it; every check of I-18 applies.
///
/// It may trip breakers, which then stop new risk on the underlying for a while.
/// A price equal in time to the accepted one is left alone and succeeds, so that many transactions may carry it.
pub fn refresh_price(ctx: Context<RefreshPrice>) -> Result<()> {
    let present = Present::get()?;
    let group = ctx.accounts.group.load()?;
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let update = read_price(&group, &underlying.oracle.terms, &ctx.accounts.price_account)?;
    let before = underlying.breaker;
    let is_new = underlying.refresh(&update, &group.options.terms()?, &present)?;
    underlying.invariant()?;

    if is_new {
        let oracle = &underlying.oracle;
        emit!(PriceAccepted {
            underlying: ctx.accounts.underlying.key(),
            price: oracle.price,
            confidence: oracle.confidence,
            publish_time: oracle.publish_time,
            posted_slot: oracle.posted_slot,
            stable_price: oracle.stable_price,
            scan_range: underlying.range.range,
        });
        for (breaker, until) in underlying.breaker.tripped_since(&before, present.now) {
            emit!(BreakerTripped { underlying: ctx.accounts.underlying.key(), breaker, until });
        }
    }
    Ok(())
}
