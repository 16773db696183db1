//! Black's formula (1976) for a European option on a forward: value, greeks and implied volatility.
//!
//! ```text
//! sd    = min(24, vol sqrt(T))        d1 = ln(F/K)/sd + sd/2        d2 = d1 - sd
//! call  = D (F N(d1) - K N(d2))       put = call - D (F - K)
//! value = intrinsic + time value      one time value for the call and the put of a strike:
//! time value = lo N(sd/2 - q) - hi N(-sd/2 - q)    lo, hi: the lesser and the greater of F and K,  q = |ln(F/K)|/sd
//! ```
//!
//! Prices are normalised by the greater of forward and strike before a shock, so that nothing overflows and the error is the
//! same at every price level: below 2^-29 of the greater of the two. An error of q cancels to first order, since
//! `lo phi(sd/2 - q) = hi phi(-sd/2 - q)`; only the difference of the two arguments, sd, has to be exact.

use crate::math::{CDF_BELOW, CDF_END, cdf_at, low_i64};
use crate::{Log, Price, Ratio, RiskError, Vol, Years, normal_cdf, normal_pdf};
use core::num::NonZeroU64;

/// The highest total volatility that is told from a higher one, just below 16, in 2^-30: from there to 24 no value changes by
/// 10^-13 of the price.
const MAX_SD: i64 = (16 << 30) - 1;
/// The same in 2^-48.
const MAX_ROOT: u128 = (MAX_SD as u128) << 18;
/// The largest |ln(F/K)| that counts before a shock, just below 9, in 2^-30. A shock adds less than 7.
const MAX_LOG: i64 = (9 << 30) - 1;

/// A right to buy or to sell at the strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionKind {
    /// Pays what the settlement price is above the strike.
    Call,
    /// Pays what it is below.
    Put,
}

/// An option on a forward.
#[derive(Clone, Copy, Debug)]
pub struct Black76 {
    /// Call or put.
    pub kind: OptionKind,
    /// Forward of the settlement price.
    pub forward: Price,
    /// Strike.
    pub strike: Price,
    /// Time to expiry.
    pub years: Years,
    /// What a dollar at expiry is worth now, above zero and at most one.
    pub discount: Ratio,
}

/// Sensitivities as shares of the forward, for a position of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Greeks {
    /// Change of the value per change of the forward, in 2^-30.
    pub delta: i64,
    /// Change of delta per relative change of the forward: gamma times the forward, in 2^-40. The largest number if more.
    pub gamma: i64,
    /// Change of the value per 1.00 of volatility, over the forward, in 2^-40.
    pub vega: i64,
    /// Change of the value per year that passes, over the forward, in 2^-40. The largest number if more.
    pub theta: i64,
}

/// Total volatility `vol x root_years` in 2^-30, within [`cap_total_vol`].
pub(crate) const fn total_vol(vol: i64, root_years: i64) -> i64 {
    // vol <= 2^35 split at 2^16, the root below 2^31.6: both products below 2^52.
    let sd = ((vol >> 16).wrapping_mul(root_years) >> 14).wrapping_add((vol & 0xffff).wrapping_mul(root_years) >> 30);
    cap_total_vol(sd)
}

/// At least 2^-29, so that half of it divides, and at most just below 16.
pub(crate) const fn cap_total_vol(sd: i64) -> i64 {
    if sd > MAX_SD {
        MAX_SD
    } else if sd < 2 {
        2
    } else {
        sd
    }
}

/// How far a forward is shifted so that it has at most 34 bits.
pub(crate) const fn excess_bits(forward: i64) -> u32 {
    30u32.saturating_sub(forward.leading_zeros())
}

/// Forward and strike over the greater of the two, in 2^-30, the lesser rounded to 2^-33 of the forward. `excess` is that of
/// [`excess_bits`].
#[inline(always)]
pub(crate) const fn normalise(forward: i64, strike: i64, excess: u32) -> (i64, i64) {
    // A price shifted by the excess is not zero: it is above 2^33 before, if it is shifted at all.
    let (f, k) = (forward.cast_unsigned() >> excess, strike.cast_unsigned() >> excess);
    if f >= k {
        (1 << 30, ((k << 30) / if f == 0 { 1 } else { f }).cast_signed())
    } else {
        (((f << 30) / k).cast_signed(), 1 << 30)
    }
}

/// ln(F/K) in 2^-30, held to less than 9 in size: a factor of 8,000, beyond which an option has no time value left that counts.
pub(crate) const fn log_moneyness(log_forward: Log, log_strike: Log) -> i64 {
    let log = log_forward.minus(log_strike).bits_30();
    if log > MAX_LOG {
        MAX_LOG
    } else if log < -MAX_LOG {
        -MAX_LOG
    } else {
        log
    }
}

