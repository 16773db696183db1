use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct RegisterProfit<'info> {
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Realises what an account has gained on an underlying whose losses are to be shared, and registers it to bear its part: the most it
/// is seen to have in a round. Anyone, until the round ends.
pub fn register_profit(ctx: Context<RegisterProfit>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let mut account = accounts.margin_account.load_mut()?;
    let mut underlying = accounts.underlying.load_mut()?;
    // The underlying is the account's own, found by key, so that its group is the account's.
    let index = account.risk_in(&key).ok_or(MargraveError::NotACandidate)?;
    let (round, until) = (underlying.losses.round, underlying.losses.registering_until);
    require!(now <= until, MargraveError::NoticeRunning);

    account.realise(index, &underlying, now)?;
    account.report(index, &mut underlying)?;
    let profit = account.profit_on(index, key, &underlying, now)?;
    require!(profit > 0, MargraveError::NotACandidate);
    let slot = &mut account.risk[index];
    let before = if slot.loss_round == round { slot.registered } else { 0 };
    require!(profit > before, MargraveError::AlreadyRegistered);
    (slot.loss_round, slot.registered) = (round, profit);
    let registered = underlying.losses.registered.checked_add((profit - before).unsigned_abs());
    underlying.losses.registered = registered.ok_or(MargraveError::ValueOutOfRange)?;
    account.count_change()?;
    account.invariant()?;
    underlying.invariant()?;

    let event = ProfitRegistered {
        underlying: key,
        margin_account: accounts.margin_account.key(),
        profit,
        registered: underlying.losses.registered,
        round,
    };
    event.emit_by(&accounts.event_authority)
}
