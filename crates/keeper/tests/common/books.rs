//! Random portfolios on real sheets: four underlyings with perps, futures and options of four expiries, prepared by the program.
#![allow(dead_code)]

use anchor_lang::Discriminator;
use bytemuck::Zeroable;
use margrave::{breaker::Present, oracle::Action, oracle::Observation, portfolio::Arranged, state::*};
use margrave_client::{Pubkey, rpc::Snapshot};
use margrave_keeper::{book::Book, feed::Update};
use margrave_sim::World;

pub const PRICE: i64 = 350_000_000_000;
pub const SOL: i64 = 1_000_000_000;
/// Days from the start, and volatility in hundredths.
const EXPIRIES: [(i64, i64); 4] = [(2, 70), (9, 65), (35, 60), (120, 55)];
const STRIKES: [i64; 5] = [70, 90, 100, 110, 140];

/// Sheets and banks, and a book of accounts on them.
pub struct Books {
    pub book: Book,
    pub group: Pubkey,
    pub usdc: Pubkey,
    pub sol_bank: Pubkey,
    pub underlyings: Vec<Pubkey>,
    pub now: i64,
    pub rng: fastrand::Rng,
    pub slot: u64,
}

impl Books {
    /// Without accounts.
    pub fn open(seed: u64) -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let mut underlyings = vec![world.sol];
        for symbol in ["BTC", "ETH", "DOGE"] {
            underlyings.push(world.list_other_underlying(symbol).unwrap());
        }
        for key in &underlyings {
            for (days, vol) in EXPIRIES {
                let strikes = STRIKES.map(|part| PRICE / 100 * part);
                world.list_expiry(*key, days, vol, &strikes).unwrap();
            }
        }
        let mut snapshot = Snapshot { slot: 1, now: world.now(), accounts: world.accounts(), ..Snapshot::default() };
        snapshot.accounts.margin_accounts.clear();
        for (index, key) in underlyings.iter().enumerate() {
            let sheet = snapshot.accounts.underlyings.get_mut(key).unwrap();
            // Three of them in one group, whose losses offset in part.
            sheet.risk.correlation_group = u32::from(index < 3);
            sheet.risk.kappa_ppm = 500_000 * u32::from(index < 3);
            sheet.risk.size_depth = 200_000_000_000;
            for expiry in 0..EXPIRIES.len() {
                assert!(!sheet.expiries[expiry].is_free());
            }
        }
        let mut book = Book::new(world.group);
        book.merge(snapshot);
        Self {
            book,
            group: world.group,
            usdc: world.usdc_bank,
            sol_bank: world.sol_bank,
            underlyings,
            now: world.now(),
            rng: fastrand::Rng::with_seed(seed),
            slot: 1,
        }
    }

    /// A random account with so much to spare, in millionths of what its positions are worth, between these.
    pub fn account(&mut self, spare: std::ops::Range<i64>) -> (Pubkey, MarginAccount) {
        let mut account = MarginAccount::zeroed();
        (account.version, account.group) = (1, self.group);
        let key = Pubkey::from(std::array::from_fn(|_| self.rng.u8(..)));
        account.owner = key;
        account.mode = [0, 0, 0, 1, 2][self.rng.usize(0..5)];
        let home = self.rng.usize(0..4);
        let mut gross = 0i64;
        for _ in 0..self.rng.usize(1..=7) {
            let at = if account.mode == 2 { home } else { self.rng.usize(0..4) };
            let underlying = self.underlyings[at];
            let sheet = &self.book.accounts.underlyings[&underlying];
            let instrument = match self.rng.u8(0..10) {
                0..4 => Instrument::PERP,
                kind => {
                    let expiry = self.rng.u8(0..4);
                    let series = sheet.expiries[usize::from(expiry)].series;
                    if kind < 5 {
                        Instrument { kind: InstrumentKind::Future, expiry, strike: 0, series }
                    } else {
                        let listed = (0u16..).zip(&sheet.strikes).filter(|(_, slot)| slot.expiry == expiry + 1);
                        let listed: Vec<u16> = listed.map(|(index, _)| index).collect();
                        let kind = [InstrumentKind::Call, InstrumentKind::Put][self.rng.usize(0..2)];
                        Instrument { kind, expiry, strike: listed[self.rng.usize(0..listed.len())], series }
                    }
                }
            };
            let quantity = self.rng.i64(1..200) * SOL * if self.rng.bool() { 1 } else { -1 };
            let index = account.open_position(underlying, &instrument, sheet.perp.funding_index).unwrap();
            let position = &mut account.positions[index];
            if position.quantity != 0 {
                continue;
            }
            let worth = i64::try_from(i128::from(quantity) * i128::from(PRICE) / 10_000 / i128::from(SOL)).unwrap();
            position.quantity = quantity;
            if !instrument.kind.is_option() {
                position.quote = -worth;
            }
            gross += worth.abs();
        }
        if self.rng.u8(0..3) == 0 && account.mode != 2 {
            let shares = self.rng.i64(1..100) * SOL * if self.rng.u8(0..3) == 0 { -1 } else { 1 };
            account.set_shares(self.sol_bank, self.underlyings[0], shares).unwrap();
        }
        account.compact().unwrap();
        let spare = i64::try_from(i128::from(gross) * i128::from(self.rng.i64(spare)) / 1_000_000).unwrap();
        // Cash for what is missing; a debt where there is too much.
        account.set_shares(self.usdc, Pubkey::default(), 1).unwrap();
        let cash = spare - self.health(&account);
        account.set_shares(self.usdc, Pubkey::default(), cash).unwrap();
        account.compact().unwrap();
        (key, account)
    }

    /// Equity beyond maintenance margin, micro-dollars.
    pub fn health(&self, account: &MarginAccount) -> i64 {
        let mut arranged = Arranged::new(&self.book.accounts.groups[&self.group]).unwrap();
        arranged.read(account, &self.book.accounts, Action::Reduce, self.now).unwrap();
        arranged.valuation().unwrap().maintenance_health().micros()
    }

    /// Puts an account into the book, as a node would tell of it.
    pub fn put(&mut self, key: Pubkey, account: &MarginAccount) {
        self.slot += 1;
        self.book.apply(&Update { slot: self.slot, key, data: bytes_of(account) });
    }

    /// Everybody at random.
    pub fn fill(&mut self, accounts: usize, spare: std::ops::Range<i64>) {
        for _ in 0..accounts {
            let (key, account) = self.account(spare.clone());
            self.put(key, &account);
        }
    }

    /// A new price of an underlying, which brings its sheet to this moment.
    pub fn refresh(&mut self, underlying: usize, price: i64) {
        let options = self.book.accounts.groups[&self.group].options.terms().unwrap();
        let sheet = self.book.accounts.underlyings.get_mut(&self.underlyings[underlying]).unwrap();
        let update = Observation {
            price,
            confidence: price.unsigned_abs() / 1_000,
            exponent: -10,
            publish_time: self.now,
            posted_slot: self.slot,
        };
        let present = Present { now: self.now, slot: u64::try_from(self.now).unwrap(), restart_slot: 0 };
        sheet.refresh(&update, &options, &present).unwrap();
    }

    pub fn price(&self, underlying: usize) -> i64 {
        self.book.accounts.underlyings[&self.underlyings[underlying]].oracle.price
    }
}

/// As it is stored on chain.
pub fn bytes_of(account: &MarginAccount) -> Vec<u8> {
    let mut data = MarginAccount::DISCRIMINATOR.to_vec();
    data.extend(bytemuck::bytes_of(account));
    data
}
