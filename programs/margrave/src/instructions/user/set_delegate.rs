use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetDelegate<'info> {
    /// Only the owner: a delegate appoints nobody.
    pub owner: Signer<'info>,
    #[account(mut, has_one = owner @ MargraveError::SignerIsNotOwner)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
}

/// Lets `delegate` trade for the account until `expires_at` (unix seconds), in one of two places; all zeros empty the place. A
/// delegate can trade, sign quotes and cancel them, and nothing else.
pub fn set_delegate(ctx: Context<SetDelegate>, place: u8, delegate: Pubkey, expires_at: i64) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    require!(expires_at <= now.saturating_add(MAX_DELEGATE_SECS), MargraveError::DelegationTooLong);
    let mut account = ctx.accounts.margin_account.load_mut()?;
    let slot = account.delegates.get_mut(usize::from(place)).ok_or(MargraveError::ParameterOutOfBounds)?;
    *slot = Delegate { key: delegate, expires_at };
    account.invariant()?;

    emit!(DelegateSet { margin_account: ctx.accounts.margin_account.key(), place, delegate, expires_at });
    Ok(())
}
