//! The whole loop on the compiled program: from a price that falls to accounts that are in order again.

mod common;

use common::*;
use margrave::state::{Change, Group, GroupTerms, InstrumentKind, MarginAccount, Status};
use margrave_client::{Pubkey, pyth::push_account};
use margrave_keeper::{config::Config, keeper::Keeper};
use margrave_sim::{PriceMessage, RECEIVER, Token, Trader, World, check_books, price_update_account, terms::*};
use std::{cell::RefCell, rc::Rc};

const DOLLAR: u64 = 1_000_000;
const SOL: i64 = 1_000_000_000;
const PRICE: i64 = 350_000_000_000;

/// Long accounts of 500 SOL with 5,000 dollars each, short ones with more, a maker between them, and keepers.
struct Market {
    world: Rc<RefCell<World>>,
    longs: Vec<Trader>,
    keepers: Vec<Trader>,
}

impl Market {
    fn open(longs: usize, keepers: usize) -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let longs: Vec<Trader> =
            (0..longs).map(|index| world.funded(&format!("long {index}"), 5_000 * DOLLAR, 0)).collect();
        let keepers =
            (0..keepers).map(|index| world.funded(&format!("keeper {index}"), 1_000_000 * DOLLAR, 0)).collect();
        for (index, long) in (0i64..).zip(&longs) {
            world.trade(long, &maker, (500 - index) * SOL, PRICE).unwrap();
        }
        Self { world: Rc::new(RefCell::new(world)), longs, keepers }
    }

    fn chain(&self, keeper: usize, live: bool) -> Rc<SimChain> {
        Rc::new(SimChain::new(&self.world, &self.keepers[keeper], live))
    }

    fn config(&self) -> Config {
        config(&self.world.borrow())
    }

    fn account(&self, trader: &Trader) -> MarginAccount {
        self.world.borrow().account(trader)
    }

    /// Accounts below maintenance margin or counted as bankrupt, at the prices on chain, and whether a loss is open.
    fn undone(&self) -> (Vec<Pubkey>, bool) {
        let world = self.world.borrow();
        let (accounts, now) = (world.accounts(), world.now());
        let mut undone = Vec::new();
        for (key, account) in &accounts.margin_accounts {
            let value = accounts.value_to_liquidate(key, now).unwrap();
            if account.is_liquidatable(&value, now) || account.is_bankrupt() {
                undone.push(*key);
            }
        }
        let losses = world.underlying().losses;
        (undone, losses.unshared != 0 || losses.bankrupts != 0 || losses.registering_until != 0 || losses.is_sharing())
    }

    fn is_calm(&self) -> bool {
        let (undone, open) = self.undone();
        undone.is_empty() && !open
    }

    /// Steps of a second until all is in order; returns how many it took.
    fn settle(&self, keepers: &mut [Keeper<SimChain>], price: i64, most: i64) -> i64 {
        for second in 0..most {
            if self.is_calm() {
                return second;
            }
            for keeper in &mut *keepers {
                block_on(step(keeper));
            }
            pass(&self.world, 1, price);
        }
        panic!("after {most} s something is undone: {:?}", self.undone());
    }
}

#[test]
fn a_crash_is_weathered_without_anybody_s_help() {
    for live in [true, false] {
        let market = Market::open(6, 1);
        let mut keeper = keeper_on(&market.chain(0, live), &market.config());
        // Everybody pays the fees of his trade into the pool, and then there is nothing to do.
        assert_eq!(block_on(step(&mut keeper)), 7);
        assert_eq!(block_on(step(&mut keeper)), 0);
        // The price is published and nobody puts it on chain.
        pass(&market.world, 30, 270_000_000_000);
        assert_eq!(market.world.borrow().underlying().oracle.price, PRICE);
        let mut keepers = [keeper];
        // It is put with the first liquidation: until then nobody on chain is below anything.
        block_on(step(&mut keepers[0]));
        let seconds = market.settle(&mut keepers, 270_000_000_000, 60);
        assert!(seconds <= 20, "{seconds}");
        for long in &market.longs {
            let account = market.account(long);
            let held = account.positions[0].quantity;
            assert!((0..500 * SOL).contains(&held), "{} still holds {held}", long.name);
            assert!(account.equity >= 0);
        }
        let taken = market.account(&market.keepers[0]).positions[0].quantity;
        assert!(taken > 0, "the keeper has taken over {taken}");
        check_books(&market.world.borrow()).unwrap();
    }
}

