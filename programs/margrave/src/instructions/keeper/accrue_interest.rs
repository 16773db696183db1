use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct AccrueInterest<'info> {
    #[account(mut)]
    pub bank: AccountLoader<'info, Bank>,
    /// The bank's underlying, for its reference price; left out for the quote token.
    pub underlying: Option<AccountLoader<'info, Underlying>>,
}

/// Adds the interest since the last time, and takes the price that outflow is counted at. Anyone.
pub fn accrue_interest(ctx: Context<AccrueInterest>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut bank = ctx.accounts.bank.load_mut()?;
    bank.accrue(now)?;
    if !bank.is_quote() {
        let underlying = ctx.accounts.underlying.as_ref().ok_or(MargraveError::UnderlyingMissing)?;
        require_keys_eq!(underlying.key(), bank.underlying, MargraveError::UnderlyingMissing);
        bank.reference_price = underlying.load()?.oracle.price;
    }
    bank.invariant()?;

    emit!(InterestAccrued {
        bank: ctx.accounts.bank.key(),
        deposit_index: bank.deposit_index,
        borrow_index: bank.borrow_index,
        borrow_rate: bank.borrow_rate,
    });
    Ok(())
}
