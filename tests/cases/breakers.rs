//! What stops new risk for a while: each breaker trips, ends by itself, keeps nobody from paying, reducing and leaving, and makes
//! nobody liquidatable (I-34).

use crate::common::*;
use margrave::{
    breaker::BreakerKind::{self, *},
    instructions::ListExpiryArgs,
    state::{Change, Group, GroupTerms, InstrumentKind, OracleTerms, Pause, RiskTerms},
};
use margrave_client::instruction::{self, PlacedLeg};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const TOKEN: Pubkey = anchor_lang::pubkey!("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");

/// Every breaker on, as docs/parameters.md advises.
fn armed() -> RiskTerms {
    RiskTerms {
        liquidation_volume_cap: 10_000 * DOLLAR,
        volume_window_secs: 3_600,
        max_jump_ppm: 4_000_000,
        gap_ppm: 50_000,
        gap_pause_secs: 300,
        halt_secs: 300,
        grace_secs: 600,
        ..terms::risk_terms()
    }
}

/// SOL at 35 dollars with every breaker on, and somebody for each thing that one may want to do.
struct Floor {
    world: World,
    /// Rich, and short what the others are long.
    maker: Trader,
    /// Long 100 SOL on 5,000 dollars, far from trouble.
    alice: Trader,
    /// Long 500 SOL on 5,000 dollars, liquidatable at 31.50.
    victim: Trader,
    /// Owes 1,000 dollars against 1,000 SOL.
    borrower: Trader,
    /// Holds dollars and nothing else.
    flat: Trader,
    keeper: Trader,
}

impl Floor {
    fn open() -> Self {
        Self::with(armed(), terms::oracle_terms(SOL_FEED))
    }

    fn with(risk: RiskTerms, oracle: OracleTerms) -> Self {
        let mut world = World::empty(World::START).unwrap();
        world.create_group(0).unwrap();
        world.list_sol(risk).unwrap();
        let (underlying, market) = (world.sol, terms::market_terms());
        world.change(Change::Underlying { underlying, oracle, risk, market }, None).unwrap();
        world.launch().unwrap();
        world.set_price(PRICE).unwrap();
        let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 0);
        let victim = world.funded("victim", 5_000 * DOLLAR, 0);
        let borrower = world.funded("borrower", 0, 1_000 * SOL);
        let flat = world.funded("flat", 10_000 * DOLLAR, 0);
        let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
        world.borrow(&borrower, Token::Usdc, 1_000 * DOLLAR).unwrap();
        world.trade(&alice, &maker, 100 * SOL_LONG, PRICE).unwrap();
        world.trade(&victim, &maker, 500 * SOL_LONG, PRICE).unwrap();
        for trader in [&alice, &borrower] {
            world.give(trader, Token::Usdc, 10_000 * DOLLAR);
        }
        Self { world, maker, alice, victim, borrower, flat, keeper }
    }

    fn price(&self) -> i64 {
        self.world.underlying().oracle.price
    }

    /// So many seconds later, at a price.
    fn later(&mut self, secs: i64, price: i64) -> Receipt {
        self.world.set_time(self.world.now() + secs);
        self.world.set_price(price).unwrap()
    }

    /// Goes to a moment with the price that there is.
    fn stand_still_until(&mut self, time: i64) {
        let price = self.price();
        self.world.set_time(time);
        self.world.set_price(price).unwrap();
    }

    fn open_more(&mut self) -> Outcome {
        let price = self.price();
        self.world.trade(&self.alice, &self.maker, SOL_LONG, price)
    }

    fn lend_more(&mut self) -> Outcome {
        self.world.borrow(&self.borrower, Token::Usdc, DOLLAR)
    }

    fn liquidate(&mut self) -> Outcome {
        self.world.liquidate(&self.keeper, &self.victim, 10 * SOL)
    }

    fn move_to_second_account(&mut self) -> Outcome {
        let second = pda::margin_account(&self.world.group, &self.borrower.key(), 1);
        if self.world.svm.get_account(&second).is_none() {
            let owner = self.borrower.key();
            let open = instruction::open_margin_account(owner, owner, self.world.group, 1);
            self.world.send(&[open], &[&self.borrower.keypair])?;
        }
        let (bank, account) = (self.world.bank(Token::Sol), self.world.account(&self.borrower));
        let held = (self.borrower.margin_account, &account);
        let transfer = instruction::transfer_collateral(held, second, (bank.0, &bank.1), SOL);
        self.world.send(&[transfer], &[&self.borrower.keypair])
    }

    /// Nothing is opened and nothing lent, and the reason is `error`.
    #[track_caller]
    fn is_stopped(&mut self, error: MargraveError) {
        let before = self.world.snapshot();
        let refusal = self.open_more().expect_err("nothing is opened");
        assert!(refusal.is(error), "expected {error:?}, got {refusal}");
        // Collateral at a stale price secures nothing.
        let error = if error as u32 == PriceTooOld as u32 { InitialMarginNotMet } else { error };
        let refusal = self.lend_more().expect_err("nothing is lent");
        assert!(refusal.is(error), "expected {error:?}, got {refusal}");
        assert!(before == self.world.snapshot());
    }

    #[track_caller]
    fn runs(&mut self) {
        self.open_more().unwrap();
        self.lend_more().unwrap();
    }

    /// I-34: what no breaker stops, at whatever price. Nobody who is healthy is liquidated either.
    #[track_caller]
    fn everybody_may_pay_reduce_and_leave(&mut self) {
        let (price, sol) = (self.price(), self.world.sol);
        let Self { world, maker, alice, borrower, flat, keeper, .. } = self;
        world.deposit(alice, Token::Usdc, DOLLAR).unwrap();
        world.deposit(borrower, Token::Usdc, 2 * DOLLAR).unwrap();
        world.trade(alice, maker, -SOL_LONG / 10, price).unwrap();
        let cancel = instruction::cancel_quotes(alice.key(), alice.margin_account, 0, false);
        world.send(&[cancel], &[&alice.keypair]).unwrap();
        world.withdraw(flat, Token::Usdc, 10 * DOLLAR).unwrap();
        if world.underlying().oracle.publish_time >= world.now() - MINUTE {
            world.settle_pnl(alice, sol, false).unwrap();
            world.settle_pnl(maker, sol, false).unwrap();
        }
        let outcome = world.liquidate(keeper, alice, u64::MAX).expect_err("alice is far from trouble");
        assert!([AccountIsHealthy, RestartGrace, PriceTooOld].into_iter().any(|error| outcome.is(error)), "{outcome}");
        check_books(world).unwrap();
    }

    fn pause(&mut self, underlying: Option<Pubkey>, bits: u32, secs: u32) -> Outcome {
        let pause = instruction::pause(self.world.guardian.pubkey(), self.world.group, underlying, bits, secs);
        self.world.send(&[pause], &[])
    }
}

