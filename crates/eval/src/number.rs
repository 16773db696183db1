//! Between decimals and the engine's integers. Inputs are rounded to the nearest step of the engine's unit.

use anyhow::{Context, Result, ensure};
use margrave_risk::{Log, Price, Ratio, RiskError, Scaled, Usd, Vol, Years};
use rust_decimal::{Decimal, RoundingStrategy};

/// `value` in steps of 2^-`bits`, rounded to the nearest.
pub fn fixed(value: Decimal, bits: u32) -> Result<i64> {
    // 18 digits are more than any unit has, and leave room for the shift.
    let value = value.round_sf_with_strategy(18, RoundingStrategy::MidpointAwayFromZero).unwrap_or(value).normalize();
    let scale = 10i128.checked_pow(value.scale()).context("too many digits")?;
    let shifted = value.mantissa().checked_mul(1i128 << bits).context("the number is too large")?;
    let rounded = (shifted.abs() + scale / 2) / scale * shifted.signum();
    i64::try_from(rounded).context("the number is too large")
}

pub fn ratio(value: Decimal) -> Result<Ratio> {
    Ok(Ratio::from_bits(fixed(value, Ratio::BITS)?)?)
}

/// A ratio that is a share: 0 to 1.
pub fn share(value: Decimal) -> Result<Ratio> {
    ensure!(value >= Decimal::ZERO && value <= Decimal::ONE, "{value} is not between 0 and 1");
    ratio(value)
}

/// A ratio that is not negative, rounded up: a charge is never smaller than stated.
pub fn charge(value: Decimal) -> Result<Ratio> {
    ensure!(value >= Decimal::ZERO, "{value} is negative");
    let nearest = ratio(value)?;
    let short = Decimal::from(nearest.bits()) < value * Decimal::from(1u64 << Ratio::BITS);
    Ok(Ratio::from_bits(nearest.bits() + i64::from(short))?)
}

pub fn vol(value: Decimal) -> Result<Vol> {
    ensure!(value > Decimal::ZERO && value <= Decimal::from(32), "{}", RiskError::VolOutOfRange);
    Ok(Vol::from_bits(fixed(value, 30)?)?)
}

pub fn years(value: Decimal) -> Result<Years> {
    ensure!(value >= Decimal::ZERO && value <= Decimal::from(8), "{}", RiskError::TimeOutOfRange);
    Ok(Years::from_bits(fixed(value, Years::BITS)?)?)
}

/// `value x 10^decimals` as an integer, rounded to the nearest.
pub fn scaled(value: Decimal, decimals: u32) -> Option<i64> {
    let value = value.normalize();
    let mantissa = value.mantissa();
    let product = match decimals.checked_sub(value.scale()) {
        Some(zeros) => mantissa.checked_mul(10i128.checked_pow(zeros)?)?,
        None => {
            let divisor = 10i128.checked_pow(value.scale() - decimals)?;
            (mantissa.abs() + divisor / 2) / divisor * mantissa.signum()
        }
    };
    i64::try_from(product).ok()
}

/// The same of a value that has no more digits.
///
/// # Errors
/// One that has more, or is beyond 2^63 of its smallest unit.
pub fn exact(value: Decimal, decimals: u32) -> Result<i64> {
    ensure!(value.normalize().scale() <= decimals, "{value} has more than {decimals} decimals");
    scaled(value, decimals)
        .with_context(|| format!("{value} with {decimals} decimals is beyond 2^63 of its smallest unit"))
}

pub fn price(value: Decimal) -> Result<Price> {
    Ok(Price::new(scaled(value, Price::DECIMALS).ok_or(RiskError::PriceOutOfRange)?)?)
}

/// An amount of dollars of either sign, to the micro-dollar.
pub fn dollars(value: Decimal) -> Result<Usd> {
    Ok(Usd::new(scaled(value, 6).ok_or(RiskError::ValueOutOfRange)?)?)
}

/// The logarithm of a positive decimal, exact to 2^-43.
pub fn log(value: Decimal) -> Result<Log> {
    ensure!(value > Decimal::ZERO, "{}", RiskError::LogOutOfRange);
    let value = value.round_sf_with_strategy(19, RoundingStrategy::MidpointAwayFromZero).unwrap_or(value).normalize();
    let mantissa = u64::try_from(value.mantissa()).context("too many digits")?;
    let power = i64::from(value.scale()) * Log::TEN.bits();
    Ok(Log::from_bits(Log::of(mantissa)?.bits() - power)?)
}

/// `value / 2^bits` to `digits` decimals.
pub fn decimal(value: i64, bits: u32, digits: u32) -> Decimal {
    (Decimal::from(value) / Decimal::from(1u64 << bits)).round_dp(digits).normalize()
}

/// A power of two times a mantissa, with all the digits a decimal has.
pub fn of_scaled(value: Scaled) -> Decimal {
    let two = |power: u32| (0..power).fold(Decimal::ONE, |product, _| product * Decimal::TWO);
    let mantissa = Decimal::from(value.mantissa);
    match u32::try_from(value.exponent) {
        Ok(exponent) => mantissa * two(exponent),
        Err(_) => {
            let shift = value.exponent.unsigned_abs();
            let first = shift.min(62);
            // A mantissa below 2^63 over 2^62 is below two, and 26 more digits are left for the rest.
            mantissa / two(first) / two(shift - first)
        }
    }
}

/// Micro-dollars as dollars.
pub fn usd(value: Usd) -> String {
    Decimal::new(value.micros(), 6).to_string()
}
