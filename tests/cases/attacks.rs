//! What an attack on the program has found: prices that have grown old in one market and what they must not be good for in another,
//! and accounts so full that a valuation of them must still fit a transaction.

use crate::{common::*, desk::*};
use margrave::state::{Instrument, InstrumentKind};

/// Mallory is short puts that have gone against her; with a trifle in a market whose price has gone old nothing looks at her margin
/// when she buys them back, dear, from her other account, with a loan that nothing covers. The other account walks off with lenders'
/// money.
#[test]
fn an_old_price_elsewhere_does_not_lend_a_bankrupt_account_a_premium() {
    buys_back_dear(true);
}

/// The same without the trifle, as it should be.
#[test]
fn a_bankrupt_account_is_lent_no_premium() {
    buys_back_dear(false);
}

fn buys_back_dear(with_trifle: bool) {
    let mut desk = Desk::open();
    let other = desk.world.list_other_underlying("JUP").unwrap();
    desk.refresh_surface(60).unwrap();
    let mallory = desk.world.funded("mallory", 60_000 * DOLLAR, 0);
    let friend = desk.world.funded("friend", 10_000 * DOLLAR, 0);
    let paid_in = 70_000 * DOLLAR;
    if with_trifle {
        let trifle = desk.world.leg(other, Instrument::PERP, SOL_LONG / 100);
        desk.world.trade_legs(&mallory, &desk.maker, &[trifle]).unwrap();
    }
    let put = desk.put(25);
    let sold = 11_000;
    let leg = desk.leg(put, -sold * SOL_LONG);
    desk.world.trade_legs(&mallory, &friend, &[leg]).unwrap();
    // SOL falls; it is refreshed, the other market is not.
    desk.world.set_time(desk.world.now() + 90);
    desk.world.set_price(190_000_000_000).unwrap();
    let mark = desk.world.mark(&desk.world.sol, &put);
    let leg = desk.leg_at(put, sold * SOL_LONG, mark + 190_000_000_000 / 50);
    let outcome = desk.world.trade_legs(&mallory, &friend, &[leg]);
    if outcome.is_ok() {
        let owed = -cash(&desk.world, &mallory);
        let all = u64::try_from(cash(&desk.world, &friend)).unwrap() - 200 * DOLLAR;
        let _left = desk.world.withdraw(&friend, Token::Usdc, all);
        let got = desk.world.tokens(&friend.usdc);
        panic!("a loan of {owed} to a bankrupt account; the two paid in {paid_in} and took out {got}");
    }
}

/// Without any move of the price: a covered call asks for little margin, its buy-back may cost 2 % of the underlying.
#[test]
fn an_old_price_elsewhere_does_not_pay_for_a_dear_buy_back_of_a_covered_call() {
    let mut desk = Desk::open();
    let other = desk.world.list_other_underlying("JUP").unwrap();
    desk.refresh_surface(60).unwrap();
    let mallory = desk.world.funded("mallory", 10_000 * DOLLAR, 0);
    let friend = desk.world.funded("friend", 200_000 * DOLLAR, 0);
    let trifle = desk.world.leg(other, Instrument::PERP, SOL_LONG / 100);
    desk.world.trade_legs(&mallory, &desk.maker, &[trifle]).unwrap();
    let call = desk.call(25);
    let mut sold = 0;
    for step in [1_000, 100] {
        loop {
            let legs = [desk.leg(call, -step * SOL_LONG), desk.leg(Instrument::PERP, step * SOL_LONG)];
            if let Err(_refusal) = desk.world.trade_legs(&mallory, &friend, &legs) {
                break;
            }
            sold += step;
        }
    }
    desk.world.set_time(desk.world.now() + 90);
    desk.world.set_price(PRICE).unwrap();
    let mark = desk.world.mark(&desk.world.sol, &call);
    let legs = [
        desk.leg_at(call, sold * SOL_LONG, mark + PRICE / 50 - 1),
        desk.leg_at(Instrument::PERP, -sold * SOL_LONG, PRICE / 100 * 95),
    ];
    desk.world.refuses(PriceTooOld, |world| world.trade_legs(&mallory, &friend, &legs));
}

