//! The four ways out of a position that is too large: taking over positions, buying collateral, buying a slice, and selling
//! elsewhere in a bracket.

use crate::{common::*, desk::*};
use margrave::{
    constants::MAX_UNDERLYINGS,
    state::{Instrument, Status},
};
use margrave_client::LiquidationLeg;
use margrave_risk::Valuation;

fn value(world: &World, trader: &Trader) -> Valuation {
    world.accounts().value(&trader.margin_account, world.now()).unwrap()
}

fn lot(instrument: Instrument) -> LiquidationLeg {
    LiquidationLeg { instrument, lots: 1 }
}

/// Goes to a price a minute later.
fn falls_to(world: &mut World, price: i64) {
    world.set_time(world.now() + 60);
    world.set_price(price).unwrap();
}

/// What the client says of a step is what the chain does.
fn step(world: &mut World, keeper: &Trader, victim: &Trader, legs: &[LiquidationLeg]) -> (Valuation, Valuation) {
    let sol = world.sol;
    let expected = world.accounts().position_step(&victim.margin_account, &sol, legs, u64::MAX, world.now());
    let expected = expected.unwrap().expect("the step helps");
    let receipt = world.liquidate_legs(keeper, victim, sol, legs.to_vec(), u64::MAX).unwrap();
    let events = receipt.events();
    let [Event::PositionsLiquidated(event)] = &events[..] else { panic!("one event") };
    assert_eq!(event.taken, expected.taken);
    assert_eq!(event.liquidatee.numbers.equity, expected.after.equity.micros());
    // Stored numbers are those of a valuation from scratch (I-09).
    let fresh = world.accounts().revalued(&victim.margin_account, world.now()).unwrap();
    let stored = world.account(victim);
    assert_eq!((stored.equity, stored.maintenance_margin), (fresh.equity, fresh.maintenance_margin));
    for (stored, fresh) in stored.risk.iter().zip(&fresh.risk) {
        assert_eq!((stored.exponent, stored.mantissas), (fresh.exponent, fresh.mantissas));
    }
    check_books(world).unwrap();
    (expected.before, value(world, victim))
}

/// A short call that the market has run over is taken over at its mark and a fee, through claims: the account pays into the pool
/// what the liquidator draws from it.
#[test]
fn a_short_option_is_taken_over() {
    let mut desk = Desk::open();
    let call = desk.call(40);
    desk.alice_trades(&[desk.leg(call, -400 * SOL_LONG)]).unwrap();
    let keeper = desk.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    falls_to(&mut desk.world, 460_000_000_000);
    let before = value(&desk.world, &desk.alice);
    assert!(before.maintenance_health().is_negative());
    let (before, after) = step(&mut desk.world, &keeper, &desk.alice, &[lot(call)]);
    assert!(after.maintenance_health() > before.maintenance_health());
    assert!(!after.liquidation_end_health().is_negative());
    let (held, _) = holding(&desk.world, &keeper, &call);
    assert!(held < 0 && held > -400 * SOL_LONG);
    // One lot less would not have been enough: health is within what a lot frees.
    assert!(after.liquidation_end_health().micros() < 1_000_000);
    // The keeper's pay is real when both have settled.
    let sol = desk.world.sol;
    desk.world.settle_pnl(&desk.alice, sol, false).unwrap();
    desk.world.settle_pnl(&keeper, sol, false).unwrap();
    assert_eq!(claim(&desk.world, &keeper), 0);
    check_books(&desk.world).unwrap();
}

/// A perp and the future that hedges it leave together, so that neither is left naked.
#[test]
fn a_hedge_pair_is_taken_over_together() {
    let mut desk = Desk::open();
    let future = desk.future();
    desk.alice_trades(&[desk.leg(future, -450 * SOL_LONG)]).unwrap();
    desk.alice_trades(&[desk.leg(Instrument::PERP, 900 * SOL_LONG)]).unwrap();
    let keeper = desk.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    falls_to(&mut desk.world, 285_000_000_000);
    let before = value(&desk.world, &desk.alice);
    assert!(before.maintenance_health().is_negative(), "{before:?}");
    let (before, after) = step(&mut desk.world, &keeper, &desk.alice, &[lot(Instrument::PERP), lot(future)]);
    assert!(after.maintenance_health() > before.maintenance_health());
    let account = desk.world.account(&keeper);
    assert_eq!(account.positions[0].quantity, -account.positions[1].quantity);
}

