//! Partial liquidation: what a liquidator is paid, and how much of an account one step takes.
//!
//! Every step is the same sentence: so many units of something leave the account at their mark less a fee, the fewest that bring it
//! to its liquidation end or the number that helps most (I-23). The keeper computes the number with the same functions.

use crate::{constants::*, error::*, portfolio::*, state::*, trading::Sheet};
use anchor_lang::prelude::*;
use arrayvec::ArrayVec;
use margrave_risk::{DatedRisk, Decimals, Exposure, Price, Quantity, Usd, Valuation, quote_lots};

/// One position of a step, and how many lots of it leave with each unit.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiquidationLeg {
    pub instrument: Instrument,
    pub lots: u32,
}

/// What left of one position.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    pub instrument: Instrument,
    /// With the sign of the position, smallest units.
    pub quantity: i64,
    /// What the liquidator pays for it, micro-dollars; negative when it is paid.
    pub price_paid: i64,
    /// How far that is from the mark, in the liquidator's favour.
    pub fee: i64,
}

impl GroupTerms {
    /// The part of a liquidation fee that has been reached, in millionths: it starts small and grows, so that nobody has to be first
    /// and nobody waits for long. An account that would be bankrupt after haircuts begins anew, from nothing; one that is pays none.
    pub fn fee_part_ppm(&self, account: &MarginAccount, now: i64) -> u32 {
        let start = if account.status == Status::Bankrupt as u8 { 0 } else { self.liquidation_start_ppm };
        let since = if account.flagged_at == 0 { 0 } else { now.saturating_sub(account.flagged_at).max(0) };
        let since = u64::from(u32::try_from(since).unwrap_or(u32::MAX).min(self.liquidation_ramp_secs));
        let grown = u64::from(PPM - start) * since / u64::from(self.liquidation_ramp_secs.max(1));
        start + u32::try_from(grown).unwrap_or(0)
    }

    /// What of a fee insurance gets, micro-dollars, rounded up.
    pub fn insured_part_up(&self, fee: i64) -> Result<i64> {
        Ok(Usd::new(fee).or_refuse()?.fee_up(self.liquidation_insurance_ppm).micros())
    }

    /// What a slice of an account costs, of its equity, in millionths: falls in two straight parts to nothing. Source: Derive's
    /// solvent auction.
    pub fn slice_price_ppm(&self, account: &MarginAccount, now: i64) -> u32 {
        let since = if account.flagged_at == 0 { 0 } else { now.saturating_sub(account.flagged_at).max(0) };
        let (start, cut) = (i64::from(self.auction_start_ppm), i64::from(self.auction_cut_ppm));
        let (fast, slow) = (i64::from(self.auction_fast_secs).max(1), i64::from(self.auction_slow_secs).max(1));
        let price = if since < fast {
            start - (start - cut) * since / fast
        } else {
            cut - cut * (since - fast).min(slow) / slow
        };
        u32::try_from(price).unwrap_or(0)
    }
}

/// A position that a step takes from.
struct StepLeg {
    instrument: Instrument,
    /// Where it is in the lists, and how much of it there is.
    place: Place,
    held: i64,
    /// Smallest units that leave with each unit of the step.
    each: i64,
    mark: Price,
    notional_price: Price,
}

/// A step on the positions of one underlying, being sized.
pub struct PositionStep {
    slot: usize,
    legs: ArrayVec<StepLeg, MAX_LIQUIDATION_LEGS>,
    unit: Decimals,
    fees: FeeTerms,
    /// The part of a fee that has been reached.
    part: u32,
    /// The sums of futures and options after the step, if it takes any.
    dated: Option<Box<DatedRisk>>,
    is_bankrupt: bool,
    /// The most that the fees may be together: a fee alone makes nobody bankrupt, micro-dollars.
    most_fee: i64,
    /// The account with the underlying apart.
    split: Box<margrave_risk::Split>,
    pub before: Valuation,
}

/// What a liquidator's whole fee is made of, in millionths.
#[derive(Clone, Copy)]
pub struct FeeTerms {
    of_value: u32,
    of_premium: u32,
    of_naked: u32,
}

impl FeeTerms {
    pub fn of(group: &Group, underlying: &Underlying) -> Self {
        Self {
            of_value: underlying.risk.liquidation_fee_ppm,
            of_premium: underlying.market.option_fee_cap_ppm,
            of_naked: group.options.naked_maintenance_ppm / 2,
        }
    }

