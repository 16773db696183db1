//! A trade between two margin accounts, however it was agreed: legs applied one after another, then one margin check per side.

use crate::{
    breaker::*, constants::*, error::*, liquidation::FeeTerms, oracle::Action, portfolio::*, snapshot::funding_due_up,
    state::*,
};
use anchor_lang::prelude::*;
use margrave_risk::{Black76, Decimals, OptionKind, Price, Quantity, Usd, Valuation};
use std::mem::offset_of;

/// One leg: what the taker receives of one instrument. The maker gives it.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// The underlying's index in its group.
    pub underlying: u16,
    pub instrument: Instrument,
    /// Smallest units: positive buys, negative sells.
    pub quantity: i64,
    /// 10^-10 dollars per whole unit; an option's premium per unit of the underlying.
    pub price: i64,
}

/// One party of a trade.
pub struct Side<'a> {
    pub account: &'a mut MarginAccount,
    /// What it held before.
    before: Vec<u8>,
    /// Whether every leg so far only made a position smaller.
    pub only_reduces: bool,
    /// Whether a leg may have left a slot that holds nothing.
    may_empty: bool,
    /// The most equity the trade may cost it if it is left below its initial margin.
    most_cost: i64,
    /// What of that is no fee, less what it has given away at prices off the mark, however little of it its equity shows.
    concession: i64,
}

/// The parts of a margin account that a trade changes.
type Holding = [u8; offset_of!(MarginAccount, delegates) - HOLDING_START];

const HOLDING_START: usize = offset_of!(MarginAccount, collateral);
// Balances, positions and risk stand one after another.
const _: () = assert!(size_of::<Holding>() == 48 * MAX_COLLATERALS + 40 * MAX_POSITIONS + 168 * MAX_UNDERLYINGS);

fn holding(account: &mut MarginAccount) -> &mut [u8] {
    &mut bytemuck::bytes_of_mut(account)[HOLDING_START..HOLDING_START + size_of::<Holding>()]
}

/// A leg as it was applied, for who has a say in it besides the two parties.
pub struct Fill {
    /// Size of the value traded, micro-dollars; of options, their underlying's.
    pub value: u64,
    /// Whether it only makes both sides' positions smaller.
    pub reduces: bool,
}

/// The say of nobody else.
pub fn unasked(_: &Leg, _: Fill) -> Result<()> {
    Ok(())
}

/// Both parties and everything they share. `admit` has a say in each leg, see [`unasked`].
pub struct Trading<'a, 'info, A> {
    pub group: &'a Group,
    pub accounts: &'a InstructionAccounts<'a, 'info>,
    pub group_key: Pubkey,
    pub present: Present,
    pub admit: A,
}

/// What one side's position becomes.
struct Change {
    /// Change of all long positions in the instrument.
    long_side: i64,
    reduces: bool,
    closes: bool,
    grows_to: Option<u64>,
}

impl<'a> Side<'a> {
    pub fn new(account: &'a mut MarginAccount) -> Self {
        let before = holding(account).to_vec();
        Self { account, before, only_reduces: true, may_empty: false, most_cost: 0, concession: 0 }
    }

    /// Takes note of a leg that has cost `fee` and `lost` against its mark, of which `concession` may be lost.
    fn add_cost(&mut self, fee: i64, concession: i64, lost: i64) -> Result<()> {
        let most = self.most_cost.checked_add(fee).and_then(|sum| sum.checked_add(concession));
        self.most_cost = most.ok_or(MargraveError::ValueOutOfRange)?;
        let left = self.concession.checked_add(concession).and_then(|sum| sum.checked_sub(lost));
        self.concession = left.ok_or(MargraveError::ValueOutOfRange)?;
        Ok(())
    }

    fn exchange(&mut self) {
        holding(self.account).swap_with_slice(&mut self.before);
    }

    fn apply(&mut self, sheet: &Sheet, leg: &Leg, quantity: i64, payment: i64, fee: i64) -> Result<Change> {
        let change = self.account.apply(sheet, leg, quantity, payment, fee)?;
        self.only_reduces &= change.reduces;
        // A premium may take all of the cash.
        self.may_empty |= change.closes || leg.instrument.kind.is_option();
        Ok(change)
    }
}

