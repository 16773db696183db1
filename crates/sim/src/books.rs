//! The conservation laws, checked over every account of the chain.

use crate::World;
use margrave::state::{InstrumentKind, PositionSlot, Underlying};
use std::collections::BTreeMap;

/// What [`check_books`] has added up.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Books {
    /// Per bank: tokens in the vault and lent, and what the bank owes together rounded up.
    pub vaults: BTreeMap<String, (u64, u64)>,
    /// Sum of all positions, smallest units. Zero.
    pub net_position: i128,
    /// Half the sum of the perps' sizes.
    pub open_interest: u64,
    /// Quotes, claims, fees and clearing less what the pools hold, micro-dollars. Zero.
    pub net_quote: i128,
    /// What the pools hold, micro-dollars.
    pub pools: u64,
}

/// Adds up every account: I-01 vaults and loans cover claims, I-02 positions of every instrument sum to zero and open interest is
/// the sum of the long ones (in a settled expiry each side leaves by itself), I-03 payments, claims, fees, clearing and pools sum
/// to zero, I-06 shares sum to the bank's totals.
///
/// # Errors
/// Names the law that does not hold, and by how much.
pub fn check_books(world: &World) -> anyhow::Result<Books> {
    let accounts = world.accounts();
    let mut books = Books::default();
    let mut pools = BTreeMap::<String, u64>::new();
    for (key, underlying) in &accounts.underlyings {
        let mut sides = BTreeMap::<_, [i128; 2]>::new();
        let (mut quotes, mut claims) = (0i128, 0i128);
        for account in accounts.margin_accounts.values() {
            for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| slot.underlying == *key) {
                claims += i128::from(slot.claim) + i128::from(slot.fees) + i128::from(slot.funding);
                let mine = |position: &&PositionSlot| !position.is_empty() && usize::from(position.risk_slot) == index;
                for position in account.positions.iter().filter(mine) {
                    let id = (position.kind, position.expiry, position.strike);
                    let [longs, shorts] = sides.entry(id).or_default();
                    *longs += i128::from(position.quantity.max(0));
                    *shorts -= i128::from(position.quantity.min(0));
                    quotes += i128::from(position.quote);
                }
            }
        }
        for (id, [longs, shorts]) in &sides {
            let settling = id.0 != InstrumentKind::Perp as u8 && underlying.expiries[usize::from(id.1)].is_settled();
            anyhow::ensure!(settling || longs == shorts, "I-02: positions in {id:?} on {key} are {longs} and {shorts}");
        }
        check_interest(underlying, &sides)?;
        let pool = &underlying.pool;
        let sum = quotes + claims + i128::from(pool.unsettled_fees) + i128::from(pool.clearing);
        anyhow::ensure!(
            sum == i128::from(pool.balance),
            "I-03: quotes {quotes}, claims {claims}, fees {} and clearing {} on {key} are not the pool's {}",
            pool.unsettled_fees,
            pool.clearing,
            pool.balance
        );
        books.net_position += sides.values().map(|[longs, shorts]| longs - shorts).sum::<i128>();
        books.net_quote += sum - i128::from(pool.balance);
        books.open_interest += underlying.perp.open_interest;
        books.pools += pool.balance;
        *pools.entry(underlying.group.to_string()).or_default() += pool.balance + underlying.losses.first_loss;
    }
    for (key, bank) in &accounts.banks {
        let (mut deposits, mut loans) = (0i128, 0i128);
        for account in accounts.margin_accounts.values() {
            for slot in account.collateral.iter().filter(|slot| slot.bank == *key) {
                deposits += i128::from(slot.shares.max(0));
                loans -= i128::from(slot.shares.min(0));
            }
        }
        anyhow::ensure!(
            (deposits, loans) == (bank.deposit_shares.into(), bank.borrow_shares.into()),
            "I-06: accounts hold {deposits} and owe {loans} shares of bank {key}, the bank counts {} and {}",
            bank.deposit_shares,
            bank.borrow_shares
        );
        let held = world.tokens(&bank.vault) + bank.debts_down()?;
        let owed = bank.claims_up()? + bank.reserves()?;
        anyhow::ensure!(held >= owed, "I-01: vault and loans of {key} are {held}, it owes {owed}");
        if bank.is_quote() {
            let pools = pools.get(&bank.group.to_string()).copied().unwrap_or(0);
            anyhow::ensure!(bank.pools == pools, "I-03: pools hold {pools}, the quote bank counts {}", bank.pools);
        }
        books.vaults.insert(key.to_string(), (held, owed));
    }
    Ok(books)
}

/// I-02: stored open interest is the sum of the long positions, of every instrument; an expiry counts both sides.
fn check_interest(underlying: &Underlying, sides: &BTreeMap<(u8, u8, u16), [i128; 2]>) -> anyhow::Result<()> {
    let held = |kind: InstrumentKind, expiry: usize, strike: usize| {
        let id = (kind as u8, u8::try_from(expiry).unwrap_or(u8::MAX), u16::try_from(strike).unwrap_or(u16::MAX));
        sides.get(&id).copied().unwrap_or_default()
    };
    let mut counted = vec![(held(InstrumentKind::Perp, 0, 0)[0], underlying.perp.open_interest)];
    let mut by_expiry = vec![0i128; underlying.expiries.len()];
    for (index, slot) in underlying.expiries.iter().enumerate() {
        let future = held(InstrumentKind::Future, index, 0);
        counted.push((future[0], slot.future_interest));
        by_expiry[index] += future.iter().sum::<i128>();
    }
    for (index, slot) in underlying.strikes.iter().enumerate().filter(|(_, slot)| !slot.is_free()) {
        let expiry = usize::from(slot.expiry) - 1;
        for (kind, stored) in [(InstrumentKind::Call, slot.calls), (InstrumentKind::Put, slot.puts)] {
            let sides = held(kind, expiry, index);
            counted.push((sides[0], stored));
            by_expiry[expiry] += sides.iter().sum::<i128>();
        }
    }
    for (index, slot) in underlying.expiries.iter().enumerate() {
        counted.push((by_expiry[index], slot.interest));
    }
    for (held, stored) in counted {
        anyhow::ensure!(held == i128::from(stored), "I-02: open interest is {held}, the sheet counts {stored}");
    }
    Ok(())
}
