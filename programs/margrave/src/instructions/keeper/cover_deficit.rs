use crate::{error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct CoverDeficit<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    #[account(mut, address = group.load()?.quote_bank @ MargraveError::BankMissing)]
    pub quote_bank: AccountLoader<'info, Bank>,
    // remaining - the account's other banks and underlyings; those it owes something must be writable
}

/// Pays what a bankrupt account without positions and collateral owes an underlying's pool: from its first-loss floor, then from
/// insurance as far as a day's cap allows. What is left is written off, and profit on the underlying will bear it (I-26). Anyone.
pub fn cover_deficit<'info>(ctx: Context<'info, CoverDeficit<'info>>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let group = accounts.group.load()?;
    let named = [accounts.underlying.as_ref(), accounts.quote_bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let mut account = accounts.margin_account.load_mut()?;
    let index = account.risk_in(&key).ok_or(MargraveError::NothingToRepay)?;
    account.require_nothing_left(&directory, true, now)?;
    require!(account.positions[0].is_empty(), MargraveError::PositionsFirst);
    // Fees that it has not paid are nobody's loss.
    let slot = &mut account.risk[index];
    let forgiven = slot.fees.min(-slot.claim).max(0);
    slot.fees -= forgiven;
    slot.add_claim(forgiven)?;
    let deficit = account.risk[index].claim.min(0).unsigned_abs();
    require!(deficit > 0 || forgiven > 0, MargraveError::NothingToRepay);

    let (first_loss, insurance, left) = {
        let mut underlying = accounts.underlying.load_mut()?;
        let mut bank = accounts.quote_bank.load_mut()?;
        let first_loss = deficit.min(underlying.losses.first_loss);
        let cap = underlying.market.insurance_cap;
        let room = underlying.losses.insured.room(cap, now);
        let insurance = (deficit - first_loss).min(bank.insurance).min(room);
        let left = deficit - first_loss - insurance;

        // The floor is in the pools already; insurance joins them.
        underlying.losses.first_loss -= first_loss;
        underlying.losses.insured.take(insurance, cap, now)?;
        bank.insurance -= insurance;
        bank.pools = bank.pools.checked_add(insurance).ok_or(MargraveError::ValueOutOfRange)?;
        let pool = &mut underlying.pool;
        let paid = pool.balance.checked_add(first_loss + insurance);
        pool.balance = paid.ok_or(MargraveError::ValueOutOfRange)?;
        let written_off = i64::try_from(left).map_err(|_| MargraveError::ValueOutOfRange)?;
        pool.clearing = pool.clearing.checked_sub(written_off).ok_or(MargraveError::ValueOutOfRange)?;
        if left > 0 {
            underlying.losses.add_unshared(left, &group.terms, now)?;
        }
        let deficit = i64::try_from(deficit).map_err(|_| MargraveError::ValueOutOfRange)?;
        account.risk[index].add_claim(deficit)?;
        account.report(index, &mut underlying)?;
        underlying.invariant()?;
        bank.invariant()?;
        (first_loss, insurance, left)
    }; // release both: the valuation reads them again
    account.restate(&group, &directory, now)?;

    if left > 0 {
        let losses = accounts.underlying.load()?.losses;
        let event = LossUnshared {
            margin_account: accounts.margin_account.key(),
            underlying: key,
            amount: left,
            unshared: losses.unshared,
            registering_until: losses.registering_until,
            round: losses.round,
        };
        event.emit_by(&accounts.event_authority)?;
    }
    let margin_account = accounts.margin_account.key();
    DeficitCovered { margin_account, underlying: key, first_loss, insurance, left }.emit_by(&accounts.event_authority)
}

impl MarginAccount {
    /// Values a bankrupt account after a part of its losses was borne by others, and counts it by what it is then.
    pub fn restate(&mut self, group: &Group, directory: &InstructionAccounts, now: i64) -> Result<()> {
        self.count_change()?;
        self.compact()?;
        let mut arranged = Arranged::new(group)?;
        let valuation = revalue(self, &mut arranged, directory, Action::Reduce, now)?;
        let (full_equity, _) = arranged.full_equity_and_debts(valuation.equity);
        self.count_bankrupt(full_equity, directory, now)?;
        self.invariant()
    }
}