/// Which breakers an instruction says it has tripped, and until when.
fn tripped(receipt: &Receipt) -> Vec<(BreakerKind, i64)> {
    let events = receipt.events().into_iter();
    let trips = events.filter_map(|event| match event {
        Event::BreakerTripped(event) => Some((event.breaker, event.until)),
        _ => None,
    });
    trips.collect()
}

// Pauses

/// I-34: a guardian's pause holds until its time and is none afterwards, without anybody ending it.
#[test]
fn a_pause_runs_out() {
    let mut floor = Floor::open();
    let start = floor.world.now();
    let receipt = floor.pause(None, Pause::NEW_RISK | Pause::BORROW, HOUR as u32).unwrap();
    let events = receipt.events();
    let [Event::PausedUntil(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.bits, event.until, event.underlying), (Pause::NEW_RISK | Pause::BORROW, start + HOUR, None));
    floor.stand_still_until(start + HOUR - 1);
    floor.is_stopped(Paused);
    floor.everybody_may_pay_reduce_and_leave();
    floor.stand_still_until(start + HOUR);
    floor.runs();
    assert_eq!(floor.world.load::<Group>(&floor.world.group).paused_now(floor.world.now()), 0);

    // The same of one underlying: nothing is opened on it, and nothing lent on what it prices.
    let (start, sol) = (floor.world.now(), floor.world.sol);
    let receipt = floor.pause(Some(sol), Pause::NEW_RISK, HOUR as u32).unwrap();
    assert!(matches!(&receipt.events()[..], [Event::PausedUntil(event)] if event.underlying == Some(sol)));
    floor.stand_still_until(start + HOUR - 1);
    floor.is_stopped(Paused);
    floor.everybody_may_pay_reduce_and_leave();
    floor.stand_still_until(start + HOUR);
    floor.runs();
}

/// Each bit has its own time. Pausing again prolongs and never shortens; a bit that has run out does not come back with another.
#[test]
fn a_pause_is_prolonged_bit_by_bit() {
    let mut floor = Floor::open();
    let (start, sol) = (floor.world.now(), floor.world.sol);
    let paused = |floor: &Floor| floor.world.load::<Group>(&floor.world.group).paused_now(floor.world.now());
    floor.pause(None, Pause::LISTING, 100).unwrap();
    floor.pause(None, Pause::SURFACE, 1_000).unwrap();
    floor.pause(None, Pause::SURFACE, 10).unwrap();
    floor.pause(Some(sol), Pause::NEW_RISK, 1_000).unwrap();
    floor.pause(Some(sol), Pause::NEW_RISK, 10).unwrap();
    assert_eq!(paused(&floor), Pause::LISTING | Pause::SURFACE);
    floor.stand_still_until(start + 100);
    assert_eq!(paused(&floor), Pause::SURFACE);
    floor.pause(None, Pause::BORROW, 10).unwrap();
    assert_eq!(paused(&floor), Pause::SURFACE | Pause::BORROW);
    floor.stand_still_until(start + 999);
    assert_eq!((paused(&floor), floor.world.underlying().breaker.paused_until), (Pause::SURFACE, start + 1_000));
    floor.pause(None, Pause::SURFACE, 1_000).unwrap();
    floor.stand_still_until(start + 1_998);
    assert_eq!(paused(&floor), Pause::SURFACE);
    floor.stand_still_until(start + 1_999);
    assert_eq!(paused(&floor), 0);
}

