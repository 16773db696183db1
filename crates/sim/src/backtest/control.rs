//! The control: the same positions, each margined by itself at a fixed part of its notional, in double precision and
//! without a chain.
//!
//! Every position and deposit asks for 4/3 of the floor of its coin's scan range and the charge on net value, in
//! maintenance for 0.8 of the range: what the engine would ask for it alone on a calm day. Nothing offsets, nothing
//! adapts. A short option asks as much as a future of its notional, a long one no more than its value; a deposit also its
//! haircut. An account opens with the same multiple of its initial margin as in the portfolio system. Below maintenance
//! margin its positions are closed at the mark less the same fees, the largest first, in part if that is enough to come
//! to 115 % of maintenance margin; then deposits are sold if dollars are owed. What is owed after that is paid by
//! insurance, which begins with the same amount and gets a fifth of the fees, and the rest is shared.

use crate::{
    market::{Coin, Path},
    population::{FUTURE, Member, Population},
    replay::{Keeper, Seen},
    tally::Tally,
};
use margrave_sim::terms::{group_terms, market_terms, risk_terms};

const MICROS: f64 = 1e6;

fn part(ppm: u32) -> f64 {
    f64::from(ppm) / 1e6
}

#[allow(clippy::cast_possible_truncation)]
fn micros(dollars: f64) -> i64 {
    (dollars * MICROS) as i64
}

/// 10^-10 dollars to dollars.
#[allow(clippy::cast_precision_loss)]
fn dollars(price: i64) -> f64 {
    price as f64 / 1e10
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Linear,
    Option,
    Deposit,
}

struct Item {
    kind: Kind,
    coin: usize,
    place: usize,
    /// Whole units, signed.
    quantity: f64,
    entry: f64,
}

/// An item at an hour's prices.
struct Worth {
    /// What closing it brings, and what it asks for at each level.
    value: f64,
    initial: f64,
    maintenance: f64,
    /// What closing it costs.
    fee: f64,
}

impl Item {
    fn worth(&self, coin: &Coin, seen: &Seen) -> Worth {
        let (risk, bank) = (risk_terms(), coin.bank_terms());
        let spot = dollars(seen.prices[self.coin]);
        let notional = self.quantity.abs() * spot;
        let charge = part(risk.net_charge_ppm);
        // The grid's edge is at 4/3 of the range.
        let edge = part(coin.range_ppm) * 4.0 / 3.0;
        let initial = notional * (edge + charge);
        let maintenance = notional * (edge * part(group_terms().maintenance_scan_ppm) + charge);
        let fee = notional * part(risk.liquidation_fee_ppm);
        match self.kind {
            Kind::Linear => {
                let mark = dollars(seen.marks[self.coin][self.place]);
                Worth { value: self.quantity * (mark - self.entry), initial, maintenance, fee }
            }
            Kind::Option => {
                let value = self.quantity * dollars(seen.marks[self.coin][self.place]);
                let most = if value < 0.0 { f64::INFINITY } else { value };
                let fee = fee.min(value.abs() * part(market_terms().option_fee_cap_ppm));
                Worth { value, initial: initial.min(most), maintenance: maintenance.min(most), fee }
            }
            Kind::Deposit => Worth {
                value: notional,
                initial: initial + notional * part(bank.haircut_initial_ppm),
                maintenance: maintenance + notional * part(bank.haircut_maintenance_ppm),
                fee: notional * part(bank.liquidation_fee_ppm),
            },
        }
    }
}

struct Account<'a> {
    member: &'a Member,
    cash: f64,
    items: Vec<Item>,
}

#[allow(clippy::cast_precision_loss)]
fn items_of(member: &Member, seen: &Seen) -> Vec<Item> {
    let leg = |&(coin, place, quantity): &(usize, usize, i64)| {
        let kind = if place <= FUTURE { Kind::Linear } else { Kind::Option };
        Item { kind, coin, place, quantity: quantity as f64 / 1e9, entry: dollars(seen.marks[coin][place]) }
    };
    let deposit = |&(coin, atoms): &(usize, u64)| Item {
        kind: Kind::Deposit,
        coin,
        place: 0,
        quantity: atoms as f64 / 1e9,
        entry: 0.0,
    };
    member.legs.iter().map(leg).chain(member.deposits.iter().map(deposit)).collect()
}

impl<'a> Account<'a> {
    #[allow(clippy::cast_precision_loss)]
    fn open(member: &'a Member, path: &Path, seen: &Seen) -> Self {
        let mut this = Self { member, cash: 0.0, items: items_of(member, seen) };
        let (value, initial, _) = this.sums(path, seen);
        let cash = initial * member.multiple as f64 / 100.0 - value;
        this.cash = if member.style.borrows { cash } else { cash.max(0.0) };
        this
    }

    /// Equity, initial and maintenance margin.
    fn sums(&self, path: &Path, seen: &Seen) -> (f64, f64, f64) {
        self.items.iter().fold((self.cash, 0.0, 0.0), |(equity, initial, maintenance), item| {
            let worth = item.worth(&path.coins[item.coin], seen);
            (equity + worth.value, initial + worth.initial, maintenance + worth.maintenance)
        })
    }

