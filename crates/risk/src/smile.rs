//! The implied-volatility smile of one expiry: raw SVI with flat wings.
//!
//! ```text
//! w(k) = a + b (rho (k - m) + sqrt((k - m)^2 + sigma^2)),   k = ln(K/F) held to |k| <= 4,   0 <= w <= 144
//! vol  = sqrt(w / T)
//! ```
//! Source: Gatheral and Jacquier, Arbitrage-free SVI volatility surfaces (2014).

use crate::math::low_i64;
use crate::{Log, RiskError, Vol, Years};

/// A slice of raw SVI, every parameter in steps of 2^-48: a short expiry's variance has its first digit far down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Smile {
    a: i64,
    b: i64,
    rho: i64,
    m: i64,
    sigma: i64,
}

/// The parameters of a slice as given, in steps of 2^-48.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmileParameters {
    /// Level of total variance.
    pub a: i64,
    /// Slope of the wings.
    pub b: i64,
    /// Skew, between -1 and 1.
    pub rho: i64,
    /// Log-moneyness of the turn.
    pub m: i64,
    /// Width of the turn.
    pub sigma: i64,
}

const BITS: u32 = 48;
const ONE: i128 = 1 << BITS;
const MOST: i64 = 8 << BITS;
/// Beyond it the wings are flat.
const FLAT_BEYOND: i64 = 4 << BITS;
/// The highest total variance, 12 squared, in 2^-96.
const MAX_VARIANCE: i128 = 144 << (2 * BITS);
/// Points of the mesh on which a setter looks for arbitrage: k from -2 to 2 in sixteenths.
const MESH: core::ops::RangeInclusive<i64> = -32..=32;
const STEPS_PER_ONE: u32 = 4;
/// One in the unit of [`Curve`], 2^-30.
const UNIT: i128 = 1 << 30;

/// Total variance and its first two derivatives by k, in 2^-30.
struct Curve {
    w: i128,
    slope: i128,
    curvature: i128,
}

impl Smile {
    /// A slice whose numbers are usable. Whether it is free of arbitrage is asked with [`Smile::is_free_of_butterflies`].
    ///
    /// # Errors
    /// [`RiskError::SmileOutOfRange`] unless `0 <= b <= 8`, `|rho| < 1`, `0 < sigma <= 8`, `|a|, |m| <= 8` and the least
    /// variance, `a + b sigma sqrt(1 - rho^2)`, is not negative.
    pub const fn new(p: SmileParameters) -> Result<Self, RiskError> {
        let SmileParameters { a, b, rho, m, sigma } = p;
        let ranges =
            b >= 0 && b <= MOST && a.unsigned_abs() <= MOST.unsigned_abs() && m.unsigned_abs() <= MOST.unsigned_abs();
        if !ranges || rho.unsigned_abs() >= 1 << BITS || sigma <= 0 || sigma > MOST {
            return Err(RiskError::SmileOutOfRange);
        }
        let root = (ONE * ONE - rho as i128 * rho as i128).unsigned_abs().isqrt().cast_signed();
        if a as i128 + ((b as i128 * sigma as i128) >> BITS) * root / ONE < 0 {
            return Err(RiskError::SmileOutOfRange);
        }
        Ok(Self { a, b, rho, m, sigma })
    }

    /// Total variance at log-moneyness `k` (2^-48), in 2^-96, within its bounds.
    const fn variance(&self, k: i64) -> i128 {
        let k = if k > FLAT_BEYOND {
            FLAT_BEYOND
        } else if k < -FLAT_BEYOND {
            -FLAT_BEYOND
        } else {
            k
        };
        // Distances below 12, so squares are below 2^104.
        let (distance, sigma) = ((k - self.m) as i128, self.sigma as i128);
        let root = (distance * distance + sigma * sigma).unsigned_abs().isqrt().cast_signed();
        let lean = (self.rho as i128 * distance) >> BITS;
        let variance = ((self.a as i128) << BITS) + self.b as i128 * (lean + root);
        if variance < 0 {
            0
        } else if variance > MAX_VARIANCE {
            MAX_VARIANCE
        } else {
            variance
        }
    }

    /// The volatility at log-moneyness `k` (2^-48) for an expiry `years` away, rounded down. A variance of nothing gives the
    /// least volatility.
    ///
    /// # Errors
    /// [`RiskError::TimeOutOfRange`] when no time is left; [`RiskError::VolOutOfRange`] above [`Vol::MAX`].
    pub const fn vol_at(&self, k: Log, years: Years) -> Result<Vol, RiskError> {
        if years.bits() == 0 {
            return Err(RiskError::TimeOutOfRange);
        }
        // 2^-100 over 2^-40 is 2^-60, a square in 2^-30.
        let vol = low_i64(((self.variance(k.bits()) << 4) / years.bits() as i128).unsigned_abs().isqrt().cast_signed());
        Vol::from_bits(if vol == 0 { 1 } else { vol })
    }

    /// In 2^-30 from parameters in 2^-30.
    const fn curve(&self, k: i64) -> Curve {
        let short = BITS - 30;
        let (distance, sigma, b) =
            (((k - self.m) >> short) as i128, (self.sigma >> short) as i128, (self.b >> short) as i128);
        let square = (distance * distance + sigma * sigma).unsigned_abs().isqrt().cast_signed();
        let root = if square == 0 { 1 } else { square };
        let slope = b * ((self.rho >> short) as i128 + distance * UNIT / root) / UNIT;
        // b sigma^2 / root^3
        let curvature = b * (sigma * UNIT / root) / UNIT * (sigma * UNIT / root) / root;
        Curve { w: self.variance(k) >> (2 * BITS - 30), slope, curvature }
    }

    /// Durrleman's function `g(k) = (1 - k w'/2w)^2 - w'^2/4 (1/w + 1/4) + w''/2` in 2^-30: negative where the slice gives a
    /// butterfly a negative price. Where total variance is below 2^-30 it is reported as negative.
    pub fn density(&self, k: Log) -> i64 {
        // Beyond the flat wings' start nothing changes, and k times the slope would not fit.
        let k = Log::from_bits(k.bits().clamp(-FLAT_BEYOND, FLAT_BEYOND)).unwrap_or(Log::ZERO);
        let Curve { w, slope, curvature } = self.curve(k.bits());
        if w <= 0 {
            return -1;
        }
        let first = UNIT - i128::from(k.bits() >> (BITS - 30)) * slope / (2 * w);
        let g = first * first / UNIT - slope * slope / UNIT * (UNIT * UNIT / w + UNIT / 4) / (4 * UNIT) + curvature / 2;
        i64::try_from(g).unwrap_or(if g < 0 { i64::MIN } else { i64::MAX })
    }

    fn mesh() -> impl Iterator<Item = i64> {
        MESH.map(|step| step << (BITS - STEPS_PER_ONE))
    }

    /// Whether no butterfly on the mesh has a negative price and the wings are no steeper than 2 (Lee's bound).
    pub fn is_free_of_butterflies(&self) -> bool {
        let steepest = i128::from(self.b) * (ONE + i128::from(self.rho).abs());
        steepest <= 2 * ONE * ONE && Self::mesh().filter_map(|k| Log::from_bits(k).ok()).all(|k| self.density(k) >= 0)
    }

    /// Whether total variance is nowhere on the mesh below that of an `earlier` expiry.
    pub fn is_free_of_calendar_spreads(&self, earlier: &Self) -> bool {
        Self::mesh().all(|k| self.variance(k) >= earlier.variance(k))
    }
}
