//! The books of a group, added up again from every account: the invariants I-01 to I-08 of `docs/invariants.md`, as far as they are
//! statements about what is stored. Each is printed with both sides; an equality that is off by one unit is broken.

use super::{View, number, table};
use crate::market::{Market, refused, time};
use anyhow::{Context, Result};
use comfy_table::{Attribute, Cell};
use margrave::{
    constants::{MAX_QUOTES, SETTLEMENT_COVERAGE_SECS},
    state::*,
};
use margrave_client::{Instrument, Pubkey};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};

/// How the two sides must stand to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Relation {
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = ">=")]
    AtLeast,
}

/// One identity with both sides, in smallest units.
#[derive(Clone, Debug, Serialize)]
pub struct Identity {
    /// The invariant it is of.
    pub id: &'static str,
    /// The bank's token or the underlying's symbol it is about, and its address.
    pub of: String,
    pub address: String,
    pub left_name: String,
    pub right_name: String,
    #[serde(serialize_with = "as_text")]
    pub left: i128,
    #[serde(serialize_with = "as_text")]
    pub right: i128,
    pub relation: Relation,
    /// `atoms`, `shares`, `micro-dollars`, `units` of a position, or `count`.
    pub unit: &'static str,
    pub holds: bool,
}

fn as_text<S: serde::Serializer>(value: &i128, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&value.to_string())
}

/// Every identity of a group.
#[derive(Clone, Debug, Serialize)]
pub struct Solvency {
    pub group: String,
    pub time: i64,
    pub slot: u64,
    pub margin_accounts: usize,
    pub holds: bool,
    pub identities: Vec<Identity>,
}

impl Solvency {
    /// Adds everything up. `vaults`: the tokens in each bank's vault, by the vault's address.
    ///
    /// # Errors
    /// When a vault is missing, or an index is beyond what the program writes.
    pub fn of(market: &Market, vaults: &HashMap<Pubkey, u64>) -> Result<Self> {
        let mut books = Books { market, identities: Vec::new() };
        let mut pools = 0i128;
        for (key, sheet) in market.underlyings() {
            pools += i128::from(sheet.pool.balance) + i128::from(sheet.losses.first_loss);
            books.underlying(key, sheet)?;
        }
        for (key, bank) in market.banks() {
            let vault = vaults.get(&bank.vault).with_context(|| format!("the vault {} was not read", bank.vault))?;
            books.bank(key, bank, *vault, if bank.is_quote() { pools } else { 0 })?;
        }
        books.accounts();
        let identities = books.identities;
        Ok(Self {
            group: market.key.to_string(),
            time: market.now,
            slot: market.slot,
            margin_accounts: market.accounts.margin_accounts.len(),
            holds: identities.iter().all(|identity| identity.holds),
            identities,
        })
    }

    pub fn broken(&self) -> impl Iterator<Item = &Identity> {
        self.identities.iter().filter(|identity| !identity.holds)
    }
}

struct Books<'a> {
    market: &'a Market,
    identities: Vec<Identity>,
}

fn counted(items: usize) -> i128 {
    i128::try_from(items).unwrap_or(i128::MAX)
}

/// Long and short positions of one instrument, both positive.
#[derive(Clone, Copy, Default)]
struct Sides {
    longs: i128,
    shorts: i128,
}

