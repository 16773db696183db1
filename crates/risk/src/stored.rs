//! The scan of an account from its stored arrays, without looking at a position: what a keeper sweeps a million accounts with.

use crate::{CELLS, CompressedArray, Group, Ratio, Usd};

/// What is stored of one underlying.
#[derive(Clone, Copy, Debug)]
pub struct StoredArray {
    /// What it moves together with.
    pub group: Group,
    /// Its array.
    pub array: CompressedArray,
    /// Its basis charge, which competes with the cells.
    pub basis: Usd,
}

/// The scanning loss of stored arrays, the members of a group one after another. Never below the exact one: the arrays are
/// rounded toward loss and nothing here rounds otherwise (I-10).
pub fn stored_scan(members: &[StoredArray]) -> Usd {
    let mut scan = Usd::ZERO;
    for group in members.chunk_by(|a, b| a.group.id != 0 && a.group.id == b.group.id) {
        let mut joint = [0i64; CELLS];
        let (mut apart, mut basis) = (Usd::ZERO, Usd::ZERO);
        for member in group {
            let exponent = member.array.exponent.min(CompressedArray::MAX_EXPONENT);
            let mut least = 0;
            for (sum, mantissa) in joint.iter_mut().zip(member.array.mantissas) {
                least = least.min(mantissa);
                *sum = sum.saturating_add(i64::from(mantissa) << exponent);
            }
            let loss = Usd::of_sum(-(i64::from(least) << exponent)).max(member.basis);
            apart = Usd::of_sum(apart.micros().saturating_add(loss.micros()));
            basis += member.basis;
        }
        let least = joint.iter().fold(0, |least, sum| least.min(*sum));
        let together = Usd::of_sum(least.saturating_neg()).max(basis);
        let kappa = group.iter().fold(Ratio::MAX_KAPPA, |least, member| least.min(member.group.kappa)).max(Ratio::ZERO);
        scan += apart - (apart - together).mul_down(kappa);
    }
    scan
}
