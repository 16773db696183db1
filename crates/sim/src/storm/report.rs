//! The table of a storm.

use super::{Storm, blocks};
use anchor_lang::prelude::Pubkey;
use std::{collections::BTreeMap, fmt};

/// What all steps of one kind cost.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct StepRow {
    pub kind: String,
    pub count: u64,
    pub least: u64,
    pub most: u64,
    pub total: u64,
    /// The most accounts one of them locks.
    pub accounts: usize,
}

/// What a storm did, and what its steps cost.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Report {
    pub accounts: usize,
    pub breached: usize,
    pub bankrupt: usize,
    /// Until nobody was below maintenance margin and all losses were borne after the first step, simulated.
    pub seconds: i64,
    pub rows: Vec<StepRow>,
    /// Steps that another keeper was faster with, or that a keeper's margin no longer carried.
    pub races: u64,
    /// Compute units written to the five hottest accounts.
    pub hottest: Vec<(String, u64)>,
    pub total_units: u64,
    pub blocks: usize,
    /// By all units, and by those on the hottest account.
    pub ideal: u64,
    /// What bore the losses, whole dollars: floors, insurance, profit, concessions of deleveraged profit, insurance for debts, depositors.
    pub borne: [u64; 6],
    /// Accounts that no step helps (I-25): none, or the storm has found something.
    pub stuck: Vec<String>,
    /// SHA-256 of the program's accounts afterwards.
    pub hash: String,
}

impl Report {
    pub(super) fn new(storm: &Storm, breached: usize, bankrupt: usize, seconds: i64) -> Self {
        let mut rows: BTreeMap<&str, StepRow> = BTreeMap::new();
        for one in &storm.sent {
            let row = rows.entry(&one.kind).or_insert_with(|| StepRow {
                kind: one.kind.clone(),
                least: u64::MAX,
                ..StepRow::default()
            });
            row.count += 1;
            row.total += one.compute_units;
            row.least = row.least.min(one.compute_units);
            row.most = row.most.max(one.compute_units);
            row.accounts = row.accounts.max(one.accounts);
        }
        let hot = blocks::hottest(&storm.sent);
        let total_units = storm.sent.iter().map(|one| one.compute_units).sum::<u64>();
        let hottest_units = hot.first().map_or(0, |(_, units)| *units);
        let borne = &storm.borne;
        let concessions = u64::try_from(borne.concessions).unwrap_or(0);
        let sums = [borne.floors, borne.insurance, borne.shared, concessions, borne.debt_insurance, borne.debt_shared];
        Self {
            accounts: storm.traders,
            breached,
            bankrupt,
            seconds,
            rows: rows.into_values().collect(),
            races: storm.races,
            hottest: hot.into_iter().take(5).map(|(key, units)| (storm.name_of(&key), units)).collect(),
            total_units,
            blocks: blocks::pack(&storm.sent),
            ideal: total_units.div_ceil(blocks::BLOCK).max(hottest_units.div_ceil(blocks::PER_ACCOUNT)),
            borne: sums.map(|micros| micros / 1_000_000),
            stuck: storm.stuck.clone(),
            hash: super::hash(&storm.world),
        }
    }

    /// The row of a kind of step.
    pub fn row(&self, kind: &str) -> StepRow {
        self.rows.iter().find(|row| row.kind == kind).cloned().unwrap_or_default()
    }
}

impl Storm {
    fn name_of(&self, key: &Pubkey) -> String {
        if let Some(index) = self.keepers.iter().position(|keeper| keeper.margin_account == *key) {
            return format!("keeper {}", index + 1);
        }
        if let Some(sheet) = self.cache.underlyings.get(key) {
            let symbol: Vec<u8> = sheet.symbol.into_iter().take_while(|byte| *byte != 0).collect();
            return format!("underlying {}", String::from_utf8_lossy(&symbol));
        }
        if let Some(bank) = self.cache.banks.get(key) {
            return if bank.is_quote() { "quote bank".to_owned() } else { "bank of a token".to_owned() };
        }
        "margin account".to_owned()
    }
}

fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap_or("")).collect();
    parts.join(",")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| step | count | CU least | CU mean | CU most | accounts at most |")?;
        writeln!(f, "|---|---:|---:|---:|---:|---:|")?;
        for row in &self.rows {
            let mean = row.total / row.count.max(1);
            let [count, least, mean, most] = [row.count, row.least, mean, row.most].map(grouped);
            writeln!(f, "| {} | {count} | {least} | {mean} | {most} | {} |", row.kind, row.accounts)?;
        }
        writeln!(f)?;
        writeln!(f, "| | |")?;
        writeln!(f, "|---|---:|")?;
        writeln!(f, "| accounts | {} |", grouped(self.accounts as u64))?;
        writeln!(f, "| of them below maintenance margin | {} |", grouped(self.breached as u64))?;
        writeln!(f, "| of them with negative equity | {} |", grouped(self.bankrupt as u64))?;
        writeln!(f, "| simulated seconds until nobody was and every loss was borne | {} |", self.seconds)?;
        writeln!(f, "| of them stuck in the end | {} |", self.stuck.len())?;
        writeln!(f, "| steps another keeper was faster with | {} |", grouped(self.races))?;
        writeln!(f, "| compute units in all | {} |", grouped(self.total_units))?;
        for (name, units) in &self.hottest {
            writeln!(f, "| of them writing {name} | {} |", grouped(*units))?;
        }
        writeln!(f, "| blocks of 60 million, 24 million per account | {} |", self.blocks)?;
        writeln!(f, "| the least that units and the hottest account allow | {} |", self.ideal)?;
        let names = ["floors", "insurance", "profit", "deleveraged profit", "insurance for debts", "depositors"];
        for (name, dollars) in names.iter().zip(self.borne) {
            writeln!(f, "| dollars borne by {name} | {} |", grouped(dollars))?;
        }
        writeln!(f, "| SHA-256 of all accounts | `{}` |", self.hash)
    }
}
