//! The units, their bounds, and the only products between them.
//!
//! | type | unit | sign | bound |
//! |---|---|---|---|
//! | [`Usd`] | 10^-6 US dollars | signed | 2^50 per item, 2^56 per sum |
//! | [`Price`] | 10^-10 US dollars per whole unit | positive | 10^17 (ten million dollars) |
//! | [`Quantity`] | 10^-decimals of a unit | long positive, short negative | i64 |
//! | [`Ratio`] | 2^-30, so 2^30 is 100 % | signed | below 2^33 (8) in size |
//! | [`Vol`] | 2^-30 per square root of a year | positive | 2^35 (3,200 %) |
//! | [`Years`] | 2^-40 years of 365 days | not negative | 2^43 (8 years) |
//!
//! `Price x Quantity -> Usd` and `Usd x Ratio -> Usd` exist; nothing else compiles:
//!
//! ```compile_fail
//! # use margrave_risk::*;
//! fn wrong(a: Price, b: Usd) -> Usd { a + b }
//! ```
//! ```compile_fail
//! # use margrave_risk::*;
//! fn wrong(a: Usd, b: Usd) -> Usd { a * b }
//! ```

use crate::RiskError;
use crate::math::{low_u64, sqrt_down_64, wide_product};
use core::iter::Sum;
use core::ops::{Add, AddAssign, Neg, Sub, SubAssign};

/// Positions, collaterals and cash balances one portfolio may hold.
pub const MAX_ITEMS: u32 = 64;

/// An amount of US dollars in millionths, signed: credit positive, debit negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(i64);

/// A price in 10^-10 US dollars per whole unit of the base asset, positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Price(i64);

/// A signed amount of an asset in its own smallest unit (10^-decimals of a whole one): long positive, short negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(i64);

/// How many decimals an asset's smallest unit has: 9 for lamports, 6 for USDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decimals(u8);

/// A dimensionless number in steps of 2^-30; 2^30 is one, or 100 %.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ratio(i64);

/// An implied volatility in steps of 2^-30 per square root of a year; 2^30 is 100 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Vol(i64);

/// A time in steps of 2^-40 years of 365 days, about 29 microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Years(i64);

impl Usd {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// The largest size of a single item: 2^50 micro-dollars, about 1.1 billion dollars.
    pub const MAX: Self = Self(1 << 50);
    /// As a cap only: none.
    pub const NO_LIMIT: Self = Self(i64::MAX);
    /// Micro-dollars in one dollar.
    pub const SCALE: i64 = 1_000_000;

    /// An amount in micro-dollars that enters the engine.
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] beyond [`Usd::MAX`] in size.
    pub const fn new(micros: i64) -> Result<Self, RiskError> {
        if micros > Self::MAX.0 || micros < -Self::MAX.0 {
            return Err(RiskError::ValueOutOfRange);
        }
        Ok(Self(micros))
    }

    /// A sum of items, or a sum's product with a ratio: the caller knows that it is below 2^59.
    pub(crate) const fn of_sum(micros: i64) -> Self {
        Self(micros)
    }

    /// Micro-dollars.
    pub const fn micros(self) -> i64 {
        self.0
    }

    /// The size without the sign.
    pub const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    /// Whether the amount is below zero.
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// The product rounded toward minus infinity. Exact to 10^-6 dollars for sums within their bound.
    pub const fn mul_down(self, ratio: Ratio) -> Self {
        // x = high 2^30 + low with 0 <= low < 2^30, so floor(x r / 2^30) = high r + floor(low r / 2^30). The products fit
        // (asserted below), and an overflow test on each would cost a 128-bit multiplication.
        let (high, low) = (self.0 >> Ratio::BITS, self.0 & (Ratio::ONE.0 - 1));
        Self(high.wrapping_mul(ratio.0) + (low.wrapping_mul(ratio.0) >> Ratio::BITS))
    }

    /// So many millionths of the size, rounded up, exactly: a fee. For sums within their bound and at most 100 %.
    pub const fn fee_up(self, ppm: u32) -> Self {
        let size = self.0.unsigned_abs();
        let (whole, rest) = (size / 1_000_000, size % 1_000_000);
        Self((whole * ppm as u64 + (rest * ppm as u64).div_ceil(1_000_000)).cast_signed())
    }

    /// The product rounded toward plus infinity.
    pub const fn mul_up(self, ratio: Ratio) -> Self {
        Self(-Self(-self.0).mul_down(ratio).0)
    }
}