#[test]
fn a_pause_is_for_a_week_at_most() {
    let mut floor = Floor::open();
    let sol = floor.world.sol;
    for secs in [0, MAX_PAUSE_SECS + 1, u32::MAX] {
        for (underlying, bits) in [(None, Pause::ALL), (Some(sol), Pause::NEW_RISK)] {
            let before = floor.world.snapshot();
            let refusal = floor.pause(underlying, bits, secs).expect_err("too long or no time at all");
            assert!(refusal.is(PauseTooLong), "{refusal}");
            assert!(before == floor.world.snapshot());
        }
    }
    floor.pause(None, Pause::ALL, 1).unwrap();
    floor.pause(None, Pause::ALL, MAX_PAUSE_SECS).unwrap();
}

/// I-33, P-44: what waits in the queue waits for a pause of execution as well, which the guardian can renew, and which ends by itself
/// when he does not. A change that is not executed within its week is void whatever was paused.
#[test]
fn a_pause_of_execution_runs_out_unless_it_is_renewed() {
    let mut floor = Floor::open();
    let terms = floor.world.load::<Group>(&floor.world.group).terms;
    let change = Change::Group(GroupTerms { outflow_cap: 1, ..terms });
    let [first, second] = [change.clone(), change].map(|change| floor.world.queue(change).unwrap());
    let ready = floor.world.proposal(&first).executable_at;
    let execute = |floor: &mut Floor, key: &Pubkey| {
        let proposal = floor.world.proposal(key);
        floor.world.send(&[instruction::execute_change((*key, &proposal), None)], &[])
    };
    floor.pause(None, Pause::EXECUTE, MAX_PAUSE_SECS).unwrap();
    floor.world.set_time(ready);
    assert!(execute(&mut floor, &first).is_err_and(|refusal| refusal.is(Paused)));
    // Five days are left of the pause; the guardian renews it for one more than that.
    floor.pause(None, Pause::EXECUTE, 6 * 86_400).unwrap();
    floor.world.set_time(ready + 6 * DAY - 1);
    assert!(execute(&mut floor, &first).is_err_and(|refusal| refusal.is(Paused)));
    floor.world.set_time(ready + 6 * DAY);
    execute(&mut floor, &first).unwrap();
    floor.world.set_time(ready + 7 * DAY + 1);
    assert!(execute(&mut floor, &second).is_err_and(|refusal| refusal.is(ChangeExpired)));
}

// A price gap

#[test]
fn a_price_gap_stops_new_risk_for_a_while() {
    for far in [PRICE * 106 / 100, PRICE * 94 / 100] {
        let mut floor = Floor::open();
        let receipt = floor.later(MINUTE, far);
        let over = floor.world.now() + 300;
        assert_eq!(tripped(&receipt), [(PriceGap, over)]);
        floor.is_stopped(PriceGapPause);
        floor.everybody_may_pay_reduce_and_leave();
        // Collateral may be taken out as far as initial margin allows, moved, and the mode changed.
        floor.world.withdraw(&floor.borrower, Token::Sol, SOL).unwrap();
        floor.move_to_second_account().unwrap();
        floor.stand_still_until(over - 1);
        floor.is_stopped(PriceGapPause);
        floor.stand_still_until(over);
        floor.runs();
    }
}

/// Five per cent is no gap, a little more is. Steps within a minute count together, from where they began; over minutes they do not.
#[test]
fn small_steps_within_a_minute_are_a_gap_together() {
    let at = |permille: i64| PRICE / 1_000 * permille;
    let cases: [(&[(i64, i64)], bool); 7] = [
        (&[(5, at(1_050))], false),
        (&[(5, at(1_050) + 1)], true),
        (&[(5, at(950))], false),
        (&[(5, at(950) - 1)], true),
        (&[(60, at(1_030)), (10, at(1_060)), (10, at(1_090))], true),
        (&[(60, at(1_030)), (60, at(1_060)), (60, at(1_090))], false),
        // Back and forth: far from the last price, not from where the minute began.
        (&[(60, at(1_000)), (10, at(970)), (10, at(1_030))], true),
    ];
    for (index, (steps, trips)) in cases.into_iter().enumerate() {
        let mut floor = Floor::open();
        let tripped: Vec<_> = steps.iter().flat_map(|(secs, price)| tripped(&floor.later(*secs, *price))).collect();
        assert_eq!(!tripped.is_empty(), trips, "case {index}: {tripped:?}");
        if trips {
            floor.is_stopped(PriceGapPause);
        } else {
            floor.runs();
        }
    }
}

