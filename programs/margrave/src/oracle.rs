//! Pyth price account to accepted price: every check of I-18, and what a price of which age may be used for.

use crate::{constants::PPM, error::*, state::Oracle};
use anchor_lang::prelude::*;
use margrave_risk::{Price, Ratio};

// A browser values accounts and reads no price account: Pyth's own code stays out of its module.
#[cfg(not(target_arch = "wasm32"))]
mod pyth;
#[cfg(not(target_arch = "wasm32"))]
pub use pyth::read_price;
#[cfg(target_arch = "wasm32")]
pub fn read_price(_: &crate::state::Group, _: &crate::state::OracleTerms, _: &AccountInfo<'_>) -> Result<Observation> {
    err!(MargraveError::NotAPriceUpdate)
}

/// Decimals of a pyth exponent of zero in 10^-10 dollars.
const PRICE_DECIMALS: i32 = 10;

/// A price as a receiver program wrote it, of the feed that was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Observation {
    /// Times 10^exponent dollars.
    pub price: i64,
    pub confidence: u64,
    pub exponent: i32,
    /// Unix seconds.
    pub publish_time: i64,
    pub posted_slot: u64,
}

/// How good the last accepted price is now. A price that is too uncertain is never accepted, so an uncertain feed grows old.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Quality {
    /// No price was ever accepted.
    Missing,
    /// Older than `max_age_secs`.
    Stale,
    /// Older than `liquidation_max_age_secs`.
    Recent,
    Fresh,
}

/// What a price is wanted for. The one table of action by price quality; docs/prices.md prints it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Trade, withdraw, borrow, transfer, change the mode.
    AddRisk,
    /// Take over somebody's position: within this window the caller can choose the price.
    Liquidate,
    /// Realise profit and loss.
    Settle,
    /// Make a position smaller, or look.
    Reduce,
}

impl Action {
    /// The least quality that will do.
    pub const fn needs(self) -> Quality {
        match self {
            Self::AddRisk | Self::Settle => Quality::Recent,
            Self::Liquidate => Quality::Fresh,
            Self::Reduce => Quality::Stale,
        }
    }
}

impl Oracle {
    /// Accepts `update` as the price, or refuses it and changes nothing. Returns whether the price is a new one: an update
    /// with the publish time of the accepted price changes nothing either, so that two transactions may carry the same.
    pub fn accept(&mut self, update: &Observation, now: i64) -> Result<bool> {
        let terms = &self.terms;
        // Publish times come from outside: nothing is assumed about their size.
        let (publish_time, now) = (i128::from(update.publish_time), i128::from(now));
        require!(now - publish_time <= i128::from(terms.max_age_secs), MargraveError::PriceTooOld);
        require!(publish_time - now <= i128::from(terms.max_future_secs), MargraveError::PriceFromTheFuture);
        require!(update.publish_time >= self.publish_time, MargraveError::PriceWentBack);

        require!(update.price > 0, MargraveError::PriceMustBePositive);
        let price = normalise_down(update.price.unsigned_abs(), update.exponent)?;
        let confidence = normalise_up(update.confidence, update.exponent)?;
        Price::new(price).or_refuse()?;
        let widest = i128::from(price) * i128::from(terms.max_confidence_ppm);
        require!(i128::from(confidence) * i128::from(PPM) <= widest, MargraveError::PriceTooUncertain);

        if update.publish_time == self.publish_time {
            return Ok(false);
        }
        self.stable_price = self.stable_after(price, update.publish_time);
        self.confidence_ratio = Ratio::of_up(confidence, price).or_refuse()?.bits();
        (self.price, self.confidence) = (price, confidence);
        (self.publish_time, self.posted_slot) = (update.publish_time, update.posted_slot);
        Ok(true)
    }

    /// The stable price goes toward the price by at most `stable_rate_ppm` of itself an hour; a silence counts as an hour.
    fn stable_after(&self, price: i64, time: i64) -> i64 {
        if self.price == 0 {
            return price;
        }
        let elapsed = time.saturating_sub(self.publish_time).clamp(0, 3_600);
        let most = i128::from(self.stable_price) * i128::from(self.terms.stable_rate_ppm) * i128::from(elapsed)
            / (3_600 * i128::from(PPM));
        let apart = i128::from(price) - i128::from(self.stable_price);
        let moved = i128::from(self.stable_price) + apart.clamp(-most, most);
        i64::try_from(moved).unwrap_or(price).max(1)
    }

    pub fn quality(&self, now: i64) -> Quality {
        // Accepted publish times are within a day of the clock's.
        let age = now.saturating_sub(self.publish_time);
        if self.price == 0 {
            Quality::Missing
        } else if age > i64::from(self.terms.max_age_secs) {
            Quality::Stale
        } else if age > i64::from(self.terms.liquidation_max_age_secs) {
            Quality::Recent
        } else {
            Quality::Fresh
        }
    }

    pub fn is_good_for(&self, action: Action, now: i64) -> bool {
        self.quality(now) >= action.needs()
    }

    /// Refuses a price that is not good enough for `action`.
    pub fn require_good_for(&self, action: Action, now: i64) -> Result<()> {
        let quality = self.quality(now);
        require!(quality > Quality::Missing, MargraveError::PriceNotInitialized);
        require!(quality >= action.needs(), MargraveError::PriceTooOld);
        Ok(())
    }
}

/// `value x 10^exponent` dollars in 10^-10 dollars, rounded down.
fn normalise_down(value: u64, exponent: i32) -> Result<i64> {
    let (scale, power) = scale(exponent)?;
    to_price(if scale >= 0 { u128::from(value) * power } else { u128::from(value) / power })
}

/// The same rounded up: uncertainty is never understated.
fn normalise_up(value: u64, exponent: i32) -> Result<i64> {
    let (scale, power) = scale(exponent)?;
    to_price(if scale >= 0 { u128::from(value) * power } else { u128::from(value).div_ceil(power) })
}

fn scale(exponent: i32) -> Result<(i32, u128)> {
    require!((-18..=0).contains(&exponent), MargraveError::PriceOutOfRange);
    let scale = exponent + PRICE_DECIMALS;
    Ok((scale, 10u128.pow(scale.unsigned_abs())))
}

fn to_price(value: u128) -> Result<i64> {
    i64::try_from(value).map_err(|_| error!(MargraveError::PriceOutOfRange))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponents_normalise_to_ten_decimals() {
        assert_eq!(normalise_down(3_500_000_000, -8).unwrap(), 350_000_000_000);
        assert_eq!(normalise_down(35, 0).unwrap(), 350_000_000_000);
        assert_eq!(normalise_down(123_456_789_012, -12).unwrap(), 1_234_567_890);
        assert_eq!(normalise_up(123_456_789_012, -12).unwrap(), 1_234_567_891);
        assert!(normalise_down(1, 1).is_err());
        assert!(normalise_down(1, -19).is_err());
        assert!(normalise_down(u64::MAX, 0).is_err());
    }
}