/// I-22: one cell of each underlying shows what the whole evaluation would, to anybody who knows which.
#[test]
fn a_breach_is_proven_by_named_cells() {
    let mut desk = Desk::open();
    for (instrument, size) in [(desk.future(), -450), (desk.put(30), -40), (Instrument::PERP, 900)] {
        desk.alice_trades(&[desk.leg(instrument, size * SOL_LONG)]).unwrap();
    }
    let Desk { mut world, alice, .. } = desk;
    let key = alice.margin_account;
    let proof = |world: &World| world.accounts().proof_of_breach(&key, world.now()).unwrap();
    assert_eq!(proof(&world), None);
    world.refuses(BreachNotProven, |world| world.prove_breach(&alice, [0; MAX_UNDERLYINGS]));
    falls_to(&mut world, 285_000_000_000);
    let cells = proof(&world).unwrap();
    let exact = value(&world, &alice);
    // The cell in which nothing moves, one that is none, and a price that nobody liquidates at.
    world.refuses(BreachNotProven, |world| world.prove_breach(&alice, [10; MAX_UNDERLYINGS]));
    world.refuses(NoSuchCell, |world| world.prove_breach(&alice, [31; MAX_UNDERLYINGS]));
    let fresh = world.svm.clone();
    world.set_time(world.now() + 50);
    world.refuses(PriceTooOld, |world| world.prove_breach(&alice, cells));
    world.svm = fresh;
    let receipt = world.prove_breach(&alice, cells).unwrap();
    let events = receipt.events();
    let [Event::BreachProven(event)] = &events[..] else { panic!("one event") };
    assert_eq!(event.equity, exact.equity.micros());
    assert!(
        event.equity < event.maintenance_at_least && event.maintenance_at_least <= exact.maintenance_margin.micros()
    );
    let account = world.account(&alice);
    assert_eq!((account.status, account.flagged_at), (Status::InLiquidation as u8, world.now()));
    check_books(&world).unwrap();
}

/// I-28: who is found bankrupt this way keeps others from drawing what may have to bear his loss, as by the whole evaluation.
#[test]
fn a_breach_without_equity_closes_the_pool() {
    let mut market = Market::long(500);
    market.price_moves_to(200_000_000_000);
    let Market { mut world, alice, .. } = market;
    let cells = world.accounts().proof_of_breach(&alice.margin_account, world.now()).unwrap().unwrap();
    world.prove_breach(&alice, cells).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
    assert_eq!(world.sheet(&world.sol).losses.bankrupts, 1);
}

/// The fee begins at a quarter and grows to all of it in two minutes; a fifth of it is insurance's.
#[test]
fn the_fee_grows_with_time() {
    let mut shares = Vec::new();
    for wait in [0, 60, 120, 600] {
        let mut market = Market::long(500);
        let keeper = market.world.funded("keeper", 1_000_000 * DOLLAR, 0);
        market.price_moves_to(300_000_000_000);
        let Market { mut world, alice, .. } = market;
        let receipt = world.flag(&alice).unwrap();
        let events = receipt.events();
        let [Event::AccountFlagged(event)] = &events[..] else { panic!("one event") };
        assert_eq!((event.status_before, event.status), (Status::Healthy as u8, Status::InLiquidation as u8));
        world.set_time(world.now() + wait);
        world.set_price(300_000_000_000).unwrap();
        let receipt = world.liquidate(&keeper, &alice, 10 * SOL).unwrap();
        let events = receipt.events();
        let [Event::PositionsLiquidated(event)] = &events[..] else { panic!("one event") };
        let value = event.taken[0].price_paid + event.taken[0].fee;
        shares.push((event.taken[0].fee * 1_000_000 / value, event.insured * 1_000 / event.taken[0].fee));
        check_books(&world).unwrap();
    }
    assert_eq!(shares, [(2_500, 200), (6_250, 200), (10_000, 200), (10_000, 200)]);
}

