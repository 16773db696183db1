use crate::{constants::*, error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct QueueChange<'info> {
    /// The admin or the manager, as the change demands.
    #[account(mut)]
    pub proposer: Signer<'info>,
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    #[account(
        init,
        payer = proposer,
        space = Proposal::SPACE,
        seeds = [PROPOSAL_SEED, group.key().as_ref(), &group.load()?.proposals.to_le_bytes()],
        bump,
    )]
    pub proposal: Account<'info, Proposal>,
    pub system_program: Program<'info, System>,
}

/// Announces a change. It can be executed when the group's timelock has run, for a week (I-33).
pub fn queue_change(ctx: Context<QueueChange>, change: Change) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut group = ctx.accounts.group.load_mut()?;
    match change.proposer() {
        Proposer::Admin => group.roles.require_admin(&ctx.accounts.proposer)?,
        Proposer::Manager => group.roles.require_manager(&ctx.accounts.proposer)?,
    }
    let id = group.proposals;
    group.proposals = id.checked_add(1).ok_or(MargraveError::ValueOutOfRange)?;
    group.invariant()?;

    let executable_at = now.saturating_add(i64::from(group.terms.timelock_secs));
    let expires_at = executable_at.saturating_add(EXECUTION_WINDOW_SECS);
    let (group, proposer) = (ctx.accounts.group.key(), ctx.accounts.proposer.key());
    let proposal = &mut *ctx.accounts.proposal;
    *proposal = Proposal {
        version: VERSION,
        bump: ctx.bumps.proposal,
        group,
        id,
        proposer,
        executable_at,
        expires_at,
        change: change.clone(),
    };
    emit!(ChangeQueued {
        group,
        proposal: ctx.accounts.proposal.key(),
        id,
        proposer,
        executable_at,
        expires_at,
        change
    });
    Ok(())
}
