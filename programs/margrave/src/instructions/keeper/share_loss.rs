use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct ShareLoss<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
}

/// Ends a round: registered profit bears the underlying's losses in proportion, each account with its next settlement. What registered
/// profit does not reach waits for a next round. Anyone, when the notice has run out.
pub fn share_loss(ctx: Context<ShareLoss>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut underlying = ctx.accounts.underlying.load_mut()?;
    let (round, registered) = (underlying.losses.round, underlying.losses.registered);
    let amount = underlying.losses.share(&ctx.accounts.group.load()?.terms, now)?;
    underlying.invariant()?;

    let event = LossShared { underlying: ctx.accounts.underlying.key(), round, amount, registered };
    event.emit_by(&ctx.accounts.event_authority)
}
