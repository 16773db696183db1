use crate::{constants::*, error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::Cell;

#[event_cpi]
#[derive(Accounts)]
pub struct ProveBreach<'info> {
    pub group: AccountLoader<'info, Group>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    // remaining - as of flag_account
}

/// Begins the liquidation of an account whose losses in one named cell of each underlying put it below its maintenance margin:
/// `cells` by risk slot, 10 for none. Anyone.
///
/// The rest of the margin is not looked at, so what is proven is true and what is not may be true too. The account's stored margin stays
/// that of its last valuation.
pub fn prove_breach<'info>(ctx: Context<'info, ProveBreach<'info>>, cells: [u8; MAX_UNDERLYINGS]) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let accounts = &*ctx.accounts;
    let mut account = accounts.margin_account.load_mut()?;
    let directory = InstructionAccounts::new(&[], ctx.remaining_accounts);
    let mut named = [Cell::UNCHANGED; MAX_UNDERLYINGS];
    for (cell, index) in named.iter_mut().zip(cells) {
        *cell = Cell::new(index).or_refuse()?;
    }
    let mut arranged = Arranged::new(&*accounts.group.load()?)?;
    arranged.read(&account, &directory, Action::Liquidate, now)?;
    let breach = arranged.breach(&named)?;
    require!(breach.is_proven(), MargraveError::BreachNotProven);
    let status_before = account.status;
    account.begin_liquidation(breach.equity, now);
    let (full_equity, _) = arranged.full_equity_and_debts(breach.equity);
    account.count_bankrupt(full_equity, &directory, now)?;
    account.invariant()?;

    let event = BreachProven {
        margin_account: accounts.margin_account.key(),
        equity: breach.equity.micros(),
        maintenance_at_least: breach.maintenance_at_least.micros(),
        status_before,
        status: account.status,
        flagged_at: account.flagged_at,
    };
    event.emit_by(&accounts.event_authority)
}
