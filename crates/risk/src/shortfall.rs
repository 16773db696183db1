//! Expected shortfall over the grid: the mean of the worst results by weight. Reported beside the worst case, never binding.

use crate::{CELLS, Group, Ratio, RiskArray, RiskError, Usd};

/// Probabilities of the cells, calibrated off chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellWeights([Ratio; CELLS]);

impl CellWeights {
    /// Weights in millionths from one-day moves of bitcoin, ether and solana, hourly prices from 2021 on, as
    /// `tests/reference/cell_weights.py` counts them.
    pub const STANDARD_PPM: [u32; CELLS] = [
        10, 1_687, 6_395, 10, 21_123, 10_274, 478, 187_118, 7_463, 34_840, 456_232, 6_170, 365, 180_119, 7_168, 10,
        36_443, 6_296, 10, 4_708, 4_525, 3_485, 4_638, 10, 267, 126, 10, 10, 10, 10_000, 10_000,
    ];

    /// Weights in grid order; only their proportions matter.
    ///
    /// # Errors
    /// [`RiskError::RatioOutOfRange`] if one is negative or above one, or all are zero.
    pub fn new(weights: [Ratio; CELLS]) -> Result<Self, RiskError> {
        let usable = weights.iter().all(|weight| *weight >= Ratio::ZERO && *weight <= Ratio::ONE);
        let total: i64 = weights.iter().map(|weight| weight.bits()).sum();
        if usable && total > 0 { Ok(Self(weights)) } else { Err(RiskError::RatioOutOfRange) }
    }

    /// The mean loss of the worst `tail` of the mass (above zero, at most one), not negative, rounded up.
    pub fn shortfall(&self, array: &RiskArray, tail: Ratio) -> Usd {
        let total: i64 = self.0.iter().map(|weight| weight.bits()).sum();
        // Below 2^35 x 2^30: in 128 bits for a tail that is a small part of a small mass.
        let mass = i128::from(total) * i128::from(tail.bits().clamp(1, Ratio::ONE.bits()));
        let mut left = mass;
        let mut sum = 0i128;
        let mut taken = [false; CELLS];
        while left > 0 {
            let worst = (0..CELLS).filter(|cell| !taken[*cell]).min_by_key(|cell| array.cells()[*cell]);
            let Some(cell) = worst else { break };
            taken[cell] = true;
            let part = (i128::from(self.0[cell].bits()) << Ratio::BITS).min(left);
            left -= part;
            sum -= i128::from(array.cells()[cell].micros()) * part;
        }
        // A sum of losses below 2^60 each with parts that add up to the mass, below 2^65: 2^125.
        let mean = if sum <= 0 { 0 } else { (sum + mass - 1) / mass };
        Usd::of_sum(i64::try_from(mean).unwrap_or(i64::MAX))
    }
}

/// Expected shortfall of a portfolio: within a group `(1 - kappa) sum ES_u + kappa ES(all arrays added)`, groups add.
#[derive(Clone, Copy, Debug)]
pub struct Shortfall<'a> {
    weights: &'a CellWeights,
    tail: Ratio,
    closed: Usd,
    group: Group,
    apart: Usd,
    joint: RiskArray,
}

impl<'a> Shortfall<'a> {
    /// Over the worst `tail` of the mass: 2.5 % for the shortfall at 97.5 %.
    pub const fn new(weights: &'a CellWeights, tail: Ratio) -> Self {
        Self { weights, tail, closed: Usd::ZERO, group: Group::ALONE, apart: Usd::ZERO, joint: RiskArray::ZERO }
    }

    /// Adds an underlying's array. Members of a group follow one another.
    pub fn add(&mut self, group: Group, array: &RiskArray) {
        if group.id == 0 || group.id != self.group.id {
            (self.closed, self.group) = (self.total(), group);
            (self.apart, self.joint) = (Usd::ZERO, RiskArray::ZERO);
        }
        self.group.kappa = self.group.kappa.min(group.kappa);
        self.apart += self.weights.shortfall(array, self.tail);
        self.joint = self.joint.plus(array.cells());
    }

    /// The shortfall of all that was added, rounded up.
    pub fn total(&self) -> Usd {
        let offset = self.apart - self.weights.shortfall(&self.joint, self.tail);
        self.closed + self.apart - offset.mul_down(self.group.kappa)
    }
}
