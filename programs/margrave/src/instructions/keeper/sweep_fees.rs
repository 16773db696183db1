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

/// Moves trading fees that losers have paid from an underlying's pool to the quote bank: to its insurance up to the target, then
/// to its fees. Anyone; not while a breaker keeps winners from drawing (I-28).
pub fn sweep_fees(ctx: Context<SweepFees>) -> Result<()> {
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    underlying.require_pool_open(&Present::get()?)?;
    let mut bank = ctx.accounts.quote_bank.load_mut()?;
    let pool = &mut underlying.pool;
    let amount = pool.balance.min(pool.unsettled_fees.max(0).unsigned_abs());
    require!(amount > 0, MargraveError::AmountMustBePositive);

    let signed = i64::try_from(amount).map_err(|_| MargraveError::ValueOutOfRange)?;
    pool.balance -= amount;
    pool.unsettled_fees -= signed;
    bank.pools = bank.pools.checked_sub(amount).ok_or(MargraveError::InvariantViolated)?;
    bank.take_fee(amount)?;
    underlying.invariant()?;
    bank.invariant()?;

    let event =
        FeesSwept { underlying: ctx.accounts.underlying.key(), amount, insurance: bank.insurance, fees: bank.fees };
    event.emit_by(&ctx.accounts.event_authority)
}
