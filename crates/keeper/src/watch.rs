//! Who needs something now, without valuing everybody at every look.
//!
//! An account that is fine is valued and then left alone until a price leaves the interval inside which [`Slope`] says that it stays
//! fine, until the account itself, a bank or anything else that it is valued with changes, or until the valuation is too old. Whoever
//! needs something, or is too close to it, is valued at every look. An account is never left alone that needs something: a test holds
//! this against valuing everybody.

use crate::{
    book::Book,
    slope::{FUNDING_TOLERANCE, RANGE_TOLERANCE, Slope},
};
use margrave::{constants::PPM, oracle::Action, portfolio::Arranged, state::*};
use margrave_client::Pubkey;
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    hash::{DefaultHasher, Hash, Hasher},
};

/// What a look at the accounts has found.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Accounts that need something and how far below maintenance margin they are, micro-dollars: the deepest first.
    pub due: Vec<(i64, Pubkey)>,
    /// Of these, who may be liquidated.
    pub liquidatable: usize,
    /// How many accounts were valued.
    pub valued: usize,
    /// How many are valued at every look.
    pub close: usize,
    /// Accounts that cannot be valued, and why.
    pub unknown: Vec<(Pubkey, String)>,
}

/// A margin that is left to a price of less than this, in millionths of it, is too little to be left alone.
const LEAST_MOVE: u128 = 20;
/// No interval is wider than this, in millionths of the price.
const MOST_MOVE: u128 = 400_000;
const ONE: u128 = PPM as u128;

/// The accounts that are left alone, and until when.
pub struct Watch {
    /// Longest that a valuation is relied on, seconds.
    most_age: i64,
    entries: HashMap<Pubkey, Entry>,
    /// Valued at every look.
    close: HashSet<Pubkey>,
    markets: HashMap<Pubkey, Market>,
    banks: HashMap<Pubkey, Assumed>,
    ages: BTreeSet<(i64, Pubkey)>,
    group: u64,
}

/// What an account was valued with.
#[derive(Default)]
struct Entry {
    /// Unix time; the most there is where time changes nothing.
    until: i64,
    bounds: Vec<(Pubkey, i64, i64)>,
    banks: Vec<Pubkey>,
}

/// An underlying, and the prices at which somebody has to be valued again.
struct Market {
    assumed: SheetState,
    lows: BTreeSet<(i64, Pubkey)>,
    highs: BTreeSet<(i64, Pubkey)>,
}

/// What of an underlying besides its price valuations depend on.
#[derive(Clone, Copy, PartialEq, Eq)]
struct SheetState {
    range: i64,
    ramp: i64,
    funding: i128,
    price: i64,
    rest: u64,
}

/// What of a bank valuations depend on, and who has a balance in it.
struct Assumed {
    state: BankState,
    holders: HashSet<Pubkey>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct BankState {
    deposit_index: u128,
    rest: u64,
}

impl SheetState {
    fn of(sheet: &Underlying) -> Self {
        let mut hasher = DefaultHasher::new();
        bytemuck::bytes_of(&sheet.risk).hash(&mut hasher);
        (sheet.decimals, sheet.oracle.price == 0, sheet.largest_haircut_ppm).hash(&mut hasher);
        for slot in &sheet.expiries {
            (slot.series, slot.time, slot.carry, slot.surface_at, slot.smile, slot.settlement_price).hash(&mut hasher);
        }
        for slot in &sheet.strikes {
            (slot.price, slot.vol, slot.expiry).hash(&mut hasher);
        }
        Self {
            range: sheet.range.range,
            ramp: sheet.range.ramp,
            funding: i128::from_le_bytes(sheet.perp.funding_index),
            price: sheet.oracle.price,
            rest: hasher.finish(),
        }
    }

