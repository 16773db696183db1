//! How many blocks the steps need: each block takes so many compute units, and so many on one writable account.

use anchor_lang::prelude::Pubkey;
use std::collections::HashMap;

/// Compute units of a block, and on one writable account in it.
pub const BLOCK: u64 = 60_000_000;
pub const PER_ACCOUNT: u64 = 24_000_000;

/// One transaction that succeeded.
pub struct Sent {
    pub kind: String,
    pub compute_units: u64,
    pub accounts: usize,
    pub writable: Vec<Pubkey>,
}

/// Blocks that transactions need when each goes into the first one that has room and is not before another on an account it writes.
pub fn pack(sent: &[Sent]) -> usize {
    let mut blocks: Vec<(u64, HashMap<Pubkey, u64>)> = Vec::new();
    let mut last: HashMap<Pubkey, usize> = HashMap::new();
    for one in sent {
        let mut at = one.writable.iter().filter_map(|key| last.get(key).copied()).max().unwrap_or(0);
        loop {
            if at == blocks.len() {
                blocks.push((0, HashMap::new()));
            }
            let (units, by_account) = &blocks[at];
            let has_room = |key: &Pubkey| by_account.get(key).copied().unwrap_or(0) + one.compute_units <= PER_ACCOUNT;
            if units + one.compute_units <= BLOCK && one.writable.iter().all(has_room) {
                break;
            }
            at += 1;
        }
        let (units, by_account) = &mut blocks[at];
        *units += one.compute_units;
        for key in &one.writable {
            *by_account.entry(*key).or_default() += one.compute_units;
            last.insert(*key, at);
        }
    }
    blocks.len()
}

/// The most compute units that any one account is written with.
pub fn hottest(sent: &[Sent]) -> Vec<(Pubkey, u64)> {
    let mut units: HashMap<Pubkey, u64> = HashMap::new();
    for one in sent {
        for key in &one.writable {
            *units.entry(*key).or_default() += one.compute_units;
        }
    }
    let mut units: Vec<_> = units.into_iter().collect();
    units.sort_unstable_by_key(|(key, units)| (std::cmp::Reverse(*units), *key));
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(units: u64, writable: &[u8]) -> Sent {
        let writable = writable.iter().map(|byte| Pubkey::new_from_array([*byte; 32])).collect();
        Sent { kind: String::new(), compute_units: units, accounts: 0, writable }
    }

    #[test]
    fn a_hot_account_needs_more_blocks_than_its_units() {
        // Two and a half blocks' worth of one account, all within one block's limit.
        let hot: Vec<Sent> = (0..60).map(|_| sent(1_000_000, &[1])).collect();
        assert_eq!(pack(&hot), 3);
        let spread: Vec<Sent> = (0..60).map(|index| sent(1_000_000, &[index])).collect();
        assert_eq!(pack(&spread), 1);
    }

    #[test]
    fn what_writes_the_same_account_keeps_its_order() {
        let steps = [sent(24_000_000, &[1]), sent(1_000_000, &[1, 2]), sent(1, &[2])];
        assert_eq!(pack(&steps), 2);
        assert_eq!(hottest(&steps)[0].1, 25_000_000);
    }
}