/// The same with a perp: no loan, but a claim against the pool far beyond a liquidator's fee.
#[test]
fn an_old_price_elsewhere_does_not_let_an_account_in_trouble_give_value_away() {
    let mut desk = Desk::open();
    let other = desk.world.list_other_underlying("JUP").unwrap();
    let mallory = desk.world.funded("mallory", 5_000 * DOLLAR, 0);
    let friend = desk.world.funded("friend", 5_000 * DOLLAR, 0);
    let dust = desk.world.leg(other, Instrument::PERP, SOL_LONG / 100);
    desk.world.trade_legs(&mallory, &desk.maker, &[dust]).unwrap();
    desk.world.trade(&mallory, &friend, 400 * SOL_LONG, PRICE).unwrap();
    desk.world.set_time(desk.world.now() + 90);
    let fallen = 231_000_000_000;
    desk.world.set_price(fallen).unwrap();
    let outcome = desk.world.trade(&mallory, &friend, -400 * SOL_LONG, fallen * 95 / 100);
    assert!(
        outcome.is_err(),
        "closed 5 % below the mark; claim {}, cash {}",
        claim(&desk.world, &mallory),
        cash(&desk.world, &mallory)
    );
}

/// A trifle in a market whose feed has stopped keeps everything else from being liquidated.
#[test]
fn a_trifle_on_a_dead_feed_is_no_shield() {
    let mut desk = Desk::open();
    let other = desk.world.list_other_underlying("JUP").unwrap();
    let keeper = desk.world.funded("keeper", 100_000 * DOLLAR, 0);
    let dust = desk.world.leg(other, Instrument::PERP, SOL_LONG / 100);
    desk.alice_trades(&[dust]).unwrap();
    let long = desk.leg(Instrument::PERP, 500 * SOL_LONG);
    desk.alice_trades(&[long]).unwrap();
    desk.world.set_time(desk.world.now() + 90);
    desk.world.set_price(280_000_000_000).unwrap();
    desk.world.liquidate(&keeper, &desk.alice, u64::MAX).unwrap();
}

