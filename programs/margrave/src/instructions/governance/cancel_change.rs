use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct CancelChange<'info> {
    /// The guardian or the admin, or whoever may cancel an expired one: everybody.
    pub guardian: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        has_one = proposer @ MargraveError::ProposerMismatch,
        close = proposer,
    )]
    pub proposal: Account<'info, Proposal>,
    /// CHECK: gets the rent back; the proposal names it.
    #[account(mut)]
    pub proposer: UncheckedAccount<'info>,
}

/// Withdraws a change that waits.
pub fn cancel_change(ctx: Context<CancelChange>) -> Result<()> {
    let proposal = &ctx.accounts.proposal;
    if Clock::get()?.unix_timestamp <= proposal.expires_at {
        ctx.accounts.group.load()?.roles.require_guardian(&ctx.accounts.guardian)?;
    }
    emit!(ChangeCancelled { group: proposal.group, proposal: proposal.key(), id: proposal.id });
    Ok(())
}
