//! A storm: thousands of random accounts on four underlyings, everything halves in one step while volatilities rise as fast as the
//! terms let them, and five keepers compete until nobody is below maintenance margin and every loss has been borne.
//!
//! Nothing is simplified but the network: each step is a transaction to the compiled program, decided by
//! [`margrave_client::keeper`] on accounts as they were when the round began.

mod blocks;
mod market;
mod report;

use crate::{Receipt, Refusal, Trader, World, check_books};
use anchor_lang::prelude::Pubkey;
use anyhow::{Result, bail, ensure};
use blocks::Sent;
use margrave::{portfolio::Directory, state::*};
use margrave_client::{
    Accounts, Event, Instruction, instruction,
    keeper::{Decision, Keeper, StepKind, decide, settlements, share_losses},
};
use market::Market;
pub use market::compute_limit;
pub use report::{Report, StepRow};
use sha2::{Digest, Sha256};
use solana_keypair::Keypair;
use std::collections::{BTreeMap, BTreeSet};

/// Decisions that one keeper sends in a round.
const BATCH: usize = 16;
/// Keepers take nothing over on one market from accounts that have not been bankrupt for so long.
const AVOIDED_SECS: i64 = 600;
/// An account about which there was nothing to do is left alone for so long.
const ASLEEP_SECS: i64 = 10;
/// No step is asked for by anybody for so long: something is stuck.
const MAX_WEATHER_SECS: i64 = 2 * 3_600;
const PATIENCE_SECS: i64 = 3_900;
/// A step may use so much, and a transaction lock so many accounts (I-25).
const MOST_UNITS: u64 = 1_000_000;
const MOST_ACCOUNTS: usize = 64;

/// Runs a storm over so many accounts from a seed.
///
/// # Errors
/// Names the account that no step helps, the step that the client promised and the chain refused, or the law that does not hold.
pub fn run(accounts: usize, seed: u64) -> Result<Report> {
    Storm::gather(accounts, seed)?.blow()
}

