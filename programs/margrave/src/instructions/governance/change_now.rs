use super::execute_change::apply;
use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ChangeNow<'info> {
    /// The admin or the manager, as the change demands.
    pub proposer: Signer<'info>,
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    /// What the change is of, and the underlying of that bank.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub bank: Option<AccountLoader<'info, Bank>>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: Option<AccountLoader<'info, Underlying>>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub venue: Option<AccountLoader<'info, Venue>>,
}

/// Makes a change that only tightens, or any change before the launch.
pub fn change_now(ctx: Context<ChangeNow>, change: Change) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut group = ctx.accounts.group.load_mut()?;
    match change.proposer() {
        Proposer::Admin => group.roles.require_admin(&ctx.accounts.proposer)?,
        Proposer::Manager => group.roles.require_manager(&ctx.accounts.proposer)?,
    }
    let must_tighten = group.launched != 0;
    let ChangeNow { bank, underlying, venue, .. } = ctx.accounts;
    apply(&change, &mut group, bank, underlying, venue, now, must_tighten)?;

    emit!(ChangedNow { group: ctx.accounts.group.key(), proposer: ctx.accounts.proposer.key(), change });
    Ok(())
}