/// An account with as many expiries as it can hold is valued within the heap: traded, and liquidated.
#[test]
fn thirty_expiries_fit_the_heap() {
    let (mut world, sheets) = markets(8);
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let full = world.funded("full", 14_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let mut futures = Vec::new();
    for sheet in &sheets {
        for days in [30, 60, 90, 120] {
            let (expiry, _) = world.list_expiry(*sheet, days, 60, &[]).unwrap();
            futures.push((*sheet, world.instrument(sheet, InstrumentKind::Future, expiry, 0)));
        }
    }
    futures.pop();
    let perp = world.leg(world.sol, Instrument::PERP, 800 * SOL_LONG);
    world.trade_legs(&full, &maker, &[perp]).unwrap();
    for (held, (sheet, future)) in futures.into_iter().enumerate() {
        let leg = world.leg(sheet, future, SOL_LONG / 100);
        send_big(&mut world, &full, leg).unwrap_or_else(|refusal| panic!("with {held} positions: {refusal}"));
    }
    world.set_time(world.now() + 1);
    price_all(&mut world, &sheets, 212_000_000_000);
    let liquidate = world.liquidate_instruction(&keeper, &full, u64::MAX);
    // Each further account costs about 120 bytes of heap; a transaction has room for a few.
    let padded = (0..18).fold(liquidate.clone(), |it, n| and_account(it, keypair(50_000 + n).pubkey()));
    let before = world.svm.clone();
    world.send(&[compute_limit(), padded], &[&keeper.keypair]).unwrap();
    world.svm = before;
    world.send(&[compute_limit(), liquidate], &[&keeper.keypair]).unwrap();
}

/// A keeper who holds a trifle in a ninth market liquidates a full account all the same.
#[test]
fn a_keeper_with_another_market_liquidates_a_full_account() {
    let (mut world, sheets) = markets(9);
    let full = world.funded("full", 14_000 * DOLLAR, 0);
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let ninth = world.leg(sheets[8], Instrument::PERP, SOL_LONG);
    world.trade_legs(&keeper, &maker, &[ninth]).unwrap();
    let perp = world.leg(world.sol, Instrument::PERP, 800 * SOL_LONG);
    world.trade_legs(&full, &maker, &[perp]).unwrap();
    for sheet in &sheets[..8] {
        let mut legs = Vec::new();
        for days in [30, 60, 90, 120] {
            let (expiry, _) = world.list_expiry(*sheet, days, 60, &[]).unwrap();
            let future = world.instrument(sheet, InstrumentKind::Future, expiry, 0);
            legs.push(world.leg(*sheet, future, SOL_LONG / 100));
        }
        // Thirty-two positions with the perp.
        let legs = if *sheet == world.sol { &legs[1..] } else { &legs[..] };
        let other = world.funded("other", 10_000 * DOLLAR, 0);
        let trade = world.trade_legs_instruction(&full, &other, legs);
        world.send(&[compute_limit(), trade], &[&full.keypair, &other.keypair]).unwrap();
    }
    world.set_time(world.now() + 1);
    price_all(&mut world, &sheets, 212_000_000_000);
    let liquidate = world.liquidate_instruction(&keeper, &full, u64::MAX);
    world.send(&[compute_limit(), liquidate], &[&keeper.keypair]).unwrap();
}

/// Two such accounts trade eight legs with one another, and one of them is below its initial margin: four valuations.
#[test]
fn two_full_accounts_reduce_eight_legs_within_the_heap() {
    let (mut world, sheets) = markets(8);
    let full = world.funded("full", 14_000 * DOLLAR, 0);
    let other = world.funded("other", 14_000 * DOLLAR, 0);
    let mut futures = Vec::new();
    for sheet in &sheets {
        for days in [30, 60, 90, 120] {
            let (expiry, _) = world.list_expiry(*sheet, days, 60, &[]).unwrap();
            futures.push((*sheet, world.instrument(sheet, InstrumentKind::Future, expiry, 0)));
        }
    }
    for (index, some) in futures.chunks(4).enumerate() {
        let size = if index == 0 { 240 } else { 4 };
        let legs: Vec<_> = some.iter().map(|(sheet, future)| world.leg(*sheet, *future, size * SOL_LONG)).collect();
        let trade = world.trade_legs_instruction(&full, &other, &legs);
        world.send(&[compute_limit(), trade], &[&full.keypair, &other.keypair]).unwrap();
    }
    world.set_time(world.now() + 1);
    price_all(&mut world, &sheets, 260_000_000_000);
    let legs: Vec<_> = futures.iter().take(8).map(|(sheet, future)| world.leg(*sheet, *future, -SOL_LONG)).collect();
    let trade = world.trade_legs_instruction(&full, &other, &legs);
    world.send(&[compute_limit(), trade], &[&full.keypair, &other.keypair]).unwrap();
    let account = world.account(&full);
    assert!(account.equity < account.initial_margin);
}

/// So many underlyings at one price.
fn markets(count: usize) -> (World, Vec<Pubkey>) {
    let mut world = World::with_market(PRICE).unwrap();
    let mut sheets = vec![world.sol];
    for symbol in ["B", "C", "D", "E", "F", "G", "H", "I"].iter().take(count - 1) {
        sheets.push(world.list_other_underlying(symbol).unwrap());
    }
    price_all(&mut world, &sheets, PRICE);
    (world, sheets)
}

fn price_all(world: &mut World, sheets: &[Pubkey], price: i64) {
    world.set_price(price).unwrap();
    for sheet in sheets {
        world.send(&[instruction::refresh_price(world.group, *sheet, world.price_update)], &[]).unwrap();
    }
}

/// With a fresh counterparty each time, so that only one account is large.
fn send_big(world: &mut World, full: &Trader, leg: PlacedLeg) -> Outcome {
    let name = format!("maker {}", world.now());
    let other = world.funded(&name, 1_000 * DOLLAR, 0);
    let trade = world.trade_legs_instruction(full, &other, &[leg]);
    world.send(&[compute_limit(), trade], &[&full.keypair, &other.keypair])
}

/// An isolated account with an unpaid fee in another market, whose price was old when the mode was chosen, is liquidated like any.
#[test]
fn an_unpaid_fee_elsewhere_does_not_shield_an_isolated_account() {
    let mut world = World::with_market(PRICE).unwrap();
    let other = world.list_other_underlying("OTHER").unwrap();
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let bob = world.funded("bob", 0, 100 * SOL);
    let refresh = instruction::refresh_price(world.group, other, world.price_update);
    world.set_price(PRICE).unwrap();
    world.send(std::slice::from_ref(&refresh), &[]).unwrap();
    for quantity in [SOL_LONG, -SOL_LONG] {
        let leg = world.leg(other, Instrument::PERP, quantity);
        world.trade_legs(&bob, &maker, &[leg]).unwrap();
    }
    world.trade(&bob, &maker, 120 * SOL_LONG, PRICE).unwrap();
    // With both prices good the engine refuses the mode; with the other's old it does not see the claim's line.
    world.set_time(world.now() + 61);
    world.set_price(PRICE).unwrap();
    let account = world.account(&bob);
    let isolate = instruction::set_mode((bob.margin_account, &account), margrave::state::Mode::Isolated);
    world.send(&[isolate], &[&bob.keypair]).unwrap();
    world.set_time(world.now() + 61);
    world.set_price(200_000_000_000).unwrap();
    world.send(&[refresh], &[]).unwrap();
    world.settle_pnl(&bob, other, false).unwrap();
    let outcome = world.liquidate(&keeper, &bob, u64::MAX);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

/// I-03: a loser who cannot pay owes his fees too, and they wait until he has: they do not go ahead of winners.
#[test]
fn fees_that_nobody_has_paid_are_not_swept() {
    let mut market = Market::long(500);
    // 17,500 dollars have become 10,000: 7,500 lost of 5,000.
    market.price_moves_to(PRICE * 4 / 7);
    let Market { world, alice, .. } = &mut market;
    let sweep = instruction::sweep_fees(world.group, world.sol, world.usdc_bank);
    world.settle_pnl(alice, world.sol, false).unwrap();
    let pool = world.underlying().pool;
    assert_eq!((pool.balance, pool.unsettled_fees), (5_000 * DOLLAR, 0));
    world.refuses(AmountMustBePositive, |world| world.send(std::slice::from_ref(&sweep), &[]));
    // When all is paid they are there: five basis points of 17,500 dollars.
    world.give(alice, Token::Usdc, 3_000 * DOLLAR);
    world.deposit(alice, Token::Usdc, 3_000 * DOLLAR).unwrap();
    world.settle_pnl(alice, world.sol, false).unwrap();
    assert_eq!(world.underlying().pool.unsettled_fees, 8_750_000);
    world.send(&[sweep], &[]).unwrap();
    check_books(world).unwrap();
}

/// Shares whose interest was not added for an hour are no money to pay a premium with.
#[test]
fn a_premium_is_not_paid_in_shares_of_an_old_index() {
    let mut desk = Desk::open();
    let (alice, bank) = (desk.alice.keypair.insecure_clone(), desk.world.usdc_bank);
    let accrued_at = desk.world.bank(Token::Usdc).1.accrued_at;
    for (age, is_paid) in [(3_600, true), (3_601, false)] {
        desk.world.set_time(accrued_at + age);
        desk.world.set_price(PRICE).unwrap();
        let leg = desk.leg(desk.call(35), SOL_LONG);
        let mut trade = desk.world.trade_legs_instruction(&desk.alice, &desk.maker, &[leg]);
        trade.accounts.iter_mut().filter(|meta| meta.pubkey == bank).for_each(|meta| meta.is_writable = false);
        let signers = [&alice, &desk.maker.keypair];
        if is_paid {
            desk.world.send(&[trade], &signers).unwrap();
        } else {
            desk.world.refuses(QuoteBankMustBeWritable, |world| world.send(&[trade], &signers));
        }
    }
    // With the bank writable it is brought up to date first.
    desk.alice_trades(&[desk.leg(desk.call(35), SOL_LONG)]).unwrap();
    assert_eq!(desk.world.bank(Token::Usdc).1.accrued_at, accrued_at + 3_601);
    check_books(&desk.world).unwrap();
}

/// I-20: reductions on an old price leave the funding premium where it was.
#[test]
fn a_trade_on_an_old_price_moves_no_premium() {
    let Market { mut world, alice, maker } = Market::long(100);
    let before = world.underlying().perp;
    world.set_time(world.now() + 61);
    world.trade(&alice, &maker, -50 * SOL_LONG, PRICE * 995 / 1_000).unwrap();
    let after = world.underlying().perp;
    assert_eq!((after.premium, after.premium_at), (before.premium, before.premium_at));
    assert_eq!(after.open_interest, 50 * SOL);
    world.set_price(PRICE).unwrap();
    world.trade(&alice, &maker, -10 * SOL_LONG, PRICE * 99 / 100).unwrap();
    assert!(world.underlying().perp.premium < before.premium);
}
