//! Elementary functions in 64-bit integers, from tables and short polynomials.
//!
//! | function | argument | result | error below |
//! |---|---|---|---|
//! | [`Log::of`] | integer 1 to 2^64 - 1 | 2^-48 | 2^-43 absolute |
//! | [`Log::exp`] | -44 to 44 | [`Scaled`] | 2^-41 relative |
//! | [`sqrt_down`] | integer | integer | 1, rounded down |
//! | [`Log::power`] | exponent below 2^13 | [`Log`] | 2^-43 (1 + exponent) |
//! | [`normal_cdf`] | any, 2^-30 | 2^-32 | 5 x 10^-10 absolute |
//! | [`normal_pdf`] | any, 2^-30 | 2^-60 | 10^-9 absolute (the argument's rounding included) |
//!
//! The bounds are checked against mpmath in `tests/vectors`. SBPF has no wide multiplication, so every product of the hot ones
//! fits 64 bits; each says why. Plain wrapping arithmetic is used where that is shown: an overflow test on a 64-bit product is
//! itself a 128-bit product there.

mod tables;

use crate::{Price, RiskError};
pub(crate) use tables::EXP;
use tables::{CDF, EXP_PIECES_PER_LN_2, LN_2, LN_10, LOG, PEAK_OF_PDF};

/// A natural logarithm in steps of 2^-48, below 2^62 in size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Log(i64);

/// A positive number `mantissa x 2^exponent` with the mantissa in [2^62, 2^63).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scaled {
    /// 2^62 up to 2^63 - 1.
    pub mantissa: u64,
    /// Power of two.
    pub exponent: i32,
}

impl Log {
    /// Fractional bits.
    pub const BITS: u32 = 48;
    /// ln 1.
    pub const ZERO: Self = Self(0);
    /// ln 10.
    pub const TEN: Self = Self(LN_10);
    /// Most that [`Log::exp`] takes.
    pub const EXP_LIMIT: Self = Self(44 << Self::BITS);

    /// The stored form, 2^-48 steps.
    pub const fn bits(self) -> i64 {
        self.0
    }

    /// From the stored form.
    ///
    /// # Errors
    /// [`RiskError::LogOutOfRange`] at 2^62 and beyond.
    pub const fn from_bits(bits: i64) -> Result<Self, RiskError> {
        if bits >= 1 << 62 || bits <= -(1 << 62) { Err(RiskError::LogOutOfRange) } else { Ok(Self(bits)) }
    }

    /// From the engine's own words.
    pub(crate) const fn of_word(bits: i64) -> Self {
        Self(bits)
    }

    /// ln n.
    ///
    /// # Errors
    /// [`RiskError::LogOutOfRange`] for zero.
    pub const fn of(n: u64) -> Result<Self, RiskError> {
        if n == 0 { Err(RiskError::LogOutOfRange) } else { Ok(Self::of_nonzero(n)) }
    }

    /// ln of a price in the engine's unit, 10^-10 dollars.
    pub const fn of_price(price: Price) -> Self {
        Self::of_nonzero(price.raw().unsigned_abs())
    }

    /// ln n, and 0 for the zero that the caller has ruled out.
    pub(crate) const fn of_nonzero(n: u64) -> Self {
        let zeros = n.leading_zeros() & 63;
        Self::of_shifted(n << zeros, zeros)
    }

    /// ln n for an n from 1/1024 to 8 in 2^-30: on the VM leading_zeros costs more than a few steps from a known place.
    pub(crate) const fn of_ratio(n: u64) -> Self {
        let (mut shifted, mut zeros) = (n << 31, 31);
        while shifted >> 63 == 0 && zeros < 63 {
            shifted <<= 1;
            zeros += 1;
        }
        Self::of_shifted(shifted, zeros)
    }

