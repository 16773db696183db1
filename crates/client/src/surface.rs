//! Volatility surfaces as operators think of them.

use margrave::surface::Surface;

const PPM: i128 = 1_000_000;
const SECONDS_PER_YEAR: i128 = 31_536_000;
/// Half the width of the smile's bottom, in log-moneyness: a quarter, 2^-48.
const WIDTH: i128 = 1 << 46;

/// The smile of an expiry `seconds` away with volatility `vol_ppm` a year at the forward. `wings_ppm` is the part of its variance
/// that bends: 0 is flat; `skew_ppm` of it, from -1,000,000 to 1,000,000, leans to one side. Raw SVI in total variance with
/// `b = wings V / width` and `a = V - b width`, so that the variance at the forward is V. `carry_ppm` is the forward's, a year.
///
/// `None` when a number does not fit.
pub fn smile(vol_ppm: u32, wings_ppm: u32, skew_ppm: i32, carry_ppm: i32, seconds: i64) -> Option<Surface> {
    let vol = i128::from(vol_ppm);
    let variance = (vol * vol).checked_mul(i128::from(seconds))?.checked_mul(1 << 48)? / (PPM * PPM * SECONDS_PER_YEAR);
    let bends = variance * i128::from(wings_ppm) / PPM;
    let b = bends * (1 << 48) / WIDTH;
    let rho = i128::from(skew_ppm) * (1 << 48) / PPM;
    let fit = |value: i128| i64::try_from(value).ok();
    Some(Surface {
        carry: fit(i128::from(carry_ppm) * (1 << 30) / PPM)?,
        smile: [fit(variance - bends)?, fit(b)?, fit(rho)?, 0, if wings_ppm == 0 { 1 << 40 } else { fit(WIDTH)? }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The variance of raw SVI at log-moneyness zero, `a + b (rho (0 - m) + sqrt((0 - m)^2 + sigma^2))`, is that of the volatility asked for.
    #[test]
    fn the_volatility_at_the_forward_is_the_one_asked_for() {
        let year = 31_536_000;
        let flat = smile(600_000, 0, 0, 0, year).unwrap();
        assert_eq!(flat.smile[0], 36 * (1_i64 << 48) / 100);
        let bent = smile(600_000, 300_000, -200_000, 50_000, year).unwrap();
        let [a, b, _, m, sigma] = bent.smile.map(i128::from);
        assert_eq!(m, 0);
        assert!((a + b * sigma / (1 << 48) - i128::from(flat.smile[0])).abs() <= 2);
        assert_eq!(bent.carry, (1 << 30) / 20);
    }
}
