//! A new price brings the whole sheet to its moment: funding up to it, realised volatility and scan range, forwards, times to
//! expiry, and the averages that expiries settle at.

use crate::{breaker::Present, constants::*, error::*, oracle::Observation, state::*};
use anchor_lang::prelude::*;
use fixed::types::I80F48;
use margrave_risk::{Expiry, Grid, Nodes, OptionTerms, Price, Ratio, Terms, Years};

impl Underlying {
    /// Accepts a price and everything that follows from it; returns whether it was a new one.
    pub fn refresh(&mut self, update: &Observation, options: &OptionTerms, present: &Present) -> Result<bool> {
        let (price_before, time_before) = (self.oracle.price, self.oracle.publish_time);
        if !self.oracle.accept(update, present.now)? {
            return Ok(false);
        }
        self.watch(price_before, time_before, present)?;
        let time = self.oracle.publish_time;
        self.accrue_funding(price_before, time)?;
        self.follow_volatility(time)?;
        for index in 0..MAX_EXPIRIES {
            if !self.expiries[index].is_free() && !self.expiries[index].is_settled() {
                self.expiries[index].observe(price_before, time_before, time)?;
                self.prepare(index, options)?;
            }
        }
        Ok(true)
    }

    /// Adds funding at the premium of the last trades, held to its cap, until `time` (I-35). A premium stands for eight hours;
    /// a silence of more than an hour is not charged.
    fn accrue_funding(&mut self, price: i64, time: i64) -> Result<()> {
        let perp = &mut self.perp;
        let until = time.min(perp.premium_at.saturating_add(FUNDING_PERIOD_SECS));
        let elapsed = until.saturating_sub(perp.funded_at).clamp(0, MAX_FUNDING_SECS);
        perp.funded_at = time;
        let cap = i64::from(self.market.funding_cap_ppm) * (1 << 30) / i64::from(PPM);
        let rate = perp.premium.clamp(-cap, cap);
        let paid = i128::from(rate) * i128::from(price) * i128::from(elapsed);
        let paid = (paid << (I80F48::FRAC_NBITS - 30)) / i128::from(FUNDING_PERIOD_SECS);
        let index = I80F48::from_le_bytes(perp.funding_index).checked_add(I80F48::from_bits(paid));
        perp.funding_index = index.ok_or(MargraveError::ValueOutOfRange)?.to_le_bytes();
        Ok(())
    }

    /// Moves the premium toward the price of a trade, in proportion to what was traded.
    pub fn observe_trade(&mut self, price: i64, value: u64, now: i64) {
        let (index, perp) = (self.oracle.price, &mut self.perp);
        let since = now.saturating_sub(perp.premium_at);
        let standing = if since > FUNDING_PERIOD_SECS { 0 } else { i128::from(perp.premium) };
        let sample = (i128::from(price) - i128::from(index)) * (1 << 30) / i128::from(index.max(1));
        let (value, depth) = (i128::from(value), i128::from(self.market.funding_depth));
        let moved = (sample - standing) * value / (value + depth).max(1);
        perp.premium = i64::try_from(standing + moved).unwrap_or(0);
        perp.premium_at = now;
    }

    /// The estimate of realised volatility, and the scan range after it: up at once, down slowly, into maintenance gradually.
    fn follow_volatility(&mut self, time: i64) -> Result<()> {
        let price = Price::new(self.oracle.price).or_refuse()?;
        if self.range.price == 0 {
            (self.range.price, self.range.time, self.range.moved_at) = (price.raw(), time, time);
        } else if time.saturating_sub(self.range.time) < 60 {
            return Ok(());
        }
        let terms = self.risk.range_terms()?;
        let seen = self.range.volatility()?.observe(price, time, &terms);
        (self.range.variance, self.range.price, self.range.time) = (seen.variance, seen.price.raw(), seen.time);
        let moved = self.range.scan_range()?.moved_to(seen.target(&terms).or_refuse()?, time);
        (self.range.ramp, self.range.moved_at) = (moved.ramp.bits(), moved.time);
        self.set_range(moved.range)
    }

    /// Sets the scan range and the grid that goes with it.
    pub fn set_range(&mut self, range: Ratio) -> Result<()> {
        if self.range.range != range.bits() {
            self.range.range = range.bits();
            self.nodes = Nodes::new(&Grid::new(range).or_refuse()?).to_words();
        }
        Ok(())
    }