#[test]
fn bankruptcies_are_resolved_and_winners_bear_the_rest() {
    let market = Market::open(4, 1);
    let mut config = market.config();
    config.jobs.sweep = true;
    let mut keepers = [keeper_on(&market.chain(0, true), &config)];
    // 13 dollars on 500 SOL are more than the 5,000 that each has.
    pass(&market.world, 60, 220_000_000_000);
    block_on(step(&mut keepers[0]));
    let seconds = market.settle(&mut keepers, 220_000_000_000, 1_500);
    // Registration of profit alone takes ten minutes.
    assert!((600..1_000).contains(&seconds), "{seconds}");
    for long in &market.longs {
        let account = market.account(long);
        assert!(account.positions[0].is_empty() && account.status == Status::Healthy as u8, "{}", long.name);
    }
    check_books(&market.world.borrow()).unwrap();
    // The maker's profit is paid out by and by, as far as the pool goes.
    for _ in 0..60 {
        block_on(step(&mut keepers[0]));
        pass(&market.world, 1, 220_000_000_000);
    }
    let pool = market.world.borrow().underlying().pool;
    assert_eq!((pool.balance, pool.unsettled_fees), (0, 0), "fees are swept, and the rest is drawn");
}

#[test]
fn a_second_keeper_changes_nothing_but_who_is_paid() {
    let market = Market::open(8, 2);
    let config = market.config();
    let chains = [market.chain(0, true), market.chain(1, false)];
    let mut keepers: Vec<_> = chains.iter().map(|chain| keeper_on(chain, &config)).collect();
    pass(&market.world, 30, 265_000_000_000);
    // Both look at the same state before either acts.
    let mut looks: Vec<usize> = Vec::new();
    for keeper in &mut keepers {
        looks.push(block_on(keeper.look()).unwrap().begun);
    }
    assert!(looks.iter().all(|begun| *begun > 0), "{looks:?}");
    market.settle(&mut keepers, 265_000_000_000, 120);
    check_books(&market.world.borrow()).unwrap();
    let sizes: i64 = market.longs.iter().map(|long| market.account(long).positions[0].quantity).sum();
    let taken: i64 = market.keepers.iter().map(|keeper| market.account(keeper).positions[0].quantity).sum();
    let opened: i64 = (0..8).map(|index| (500 - index) * SOL).sum();
    assert_eq!(sizes + taken, opened, "every unit that left one is with another");
    let (sent, landed): (u64, u64) =
        chains.iter().map(|it| (it.sent.get(), it.landed.get())).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    // What is simulated first is hardly ever refused on chain.
    assert!(landed * 10 >= sent * 7, "{landed} of {sent}");
}

#[test]
fn a_keeper_that_only_simulates_changes_no_byte() {
    let market = Market::open(3, 1);
    let config = Config { dry_run: true, ..market.config() };
    let chain = market.chain(0, true);
    let mut keeper = keeper_on(&chain, &config);
    pass(&market.world, 30, 270_000_000_000);
    let before = market.world.borrow().snapshot();
    let begun: usize = (0..5).map(|_| block_on(step(&mut keeper))).sum();
    assert!(begun >= 3, "{begun}");
    assert!(before == market.world.borrow().snapshot());
    assert_eq!(chain.sent.get(), 0);
}

#[test]
fn what_earns_too_little_is_left() {
    let market = Market::open(3, 1);
    let mut config = market.config();
    // More than the fee on 500 SOL at 27 dollars can be.
    config.profit.least = 1_000 * 1_000_000;
    let mut keeper = keeper_on(&market.chain(0, true), &config);
    for _ in 0..5 {
        pass(&market.world, 5, 270_000_000_000);
        block_on(step(&mut keeper));
    }
    for (index, long) in (0i64..).zip(&market.longs) {
        assert_eq!(market.account(long).positions[0].quantity, (500 - index) * SOL);
    }
    assert!(!market.is_calm());
}

/// Killed at any of the moments at which it waits for the node, 200 times, and started again.
#[test]
fn a_keeper_that_is_killed_at_any_moment_does_nothing_twice() {
    let market = Market::open(12, 1);
    let config = market.config();
    pass(&market.world, 30, 262_000_000_000);
    let mut rng = fastrand::Rng::with_seed(20_261_121);
    let mut acted = 0;
    for _ in 0..200 {
        let chain = market.chain(0, rng.bool());
        let mut keeper = None;
        let life = async {
            keeper = Some(Keeper::start(Rc::clone(&chain), config.clone(), Default::default()).await.unwrap());
            let keeper = keeper.as_mut().unwrap();
            loop {
                step(keeper).await;
            }
        };
        // With all that it has under way.
        let _: Option<()> = polled(life, rng.usize(1..40));
        drop(keeper);
        acted += chain.landed.get();
        check_books(&market.world.borrow()).unwrap();
        if rng.u8(0..10) == 0 {
            pass(&market.world, 1, 262_000_000_000);
        }
    }
    assert!(acted > 12, "{acted} transactions landed before their keeper was killed");
    let mut keepers = [keeper_on(&market.chain(0, true), &config)];
    let seconds = market.settle(&mut keepers, 262_000_000_000, 60);
    assert!(seconds <= 60);
    let held: i64 = market.longs.iter().map(|long| market.account(long).positions[0].quantity).sum();
    let taken = market.account(&market.keepers[0]).positions[0].quantity;
    let opened: i64 = (0..12).map(|index| (500 - index) * SOL).sum();
    assert_eq!(held + taken, opened);
    check_books(&market.world.borrow()).unwrap();
}

