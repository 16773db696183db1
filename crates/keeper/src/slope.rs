//! How fast an account's equity beyond maintenance margin can fall, at most.
//!
//! docs/margin-model.md adds health up from items, and each term of it moves no faster with the price than a constant times the
//! item's notional. With `N` the notional, `s` a node of the grid, `w` its weight, `M` the greatest `w (1 + s)` and `m` maintenance
//! margin's part of the scan, a relative move of the price by `x` moves health by at most `x` times:
//!
//! | item | equity | scan | charges |
//! |---|---|---|---|
//! | perp, future, own-asset collateral | N | m 4/3 R N | (net + hedged + size) N |
//! | option | N | m (k M + 1 + skew) N | (2 (net + hedged) + size) (1 + 0.4 / sd) N + (naked + vega) N |
//!
//! An option's delta lies within one; `k` is one and what the long or short factor adds to its time value; `skew` is how fast the skew
//! cells' volatility follows moneyness; 0.4 / sd bounds how fast a delta turns. A correlation group's scan and the basis, which is a
//! rival of the cells, move no faster than the sum over its members. While one member's ramp is below one the weights of the ramps move
//! too: `m` counts double. Notional grows with the price, which makes the bound one in simple returns, up and down.
//!
//! Besides the price time passes: options lose time value, interest and funding accrue, the scan range drifts. What they can take until a
//! valuation is given up is taken off at once: [`Slope::slack`]. Whole numbers, in millionths, rounded up.

use crate::book::Book;
use margrave::{constants::PPM, state::*};
use margrave_client::Pubkey;
use margrave_risk::{Decimals, Price, Quantity};

const ONE: u128 = PPM as u128;
/// Seconds of a year.
const YEAR: i64 = 31_536_000;
/// What may change while a valuation is relied on, in millionths: scan range and ramp, either way, and the funding index against
/// the price. Beyond it every holder is valued again.
pub const RANGE_TOLERANCE: u128 = 1_000;
pub const FUNDING_TOLERANCE: u128 = 100;
/// An option this close to its expiry turns too fast to be bounded: its holder is valued at every look.
pub const LAST_SECS: i64 = 7_200;
/// Changes of what is held to tolerances count twice: from one end of the tolerance to the other.
const BOTH_WAYS: u128 = 2;
/// Interest of a hundred times the loan a year, for the longest that a valuation is relied on.
const INTEREST: u128 = 200;
/// A cent for what rounds.
const ROUNDING: u128 = 10_000;

/// One underlying's part of the bound.
#[derive(Clone, Copy, Debug)]
pub struct Part {
    pub underlying: Pubkey,
    /// The price that the account was valued at, 10^-10 dollars.
    pub price: i64,
}

/// The bound of one account.
#[derive(Clone, Debug, Default)]
pub struct Slope {
    pub parts: Vec<Part>,
    /// Micro-dollars that health falls by at most when every price moves by all of itself.
    pub steepness: u128,
    /// Micro-dollars that health may have lost when the valuation is given up, without a move of any price.
    pub slack: u128,
    /// Whether no bound holds: an option is about to expire.
    pub is_unbounded: bool,
    /// Whether time changes anything at all.
    pub ages: bool,
}

/// What all items of an underlying have in common, in millionths.
struct Terms {
    edge: u128,
    scan: u128,
    charge: u128,
    size: u128,
    reach: u128,
}