impl MarginAccount {
    /// Adds `quantity` of an instrument against `payment` (negative: pays) and a fee. Options are paid for elsewhere.
    fn apply(&mut self, sheet: &Sheet, leg: &Leg, quantity: i64, payment: i64, fee: i64) -> Result<Change> {
        let instrument = &leg.instrument;
        let index = self.open_position(sheet.key, instrument, sheet.underlying.perp.funding_index)?;
        let before = self.positions[index].quantity;
        let long_side = match instrument.kind {
            InstrumentKind::Perp => self.change_perp_at(index, sheet.underlying, quantity, payment)?,
            InstrumentKind::Future => self.positions[index].change(quantity, payment)?,
            InstrumentKind::Call | InstrumentKind::Put => self.positions[index].change(quantity, 0)?,
        };
        let after = self.positions[index];
        self.risk[usize::from(after.risk_slot)].charge_fee(fee)?;

        let reduces = before.signum() == -quantity.signum() && after.quantity.signum() != quantity.signum();
        let grows = after.quantity.unsigned_abs() > before.unsigned_abs();
        // A position that the price has carried past the bound may still shrink.
        if grows {
            sheet.require_value_in_range(&after)?;
        }
        Ok(Change {
            long_side,
            reduces,
            closes: after.quantity == 0,
            grows_to: grows.then_some(after.quantity.unsigned_abs()),
        })
    }

    /// Adds `quantity` of the perp against `payment`, with pending funding charged first; returns the change of the long side.
    pub fn change_perp_at(
        &mut self,
        index: usize,
        underlying: &Underlying,
        quantity: i64,
        payment: i64,
    ) -> Result<i64> {
        let index_now = underlying.perp.funding_index;
        let slot = &mut self.positions[index];
        let due = funding_due_up(slot.quantity, slot.funding_index, index_now, underlying.decimals)?;
        slot.funding_index = index_now;
        let long_side = slot.change(quantity, payment)?;
        self.risk[usize::from(self.positions[index].risk_slot)].charge_funding(due)?;
        Ok(long_side)
    }

    /// Applies a leg as its taker, on paper: the premium it pays, which the caller takes from the cash.
    pub fn preview_leg(&mut self, key: Pubkey, underlying: &Underlying, leg: &Leg, now: i64) -> Result<i64> {
        let sheet = Sheet::of(key, underlying, &leg.instrument, now)?;
        let cost = sheet.cost(leg, now)?;
        self.apply(&sheet, leg, leg.quantity, -cost.payment, cost.taker_fee)?;
        Ok(if leg.instrument.kind.is_option() { cost.payment } else { 0 })
    }
}

/// A leg's underlying as it is found.
pub struct Sheet<'a> {
    key: Pubkey,
    underlying: &'a Underlying,
    pub unit: Decimals,
    /// What the instrument is worth now.
    pub mark: Price,
    /// What options are measured by: the greater of forward and strike; the mark otherwise.
    pub notional_price: Price,
}

/// What an instrument is worth by its sheet, 10^-10 dollars per whole unit: the price that a trade is held near to.
pub fn mark(key: Pubkey, underlying: &Underlying, instrument: &Instrument, now: i64) -> Result<i64> {
    Ok(Sheet::of(key, underlying, instrument, now)?.mark.raw())
}

/// What a leg costs, micro-dollars.
struct Cost {
    /// From taker to maker, signed, rounded up.
    payment: i64,
    taker_fee: i64,
    maker_fee: i64,
    /// Size of the value traded.
    value: Usd,
}

