use crate::{breaker::Present, error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct SweepFees<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    #[account(mut, address = group.load()?.quote_bank @ MargraveError::BankMissing)]
    pub quote_bank: AccountLoader<'info, Bank>,
}

/// Moves fees that losers have paid from an underlying's pool: to its first-loss floor up to the target, then to the quote bank's
/// insurance up to its, then to its fees. Anyone, while no deficit is open and no breaker keeps winners from drawing (I-28).
pub fn sweep_fees(ctx: Context<SweepFees>) -> Result<()> {
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    underlying.require_pool_open(&Present::get()?)?;
    let mut bank = ctx.accounts.quote_bank.load_mut()?;
    underlying.losses.require_closed(Clock::get()?.unix_timestamp)?;
    let underlying = &mut *underlying;
    let pool = &mut underlying.pool;
    let amount = pool.balance.min(pool.unsettled_fees.max(0).unsigned_abs());
    require!(amount > 0, MargraveError::AmountMustBePositive);

    let signed = i64::try_from(amount).map_err(|_| MargraveError::ValueOutOfRange)?;
    pool.balance -= amount;
    pool.unsettled_fees -= signed;
    // The floor first, which stays in the pools; the rest leaves them.
    let floor = amount.min(underlying.market.first_loss_target.saturating_sub(underlying.losses.first_loss));
    underlying.losses.first_loss += floor;
    bank.pools = bank.pools.checked_sub(amount - floor).ok_or(MargraveError::InvariantViolated)?;
    bank.take_fee(amount - floor)?;
    underlying.invariant()?;
    bank.invariant()?;

    let event = FeesSwept {
        underlying: ctx.accounts.underlying.key(),
        amount,
        floor,
        insurance: bank.insurance,
        fees: bank.fees,
    };
    event.emit_by(&ctx.accounts.event_authority)
}
