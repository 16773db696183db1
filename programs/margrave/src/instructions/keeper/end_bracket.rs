use crate::{
    breaker::Present, constants::*, error::*, events::*, liquidation::bonus_ppm, oracle::Action, portfolio::*,
    state::*, token::*, vault::*,
};
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

/// Ends a bracket: pays `amount` atoms into the account it was opened on. The account must have been below its maintenance margin
/// before, its health must have risen, and its equity, haircuts apart, fallen by no more than the fee of what was taken (I-22, I-23,
/// I-24). Before and after are valued here, at one price (I-21); what futures and options add up to is the same of both.
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
    // Nobody is the liquidator while none is open.
    require_keys_eq!(bracket.liquidator, accounts.liquidator.key(), MargraveError::BracketNotOpen);
    account.bracket = bytemuck::Zeroable::zeroed();
    accounts.bank.load_mut()?.accrue(now)?;
    let named = [accounts.bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let mut arranged = Arranged::new(&group)?;
    // Its slot still shows what was taken: this is the account before. Of a bank that is smaller now margin asks no more.
    arranged.read(&account, &directory, Action::Reduce, now)?;
    let (before, sums) = arranged.valuation_and_sums()?;
    if !account.is_liquidatable(&before, now) {
        log_valuation(&before);
        return err!(MargraveError::AccountIsHealthy);
    }
    account.begin_liquidation(before.equity, now);
    let taken = account.collateral[usize::from(bracket.slot)];
    let (value, least_equity) = {
        let bank = directory.bank(&taken.bank)?;
        let sheet = directory.priced(&bank, &present)?;
        let value = bank.value_at_price_up(bracket.amount, sheet.as_ref().map(|sheet| sheet.oracle.price))?;
        require!(arranged.counts(&account, &taken.bank) || bank.is_quote(), MargraveError::NothingToRepay);
        let bonus = bonus_ppm(&account, &arranged, &before, &group.terms, &bank, None, value, now);
        let lost = u128::from(value) * u128::from(bonus) / u128::from(PPM);
        let lost = i64::try_from(lost).map_err(|_| MargraveError::ValueOutOfRange)?;
        let value = i64::try_from(value).map_err(|_| MargraveError::ValueOutOfRange)?;
        let least = arranged.full_equity_and_debts(before.equity).0.checked_sub(lost);
        (value, least.ok_or(MargraveError::ValueOutOfRange)?)
    };
    account.collateral[usize::from(bracket.slot)].shares = bracket.shares;
    {
        // What comes in has a price as good as what went out.
        directory.priced(&*accounts.bank.load()?, &present)?;
        let mut bank = accounts.bank.load_mut()?;
        let shares = bank.credit(account.shares_in(&key), received)?;
        if shares > 0 {
            bank.require_deposits_below_cap()?;
        }
        account.set_shares(key, bank.underlying, shares)?;
        bank.count_inflow(&mut *accounts.outflow_limit.load_mut()?, &group, received, now);
        bank.require_solvent(in_vault)?;
        bank.invariant()?;
    } // release the bank: the valuation reads it
    account.count_change()?;
    account.compact()?;
    let after = revalue_collateral(&mut account, &mut arranged, &sums, &directory, Action::Reduce, now)?;
    let (health_before, health) = (before.maintenance_health().micros(), after.maintenance_health().micros());
    require!(health > health_before, MargraveError::HealthMustImprove);
    require!(arranged.full_equity_and_debts(after.equity).0 >= least_equity, MargraveError::LossTooLarge);
    // A twentieth of what was taken is the lot: what a sale elsewhere brings is not known to the unit.
    require!(after.liquidation_end_health().micros() <= value / 20, MargraveError::TakesTooMuch);
    account.invariant()?;

    let event = BracketEnded {
        liquidatee: SideSummary::of(accounts.liquidatee.key(), &account, after),
        liquidator: bracket.liquidator,
        bank: key,
        amount: received,
        health_before,
        health_after: health,
    };
    event.emit_by(&accounts.event_authority)
}
