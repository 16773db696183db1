//! Every account of the group as far as it is known: a snapshot, and changes that came after it.
//!
//! An account is never replaced by an older one. Underlyings are kept twice: as they are on chain, and as a price that is already
//! published will make them, which is what decisions are made on.

use crate::{chain::Fetched, feed::Update};
use margrave::state::{Proposal, Underlying};
use margrave_client::{Accounts, Pubkey, rpc::Snapshot};
use std::collections::{HashMap, HashSet};

/// Accounts of one group.
#[derive(Default)]
pub struct Book {
    group: Pubkey,
    /// With underlyings as published prices make them.
    pub accounts: Accounts,
    pub proposals: HashMap<Pubkey, Proposal>,
    /// Underlyings as they are on chain.
    pub sheets: HashMap<Pubkey, Box<Underlying>>,
    /// The slot that each account was last seen at.
    slots: HashMap<Pubkey, u64>,
    /// The last slot at which everything was known.
    pub slot: u64,
    /// Margin accounts that have changed since this was last taken.
    changed: HashSet<Pubkey>,
}

impl Book {
    pub fn new(group: Pubkey) -> Self {
        Self { group, ..Self::default() }
    }

    /// Takes over whatever is not known to be newer, and forgets what is not there any more. Returns whether the snapshot is not of
    /// before an earlier one, of which nothing is taken over.
    pub fn merge(&mut self, snapshot: Snapshot) -> bool {
        let Snapshot { slot, accounts, proposals, .. } = snapshot;
        if slot < self.slot {
            return false;
        }
        let gone = |known: &HashMap<Pubkey, u64>, key: &Pubkey| known.get(key).is_none_or(|seen| *seen <= slot);
        let is_older = |known: &HashMap<Pubkey, u64>, key: &Pubkey| known.get(key).is_some_and(|seen| *seen > slot);

        for (key, group) in accounts.groups.iter().filter(|(key, _)| !is_older(&self.slots, key)) {
            self.accounts.groups.insert(*key, *group);
        }
        for (key, bank) in accounts.banks.iter().filter(|(key, _)| !is_older(&self.slots, key)) {
            self.accounts.banks.insert(*key, *bank);
        }
        for (key, sheet) in accounts.underlyings.iter().filter(|(key, _)| !is_older(&self.slots, key)) {
            self.sheets.insert(*key, sheet.clone());
            self.accounts.underlyings.insert(*key, sheet.clone());
        }
        let slots = &self.slots;
        self.accounts.margin_accounts.retain(|key, _| accounts.margin_accounts.contains_key(key) || !gone(slots, key));
        self.proposals.retain(|key, _| proposals.iter().any(|(there, _)| there == key) || !gone(slots, key));
        for (key, account) in accounts.margin_accounts {
            if is_older(&self.slots, &key) {
                continue;
            }
            let before = self.accounts.margin_accounts.insert(key, account);
            if before.is_none_or(|before| !same_bytes(&before, &account)) {
                self.changed.insert(key);
            }
        }
        self.proposals.extend(proposals);
        self.slots.retain(|_, seen| *seen > slot);
        self.slot = slot;
        true
    }

    /// One account as it was read or told of. What is older than what is known is left out.
    pub fn apply(&mut self, update: &Update) {
        let Update { slot, key, data } = update;
        if self.slots.get(key).copied().unwrap_or(0).max(self.slot) > *slot {
            return;
        }
        let mut one = Snapshot::default();
        one.insert(*key, data);
        let group = self.group;
        let mut found = false;
        for (key, new) in one.accounts.groups.iter().filter(|(key, _)| **key == group) {
            self.accounts.groups.insert(*key, *new);
            found = true;
        }
        for (key, bank) in one.accounts.banks.iter().filter(|(_, bank)| bank.group == group) {
            self.accounts.banks.insert(*key, *bank);
            found = true;
        }
        for (key, sheet) in one.accounts.underlyings.into_iter().filter(|(_, sheet)| sheet.group == group) {
            self.accounts.underlyings.insert(key, sheet.clone());
            self.sheets.insert(key, sheet);
            found = true;
        }
        for (key, account) in one.accounts.margin_accounts.into_iter().filter(|(_, it)| it.group == group) {
            self.accounts.margin_accounts.insert(key, account);
            self.changed.insert(key);
            found = true;
        }
        for (key, proposal) in one.proposals.into_iter().filter(|(_, proposal)| proposal.group == group) {
            self.proposals.insert(key, proposal);
            found = true;
        }
        if found {
            self.slots.insert(*key, *slot);
        }
    }

    /// Accounts that were read at a slot; those that are not the program's any more are forgotten.
    pub fn refetched(&mut self, slot: u64, accounts: Vec<(Pubkey, Option<Fetched>)>) {
        for (key, fetched) in accounts {
            match fetched.filter(|account| account.owner == margrave::ID) {
                Some(account) => self.apply(&Update { slot, key, data: account.data }),
                None if self.slots.get(&key).copied().unwrap_or(0).max(self.slot) <= slot => {
                    self.accounts.margin_accounts.remove(&key);
                    self.proposals.remove(&key);
                }
                None => {}
            }
        }
    }

    /// The margin accounts that have changed since this was last asked.
    pub fn take_changed(&mut self) -> HashSet<Pubkey> {
        std::mem::take(&mut self.changed)
    }
}

fn same_bytes<T: bytemuck::Pod>(a: &T, b: &T) -> bool {
    bytemuck::bytes_of(a) == bytemuck::bytes_of(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytemuck::Zeroable;
    use margrave::state::MarginAccount;

    /// A node that is behind may answer after one that was not.
    #[test]
    fn a_snapshot_of_before_changes_nothing() {
        let (group, key) = (Pubkey::new_unique(), Pubkey::new_unique());
        let snapshot = |slot, equity| {
            let mut snapshot = Snapshot { slot, ..Snapshot::default() };
            let account = MarginAccount { group, equity, ..MarginAccount::zeroed() };
            snapshot.accounts.margin_accounts.insert(key, account);
            snapshot
        };
        let mut book = Book::new(group);
        assert!(book.merge(snapshot(10, 1)) && book.merge(snapshot(12, 2)));
        assert!(!book.merge(snapshot(11, 3)));
        assert_eq!((book.accounts.margin_accounts[&key].equity, book.slot), (2, 12));
    }
}