/// I-28: when a price has jumped, losers' deficits are declared before winners draw. A loss is paid in, a profit is owed and stays in
/// the pool, fees with it, until the pause is over.
#[test]
fn no_profit_is_drawn_while_deficits_may_have_to_be_declared() {
    let mut floor = Floor::open();
    floor.later(MINUTE, PRICE * 104 / 100);
    let sol = floor.world.sol;
    floor.world.settle_pnl(&floor.maker, sol, false).unwrap();
    // 600 SOL by 1.40 dollars, and the fees.
    let paid = floor.world.underlying().pool.balance;
    assert!(paid >= 840 * DOLLAR);
    floor.later(MINUTE, PRICE * 110 / 100);
    let over = floor.world.now() + 300;
    let cash = |floor: &Floor, trader: &Trader| floor.world.account(trader).shares_in(&floor.world.usdc_bank);
    let before = cash(&floor, &floor.alice);
    floor.world.settle_pnl(&floor.alice, sol, false).unwrap();
    let account = floor.world.account(&floor.alice);
    let owed = account.risk[account.risk_in(&sol).unwrap()].claim;
    assert!(owed > 340_000_000, "10 % of 3,500 dollars less the fee: {owed}");
    assert_eq!((cash(&floor, &floor.alice), floor.world.underlying().pool.balance), (before, paid));
    let sweep = instruction::sweep_fees(floor.world.group, sol, floor.world.usdc_bank);
    floor.world.refuses(PriceGapPause, |world| world.send(std::slice::from_ref(&sweep), &[]));
    // Losses come in.
    floor.world.settle_pnl(&floor.maker, sol, false).unwrap();
    assert!(floor.world.underlying().pool.balance > paid);
    floor.stand_still_until(over - 1);
    floor.world.settle_pnl(&floor.alice, sol, false).unwrap();
    assert_eq!(cash(&floor, &floor.alice), before);
    floor.stand_still_until(over);
    floor.world.settle_pnl(&floor.alice, sol, false).unwrap();
    assert_eq!(cash(&floor, &floor.alice), before + owed);
    floor.world.send(&[sweep], &[]).unwrap();
    check_books(&floor.world).unwrap();
}

/// I-34: liquidations at a valid price go on, or the deficits would only grow.
#[test]
fn a_price_gap_stops_no_liquidation() {
    let mut floor = Floor::open();
    let receipt = floor.later(MINUTE, PRICE * 88 / 100);
    assert_eq!(tripped(&receipt).len(), 1);
    floor.liquidate().unwrap();
    floor.is_stopped(PriceGapPause);
    floor.everybody_may_pay_reduce_and_leave();
}

