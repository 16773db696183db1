//! An account that is left alone needs nothing: held against valuing everybody, through calm and wild markets.

#[path = "common/books.rs"]
mod books;

use books::{Books, PRICE};
use margrave_client::Pubkey;
use margrave_keeper::watch::Watch;
use std::collections::BTreeSet;

/// Everybody below maintenance margin, by valuing everybody.
fn everybody(books: &Books) -> BTreeSet<Pubkey> {
    let accounts = &books.book.accounts.margin_accounts;
    accounts.iter().filter(|(_, account)| books.health(account) < 0).map(|(key, _)| *key).collect()
}

/// Runs so many looks; returns how many valuations were made, how many would have been without intervals, and who needed something.
fn compare(seed: u64, accounts: usize, looks: usize, wild: bool) -> (usize, usize, usize) {
    let mut books = Books::open(seed);
    books.fill(accounts, 0..150_000);
    let mut watch = Watch::new(60);
    let (mut valued, mut all, mut ever) = (0, 0, BTreeSet::new());
    for look in 0..looks {
        books.now += books.rng.i64(1..4);
        for underlying in 0..4 {
            if books.rng.u8(0..10) < 7 {
                let jumps = wild && books.rng.u8(0..20) == 0;
                let most = if jumps { 40_000 } else { 1_200 };
                let step = books.rng.i64(-most..=most);
                let price = books.price(underlying);
                let price = price + price / 1_000_000 * step;
                books.refresh(underlying, price.clamp(PRICE / 3, PRICE * 3));
            }
        }
        if wild {
            disturb(&mut books);
        }
        let group = books.group;
        let (now, expected) = (books.now, everybody(&books));
        let found = watch.look(&mut books.book, &group, now).unwrap();
        assert!(found.unknown.is_empty());
        let due: BTreeSet<Pubkey> = found.due.iter().map(|(_, key)| *key).collect();
        if let Some(missed) = expected.difference(&due).next() {
            let health = books.health(&books.book.accounts.margin_accounts[missed]);
            panic!("seed {seed}, look {look}: {missed} was left alone with {health}");
        }
        assert_eq!(due, expected, "seed {seed}, look {look}");
        (valued, all) = (valued + found.valued, all + books.book.accounts.margin_accounts.len());
        ever.extend(due);
    }
    (valued, all, ever.len())
}

/// Everything else that valuations depend on changes now and then.
fn disturb(books: &mut Books) {
    let some = |books: &mut Books| books.underlyings[books.rng.usize(0..4)];
    match books.rng.u8(0..40) {
        // A surface is set.
        0 => {
            let key = some(books);
            let part = books.rng.i64(90..=111);
            let sheet = books.book.accounts.underlyings.get_mut(&key).unwrap();
            sheet.strikes.iter_mut().for_each(|strike| strike.vol = strike.vol / 100 * part);
        }
        // Depositors bear a loss.
        1 => {
            let key = [books.usdc, books.sol_bank][books.rng.usize(0..2)];
            let bank = books.book.accounts.banks.get_mut(&key).unwrap();
            let index = u128::from_le_bytes(bank.deposit_index);
            bank.deposit_index = (index - index / 200).to_le_bytes();
        }
        // Terms change: of a bank, an underlying, the group.
        2 => {
            let key = books.sol_bank;
            let haircut = books.rng.u32(40_000..60_000);
            books.book.accounts.banks.get_mut(&key).unwrap().terms.haircut_maintenance_ppm = haircut;
        }
        3 => {
            let key = some(books);
            let charge = books.rng.u32(18_000..25_000);
            books.book.accounts.underlyings.get_mut(&key).unwrap().risk.net_charge_ppm = charge;
        }
        4 => {
            let part = books.rng.u32(780_000..820_000);
            let group = books.group;
            books.book.accounts.groups.get_mut(&group).unwrap().terms.maintenance_scan_ppm = part;
        }
        // Funding is charged.
        5 => {
            let key = some(books);
            let percent = books.rng.i64(-2..=2);
            let sheet = books.book.accounts.underlyings.get_mut(&key).unwrap();
            let index = i128::from_le_bytes(sheet.perp.funding_index);
            let paid = (i128::from(sheet.oracle.price) << 48) / 1_000 * i128::from(percent);
            sheet.perp.funding_index = (index + paid).to_le_bytes();
        }
        // Somebody trades, somebody comes, somebody goes.
        6..10 => {
            let mut keys: Vec<Pubkey> = books.book.accounts.margin_accounts.keys().copied().collect();
            keys.sort_unstable();
            let key = keys[books.rng.usize(0..keys.len())];
            let (other, account) = books.account(0..100_000);
            let key = if books.rng.bool() { key } else { other };
            books.put(key, &account);
        }
        10 => {
            let mut keys: Vec<Pubkey> = books.book.accounts.margin_accounts.keys().copied().collect();
            keys.sort_unstable();
            let key = keys[books.rng.usize(0..keys.len())];
            books.slot += 1;
            books.book.refetched(books.slot, vec![(key, None)]);
        }
        // Time passes in which nothing is published.
        11 => books.now += books.rng.i64(60..2_000),
        _ => {}
    }
}