    /// Closes the part of an item; returns the fee and the notional.
    fn close(&mut self, index: usize, share: f64, path: &Path, seen: &Seen) -> (f64, f64) {
        let item = &mut self.items[index];
        let worth = item.worth(&path.coins[item.coin], seen);
        let notional = item.quantity.abs() * dollars(seen.prices[item.coin]) * share;
        self.cash += (worth.value - worth.fee) * share;
        item.quantity *= 1.0 - share;
        (worth.fee * share, notional)
    }

    /// Liquidates down to the end level; returns fees and notional.
    fn liquidate(&mut self, path: &Path, seen: &Seen) -> (f64, f64) {
        let end = 1.0 + part(group_terms().liquidation_buffer_ppm);
        let mut order: Vec<(bool, f64, usize)> = Vec::new();
        for (index, item) in self.items.iter().enumerate() {
            let worth = item.worth(&path.coins[item.coin], seen);
            order.push((item.kind == Kind::Deposit, -worth.maintenance, index));
        }
        order.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
        let mut sums = (0.0, 0.0);
        for (deposit, _, index) in order {
            let (equity, _, maintenance) = self.sums(path, seen);
            let missing = end * maintenance - equity;
            let worth = self.items[index].worth(&path.coins[self.items[index].coin], seen);
            if missing <= 0.0 || (deposit && self.cash >= 0.0) {
                continue;
            }
            let freed = end * worth.maintenance - worth.fee;
            let mut share = if freed > 0.0 { (missing / freed).min(1.0) } else { 1.0 };
            if deposit {
                share = share.min(-self.cash / (worth.value - worth.fee).max(1e-12)).min(1.0);
            }
            let (fee, notional) = self.close(index, share, path, seen);
            sums = (sums.0 + fee, sums.1 + notional);
        }
        sums
    }

    fn has_nothing(&self) -> bool {
        self.items.iter().all(|item| item.quantity.abs() < 1e-9)
    }
}

/// What an account is asked for at the start, micro-dollars.
pub fn initial_margin(member: &Member, path: &Path, seen: &Seen) -> i64 {
    micros(Account { member, cash: 0.0, items: items_of(member, seen) }.sums(path, seen).1)
}

/// The accounts that what they posted in the portfolio system would not have let open here.
pub fn could_not_open(population: &Population, path: &Path, seen: &Seen) -> usize {
    let too_poor = |member: &&Member| {
        // The program's equity is after maintenance haircuts, which the control asks for as margin.
        let items = items_of(member, seen);
        let haircuts = items.iter().filter(|item| item.kind == Kind::Deposit).map(|item| {
            let coin = &path.coins[item.coin];
            item.worth(coin, seen).value * part(coin.bank_terms().haircut_maintenance_ppm)
        });
        initial_margin(member, path, seen) - micros(haircuts.sum()) > member.equity
    };
    population.members.iter().filter(too_poor).count()
}

/// Replays the same hours.
pub fn run(population: &Population, path: &Path, seen: &[Seen], insurance: u64, keeper: Keeper) -> Tally {
    let Some(first) = seen.first() else { return Tally::default() };
    let mut tally = Tally { accounts: population.members.len(), insured: insurance, ..Tally::default() };
    #[allow(clippy::cast_precision_loss)]
    let mut fund = insurance as f64 / MICROS;
    let mut accounts: Vec<Account> =
        population.members.iter().map(|member| Account::open(member, path, first)).collect();
    for account in &accounts {
        let (equity, initial, _) = account.sums(path, first);
        tally.initial_margin += micros(initial);
        tally.equity += micros(equity);
    }
    for (number, hour) in seen[1..].iter().enumerate() {
        tally.hours += 1;
        if !keeper.acts_in(number) {
            continue;
        }
        let (bad_debt, liquidated) = (tally.bad_debt, tally.liquidated.len());
        for account in &mut accounts {
            let (equity, _, maintenance) = account.sums(path, hour);
            if equity >= maintenance || (account.has_nothing() && account.cash >= 0.0) {
                continue;
            }
            tally.liquidated.insert(account.member.trader.name.clone());
            let (fees, notional) = account.liquidate(path, hour);
            tally.fees += micros(fees);
            tally.taken_over += micros(notional);
            fund += fees * part(group_terms().liquidation_insurance_ppm);
            if account.has_nothing() && account.cash < 0.0 {
                tally.bankrupt.insert(account.member.trader.name.clone());
                let owed = -account.cash;
                let paid = owed.min(fund);
                fund -= paid;
                account.cash = 0.0;
                tally.bad_debt += micros(owed);
                tally.insurance += micros(paid);
                tally.shared += micros(owed) - micros(paid);
            }
        }
        tally.end_hour(margrave_sim::text::time(hour.time), bad_debt, liquidated);
    }
    if let Some(last) = seen.last() {
        tally.open = accounts.iter().map(|account| micros((-account.sums(path, last).0).max(0.0))).sum();
    }
    tally
}