/// A liquidation voids what the account has signed, in the same instruction.
#[test]
fn a_flag_voids_quotes() {
    let mut market = Market::long(500);
    market.price_moves_to(300_000_000_000);
    let Market { mut world, alice, .. } = market;
    let before = world.account(&alice).quotes_since;
    world.flag(&alice).unwrap();
    assert!(world.account(&alice).quotes_since > before);
    // Once: a second flag in the same liquidation changes nothing.
    let (since, flagged) = (world.account(&alice).quotes_since, world.account(&alice).flagged_at);
    world.set_time(world.now() + 10);
    world.flag(&alice).unwrap();
    assert_eq!((world.account(&alice).quotes_since, world.account(&alice).flagged_at), (since, flagged));
}

/// Somebody who has borrowed dollars against SOL loses SOL at a bonus until the loan is covered.
#[test]
fn collateral_is_bought_for_a_debt() {
    let mut world = World::with_market(PRICE).unwrap();
    let lender = world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.funded("keeper", 50_000 * DOLLAR, 0);
    world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
    falls_to(&mut world, 255_000_000_000);
    let before = value(&world, &alice);
    assert!(before.maintenance_health().is_negative());
    let banks = [world.sol_bank, world.usdc_bank];
    let receipt = world.liquidate_collateral(&keeper, &alice, banks, u64::MAX).unwrap();
    let events = receipt.events();
    let [Event::CollateralLiquidated(event)] = &events[..] else { panic!("one event") };
    let after = value(&world, &alice);
    assert!(!after.liquidation_end_health().is_negative());
    assert!(after.liquidation_end_health().micros() < 10_000, "a cent too much at most");
    // A quarter of four per cent, for 25.50 dollars a SOL.
    let worth = u128::from(event.seized) * 255 / 10_000;
    let bonus = worth * 1_000_000 / u128::from(event.repaid) - 1_000_000;
    assert!((9_990..=10_000).contains(&bonus), "{bonus}");
    assert!(before.maintenance_health() < after.maintenance_health());
    check_books(&world).unwrap();
    world.refuses(AccountIsHealthy, |world| world.liquidate_collateral(&keeper, &alice, banks, u64::MAX));
    drop(lender);
}

/// What the client quotes is what the chain does, interest since the last transaction included.
#[test]
fn a_purchase_of_collateral_is_what_the_client_quoted() {
    let mut world = World::with_market(PRICE).unwrap();
    let _lender = world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    let keeper = world.funded("keeper", 50_000 * DOLLAR, 0);
    world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
    world.set_time(world.now() + 30 * 86_400);
    falls_to(&mut world, 255_000_000_000);
    let (key, banks, now) = (alice.margin_account, [world.sol_bank, world.usdc_bank], world.now());
    for most in [1_000 * DOLLAR, u64::MAX] {
        let accounts = world.accounts();
        let quoted = accounts.collateral_step(&key, [&banks[0], &banks[1]], most, now).unwrap().expect("it helps");
        let receipt = world.liquidate_collateral(&keeper, &alice, banks, most).unwrap();
        let events = receipt.events();
        let [Event::CollateralLiquidated(event)] = &events[..] else { panic!("one event") };
        assert_eq!((quoted.exchange.repaid, quoted.exchange.seized), (event.repaid, event.seized));
        // Shares round by an atom each.
        let after = event.liquidatee.numbers.equity - quoted.after.equity.micros();
        assert!(after.abs() <= 2, "{after}");
    }
    assert!(world.accounts().collateral_step(&key, [&banks[0], &banks[1]], u64::MAX, now).unwrap().is_none());
}

