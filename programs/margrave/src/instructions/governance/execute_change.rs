use crate::{error::*, events::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct ExecuteChange<'info> {
    #[account(mut)]
    pub group: AccountLoader<'info, Group>,
    /// Closed: a change is executed once.
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
    /// What the change is of, and the underlying of that bank.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub bank: Option<AccountLoader<'info, Bank>>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: Option<AccountLoader<'info, Underlying>>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub venue: Option<AccountLoader<'info, Venue>>,
}

/// Makes a change whose time has come. Anyone.
pub fn execute_change(ctx: Context<ExecuteChange>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let proposal = &ctx.accounts.proposal;
    proposal.require_executable(now)?;
    let mut group = ctx.accounts.group.load_mut()?;
    // Or a guardian who renews a pause of execution could never be overruled.
    if !matches!(proposal.change, Change::Unpause(_)) {
        group.require_running(Pause::EXECUTE, now)?;
    }
    let ExecuteChange { bank, underlying, venue, .. } = ctx.accounts;
    apply(&proposal.change, &mut group, bank, underlying, venue, now, false)?;

    let (group, id) = (ctx.accounts.group.key(), proposal.id);
    emit!(ChangeExecuted { group, proposal: proposal.key(), id, change: proposal.change.clone() });
    Ok(())
}

/// Brings interest up to date, so that new terms do not reach back, and makes the change.
pub fn apply<'info>(
    change: &Change,
    group: &mut Group,
    bank: &Option<AccountLoader<'info, Bank>>,
    underlying: &Option<AccountLoader<'info, Underlying>>,
    venue: &Option<AccountLoader<'info, Venue>>,
    now: i64,
    must_tighten: bool,
) -> Result<()> {
    let (bank_key, underlying_key) = (bank.as_ref().map(|it| it.key()), underlying.as_ref().map(|it| it.key()));
    let mut bank = bank.as_ref().map(|bank| bank.load_mut()).transpose()?;
    let mut underlying = underlying.as_ref().map(|underlying| underlying.load_mut()).transpose()?;
    let mut venue = venue.as_ref().map(|venue| Ok::<_, Error>((venue.key(), venue.load_mut()?))).transpose()?;
    if let Some(bank) = &mut bank {
        bank.accrue(now)?;
    }
    let mut targets = Targets {
        group,
        bank: bank_key.zip(bank.as_deref_mut()),
        underlying: underlying_key.zip(underlying.as_deref_mut()),
        venue: venue.as_mut().map(|(key, venue)| (*key, &mut **venue)),
    };
    require!(!must_tighten || change.is_tightening(&targets), MargraveError::ChangeMustBeQueued);
    change.apply(&mut targets)
}
