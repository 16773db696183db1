use crate::{error::*, events::*, portfolio::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Levels, LinearPosition, Quantity, Takeover, Valuation, quote_takeover};

#[derive(Accounts)]
pub struct Liquidate<'info> {
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
        constraint = liquidatee.key() != liquidator.key() @ MargraveError::SelfDealing,
        constraint = liquidatee.load()?.owner != liquidator_owner.key() @ MargraveError::SelfDealing,
    )]
    pub liquidatee: AccountLoader<'info, MarginAccount>,
    /// Writable: open interest may change.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    // remaining - the banks and other underlyings of both accounts
}

/// Takes over part of a perp position of an account below its maintenance margin, at the mark less a fee.
///
/// No more than brings the account to its liquidation end, and no more than `max_quantity` smallest units; the account's
/// health must improve (I-22, I-23), and the liquidator must meet its own initial margin (I-15).
pub fn liquidate<'info>(ctx: Context<'info, Liquidate<'info>>, max_quantity: u64) -> Result<()> {
    require!(max_quantity > 0, MargraveError::AmountMustBePositive);
    let key = ctx.accounts.underlying.key();
    let now = Clock::get()?.unix_timestamp;
    let levels = ctx.accounts.group.load()?.levels()?;
    let named = [ctx.accounts.underlying.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts)?;

    let mut liquidatee = ctx.accounts.liquidatee.load_mut()?;
    let (before, takeover) = {
        let underlying = ctx.accounts.underlying.load()?;
        require_takeover(&liquidatee, &directory, key, &underlying, &levels, now, max_quantity)?
    };

    let mut liquidator = ctx.accounts.liquidator.load_mut()?;
    let (quantity, quote) = (takeover.quantity.atoms(), takeover.price_paid.micros());
    let given = liquidatee.perp_on(&key).ok_or(MargraveError::NoPosition)?;
    let taken = liquidator.open_perp(key)?;
    let long_side =
        liquidatee.positions[given].change(-quantity, quote)? + liquidator.positions[taken].change(quantity, -quote)?;
    if long_side != 0 {
        let mut underlying = ctx.accounts.underlying.load_mut()?;
        underlying.perp.change_open_interest(long_side)?;
        underlying.invariant()?;
    }

    // From here on the liquidation has begun; `revalue` ends it when the account has reached its end level.
    liquidatee.status = Status::InLiquidation as u8;
    let after = revalue_change(&mut liquidatee, &directory, &levels, Purpose::Liquidation(now), now)?;
    require!(after.maintenance_health() > before.maintenance_health(), MargraveError::HealthMustImprove);
    let liquidator_value = revalue_change(&mut liquidator, &directory, &levels, Purpose::Risk(now), now)?;
    require_initial_margin(&liquidator_value)?;

    emit!(PositionLiquidated {
        underlying: key,
        liquidatee: SideSummary::of(ctx.accounts.liquidatee.key(), &liquidatee, &after),
        liquidator: SideSummary::of(ctx.accounts.liquidator.key(), &liquidator, &liquidator_value),
        quantity,
        price_paid: quote,
        fee: takeover.fee.micros(),
        health_before: before.maintenance_health().micros(),
        health_after: after.maintenance_health().micros(),
        index_price: ctx.accounts.underlying.load()?.oracle.price,
    });
    Ok(())
}

/// The account's value at liquidation prices, which must be below maintenance margin, and what is taken over.
#[inline(never)]
fn require_takeover(
    account: &MarginAccount,
    directory: &impl Directory,
    key: Pubkey,
    underlying: &Underlying,
    levels: &Levels,
    now: i64,
    max_quantity: u64,
) -> Result<(Valuation, Takeover)> {
    let portfolio = arrange(account, directory, Purpose::Liquidation(now))?;
    let valuation = portfolio.valuation(levels)?;
    if !account.is_liquidatable(&valuation, now) {
        log_valuation(&valuation);
        return err!(MargraveError::AccountIsHealthy);
    }
    let takeover = takeover_of(account, &portfolio, key, underlying, levels, max_quantity)?;
    Ok((valuation, takeover))
}

#[inline(never)]
fn revalue_change(
    account: &mut MarginAccount,
    directory: &impl Directory,
    levels: &Levels,
    purpose: Purpose,
    now: i64,
) -> Result<Valuation> {
    account.count_change()?;
    let valuation = revalue(account, directory, levels, purpose, now)?;
    account.compact();
    account.invariant()?;
    Ok(valuation)
}

/// How much of the perp on `key` a liquidator takes: the engine's quote, or `max_quantity` if that is less.
/// The same function tells a keeper what the chain will do.
#[inline(never)]
pub fn takeover_of(
    account: &MarginAccount,
    portfolio: &Portfolio,
    key: Pubkey,
    underlying: &Underlying,
    levels: &Levels,
    max_quantity: u64,
) -> Result<Takeover> {
    let slot = &account.positions[account.perp_on(&key).ok_or(MargraveError::NoPosition)?];
    let position = LinearPosition { quantity: slot.quantity(), quote: slot.quote()? };
    let (rest, Line { market, exposure, .. }) = portfolio.without(usize::from(slot.risk_slot))?;
    let others = exposure.without_position(&market, &position).or_refuse()?;
    let (lot, fee_ppm) = (underlying.perp.lot, underlying.terms.liquidation_fee_ppm);

    let quote = quote_takeover(&rest, &market, &others, &position, lot, fee_ppm, levels).or_refuse()?;
    let quote = quote.ok_or(MargraveError::LiquidationWouldNotHelp)?;
    let most = i64::try_from(max_quantity).unwrap_or(i64::MAX);
    if quote.quantity.atoms().abs() <= most {
        return Ok(quote);
    }
    let lots = most - most % i64::from(lot.max(1));
    require!(lots > 0, MargraveError::QuantityNotInLots);
    let quantity = Quantity::new(lots * quote.quantity.atoms().signum());
    Takeover::at_mark_less_fee(&market, quantity, fee_ppm).or_refuse()
}