// Why plain operators on Usd cannot overflow: sums of items stay below 2^56 (values) or 2^57 (values and quotes), the scan
// below 4 x 2^56 since no move exceeds the edge, each charge below 8 x 2^56, and a Book adds fewer than 2^3 such numbers.
const _: () = {
    assert!(Usd::MAX.0 as i128 * (MAX_ITEMS as i128) <= 1 << 56);
    // mul_down on a sum of up to 2^59 (the scan and what is made of it): |high| <= 2^29, |ratio| < 2^33, low < 2^30.
    assert!((1i128 << (59 - Ratio::BITS)) * (Ratio::LIMIT as i128) + (1 << 33) <= i64::MAX as i128);
    assert!(((1i128 << 30) - 1) * (Ratio::LIMIT as i128) <= i64::MAX as i128);
};

impl Price {
    /// The highest price: ten million dollars.
    pub const MAX: Self = Self(100_000_000_000_000_000);
    /// Decimals of the representation.
    pub const DECIMALS: u32 = 10;

    /// A price in 10^-10 dollars that enters the engine.
    ///
    /// # Errors
    /// [`RiskError::PriceOutOfRange`] at or below zero, or above [`Price::MAX`].
    pub const fn new(raw: i64) -> Result<Self, RiskError> {
        if raw <= 0 || raw > Self::MAX.0 {
            return Err(RiskError::PriceOutOfRange);
        }
        Ok(Self(raw))
    }

    /// From the engine's own words.
    pub(crate) const fn of_word(raw: i64) -> Self {
        Self(raw)
    }

    /// 10^-10 dollars.
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// What `quantity` is worth at this price, rounded toward minus infinity (so against its holder, long or short).
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] beyond [`Usd::MAX`] in size.
    pub const fn value_down(self, quantity: Quantity, unit: Decimals) -> Result<Usd, RiskError> {
        match self.floor(quantity, unit) {
            BEYOND => Err(RiskError::ValueOutOfRange),
            micros => Ok(Usd(micros)),
        }
    }

    /// The value in micro-dollars, or [`BEYOND`]: one register, where a result is memory. Thirty-six of them are in a full account.
    #[inline(never)]
    const fn floor(self, quantity: Quantity, unit: Decimals) -> i64 {
        // quantity 10^-d x price 10^-10 in steps of 10^-6 dollars: divide by 10^(d + 4), first by its fives, then by its twos.
        if unit.0 > 9 {
            return self.floor_wide(quantity, unit);
        }
        let (twos, fives) = unit.price_divisor();
        let (price, atoms) = (self.0.cast_unsigned(), quantity.0.unsigned_abs());
        let ((ph, pl), (ah, al)) = ((price >> 32, price & 0xffff_ffff), (atoms >> 32, atoms & 0xffff_ffff));
        let (top, low) = (ph.wrapping_mul(ah), pl.wrapping_mul(al));
        // The product is at least 2^94 then, and the divisor at most 10^13.
        if top >> 30 != 0 {
            return BEYOND;
        }
        // Three digits of 32 bits, below 2^62 + 2^57 + 2^63 + 2^32 without the last; the rest of a division is below 2^32.
        let upper =
            (top << 32).wrapping_add(ph.wrapping_mul(al)).wrapping_add(pl.wrapping_mul(ah)).wrapping_add(low >> 32);
        let first = upper / fives;
        let digits = upper.wrapping_sub(first.wrapping_mul(fives)) << 32 | low & 0xffff_ffff;
        let second = digits / fives;
        // At most 13 twos, so the value is at least 2^51 then.
        if first >> 32 != 0 {
            return BEYOND;
        }
        let size = (first << (32 - twos)).wrapping_add(second >> twos);
        if size > Usd::MAX.0.unsigned_abs() {
            return BEYOND;
        }
        if quantity.0 >= 0 {
            return size.cast_signed();
        }
        let rest = digits.wrapping_sub(second.wrapping_mul(fives)) | second & ((1 << twos) - 1);
        signed(size, rest != 0)
    }

    /// [`Price::floor`] for units of ten decimals and more: divides by the twos first, as the fives are above 2^32.
    #[inline(never)]
    const fn floor_wide(self, quantity: Quantity, unit: Decimals) -> i64 {
        let (high, low) = wide_product(self.0.cast_unsigned(), quantity.0.unsigned_abs());
        let (twos, fives) = unit.price_divisor();
        let (high_halved, halved) = (high >> twos, high << (64 - twos) | low >> twos);
        let (quotient, rest) = if high_halved == 0 {
            (halved / fives, halved % fives)
        } else {
            match divide((high_halved as u128) << 64 | halved as u128, fives) {
                Some(quotient) => quotient,
                None => return BEYOND,
            }
        };
        if quotient > Usd::MAX.0.unsigned_abs() {
            BEYOND
        } else if quantity.0 >= 0 {
            quotient.cast_signed()
        } else {
            signed(quotient, rest != 0 || low & ((1 << twos) - 1) != 0)
        }
    }

    /// What `atoms` of collateral are worth, rounded down and counted up to [`Usd::MAX`]: more than that is owned but not
    /// believed, so no amount of collateral can make an account impossible to value.
    pub const fn collateral_value_down(self, atoms: u64, unit: Decimals) -> Usd {
        let atoms = if atoms > i64::MAX.unsigned_abs() { i64::MAX } else { atoms.cast_signed() };
        match self.value_down(Quantity(atoms), unit) {
            Ok(value) => value,
            Err(_) => Usd::MAX,
        }
    }

    /// What `quantity` costs at this price, rounded toward plus infinity. Errors as [`Price::value_down`].
    pub const fn value_up(self, quantity: Quantity, unit: Decimals) -> Result<Usd, RiskError> {
        match self.value_down(Quantity(-quantity.0), unit) {
            Ok(value) => Ok(Usd(-value.0)),
            Err(error) => Err(error),
        }
    }
}