    /// The fee on so much `value`; for an option that is what it is worth, and `notional` what it is measured by.
    pub fn full(&self, value: Usd, notional: Option<Usd>, is_short: bool) -> Usd {
        let Some(notional) = notional else { return value.fee_up(self.of_value) };
        let naked = if is_short { notional.fee_up(self.of_naked) } else { Usd::ZERO };
        notional.fee_up(self.of_value).min(value.fee_up(self.of_premium) + naked)
    }
}

impl PositionStep {
    /// Reads what the step is about. `arranged` holds the account.
    ///
    /// # Errors
    /// `LiquidationLegsOutOfRange`, `NoPosition`, and an instrument that no longer trades.
    #[inline(never)]
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        account: &mut MarginAccount,
        arranged: &Arranged,
        group: &Group,
        key: Pubkey,
        underlying: &Underlying,
        legs: &[LiquidationLeg],
        now: i64,
    ) -> Result<Self> {
        let slot = account.risk_in(&key).ok_or(MargraveError::NoPosition)?;
        let split = arranged.split_storing(slot, account)?;
        let before = split.valuation(arranged.levels()).or_refuse()?;
        if !account.is_liquidatable(&before, now) {
            log_valuation(&before);
            return err!(MargraveError::AccountIsHealthy);
        }
        account.begin_liquidation(before.equity, now);

        let lot = i64::try_from(underlying.market.lot.max(1)).map_err(|_| MargraveError::ValueOutOfRange)?;
        let mut found: ArrayVec<StepLeg, MAX_LIQUIDATION_LEGS> = ArrayVec::new();
        for leg in legs {
            let sheet = Sheet::of(key, underlying, &leg.instrument, now)?;
            let index = account.position_in(&key, &leg.instrument).ok_or(MargraveError::NoPosition)?;
            let each = lot.checked_mul(leg.lots.into()).ok_or(MargraveError::ValueOutOfRange)?;
            let fresh = found.iter().all(|other| other.instrument != leg.instrument);
            require!(fresh && each > 0, MargraveError::LiquidationLegsOutOfRange);
            let leg = StepLeg {
                instrument: leg.instrument,
                place: arranged.place_of(account, index)?,
                held: account.positions[index].quantity,
                each,
                mark: sheet.mark,
                notional_price: sheet.notional_price,
            };
            found.try_push(leg).map_err(|_| MargraveError::LiquidationLegsOutOfRange)?;
        }
        require!(!found.is_empty(), MargraveError::LiquidationLegsOutOfRange);
        let (fees, part) = (FeeTerms::of(group, underlying), group.terms.fee_part_ppm(account, now));
        let has_dated = found.iter().any(|leg| leg.instrument.kind != InstrumentKind::Perp);
        let dated = has_dated.then(|| Box::new(DatedRisk::NONE));
        let unit = Decimals::new(underlying.decimals).or_refuse()?;
        let is_bankrupt = before.equity.is_negative();
        // What an account cannot pay would be others' money.
        let most_fee = arranged.full_equity_and_debts(before.equity).0.max(0);
        Ok(Self { slot, legs: found, unit, fees, part, dated, is_bankrupt, most_fee, split, before })
    }

    /// The most units there are: a last one may be a part of one.
    fn all(&self) -> i64 {
        let units = |leg: &StepLeg| (leg.held.unsigned_abs().div_ceil(leg.each.unsigned_abs())).cast_signed();
        self.legs.iter().map(units).min().unwrap_or(0)
    }

    fn taken(&self, leg: &StepLeg, units: i64, most_fee: i64) -> Result<Taken> {
        let size = leg.each.saturating_mul(units).min(leg.held.saturating_abs());
        let quantity = size * leg.held.signum();
        let value = leg.mark.value_down(Quantity::new(quantity), self.unit).or_refuse()?;
        let notional = match leg.instrument.kind.is_option() {
            true => Some(leg.notional_price.value_up(Quantity::new(size), self.unit).or_refuse()?),
            false => None,
        };
        let full = self.fees.full(value, notional, quantity < 0);
        let fee = full.fee_up(self.part).min(Usd::new(most_fee).unwrap_or(Usd::MAX));
        Ok(Taken { instrument: leg.instrument, quantity, price_paid: (value - fee).micros(), fee: fee.micros() })
    }

    /// What leaves with so many units.
    pub fn takes(&self, units: i64) -> Result<ArrayVec<Taken, MAX_LIQUIDATION_LEGS>> {
        let mut left = self.most_fee;
        let mut one = |leg: &StepLeg| {
            let taken = self.taken(leg, units, left)?;
            left -= taken.fee;
            Ok(taken)
        };
        self.legs.iter().map(&mut one).collect()
    }

    /// The sums of the underlying after `units` have left.
    #[inline(never)]
    fn sums_after(&mut self, arranged: &mut Arranged, units: i64) -> Result<Exposure> {
        let mut paid = Usd::ZERO;
        for (leg, taken) in self.legs.iter().zip(self.takes(units)?) {
            arranged.set_quantity(&leg.place, Quantity::new(leg.held - taken.quantity));
            paid += Usd::new(taken.price_paid).or_refuse()?;
        }
        let mut exposure = arranged.sums(self.slot, self.dated.as_deref_mut())?;
        exposure.profit += paid;
        Ok(exposure)
    }

    /// The verdict after `units` have left, and the account's array there if it is to be stored.
    #[inline(never)]
    pub fn after(
        &mut self,
        arranged: &mut Arranged,
        units: i64,
        store: Option<&mut MarginAccount>,
    ) -> Result<Valuation> {
        let exposure = self.sums_after(arranged, units)?;
        let dated = self.dated.as_deref().or(self.split.dated.as_ref());
        let (slot, stamp) = (self.slot, arranged.stamp_of(self.slot)?);
        let valuation = self.split.valuation_of(&exposure, dated, arranged.levels(), |part| {
            if let Some(account) = store {
                account.store_array(slot, &stamp, part);
            }
        });
        valuation.or_refuse()
    }

    /// The units to take, at most `max_units`.
    ///
    /// # Errors
    /// `LiquidationWouldNotHelp` for a hedge, or when the account is at its end.
    pub fn quote(&mut self, arranged: &mut Arranged, max_units: u64) -> Result<i64> {
        let most = self.all().min(i64::try_from(max_units).unwrap_or(i64::MAX));
        let before = self.before.liquidation_end_health().micros();
        let health =
            |units: i64| -> Result<i64> { Ok(self.after(arranged, units, None)?.liquidation_end_health().micros()) };
        let units = quote_lots(before, most, health)?;
        or_all_of_bankrupt(units, most, self.is_bankrupt)
    }
}

