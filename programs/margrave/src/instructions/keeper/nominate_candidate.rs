use crate::{error::*, events::*, losses::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct NominateCandidate<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub bankrupt: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = margin_account.key() != bankrupt.key() @ MargraveError::SelfDealing,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    // remaining - the banks and other underlyings of both accounts
}

/// Puts an account with a position opposite to a bankrupt one's into the queue of those that may be deleveraged, by rank: its profit
/// on the underlying as a part of its equity. Whoever has none comes last and is closed at the mark: else a position that nobody has
/// gained by could never be closed. Anyone; the queue opens when liquidators have had their time, and
/// the first of it may be deleveraged after a notice in which others may be named.
pub fn nominate_candidate<'info>(ctx: Context<'info, NominateCandidate<'info>>, instrument: Instrument) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let group = accounts.group.load()?;
    let named = [accounts.underlying.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let (mut bankrupt, mut account) = (accounts.bankrupt.load_mut()?, accounts.margin_account.load_mut()?);
    let mut arranged = Arranged::new(&group)?;
    bankrupt.require_deleverageable(&directory, &group.terms, now)?;
    bankrupt.require_insolvent(&mut arranged, &directory, now)?;
    let wanted = bankrupt.position_of(&key, &instrument)?;
    let offered = account.position_of(&key, &instrument)?;
    require!(wanted.signum() == -offered.signum(), MargraveError::NotACandidate);
    {
        let mut underlying = accounts.underlying.load_mut()?;
        for one in [&mut bankrupt, &mut account] {
            let index = one.risk_in(&key).ok_or(MargraveError::NotACandidate)?;
            one.realise(index, &underlying, now)?;
            one.report(index, &mut underlying)?;
        }
    } // release the underlying: the valuation reads it
    let profit = {
        let underlying = accounts.underlying.load()?;
        let profit = account.bearable(&key, &instrument, &underlying, now)?;
        // It could not be closed on an old price, and must not hold the queue meanwhile.
        if profit <= 0 {
            underlying.oracle.require_good_for(Action::Liquidate, now)?;
        }
        profit
    };
    let valuation = {
        account.count_change()?;
        revalue(&mut account, &mut arranged, &directory, Action::Reduce, now)?
    };
    let rank = rank_of(profit, valuation.equity.micros());
    let mut underlying = accounts.underlying.load_mut()?;
    let (margin_account, bankrupt_key) = (accounts.margin_account.key(), accounts.bankrupt.key());
    underlying.losses.queue.begin(bankrupt_key, &instrument, &group.terms, now)?;
    underlying.losses.queue.insert(Candidate { margin_account, rank })?;
    underlying.invariant()?;
    bankrupt.count_change()?;
    bankrupt.invariant()?;
    account.invariant()?;

    let ready_at = underlying.losses.queue.ready_at;
    let event = CandidateNominated { underlying: key, bankrupt: bankrupt_key, margin_account, rank, ready_at };
    event.emit_by(&accounts.event_authority)
}
