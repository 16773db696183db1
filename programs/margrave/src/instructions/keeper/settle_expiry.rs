use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct SettleExpiry<'info> {
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Turns an account's futures and options of one settled expiry into a claim at the settlement price. Anyone; nothing pauses it.
///
/// Payoffs of all accounts sum to zero, but for what rounds against each of them (I-05).
pub fn settle_expiry(ctx: Context<SettleExpiry>, expiry: u8) -> Result<()> {
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let mut account = accounts.margin_account.load_mut()?;
    let mut underlying = accounts.underlying.load_mut()?;
    let slot = underlying.expiries.get(usize::from(expiry)).filter(|slot| !slot.is_free());
    let settlement_price = slot.ok_or(MargraveError::InstrumentNotListed)?.settlement_price;
    require!(settlement_price != 0, MargraveError::NotSettledYet);
    // The underlying is the account's own, found by key, so that its group is the account's.
    let index = account.risk_in(&key).ok_or(MargraveError::NoPosition)?;

    let (positions, paid) = account.expire(index, expiry, &mut underlying)?;
    require!(positions > 0, MargraveError::NoPosition);
    account.count_change()?;
    account.compact()?;
    account.invariant()?;
    underlying.invariant()?;

    let event = ExpirySettled {
        margin_account: accounts.margin_account.key(),
        underlying: key,
        expiry,
        settlement_price,
        positions,
        paid,
        sequence: account.sequence,
    };
    event.emit_by(&accounts.event_authority)
}
