use crate::{error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[event_cpi]
#[derive(Accounts)]
pub struct FlagAccount<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    // remaining - the account's banks and underlyings; those it owes something must be writable when it is bankrupt, or was
}

/// Values an account and writes down where it stands: healthy, below initial margin, to be liquidated, or bankrupt. Anyone.
///
/// Liquidation fees grow from here on, quotes of an account in liquidation are void, and while an account is bankrupt nobody draws
/// profit where it may leave a loss (I-28).
pub fn flag_account<'info>(ctx: Context<'info, FlagAccount<'info>>) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let accounts = &*ctx.accounts;
    let mut account = accounts.margin_account.load_mut()?;
    let directory = InstructionAccounts::new(&[], ctx.remaining_accounts);
    let mut arranged = Arranged::new(&*accounts.group.load()?)?;
    let before = account.status;
    // A dead feed is no shield, but when all of them are old nothing is said.
    let is_known = |slot: &&RiskSlot| match directory.underlying(&slot.underlying) {
        Ok(underlying) => underlying.oracle.is_good_for(Action::Settle, now),
        Err(_) => false,
    };
    let mut slots = account.risk.iter().filter(|slot| !slot.is_empty()).peekable();
    require!(slots.peek().is_none() || slots.any(|slot| is_known(&slot)), MargraveError::PriceTooOld);
    let valuation = revalue(&mut account, &mut arranged, &directory, Action::Reduce, now)?;
    if valuation.maintenance_health().is_negative() {
        account.begin_liquidation(valuation.equity, now);
    }
    let (full_equity, _) = arranged.full_equity_and_debts(valuation.equity);
    account.count_bankrupt(full_equity, &directory, now)?;
    account.invariant()?;

    let event = AccountFlagged {
        account: SideSummary::of(accounts.margin_account.key(), &account, valuation),
        status_before: before,
        status: account.status,
        flagged_at: account.flagged_at,
    };
    event.emit_by(&accounts.event_authority)
}