#[test]
fn in_a_calm_market_few_are_valued_and_nobody_is_missed() {
    let (mut valued, mut all, mut needy) = (0, 0, 0);
    for seed in 0..2 {
        let (some, every, due) = compare(seed, 150, 150, false);
        (valued, all, needy) = (valued + some, all + every, needy + due);
    }
    assert!(needy > 0, "nobody ever needed anything");
    assert!(valued * 4 < all, "{valued} of {all}");
}

#[test]
fn in_a_wild_market_nobody_is_missed() {
    for seed in 10..16 {
        let (_, _, needy) = compare(seed, 80, 150, true);
        assert!(needy > 0, "seed {seed}: nobody ever needed anything");
    }
}

/// No price moves: one other thing changes, and those it makes needy are found at the next look.
#[test]
fn each_change_alone_is_noticed() {
    type Change = fn(&mut Books);
    fn on_sheets(books: &mut Books, change: fn(&mut margrave::state::Underlying)) {
        for key in books.underlyings.clone() {
            change(books.book.accounts.underlyings.get_mut(&key).unwrap());
        }
    }
    let changes: [(&str, Change); 9] = [
        ("surface", |books| on_sheets(books, |sheet| sheet.strikes.iter_mut().for_each(|it| it.vol *= 2))),
        ("funding", |books| {
            on_sheets(books, |sheet| {
                let index = i128::from_le_bytes(sheet.perp.funding_index);
                sheet.perp.funding_index = (index + (i128::from(sheet.oracle.price) << 48) / 50).to_le_bytes();
            });
        }),
        ("charge", |books| on_sheets(books, |sheet| sheet.risk.net_charge_ppm = 60_000)),
        ("range", |books| {
            on_sheets(books, |sheet| {
                let range = margrave_risk::Ratio::from_bits(sheet.range.range * 6 / 5).unwrap();
                sheet.set_range(range).unwrap();
            });
        }),
        ("group", |books| {
            let group = books.group;
            books.book.accounts.groups.get_mut(&group).unwrap().terms.maintenance_scan_ppm = 1_000_000;
        }),
        ("deposits", |books| {
            for key in [books.usdc, books.sol_bank] {
                let bank = books.book.accounts.banks.get_mut(&key).unwrap();
                let index = u128::from_le_bytes(bank.deposit_index);
                bank.deposit_index = (index - index / 5).to_le_bytes();
            }
        }),
        ("haircut", |books| {
            let key = books.sol_bank;
            books.book.accounts.banks.get_mut(&key).unwrap().terms.haircut_maintenance_ppm = 400_000;
        }),
        ("time", |books| {
            // A year of interest at 100 %, and nobody has looked since.
            for key in [books.usdc, books.sol_bank] {
                books.book.accounts.banks.get_mut(&key).unwrap().borrow_rate = 1 << 30;
            }
            books.now += 40 * 86_400;
        }),
        ("positions", |books| {
            let keys: Vec<Pubkey> = books.book.accounts.margin_accounts.keys().copied().collect();
            for key in keys {
                let mut account = books.book.accounts.margin_accounts[&key];
                account.positions.iter_mut().for_each(|position| position.quantity *= 2);
                books.put(key, &account);
            }
        }),
    ];
    for (name, change) in changes {
        let mut books = Books::open(3);
        books.fill(300, 12_000..40_000);
        let mut watch = Watch::new(60);
        let group = books.group;
        let found = watch.look(&mut books.book, &group, books.now).unwrap();
        assert!(found.due.is_empty() && found.close < 150, "{name}: {} are close", found.close);
        change(&mut books);
        let expected = everybody(&books);
        assert!(expected.len() > 3, "{name} makes {} needy: too little to tell", expected.len());
        let found = watch.look(&mut books.book, &group, books.now).unwrap();
        let due: BTreeSet<Pubkey> = found.due.iter().map(|(_, key)| *key).collect();
        assert_eq!(due, expected, "{name}");
    }
}