/// F-08 and F-12: questions without answers, readings of before, transactions that are lost, and some that land unheard.
#[test]
fn all_due_work_is_done_within_a_minute_of_bad_network() {
    let market = Market::open(12, 2);
    let config = market.config();
    let chains = [market.chain(0, true), market.chain(1, false)];
    let mut keepers: Vec<_> = chains.iter().map(|chain| keeper_on(chain, &config)).collect();
    for chain in &chains {
        chain.faults.set(Faults { lost_percent: 30, stale_percent: 10, dropped_percent: 20, unheard_percent: 10 });
    }
    pass(&market.world, 30, 262_000_000_000);
    // The price has to land before anything is due by the chain's own numbers.
    for _ in 0..10 {
        for keeper in &mut keepers {
            block_on(step(keeper));
        }
        pass(&market.world, 1, 262_000_000_000);
    }
    let seconds = market.settle(&mut keepers, 262_000_000_000, 60);
    assert!(seconds + 10 <= 60, "{seconds}");
    let held: i64 = market.longs.iter().map(|long| market.account(long).positions[0].quantity).sum();
    let taken: i64 = market.keepers.iter().map(|keeper| market.account(keeper).positions[0].quantity).sum();
    assert_eq!(held + taken, (0..12).map(|index| (500 - index) * SOL).sum::<i64>());
    check_books(&market.world.borrow()).unwrap();
}

/// The websocket was away while an account came, and the node is not there when everything should be read again.
#[test]
fn what_was_missed_is_read_again_until_it_is_had() {
    let mut market = Market::open(1, 1);
    let chain = market.chain(0, true);
    let mut keeper = keeper_on(&chain, &market.config());
    block_on(step(&mut keeper));
    let late = market.world.borrow_mut().funded("late", 5_000 * DOLLAR, 0);
    market.world.borrow_mut().trade(&market.longs[0], &late, -500 * SOL, PRICE).unwrap();
    market.longs.push(late);
    chain.cut.set(true);
    chain.faults.set(Faults { lost_percent: 100, ..Faults::default() });
    block_on(step(&mut keeper));
    chain.faults.set(Faults::default());
    pass(&market.world, 3, 270_000_000_000);
    block_on(step(&mut keeper));
    let seconds = market.settle(&mut [keeper], 270_000_000_000, 60);
    assert!(seconds <= 20 && market.account(&market.longs[1]).positions[0].quantity < 500 * SOL, "{seconds}");
}

#[test]
fn an_expiry_is_settled_and_closed() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 100_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let (expiry, _) = world.list_expiry(world.sol, 2, 60, &[PRICE]).unwrap();
    for (kind, strike) in [(InstrumentKind::Call, PRICE), (InstrumentKind::Future, 0)] {
        let instrument = world.instrument(&world.sol, kind, expiry, strike);
        let leg = world.leg(world.sol, instrument, 10 * SOL);
        world.trade_legs(&alice, &maker, &[leg]).unwrap();
    }
    let time = world.underlying().expiries[usize::from(expiry)].time;
    let world = Rc::new(RefCell::new(world));
    let config = config(&world.borrow());
    let chain = Rc::new(SimChain::new(&world, &keeper, true));
    let mut keeper = keeper_on(&chain, &config);
    // Half a minute from one price to the next, through the settlement window and beyond.
    let ahead = time - world.borrow().now() - 2_000;
    pass(&world, ahead, PRICE);
    let closed = |world: &World| world.underlying().expiries[usize::from(expiry)].series == 0;
    for _ in 0..120 {
        pass(&world, 30, PRICE + 10_000_000_000);
        block_on(step(&mut keeper));
    }
    assert!(closed(&world.borrow()), "the slot is free again");
    for trader in [&alice, &maker] {
        assert!(world.borrow().account(trader).positions[0].is_empty());
    }
    check_books(&world.borrow()).unwrap();
}