impl Slope {
    /// Of an account as it is in the book, for valuations made until unix time `until`.
    ///
    /// # Errors
    /// An account it refers to is not known, or a number is out of the engine's range.
    pub fn of(account: &MarginAccount, book: &Book, until: i64) -> anchor_lang::Result<Self> {
        let missing = || anchor_lang::error::Error::from(margrave::error::MargraveError::UnderlyingMissing);
        let group = book.accounts.groups.get(&account.group).ok_or_else(missing)?;
        let mut slope = Self { slack: ROUNDING, ..Self::default() };
        let ramped =
            account.risk.iter().filter(|slot| !slot.is_empty()).any(|slot| {
                book.accounts.underlyings.get(&slot.underlying).is_none_or(|sheet| sheet.range.ramp < 1 << 30)
            });
        for slot in account.collateral.iter().filter(|slot| slot.risk_slot == 0 && slot.shares < 0) {
            let bank = book.accounts.banks.get(&slot.bank).ok_or_else(missing)?;
            slope.slack += u128::from(bank.debt_up_at(slot.shares.unsigned_abs(), until)?) * INTEREST / ONE;
            slope.ages = true;
        }
        for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            let sheet = book.accounts.underlyings.get(&slot.underlying).ok_or_else(missing)?;
            let positions = account.positions.iter().take_while(|it| !it.is_empty());
            let positions: Vec<_> = positions.filter(|it| usize::from(it.risk_slot) == index).collect();
            let own = account.collateral.iter().filter(|it| usize::from(it.risk_slot) == index + 1 && it.shares != 0);
            let own: Vec<_> = own.collect();
            if sheet.oracle.price == 0 {
                continue;
            }
            let terms = Terms::of(sheet, group, ramped);
            slope.parts.push(Part { underlying: slot.underlying, price: sheet.oracle.price });
            for balance in own {
                let bank = book.accounts.banks.get(&balance.bank).ok_or_else(missing)?;
                slope.add_balance(balance, bank, sheet, &terms, until)?;
            }
            for position in positions {
                slope.ages = true;
                slope.add_position(position, sheet, group, &terms, until)?;
            }
        }
        Ok(slope)
    }

    fn add_balance(
        &mut self,
        balance: &CollateralSlot,
        bank: &Bank,
        sheet: &Underlying,
        terms: &Terms,
        until: i64,
    ) -> anchor_lang::Result<()> {
        let shares = balance.shares.unsigned_abs();
        let atoms = if balance.shares < 0 { bank.debt_up_at(shares, until)? } else { bank.atoms_down(shares)? };
        let atoms = i64::try_from(atoms).unwrap_or(i64::MAX);
        let notional = notional(sheet.oracle.price, atoms, bank.decimals);
        let surcharge = if balance.shares < 0 { u128::from(bank.terms.liability_maintenance_ppm) } else { 0 };
        self.add(notional, ONE + surcharge + terms.scan * terms.edge / ONE + terms.charge + terms.size, terms);
        if balance.shares < 0 {
            self.slack += notional * INTEREST / ONE * 2;
            self.ages = true;
        }
        Ok(())
    }

    fn add_position(
        &mut self,
        position: &PositionSlot,
        sheet: &Underlying,
        group: &Group,
        terms: &Terms,
        until: i64,
    ) -> anchor_lang::Result<()> {
        let linear = ONE + terms.scan * terms.edge / ONE + terms.charge + terms.size;
        let kind = position.kind()?;
        if kind == InstrumentKind::Perp {
            let notional = notional(sheet.oracle.price, position.quantity, sheet.decimals);
            self.add(notional, linear, terms);
            self.slack += notional * FUNDING_TOLERANCE * BOTH_WAYS / ONE + 1;
            return Ok(());
        }
        let slot = &sheet.expiries[usize::from(position.expiry)];
        let expiry = slot.expiry();
        let notional = notional(expiry.terms().forward.raw(), position.quantity, sheet.decimals);
        // From when the expiry was prepared to when this is given up.
        let passing = u128::from(until.saturating_sub(sheet.oracle.publish_time).max(0).unsigned_abs());
        let left = slot.time.saturating_sub(sheet.oracle.publish_time);
        let least_left = slot.time.saturating_sub(until);
        if least_left < LAST_SECS || basis_steps(group, left) != basis_steps(group, least_left) {
            self.is_unbounded = true;
            return Ok(());
        }
        // Carry and discount move by at most 100 % a year each, in each of three terms.
        self.slack += notional * (6 * passing * ONE).div_ceil(YEAR.unsigned_abs().into()) / ONE + 1;
        if kind == InstrumentKind::Future {
            self.add(notional, linear, terms);
            return Ok(());
        }
        let strike = &sheet.strikes[usize::from(position.strike)];
        let vol = (u128::from(strike.vol.max(0).unsigned_abs()) * ONE) >> 30;
        let years = u128::from(least_left.unsigned_abs()) * ONE / u128::from(YEAR.unsigned_abs());
        let root = (years * ONE).isqrt().max(1);
        let deviation = (vol * root / ONE).max(1);
        let options = &group.options;
        let short = u128::from(options.short_factor_ppm);
        let factor = ONE + short.saturating_sub(ONE).max(ONE.saturating_sub(options.long_factor_ppm.into()));
        let skew = vol * u128::from(options.skew_cap_ppm) / u128::from(options.skew_width_ppm.max(1)) * 2 / 5 + 1;
        let skew = skew * short.max(ONE) / ONE;
        let scan = factor * terms.reach / ONE + ONE + skew;
        let turning = ONE + 400_000 * ONE / deviation;
        let charges = (2 * terms.charge + terms.size) * turning / ONE
            + u128::from(options.naked_maintenance_ppm)
            + u128::from(options.vega_charge_ppm);
        self.add(notional, ONE + terms.scan * scan / ONE + charges, terms);
        // Time value falls by at most 0.2 v / sqrt(T) a year of the forward; shocked volatilities are at most 2.5 times as high, or a floor; all
        // terms together are within five times that. What a shock's size depends on time for is within 100 millionths.
        let shocked = 5 * vol / 2 + u128::from(options.vol_floor_ppm);
        let decay = (shocked * ONE / root) * passing / u128::from(YEAR.unsigned_abs());
        self.slack += notional * (decay + 100) / ONE;
        // A scan range that drifts also weighs the tails differently.
        self.slack += notional * (terms.scan * scan / ONE * RANGE_TOLERANCE * BOTH_WAYS / ONE) / ONE + 1;
        Ok(())
    }

    fn add(&mut self, notional: u128, millionths: u128, terms: &Terms) {
        self.steepness += notional * millionths / ONE + 1;
        // A scan range that is so much higher moves every node.
        let drift = 2 * terms.edge * RANGE_TOLERANCE * BOTH_WAYS / ONE;
        self.slack += notional * drift / ONE + 1;
    }

    /// Takes off what a ramp that grows back does to a maintenance margin, micro-dollars.
    pub fn add_ramp(&mut self, maintenance_margin: i64) {
        self.slack += u128::from(maintenance_margin.max(0).unsigned_abs()) * RANGE_TOLERANCE * 3 / ONE;
    }
}

