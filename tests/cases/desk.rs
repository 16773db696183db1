//! A market with futures and options, for the tests that trade them.

use crate::common::*;
use margrave::state::{BankTerms, Change, Instrument, InstrumentKind, MarketTerms, RiskTerms};
pub use margrave_client::instruction::{self, PlacedLeg};

/// Prices are 10^-10 dollars.
pub const DOLLAR_PRICE: i64 = 10_000_000_000;
pub const DAY: i64 = 86_400;

/// SOL at 35 dollars with one expiry in 30 days: a future and calls and puts at 25 to 45 dollars, 60 % volatility. A rich maker,
/// and alice with 5,000 dollars.
pub struct Desk {
    pub world: World,
    pub maker: Trader,
    pub alice: Trader,
    pub expiry: u8,
    pub series: u32,
    /// When it expires, unix seconds.
    pub time: i64,
}

impl Desk {
    pub fn open() -> Self {
        Self::with(|_, _, _| ())
    }

    /// With other terms of the underlying and of the quote bank.
    pub fn with(adjust: impl FnOnce(&mut RiskTerms, &mut MarketTerms, &mut BankTerms)) -> Self {
        let mut world = World::empty(World::START).unwrap();
        world.create_group(0).unwrap();
        let (mut risk, mut market, mut quote) = (terms::risk_terms(), terms::market_terms(), terms::quote_terms());
        adjust(&mut risk, &mut market, &mut quote);
        world.list_sol(risk).unwrap();
        let (underlying, oracle) = (world.sol, terms::oracle_terms(SOL_FEED));
        world.change(Change::Underlying { underlying, oracle, risk, market }, None).unwrap();
        world.change(Change::Bank { bank: world.usdc_bank, terms: quote }, None).unwrap();
        world.launch().unwrap();
        world.set_price(PRICE).unwrap();
        let strikes = [25, 30, 35, 40, 45].map(|dollars| dollars * DOLLAR_PRICE);
        let (expiry, series) = world.list_expiry(world.sol, 30, 60, &strikes).unwrap();
        let time = world.now() + 30 * DAY;
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 0);
        Self { world, maker, alice, expiry, series, time }
    }

    pub fn future(&self) -> Instrument {
        self.world.instrument(&self.world.sol, InstrumentKind::Future, self.expiry, 0)
    }

    /// Strikes in dollars.
    pub fn call(&self, strike: i64) -> Instrument {
        self.world.instrument(&self.world.sol, InstrumentKind::Call, self.expiry, strike * DOLLAR_PRICE)
    }

    pub fn put(&self, strike: i64) -> Instrument {
        self.world.instrument(&self.world.sol, InstrumentKind::Put, self.expiry, strike * DOLLAR_PRICE)
    }

    /// A leg at the mark.
    pub fn leg(&self, instrument: Instrument, quantity: i64) -> PlacedLeg {
        self.world.leg(self.world.sol, instrument, quantity)
    }

    /// A leg at another price.
    pub fn leg_at(&self, instrument: Instrument, quantity: i64, price: i64) -> PlacedLeg {
        let mut leg = PlacedLeg { underlying: self.world.sol, leg: self.leg(Instrument::PERP, quantity).leg };
        (leg.leg.instrument, leg.leg.price) = (instrument, price);
        leg
    }

    /// Alice takes, the maker makes.
    pub fn alice_trades(&mut self, legs: &[PlacedLeg]) -> Outcome {
        self.world.trade_legs(&self.alice, &self.maker, legs)
    }

    /// Sets a flat smile for the time that is left, and the carry it has.
    pub fn refresh_surface(&mut self, vol_percent: i64) -> Outcome {
        set_flat_surface(&mut self.world, self.expiry, vol_percent)
    }

    /// Goes to the expiry with prices every minute of the settlement window, all of them `price`, and one at the expiry.
    pub fn expire_at(&mut self, price: i64) {
        let time = self.time;
        expire(&mut self.world, time, price);
    }

    pub fn settlement_price(&self) -> i64 {
        self.world.underlying().expiries[usize::from(self.expiry)].settlement_price
    }
}

/// Sets a flat smile for the time that an expiry of SOL has left, and the carry it has.
pub fn set_flat_surface(world: &mut World, expiry: u8, vol_percent: i64) -> Outcome {
    let sheet = world.underlying();
    let slot = sheet.expiries[usize::from(expiry)];
    let left = slot.time - sheet.oracle.publish_time;
    let surface = margrave_client::Surface { carry: slot.carry, ..flat_surface(vol_percent, left) };
    let (operator, group, sol) = (world.operator.pubkey(), world.group, world.sol);
    world.send(&[instruction::set_surface(operator, group, sol, (expiry, slot.series), surface)], &[])
}

/// SOL at `price` every minute from half an hour before `time` up to it.
pub fn expire(world: &mut World, time: i64, price: i64) {
    for before in (0..=30).rev() {
        world.set_time(time - 60 * before);
        world.set_price(price).unwrap();
    }
}

/// The two sides of a perp, future or option position of an account: quantity and quote.
pub fn holding(world: &World, trader: &Trader, instrument: &Instrument) -> (i64, i64) {
    let account = world.account(trader);
    let held = account.position_in(&world.sol, instrument).map(|index| account.positions[index]);
    held.map_or((0, 0), |slot| (slot.quantity, slot.quote))
}

/// What an account is owed on SOL and has not been paid.
pub fn claim(world: &World, trader: &Trader) -> i64 {
    let account = world.account(trader);
    account.risk_in(&world.sol).map_or(0, |index| account.risk[index].claim)
}

/// The account's deposit of quote tokens (negative: loan), in shares.
pub fn cash(world: &World, trader: &Trader) -> i64 {
    world.account(trader).shares_in(&world.usdc_bank)
}
