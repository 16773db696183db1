//! Prices that are published and not on chain yet: whether an underlying would accept them, and what it would be then.
//!
//! The program's own code decides, so what is prepended to a liquidation is not refused for its price.

use crate::{book::Book, chain::Fetched, config::Config};
use anchor_lang::prelude::AccountInfo;
use margrave::{breaker::Present, oracle::read_price, state::Underlying};
use margrave_client::{Instruction, Pubkey, instruction};
use std::collections::HashMap;

/// Where the price of each underlying is, and which are newer than what is on chain.
#[derive(Default)]
pub struct Prices {
    sources: HashMap<Pubkey, Pubkey>,
    /// Underlyings that would accept the price that is published now.
    pending: HashMap<Pubkey, Instruction>,
    /// Why the others would not, but for a price that they have already.
    pub refused: HashMap<Pubkey, String>,
}

/// A price that should be put on chain, and how urgent that is.
pub struct Due {
    pub underlying: Pubkey,
    pub refresh: Instruction,
}

impl Prices {
    /// The accounts to read, each once; underlyings that were listed meanwhile are found here.
    pub fn sources(&mut self, book: &Book, config: &Config) -> Vec<Pubkey> {
        for (key, sheet) in &book.sheets {
            self.sources.entry(*key).or_insert_with(|| {
                let account = config.price_account(key, &symbol(sheet), &sheet.oracle.terms.feed_id);
                tracing::info!(underlying = %symbol(sheet), %account, "price account");
                account
            });
        }
        let mut keys: Vec<Pubkey> = self.sources.values().copied().collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Makes every underlying of the book what its published price would make it now.
    pub fn look(&mut self, book: &mut Book, published: &HashMap<Pubkey, Fetched>, group: Pubkey, present: &Present) {
        self.pending.clear();
        self.refused.clear();
        let Some(terms) = book.accounts.groups.get(&group).copied() else { return };
        for (key, sheet) in &book.sheets {
            let source = self.sources.get(key).copied().unwrap_or_default();
            let mut next = sheet.clone();
            let outcome = match published.get(&source) {
                Some(account) => {
                    let update = priced(&terms, sheet, source, account);
                    let accepted = update.and_then(|update| next.refresh(&update, &terms.options.terms()?, present));
                    accepted.map_err(|error| name_of(&error))
                }
                None => Err("missing".to_owned()),
            };
            match outcome {
                Ok(true) => {
                    self.pending.insert(*key, instruction::refresh_price(group, *key, source));
                    book.accounts.underlyings.insert(*key, next);
                    continue;
                }
                Ok(false) => {}
                Err(reason) => drop(self.refused.insert(*key, reason)),
            }
            book.accounts.underlyings.insert(*key, sheet.clone());
        }
    }

    /// The refreshes without which these instructions would see older prices than whoever decided on them.
    pub fn before(&self, instructions: &[Instruction]) -> Vec<Instruction> {
        let metas = instructions.iter().flat_map(|instruction| &instruction.accounts);
        let mut refreshes: Vec<Instruction> = Vec::new();
        for refresh in metas.filter_map(|meta| self.pending.get(&meta.pubkey)) {
            if !refreshes.contains(refresh) {
                refreshes.push(refresh.clone());
            }
        }
        refreshes
    }

    /// Prices that have to be put: old ones, and those that have moved.
    pub fn due(&self, book: &Book, config: &Config, now: i64) -> Vec<Due> {
        let jobs = &config.jobs;
        let is_due = |key: &Pubkey| {
            let (Some(sheet), Some(next)) = (book.sheets.get(key), book.accounts.underlyings.get(key)) else {
                return false;
            };
            let apart = u128::from(sheet.oracle.price.abs_diff(next.oracle.price)) * 1_000_000;
            let has_moved = apart > u128::from(sheet.oracle.price.unsigned_abs()) * u128::from(jobs.price_ppm);
            sheet.oracle.price == 0 || has_moved || now - sheet.oracle.publish_time >= jobs.price_secs
        };
        let due = self.pending.iter().filter(|(key, _)| is_due(key));
        due.map(|(key, refresh)| Due { underlying: *key, refresh: refresh.clone() }).collect()
    }
}

fn priced(
    group: &margrave::state::Group,
    sheet: &Underlying,
    key: Pubkey,
    account: &Fetched,
) -> anchor_lang::Result<margrave::oracle::Observation> {
    let (mut lamports, mut data) = (account.lamports, account.data.clone());
    let info = AccountInfo::new(&key, false, false, &mut lamports, &mut data, &account.owner, false);
    read_price(group, &sheet.oracle.terms, &info)
}

/// An error of the program by its name.
pub fn name_of(error: &anchor_lang::error::Error) -> String {
    match error {
        anchor_lang::error::Error::AnchorError(error) => error.error_name.clone(),
        anchor_lang::error::Error::ProgramError(error) => error.program_error.to_string(),
    }
}

/// An underlying's symbol as text.
pub fn symbol(sheet: &Underlying) -> String {
    let bytes: Vec<u8> = sheet.symbol.iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
