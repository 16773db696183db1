//! How long a keeper needs: to load 10,000 accounts, for a price tick, and to value a million. docs/keeper.md has the numbers.
//!
//! ```sh
//! cargo run --example load -p margrave-keeper --config 'profile.dev.package."*".opt-level=3' --config 'profile.dev.opt-level=3'
//! ```

#[path = "../tests/common/books.rs"]
mod books;
#[path = "load/double.rs"]
mod double;

use books::{Books, bytes_of};
use margrave::{
    oracle::Action,
    portfolio::{Arranged, revalue},
    state::*,
};
use margrave_client::{Pubkey, rpc::Snapshot};
use margrave_keeper::{book::Book, watch::Watch};
use margrave_risk::{Group as CorrelationGroup, Ratio, StoredArray, Usd, stored_scan};
use std::{hint::black_box, time::Duration};

const ACCOUNTS: usize = 10_000;
const MILLION: usize = 1_000_000;

/// Time that this thread has had a core for: others may be using the machine.
#[derive(Clone, Copy)]
struct Instant(Duration);

impl Instant {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux");
        Self(Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).expect("nanoseconds")))
    }

    fn elapsed(self) -> Duration {
        Self::now().0 - self.0
    }
}

fn main() {
    let accounts = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(ACCOUNTS);
    let mut books = Books::open(1);
    books.fill(accounts, 20_000..300_000);
    let all: Vec<(Pubkey, MarginAccount)> =
        books.book.accounts.margin_accounts.iter().map(|it| (*it.0, *it.1)).collect();
    let held = |account: &MarginAccount| account.positions.iter().take_while(|it| !it.is_empty()).count();
    let options = |account: &MarginAccount| account.positions.iter().filter(|it| it.kind > 2).count();
    let total: usize = all.iter().map(|(_, account)| held(account)).sum();
    let of_options: usize = all.iter().map(|(_, account)| options(account)).sum();
    println!("{accounts} accounts, {total} positions, {of_options} of them options, on 4 underlyings with 4 expiries");

    cold_load(&books, &all);
    ticks(&mut books);
    millions(&books, &all);
}

/// Bytes as a node sends them to a first look.
fn cold_load(books: &Books, all: &[(Pubkey, MarginAccount)]) {
    let encoded: Vec<_> = all.iter().map(|(key, account)| (*key, bytes_of(account))).collect();
    let started = Instant::now();
    let mut snapshot = Snapshot { slot: 1, now: books.now, ..Snapshot::default() };
    for (key, data) in &encoded {
        assert!(snapshot.insert(*key, data));
    }
    let decoded = started.elapsed();
    let known = &books.book.accounts;
    snapshot.accounts.groups.clone_from(&known.groups);
    snapshot.accounts.banks.clone_from(&known.banks);
    snapshot.accounts.underlyings.clone_from(&known.underlyings);
    let mut book = Book::new(books.group);
    book.merge(snapshot);
    let merged = started.elapsed();
    let found = Watch::new(60).look(&mut book, &books.group, books.now).unwrap();
    println!(
        "cold load: decoded after {decoded:.1?}, in the book after {merged:.1?}, everybody valued after {:.1?} ({} valued)",
        started.elapsed(),
        found.valued
    );
}

/// One price moves, and whoever it may concern is valued.
fn ticks(books: &mut Books) {
    let group = books.group;
    for most_ppm in [500, 1_000, 5_000, 10_000, 50_000] {
        let (mut worst, mut sum, mut valued) = (Duration::ZERO, Duration::ZERO, 0);
        let mut watch = Watch::new(60);
        books.refresh(0, books::PRICE);
        watch.look(&mut books.book, &group, books.now).unwrap();
        let rounds = 20u32;
        for round in 0..rounds {
            books.now += 1;
            let side = if round % 2 == 0 { 1 } else { -1 };
            books.refresh(0, books::PRICE + books::PRICE / 1_000_000 * most_ppm * side);
            let started = Instant::now();
            let found = watch.look(&mut books.book, &group, books.now).unwrap();
            let took = started.elapsed();
            (worst, sum, valued) = (worst.max(took), sum + took, valued + found.valued);
        }
        let mean = sum / rounds;
        println!(
            "tick of {most_ppm} millionths up and down: {:.2?} on average, {worst:.2?} at worst, {} accounts valued on average",
            mean,
            valued / rounds as usize
        );
    }
    let started = Instant::now();
    let found = Watch::new(60).look(&mut books.book, &group, books.now).unwrap();
    println!("everybody, for comparison: {:.2?} (the changed ones only: {})", started.elapsed(), found.valued);
}

