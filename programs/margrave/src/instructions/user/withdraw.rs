use crate::{breaker::*, error::*, events::*, oracle::Action, portfolio::*, state::*, token::*, vault::pay_out};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenInterface;

#[event_cpi]
#[derive(Accounts)]
pub struct Withdraw<'info> {
    pub owner: Signer<'info>,
    #[account(
        mut,
        has_one = owner @ MargraveError::SignerIsNotOwner,
        has_one = group @ MargraveError::GroupMismatch,
    )]
    pub margin_account: AccountLoader<'info, MarginAccount>,
    pub group: AccountLoader<'info, Group>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        has_one = mint @ MargraveError::MintMismatch,
        has_one = vault @ MargraveError::VaultMismatch,
    )]
    pub bank: AccountLoader<'info, Bank>,
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub outflow_limit: AccountLoader<'info, OutflowLimit>,
    #[account(mut, dup)]
    pub vault: InterfaceAccount<'info, TokenAccount>,
    // mint - checked by the bank
    pub mint: InterfaceAccount<'info, Mint>,
    /// Where the tokens go: the owner's choice, any account of this mint.
    #[account(
        mut,
        dup,
        constraint = destination.key() != vault.key() @ error::ErrorCode::ConstraintDuplicateMutableAccount,
        constraint = destination.mint == mint.key() @ MargraveError::MintMismatch,
    )]
    pub destination: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
    // remaining - the account's other banks and its underlyings, unless it is flat
}

/// Withdraws `amount` atoms; `u64::MAX` withdraws the whole deposit. With `borrow` what the deposit does not cover becomes a
/// loan. The debit rounds up to whole shares.
///
/// The account must meet its initial margin afterwards (I-15). A flat account owes nothing and needs no price (I-34), but
/// stays within the outflow limits (I-31).
pub fn withdraw<'info>(ctx: Context<'info, Withdraw<'info>>, amount: u64, borrow: bool) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let clock = Clock::get()?;
    let now = clock.unix_timestamp;
    let accounts = &mut *ctx.accounts;
    let key = accounts.bank.key();

    let mut account = accounts.margin_account.load_mut()?;
    let group = accounts.group.load()?;
    let (amount, shares, lent) = {
        let mut bank = accounts.bank.load_mut()?;
        bank.require_no_deficit(now)?;
        bank.accrue(now)?;
        let before = account.shares_in(&key);
        let amount = if amount == u64::MAX { bank.atoms_down(before.max(0).unsigned_abs())? } else { amount };
        require!(amount > 0, MargraveError::BalanceExceeded);
        let lending = if borrow { Lending::Allowed } else { Lending::Refused };
        let shares = bank.debit(before, amount, lending)?;
        require!(amount <= accounts.vault.amount, MargraveError::VaultIlliquid);
        let lent = shares < before.min(0);
        if lent {
            group.require_running(Pause::BORROW, now)?;
            // What is set aside for others is not lent.
            require!(accounts.vault.amount - amount >= bank.reserves()?, MargraveError::VaultIlliquid);
        }
        account.set_shares(key, bank.underlying, shares)?;
        bank.count_outflow(&mut *accounts.outflow_limit.load_mut()?, &group, amount, now)?;
        bank.invariant()?;
        (amount, shares, lent)
    }; // release the bank: the valuation reads it again
    account.count_change()?;
    if shares == 0 {
        account.compact()?;
    }
    account.invariant()?;
    let sequence = account.sequence;

    if !account.is_flat() {
        group.require_running(Pause::WITHDRAW, now)?;
        let named = [accounts.bank.as_ref()];
        let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
        let lending = if lent { Lending::Allowed } else { Lending::Refused };
        let mut arranged = Arranged::new(&group)?.requiring_not_stopped(Present::at(&clock)?, lending);
        require_initial_margin(&revalue(&mut account, &mut arranged, &directory, Action::AddRisk, now)?)?;
        if lent {
            require_debt_in_range(&account, &key, &directory, now)?;
        }
    }
    drop(account);
    drop(group);

    // The token moves last: everything is written and checked.
    pay_out(
        &accounts.bank,
        &mut accounts.vault,
        &accounts.destination,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;

    let event = Withdrawn { margin_account: accounts.margin_account.key(), bank: key, amount, shares, sequence };
    event.emit_by(&accounts.event_authority)
}
