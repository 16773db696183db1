//! Pyth price account to accepted price. Every check of I-18 is here, in the order of the invariant's sentence.

use crate::{
    constants::PPM,
    error::*,
    state::{Group, Oracle},
};
use anchor_lang::prelude::*;
use margrave_risk::{Price, Ratio};
use pyth_solana_receiver_sdk::price_update::{PriceUpdateV2, VerificationLevel};

/// Decimals of a pyth exponent of zero in 10^-10 dollars.
const PRICE_DECIMALS: i32 = 10;

/// Reads a `PriceUpdateV2` account of one of the group's receiver programs.
///
/// Not checked here: the write authority (anybody may post), the account's address (any account of the receiver will do,
/// the content is signed).
pub fn read_price_update(group: &Group, info: &AccountInfo<'_>) -> Result<PriceUpdateV2> {
    require!(group.accepts_receiver(info.owner), MargraveError::ReceiverNotAllowed);
    let data = info.try_borrow_data()?;
    PriceUpdateV2::try_deserialize(&mut &data[..]).map_err(|_| error!(MargraveError::NotAPriceUpdate))
}

impl Oracle {
    /// Accepts `update` as the price, or refuses it and changes nothing. Returns whether the price is a new one: an update
    /// with the publish time of the accepted price changes nothing either, so that two transactions may carry the same.
    pub fn accept(&mut self, update: &PriceUpdateV2, now: i64) -> Result<bool> {
        let message = &update.price_message;
        require!(message.feed_id == self.feed_id, MargraveError::FeedMismatch);
        require!(update.verification_level == VerificationLevel::Full, MargraveError::PriceNotFullyVerified);

        // Publish times come from outside: nothing is assumed about their size.
        let (publish_time, now) = (i128::from(message.publish_time), i128::from(now));
        require!(now - publish_time <= i128::from(self.max_age_secs), MargraveError::PriceTooOld);
        require!(publish_time - now <= i128::from(self.max_future_secs), MargraveError::PriceFromTheFuture);
        require!(message.publish_time >= self.publish_time, MargraveError::PriceWentBack);

        require!(message.price > 0, MargraveError::PriceMustBePositive);
        let price = normalise_down(message.price.unsigned_abs(), message.exponent)?;
        let confidence = normalise_up(message.conf, message.exponent)?;
        Price::new(price).or_refuse()?;
        let widest = i128::from(price) * i128::from(self.max_confidence_ppm);
        require!(i128::from(confidence) * i128::from(PPM) <= widest, MargraveError::PriceTooUncertain);

        if message.publish_time == self.publish_time {
            return Ok(false);
        }
        self.confidence_ratio = Ratio::of_up(confidence, price).or_refuse()?.bits();
        (self.price, self.confidence) = (price, confidence);
        (self.publish_time, self.posted_slot) = (message.publish_time, update.posted_slot);
        Ok(true)
    }

    /// Refuses a price that is older than `max_age_secs`.
    pub fn require_fresh(&self, now: i64, max_age_secs: u32) -> Result<()> {
        require!(self.price != 0, MargraveError::PriceNotInitialized);
        let age = i128::from(now) - i128::from(self.publish_time);
        require!(age <= i128::from(max_age_secs), MargraveError::PriceTooOld);
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