impl Books<'_> {
    fn check(
        &mut self,
        id: &'static str,
        (of, key): (&str, &Pubkey),
        (left_name, left): (impl Into<String>, i128),
        relation: Relation,
        (right_name, right): (impl Into<String>, i128),
        unit: &'static str,
    ) {
        let holds = match relation {
            Relation::Equal => left == right,
            Relation::AtLeast => left >= right,
        };
        self.identities.push(Identity {
            id,
            of: of.to_owned(),
            address: key.to_string(),
            left_name: left_name.into(),
            right_name: right_name.into(),
            left,
            right,
            relation,
            unit,
            holds,
        });
    }

    /// I-02, I-03 and I-05: positions, money that is owed, and settlement prices of one underlying.
    fn underlying(&mut self, key: &Pubkey, sheet: &Underlying) -> Result<()> {
        let market = self.market;
        let symbol = market.symbol(key);
        let of = (symbol.as_str(), key);
        let mut sides = BTreeMap::<(u8, u8, u16), Sides>::new();
        let (mut quotes, mut claims, mut fees, mut funding, mut bankrupts) = (0i128, 0i128, 0i128, 0i128, 0i128);
        for account in market.accounts.margin_accounts.values() {
            for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| slot.underlying == *key) {
                claims += i128::from(slot.claim);
                fees += i128::from(slot.fees);
                funding += i128::from(slot.funding);
                bankrupts += i128::from(slot.bankrupt);
                let here = |it: &&PositionSlot| !it.is_empty() && usize::from(it.risk_slot) == index;
                for position in account.positions.iter().filter(here) {
                    let held = sides.entry((position.kind, position.expiry, position.strike)).or_default();
                    held.longs += i128::from(position.quantity.max(0));
                    held.shorts -= i128::from(position.quantity.min(0));
                    quotes += i128::from(position.quote);
                }
            }
        }
        self.open_interest(of, sheet, &sides);

        let pool = &sheet.pool;
        let owed = quotes + claims + fees + funding + i128::from(pool.unsettled_fees) + i128::from(pool.clearing);
        let left = format!(
            "quotes {quotes} + claims {claims} + fees {fees} + funding {funding} + unsettled fees {} + clearing {}",
            pool.unsettled_fees, pool.clearing
        );
        self.check("I-03", of, (left, owed), Relation::Equal, ("pool", pool.balance.into()), "micro-dollars");
        let counted = i128::from(sheet.losses.bankrupts);
        let named = ("bankrupt accounts", bankrupts);
        self.check("I-03", of, named, Relation::Equal, ("bankrupts on the sheet", counted), "count");

        for (index, slot) in sheet.expiries.iter().enumerate().filter(|(_, slot)| slot.is_settled()) {
            let average = slot.observed() / u128::from(slot.observed_secs.max(1).unsigned_abs());
            let average = i128::try_from(average).unwrap_or(i128::MAX).max(1);
            let name = ("settlement price", i128::from(slot.settlement_price));
            let seen = (format!("average of expiry {index}"), average);
            self.check("I-05", of, name, Relation::Equal, seen, "10^-10 dollars");
            let seen = ("seconds observed", i128::from(slot.observed_secs));
            let needed = ("coverage", i128::from(SETTLEMENT_COVERAGE_SECS));
            self.check("I-05", of, seen, Relation::AtLeast, needed, "seconds");
        }
        Ok(())
    }

    fn open_interest(&mut self, of: (&str, &Pubkey), sheet: &Underlying, sides: &BTreeMap<(u8, u8, u16), Sides>) {
        let held = |kind: InstrumentKind, expiry: u8, strike: u16| {
            sides.get(&(kind as u8, expiry, strike)).copied().unwrap_or_default()
        };
        let mut all: Vec<(Instrument, u64)> = vec![(Instrument::PERP, sheet.perp.open_interest)];
        for (expiry, slot) in (0u8..).zip(&sheet.expiries).filter(|(_, slot)| !slot.is_free()) {
            let future = Instrument { kind: InstrumentKind::Future, expiry, strike: 0, series: slot.series };
            all.push((future, slot.future_interest));
        }
        for (strike, slot) in (0u16..).zip(&sheet.strikes).filter(|(_, slot)| !slot.is_free()) {
            let expiry = slot.expiry - 1;
            let series = sheet.expiries[usize::from(expiry)].series;
            for (kind, interest) in [(InstrumentKind::Call, slot.calls), (InstrumentKind::Put, slot.puts)] {
                all.push((Instrument { kind, expiry, strike, series }, interest));
            }
        }
        let listed: Vec<(u8, u8, u16)> = all.iter().map(|(it, _)| (it.kind as u8, it.expiry, it.strike)).collect();
        for (instrument, interest) in &all {
            let sides = held(instrument.kind, instrument.expiry, instrument.strike);
            // Strikes that nobody has ever traded are not worth a line each.
            if sides.longs == 0 && sides.shorts == 0 && *interest == 0 && *instrument != Instrument::PERP {
                continue;
            }
            let name = self.market.instrument_name(of.1, instrument);
            let dated = instrument.kind != InstrumentKind::Perp;
            // In a settled expiry each side leaves by itself.
            if !(dated && sheet.expiries[usize::from(instrument.expiry)].is_settled()) {
                let (longs, shorts) = ((format!("{name} long"), sides.longs), ("short", sides.shorts));
                self.check("I-02", of, longs, Relation::Equal, shorts, "units");
            }
            let longs = (format!("{name} long"), sides.longs);
            self.check("I-02", of, longs, Relation::Equal, ("open interest", (*interest).into()), "units");
        }
        for (expiry, slot) in (0u8..).zip(&sheet.expiries).filter(|(_, slot)| !slot.is_free()) {
            let here = sides.iter().filter(|((kind, at, _), _)| *at == expiry && *kind != InstrumentKind::Perp as u8);
            let sizes: i128 = here.map(|(_, sides)| sides.longs + sides.shorts).sum();
            let sizes = (format!("expiry {expiry}, sizes of both sides"), sizes);
            self.check("I-02", of, sizes, Relation::Equal, ("interest", slot.interest.into()), "units");
        }
        let strays = sides.keys().filter(|id| !listed.contains(id)).count();
        let strays = ("positions in nothing listed", counted(strays));
        self.check("I-02", of, strays, Relation::Equal, ("none", 0), "count");
    }

    /// I-01, I-03, I-06 and I-07: tokens, shares and what is set aside in one bank.
    fn bank(&mut self, key: &Pubkey, bank: &Bank, vault: u64, pools: i128) -> Result<()> {
        let market = self.market;
        let token = market.token(bank);
        let of = (token.as_str(), key);
        let (mut deposits, mut loans, mut bankrupts) = (0i128, 0i128, 0i128);
        let (mut owned, mut owed) = (0i128, 0i128);
        for account in market.accounts.margin_accounts.values() {
            for slot in account.collateral.iter().filter(|slot| slot.bank == *key) {
                let shares = slot.shares.unsigned_abs();
                bankrupts += i128::from(slot.bankrupt);
                if slot.shares >= 0 {
                    deposits += i128::from(shares);
                    owned += i128::from(bank.atoms_down(shares).map_err(refused)?);
                } else {
                    loans += i128::from(shares);
                    owed += i128::from(bank.debt_up_at(shares, bank.accrued_at).map_err(refused)?);
                }
            }
        }
        let claims = i128::from(bank.claims_up().map_err(refused)?);
        let debts = i128::from(bank.debts_down().map_err(refused)?);
        let left = (format!("vault {vault} + lent {debts}"), i128::from(vault) + debts);
        let reserves = [bank.fees, bank.insurance, bank.pools].map(i128::from);
        let right = (
            format!("deposits {claims} + fees {} + insurance {} + pools {}", bank.fees, bank.insurance, bank.pools),
            claims + reserves.iter().sum::<i128>(),
        );
        self.check("I-01", of, left, Relation::AtLeast, right, "atoms");
        let counted = ("pools counted by the bank", i128::from(bank.pools));
        let held = ("pools and first-loss floors of all underlyings", pools);
        self.check("I-03", of, counted, Relation::Equal, held, "micro-dollars");
        let (left, right) = (("accounts' deposit shares", deposits), ("bank's", bank.deposit_shares.into()));
        self.check("I-06", of, left, Relation::Equal, right, "shares");
        let (left, right) = (("accounts' borrow shares", loans), ("bank's", bank.borrow_shares.into()));
        self.check("I-06", of, left, Relation::Equal, right, "shares");
        // One share owes at least an atom.
        let index = i128::from_le_bytes(bank.borrow_index);
        let one = i128::from_le_bytes(Bank::INDEX_ONE);
        self.check("I-06", of, ("borrow index", index), Relation::AtLeast, ("one", one), "2^-48");
        let left = ("bank owes depositors, up", claims);
        self.check("I-07", of, left, Relation::AtLeast, ("each account's own, down", owned), "atoms");
        let left = ("each account's debt, up", owed);
        self.check("I-07", of, left, Relation::AtLeast, ("borrowers owe the bank, down", debts), "atoms");
        let left = ("bankrupt accounts", bankrupts);
        self.check("I-06", of, left, Relation::Equal, ("bankrupts of the bank", bank.bankrupts.into()), "count");
        Ok(())
    }

    /// I-04 and I-08: what accounts remember of quotes, and that nothing they owe or are owed is out of sight.
    fn accounts(&mut self) {
        let (mut misplaced, mut lost) = (0i128, 0i128);
        let accounts = &self.market.accounts;
        for account in accounts.margin_accounts.values() {
            let quotes = account.quotes.iter().enumerate().filter(|(_, slot)| slot.expires_at != 0);
            let at = |nonce: u64| usize::try_from(nonce % (MAX_QUOTES as u64)).unwrap_or(usize::MAX);
            misplaced += counted(quotes.filter(|(index, slot)| at(slot.nonce) != *index).count());
            let owes = |slot: &&RiskSlot| slot.claim != 0 || slot.fees != 0 || slot.funding != 0;
            let is_known = |slot: &RiskSlot| !slot.is_empty() && accounts.underlyings.contains_key(&slot.underlying);
            lost += counted(account.risk.iter().filter(owes).filter(|slot| !is_known(slot)).count());
            let open = account.positions.iter().filter(|position| !position.is_empty());
            let unseen = |it: &&PositionSlot| !account.risk.get(usize::from(it.risk_slot)).is_some_and(is_known);
            lost += counted(open.filter(unseen).count());
            let held = account.collateral.iter().filter(|slot| slot.shares != 0);
            lost += counted(held.filter(|slot| !accounts.banks.contains_key(&slot.bank)).count());
        }
        let of = ("all accounts", &self.market.key.clone());
        let quotes = ("quotes remembered where their nonce does not belong", misplaced);
        self.check("I-04", of, quotes, Relation::Equal, ("none", 0), "count");
        let lost = ("claims, positions and balances on nothing that is listed", lost);
        self.check("I-08", of, lost, Relation::Equal, ("none", 0), "count");
    }
}

