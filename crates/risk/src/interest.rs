//! Interest, compounded at every moment: what a rate makes of one in a time.

use crate::math::{EXP, wide_product};
use crate::{RiskError, Years};

/// The highest rate: 800 % a year, in 2^-30.
const MAX_RATE: i64 = 8 << 30;
/// The exponent at which a growth no longer has room.
const MAX_EXPONENT: u128 = 10;
/// ln 2 / 64 in 2^-80 and 2^-30, rounded up.
const PIECE: u128 = 13_093_180_052_687_519_395_624;
const COARSE_PIECE: u64 = 11_629_080;
/// The seconds of a year are 2^7 of these.
const YEAR: u64 = Years::SECONDS.unsigned_abs() >> 7;

/// `e^(rate x time)` in 2^-48 for a `rate` per year in 2^-30, 0 to 2^33, and a `time` in seconds. Never above the exact number, and
/// below it by less than a step and 2^-60 of itself; exactly one for no time or no rate.
///
/// The growth over `a + b` seconds and the product of those over `a` and `b` differ by less than 2^-46.9 of themselves. With
/// x and y the exponents, neither is above `e^(x + y)`. With `s = 2^-48`, the first is below it by less than s and 2^-60 of it, the
/// second by less than `s e^x + s e^y`, at most `2 s e^(x + y)`, and 2^-59 of it. So n accruals instead of one lose less than
/// n 2^-47.9 of the sum.
///
/// # Errors
/// [`RiskError::RatioOutOfRange`] for a rate that is negative or above 2^33, [`RiskError::TimeOutOfRange`] for a negative time,
/// [`RiskError::LogOutOfRange`] when `rate x time` is 10 or more, a growth to 22,000 times.
pub fn growth_down(rate: i64, seconds: i64) -> Result<u64, RiskError> {
    if !(0..=MAX_RATE).contains(&rate) {
        return Err(RiskError::RatioOutOfRange);
    }
    if seconds < 0 {
        return Err(RiskError::TimeOutOfRange);
    }
    let product = u128::from(rate.unsigned_abs()) * u128::from(seconds.unsigned_abs());
    if product >= (MAX_EXPONENT << 37) * u128::from(YEAR) {
        return Err(RiskError::LogOutOfRange);
    }
    // Below 2^59. The exponent in 2^-80 by two digits: 37 bits, and 43 of what is left, which is below 2^18.
    let product = u64::try_from(product).unwrap_or(u64::MAX);
    let (whole, left) = (product / YEAR, product % YEAR);
    let exponent = u128::from(whole) << 43 | u128::from((left << 43) / YEAR);
    // e^(j ln2/64 + r) with 0 <= r < ln2/64 + 2^-19. From here on everything rounds down, r in 2^-64, below 2^58.
    let pieces = (whole >> 7) / COARSE_PIECE;
    let r = u64::try_from((exponent - u128::from(pieces) * PIECE) >> 16).unwrap_or(0);
    // e^r - 1 = r (1 + r/2 (1 + .. (1 + r/7))), and less than 2^-67 more.
    let rest = [7, 6, 5, 4, 3, 2, 1].into_iter().fold(0, |rest, n| (r + wide_product(r, rest).0) / n);
    let place = usize::try_from(pieces & 63).unwrap_or(0);
    // In 2^-62, rounded to the nearest, and the first exact.
    let power = EXP[place] - u64::from(place != 0);
    Ok((power + wide_product(power, rest).0) >> (14 - (pieces >> 6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates, seconds and growths rounded down, by mpmath at 60 digits.
    const EXACT: [(i64, i64, u64); 14] = [
        (1 << 30, 31_536_000, 765_128_314_358_509),
        (1 << 30, 1, 281_474_985_636_169),
        (53_687_091, 1, 281_474_977_156_931),
        (53_687_091, 3_600, 281_476_583_307_567),
        (107_374_182, 86_400, 281_552_103_707_203),
        (1 << 33, 31_536_000, 839_065_079_978_014_456),
        (1 << 33, 39_419_999, 6_199_897_373_831_433_682),
        (1 << 29, 31_536_000, 464_073_781_272_681),
        (805_306_368, 12_345_678, 377_531_010_338_667),
        (1, 3_153_600_000, 281_475_002_925_057),
        (1, 1, 281_474_976_710_656),
        ((1 << 33) - 1, 7_777_777, 2_024_538_549_632_296),
        (1_288_490_188, 252_288_000, 4_155_916_522_537_592_965),
        (744_261_118, 31_536_000, 562_949_953_444_961),
    ];

    #[test]
    fn a_growth_is_at_most_the_exact_one_and_less_than_a_step_and_2_to_the_minus_60_below() {
        for (rate, seconds, exact) in EXACT {
            let growth = growth_down(rate, seconds).unwrap();
            assert!(growth <= exact && exact - growth <= 1 + (exact >> 60), "{rate} {seconds}: {growth}, {exact}");
        }
    }

    #[test]
    fn nothing_grows_without_time_or_rate_and_what_is_out_of_range_is_refused() {
        assert_eq!(growth_down(0, i64::MAX), Ok(1 << 48));
        assert_eq!(growth_down(1 << 33, 0), Ok(1 << 48));
        assert_eq!(growth_down(-1, 1), Err(RiskError::RatioOutOfRange));
        assert_eq!(growth_down((1 << 33) + 1, 1), Err(RiskError::RatioOutOfRange));
        assert_eq!(growth_down(1, -1), Err(RiskError::TimeOutOfRange));
        assert_eq!(growth_down(1 << 33, 39_420_000), Err(RiskError::LogOutOfRange));
        assert_eq!(growth_down(1 << 33, i64::MAX), Err(RiskError::LogOutOfRange));
    }
}
