use crate::{breaker::Present, error::*, events::*, oracle::Action, portfolio::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{LinearPosition, Quantity, Takeover, Valuation, quote_takeover};

#[event_cpi]
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
    let now = Clock::get()?.unix_timestamp;
    let (accounts, key) = (&*ctx.accounts, ctx.accounts.underlying.key());
    let named = [accounts.underlying.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts);
    let mut arranged = Arranged::new(&*accounts.group.load()?)?;

    let mut liquidatee = accounts.liquidatee.load_mut()?;
    // What is taken over needs a fresh price. The rest counts at its last one: a trifle on a dead feed is no shield (I-25).
    accounts.underlying.load()?.oracle.require_good_for(Action::Liquidate, now)?;
    accounts.underlying.load()?.require_no_restart(&Present::get()?)?;
    arranged.read(&liquidatee, &directory, Action::Reduce, now)?;
    let before = require_liquidatable(&liquidatee, &arranged, now)?;
    let takeover = takeover_of(&liquidatee, &arranged, key, &*accounts.underlying.load()?, max_quantity)?;

    let mut liquidator = accounts.liquidator.load_mut()?;
    let (quantity, quote) = (takeover.quantity.atoms(), takeover.price_paid.micros());
    {
        let mut underlying = accounts.underlying.load_mut()?;
        let given = liquidatee.change_perp(key, &underlying, -quantity, quote)?;
        let taken = liquidator.change_perp(key, &underlying, quantity, -quote)?;
        if given + taken != 0 {
            underlying.change_interest(&Instrument::PERP, given + taken)?;
        }
        underlying.count_liquidation(key, quote.unsigned_abs(), now);
        underlying.invariant()?;
    } // release the underlying: the valuations read it

    // From here on the liquidation has begun; `revalue` ends it when the account has reached its end level.
    liquidatee.status = Status::InLiquidation as u8;
    let after = revalue_change(&mut liquidatee, &mut arranged, &directory, Action::Reduce, now)?;
    require!(after.maintenance_health() > before.maintenance_health(), MargraveError::HealthMustImprove);
    let taken = revalue_change(&mut liquidator, &mut arranged, &directory, Action::AddRisk, now)?;
    require_initial_margin(&taken)?;

    let event = PositionLiquidated {
        underlying: key,
        liquidatee: SideSummary::of(accounts.liquidatee.key(), &liquidatee, after),
        liquidator: SideSummary::of(accounts.liquidator.key(), &liquidator, taken),
        quantity,
        price_paid: quote,
        fee: takeover.fee.micros(),
        health_before: before.maintenance_health().micros(),
        health_after: after.maintenance_health().micros(),
        index_price: accounts.underlying.load()?.oracle.price,
    };
    event.emit_by(&accounts.event_authority)
}

/// The account's value at liquidation prices, which must be below maintenance margin (I-22).
#[inline(never)]
fn require_liquidatable(account: &MarginAccount, arranged: &Arranged, now: i64) -> Result<Valuation> {
    let valuation = arranged.valuation()?;
    if !account.is_liquidatable(&valuation, now) {
        log_valuation(&valuation);
        return err!(MargraveError::AccountIsHealthy);
    }
    Ok(valuation)
}

#[inline(never)]
fn revalue_change(
    account: &mut MarginAccount,
    arranged: &mut Arranged,
    directory: &impl Directory,
    action: Action,
    now: i64,
) -> Result<Valuation> {
    account.count_change()?;
    account.compact()?;
    let valuation = revalue(account, arranged, directory, action, now)?;
    account.invariant()?;
    Ok(valuation)
}

/// How much of the perp on `key` a liquidator takes of the account that was read into `arranged`: the engine's quote, or
/// `max_quantity` if that is less. The same function tells a keeper what the chain will do.
#[inline(never)]
pub fn takeover_of(
    account: &MarginAccount,
    arranged: &Arranged,
    key: Pubkey,
    underlying: &Underlying,
    max_quantity: u64,
) -> Result<Takeover> {
    let slot = &account.positions[account.position_in(&key, &Instrument::PERP).ok_or(MargraveError::NoPosition)?];
    let position = LinearPosition { quantity: slot.quantity(), quote: slot.quote()? };
    let split = arranged.split(usize::from(slot.risk_slot))?;
    let (lot, fee_ppm) = (underlying.market.lot, underlying.risk.liquidation_fee_ppm);

    let quote = quote_takeover(&split, &position, lot, fee_ppm, arranged.levels()).or_refuse()?;
    let quote = quote.ok_or(MargraveError::LiquidationWouldNotHelp)?;
    let most = i64::try_from(max_quantity).unwrap_or(i64::MAX);
    if quote.quantity.atoms().abs() <= most {
        return Ok(quote);
    }
    let lots = most - most % i64::try_from(lot.max(1)).unwrap_or(i64::MAX);
    require!(lots > 0, MargraveError::QuantityNotInLots);
    let quantity = Quantity::new(lots * quote.quantity.atoms().signum());
    Takeover::at_mark_less_fee(&split.market, quantity, fee_ppm).or_refuse()
}