#[test]
fn interest_is_accrued_when_it_is_due_and_only_of_what_is_lent() {
    let market = Market::open(1, 1);
    let borrower = market.world.borrow_mut().funded("borrower", 0, 1_000 * SOL.unsigned_abs());
    market.world.borrow_mut().borrow(&borrower, Token::Usdc, 1_000 * DOLLAR).unwrap();
    // A settlement moves the quote token, and so accrues its interest.
    let mut config = market.config();
    config.jobs.settlement = false;
    let bank = |token| market.world.borrow().bank(token).1;
    let (before, idle) = (bank(Token::Usdc), bank(Token::Sol));
    let mut keeper = keeper_on(&market.chain(0, true), &config);
    let wait = |keeper: &mut Keeper<SimChain>, until: i64| {
        let secs = until - market.world.borrow().now();
        pass(&market.world, secs, PRICE);
        block_on(step(keeper));
    };
    wait(&mut keeper, before.accrued_at + config.jobs.interest_secs - 1);
    assert_eq!(bank(Token::Usdc).accrued_at, before.accrued_at, "an hour has not passed");
    wait(&mut keeper, before.accrued_at + config.jobs.interest_secs);
    assert_eq!(bank(Token::Usdc).accrued_at, market.world.borrow().now());
    assert!(bank(Token::Usdc).borrow_index > before.borrow_index, "whoever has borrowed owes more");
    assert_eq!(bank(Token::Sol).accrued_at, idle.accrued_at, "nothing of it is lent");
}

#[test]
fn a_quote_token_below_its_peg_is_told_of_until_it_is_back() {
    let mut world = World::with_market(PRICE).unwrap();
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let feed = [7; 32];
    let peg = world.list_underlying("USDC", oracle_terms(feed), risk_terms(), market_terms()).unwrap();
    world.change(Change::Group(GroupTerms { peg_underlying: peg, ..group_terms() }), None).unwrap();
    let world = Rc::new(RefCell::new(world));
    let mut keeper = keeper_on(&Rc::new(SimChain::new(&world, &keeper, true)), &config(&world.borrow()));
    // Four times what is missing below 99 cents.
    let one = 1i64 << 30;
    for (price, surcharge) in [(10_000_000_000, 0), (9_700_000_000, one * 8 / 100 + 1), (9_950_000_000, 0)] {
        for _ in 0..3 {
            pass(&world, 1, PRICE);
            let message = PriceMessage { feed_id: feed, ..world.borrow().good_price(price) };
            let account = price_update_account(&message, 0, RECEIVER);
            world.borrow_mut().svm.set_account(push_account(0, &feed), account).unwrap();
            block_on(step(&mut keeper));
        }
        let group: Group = world.borrow().load(&world.borrow().group);
        assert_eq!(group.depeg, surcharge, "at {price}");
    }
}

#[test]
fn a_queued_change_is_made_when_its_time_has_come() {
    let market = Market::open(1, 1);
    let group = market.world.borrow().group;
    let terms = GroupTerms { outflow_cap: 77_000_000, ..group_terms() };
    let proposal = market.world.borrow_mut().queue(Change::Group(terms)).unwrap();
    let due_at = market.world.borrow().proposal(&proposal).executable_at;
    let made = || market.world.borrow().load::<Group>(&group).terms.outflow_cap == terms.outflow_cap;
    let mut config = market.config();
    let mut idle = keeper_on(&market.chain(0, true), &config);
    config.jobs.proposals = true;
    let mut keeper = keeper_on(&market.chain(0, true), &config);
    for (now, keeper, is_made) in [(due_at - 1, &mut keeper, false), (due_at, &mut idle, false)] {
        market.world.borrow_mut().set_time(now);
        pass(&market.world, 0, PRICE);
        block_on(step(keeper));
        assert_eq!(made(), is_made, "at {now}");
    }
    block_on(step(&mut keeper));
    assert!(made(), "its time has come");
    // It is gone from the chain, and the keeper does not ask for it again.
    assert!(market.world.borrow().svm.get_account(&proposal).is_none_or(|account| account.lamports == 0));
    pass(&market.world, 10, PRICE);
    block_on(step(&mut keeper));
    assert_eq!(block_on(step(&mut keeper)), 0);
}

#[test]
fn a_keeper_without_a_margin_account_says_so() {
    let mut world = World::with_market(PRICE).unwrap();
    let stranger = world.wallet("stranger");
    let world = Rc::new(RefCell::new(world));
    let config = config(&world.borrow());
    let chain = Rc::new(SimChain::new(&world, &stranger, true));
    let error = block_on(Keeper::start(Rc::clone(&chain), config.clone(), Default::default())).err().unwrap();
    assert!(error.to_string().contains("no margin account number 0"), "{error}");
    let mut without = config;
    (without.jobs.liquidation, without.jobs.bankruptcy) = (false, false);
    let mut keeper = keeper_on(&chain, &without);
    pass(&world, 30, PRICE + 1_000_000_000);
    assert_eq!(block_on(step(&mut keeper)), 1, "it puts prices");
    assert_eq!(world.borrow().underlying().oracle.price, PRICE + 1_000_000_000);
}
