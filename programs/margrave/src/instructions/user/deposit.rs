use crate::{error::*, events::*, state::*, token::*, vault::*};
use anchor_lang::prelude::*;
use anchor_spl::token_interface::TokenInterface;

#[event_cpi]
#[derive(Accounts)]
pub struct Deposit<'info> {
    /// Only the owner deposits: a stranger could otherwise fill the account's slots with dust.
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
    /// Where the tokens come from; the token program checks that the owner may move them.
    #[account(mut, dup, constraint = source.key() != vault.key() @ error::ErrorCode::ConstraintDuplicateMutableAccount)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
}

/// Deposits `amount` atoms of the bank's token; a debt in it is repaid first. Rounds down to whole shares.
///
/// Cannot lower maintenance health, nor initial health but where a bank's weight shrinks with its size (I-12), so no price is
/// needed and no margin is checked. Nothing pauses it (I-34).
pub fn deposit(ctx: Context<Deposit>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let now = Clock::get()?.unix_timestamp;
    let accounts = &mut *ctx.accounts;
    require!(accounts.group.load()?.launched != 0, MargraveError::NotLaunched);
    require_allowed_mint(accounts.mint.as_ref())?;

    // The token moves first: what is credited is what arrived.
    let (received, in_vault) = receive(
        &accounts.owner,
        &accounts.source,
        &mut accounts.vault,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;

    let (key, group) = (accounts.bank.key(), accounts.group.load()?);
    let mut bank = accounts.bank.load_mut()?;
    let mut account = accounts.margin_account.load_mut()?;
    bank.accrue(now)?;
    let before = account.shares_in(&key);
    let shares = bank.credit(before, received)?;
    require!(shares > before, MargraveError::AmountBelowOneShare);
    // A repayment is no deposit.
    if shares > 0 {
        bank.require_deposits_below_cap()?;
    }
    account.set_shares(key, bank.underlying, shares)?;
    bank.count_inflow(&mut *accounts.outflow_limit.load_mut()?, &group, received, now);
    account.count_change()?;
    if shares == 0 {
        account.compact()?;
    }
    bank.require_solvent(in_vault)?;
    bank.invariant()?;
    account.invariant()?;

    let event = Deposited {
        margin_account: accounts.margin_account.key(),
        bank: key,
        amount: received,
        shares,
        sequence: account.sequence,
    };
    event.emit_by(&accounts.event_authority)
}