/// No value: beyond [`Usd::MAX`].
const BEYOND: i64 = i64::MIN;

/// Minus `size`, and one more if it is `inexact`; rounding up a debt may bring it above the bound.
const fn signed(size: u64, inexact: bool) -> i64 {
    if inexact && size == Usd::MAX.0.unsigned_abs() { BEYOND } else { -size.cast_signed() - inexact as i64 }
}

/// Quotient and rest of `n / d` for d below 2^52, in 64-bit divisions: a 128-bit one is a call of hundreds of instructions.
/// `None` when the quotient is 2^51 or more.
#[inline(never)]
const fn divide(n: u128, d: u64) -> Option<(u64, u64)> {
    if n >> 38 >= (d as u128) << 13 {
        return None;
    }
    // n is below 2^103: the upper 64 bits first, then 40 in four pieces. A rest is below 2^52.
    let upper = low_u64(n >> 40);
    let lower = low_u64(n) & ((1 << 40) - 1);
    let (mut quotient, mut rest) = (upper / d, upper % d);
    let mut shift = 40;
    while shift > 0 {
        shift -= 10;
        let next = rest << 10 | (lower >> shift & 0x3ff);
        quotient = (quotient << 10) | (next / d);
        rest = next % d;
    }
    Some((quotient, rest))
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// A signed amount of smallest units. Every value but `i64::MIN` has a negative, so that one becomes `-i64::MAX`.
    pub const fn new(atoms: i64) -> Self {
        Self(if atoms == i64::MIN { -i64::MAX } else { atoms })
    }

    /// The sum.
    ///
    /// # Errors
    /// [`RiskError::ValueOutOfRange`] when it does not fit.
    pub const fn checked_add(self, other: Self) -> Result<Self, RiskError> {
        match self.0.checked_add(other.0) {
            Some(sum) if sum != i64::MIN => Ok(Self(sum)),
            _ => Err(RiskError::ValueOutOfRange),
        }
    }

    /// Smallest units.
    pub const fn atoms(self) -> i64 {
        self.0
    }
}

