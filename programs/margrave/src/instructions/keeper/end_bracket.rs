use crate::{breaker::Present, error::*, events::*, oracle::Action, portfolio::*, state::*, token::*, vault::*};
use anchor_lang::{
    prelude::*,
    solana_program::instruction::{TRANSACTION_LEVEL_STACK_HEIGHT, get_stack_height},
};
use anchor_spl::token_interface::TokenInterface;

#[event_cpi]
#[derive(Accounts)]
pub struct EndBracket<'info> {
    pub group: AccountLoader<'info, Group>,
    /// Who began it.
    pub liquidator: Signer<'info>,
    // Third, where begin_bracket looks for it.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub liquidatee: AccountLoader<'info, MarginAccount>,
    /// Of the token that is paid in.
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
    #[account(mut, dup, constraint = source.key() != vault.key() @ error::ErrorCode::ConstraintDuplicateMutableAccount)]
    pub source: InterfaceAccount<'info, TokenAccount>,
    pub token_program: Interface<'info, TokenInterface>,
    // remaining - the account's other banks and its underlyings
}

/// Ends a bracket: pays `amount` atoms into the account it was opened on. The account's health must have risen, and its equity,
/// haircuts apart, fallen by no more than the fee of what was taken (I-23, I-24).
pub fn end_bracket<'info>(ctx: Context<'info, EndBracket<'info>>, amount: u64) -> Result<()> {
    require!(amount > 0, MargraveError::AmountMustBePositive);
    let present = Present::get()?;
    let now = present.now;
    let accounts = &mut *ctx.accounts;
    require!(get_stack_height() == TRANSACTION_LEVEL_STACK_HEIGHT, MargraveError::BracketCalledByProgram);
    require_allowed_mint(accounts.mint.as_ref())?;
    let (received, in_vault) = receive(
        &accounts.liquidator,
        &accounts.source,
        &mut accounts.vault,
        &accounts.mint,
        &accounts.token_program,
        amount,
    )?;

    let (key, group) = (accounts.bank.key(), accounts.group.load()?);
    let mut account = accounts.liquidatee.load_mut()?;
    let bracket = account.bracket;
    require!(bracket.open != 0, MargraveError::BracketNotOpen);
    require_keys_eq!(bracket.liquidator, accounts.liquidator.key(), MargraveError::BracketNotOpen);
    let named = [accounts.bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    require!(account.prices_of(&directory)? == bracket.prices, MargraveError::PriceMoved);
    {
        // What comes in has a price as good as what went out.
        directory.priced(&*accounts.bank.load()?, &present)?;
        let mut bank = accounts.bank.load_mut()?;
        bank.accrue(now)?;
        let shares = bank.credit(account.shares_in(&key), received)?;
        if shares > 0 {
            bank.require_deposits_below_cap()?;
        }
        account.set_shares(key, bank.underlying, shares)?;
        bank.count_inflow(&mut *accounts.outflow_limit.load_mut()?, &group, received, now);
        bank.require_solvent(in_vault)?;
        bank.invariant()?;
    } // release the bank: the valuation reads it
    account.bracket = bytemuck::Zeroable::zeroed();
    account.count_change()?;
    account.compact()?;
    let mut arranged = Arranged::new(&group)?;
    let after = revalue(&mut account, &mut arranged, &directory, Action::Reduce, now)?;
    let health = after.maintenance_health().micros();
    require!(health > bracket.health, MargraveError::HealthMustImprove);
    require!(arranged.full_equity_and_debts(&after).0 >= bracket.least_equity, MargraveError::LossTooLarge);
    // A twentieth of what was taken is the lot: what a sale elsewhere brings is not known to the unit.
    require!(after.liquidation_end_health().micros() <= bracket.value / 20, MargraveError::TakesTooMuch);
    account.invariant()?;

    let event = BracketEnded {
        liquidatee: SideSummary::of(accounts.liquidatee.key(), &account, after),
        liquidator: bracket.liquidator,
        bank: key,
        amount: received,
        health_before: bracket.health,
        health_after: health,
    };
    event.emit_by(&accounts.event_authority)
}