impl Terms {
    fn of(sheet: &Underlying, group: &Group, ramped: bool) -> Self {
        let ratio = |bits: i64| ((u128::from(bits.max(0).unsigned_abs()) * ONE) >> 30) + 1;
        let edge = ratio(sheet.range.range) * (ONE + RANGE_TOLERANCE) / ONE * 4 / 3 + 1;
        let risk = &sheet.risk;
        let tails = [500_000, ONE, 2 * ONE, 4 * ONE].map(|tail| ONE.min(edge * ONE / tail + 1) * (ONE + tail) / ONE);
        let reach = tails.into_iter().fold(ONE + edge, u128::max);
        let size = match risk.size_depth {
            0 => 0,
            _ => 2 * u128::from(risk.size_cap_ppm) + u128::from(risk.size_slope_ppm),
        };
        Self {
            edge,
            scan: u128::from(group.terms.maintenance_scan_ppm) * if ramped { 2 } else { 1 },
            charge: u128::from(risk.net_charge_ppm) + u128::from(risk.hedged_charge_ppm),
            size,
            reach,
        }
    }
}

/// Micro-dollars of a quantity at a price, rounded up; beyond the engine's range the most there is.
fn notional(price: i64, quantity: i64, decimals: u8) -> u128 {
    let value = Price::new(price).ok().zip(Decimals::new(decimals).ok()).and_then(|(price, unit)| {
        price.value_up(Quantity::new(i64::try_from(quantity.unsigned_abs()).unwrap_or(i64::MAX)), unit).ok()
    });
    value.map_or(u128::from(u64::MAX), |value| u128::from(value.micros().max(0).unsigned_abs()))
}

/// How many thirds of the range the basis charge looks at with so many seconds left: where that changes the charge jumps.
fn basis_steps(group: &Group, left: i64) -> u128 {
    let years = u128::from(left.max(0).unsigned_abs()) * ONE / u128::from(YEAR.unsigned_abs());
    let factor = u128::from(group.options.basis_base_ppm) + u128::from(group.options.basis_per_year_ppm) * years / ONE;
    factor.div_ceil(ONE).clamp(1, 3)
}