/// A bankrupt account is wound up whether or not a step helps it: hedged with its own tokens, none may.
fn or_all_of_bankrupt(units: Option<i64>, all: i64, is_bankrupt: bool) -> Result<i64> {
    units.or(is_bankrupt.then_some(all)).ok_or_else(|| error!(MargraveError::LiquidationWouldNotHelp))
}

/// Refuses a step that did not improve health (I-23), unless the account is being wound up.
pub fn require_improved(before: &Valuation, after: &Valuation) -> Result<()> {
    let improved = after.maintenance_health() > before.maintenance_health();
    require!(improved || before.equity.is_negative(), MargraveError::HealthMustImprove);
    Ok(())
}

/// A token and what an account has or owes of it.
pub struct Balance {
    /// The account's slot, and none for the quote token's bank, which counts at par.
    place: Option<(usize, Price, Decimals)>,
    /// Atoms held, or owed.
    pub atoms: u64,
}

impl Balance {
    fn new(
        account: &MarginAccount,
        key: &Pubkey,
        bank: &Bank,
        underlying: Option<&Underlying>,
        atoms: u64,
    ) -> Result<Self> {
        let place = match underlying {
            None => None,
            Some(underlying) => {
                let slot = account.collateral.iter().position(|slot| !slot.is_empty() && slot.bank == *key);
                let price = Price::new(underlying.oracle.price).or_refuse()?;
                Some((slot.ok_or(MargraveError::NothingToRepay)?, price, Decimals::new(bank.decimals).or_refuse()?))
            }
        };
        Ok(Self { place, atoms })
    }

    /// What so many atoms are worth, micro-dollars, rounded down.
    fn value_down(&self, atoms: u64) -> Result<u64> {
        let Some((_, price, unit)) = self.place else { return Ok(atoms) };
        let value =
            u128::from(atoms) * u128::from(price.raw().unsigned_abs()) / 10u128.pow(4 + u32::from(unit.digits()));
        u64::try_from(value).map_err(|_| error!(MargraveError::ValueOutOfRange))
    }