    /// Whether valuations made under `self` are still bounded now.
    fn covers(&self, now: &Self) -> bool {
        let near =
            |a: i64, b: i64| u128::from(a.abs_diff(b)) * ONE <= u128::from(a.max(0).unsigned_abs()) * RANGE_TOLERANCE;
        // The index is dollars for each unit in 2^-48.
        let funded = (now.funding - self.funding).unsigned_abs() >> 48;
        let most = u128::from(self.price.max(0).unsigned_abs()) * FUNDING_TOLERANCE / ONE;
        self.rest == now.rest && near(self.range, now.range) && near(self.ramp, now.ramp) && funded < most.max(1)
    }
}

impl BankState {
    fn of(bank: &Bank) -> Self {
        let mut hasher = DefaultHasher::new();
        bytemuck::bytes_of(&bank.terms).hash(&mut hasher);
        (bank.decimals, bank.underlying).hash(&mut hasher);
        // A rate beyond what slopes allow for.
        (bank.borrow_rate >> 36).hash(&mut hasher);
        Self { deposit_index: u128::from_le_bytes(bank.deposit_index), rest: hasher.finish() }
    }

    /// Deposits that have grown do no harm; the interest on debts is in the slack.
    fn covers(&self, now: &Self) -> bool {
        self.rest == now.rest && now.deposit_index >= self.deposit_index
    }
}

impl Default for Watch {
    fn default() -> Self {
        Self::new(60)
    }
}

impl Watch {
    /// `most_age`: longest that a valuation is relied on, seconds.
    pub fn new(most_age: u32) -> Self {
        Self {
            most_age: i64::from(most_age),
            entries: HashMap::new(),
            close: HashSet::new(),
            markets: HashMap::new(),
            banks: HashMap::new(),
            ages: BTreeSet::new(),
            group: 0,
        }
    }

    /// Values whoever may need something.
    ///
    /// # Errors
    /// When the group's terms cannot be used.
    pub fn look(&mut self, book: &mut Book, group: &Pubkey, now: i64) -> anchor_lang::Result<Found> {
        let mut again = book.take_changed();
        let Some(terms) = book.accounts.groups.get(group) else { return Ok(Found::default()) };
        let mut arranged = Arranged::new(terms)?;
        self.changed_terms(terms, book, &mut again);
        self.changed_banks(book, &mut again);
        self.moved_prices(book, &mut again);
        again.extend(self.ages.range(..=(now, Pubkey::from([u8::MAX; 32]))).map(|(_, key)| *key));
        again.extend(self.close.iter().copied());

        let mut found = Found::default();
        for key in again {
            self.forget(&key);
            let Some(account) = book.accounts.margin_accounts.get(&key) else { continue };
            found.valued += 1;
            match self.value(&mut arranged, &key, account, book, now) {
                Ok(Verdict::Fine(entry)) => self.remember(key, entry),
                Ok(Verdict::Close) => drop(self.close.insert(key)),
                Ok(Verdict::Due { health, liquidatable }) => {
                    self.close.insert(key);
                    found.liquidatable += usize::from(liquidatable);
                    found.due.push((health, key));
                }
                Err(error) => {
                    self.close.insert(key);
                    found.unknown.push((key, crate::prices::name_of(&error)));
                }
            }
        }
        found.close = self.close.len();
        found.due.sort_unstable();
        Ok(found)
    }

    fn changed_terms(&mut self, group: &Group, book: &Book, again: &mut HashSet<Pubkey>) {
        let mut hasher = DefaultHasher::new();
        bytemuck::bytes_of(&group.terms).hash(&mut hasher);
        bytemuck::bytes_of(&group.options).hash(&mut hasher);
        let fingerprint = hasher.finish();
        if std::mem::replace(&mut self.group, fingerprint) != fingerprint {
            again.extend(book.accounts.margin_accounts.keys().copied());
        }
    }

    fn changed_banks(&mut self, book: &Book, again: &mut HashSet<Pubkey>) {
        for (key, bank) in &book.accounts.banks {
            let state = BankState::of(bank);
            let known = self.banks.entry(*key).or_insert_with(|| Assumed { state, holders: HashSet::new() });
            if !known.state.covers(&state) {
                again.extend(known.holders.iter().copied());
                known.state = state;
            }
        }
    }

