use crate::{constants::*, error::*, events::*, portfolio::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Decimals, Levels, Price, Quantity, Valuation};

#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug)]
pub struct TradeArgs {
    /// What the taker receives, in the underlying's smallest units: positive buys, negative sells. The maker gets the
    /// opposite.
    pub quantity: i64,
    /// 10^-10 dollars per whole unit.
    pub price: i64,
}

#[derive(Accounts)]
pub struct Trade<'info> {
    pub group: AccountLoader<'info, Group>,
    pub taker_owner: Signer<'info>,
    pub maker_owner: Signer<'info>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = taker.load()?.owner == taker_owner.key() @ MargraveError::SignerIsNotOwner,
    )]
    pub taker: AccountLoader<'info, MarginAccount>,
    #[account(
        mut,
        has_one = group @ MargraveError::GroupMismatch,
        constraint = maker.load()?.owner == maker_owner.key() @ MargraveError::SignerIsNotOwner,
        constraint = maker.key() != taker.key() @ MargraveError::SelfDealing,
    )]
    pub maker: AccountLoader<'info, MarginAccount>,
    /// Writable: open interest and fees are kept here.
    #[account(mut, has_one = group @ MargraveError::GroupMismatch)]
    pub underlying: AccountLoader<'info, Underlying>,
    // remaining - the banks and other underlyings of both accounts
}

/// Moves a perp position between two accounts at an agreed price. Both owners sign.
///
/// Each side must meet its initial margin afterwards, or have only reduced its risk (I-15). The payment rounds against the
/// taker; positions and payments sum to zero with the fees (I-02, I-03).
pub fn trade<'info>(ctx: Context<'info, Trade<'info>>, args: TradeArgs) -> Result<()> {
    require!(args.quantity != 0, MargraveError::AmountMustBePositive);
    let key = ctx.accounts.underlying.key();
    let now = Clock::get()?.unix_timestamp;
    let levels = ctx.accounts.group.load()?.levels()?;

    let mut taker = ctx.accounts.taker.load_mut()?;
    let mut maker = ctx.accounts.maker.load_mut()?;
    let (taker_change, maker_change);
    {
        let mut underlying = ctx.accounts.underlying.load_mut()?;
        let terms = Terms::agree(&underlying, &args, now)?;
        taker_change = Change::apply(&mut taker, key, args.quantity, -terms.payment, terms.taker_fee, &terms)?;
        maker_change = Change::apply(&mut maker, key, -args.quantity, terms.payment, terms.maker_fee, &terms)?;

        let perp = &mut underlying.perp;
        perp.change_open_interest(taker_change.long_side + maker_change.long_side)?;
        perp.unsettled_fees =
            perp.unsettled_fees.checked_add(terms.taker_fee + terms.maker_fee).ok_or(MargraveError::ValueOutOfRange)?;
        underlying.invariant()?;
    } // release the underlying: the valuations read it

    let named = [ctx.accounts.underlying.as_ref()];
    let directory = InstructionAccounts::new(&named, ctx.remaining_accounts)?;
    let taker_value = require_side(&mut taker, taker_change, &directory, &levels, now)?;
    let maker_value = require_side(&mut maker, maker_change, &directory, &levels, now)?;

    emit!(Traded {
        underlying: key,
        taker: SideSummary::of(ctx.accounts.taker.key(), &taker, &taker_value),
        maker: SideSummary::of(ctx.accounts.maker.key(), &maker, &maker_value),
        quantity: args.quantity,
        price: args.price,
        index_price: ctx.accounts.underlying.load()?.oracle.price,
    });
    Ok(())
}

/// What the trade costs each side, micro-dollars.
struct Terms {
    /// From taker to maker, signed, rounded up.
    payment: i64,
    taker_fee: i64,
    maker_fee: i64,
    /// The most a reduction below initial margin may cost beyond fees: what a liquidator would be paid for it.
    concession: i64,
    unit: Decimals,
    index: Price,
}