    /// How many atoms so many micro-dollars buy, rounded down.
    fn atoms_down(&self, micros: u64) -> Result<u64> {
        let Some((_, price, unit)) = self.place else { return Ok(micros) };
        let atoms =
            u128::from(micros) * 10u128.pow(4 + u32::from(unit.digits())) / u128::from(price.raw().unsigned_abs());
        u64::try_from(atoms).map_err(|_| error!(MargraveError::ValueOutOfRange))
    }
}

/// A step that buys collateral of an account for a token it owes, being sized in units of about a cent.
pub struct CollateralStep {
    asset: Balance,
    debt: Balance,
    /// Atoms of the debt that one unit repays.
    unit: u64,
    /// What the liquidator gains of what it repays, in millionths, and the most that it may gain for each dollar repaid so that
    /// nobody else has to pay for it.
    bonus_ppm: u32,
    cash: i64,
    pub before: Valuation,
}

/// What a liquidator gains of what it pays for an asset worth `value`, by repaying a debt if there is one, in millionths.
#[allow(clippy::too_many_arguments)]
pub fn bonus_ppm(
    account: &MarginAccount,
    arranged: &Arranged,
    before: &Valuation,
    terms: &GroupTerms,
    asset: &Bank,
    debt: Option<&Bank>,
    value: u64,
    now: i64,
) -> u32 {
    // Each fee is no more than what margin asks for the balance, so that health rises.
    let asset_fee = asset.terms.liquidation_fee_ppm.min(asset.terms.haircut_maintenance_ppm);
    let debt_fee = debt.map_or(0, |debt| debt.terms.liquidation_fee_ppm.min(debt.terms.liability_maintenance_ppm));
    let reached = u64::from(asset_fee + debt_fee) * u64::from(terms.fee_part_ppm(account, now)) / u64::from(PPM);
    let reached = u32::try_from(reached).unwrap_or(0);
    // As long as the account can pay what it owes, what is left of it must be able to as well.
    let (equity, debts) = arranged.full_equity_and_debts(before.equity);
    let debts = debts.saturating_add(account.unpaid_losses());
    if equity < 0 {
        return 0;
    }
    // And the bonus alone makes nobody bankrupt, who may owe nothing but what his positions lose.
    let largest = value.max(debts.max(1).unsigned_abs());
    let most = u128::from(equity.unsigned_abs()) * u128::from(PPM) / u128::from(largest);
    reached.min(u32::try_from(most).unwrap_or(u32::MAX))
}

/// What a step on collateral moves, atoms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exchange {
    pub repaid: u64,
    pub seized: u64,
}

impl CollateralStep {
    /// Reads what the step is about. `arranged` holds the account, both banks' interest is up to date.
    ///
    /// # Errors
    /// `AccountIsHealthy`; `NothingToRepay` when nothing is held of the one token or owed of the other.
    #[inline(never)]
    pub fn new(
        account: &mut MarginAccount,
        arranged: &Arranged,
        terms: &GroupTerms,
        (asset_key, asset): (&Pubkey, &Bank),
        (debt_key, debt): (&Pubkey, &Bank),
        [asset_sheet, debt_sheet]: [Option<&Underlying>; 2],
        now: i64,
    ) -> Result<Self> {
        let before = arranged.valuation()?;
        if !account.is_liquidatable(&before, now) {
            log_valuation(&before);
            return err!(MargraveError::AccountIsHealthy);
        }
        account.begin_liquidation(before.equity, now);
        let held = asset.atoms_down(account.shares_in(asset_key).max(0).unsigned_abs())?;
        let owed = account.owed_in(debt_key, debt, now)?;
        require!(held > 0 && owed > 0, MargraveError::NothingToRepay);
        let mut this = Self {
            asset: Balance::new(account, asset_key, asset, asset_sheet, held)?,
            debt: Balance::new(account, debt_key, debt, debt_sheet, owed)?,
            unit: 1,
            bonus_ppm: 0,
            cash: 0,
            before,
        };
        this.unit = this.debt.atoms_down(10_000)?.max(1);
        let value = this.asset.value_down(held)?;
        this.bonus_ppm = bonus_ppm(account, arranged, &this.before, terms, asset, Some(debt), value, now);
        Ok(this)
    }

    fn all(&self) -> Result<i64> {
        let paid = u128::from(self.asset.value_down(self.asset.atoms)?) * u128::from(PPM);
        let paid = u64::try_from(paid / u128::from(PPM + self.bonus_ppm)).unwrap_or(u64::MAX);
        let repaid = self.debt.atoms_down(paid)?.saturating_add(1).min(self.debt.atoms);
        Ok(i64::try_from(repaid.div_ceil(self.unit)).unwrap_or(i64::MAX))
    }

