//! Implied volatilities and the forward of an expiry: a smile that the operator sets, within bounds on how fast it may move.

use crate::{constants::*, error::*, state::*};
use anchor_lang::prelude::*;
use margrave_risk::{Log, OptionTerms, Smile, SmileParameters, StrikePrice, Vol};

/// What the operator sets of an expiry.
#[derive(AnchorSerialize, AnchorDeserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Surface {
    /// The forward is `price x (1 + carry x years)`; 2^-30 a year.
    pub carry: i64,
    /// Raw SVI in total variance: a, b, rho, m, sigma in 2^-48.
    pub smile: [i64; 5],
}

/// Carries beyond 400 % a year are mistakes.
const MAX_CARRY: i64 = 4 << 30;
/// The scan range stands for a volatility: R / multiple for a day, so many times the root of 365 for a year, in thousandths. No
/// volatility is set above three times it or below a tenth: who holds the operator's key cannot make options worthless or dear.
const ROOT_OF_YEAR: i128 = 19_105;
const MOST_TIMES: i64 = 3;
const LEAST_PART: i64 = 10;
/// Silence earns no more than an hour's room.
const MAX_ROOM_SECS: i64 = 3_600;

impl Underlying {
    /// Sets carry and smile of an expiry and brings forward and volatilities to them. A first surface may be anything within the
    /// bounds; a later one moves no listed strike's volatility, and not the carry, faster than the terms allow.
    pub fn set_surface(&mut self, index: usize, surface: &Surface, options: &OptionTerms, now: i64) -> Result<()> {
        let slot = self.expiries[index];
        let first = slot.surface_at == 0;
        let elapsed = now.saturating_sub(slot.surface_at).clamp(0, MAX_ROOM_SECS);
        require!(surface.carry.abs() <= MAX_CARRY, MargraveError::ParameterOutOfBounds);
        let room = i128::from(self.risk.carry_rate_ppm) * (1 << 30) * i128::from(elapsed) / (3_600 * i128::from(PPM));
        let apart = i128::from(surface.carry.abs_diff(slot.carry));
        require!(first || apart <= room, MargraveError::SurfaceMovesTooFast);

        let slot = &mut self.expiries[index];
        (slot.carry, slot.smile, slot.surface_at) = (surface.carry, surface.smile, now);
        self.prepare(index, options)?;
        let smile = self.smile(index)?;
        require!(smile.is_free_of_butterflies(), MargraveError::ParameterOutOfBounds);
        for strike in 0..MAX_STRIKES {
            if usize::from(self.strikes[strike].expiry) != index + 1 {
                continue;
            }
            let vol = self.smile_vol(index, &self.strikes[strike].strike_price())?;
            let before = i128::from(self.strikes[strike].vol);
            let room = before * i128::from(self.risk.vol_rate_ppm) * i128::from(elapsed) / (3_600 * i128::from(PPM));
            let apart = (i128::from(vol.bits()) - before).abs();
            require!(apart <= room.max(1), MargraveError::SurfaceMovesTooFast);
            self.strikes[strike].vol = vol.bits();
        }
        Ok(())
    }

    fn smile(&self, index: usize) -> Result<Smile> {
        let [a, b, rho, m, sigma] = self.expiries[index].smile;
        Smile::new(SmileParameters { a, b, rho, m, sigma }).or_refuse()
    }

    /// The smile's volatility at a strike, at the forward and time of the last refresh.
    pub fn smile_vol(&self, index: usize, strike: &StrikePrice) -> Result<Vol> {
        let expiry = self.expiries[index].expiry();
        let moneyness = Log::from_bits(strike.log().bits() - expiry.log_forward().bits()).or_refuse()?;
        let vol = self.smile(index)?.vol_at(moneyness, expiry.terms().years).or_refuse()?;
        let scanned = self.scanned_vol();
        let bounds = scanned / LEAST_PART..=scanned.saturating_mul(MOST_TIMES);
        require!(bounds.contains(&vol.bits()), MargraveError::VolFarFromScanRange);
        Ok(vol)
    }

    /// The volatility that the scan range stands for, 2^-30 a year.
    pub fn scanned_vol(&self) -> i64 {
        let daily = i128::from(self.range.range) * i128::from(PPM) / i128::from(self.risk.range_multiple_ppm.max(1));
        i64::try_from(daily * ROOT_OF_YEAR / 1_000).unwrap_or(i64::MAX)
    }
}