    /// The forward of an expiry at the last price: inside the settlement window the part that is observed does not move, and a
    /// settled expiry is worth its settlement price.
    pub fn forward(&self, index: usize) -> Result<(Years, Price)> {
        let expiry = &self.expiries[index];
        let left = expiry.time.saturating_sub(self.oracle.publish_time).max(0);
        let years = Years::from_seconds(left).or_refuse()?;
        if expiry.is_settled() {
            return Ok((years, Price::new(expiry.settlement_price).or_refuse()?));
        }
        let one = i128::from(Ratio::ONE.bits());
        let growth = one + ((i128::from(expiry.carry) * i128::from(years.bits())) >> Years::BITS);
        let mut forward = i128::from(self.oracle.price) * growth.max(1) / one;
        if left < SETTLEMENT_WINDOW_SECS && expiry.observed_secs > 0 {
            let average = i128::try_from(expiry.average()).unwrap_or(i128::MAX);
            let window = i128::from(SETTLEMENT_WINDOW_SECS);
            forward = (forward * i128::from(left) + average * (window - i128::from(left))) / window;
        }
        let forward = i64::try_from(forward).map_err(|_| error!(MargraveError::PriceOutOfRange))?;
        Ok((years, Price::new(forward.max(1)).or_refuse()?))
    }

    /// Prepares an expiry for the engine at the last price.
    pub fn prepare(&mut self, index: usize, options: &OptionTerms) -> Result<()> {
        let (years, forward) = self.forward(index)?;
        // 1 / (1 + r T), at most one.
        let one = i128::from(Ratio::ONE.bits());
        let rate = i128::from(Ratio::from_ppm_up(self.risk.discount_ppm).or_refuse()?.bits());
        let grown = one + ((rate * i128::from(years.bits())) >> Years::BITS);
        let discount = Ratio::from_bits(i64::try_from(one * one / grown).unwrap_or(1)).or_refuse()?;
        let terms = Terms { years, forward, discount };
        self.expiries[index].prepared = Expiry::new(&terms, options).or_refuse()?.to_words();
        Ok(())
    }
}

impl ExpirySlot {
    /// Lets the price that stood from `from` to `until` into the settlement average, and writes the settlement price when the
    /// expiry is past and enough of its window was seen. If not, later prices count until it is.
    fn observe(&mut self, price: i64, from: i64, until: i64) -> Result<()> {
        let start = from.max(self.time - SETTLEMENT_WINDOW_SECS);
        let lacking = (SETTLEMENT_COVERAGE_SECS - self.observed_secs).max(0);
        let end = until.min(self.time.max(start.saturating_add(lacking)));
        let seconds = end.saturating_sub(start).clamp(0, SETTLEMENT_GAP_SECS);
        if price > 0 && seconds > 0 {
            let weighted = u128::from(price.unsigned_abs()) * u128::from(seconds.unsigned_abs());
            let sum = self.observed().checked_add(weighted).ok_or(MargraveError::ValueOutOfRange)?;
            self.observed = sum.to_le_bytes();
            self.observed_secs += seconds;
        }
        if until >= self.time && self.observed_secs >= SETTLEMENT_COVERAGE_SECS {
            let settled = i64::try_from(self.average()).map_err(|_| error!(MargraveError::PriceOutOfRange))?;
            self.settlement_price = settled.max(1);
        }
        Ok(())
    }

    /// Of the prices seen so far, rounded down; the caller has seen one.
    fn average(&self) -> u128 {
        self.observed() / u128::from(self.observed_secs.max(1).unsigned_abs())
    }
}

/// What a position of `quantity` owes for funding since `from`, micro-dollars, rounded up: a payer pays more, a receiver
/// gets less.
///
/// `quantity x (to - from)` in smallest units times 10^-10 dollars per whole unit, at steps of 2^-20.
pub fn funding_due_up(quantity: i64, from: [u8; 16], to: [u8; 16], decimals: u8) -> Result<i64> {
    if u128::from_le_bytes(from) == u128::from_le_bytes(to) {
        return Ok(0);
    }
    let step = |index: [u8; 16]| I80F48::from_le_bytes(index).to_bits() >> (I80F48::FRAC_NBITS - 20);
    let product = i128::from(quantity).checked_mul(step(to) - step(from)).ok_or(MargraveError::ValueOutOfRange)?;
    let whole = 10i128.pow(4 + u32::from(decimals)) << 20;
    let due = product.div_euclid(whole) + i128::from(product.rem_euclid(whole) != 0);
    i64::try_from(due).map_err(|_| error!(MargraveError::ValueOutOfRange))
}