/// A total volatility in 2^-30, below 16 and even, since half of it is what is used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TotalVol(NonZeroU64);

/// A distance |ln(F/K)| below 16 as the dividend that a total volatility gives q of: in 2^-60, below 2^64.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Distance(u64);

impl Distance {
    pub(crate) const ZERO: Self = Self(0);

    /// Of a distance in 2^-30; none for a negative one.
    #[inline(always)]
    pub(crate) const fn of(distance: i64) -> Self {
        if distance < 0 { Self(0) } else { Self(distance.cast_unsigned() << 30) }
    }
}

impl TotalVol {
    /// Of a total volatility from [`cap_total_vol`].
    pub(crate) const fn of(sd: i64) -> Self {
        // One is not told from two.
        match NonZeroU64::new(sd.unsigned_abs() & !1) {
            Some(even) => Self(even),
            None => Self(NonZeroU64::MIN.saturating_add(1)),
        }
    }

    #[inline(always)]
    const fn half(self) -> i64 {
        (self.0.get() >> 1).cast_signed()
    }

    /// Half of it from -6.25 up, below 14.25. The compiler does not know that bound; told of it, it tests it nowhere.
    #[inline(always)]
    const fn top(self) -> u64 {
        let top = (CDF_BELOW + self.half()).cast_unsigned();
        if top > CDF_END { CDF_END } else { top }
    }

    /// q = `distance` / sd in 2^-30.
    #[inline(always)]
    const fn quotient(self, distance: Distance) -> i64 {
        (distance.0 / self.0.get()).cast_signed()
    }
}

/// The time value in 2^-62, `None` for none. `lo` is at most 1 and `hi` at most 8, both in 2^-30.
#[inline(always)]
pub(crate) const fn time_value(lo: i64, hi: i64, distance: Distance, vol: TotalVol) -> Option<u64> {
    // The arguments from -6.25 up; the upper one below 14.25.
    let Some(upper) = vol.top().checked_sub(vol.quotient(distance).cast_unsigned()) else { return None };
    let Some(above) = cdf_at(upper) else { return None };
    // lo N(..) <= 2^62; hi N(..) < 2^64, since the second argument of N is never positive.
    let owned = lo.wrapping_mul(above).cast_unsigned();
    // Subtractions that check make of the tests for -6.25 the tests of the table's bounds.
    let Some(lower) = upper.checked_sub(vol.0.get()) else { return Some(owned) };
    let Some(below) = cdf_at(lower) else { return Some(owned) };
    let owed = hi.wrapping_mul(below).cast_unsigned();
    if owned <= owed { None } else { Some(owned.wrapping_sub(owed)) }
}

/// N(d1) in 2^-32 of a call: d1 = sd/2 + ln(F/K)/sd.
pub(crate) const fn forward_delta(log_moneyness: i64, vol: TotalVol) -> i64 {
    let q = vol.quotient(Distance::of(log_moneyness.abs()));
    normal_cdf(vol.half().wrapping_add(if log_moneyness < 0 { -q } else { q }))
}

impl Black76 {
    fn logs(&self) -> (Log, Log) {
        (Log::of_price(self.forward), Log::of_price(self.strike))
    }

    /// Time value, undiscounted, over the greater of forward and strike, in 2^-62.
    fn time_value(&self, sd: i64) -> u64 {
        if self.years == Years::default() {
            return 0;
        }
        let (f, k) = normalise(self.forward.raw(), self.strike.raw(), excess_bits(self.forward.raw()));
        let (forward, strike) = self.logs();
        let distance = Distance::of(log_moneyness(forward, strike).abs());
        time_value(f.min(k), f.max(k), distance, TotalVol::of(sd)).unwrap_or(0)
    }

    /// Undiscounted, in 10^-10 dollars.
    const fn intrinsic(&self) -> i64 {
        let (forward, strike) = (self.forward.raw(), self.strike.raw());
        let paid = match self.kind {
            OptionKind::Call => forward - strike,
            OptionKind::Put => strike - forward,
        };
        if paid > 0 { paid } else { 0 }
    }

    const fn unit(&self) -> i64 {
        let (forward, strike) = (self.forward.raw(), self.strike.raw());
        if forward > strike { forward } else { strike }
    }

    /// The value in 10^-10 dollars, rounded down.
    ///
    /// Within 10^-8 of the forward of the real number for strikes of a fifth to five times the forward.
    pub fn value_down(&self, vol: Vol) -> i64 {
        let sd = total_vol(vol.bits(), self.years.sqrt_down());
        let time_value = (self.unit() as i128 * self.time_value(sd) as i128) >> 62;
        low_i64(((self.intrinsic() as i128 + time_value) * self.discount.bits() as i128) >> Ratio::BITS)
    }