/// A fully hedged account that has been drained by fees and funding has no single position that helps: a slice of everything does.
#[test]
fn a_slice_keeps_hedges_whole() {
    let mut desk = Desk::open();
    let (future, call) = (desk.future(), desk.call(40));
    desk.alice_trades(&[desk.leg(future, -450 * SOL_LONG), desk.leg(call, 100 * SOL_LONG)]).unwrap();
    desk.alice_trades(&[desk.leg(Instrument::PERP, 900 * SOL_LONG)]).unwrap();
    let keeper = desk.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    falls_to(&mut desk.world, 285_000_000_000);
    let before = value(&desk.world, &desk.alice);
    assert!(before.maintenance_health().is_negative() && !before.equity.is_negative());
    let held = desk.world.account(&desk.alice);
    let (key, now) = (desk.alice.margin_account, desk.world.now());
    let quoted = desk.world.accounts().slice(&key, margrave_risk::Ratio::ONE, now).unwrap().expect("a slice helps");
    let receipt = desk.world.liquidate_slice(&keeper, &desk.alice, 1 << 30).unwrap();
    let events = receipt.events();
    let [Event::SliceLiquidated(event)] = &events[..] else { panic!("one event") };
    assert!(event.price_paid > 0 && event.share < 1 << 30);
    assert_eq!((quoted.share.bits(), quoted.price_paid), (event.share, event.price_paid));
    // Two per cent less than its equity.
    assert!((quoted.equity * 98 / 100 - quoted.price_paid).abs() <= 2, "{quoted:?}");
    let after = value(&desk.world, &desk.alice);
    assert!(after.maintenance_health() > before.maintenance_health());
    // At its end but for what lots leave behind.
    assert!(after.liquidation_end_health().micros().abs() < 2_000_000, "{after:?}");
    let (left, got) = (desk.world.account(&desk.alice), desk.world.account(&keeper));
    for ((held, left), got) in held.positions.iter().zip(&left.positions).zip(&got.positions).take(3) {
        assert_eq!(held.quantity, left.quantity + got.quantity);
        let part = (i128::from(held.quantity) * i128::from(event.share)) >> 30;
        assert!((part - i128::from(got.quantity)).abs() <= 10_000_000);
    }
    check_books(&desk.world).unwrap();
}

/// No inventory is needed: collateral is taken out, sold elsewhere, and what it brought is paid in, all in one transaction.
#[test]
fn a_bracket_sells_collateral_elsewhere() {
    let mut world = World::with_market(PRICE).unwrap();
    let _lender = world.funded("lender", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 0, 1_000 * SOL);
    // The keeper has dollars in a wallet, which stand for what a venue pays.
    let keeper = world.wallet("keeper");
    world.give(&keeper, Token::Usdc, 50_000 * DOLLAR);
    world.borrow(&alice, Token::Usdc, 20_000 * DOLLAR).unwrap();
    falls_to(&mut world, 255_000_000_000);
    let before = value(&world, &alice);
    let bracket = |world: &World, sol: u64, usdc: u64| {
        let account = world.account(&alice);
        let from = (alice.margin_account, &account);
        let (sol_bank, usdc_bank) = (world.load(&world.sol_bank), world.load(&world.usdc_bank));
        let (sol_bank, usdc_bank) = ((world.sol_bank, &sol_bank), (world.usdc_bank, &usdc_bank));
        [
            instruction::begin_bracket(keeper.key(), from.0, sol_bank, keeper.sol, TOKEN_PROGRAM, sol),
            instruction::end_bracket(keeper.key(), from, usdc_bank, keeper.usdc, TOKEN_PROGRAM, usdc),
        ]
    };
    let signer = [&keeper.keypair];
    // 200 SOL are worth 5,100 dollars; a quarter of four per cent may be lost.
    let [begin, end] = bracket(&world, 200 * SOL, 5_048 * DOLLAR);
    world.refuses(LossTooLarge, |world| world.send(&[begin.clone(), end.clone()], &signer));
    world.refuses(BracketNotEnded, |world| world.send(std::slice::from_ref(&begin), &signer));
    world.refuses(BracketNotOpen, |world| world.send(std::slice::from_ref(&end), &signer));
    let [_, too_much] = bracket(&world, 200 * SOL, 30_000 * DOLLAR);
    world.refuses(TakesTooMuch, |world| world.send(&[begin.clone(), too_much], &signer));
    let [begin, end] = bracket(&world, 200 * SOL, 5_050 * DOLLAR);
    world.send(&[begin, end], &signer).unwrap();
    let after = value(&world, &alice);
    assert!(after.maintenance_health() > before.maintenance_health());
    assert_eq!(world.tokens(&keeper.sol), 200 * SOL);
    check_books(&world).unwrap();
}
