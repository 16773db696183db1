use crate::{error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;

#[derive(Accounts)]
pub struct SetMode<'info> {
    pub owner: Signer<'info>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = owner @ MargraveError::SignerIsNotOwner,
        has_one = group @ MargraveError::GroupMismatch,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    // remaining - the account's banks and underlyings
}

/// Changes how much of the portfolio offsets the rest. Everything is valued anew, and initial margin must be met in the new
/// mode (P-34).
pub fn set_mode<'info>(ctx: Context<'info, SetMode<'info>>, mode: Mode) -> Result<()> {
    let now = Clock::get()?.unix_timestamp;
    let mut account = ctx.accounts.margin_account.load_mut()?;
    account.mode = mode as u8;
    account.count_change()?;
    if !account.is_empty() {
        let directory = InstructionAccounts::new(&[], ctx.remaining_accounts);
        let mut arranged = Arranged::new(&*ctx.accounts.group.load()?)?;
        require_initial_margin(&revalue(&mut account, &mut arranged, &directory, Action::AddRisk, now)?)?;
    }
    account.invariant()?;

    emit!(ModeSet { margin_account: ctx.accounts.margin_account.key(), mode, sequence: account.sequence });
    Ok(())
}
