use crate::{breaker::*, error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct TransferCollateral<'info> {
    pub owner: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = owner @ MargraveError::SignerIsNotOwner,
        has_one = group @ MargraveError::GroupMismatch,
    )]
    pub from: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = to.load()?.owner == owner.key() @ MargraveError::OwnersDiffer,
        constraint = to.key() != from.key() @ MargraveError::SelfDealing,
    )]
    pub to: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub bank: AccountLoader<'info, Bank>,
    // remaining - the other banks and the underlyings of the account that gives, unless it is flat
}

/// Moves `amount` atoms of a deposit to another account of the same owner; `u64::MAX` moves all of it. A debt there is repaid
/// first. The giving account must meet its initial margin afterwards (I-15).
pub fn transfer_collateral<'info>(ctx: Context<'info, TransferCollateral<'info>>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let now = Clock::get()?.unix_timestamp;
    let accounts = &*ctx.accounts;
    let (key, group) = (accounts.bank.key(), accounts.group.load()?);
    let (mut from, mut to) = (accounts.from.load_mut()?, accounts.to.load_mut()?);

    let amount = {
        let mut bank = accounts.bank.load_mut()?;
        bank.accrue(now)?;
        let (held, there) = (from.shares_in(&key), to.shares_in(&key));
        let amount = if amount == u64::MAX { bank.atoms_down(held.max(0).unsigned_abs())? } else { amount };
        require!(amount > 0, MargraveError::BalanceExceeded);
        from.set_shares(key, bank.underlying, bank.debit(held, amount, Lending::Refused)?)?;
        let after = bank.credit(there, amount)?;
        require!(after > there, MargraveError::AmountBelowOneShare);
        to.set_shares(key, bank.underlying, after)?;
        bank.invariant()?;
        amount
    }; // release the bank: the valuation reads it again
    for account in [&mut from, &mut to] {
        account.count_change()?;
        account.compact()?;
        account.invariant()?;
    }
    if !from.is_flat() {
        group.require_running(Pause::WITHDRAW, now)?;
        let named = [accounts.bank.as_ref()];
        let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
        let mut arranged = Arranged::new(&group)?.requiring_not_stopped(Present::get()?, Lending::Refused);
        require_initial_margin(&revalue(&mut from, &mut arranged, &directory, Action::AddRisk, now)?)?;
    }

    let event = CollateralTransferred {
        from: accounts.from.key(),
        to: accounts.to.key(),
        bank: key,
        amount,
        from_sequence: from.sequence,
        to_sequence: to.sequence,
    };
    event.emit_by(&accounts.event_authority)
}
