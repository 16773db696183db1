//! The scan range that follows realised volatility: up at once, down slowly, into maintenance margin gradually.
//!
//! ```text
//! variance <- exp(-dt/tau) variance + (1 - exp(-dt/tau)) (ln P/P')^2 / dt      an EWMA over accepted prices, per year
//! target    = clamp(k sqrt(variance h), least, most)
//! ```

use crate::{Log, Price, Ratio, RiskError, Years};

/// The terms of an adaptive range.
#[derive(Clone, Copy, Debug)]
pub struct RangeTerms {
    /// Widths of the distribution that the range covers: 3.25.
    pub multiple: Ratio,
    /// Liquidation horizon: a day.
    pub horizon: Years,
    /// Never lower.
    pub least: Ratio,
    /// Never higher.
    pub most: Ratio,
    /// Memory of the estimate, in seconds.
    pub memory_secs: i64,
    /// Prices closer together than this are one, in seconds: noise is no variance.
    pub interval_secs: i64,
}

/// An estimate of realised variance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Volatility {
    /// Per year, 2^-30, at most 2^40 (a volatility of 3,200 %).
    pub variance: i64,
    /// The price that the next one is compared with, and its time in unix seconds.
    pub price: Price,
    /// See `price`.
    pub time: i64,
}

/// A scan range and how much of it maintenance margin sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanRange {
    /// R.
    pub range: Ratio,
    /// The part of R that maintenance sees, at most one.
    pub ramp: Ratio,
    /// When it was last moved, unix seconds.
    pub time: i64,
}

const MAX_VARIANCE: i64 = 1 << 40;
/// One step of the price moves the estimate by no more than a log return of a half would.
const MAX_RETURN: i64 = 1 << (Log::BITS - 1);
const DAY: i64 = 86_400;
const HOUR: i64 = 3_600;
/// Of itself: what the range may fall in a day, and the ramp rise in an hour.
const FALL_PER_DAY_PERCENT: i64 = 5;
const RISE_PER_HOUR_PERCENT: i64 = 10;

impl Volatility {
    /// The estimate after an accepted price. A price within the interval, or not newer, changes nothing; a gap counts as one
    /// return over its length.
    pub fn observe(&self, price: Price, time: i64, terms: &RangeTerms) -> Self {
        let elapsed = time.saturating_sub(self.time);
        if elapsed < terms.interval_secs.max(1) {
            return *self;
        }
        let elapsed = elapsed.min(8 * Years::SECONDS - 1);
        let log = |price: Price| Log::of_nonzero(price.raw().unsigned_abs());
        let moved = log(price).minus(log(self.price)).bits().clamp(-MAX_RETURN, MAX_RETURN);
        // 2^-96, below 2^94; to 2^-60, times the seconds of a year, over the elapsed, to 2^-30.
        let square = (i128::from(moved) * i128::from(moved)) >> 36;
        let sample = (square * i128::from(Years::SECONDS) / i128::from(elapsed)) >> 30;
        let faded = i128::from(elapsed) << Log::BITS;
        let keep = match Log::from_bits(
            i64::try_from(-faded / i128::from(terms.memory_secs.max(1))).unwrap_or(i64::MIN + 1),
        ) {
            Ok(log) => log.exp().and_then(|scaled| scaled.fixed_down(30)).unwrap_or(0),
            Err(_) => 0,
        };
        let keep = i128::from(keep);
        let variance = (keep * i128::from(self.variance) + ((1 << 30) - keep) * sample) >> 30;
        Self { variance: i64::try_from(variance).unwrap_or(MAX_VARIANCE).clamp(0, MAX_VARIANCE), price, time }
    }

    /// `clamp(k sigma sqrt(h), least, most)`, rounded up before the clamp.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] when `least` is above `most` or not positive.
    pub fn target(&self, terms: &RangeTerms) -> Result<Ratio, RiskError> {
        if terms.least <= Ratio::ZERO || terms.least > terms.most {
            return Err(RiskError::RatioOutOfRange);
        }
        // 2^-30 x 2^-40 to 2^-60 and its root in 2^-30.
        let square = (i128::from(self.variance) * i128::from(terms.horizon.bits())).unsigned_abs() >> 10;
        let sigma = i64::try_from(square.isqrt()).unwrap_or(i64::MAX).saturating_add(1);
        let wide = Ratio::from_bits(sigma).unwrap_or(Ratio::MAX).times_up(terms.multiple);
        Ok(wide.clamp(terms.least, terms.most))
    }
}

impl ScanRange {
    /// The range after a look at `target`: at once up to it, at most 5 % of itself a day down to it. On a rise the ramp falls
    /// so that `ramp x range` stays; it grows back by 10 % of itself an hour.
    pub fn moved_to(&self, target: Ratio, time: i64) -> Self {
        let elapsed = time.saturating_sub(self.time).max(0);
        let ramp = grown(self.ramp, elapsed.min(100 * HOUR), RISE_PER_HOUR_PERCENT, HOUR).min(Ratio::ONE);
        if target >= self.range {
            let share = (i128::from(ramp.bits()) * i128::from(self.range.bits()) + i128::from(target.bits()) - 1)
                / i128::from(target.bits().max(1));
            let ramp = Ratio::from_bits(i64::try_from(share).unwrap_or(i64::MAX)).unwrap_or(Ratio::ONE).min(Ratio::ONE);
            return Self { range: target, ramp, time: time.max(self.time) };
        }
        let least = grown(self.range, elapsed.min(DAY), -FALL_PER_DAY_PERCENT, DAY);
        Self { range: target.max(least), ramp, time: time.max(self.time) }
    }
}

/// `ratio x (1 + percent x elapsed / period)`.
fn grown(ratio: Ratio, elapsed: i64, percent: i64, period: i64) -> Ratio {
    let change = i128::from(ratio.bits()) * i128::from(percent) * i128::from(elapsed) / i128::from(100 * period);
    Ratio::from_bits(i64::try_from(i128::from(ratio.bits()) + change).unwrap_or(i64::MAX)).unwrap_or(Ratio::MAX)
}