impl<'a> Sheet<'a> {
    pub fn underlying(&self) -> &'a Underlying {
        self.underlying
    }

    /// Finds the instrument, and refuses one that is not listed or no longer trades.
    pub fn of(key: Pubkey, underlying: &'a Underlying, instrument: &Instrument, now: i64) -> Result<Self> {
        let unit = Decimals::new(underlying.decimals).or_refuse()?;
        require!(underlying.oracle.price != 0, MargraveError::PriceNotInitialized);
        require!(underlying.market.lot != 0, MargraveError::InstrumentNotListed);
        let index = Price::new(underlying.oracle.price).or_refuse()?;
        let sheet = |mark: Price, notional_price: Price| Self { key, underlying, unit, mark, notional_price };
        if instrument.kind == InstrumentKind::Perp {
            let bare = instrument.expiry == 0 && instrument.strike == 0 && instrument.series == 0;
            // A cap of zero lists nothing, but what is open must stay closable (I-34).
            let listed = underlying.market.perp_interest_cap != 0 || underlying.perp.open_interest != 0;
            require!(bare && listed, MargraveError::InstrumentNotListed);
            return Ok(sheet(index, index));
        }
        let slot = underlying.expiries.get(usize::from(instrument.expiry));
        let slot = slot.filter(|slot| !slot.is_free() && slot.series == instrument.series);
        let slot = slot.ok_or(MargraveError::InstrumentNotListed)?;
        require!(now < slot.time, MargraveError::ExpiryHasPassed);
        let expiry = slot.expiry();
        let terms = expiry.terms();
        if instrument.kind == InstrumentKind::Future {
            require!(instrument.strike == 0, MargraveError::InstrumentNotListed);
            return Ok(sheet(terms.forward, terms.forward));
        }
        let strike = underlying.strikes.get(usize::from(instrument.strike));
        let strike = strike.filter(|strike| usize::from(strike.expiry) == usize::from(instrument.expiry) + 1);
        let strike = strike.ok_or(MargraveError::InstrumentNotListed)?;
        let price = strike.strike_price().price();
        let option = Black76 {
            kind: if instrument.kind == InstrumentKind::Call { OptionKind::Call } else { OptionKind::Put },
            forward: terms.forward,
            strike: price,
            years: terms.years,
            discount: terms.discount,
        };
        let mark = Price::new(option.value_down(strike.vol()?).max(1)).or_refuse()?;
        Ok(sheet(mark, terms.forward.max(price)))
    }

    pub fn require_value_in_range(&self, slot: &PositionSlot) -> Result<()> {
        let value = self.notional_price.value_down(slot.quantity(), self.unit).or_refuse()?;
        let most = if slot.kind()?.is_option() { MAX_TRADED_NOTIONAL } else { MAX_TRADED_VALUE };
        let largest = value.micros().unsigned_abs().max(slot.quote.unsigned_abs());
        require!(largest <= most, MargraveError::ValueOutOfRange);
        Ok(())
    }

    /// Refuses a price too far from the mark (I-20), and computes what the leg costs.
    fn cost(&self, leg: &Leg, now: i64) -> Result<Cost> {
        let market = &self.underlying.market;
        let lots = i64::try_from(market.lot).map_err(|_| MargraveError::ValueOutOfRange)?;
        require!(leg.quantity != 0, MargraveError::AmountMustBePositive);
        require!(leg.quantity % lots == 0, MargraveError::QuantityNotInLots);
        let price = Price::new(leg.price).or_refuse()?;
        let option = leg.instrument.kind.is_option();
        let (measure, band) = match option {
            true => (self.underlying.oracle.price, market.max_option_deviation_ppm),
            false => (self.mark.raw(), market.max_trade_deviation_ppm),
        };
        // While a loss is open here, a price off the mark could pass on the profit that is to bear it (I-28).
        let band = if self.underlying.losses.is_open(now) { band.min(MAX_DEVIATION_IN_LOSS_PPM) } else { band };
        let apart = i128::from(leg.price.abs_diff(self.mark.raw()));
        require!(apart * i128::from(PPM) <= i128::from(measure) * i128::from(band), MargraveError::PriceOutsideBand);

        let quantity = Quantity::new(leg.quantity);
        let payment = price.value_up(quantity, self.unit).or_refuse()?;
        let notional = self.notional_price.value_up(quantity, self.unit).or_refuse()?.abs();
        let value = if option { notional } else { payment.abs() };
        let (taker_ppm, maker_ppm) = match option {
            true => (market.option_taker_fee_ppm, market.option_maker_fee_ppm),
            false => (market.taker_fee_ppm, market.maker_fee_ppm),
        };
        let fee = |ppm: u32| {
            let fee = value.fee_up(ppm);
            if option { fee.min(payment.fee_up(market.option_fee_cap_ppm)) } else { fee }
        };
        Ok(Cost {
            payment: payment.micros(),
            taker_fee: fee(taker_ppm).micros(),
            maker_fee: fee(maker_ppm).micros(),
            value,
        })
    }
}