fn millions(books: &Books, all: &[(Pubkey, MarginAccount)]) {
    let known = &books.book.accounts;
    let has_options = |account: &MarginAccount| account.positions.iter().any(|it| it.kind > 2);
    let linear: Vec<_> = all.iter().filter(|(_, account)| !has_options(account)).copied().collect();
    for (name, some) in [("as they are", all), ("without options", &linear)] {
        let rounds = MILLION.div_ceil(some.len());
        let mut arranged = Arranged::new(&known.groups[&books.group]).unwrap();
        let (started, mut sum, mut count) = (Instant::now(), 0i128, 0usize);
        for _ in 0..rounds {
            for (_, account) in some {
                arranged.read(account, known, Action::Reduce, books.now).unwrap();
                sum += i128::from(arranged.valuation().unwrap().maintenance_margin.micros());
                count += 1;
            }
        }
        report(&format!("exact, {name}"), started.elapsed(), count, some.len());
        black_box(sum);

        let book = double::Book::of(known, some);
        let (started, mut total, mut count) = (Instant::now(), 0.0, 0usize);
        for _ in 0..rounds {
            for portfolio in &book.portfolios {
                total += book.maintenance(portfolio);
                count += 1;
            }
        }
        report(&format!("double precision, {name}"), started.elapsed(), count, some.len());
        black_box(total);
        let exact = sum as f64 / rounds as f64 / 1e6;
        println!("  maintenance margin of all: exact {exact:.0}, double precision {:.0}", total / rounds as f64);
    }

    // The arrays as the chain keeps them in each account.
    let mut arranged = Arranged::new(&known.groups[&books.group]).unwrap();
    let mut stored: Vec<Vec<StoredArray>> = Vec::with_capacity(all.len());
    for (_, account) in all {
        let mut account = Box::new(*account);
        account.count_change().unwrap();
        revalue(&mut account, &mut arranged, known, Action::Reduce, books.now).unwrap();
        let slots = account.risk.iter().filter(|slot| !slot.is_empty());
        let mut arrays: Vec<StoredArray> = slots
            .map(|slot| {
                let risk = &known.underlyings[&slot.underlying].risk;
                let group = CorrelationGroup {
                    id: u8::try_from(risk.correlation_group).unwrap(),
                    kappa: Ratio::from_ppm_up(risk.kappa_ppm).unwrap(),
                };
                StoredArray { group, array: slot.array(), basis: Usd::ZERO }
            })
            .collect();
        arrays.sort_by_key(|stored| stored.group.id);
        stored.push(arrays);
    }
    let rounds = MILLION.div_ceil(stored.len());
    let (started, mut sum, mut count) = (Instant::now(), 0i128, 0usize);
    for _ in 0..rounds {
        for arrays in &stored {
            sum += i128::from(stored_scan(arrays).micros());
            count += 1;
        }
    }
    report("scan from stored arrays", started.elapsed(), count, stored.len());
    black_box(sum);
}

fn report(what: &str, took: Duration, count: usize, distinct: usize) {
    let each = took / u32::try_from(count).unwrap();
    println!(
        "{what}: a million in {:.2} s, {each:.2?} each ({distinct} distinct accounts again and again)",
        each.as_secs_f64() * 1e6
    );
}