impl Decimals {
    /// The most decimals a unit may have.
    pub const MAX: u8 = 18;
    const FIVES: [u64; 23] = {
        let mut powers = [1; 23];
        let mut i = 1;
        while i < powers.len() {
            powers[i] = powers[i - 1] * 5;
            i += 1;
        }
        powers
    };

    /// # Errors
    /// [`RiskError::DecimalsOutOfRange`] above 18.
    pub const fn new(decimals: u8) -> Result<Self, RiskError> {
        if decimals > Self::MAX {
            return Err(RiskError::DecimalsOutOfRange);
        }
        Ok(Self(decimals))
    }

    /// How many decimals.
    pub const fn digits(self) -> u8 {
        self.0
    }

    /// 10^(decimals + 4) as a power of two and a power of five.
    const fn price_divisor(self) -> (u32, u64) {
        let power = self.0 as u32 + Price::DECIMALS - 6;
        (power, Self::FIVES[power as usize])
    }
}

impl Ratio {
    /// Fractional bits.
    pub const BITS: u32 = 30;
    /// 100 %.
    pub const ONE: Self = Self(1 << Self::BITS);
    /// Nothing.
    pub const ZERO: Self = Self(0);
    const LIMIT: i64 = 1 << 33;
    /// The largest ratio.
    pub const MAX: Self = Self(Self::LIMIT - 1);
    /// The most that one underlying's loss may be taken to offset another's: 80 %, rounded down.
    pub const MAX_KAPPA: Self = Self((8 << Self::BITS) / 10);

    /// A ratio given in millionths, rounded up: charges, ranges and haircuts are never smaller than stated.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] at 8 or more.
    #[allow(clippy::manual_div_ceil)]
    pub const fn from_ppm_up(ppm: u32) -> Result<Self, RiskError> {
        if ppm >= 8_000_000 {
            return Err(RiskError::RatioOutOfRange);
        }
        // Not div_ceil, which multiplies again to find the rest; an underlying has nine of these.
        Ok(Self(((((ppm as u64) << Self::BITS) + 999_999) / 1_000_000).cast_signed()))
    }

    /// A ratio given in millionths, rounded down.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] at 8 or more.
    pub const fn from_ppm_down(ppm: u32) -> Result<Self, RiskError> {
        Self::from_bits((((ppm as u64) << Self::BITS) / 1_000_000).cast_signed())
    }

    /// `numerator / denominator` rounded up, both non-negative; used for a confidence as a share of its price.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] at 8 or more, for a negative numerator or a denominator that is not positive.
    pub const fn of_up(numerator: i64, denominator: i64) -> Result<Self, RiskError> {
        if numerator < 0 || denominator <= 0 {
            return Err(RiskError::RatioOutOfRange);
        }
        let quotient = ((numerator.unsigned_abs() as u128) << Self::BITS).div_ceil(denominator.unsigned_abs() as u128);
        if quotient >= Self::LIMIT.unsigned_abs() as u128 {
            return Err(RiskError::RatioOutOfRange);
        }
        Self::from_bits(low_u64(quotient).cast_signed())
    }

    /// The stored form, 2^-30 steps.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// From the stored form.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] at 8 or more in size.
    pub const fn from_bits(bits: i64) -> Result<Self, RiskError> {
        if bits >= Self::LIMIT || bits <= -Self::LIMIT {
            return Err(RiskError::RatioOutOfRange);
        }
        Ok(Self(bits))
    }

    /// From the engine's own words.
    pub(crate) const fn of_word(bits: i64) -> Self {
        Self(bits)
    }

    /// So many thirds of a range that is not negative, rounded up. For at most 4 thirds and ranges below 6 stays a ratio.
    #[allow(clippy::manual_div_ceil)]
    pub(crate) const fn thirds_up(self, thirds: u64) -> Self {
        // Not div_ceil, which multiplies again to find the rest; neither the product nor the sum overflows.
        Self(((self.0.unsigned_abs() * thirds + 2) / 3).cast_signed())
    }

    /// The product rounded up, at most [`Ratio::MAX`]; both not negative.
    pub(crate) const fn times_up(self, other: Self) -> Self {
        let product = self.0.unsigned_abs() as u128 * other.0.unsigned_abs() as u128;
        let product = product.div_ceil(1 << Self::BITS);
        if product > Self::MAX.0 as u128 { Self::MAX } else { Self(low_u64(product).cast_signed()) }
    }