    /// ln n, given n shifted so that its first bit is the highest.
    #[inline(always)]
    const fn of_shifted(shifted: u64, zeros: u32) -> Self {
        // n = m 2^(63 - zeros - 47) with m in [2^47, 2^48): 1 to 2 in 2^-47.
        let m = (shifted >> 16).cast_signed();
        let [reciprocal, log] = LOG[low_bits::<7>(m >> 40)];
        // m x reciprocal is in 2^-62 and within 2^-7.9 of one.
        let r = m.wrapping_mul(reciprocal).wrapping_sub(1 << 62);
        // ln(1 + r) = r + r^2 (-1/2 + r (1/3 + r (-1/4 + r (1/5 - r/6)))), the bracket in 2^-34 with |r| < 2^26 there.
        let short = r >> 28;
        let mut inner = 3_435_973_837 - ((short.wrapping_mul(2_863_311_531)) >> 34);
        inner = -4_294_967_296 + (short.wrapping_mul(inner) >> 34);
        inner = 5_726_623_061 + (short.wrapping_mul(inner) >> 34);
        inner = -8_589_934_592 + (short.wrapping_mul(inner) >> 34);
        // |r| < 2^31.1 in 2^-39, its square in 2^-44 below 2^28.2.
        let narrow = r >> 23;
        let square = narrow.wrapping_mul(narrow) >> 34;
        let whole = 63 - zeros as i64;
        Self(whole.wrapping_mul(LN_2) + log + (r >> 14) + (square.wrapping_mul(inner) >> 30))
    }

    /// The logarithm's exponential.
    ///
    /// # Errors
    /// [`RiskError::LogOutOfRange`] beyond 44 in size.
    pub const fn exp(self) -> Result<Scaled, RiskError> {
        let x = self.0;
        if x > Self::EXP_LIMIT.0 || x < -Self::EXP_LIMIT.0 {
            return Err(RiskError::LogOutOfRange);
        }
        // x = j ln2 / 64 + r with |r| <= ln2 / 128. |x| < 2^33.5 in 2^-28, the factor below 2^26.6.
        let j = ((x >> 20).wrapping_mul(EXP_PIECES_PER_LN_2) + (1 << 47)) >> 48;
        let r = x - (j.wrapping_mul(LN_2) >> 6);
        // exp r - 1 = r + r^2 (1/2 + r/6 + r^2/24): |r| < 2^30.5 in 2^-38, the square in 2^-45 below 2^30, the bracket in 2^-32.
        let narrow = r >> 10;
        let square = narrow.wrapping_mul(narrow) >> 31;
        let inner = 2_147_483_648
            + ((r >> 16).wrapping_mul(715_827_883) >> 32)
            + ((square >> 13).wrapping_mul(178_956_971) >> 32);
        let rest = r + ((square.wrapping_mul(inner) >> 32) << 3);
        // In 2^-110, the factors below 2^63 and 2^49. The mantissa may miss one to either side by the last bits.
        let (high, low) = wide_product(EXP[low_bits::<6>(j)], ((1i64 << 48) + rest).cast_unsigned());
        let (mantissa, exponent) = (high << 16 | low >> 48, low_i32(j >> 6) - 62);
        Ok(if mantissa < 1 << 62 {
            Scaled { mantissa: mantissa << 1, exponent: exponent - 1 }
        } else if mantissa >= 1 << 63 {
            Scaled { mantissa: mantissa >> 1, exponent: exponent + 1 }
        } else {
            Scaled { mantissa, exponent }
        })
    }

    /// `exponent` times this logarithm: the logarithm of a power. `exponent` in steps of 2^-48; rounded down.
    ///
    /// # Errors
    /// [`RiskError::LogOutOfRange`] when the result is 2^62 or beyond.
    pub const fn power(self, exponent: i64) -> Result<Self, RiskError> {
        let product = (self.0 as i128 * exponent as i128) >> Self::BITS;
        if product >= 1 << 62 || product <= -(1 << 62) {
            return Err(RiskError::LogOutOfRange);
        }
        Self::from_bits(low_i64(product))
    }

    /// The difference: the logarithm of a quotient.
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    /// In steps of 2^-30, rounded to the nearest.
    pub(crate) const fn bits_30(self) -> i64 {
        (self.0 + (1 << 17)) >> 18
    }
}

impl Scaled {
    /// In steps of 2^-`bits`, rounded down.
    ///
    /// # Errors
    /// [`RiskError::LogOutOfRange`] when that is 2^63 or more.
    pub const fn fixed_down(self, bits: u32) -> Result<i64, RiskError> {
        let shift = self.exponent.saturating_add(if bits > 1 << 20 { 1 << 20 } else { bits.cast_signed() });
        if shift > 0 {
            Err(RiskError::LogOutOfRange)
        } else if shift <= -64 {
            Ok(0)
        } else {
            Ok((self.mantissa >> shift.unsigned_abs()).cast_signed())
        }
    }
}