    /// The sensitivities. `log_discount` is the logarithm of the discount factor, which theta needs more digits of.
    /// At expiry only delta is left: the step at the strike.
    ///
    /// Within 10^-6 of the size of each at the money.
    pub fn greeks(&self, vol: Vol, log_discount: Log) -> Greeks {
        let (discount, years) = (self.discount.bits() as i128, self.years.bits() as i128);
        let variance = (vol.bits() as i128 * vol.bits() as i128 * years).unsigned_abs();
        // In 2^-48, from a square in 2^-100.
        let root = variance.isqrt() >> 2;
        // Beyond the cap volatility has no effect left.
        let capped = root > MAX_ROOT;
        let sd = (if capped { MAX_ROOT } else { root }).cast_signed();
        let (log_forward, log_strike) = self.logs();
        let x = i128::from(log_forward.minus(log_strike).bits());
        let sign = match self.kind {
            OptionKind::Call => 0,
            OptionKind::Put => 1i128 << 32,
        };
        if sd == 0 {
            let step = if x > 0 { 1i128 << 32 } else { 0 };
            return Greeks { delta: low_i64((discount * (step - sign)) >> 32), gamma: 0, vega: 0, theta: 0 };
        }
        let wide = (x << 30) / sd + (sd >> 19);
        let most = 10i128 << 30;
        let d1 = if wide > most {
            most
        } else if wide < -most {
            -most
        } else {
            wide
        };
        let (distribution, density) = (normal_cdf(low_i64(d1)) as i128, normal_pdf(low_i64(d1)) as i128);
        // D phi in 2^-60.
        let density = (discount * density) >> Ratio::BITS;
        let vega = if capped { 0 } else { (density * self.years.sqrt_down() as i128) >> 50 };
        let decay = if capped { 0 } else { density * vol.bits() as i128 / (2 * self.years.sqrt_down() as i128) };
        // r V / F with r = -ln D / T: 2^-48 times 2^-40 over 2^-40.
        let share = ((self.value_down(vol) as i128) << 40) / self.forward.raw() as i128;
        let rate = -(log_discount.bits() as i128);
        let interest = match rate.checked_mul(share) {
            Some(product) => (product / years) >> 8,
            // A put struck more than 2^27 forwards away: the digits are not missed.
            None => (share / years).saturating_mul(rate) >> 8,
        };
        Greeks {
            delta: low_i64((discount * (distribution - sign)) >> 32),
            gamma: saturated((density << 28) / sd),
            vega: low_i64(vega),
            theta: saturated(interest - (decay >> 20)),
        }
    }

    /// The least volatility, in steps of total volatility of 2^-30, at which the option is worth `value` (10^-10 dollars) or
    /// more.
    ///
    /// # Errors
    /// [`RiskError::NoImpliedVol`] when the value is not above the intrinsic one, is above what any volatility gives, or
    /// nothing is left of the time to expiry.
    pub fn implied_vol(&self, value: i64) -> Result<Vol, RiskError> {
        let root_years = self.years.sqrt_down();
        if value <= 0 || root_years == 0 || self.discount.bits() <= 0 {
            return Err(RiskError::NoImpliedVol);
        }
        let undiscounted = ((value as i128) << Ratio::BITS) / self.discount.bits() as i128;
        if undiscounted - self.intrinsic() as i128 > self.unit() as i128 {
            return Err(RiskError::NoImpliedVol);
        }
        let target = ((undiscounted - self.intrinsic() as i128) << 62) / self.unit() as i128;
        if target <= 0 || target > self.time_value(MAX_SD) as i128 {
            return Err(RiskError::NoImpliedVol);
        }
        let (mut short, mut enough) = (0, MAX_SD);
        while enough - short > 1 {
            let middle = short + (enough - short) / 2;
            if (self.time_value(middle) as i128) < target { short = middle } else { enough = middle }
        }
        // Total volatility is below 2^34.
        let vol = ((enough << 29).unsigned_abs() << 1).div_ceil(root_years.unsigned_abs()).cast_signed();
        match Vol::from_bits(vol) {
            Ok(vol) => Ok(vol),
            Err(_) => Err(RiskError::NoImpliedVol),
        }
    }
}

/// The nearest 64-bit number.
const fn saturated(value: i128) -> i64 {
    if value > i64::MAX as i128 {
        i64::MAX
    } else if value < i64::MIN as i128 {
        i64::MIN
    } else {
        low_i64(value)
    }
}