    pub(crate) const fn percent_toward_zero(percent: i64) -> Self {
        Self(percent * Self::ONE.0 / 100)
    }

    pub(crate) const fn opposite(self) -> Self {
        Self(-self.0)
    }

    /// Twice, for ratios below 4.
    pub(crate) const fn doubled(self) -> Self {
        Self(2 * self.0)
    }

    pub(crate) const fn abs(self) -> Self {
        Self(self.0.abs())
    }

    pub(crate) const fn clamp_to(self, bound: Self) -> Self {
        if self.0 > bound.0 {
            bound
        } else if self.0 < -bound.0 {
            Self(-bound.0)
        } else {
            self
        }
    }
}

impl Vol {
    /// The highest volatility: 3,200 %.
    pub const MAX: Self = Self(1 << 35);

    /// From the stored form, 2^-30 steps.
    ///
    /// # Errors
    /// [`RiskError::VolOutOfRange`] at or below zero, or above [`Vol::MAX`].
    pub const fn from_bits(bits: i64) -> Result<Self, RiskError> {
        if bits <= 0 || bits > Self::MAX.0 { Err(RiskError::VolOutOfRange) } else { Ok(Self(bits)) }
    }

    /// The stored form.
    pub const fn bits(self) -> i64 {
        self.0
    }
}

impl Years {
    /// Fractional bits.
    pub const BITS: u32 = 40;
    /// The longest time to an expiry: 8 years.
    pub const MAX: Self = Self(8 << Self::BITS);
    /// Seconds in a year of 365 days.
    pub const SECONDS: i64 = 31_536_000;

    /// From the stored form, 2^-40 steps.
    ///
    /// # Errors
    /// [`RiskError::TimeOutOfRange`] below zero or above [`Years::MAX`].
    pub const fn from_bits(bits: i64) -> Result<Self, RiskError> {
        if bits < 0 || bits > Self::MAX.0 { Err(RiskError::TimeOutOfRange) } else { Ok(Self(bits)) }
    }

    /// From the engine's own words.
    pub(crate) const fn of_word(bits: i64) -> Self {
        Self(bits)
    }

    /// So many seconds, rounded down to a step.
    ///
    /// # Errors
    /// [`RiskError::TimeOutOfRange`] below zero or above [`Years::MAX`].
    pub const fn from_seconds(seconds: i64) -> Result<Self, RiskError> {
        if seconds < 0 || seconds > 8 * Self::SECONDS {
            return Err(RiskError::TimeOutOfRange);
        }
        // The year has 2^7 x 246,375 seconds; below 2^28 x 2^33.
        Ok(Self(((seconds.unsigned_abs() << (Self::BITS - 7)) / (Self::SECONDS.unsigned_abs() >> 7)).cast_signed()))
    }

    /// The stored form.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// The root of the time in steps of 2^-30, rounded down: below 2^31.6.
    pub(crate) const fn sqrt_down(self) -> i64 {
        sqrt_down_64(self.0.unsigned_abs() << (60 - Self::BITS)).cast_signed()
    }
}

macro_rules! additive {
    ($type:ident) => {
        impl Add for $type {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0 + other.0)
            }
        }
        impl Sub for $type {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0 - other.0)
            }
        }
        impl Neg for $type {
            type Output = Self;
            fn neg(self) -> Self {
                Self(-self.0)
            }
        }
        impl AddAssign for $type {
            fn add_assign(&mut self, other: Self) {
                self.0 += other.0;
            }
        }
        impl SubAssign for $type {
            fn sub_assign(&mut self, other: Self) {
                self.0 -= other.0;
            }
        }
    };
}
additive!(Usd);