impl<A: Fn(&Leg, Fill) -> Result<()>> Trading<'_, '_, A> {
    fn now(&self) -> i64 {
        self.present.now
    }

    /// Applies one leg to both sides and to its sheet, if it is admitted. `sheet` is the place of the underlying in the list of accounts.
    ///
    /// # Errors
    /// What makes the leg inadmissible: the instrument, its price, the age of the price, caps, pauses.
    #[inline(never)]
    pub fn apply(&self, leg: &Leg, sheet: u8, taker: &mut Side, maker: &mut Side) -> Result<()> {
        let info = self.accounts.at(sheet)?;
        let (cost, taken, given);
        {
            let underlying = view::<Underlying>(info)?;
            require_keys_eq!(underlying.group, self.group_key, MargraveError::GroupMismatch);
            require!(underlying.index == leg.underlying, MargraveError::UnderlyingMissing);
            let found = Sheet::of(*info.key, &underlying, &leg.instrument, self.now())?;
            cost = found.cost(leg, self.now())?;
            taken = taker.apply(&found, leg, leg.quantity, -cost.payment, cost.taker_fee)?;
            given = maker.apply(&found, leg, -leg.quantity, cost.payment, cost.maker_fee)?;
            self.require_allowed(&underlying, &leg.instrument, &taken, &given)?;
            let value = cost.value.micros().unsigned_abs();
            (self.admit)(leg, Fill { value, reduces: taken.reduces && given.reduces })?;
            if taken.reduces || given.reduces {
                self.add_costs(&found, leg, &cost, taker, maker)?;
            }
        } // release the underlying: it may be written next
        if leg.instrument.kind.is_option() {
            let reduces = if cost.payment >= 0 { taken.reduces } else { given.reduces };
            self.pay_premium(taker.account, maker.account, cost.payment, reduces)?;
        }
        let long_side = taken.long_side + given.long_side;
        // Anything else leaves the sheet alone, so that it need not be locked for writing.
        if long_side != 0 {
            let mut underlying = view_mut::<Underlying>(info)?;
            underlying.change_interest(&leg.instrument, long_side)?;
            // Reductions at an old price say nothing of where the perp trades.
            let is_recent = underlying.oracle.is_good_for(Action::AddRisk, self.now());
            if leg.instrument.kind == InstrumentKind::Perp && is_recent {
                underlying.observe_trade(leg.price, cost.value.micros().unsigned_abs(), self.now());
            }
        }
        let underlying = view::<Underlying>(info)?;
        let interest = underlying.interest_of(&leg.instrument);
        for size in [taken.grows_to, given.grows_to].into_iter().flatten() {
            underlying.market.require_not_concentrated(size, interest)?;
        }
        Ok(())
    }

    /// Tells both sides what the leg has cost them, and what it may: beyond its fee no more than a liquidator would be paid (I-28).
    #[inline(never)]
    fn add_costs(&self, sheet: &Sheet, leg: &Leg, cost: &Cost, taker: &mut Side, maker: &mut Side) -> Result<()> {
        let worth = sheet.mark.value_up(Quantity::new(leg.quantity), sheet.unit).or_refuse()?;
        let lost = cost.payment - worth.micros();
        let fees = FeeTerms::of(self.group, sheet.underlying);
        let notional = leg.instrument.kind.is_option().then_some(cost.value);
        let concession = |is_short: bool| fees.full(worth, notional, is_short).micros();
        // Who buys back was short.
        taker.add_cost(cost.taker_fee, concession(leg.quantity > 0), lost)?;
        maker.add_cost(cost.maker_fee, concession(leg.quantity < 0), -lost)
    }