/// A loss that the owner would turn into a loan waits as other loans do, and a premium on credit; a reduction on credit does not.
#[test]
fn loans_wait_wherever_they_come_from_but_for_a_reduction() {
    let mut floor = Floor::open();
    let (sol, guardian, group) = (floor.world.sol, floor.world.guardian.pubkey(), floor.world.group);
    // A loss on the account that has no dollars.
    floor.world.trade(&floor.borrower, &floor.maker, 10 * SOL_LONG, PRICE).unwrap();
    floor.later(MINUTE, PRICE * 98 / 100);
    floor.world.settle_pnl(&floor.borrower, sol, false).unwrap();
    floor.pause(Some(sol), Pause::NEW_RISK, HOUR as u32).unwrap();
    let Floor { world, borrower, .. } = &mut floor;
    world.refuses(Paused, |world| world.settle_pnl(borrower, sol, true));
    floor.stand_still_until(floor.world.now() + HOUR);
    floor.world.settle_pnl(&floor.borrower, sol, true).unwrap();

    // Collateral on one underlying, options on another: only the first is paused.
    let world = &mut floor.world;
    let eth = world.list_other_underlying("ETH").unwrap();
    let mint = world.list_bank_on(eth, u64::MAX).unwrap();
    let time = world.now() + 30 * DAY;
    let args = ListExpiryArgs { time, surface: flat_surface(60, 30 * DAY) };
    world.set_price(PRICE).unwrap();
    world.send(&[instruction::list_expiry(world.operator.pubkey(), group, sol, args)], &[]).unwrap();
    world.send(&[instruction::list_strikes(world.operator.pubkey(), group, sol, 0, vec![PRICE])], &[]).unwrap();
    let bob = world.trader("bob");
    let wallet = world.give_new(&bob, mint, 1_000 * SOL);
    let bank = pda::bank(&group, &mint);
    let terms = (bank, &world.load(&bank));
    let deposit = instruction::deposit(bob.key(), bob.margin_account, terms, wallet, TOKEN, 1_000 * SOL);
    world.send(&[deposit], &[&bob.keypair]).unwrap();
    let refresh = instruction::refresh_price(group, eth, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    let call = world.instrument(&sol, InstrumentKind::Call, 0, PRICE);
    let buy = |world: &World, quantity: i64| -> PlacedLeg { world.leg(sol, call, quantity) };
    // He sells two calls and takes the premium out.
    let sell = buy(world, -2 * SOL_LONG);
    world.trade_legs(&bob, &floor.maker, &[sell]).unwrap();
    world.withdraw(&bob, Token::Usdc, u64::MAX).unwrap();

    let pause = instruction::pause(guardian, group, Some(eth), Pause::NEW_RISK, HOUR as u32);
    world.send(&[pause], &[]).unwrap();
    // Buying three back would open one: on credit, against what is paused.
    let (three, one) = (buy(world, 3 * SOL_LONG), buy(world, SOL_LONG));
    world.refuses(Paused, |world| world.trade_legs(&bob, &floor.maker, &[three]));
    world.trade_legs(&bob, &floor.maker, &[one]).unwrap();
    assert!(world.account(&bob).shares_in(&world.usdc_bank) < 0, "on credit");
    world.set_time(world.now() + HOUR);
    world.set_price(PRICE).unwrap();
    let refresh = instruction::refresh_price(group, eth, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    let three = buy(world, 3 * SOL_LONG);
    world.trade_legs(&bob, &floor.maker, &[three]).unwrap();
    check_books(world).unwrap();
}

// A halt of the cluster

/// F-10: time has passed and hardly a slot. The first price is from after the halt or refused; then for ten minutes nobody is
/// liquidated, nothing opened and nothing taken out of an account that is not flat, while everybody may pay, reduce and leave.
#[test]
fn after_a_halt_there_is_a_time_of_grace() {
    for restarted in [false, true] {
        let mut floor = Floor::open();
        // Halts follow one another: the breaker is armed again.
        for round in 0..2 {
            match restarted {
                true => floor.world.restart(5 * HOUR),
                false => floor.world.halt(5 * HOUR),
            }
            let before = floor.world.snapshot();
            assert!(floor.liquidate().is_err_and(|refusal| refusal.is(PriceTooOld)));
            assert!(floor.open_more().is_err_and(|refusal| refusal.is(PriceTooOld)));
            assert!(before == floor.world.snapshot());
            // Sixteen seconds old is too old for the first, though later ones may be a minute old.
            let crashed = PRICE * 88 / 100;
            let mut message = floor.world.good_price(crashed);
            message.publish_time -= 16;
            floor.world.post(&message, RECEIVER);
            floor.world.refuses(PriceFromBeforeHalt, World::refresh);
            message.publish_time += 1;
            floor.world.post(&message, RECEIVER);
            let receipt = floor.world.refresh().unwrap();
            let over = floor.world.now() + 600;
            // The price has jumped meanwhile, the first time: when liquidations are possible again, losers come first.
            let expected =
                if round == 0 { vec![(PriceGap, over + 300), (Restart, over)] } else { vec![(Restart, over)] };
            assert_eq!(tripped(&receipt), expected);

            floor.is_stopped(RestartGrace);
            floor.everybody_may_pay_reduce_and_leave();
            for _ in 0..2 {
                let before = floor.world.snapshot();
                let out = floor.world.withdraw(&floor.borrower, Token::Sol, SOL);
                assert!(out.is_err_and(|refusal| refusal.is(RestartGrace)));
                assert!(floor.liquidate().is_err_and(|refusal| refusal.is(RestartGrace)));
                assert!(before == floor.world.snapshot());
                assert!(floor.move_to_second_account().is_err_and(|refusal| refusal.is(RestartGrace)));
                floor.stand_still_until(over - 1);
            }
            floor.stand_still_until(over);
            floor.liquidate().unwrap();
            floor.world.withdraw(&floor.borrower, Token::Sol, SOL).unwrap();
            floor.move_to_second_account().unwrap();
            if round == 0 {
                floor.is_stopped(PriceGapPause);
            }
            floor.stand_still_until(over + 300);
            floor.runs();
        }
        check_books(&floor.world).unwrap();
    }
}

/// F-10: the grace is for every way of liquidation: positions, collateral and slices.
#[test]
fn in_the_time_of_grace_nothing_of_an_account_is_taken_over() {
    let mut floor = Floor::open();
    floor.world.halt(5 * HOUR);
    let price = floor.price();
    floor.world.set_price(price * 88 / 100).unwrap();
    let banks = [floor.world.sol_bank, floor.world.usdc_bank];
    let Floor { world, victim, borrower, keeper, .. } = &mut floor;
    world.refuses(RestartGrace, |world| world.liquidate(keeper, victim, 10 * SOL));
    world.refuses(RestartGrace, |world| world.liquidate_collateral(keeper, borrower, banks, DOLLAR));
    world.refuses(RestartGrace, |world| world.liquidate_slice(keeper, victim, i64::MAX));
}

/// F-10: the clock of the first slots after a restart may still show the time before it, at which the last price looks fresh. It is
/// from before the restart all the same, and so is one that was posted then.
#[test]
fn a_price_from_before_a_restart_is_good_for_nothing_however_fresh_it_looks() {
    let mut floor = Floor::open();
    let sol = floor.world.sol;
    floor.later(MINUTE, PRICE * 96 / 100);
    floor.world.settle_pnl(&floor.alice, sol, false).unwrap();
    floor.world.settle_pnl(&floor.victim, sol, false).unwrap();
    floor.later(MINUTE, PRICE * 92 / 100);
    floor.later(MINUTE, PRICE * 88 / 100);
    // Posted before the restart, and after the last price.
    let mut message = floor.world.good_price(PRICE * 87 / 100);
    message.publish_time += 1;
    floor.world.post(&message, RECEIVER);
    floor.world.restart(2);
    assert_eq!(floor.world.underlying().oracle.quality(floor.world.now()), margrave::oracle::Quality::Fresh);

    floor.world.refuses(PriceFromBeforeHalt, World::refresh);
    floor.is_stopped(RestartGrace);
    let before = floor.world.snapshot();
    assert!(floor.liquidate().is_err_and(|refusal| refusal.is(RestartGrace)));
    assert!(before == floor.world.snapshot());
    // The pool has money, and the maker a profit.
    let pool = floor.world.underlying().pool.balance;
    assert!(pool > 0);
    floor.world.settle_pnl(&floor.maker, sol, false).unwrap();
    assert_eq!(floor.world.underlying().pool.balance, pool);
    floor.everybody_may_pay_reduce_and_leave();

    let receipt = floor.world.set_price(PRICE * 87 / 100).unwrap();
    let over = floor.world.now() + 600;
    assert_eq!(tripped(&receipt), [(Restart, over)]);
    floor.stand_still_until(over);
    floor.liquidate().unwrap();
    floor.world.settle_pnl(&floor.maker, sol, false).unwrap();
    assert!(floor.world.underlying().pool.balance < pool);
    floor.runs();
}

/// A feed that is silent while slots go on is an outage, not a halt: no grace when it speaks again, and a price as old as ever will do.
#[test]
fn a_silent_feed_is_no_halt() {
    let mut floor = Floor::open();
    floor.world.set_time(floor.world.now() + 5 * HOUR);
    let mut message = floor.world.good_price(PRICE * 96 / 100);
    message.publish_time -= 60;
    floor.world.post(&message, RECEIVER);
    assert_eq!(tripped(&floor.world.refresh().unwrap()), []);
    floor.runs();
    // Nor is a stumble of five minutes.
    floor.world.halt(300);
    assert_eq!(tripped(&floor.world.set_price(PRICE * 96 / 100).unwrap()), []);
    floor.world.halt(301);
    assert_eq!(tripped(&floor.world.set_price(PRICE * 96 / 100).unwrap()), [(Restart, floor.world.now() + 600)]);
}

// Prices that are late, uncertain or wrong

/// F-04, P-25: for a minute, ten and an hour without a price nothing is opened from the first second past its age, nobody is
/// liquidated at the old one, and everybody may pay, reduce and leave. One update and all is as before.
#[test]
fn a_stale_price_stops_new_risk_and_liquidations_and_one_update_ends_it() {
    for outage in [MINUTE + 1, 10 * MINUTE, HOUR] {
        let mut floor = Floor::open();
        // The victim is below maintenance margin at the last price, which is good for opening for a minute and for liquidations for a
        // quarter of one.
        for step in [96, 92, 88] {
            floor.later(MINUTE + 1, PRICE * step / 100);
        }
        let last = floor.world.now();
        floor.world.set_time(last + MINUTE);
        floor.runs();
        floor.world.set_time(last + outage);
        floor.is_stopped(PriceTooOld);
        let before = floor.world.snapshot();
        assert!(floor.liquidate().is_err_and(|refusal| refusal.is(PriceTooOld)));
        assert!(before == floor.world.snapshot());
        floor.everybody_may_pay_reduce_and_leave();
        let price = floor.price();
        assert_eq!(tripped(&floor.world.set_price(price).unwrap()), []);
        floor.runs();
        floor.liquidate().unwrap();
    }
}

/// F-05, P-26: for ten minutes the feed says 31 dollars, give or take three per cent, at which the victim would be liquidated. Such a
/// price is none: the last one grows old, nobody is liquidated and nothing opened.
#[test]
fn an_uncertain_feed_liquidates_nobody_and_opens_nothing() {
    let mut floor = Floor::open();
    let start = floor.world.now();
    for step in 1..=20 {
        floor.world.set_time(start + 30 * step);
        let mut message = floor.world.good_price(PRICE * 88 / 100);
        message.confidence = message.price.unsigned_abs() * 3 / 100;
        floor.world.post(&message, RECEIVER);
        floor.world.refuses(PriceTooUncertain, World::refresh);
        let before = floor.world.snapshot();
        assert!(floor.liquidate().is_err_and(|refusal| refusal.is(PriceTooOld)));
        assert!(before == floor.world.snapshot());
        if step > 2 {
            floor.is_stopped(PriceTooOld);
        }
    }
    floor.everybody_may_pay_reduce_and_leave();
    floor.stand_still_until(floor.world.now() + 1);
    floor.runs();
}

/// F-06: a feed that is wrong by -3 % liquidates nobody whose health is 5 % of what he holds.
#[test]
fn a_price_wrong_by_three_per_cent_liquidates_nobody_who_is_healthy() {
    let mut floor = Floor::open();
    // 17,500 dollars long on 5,000; as much is taken out as leaves health at 5 %.
    let health = |floor: &Floor| {
        let value = floor.world.accounts().value(&floor.victim.margin_account, floor.world.now()).unwrap();
        value.maintenance_health().micros()
    };
    let spare = health(&floor) - 17_500 * 1_000_000 / 20;
    assert!(spare > 0, "{spare}");
    let initial = floor.world.accounts().value(&floor.victim.margin_account, floor.world.now()).unwrap();
    let free = initial.initial_health().micros().min(spare);
    floor.world.withdraw(&floor.victim, Token::Usdc, free.unsigned_abs()).unwrap();
    assert!(health(&floor) >= 17_500 * 1_000_000 / 20);
    floor.later(1, PRICE * 97 / 100);
    assert!(floor.liquidate().is_err_and(|refusal| refusal.is(AccountIsHealthy)));
    // By -30 % nothing tells a wrong price from a crash: liquidations go on, and new risk and profits wait.
    floor.later(1, PRICE * 70 / 100);
    floor.liquidate().unwrap();
    floor.is_stopped(PriceGapPause);
}

/// F-06: a decimal point in the wrong place is no price, up or down, for an hour since the last one. Five times as much is the limit.
#[test]
fn a_price_wrong_by_a_power_of_ten_is_refused() {
    let mut floor = Floor::open();
    let start = floor.world.now();
    for at in [1, MINUTE, HOUR] {
        floor.world.set_time(start + at);
        for power in [10, 100, 1_000] {
            for price in [PRICE * power, PRICE / power] {
                floor.world.post(&floor.world.good_price(price), RECEIVER);
                floor.world.refuses(PriceJumpedTooFar, World::refresh);
            }
        }
        for price in [5 * PRICE + 1, PRICE / 5 - 1] {
            floor.world.post(&floor.world.good_price(price), RECEIVER);
            floor.world.refuses(PriceJumpedTooFar, World::refresh);
        }
    }
    let untouched = floor.world.svm.clone();
    for price in [5 * PRICE, PRICE / 5] {
        floor.world.set_price(price).unwrap();
        floor.world.svm = untouched.clone();
    }
    // An hour of it is no slip: the market is where it is.
    floor.world.set_time(start + HOUR + 1);
    let receipt = floor.world.set_price(10 * PRICE).unwrap();
    assert_eq!(tripped(&receipt), [(PriceGap, floor.world.now() + 300)]);
}

/// P-27: a feed that repeats one update does not get younger by it. (One that repeats a price with new times is believed: there is no
/// second source to tell.)
#[test]
fn a_frozen_feed_grows_old() {
    let mut floor = Floor::open();
    let message = floor.world.good_price(PRICE);
    let start = floor.world.now();
    for secs in [15, 60, 61] {
        floor.world.set_time(start + secs);
        floor.world.post(&message, RECEIVER);
        match floor.world.refresh() {
            Ok(receipt) => assert!(receipt.events().is_empty() && secs <= 60),
            Err(refusal) => assert!(refusal.is(PriceTooOld) && secs > 60, "{refusal}"),
        }
    }
    floor.is_stopped(PriceTooOld);
}

/// P-30: a guard that lags the market, here a stable price that may move by 1 % an hour, takes initial margin away and liquidates
/// nobody; nor does any breaker.
#[test]
fn a_guard_that_misfires_liquidates_nobody() {
    let oracle = OracleTerms { stable_rate_ppm: 10_000, ..terms::oracle_terms(SOL_FEED) };
    let mut floor = Floor::with(armed(), oracle);
    // The market goes up by 10 %: the stable price is that much below it.
    let (alice, maker) = (floor.alice.margin_account, floor.maker.margin_account);
    floor.later(MINUTE, PRICE * 110 / 100);
    let sol = floor.world.sol;
    floor.world.settle_pnl(&floor.maker, sol, false).unwrap();
    floor.stand_still_until(floor.world.now() + 300);
    floor.world.settle_pnl(&floor.victim, sol, false).unwrap();
    let value = |floor: &Floor, key: Pubkey| floor.world.accounts().value(&key, floor.world.now()).unwrap();
    let victim = floor.victim.margin_account;
    let free = value(&floor, victim).initial_health().micros();
    floor.world.withdraw(&floor.victim, Token::Usdc, free.unsigned_abs()).unwrap();
    // Half a per cent down: without initial margin, and with the maintenance margin that it had.
    floor.later(1, PRICE * 1_095 / 1_000);
    assert!(value(&floor, victim).initial_health().is_negative());
    let refusal = floor.liquidate().expect_err("maintenance margin does not know the guard");
    assert!(refusal.is(AccountIsHealthy), "{refusal}");
    // Every breaker there is.
    floor.pause(None, Pause::ALL, MAX_PAUSE_SECS).unwrap();
    floor.pause(Some(sol), Pause::NEW_RISK, MAX_PAUSE_SECS).unwrap();
    floor.later(1, PRICE * 103 / 100);
    floor.later(1, PRICE * 1_095 / 1_000);
    for key in [alice, maker, victim] {
        assert!(!value(&floor, key).maintenance_health().is_negative());
    }
    assert!(floor.liquidate().is_err_and(|refusal| refusal.is(AccountIsHealthy)));
}

// Many liquidations

/// Above the cap nothing is opened until enough of it has faded; liquidations go on.
#[test]
fn many_liquidations_stop_new_risk_and_no_liquidation() {
    let cap = 3_200 * DOLLAR;
    let mut floor = Floor::with(RiskTerms { liquidation_volume_cap: cap, ..armed() }, terms::oracle_terms(SOL_FEED));
    for step in [96, 92, 88] {
        floor.later(MINUTE + 1, PRICE * step / 100);
    }
    // 100 SOL at 30.80 are 3,080 dollars; six more are 184.80.
    let quantity = |floor: &mut Floor, sol: u64| {
        floor.later(1, PRICE * 88 / 100);
        floor.world.liquidate(&floor.keeper, &floor.victim, sol * SOL)
    };
    let first = quantity(&mut floor, 100).unwrap();
    assert_eq!(tripped(&first), []);
    floor.runs();
    floor.stand_still_until(floor.world.now() + 1);
    let second = quantity(&mut floor, 6).unwrap();
    let breaker = floor.world.underlying().breaker;
    let [(LiquidationVolume, until)] = tripped(&second)[..] else { panic!("{:?}", tripped(&second)) };
    // Two seconds of an hour have faded.
    assert_eq!(breaker.volume, 3_080_000_000 - 3_080_000_000 * 2 / 3_600 + 184_800_000);
    // 63.09 dollars of 3,263.09 are above the cap: 69.6 seconds of an hour.
    assert_eq!(until, floor.world.now() + 70);
    floor.is_stopped(LiquidationVolumeExceeded);
    floor.everybody_may_pay_reduce_and_leave();
    floor.world.withdraw(&floor.borrower, Token::Sol, SOL).unwrap();

    // More of them, which prolong it and say nothing again.
    let third = quantity(&mut floor, 10).unwrap();
    assert_eq!(tripped(&third), []);
    floor.stand_still_until(until);
    floor.is_stopped(LiquidationVolumeExceeded);
    let breaker = floor.world.underlying().breaker;
    let over = breaker.volume - cap;
    let wait = (u128::from(over) * 3_600).div_ceil(u128::from(breaker.volume));
    let open = breaker.volume_at + i64::try_from(wait).unwrap();
    floor.stand_still_until(open - 1);
    floor.is_stopped(LiquidationVolumeExceeded);
    floor.stand_still_until(open);
    floor.runs();
}

/// So does a part of a whole account.
#[test]
fn a_slice_counts_as_liquidated() {
    let cap = 100 * DOLLAR;
    let mut floor = Floor::with(RiskTerms { liquidation_volume_cap: cap, ..armed() }, terms::oracle_terms(SOL_FEED));
    for step in [96, 92, 88] {
        floor.later(MINUTE + 1, PRICE * step / 100);
    }
    let held = |floor: &Floor| floor.world.account(&floor.victim).positions[0].quantity;
    let before = held(&floor);
    let receipt = floor.world.liquidate_slice(&floor.keeper, &floor.victim, 1 << 28).unwrap();
    let moved = u128::from(before.abs_diff(held(&floor)));
    let value = (moved * u128::try_from(PRICE * 88 / 100).unwrap()).div_ceil(10_000_000_000_000);
    assert!(value > u128::from(cap), "{value}");
    assert_eq!(u128::from(floor.world.underlying().breaker.volume), value);
    assert!(matches!(tripped(&receipt)[..], [(LiquidationVolume, _)]));
    floor.is_stopped(LiquidationVolumeExceeded);
}

// All at once

/// F-15: a hundred times a gap, a pause, now and then a halt, with trades and liquidations in flight. Nothing gets stuck: flat accounts
/// leave every time, the books balance, and when it is quiet everything runs.
#[test]
fn a_hundred_flaps_leave_nothing_stuck() {
    let mut floor = Floor::open();
    let (mut opened, mut refused, mut liquidated) = (0, 0, 0);
    for round in 0..100 {
        match round % 10 {
            3 => floor.world.halt(20 * MINUTE),
            7 => drop(floor.pause(None, Pause::ALL, 120).unwrap()),
            9 => floor.stand_still_until(floor.world.now() + 15 * MINUTE),
            _ => {}
        }
        let price = [PRICE, PRICE * 93 / 100, PRICE * 87 / 100, PRICE * 95 / 100][round % 4];
        floor.later(MINUTE, price);
        for outcome in [floor.open_more(), floor.lend_more()] {
            match outcome {
                Ok(_) => opened += 1,
                Err(refusal) => {
                    let known = [Paused, PriceGapPause, RestartGrace, LiquidationVolumeExceeded];
                    assert!(known.into_iter().any(|error| refusal.is(error)), "{refusal}");
                    refused += 1;
                }
            }
        }
        match floor.world.liquidate(&floor.keeper, &floor.victim, SOL / 2) {
            Ok(_) => liquidated += 1,
            Err(refusal) => assert!(refusal.is(AccountIsHealthy) || refusal.is(RestartGrace), "{refusal}"),
        }
        floor.everybody_may_pay_reduce_and_leave();
    }
    assert!(opened > 0 && refused > 50 && liquidated > 5, "{opened} {refused} {liquidated}");
    floor.stand_still_until(floor.world.now() + 2 * HOUR);
    floor.runs();
    floor.world.withdraw(&floor.flat, Token::Usdc, u64::MAX).unwrap();
    check_books(&floor.world).unwrap();
}
