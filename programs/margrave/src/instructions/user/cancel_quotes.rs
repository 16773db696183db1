use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CancelQuotes<'info> {
    /// The owner or a delegate.
    pub authority: Signer<'info>,
    #[account(mut)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

/// Cancels the signed quotes with `nonce`, or with `all_below` those with every lower one. Nothing pauses it (I-34).
pub fn cancel_quotes(ctx: Context<CancelQuotes>, nonce: u64, all_below: bool) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    require!(account.may_trade(ctx.accounts.authority.key, now), MargraveError::SignerMayNotTrade);
    account.cancel_quotes(nonce, all_below, now)?;
    account.invariant()?;

    emit!(QuotesCancelled { margin_account: ctx.accounts.margin_account.key(), nonce, all_below });
    Ok(())
}