/// The upper and lower 64 bits of a product of two numbers below 2^63: inline, where u128 is a call of forty instructions.
#[inline(always)]
pub(crate) const fn wide_product(a: u64, b: u64) -> (u64, u64) {
    let ((ah, al), (bh, bl)) = ((a >> 32, a & 0xffff_ffff), (b >> 32, b & 0xffff_ffff));
    let low = al.wrapping_mul(bl);
    // Two products below 2^63 - 2^32 each, and 2^32.
    let middle = ah.wrapping_mul(bl).wrapping_add(al.wrapping_mul(bh)).wrapping_add(low >> 32);
    (ah.wrapping_mul(bh).wrapping_add(middle >> 32), middle << 32 | low & 0xffff_ffff)
}

/// The root of `n` below 2^64, rounded down.
pub(crate) const fn sqrt_down_64(n: u64) -> u64 {
    if n == 0 {
        return 0;
    }
    // A power of two above the root and at most twice it, or 2^32; from above Newton's steps fall until they reach the floor.
    let mut root = 1 << 32;
    while n >> 2 < (root >> 2) * (root >> 2) {
        root >>= 1;
    }
    loop {
        let next = (root + n / root) >> 1;
        if next >= root {
            return root;
        }
        root = next;
    }
}

/// The root of `n`, rounded down.
pub const fn sqrt_down(n: u128) -> u64 {
    low_u64(n.isqrt())
}

/// The normal distribution function is taken as 0 below -6.25, where it is less than a step, and as 1 from 8; in 2^-30.
pub(crate) const CDF_BELOW: i64 = 25 << 28;
const CDF_ABOVE: i64 = 8 << 30;
/// The last position of the table.
pub(crate) const CDF_END: u64 = ((CDF.len() as u64) << CDF_PIECE_BITS) - 1;
/// Bits of an argument within a piece of the table.
const CDF_PIECE_BITS: u32 = 22;

/// The normal distribution function at `d` in 2^-30, as 2^-32.
pub const fn normal_cdf(d: i64) -> i64 {
    if d >= CDF_ABOVE {
        1 << 32
    } else {
        match cdf_at(d.wrapping_add(CDF_BELOW).cast_unsigned()) {
            Some(value) => value,
            None => 0,
        }
    }
}

/// The normal distribution function, in 2^-32, at `position - 6.25`; `position` in 2^-30 is below 14.25. `None` where it is not, as
/// one from below 0 that wrapped is not: there the function is zero.
#[inline(always)]
pub(crate) const fn cdf_at(position: u64) -> Option<i64> {
    // Compared in 64 bits: on a 32-bit machine a negative position would wrap into the table.
    let piece = position >> CDF_PIECE_BITS;
    if piece >= CDF.len() as u64 {
        return None;
    }
    let [c0, c1, c2] = &CDF[low_index(piece)];
    // t < 2^22 and the coefficients below 2^34, 2^31 and 2^22: every product fits.
    let t = (position & ((1 << CDF_PIECE_BITS) - 1)).cast_signed();
    let slope = c1.wrapping_add(t.wrapping_mul(*c2) >> CDF_PIECE_BITS);
    Some(c0.wrapping_add(t.wrapping_mul(slope) >> (CDF_PIECE_BITS + 8)))
}

/// The normal density at `d` in 2^-30, as 2^-60.
pub const fn normal_pdf(d: i64) -> i64 {
    if d > 9 << 30 || d < -(9 << 30) {
        return 0;
    }
    let half_square = low_i64((d as i128 * d as i128) >> 13);
    match Log(-half_square).exp() {
        Ok(exp) => {
            let product = (exp.mantissa as u128 * PEAK_OF_PDF as u128) >> 62;
            (low_u64(product) >> (exp.exponent + 60).unsigned_abs()).cast_signed()
        }
        Err(_) => 0,
    }
}

/// The lowest bits as an index into a table of as many rows.
#[allow(clippy::cast_possible_truncation)]
const fn low_bits<const BITS: u32>(value: i64) -> usize {
    value.cast_unsigned() as usize & ((1 << BITS) - 1)
}

/// An index that is below the length of its table.
#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
const fn low_index(index: u64) -> usize {
    index as usize
}

/// The lower half. The callers know that the upper half is zero.
#[allow(clippy::cast_possible_truncation)]
pub(crate) const fn low_u64(value: u128) -> u64 {
    value as u64
}

/// The lower half. The callers know that the value fits.
#[allow(clippy::cast_possible_truncation)]
pub(crate) const fn low_i64(value: i128) -> i64 {
    value as i64
}

/// The lower half. The callers know that the value fits.
#[allow(clippy::cast_possible_truncation)]
const fn low_i32(value: i64) -> i32 {
    value as i32
}
