//! What a replay adds up to. Dollars are micro-dollars.

use margrave::state::Status;
use margrave_client::{Event, Pubkey};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Default, Debug, PartialEq, Eq, Serialize)]
pub struct Tally {
    pub accounts: usize,
    /// At the start, and the equity that stands against it.
    pub initial_margin: i64,
    pub equity: i64,
    /// In insurance then.
    pub insured: u64,
    pub liquidated: BTreeSet<String>,
    pub bankrupt: BTreeSet<String>,
    /// Fees on positions, discounts on slices and bonuses on collateral: what liquidation cost the accounts.
    pub fees: i64,
    /// What bankrupt accounts owed beyond everything they had, and who paid it.
    pub bad_debt: i64,
    pub insurance: i64,
    pub conceded: i64,
    pub shared: i64,
    pub lent: i64,
    /// What nobody has borne at the end, or is still owed.
    pub open: i64,
    /// At the mark.
    pub deleveraged: i64,
    /// Notional of positions that the keeper took over, at the mark.
    pub taken_over: i64,
    pub hours: usize,
    /// Hours after which the books summed up.
    pub conserved: usize,
    pub first_break: Option<String>,
    pub worst: Option<Worst>,
    /// Steps of the keeper that the program refused, by error.
    pub refusals: BTreeMap<String, usize>,
}

/// The hour with the most bad debt, then the most accounts liquidated for the first time.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Worst {
    pub bad_debt: i64,
    pub liquidated: usize,
    pub time: String,
}

impl Tally {
    /// Adds what the program says happened. `name` knows accounts, `price` a coin's price for a bank and its atoms' value.
    pub fn read(&mut self, events: &[Event], name: impl Fn(&Pubkey) -> String, value: impl Fn(&Pubkey, u64) -> i64) {
        for event in events {
            match event {
                Event::PositionsLiquidated(event) => {
                    self.liquidated.insert(name(&event.liquidatee.margin_account));
                    for taken in &event.taken {
                        self.fees += taken.fee;
                        self.taken_over += (taken.price_paid + taken.fee).abs();
                    }
                }
                Event::CollateralLiquidated(event) => {
                    self.liquidated.insert(name(&event.liquidatee.margin_account));
                    self.fees += value(&event.asset_bank, event.seized) - value(&event.debt_bank, event.repaid);
                }
                Event::SliceLiquidated(event) => {
                    self.liquidated.insert(name(&event.liquidatee.margin_account));
                }
                Event::AccountFlagged(event) if event.status == Status::Bankrupt as u8 => {
                    self.bankrupt.insert(name(&event.account.margin_account));
                }
                Event::DeficitCovered(event) => {
                    let micros = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
                    self.insurance += micros(event.first_loss + event.insurance);
                    self.bad_debt += micros(event.first_loss + event.insurance + event.left);
                }
                Event::DebtWrittenOff(event) => {
                    self.insurance += value(&event.bank, event.insurance);
                    self.lent += value(&event.bank, event.shared);
                    self.bad_debt += value(&event.bank, event.insurance + event.shared);
                }
                Event::Deleveraged(event) => {
                    self.deleveraged += (event.price_paid - event.concession).abs();
                    self.conceded += event.concession;
                    self.bad_debt += event.concession;
                }
                Event::LossShared(event) => self.shared += i64::try_from(event.amount).unwrap_or(i64::MAX),
                _ => {}
            }
        }
    }

    /// Ends an hour that began with these sums.
    pub fn end_hour(&mut self, time: String, bad_debt: i64, liquidated: usize) {
        let hour = Worst { bad_debt: self.bad_debt - bad_debt, liquidated: self.liquidated.len() - liquidated, time };
        let eventful = hour.bad_debt > 0 || hour.liquidated > 0;
        let worse = |worst: &Worst| (hour.bad_debt, hour.liquidated) > (worst.bad_debt, worst.liquidated);
        if eventful && self.worst.as_ref().is_none_or(worse) {
            self.worst = Some(hour);
        }
    }
}