impl Sum for Usd {
    fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
        values.fold(Self::ZERO, Add::add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lamports() -> Decimals {
        Decimals::new(9).unwrap()
    }

    #[test]
    fn one_sol_at_35_dollars_is_worth_35_dollars() {
        let price = Price::new(350_000_000_000).unwrap();
        assert_eq!(price.value_down(Quantity::new(1_000_000_000), lamports()).unwrap().micros(), 35_000_000);
        assert_eq!(price.value_down(Quantity::new(-1_000_000_000), lamports()).unwrap().micros(), -35_000_000);
    }

    #[test]
    fn dust_is_worth_nothing_to_own_and_something_to_owe() {
        let price = Price::new(350_000_000_000).unwrap();
        assert_eq!(price.value_down(Quantity::new(1), lamports()).unwrap().micros(), 0);
        assert_eq!(price.value_down(Quantity::new(-1), lamports()).unwrap().micros(), -1);
        assert_eq!(price.value_up(Quantity::new(1), lamports()).unwrap().micros(), 1);
    }

    #[test]
    fn bounds_hold_at_their_corners() {
        assert!(Usd::new(1 << 50).is_ok());
        assert_eq!(Usd::new((1 << 50) + 1), Err(RiskError::ValueOutOfRange));
        assert_eq!(Usd::new(i64::MIN), Err(RiskError::ValueOutOfRange));
        assert_eq!(Price::new(0), Err(RiskError::PriceOutOfRange));
        assert_eq!(Price::new(Price::MAX.raw() + 1), Err(RiskError::PriceOutOfRange));
        assert_eq!(
            Price::MAX.value_down(Quantity::new(i64::MAX), Decimals::new(0).unwrap()),
            Err(RiskError::ValueOutOfRange)
        );
        assert_eq!(
            Price::MAX.value_up(Quantity::new(i64::MIN), Decimals::new(0).unwrap()),
            Err(RiskError::ValueOutOfRange)
        );
        assert_eq!(Decimals::new(19), Err(RiskError::DecimalsOutOfRange));
        assert_eq!(Ratio::from_ppm_up(8_000_000), Err(RiskError::RatioOutOfRange));
        let sum = Usd(1 << 56);
        let widest = Ratio(Ratio::LIMIT - 1);
        assert_eq!(i128::from(sum.mul_down(widest).0), ((1i128 << 56) * i128::from(widest.0)) >> 30);
        assert_eq!(i128::from((-sum).mul_up(widest).0), -(((1i128 << 56) * i128::from(widest.0)) >> 30));
    }

    #[test]
    fn values_are_the_wide_quotient_rounded_down() {
        let mut state = 1u64;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state ^ state >> 31
        };
        let mut worth = 0;
        for _ in 0..200_000 {
            let raw = (1 + next() % Price::MAX.raw().unsigned_abs()) >> (next() % 57);
            let atoms = (next() >> 1).cast_signed() >> (next() % 63);
            let (digits, sign) = (u8::try_from(next() % 19).unwrap(), if next() & 1 == 0 { 1 } else { -1 });
            let Ok(price) = Price::new(raw.cast_signed()) else { continue };
            let value = price.value_down(Quantity::new(sign * atoms), Decimals::new(digits).unwrap());
            let exact = i128::from(price.raw()) * i128::from(sign * atoms);
            let exact = exact.div_euclid(10i128.pow(u32::from(digits) + 4));
            let expected = i64::try_from(exact).map_err(|_| RiskError::ValueOutOfRange).and_then(Usd::new);
            assert_eq!(value, expected, "{raw} {atoms} {digits} {sign}");
            worth += u32::from(value.is_ok());
        }
        assert!(worth > 50_000);
    }

    #[test]
    fn roots_of_years_are_rounded_down() {
        for bits in (0..=1000).chain((0..43).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1])) {
            let years = Years::from_bits(bits).unwrap();
            assert_eq!(years.sqrt_down(), (bits.unsigned_abs() << 20).isqrt().cast_signed(), "{bits}");
        }
        assert_eq!(Years::MAX.sqrt_down(), (1u64 << 63).isqrt().cast_signed());
    }

    #[test]
    fn eighteen_percent_is_never_less_than_eighteen_percent() {
        let range = Ratio::from_ppm_up(180_000).unwrap();
        assert!(i128::from(range.bits()) * 1_000_000 >= 180_000 * (1 << 30));
        assert!((i128::from(range.bits()) - 1) * 1_000_000 < 180_000 * (1 << 30));
    }
}