    fn moved_prices(&mut self, book: &Book, again: &mut HashSet<Pubkey>) {
        for (key, sheet) in &book.accounts.underlyings {
            let state = SheetState::of(sheet);
            let known = self.markets.entry(*key).or_insert_with(|| Market {
                assumed: state,
                lows: BTreeSet::new(),
                highs: BTreeSet::new(),
            });
            if !known.assumed.covers(&state) {
                again.extend(known.lows.iter().map(|(_, holder)| *holder));
                known.assumed = state;
                continue;
            }
            let (first, last) = (Pubkey::default(), Pubkey::from([u8::MAX; 32]));
            again.extend(known.lows.range((state.price, last)..).filter(|(low, _)| *low > state.price).map(|it| it.1));
            again.extend(known.highs.range(..(state.price, first)).map(|(_, holder)| *holder));
        }
    }

    fn value(
        &self,
        arranged: &mut Arranged,
        key: &Pubkey,
        account: &MarginAccount,
        book: &Book,
        now: i64,
    ) -> anchor_lang::Result<Verdict> {
        arranged.read(account, &book.accounts, Action::Reduce, now)?;
        let valuation = arranged.valuation()?;
        let health = valuation.maintenance_health().micros();
        let liquidatable = account.is_liquidatable(&valuation, now);
        if liquidatable || is_counted(account) {
            return Ok(Verdict::Due { health, liquidatable });
        }
        // Begun liquidations go on above maintenance margin.
        if account.status >= Status::InLiquidation as u8 {
            return Ok(Verdict::Close);
        }
        let until = now.saturating_add(self.most_age);
        let mut slope = Slope::of(account, book, until)?;
        slope.add_ramp(valuation.maintenance_margin.micros());
        let spare = u128::from(health.max(0).unsigned_abs()).saturating_sub(slope.slack);
        let reach = (spare * ONE).checked_div(slope.steepness).unwrap_or(MOST_MOVE).min(MOST_MOVE);
        let moves = slope.ages || !slope.parts.is_empty();
        if slope.is_unbounded || (moves && (spare == 0 || reach < LEAST_MOVE)) {
            return Ok(Verdict::Close);
        }
        let mut entry = Entry { until: i64::MAX, ..Entry::default() };
        if slope.ages {
            // Not all of them at once, a minute after they were read.
            let spread = self.most_age / 2;
            let early = i64::from(key.to_bytes()[31]) * spread / 256;
            entry.until = until - early;
        }
        for part in &slope.parts {
            let price = u128::from(part.price.max(0).unsigned_abs());
            let most = i64::try_from(price * reach / ONE).unwrap_or(0);
            entry.bounds.push((part.underlying, part.price - most, part.price.saturating_add(most)));
        }
        let held = account.collateral.iter().filter(|slot| !slot.is_empty());
        entry.banks.extend(held.map(|slot| slot.bank));
        Ok(Verdict::Fine(entry))
    }

    fn remember(&mut self, key: Pubkey, entry: Entry) {
        for (underlying, low, high) in &entry.bounds {
            if let Some(market) = self.markets.get_mut(underlying) {
                market.lows.insert((*low, key));
                market.highs.insert((*high, key));
            }
        }
        for bank in &entry.banks {
            if let Some(known) = self.banks.get_mut(bank) {
                known.holders.insert(key);
            }
        }
        if entry.until != i64::MAX {
            self.ages.insert((entry.until, key));
        }
        self.entries.insert(key, entry);
    }

    fn forget(&mut self, key: &Pubkey) {
        self.close.remove(key);
        let Some(entry) = self.entries.remove(key) else { return };
        for (underlying, low, high) in entry.bounds {
            if let Some(market) = self.markets.get_mut(&underlying) {
                market.lows.remove(&(low, *key));
                market.highs.remove(&(high, *key));
            }
        }
        for bank in entry.banks {
            if let Some(known) = self.banks.get_mut(&bank) {
                known.holders.remove(key);
            }
        }
        self.ages.remove(&(entry.until, *key));
    }
}

enum Verdict {
    Fine(Entry),
    Close,
    Due { health: i64, liquidatable: bool },
}

/// Whether the account is counted as bankrupt anywhere: that keeps others from their profit.
fn is_counted(account: &MarginAccount) -> bool {
    account.risk.iter().any(|slot| slot.bankrupt != 0) || account.collateral.iter().any(|slot| slot.bankrupt != 0)
}