    /// What moves with so many units: the debt's value and the bonus in collateral, rounded against the liquidator.
    pub fn exchange(&self, units: i64) -> Result<Exchange> {
        let repaid = self.unit.saturating_mul(units.max(0).unsigned_abs()).min(self.debt.atoms);
        let gross = u128::from(self.debt.value_down(repaid)?) * u128::from(PPM + self.bonus_ppm) / u128::from(PPM);
        let gross = u64::try_from(gross).map_err(|_| MargraveError::ValueOutOfRange)?;
        Ok(Exchange { repaid, seized: self.asset.atoms_down(gross)?.min(self.asset.atoms) })
    }

    /// The verdict after so many units.
    pub fn after(&mut self, arranged: &mut Arranged, units: i64) -> Result<Valuation> {
        let Exchange { repaid, seized } = self.exchange(units)?;
        let signed = |atoms: u64| i64::try_from(atoms).map_err(|_| error!(MargraveError::ValueOutOfRange));
        arranged.add_cash(-self.cash)?;
        self.cash = 0;
        match self.asset.place {
            Some((slot, ..)) => arranged.set_balance(slot, signed(self.asset.atoms - seized)?)?,
            None => self.cash -= signed(seized)?,
        }
        match self.debt.place {
            Some((slot, ..)) => arranged.set_balance(slot, -signed(self.debt.atoms - repaid)?)?,
            None => self.cash += signed(repaid)?,
        }
        arranged.add_cash(self.cash)?;
        arranged.valuation()
    }

    /// The units to take, for at most `max_repay` atoms.
    pub fn quote(&mut self, arranged: &mut Arranged, max_repay: u64) -> Result<i64> {
        let most = i64::try_from(max_repay / self.unit).unwrap_or(i64::MAX).min(self.all()?);
        require!(most > 0, MargraveError::AmountMustBePositive);
        let before = self.before.liquidation_end_health().micros();
        let health = |units: i64| -> Result<i64> { Ok(self.after(arranged, units)?.liquidation_end_health().micros()) };
        let units = quote_lots(before, most, health)?;
        or_all_of_bankrupt(units, most, self.before.equity.is_negative())
    }
}

impl MarginAccount {
    /// Losses that are realised and not paid, micro-dollars.
    pub fn unpaid_losses(&self) -> i64 {
        self.risk.iter().fold(0i64, |sum, slot| sum.saturating_sub(slot.claim.min(0)))
    }

    /// What the account owes in a bank, atoms. In the quote bank unpaid losses are owed too, beyond what is deposited.
    fn owed_in(&self, key: &Pubkey, bank: &Bank, now: i64) -> Result<u64> {
        let shares = self.shares_in(key);
        let owed = bank.debt_up_at(shares.min(0).unsigned_abs(), now)?;
        if !bank.is_quote() {
            return Ok(owed);
        }
        let losses = self.unpaid_losses().max(0).unsigned_abs();
        let held = bank.atoms_down(shares.max(0).unsigned_abs())?;
        Ok(owed.saturating_add(losses.saturating_sub(held)))
    }

    /// Takes over `taken` (with `sign` 1), or gives it up (-1). An option is paid for through the claim: cash may not be there.
    pub fn take_over(&mut self, sheet: &Sheet, key: Pubkey, taken: &Taken, sign: i64) -> Result<i64> {
        let (quantity, payment) = (taken.quantity * sign, -taken.price_paid * sign);
        let index = self.open_position(key, &taken.instrument, sheet.underlying().perp.funding_index)?;
        let before = self.positions[index].quantity;
        let long_side = match taken.instrument.kind {
            InstrumentKind::Perp => self.change_perp_at(index, sheet.underlying(), quantity, payment)?,
            InstrumentKind::Future => self.positions[index].change(quantity, payment)?,
            InstrumentKind::Call | InstrumentKind::Put => {
                let long_side = self.positions[index].change(quantity, 0)?;
                self.risk[usize::from(self.positions[index].risk_slot)].add_claim(payment)?;
                long_side
            }
        };
        let after = self.positions[index];
        if after.quantity.unsigned_abs() > before.unsigned_abs() {
            sheet.require_value_in_range(&after)?;
        }
        Ok(long_side)
    }
}