    /// What adds risk needs a good price, a surface that is not too old, and that nobody has stopped it.
    fn require_allowed(
        &self,
        underlying: &Underlying,
        instrument: &Instrument,
        taken: &Change,
        given: &Change,
    ) -> Result<()> {
        if taken.reduces && given.reduces {
            // Any price will do, and there is one: the instrument was found.
            return Ok(());
        }
        underlying.oracle.require_good_for(Action::AddRisk, self.now())?;
        self.group.require_running(Pause::NEW_RISK, self.now())?;
        underlying.require_open(&self.present)?;
        if instrument.kind != InstrumentKind::Perp {
            let age = self.now().saturating_sub(underlying.expiries[usize::from(instrument.expiry)].surface_at);
            let most = i64::from(underlying.risk.max_surface_age_secs);
            require!(age <= most, MargraveError::SurfaceTooOld);
        }
        Ok(())
    }

    /// Moves a premium from taker to maker (negative: from maker to taker). Between two deposits shares change hands and the
    /// bank need not be written; a loan on either side needs it. `reduces`: the payer's position becomes smaller.
    #[inline(never)]
    fn pay_premium(
        &self,
        taker: &mut MarginAccount,
        maker: &mut MarginAccount,
        payment: i64,
        reduces: bool,
    ) -> Result<()> {
        let key = self.group.quote_bank;
        let (payer, payee) = if payment >= 0 { (taker, maker) } else { (maker, taker) };
        let (has, gets, atoms) = (payer.shares_in(&key), payee.shares_in(&key), payment.unsigned_abs());
        let (shares, accrued_at) = {
            let bank = self.accounts.bank(&key)?;
            (bank.deposit_shares_up(atoms)?, bank.accrued_at)
        };
        let shares = i64::try_from(shares).map_err(|_| MargraveError::ValueOutOfRange)?;
        let is_recent = self.now().saturating_sub(accrued_at) <= MAX_PREMIUM_SILENCE_SECS;
        if gets >= 0 && has >= shares && is_recent {
            payer.set_shares(key, Pubkey::default(), has - shares)?;
            let gets = gets.checked_add(shares).ok_or(MargraveError::ValueOutOfRange)?;
            return payee.set_shares(key, Pubkey::default(), gets);
        }
        require!(self.accounts.is_writable(&key), MargraveError::QuoteBankMustBeWritable);
        let mut bank = self.accounts.bank_mut(&key)?;
        bank.accrue(self.now())?;
        let may_lend = self.group.paused_now(self.now()) & Pause::BORROW == 0;
        let after = bank.debit(has, atoms, if may_lend { Lending::Allowed } else { Lending::Refused })?;
        payer.set_shares(key, Pubkey::default(), after)?;
        payee.set_shares(key, Pubkey::default(), bank.credit(gets, atoms)?)?;
        bank.invariant()?;
        drop(bank);
        if after < has.min(0) && !reduces {
            require_not_stopped(payer, self.accounts, &self.present, Lending::Allowed)?;
        }
        require_debt_in_range(payer, &key, self.accounts, self.now())
    }

    /// Values one side as the trade has left it, and requires initial margin or that the trade only reduced its risk (I-15). Where a
    /// price is too old for new risk, whichever it is, it must have: the last prices tell by how much.
    pub fn require_side(&self, side: &mut Side, arranged: &mut Arranged) -> Result<Valuation> {
        side.account.count_change()?;
        if side.may_empty {
            side.account.compact()?;
        }
        let mut action = Action::AddRisk;
        let mut valuation = revalue(side.account, arranged, self.accounts, action, self.now());
        if side.only_reduces && valuation.as_ref().is_err_and(is_stale) {
            action = Action::Reduce;
            valuation = revalue(side.account, arranged, self.accounts, action, self.now());
        }
        let valuation = valuation?;
        let must_reduce = action == Action::Reduce || valuation.initial_health().is_negative();
        if must_reduce && !self.only_reduced_risk(side, arranged, &valuation, action)? {
            require_initial_margin(&valuation)?;
            return err!(MargraveError::PriceTooOld);
        }
        side.account.invariant()?;
        Ok(valuation)
    }

