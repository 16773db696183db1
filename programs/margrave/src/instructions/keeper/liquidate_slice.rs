use super::require_liquidator;
use crate::{breaker::*, error::*, events::*, oracle::Action, portfolio::*, slice::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Ratio, Usd, quote_slice};

#[event_cpi]
#[derive(Accounts)]
pub struct LiquidateSlice<'info> {
    pub group: AccountLoader<'info, Group>,
    pub liquidator_owner: Signer<'info>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = liquidator.load()?.owner == liquidator_owner.key() @ MargraveError::SignerIsNotOwner,
    )]
    pub liquidator: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = liquidatee.load()?.owner != liquidator_owner.key() @ MargraveError::SelfDealing,
    )]
    pub liquidatee: AccountLoader<'info, MarginAccount>,
    #[account(mut, address = group.load()?.quote_bank @ MargraveError::BankMissing)]
    pub quote_bank: AccountLoader<'info, Bank>,
    // remaining - the other banks and the underlyings of both accounts; an underlying must be writable where open interest
    // changes, a bank where a debt of the one meets a deposit of the other
}

/// Buys a part of a whole portfolio below its maintenance margin: of every position, balance and claim, hedges intact, for that part
/// of its equity at the price its auction has fallen to.
///
/// No more than brings the account to its liquidation end, and no more than `max_share` (2^-30); its health must improve (I-22,
/// I-23). Positions move in whole lots, rounded down.
pub fn liquidate_slice<'info>(ctx: Context<'info, LiquidateSlice<'info>>, max_share: i64) -> Result<()> {
    require!(max_share > 0, MargraveError::AmountMustBePositive);
    let present = Present::get()?;
    let now = present.now;
    let accounts = &*ctx.accounts;
    let named = [accounts.quote_bank.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let group = accounts.group.load()?;
    let mut arranged = Arranged::new(&group)?;
    accounts.quote_bank.load_mut()?.accrue(now)?;

    let mut liquidatee = accounts.liquidatee.load_mut()?;
    arranged.read(&liquidatee, &directory, Action::Liquidate, now)?;
    require_not_stopped(&liquidatee, &directory, &present, Lending::Refused)?;
    let before = arranged.valuation()?;
    if !liquidatee.is_liquidatable(&before, now) {
        log_valuation(&before);
        return err!(MargraveError::AccountIsHealthy);
    }
    require!(before.equity.micros() > 0, MargraveError::NoEquityToSell);
    liquidatee.begin_liquidation(before.equity, now);
    let price = Ratio::from_ppm_up(group.terms.slice_price_ppm(&liquidatee, now)).or_refuse()?;
    // Haircuts are margin and not for sale.
    let whole = Usd::new(arranged.full_equity_and_debts(before.equity).0).or_refuse()?.mul_up(price);
    let share = quote_slice(&before, whole).min(Ratio::from_bits(max_share).or_refuse()?);

    let mut liquidator = accounts.liquidator.load_mut()?;
    let quote_bank = accounts.quote_bank.key();
    let mut sale = Sale { from: &mut liquidatee, to: &mut liquidator, share, directory: &directory, now };
    sale.move_positions()?;
    sale.move_claims()?;
    sale.move_balances(&quote_bank)?;
    let price_paid = whole.mul_up(share).micros();
    {
        let mut bank = accounts.quote_bank.load_mut()?;
        sale.move_quote(&mut bank, &quote_bank, price_paid)?;
        bank.invariant()?;
    } // release the bank: the valuations read it
    liquidatee.count_change()?;
    liquidatee.compact()?;
    let after = revalue(&mut liquidatee, &mut arranged, &directory, Action::Reduce, now)?;
    require!(after.maintenance_health() > before.maintenance_health(), MargraveError::HealthMustImprove);
    // Positions move in whole lots: what they leave behind is nobody else's to pay for (I-24).
    require!(arranged.full_equity_and_debts(after.equity).0 >= 0, MargraveError::LossTooLarge);
    liquidatee.invariant()?;
    require_positions_in_range(&liquidator, &directory)?;
    let numbers = require_liquidator(&mut liquidator, &mut arranged, &directory, now)?;

    let event = SliceLiquidated {
        liquidatee: SideSummary::of(accounts.liquidatee.key(), &liquidatee, after),
        liquidator: SideSummary::of(accounts.liquidator.key(), &liquidator, numbers),
        share: share.bits(),
        price_paid,
        health_before: before.maintenance_health().micros(),
        health_after: after.maintenance_health().micros(),
    };
    event.emit_by(&accounts.event_authority)
}
