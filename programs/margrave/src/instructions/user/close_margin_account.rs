use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CloseMarginAccount<'info> {
    /// Gets the rent.
    #[account(mut)]
    pub owner: Signer<'info>,
    #[account(mut, has_one = owner @ MargraveError::SignerIsNotOwner, close = owner)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

/// Closes a margin account that holds nothing. Quotes name the second in which their account was opened, so they do not live
/// again with a new account of the same number, which cannot be opened in that second any more.
pub fn close_margin_account(ctx: Context<CloseMarginAccount>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let account = ctx.accounts.margin_account.load()?;
    require!(account.is_empty() && now > account.quotes_since, MargraveError::MarginAccountNotEmpty);

    account.invariant()?;

    emit!(MarginAccountClosed { margin_account: ctx.accounts.margin_account.key(), owner: account.owner });
    Ok(())
}