impl Terms {
    fn agree(underlying: &Underlying, args: &TradeArgs, now: i64) -> Result<Self> {
        let (perp, oracle, risk) = (&underlying.perp, &underlying.oracle, &underlying.terms);
        require!(perp.lot != 0, MargraveError::PerpNotListed);
        require!(args.quantity % i64::from(perp.lot) == 0, MargraveError::QuantityNotInLots);
        oracle.require_fresh(now, oracle.max_age_secs)?;
        let price = Price::new(args.price).or_refuse()?;
        let apart = i128::from(args.price.abs_diff(oracle.price));
        let band = i128::from(oracle.price) * i128::from(risk.max_trade_deviation_ppm);
        require!(apart * i128::from(PPM) <= band, MargraveError::PriceOutsideBand);

        let unit = Decimals::new(underlying.decimals).or_refuse()?;
        let payment = price.value_up(Quantity::new(args.quantity), unit).or_refuse()?;
        Ok(Self {
            payment: payment.micros(),
            taker_fee: payment.fee_up(perp.taker_fee_ppm).micros(),
            maker_fee: payment.fee_up(perp.maker_fee_ppm).micros(),
            concession: payment.fee_up(risk.liquidation_fee_ppm).micros(),
            unit,
            index: Price::new(oracle.price).or_refuse()?,
        })
    }
}

/// A change of one account's position: enough to undo it on paper.
#[derive(Clone, Copy)]
struct Change {
    position: usize,
    quantity: i64,
    quote: i64,
    long_side: i64,
    /// The most equity it may have cost if the account is left below its initial margin.
    most_cost: i64,
}

impl Change {
    fn apply(
        account: &mut MarginAccount,
        underlying: Pubkey,
        quantity: i64,
        payment: i64,
        fee: i64,
        terms: &Terms,
    ) -> Result<Self> {
        let quote = payment - fee;
        let position = account.open_perp(underlying)?;
        let slot = &mut account.positions[position];
        let size_before = slot.quantity.unsigned_abs();
        let long_side = slot.change(quantity, quote)?;
        // A position that the price has carried past the bound may still shrink.
        if slot.quantity.unsigned_abs() > size_before {
            let value = terms.index.value_down(slot.quantity(), terms.unit).or_refuse()?;
            let largest = value.micros().unsigned_abs().max(slot.quote.unsigned_abs());
            require!(largest <= MAX_TRADED_VALUE, MargraveError::ValueOutOfRange);
        }
        Ok(Self { position, quantity, quote, long_side, most_cost: fee + terms.concession })
    }
}

/// Values one side as the change has left it, and requires initial margin or that the change only reduced its risk.
fn require_side(
    account: &mut MarginAccount,
    change: Change,
    directory: &impl Directory,
    levels: &Levels,
    now: i64,
) -> Result<Valuation> {
    account.count_change()?;
    let valuation = revalue(account, directory, levels, Purpose::Risk(now), now)?;
    if valuation.initial_health().is_negative()
        && !only_reduced_risk(account, change, &valuation, directory, levels, now)?
    {
        require_initial_margin(&valuation)?;
    }
    account.compact();
    account.invariant()?;
    Ok(valuation)
}

/// What an account below its initial margin may still do: make a position smaller, on the same side, with neither health
/// falling, at a cost no higher than a liquidator's. An account with negative equity has nothing of its own left to give
/// away: its positions are for liquidators.
#[inline(never)]
fn only_reduced_risk(
    account: &mut MarginAccount,
    change: Change,
    after: &Valuation,
    directory: &impl Directory,
    levels: &Levels,
    now: i64,
) -> Result<bool> {
    let slot = account.positions[change.position];
    account.positions[change.position].change(-change.quantity, -change.quote)?;
    let before_quantity = account.positions[change.position].quantity;
    let before = arrange(account, directory, Purpose::Risk(now))?.valuation(levels)?;
    account.positions[change.position] = slot;

    let smaller = before_quantity.signum() == -change.quantity.signum()
        && (slot.quantity == 0 || slot.quantity.signum() == before_quantity.signum());
    let cost = (before.equity - after.equity).micros();
    Ok(smaller
        && !after.equity.is_negative()
        && cost <= change.most_cost
        && after.initial_health() >= before.initial_health()
        && after.maintenance_health() >= before.maintenance_health())
}