    /// What an account below its initial margin may still do: make positions smaller, on the same side, with neither health
    /// falling, at a cost no higher than a liquidator's. An account with negative equity has nothing of its own left to give
    /// away: its positions are for liquidators.
    #[inline(never)]
    fn only_reduced_risk(
        &self,
        side: &mut Side,
        arranged: &mut Arranged,
        after: &Valuation,
        action: Action,
    ) -> Result<bool> {
        if !side.only_reduces || after.equity.is_negative() {
            return Ok(false);
        }
        side.exchange();
        arranged.read(side.account, self.accounts, action, self.now())?;
        let before = arranged.valuation()?;
        side.exchange();
        let cost = (before.equity - after.equity).micros();
        Ok(cost <= side.most_cost
            && side.concession >= 0
            && after.initial_health() >= before.initial_health()
            && after.maintenance_health() >= before.maintenance_health())
    }
}

fn is_stale(error: &Error) -> bool {
    matches!(error, Error::AnchorError(error) if error.error_code_number == u32::from(MargraveError::PriceTooOld))
}

impl Underlying {
    /// Sum of the long positions in an instrument.
    pub fn interest_of(&self, instrument: &Instrument) -> u64 {
        let strike = &self.strikes[usize::from(instrument.strike)];
        match instrument.kind {
            InstrumentKind::Perp => self.perp.open_interest,
            InstrumentKind::Future => self.expiries[usize::from(instrument.expiry)].future_interest,
            InstrumentKind::Call => strike.calls,
            InstrumentKind::Put => strike.puts,
        }
    }

    /// Applies a change of the long side (I-02). Growth stops at the cap; shrinking never does.
    pub fn change_interest(&mut self, instrument: &Instrument, long_side: i64) -> Result<()> {
        let (expiry, strike) = (usize::from(instrument.expiry), usize::from(instrument.strike));
        let (interest, cap) = match instrument.kind {
            InstrumentKind::Perp => (&mut self.perp.open_interest, self.market.perp_interest_cap),
            InstrumentKind::Future => (&mut self.expiries[expiry].future_interest, self.market.future_interest_cap),
            InstrumentKind::Call => (&mut self.strikes[strike].calls, self.market.option_interest_cap),
            InstrumentKind::Put => (&mut self.strikes[strike].puts, self.market.option_interest_cap),
        };
        *interest = interest.checked_add_signed(long_side).ok_or(MargraveError::InvariantViolated)?;
        require!(long_side <= 0 || *interest <= cap, MargraveError::OpenInterestCapExceeded);
        if instrument.kind != InstrumentKind::Perp {
            // The short side changes by as much.
            let both = long_side.checked_mul(2).ok_or(MargraveError::ValueOutOfRange)?;
            let all = &mut self.expiries[expiry].interest;
            *all = all.checked_add_signed(both).ok_or(MargraveError::ValueOutOfRange)?;
        }
        Ok(())
    }

    /// Takes one account's position of a settled expiry out: each side leaves by itself.
    pub fn remove_interest(&mut self, instrument: &Instrument, quantity: i64) -> Result<()> {
        let (expiry, strike) = (usize::from(instrument.expiry), usize::from(instrument.strike));
        let interest = match instrument.kind {
            InstrumentKind::Perp => return err!(MargraveError::InvariantViolated),
            InstrumentKind::Future => &mut self.expiries[expiry].future_interest,
            InstrumentKind::Call => &mut self.strikes[strike].calls,
            InstrumentKind::Put => &mut self.strikes[strike].puts,
        };
        let long = quantity.max(0).unsigned_abs();
        *interest = interest.checked_sub(long).ok_or(MargraveError::InvariantViolated)?;
        let all = &mut self.expiries[expiry].interest;
        *all = all.checked_sub(quantity.unsigned_abs()).ok_or(MargraveError::InvariantViolated)?;
        Ok(())
    }
}

impl MarketTerms {
    /// A position above the allowance may be no more than its part of the open interest.
    pub fn require_not_concentrated(&self, size: u64, interest: u64) -> Result<()> {
        let part = u128::from(interest) * u128::from(self.concentration_ppm);
        require!(
            size <= self.position_allowance || u128::from(size) * u128::from(PPM) <= part,
            MargraveError::PositionTooConcentrated
        );
        Ok(())
    }
}