/// SHA-256 of every account of the program.
pub fn hash(world: &World) -> String {
    let mut accounts = world.svm.get_program_accounts(&margrave::ID);
    accounts.sort_unstable_by_key(|(key, _)| *key);
    let mut hasher = Sha256::new();
    for (key, account) in accounts {
        hasher.update(key);
        hasher.update(&account.data);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What losses were borne by, micro-dollars, added up from events (I-26).
#[derive(Clone, Debug, Default)]
struct Borne {
    floors: u64,
    insurance: u64,
    left: u64,
    shared: u64,
    debt_insurance: u64,
    debt_shared: u64,
    concessions: i64,
}

struct Storm {
    world: World,
    markets: Vec<Market>,
    traders: usize,
    keepers: Vec<Trader>,
    cache: Accounts,
    rng: fastrand::Rng,
    sent: Vec<Sent>,
    races: u64,
    borne: Borne,
    /// Accounts about which there was nothing to do: nobody asks again before this time.
    asleep: BTreeMap<Pubkey, i64>,
    /// Accounts that no step helped for [`PATIENCE_SECS`].
    stuck: Vec<String>,
}

impl Storm {
    fn keeper<'a>(&self, index: usize, avoided: &'a [Pubkey]) -> Keeper<'a> {
        Keeper { margin_account: self.keepers[index].margin_account, avoided, avoided_secs: AVOIDED_SECS }
    }

    fn blow(mut self) -> Result<Report> {
        check_books(&self.world)?;
        let before = self.world.accounts();
        let clearing_before = self.clearing();
        self.cache = before.clone();
        let (mut breached, mut bankrupt) = (BTreeSet::new(), BTreeSet::new());
        let start = self.world.now();

        // Half the price, and what the bounds allow of twice the volatility; the rest an hour later.
        let mut calm_at = None;
        for (part, vol_percent) in [(50, 89), (100, 120)] {
            if part == 100 {
                self.world.set_time((start + 3_660).max(self.world.now() + 10));
            }
            self.fall(part, vol_percent)?;
            let (open, ruined) = self.breached()?;
            breached.extend(open.iter().copied());
            bankrupt.extend(ruined);
            self.weather(open)?;
            calm_at.get_or_insert(self.world.now() - start);
        }
        self.settle_everybody()?;
        if self.stuck.is_empty() {
            self.require_calm()?;
        }
        check_books(&self.world)?;
        for one in &self.sent {
            let fits = one.compute_units <= MOST_UNITS && one.accounts <= MOST_ACCOUNTS;
            ensure!(fits, "I-25: a step {} used {} and locked {}", one.kind, one.compute_units, one.accounts);
        }
        if self.stuck.is_empty() {
            self.require_losses_borne(&before, clearing_before)?;
        }
        Ok(Report::new(&self, breached.len(), bankrupt.len(), calm_at.unwrap_or(0)))
    }

    fn clearing(&self) -> BTreeMap<Pubkey, i64> {
        self.markets.iter().map(|market| (market.key, self.world.sheet(&market.key).pool.clearing)).collect()
    }

    /// Every market at so many hundredths of its price, and the surfaces at a volatility.
    fn fall(&mut self, part: i64, vol_percent: i64) -> Result<()> {
        if part != 100 {
            for market in &mut self.markets {
                market.price = market.price / 100 * part;
            }
        }
        self.refresh_all()?;
        for market in self.markets.clone() {
            let step = market.surface(&self.world, vol_percent);
            self.send_plain("surface", step)?;
        }
        Ok(())
    }

    fn refresh_all(&mut self) -> Result<()> {
        for market in self.markets.clone() {
            market.post(&mut self.world);
            let refresh = instruction::refresh_price(self.world.group, market.key, market.price_account);
            self.send_plain("refresh", refresh)?;
        }
        Ok(())
    }

    fn send_plain(&mut self, kind: &str, step: Instruction) -> Result<Receipt> {
        match self.send(kind, &step, &[]) {
            Ok(receipt) => Ok(receipt),
            Err(refusal) => bail!("{kind} was refused: {refusal}"),
        }
    }

    /// Sends one step, keeps its cost, and brings the cache up to date.
    fn send(&mut self, kind: &str, step: &Instruction, signers: &[Keypair]) -> Result<Receipt, Refusal> {
        let signers: Vec<&Keypair> = signers.iter().collect();
        let receipt = self.world.send(&[compute_limit(), step.clone()], &signers)?;
        let writable = step.accounts.iter().filter(|meta| meta.is_writable).map(|meta| meta.pubkey).collect();
        self.sent.push(Sent {
            kind: kind.to_owned(),
            compute_units: receipt.compute_units,
            accounts: step.accounts.len(),
            writable,
        });
        for meta in step.accounts.iter().filter(|meta| meta.is_writable) {
            if let Some(account) = self.world.svm.get_account(&meta.pubkey) {
                self.cache.insert(meta.pubkey, &account.data);
            }
        }
        for event in receipt.events() {
            match event {
                Event::DeficitCovered(event) => {
                    self.borne.floors += event.first_loss;
                    self.borne.insurance += event.insurance;
                    self.borne.left += event.left;
                    let floor = self.cache.underlyings[&event.underlying].losses.first_loss;
                    assert!(event.insurance + event.left == 0 || floor == 0, "I-26: insurance paid before the floor");
                    let losses = &self.cache.underlyings[&event.underlying];
                    let room = losses.losses.insured.room(losses.market.insurance_cap, self.world.now());
                    let funds = self.cache.banks[&self.world.usdc_bank].insurance;
                    assert!(event.left == 0 || funds.min(room) == 0, "I-26: profit bears what insurance could have");
                }
                Event::DebtWrittenOff(event) => {
                    self.borne.debt_insurance += event.insurance;
                    self.borne.debt_shared += event.shared;
                    let funds = self.cache.banks[&event.bank].insurance;
                    assert!(event.shared == 0 || funds == 0, "I-26: depositors bear what insurance could have");
                }
                Event::LossShared(event) => self.borne.shared += event.amount,
                Event::Deleveraged(event) => self.borne.concessions += event.concession,
                _ => {}
            }
        }
        Ok(receipt)
    }

    /// Everybody below maintenance margin, or counted as bankrupt, and who of them has negative equity.
    fn breached(&self) -> Result<(BTreeSet<Pubkey>, BTreeSet<Pubkey>)> {
        let (mut open, mut ruined) = (BTreeSet::new(), BTreeSet::new());
        for key in self.cache.margin_accounts.keys() {
            let value = self.cache.value_to_liquidate(key, self.world.now())?;
            if self.needs_care(key)? {
                open.insert(*key);
                if value.equity.is_negative() {
                    ruined.insert(*key);
                }
            }
        }
        Ok((open, ruined))
    }

    fn needs_care(&self, key: &Pubkey) -> Result<bool> {
        let account = self.cache.margin_account(key)?;
        let value = self.cache.value_to_liquidate(key, self.world.now())?;
        let counted = account.risk.iter().any(|slot| slot.bankrupt != 0);
        let owed = account.collateral.iter().any(|slot| slot.bankrupt != 0);
        Ok(counted || owed || account.is_liquidatable(&value, self.world.now()))
    }

    /// Rounds until nobody is below maintenance margin and no loss is open.
    fn weather(&mut self, mut open: BTreeSet<Pubkey>) -> Result<()> {
        let avoided = [self.markets[market::AVOIDED].key];
        let (mut refreshed, mut idle_since) = (self.world.now(), None);
        let started = self.world.now();
        loop {
            if self.world.now() - started > MAX_WEATHER_SECS {
                self.stuck = open.iter().map(|key| self.describe(key)).collect();
                self.stuck.push(format!("still acting after {MAX_WEATHER_SECS} s"));
                return Ok(());
            }
            if self.world.now() - refreshed >= 10 {
                self.refresh_all()?;
                refreshed = self.world.now();
            }
            let mut acted = self.round(&mut open, &avoided)?;
            acted |= self.shares()?;
            if open.is_empty() {
                open = self.breached()?.0;
                if open.is_empty() && self.losses_are_closed() {
                    return Ok(());
                }
            }
            if acted {
                idle_since = None;
                self.world.set_time(self.world.now() + 1);
                continue;
            }
            // Nobody had anything to do: losers are made to pay, and time passes.
            let idle_since = *idle_since.get_or_insert(self.world.now());
            self.settle_losers()?;
            if self.world.now() - idle_since > PATIENCE_SECS {
                self.stuck = open.iter().map(|key| self.describe(key)).collect();
                return Ok(());
            }
            self.world.set_time(self.world.now() + 10);
        }
    }

    /// One decision of each keeper for each account of its batch, all made on the same state and sent in a random order.
    fn round(&mut self, open: &mut BTreeSet<Pubkey>, avoided: &[Pubkey]) -> Result<bool> {
        let now = self.world.now();
        let mut decisions: Vec<(usize, Pubkey, Decision)> = Vec::new();
        let mut asked = BTreeSet::new();
        for index in 0..self.keepers.len() {
            let awake = |key: &Pubkey| self.asleep.get(key).is_none_or(|until| *until <= now);
            let mine = open.iter().copied().filter(|key| awake(key) && *key != self.keepers[index].margin_account);
            let mut mine: Vec<Pubkey> = mine.collect();
            self.rng.shuffle(&mut mine);
            for key in mine.into_iter().take(BATCH) {
                asked.insert(key);
                let keeper = self.keeper(index, avoided);
                match decide(&self.cache, &key, &keeper, now)? {
                    Some(decision) => decisions.push((index, key, decision)),
                    None => drop(self.asleep.insert(key, now + ASLEEP_SECS)),
                }
            }
        }
        self.rng.shuffle(&mut decisions);
        let acted = !decisions.is_empty();
        for (index, key, decision) in decisions {
            let signer = [self.keepers[index].keypair.insecure_clone()];
            if self.send(&name(decision.kind), &decision.instruction, &signer).is_ok() {
                continue;
            }
            // Somebody was faster, or the keeper's own margin is used up. On the state as it is now the promise must hold.
            self.races += 1;
            let keeper = self.keeper(index, avoided);
            let Some(again) = decide(&self.cache, &key, &keeper, now)? else { continue };
            if let Err(refusal) = self.send(&name(again.kind), &again.instruction, &signer) {
                bail!("{:?} of {} was promised and refused: {refusal}", again.kind, self.describe(&key));
            }
        }
        for key in asked {
            if !self.needs_care(&key)? {
                open.remove(&key);
            }
        }
        Ok(acted)
    }

    /// What can be done about losses that profit has to bear.
    fn shares(&mut self) -> Result<bool> {
        let mut acted = false;
        for market in self.markets.clone() {
            for decision in share_losses(&self.cache, &market.key, self.world.now())? {
                self.send_plain(&name(decision.kind), decision.instruction)?;
                acted = true;
            }
        }
        Ok(acted)
    }

    fn settle_losers(&mut self) -> Result<()> {
        for market in self.markets.clone() {
            for decision in settlements(&self.cache, &market.key, self.world.now())? {
                if decision.is_payment {
                    self.send_plain("settle", decision.instruction)?;
                }
            }
        }
        Ok(())
    }

    /// Losers first, then winners as far as the pools go, until nothing moves.
    fn settle_everybody(&mut self) -> Result<()> {
        self.refresh_all()?;
        for _ in 0..3 {
            self.settle_losers()?;
            for market in self.markets.clone() {
                for decision in settlements(&self.cache, &market.key, self.world.now())? {
                    self.send_plain("settle", decision.instruction)?;
                }
            }
        }
        Ok(())
    }

    fn losses_are_closed(&self) -> bool {
        let closed = |sheet: &Underlying| {
            let losses = &sheet.losses;
            losses.bankrupts == 0 && losses.unshared == 0 && losses.registered == 0 && losses.shared == 0
        };
        self.cache.underlyings.values().all(|sheet| closed(sheet))
            && self.cache.banks.values().all(|bank| bank.bankrupts == 0)
    }

    /// I-25: nobody is below maintenance margin, and nobody who is bankrupt owes anything.
    fn require_calm(&self) -> Result<()> {
        let accounts = self.world.accounts();
        let now = self.world.now();
        for (key, account) in &accounts.margin_accounts {
            let value = accounts.value(key, now)?;
            ensure!(
                !value.maintenance_health().is_negative(),
                "I-25: {} is below maintenance margin",
                self.describe(key)
            );
            ensure!(!account.is_bankrupt(), "{} is still bankrupt", self.describe(key));
        }
        ensure!(self.losses_are_closed(), "a loss is open");
        Ok(())
    }

    /// I-26: what was lost is what floors, insurance, profit and depositors have borne, to a unit an account.
    fn require_losses_borne(&self, before: &Accounts, clearing_before: BTreeMap<Pubkey, i64>) -> Result<()> {
        let borne = &self.borne;
        ensure!(borne.left == borne.shared, "I-26: {} was left to profit, {} was shared", borne.left, borne.shared);
        let holders = i64::try_from(self.cache.margin_accounts.len())?;
        let rounding: i64 = self.clearing().iter().map(|(key, after)| after - clearing_before[key]).sum();
        ensure!((0..=4 * holders).contains(&rounding), "I-26: profit has borne {rounding} more than was lost");
        let funds =
            |accounts: &Accounts| -> u64 { accounts.underlyings.values().map(|sheet| sheet.losses.first_loss).sum() };
        ensure!(funds(before) - funds(&self.cache) == borne.floors, "I-26: the floors have paid something else");
        let (bank_before, bank) = (before.bank(&self.world.usdc_bank)?, self.cache.bank(&self.world.usdc_bank)?);
        // Interest adds to insurance meanwhile.
        ensure!(
            bank_before.insurance <= bank.insurance + borne.insurance + borne.debt_insurance,
            "I-26: insurance is gone"
        );
        Ok(())
    }

    fn describe(&self, key: &Pubkey) -> String {
        let Ok(account) = self.cache.margin_account(key) else { return key.to_string() };
        let now = self.world.now();
        let positions: Vec<_> = account
            .positions
            .iter()
            .take_while(|slot| !slot.is_empty())
            .map(|slot| (slot.risk_slot, slot.kind, slot.strike, slot.quantity, slot.quote))
            .collect();
        let claims: Vec<_> =
            account.risk.iter().filter(|slot| !slot.is_empty()).map(|slot| (slot.claim, slot.bankrupt)).collect();
        let shares: Vec<_> = account
            .collateral
            .iter()
            .filter(|slot| !slot.is_empty())
            .map(|slot| (slot.risk_slot, slot.shares))
            .collect();
        let value =
            self.cache.value_to_liquidate(key, now).map(|it| (it.equity.micros(), it.maintenance_margin.micros()));
        format!(
            "{key} status {} mode {} flagged {} s ago, equity and maintenance margin {value:?}, positions {positions:?}, \
             claims {claims:?}, shares {shares:?}",
            account.status,
            account.mode,
            now - account.flagged_at,
        )
    }
}

fn name(kind: StepKind) -> String {
    format!("{kind:?}").to_lowercase()
}