/// Long sums go on several lines.
fn side(name: &str, value: i128) -> String {
    let name = if name.len() > 48 { name.replace(" + ", "\n  + ") } else { name.to_owned() };
    format!("{name}: {value}")
}

impl View for Solvency {
    fn text(&self, colour: bool) -> String {
        let mut rows = table(&["Rule", "Of", "Left", "", "Right", "Unit", "Difference", ""]);
        if colour {
            rows.enforce_styling();
        }
        for it in &self.identities {
            let relation = match it.relation {
                Relation::Equal => "=",
                Relation::AtLeast => ">=",
            };
            let verdict = if it.holds {
                Cell::new("ok")
            } else {
                Cell::new("BROKEN").add_attribute(Attribute::Bold).fg(comfy_table::Color::Red)
            };
            rows.add_row(vec![
                it.id.into(),
                it.of.clone().into(),
                side(&it.left_name, it.left).into(),
                relation.into(),
                side(&it.right_name, it.right).into(),
                it.unit.into(),
                number(it.left - it.right),
                verdict,
            ]);
        }
        let broken = self.broken().count();
        let verdict = match broken {
            0 => format!("solvent: all {} identities hold", self.identities.len()),
            _ => format!("BROKEN: {broken} of {} identities do not hold", self.identities.len()),
        };
        format!(
            "Group {} at {}, slot {}, {} margin accounts\n{rows}\n{verdict}",
            self.group,
            time(self.time),
            self.slot,
            self.margin_accounts
        )
    }
}
