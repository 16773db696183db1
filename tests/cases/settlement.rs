//! Profit and loss on its way: funding, the pool, fees.

use crate::{common::*, desk::*};
use margrave::state::{Instrument, Pause};

const MICROS: i64 = 1_000_000;

fn settle(market: &mut Market, trader: Who) -> Result<Receipt, Refusal> {
    let Market { world, alice, maker } = market;
    let sol = world.sol;
    world.settle_pnl(if trader == Who::Alice { alice } else { maker }, sol, false)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Alice,
    Maker,
}

/// I-03, I-08: a winner is paid out of what losers have paid in, and out of nothing else.
#[test]
fn no_winner_is_paid_before_a_loser_has_paid() {
    let mut market = Market::long(100);
    market.price_moves_to(400_000_000_000);
    let before = (cash(&market.world, &market.alice), cash(&market.world, &market.maker));
    settle(&mut market, Who::Alice).unwrap();
    // 500 dollars won, 1.75 of fee: owed, and not paid.
    assert_eq!(claim(&market.world, &market.alice), 500 * MICROS - 1_750_000);
    assert_eq!(cash(&market.world, &market.alice), before.0);
    assert_eq!(holding(&market.world, &market.alice, &Instrument::PERP), (100 * SOL_LONG, -4_000 * MICROS));
    check_books(&market.world).unwrap();

    settle(&mut market, Who::Maker).unwrap();
    // The maker's fee is 0.70.
    assert_eq!(cash(&market.world, &market.maker), before.1 - 500 * MICROS - 700_000);
    assert_eq!((claim(&market.world, &market.maker), market.world.underlying().pool.balance), (0, 500_700_000));
    check_books(&market.world).unwrap();

    settle(&mut market, Who::Alice).unwrap();
    assert_eq!((claim(&market.world, &market.alice), cash(&market.world, &market.alice)), (0, before.0 + 498_250_000));
    // What is left in the pool is both fees.
    assert_eq!(market.world.underlying().pool.balance, 2_450_000);
    check_books(&market.world).unwrap();

    // Once is enough.
    settle(&mut market, Who::Alice).unwrap();
    settle(&mut market, Who::Maker).unwrap();
    assert_eq!(cash(&market.world, &market.alice), before.0 + 498_250_000);
    assert_eq!(market.world.underlying().pool.balance, 2_450_000);
    check_books(&market.world).unwrap();
}

/// I-08, P-23: two accounts of one owner bet against each other and the price goes up twentyfold at once. The loser cannot pay;
/// so the winner cannot be paid, and however he goes about it the two take out no more than they put in and what was settled.
#[test]
fn two_accounts_of_one_owner_withdraw_no_more_than_they_put_in() {
    let Market { mut world, alice, maker } = Market::open();
    let bob = world.funded("bob", 5_000 * DOLLAR, 0);
    let sol = world.sol;
    world.trade(&alice, &bob, 400 * SOL_LONG, PRICE).unwrap();
    let high = 20 * PRICE;
    world.set_time(world.now() + 1);
    world.set_price(high).unwrap();

    // Everything there is to try in that moment: settle, borrow, close against somebody honest, settle again.
    world.settle_pnl(&alice, sol, false).unwrap();
    check_books(&world).unwrap();
    assert!(world.borrow(&alice, Token::Usdc, 10_000 * DOLLAR).is_err());
    world.settle_pnl(&bob, sol, false).unwrap();
    world.settle_pnl(&alice, sol, false).unwrap();
    check_books(&world).unwrap();
    world.trade(&alice, &maker, -400 * SOL_LONG, high).unwrap();
    world.settle_pnl(&alice, sol, false).unwrap();
    check_books(&world).unwrap();
    let mut taken = 0;
    for trader in [&alice, &bob] {
        for hours in 0..4 {
            world.set_time(world.now() + 3_600 * hours);
            world.set_price(high).unwrap();
            world.settle_pnl(trader, sol, false).ok();
            for step in [1_000_000, 100_000, 10_000, 1_000, 100, 1] {
                while world.borrow(trader, Token::Usdc, step * DOLLAR).is_ok() {}
            }
            check_books(&world).unwrap();
        }
        taken += world.tokens(&trader.usdc);
    }
    assert!(taken <= 10_000 * DOLLAR, "{taken} of 10,000 dollars");
}

/// I-08: what a loser's deposit does not cover he goes on owing, with nobody paid for it.
#[test]
fn a_loss_that_the_deposit_does_not_cover_stays_owed() {
    let mut market = Market::long(400);
    market.price_moves_to(200_000_000_000);
    // 6,000 dollars lost and 7 of fee; 5,000 are there.
    settle(&mut market, Who::Alice).unwrap();
    assert_eq!(cash(&market.world, &market.alice), 0);
    assert_eq!(claim(&market.world, &market.alice), -1_007 * MICROS);
    assert_eq!(market.world.underlying().pool.balance, 5_000 * DOLLAR);
    check_books(&market.world).unwrap();
    settle(&mut market, Who::Maker).unwrap();
    assert_eq!(market.world.underlying().pool.balance, 0);
    assert_eq!(claim(&market.world, &market.maker), 1_000 * MICROS - 2_800_000);
    check_books(&market.world).unwrap();
    // Nothing is left to pay with, and a loan needs margin.
    settle(&mut market, Who::Alice).unwrap();
    let Market { mut world, alice, .. } = market;
    let sol = world.sol;
    world.refuses(InitialMarginNotMet, |world| world.settle_pnl(&alice, sol, true));
    assert_eq!(claim(&world, &alice), -1_007 * MICROS);
}

/// P-22: a negative claim is a debt in everything but name: it counts against margin, it keeps the account open, and a deposit
/// pays it.
#[test]
fn a_negative_claim_is_not_left_behind() {
    let mut market = Market::long(100);
    market.price_moves_to(320_000_000_000);
    let Market { mut world, alice, maker } = market;
    let sol = world.sol;
    world.trade(&alice, &maker, -100 * SOL_LONG, 320_000_000_000).unwrap();
    // 300 dollars and fees of 1.75 and 1.60.
    let owed = -303_350_000;
    assert_eq!((claim(&world, &alice), world.account(&alice).positions[0].kind), (owed, 0));
    assert_eq!(world.account(&alice).equity, 5_000 * MICROS + owed);
    world.refuses(InitialMarginNotMet, |world| world.withdraw(&alice, Token::Usdc, 5_000 * DOLLAR));
    world.withdraw(&alice, Token::Usdc, 4_696_650_000).unwrap();
    let close = instruction::close_margin_account(alice.key(), alice.margin_account);
    world.refuses(MarginAccountNotEmpty, |world| world.send(std::slice::from_ref(&close), &[&alice.keypair]));
    check_books(&world).unwrap();
    world.settle_pnl(&alice, sol, false).unwrap();
    check_books(&world).unwrap();
    assert_eq!((claim(&world, &alice), cash(&world, &alice)), (0, 0));
    world.send(&[close], &[&alice.keypair]).unwrap();
    check_books(&world).unwrap();
}

/// With `borrow` a loss becomes a loan, of an account that has the margin for it and while loans are not stopped.
#[test]
fn a_loss_becomes_a_loan_with_margin_only() {
    let mut world = World::with_market(PRICE).unwrap();
    let (maker, bob) = (world.funded("maker", 10_000_000 * DOLLAR, 0), world.funded("bob", 0, 1_000 * SOL));
    let sol = world.sol;
    world.trade(&bob, &maker, 100 * SOL_LONG, PRICE).unwrap();
    world.set_time(world.now() + 60);
    world.set_price(340_000_000_000).unwrap();
    world.settle_pnl(&bob, sol, false).unwrap();
    assert_eq!((claim(&world, &bob), cash(&world, &bob)), (-101_750_000, 0));
    let stop = instruction::pause(world.guardian.pubkey(), world.group, None, Pause::BORROW, MAX_PAUSE_SECS);
    world.send(&[stop], &[]).unwrap();
    world.refuses(Paused, |world| world.settle_pnl(&bob, sol, true));
    let resume = margrave::state::Change::Unpause(Pause::BORROW);
    world.change(resume, None).unwrap();
    world.set_price(340_000_000_000).unwrap();
    world.settle_pnl(&bob, sol, true).unwrap();
    assert_eq!((claim(&world, &bob), cash(&world, &bob)), (0, -101_750_000));
    assert_eq!(world.underlying().pool.balance, 101_750_000);
    check_books(&world).unwrap();
    // A profit repays it.
    world.set_time(world.now() + 60);
    world.set_price(360_000_000_000).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    world.settle_pnl(&bob, sol, false).unwrap();
    let bank = world.bank(Token::Usdc).1;
    // 200 dollars less the loan, and the interest of a minute.
    assert!(
        (98_249_000..=98_250_000).contains(&cash(&world, &bob)) && bank.borrow_shares == 0,
        "{}",
        cash(&world, &bob)
    );
    check_books(&world).unwrap();
}

/// P-25: profit is not realised at an old price, nor of an account that has nothing here.
#[test]
fn settling_needs_a_position_and_a_recent_price() {
    let mut market = Market::long(100);
    market.world.set_time(market.world.now() + 61);
    let Market { mut world, alice, .. } = market;
    let (sol, bank) = (world.sol, world.sol_bank);
    world.refuses(PriceTooOld, |world| world.settle_pnl(&alice, sol, false));
    world.set_price(PRICE).unwrap();
    let stranger = world.funded("stranger", DOLLAR, 0);
    world.refuses(NoPosition, |world| world.settle_pnl(&stranger, sol, false));
    let account = world.account(&alice);
    let wrong = instruction::settle_pnl((alice.margin_account, &account), sol, bank, false);
    world.refuses(BankMissing, |world| world.send(&[wrong], &[]));
}

/// Fees are collected from what losers have paid, first into insurance, and once.
#[test]
fn fees_are_swept_from_what_was_paid() {
    let mut market = Market::long(100);
    let sweep = instruction::sweep_fees(market.world.group, market.world.sol, market.world.usdc_bank);
    // 2.45 dollars are owed; nobody has paid or even reported them.
    market.world.refuses(AmountMustBePositive, |world| world.send(std::slice::from_ref(&sweep), &[]));
    settle(&mut market, Who::Alice).unwrap();
    let pool = market.world.underlying().pool;
    assert_eq!((pool.balance, pool.unsettled_fees), (1_750_000, 1_750_000));
    market.world.send(std::slice::from_ref(&sweep), &[]).unwrap();
    market.world.refuses(AmountMustBePositive, |world| world.send(std::slice::from_ref(&sweep), &[]));
    assert_eq!(market.world.bank(Token::Usdc).1.insurance, 1_750_000);
    check_books(&market.world).unwrap();
    settle(&mut market, Who::Maker).unwrap();
    market.world.send(&[sweep], &[]).unwrap();
    let (pool, bank) = (market.world.underlying().pool, market.world.bank(Token::Usdc).1);
    assert_eq!((pool.balance, pool.unsettled_fees, bank.pools, bank.insurance), (0, 0, 0, 2_450_000));
    check_books(&market.world).unwrap();
}

/// Fees that a winner owes are swept once losers have paid enough, and never more than the pool holds.
#[test]
fn a_sweep_takes_no_more_than_the_pool_holds() {
    let mut market = Market::long(100);
    market.price_moves_to(350_100_000_000);
    // Alice has won one dollar and owes 1.75: she pays 0.75. The maker has not settled.
    settle(&mut market, Who::Alice).unwrap();
    let pool = market.world.underlying().pool;
    assert_eq!((pool.balance, pool.unsettled_fees), (750_000, 1_750_000));
    let sweep = instruction::sweep_fees(market.world.group, market.world.sol, market.world.usdc_bank);
    market.world.send(std::slice::from_ref(&sweep), &[]).unwrap();
    let pool = market.world.underlying().pool;
    assert_eq!((pool.balance, pool.unsettled_fees), (0, 1_000_000));
    check_books(&market.world).unwrap();
    settle(&mut market, Who::Maker).unwrap();
    market.world.send(&[sweep], &[]).unwrap();
    assert_eq!(market.world.underlying().pool.balance, 0);
    assert_eq!(market.world.bank(Token::Usdc).1.insurance, 2_450_000);
    check_books(&market.world).unwrap();
}

/// The index a funding of `rate` per 8 hours reaches after `seconds` at a price, 10^-10 dollars.
fn paid_funding(world: &World) -> i64 {
    let index = i128::from_le_bytes(world.underlying().perp.funding_index);
    i64::try_from(index >> 48).unwrap()
}

/// A premium of five per cent is charged as its cap, 0.3 per cent in eight hours; payers round up, receivers down, and the sheet
/// keeps what is left.
#[test]
fn funding_is_capped_and_sums_to_zero() {
    let Market { mut world, alice, maker } = Market::open();
    let sol = world.sol;
    // A hundred billion dollars of depth would move the premium to a trade's price by half; this trade is small, so many times.
    for _ in 0..4 {
        world.trade(&alice, &maker, 90 * SOL_LONG + 10_000_000, PRICE + PRICE / 20).unwrap();
    }
    let premium = world.underlying().perp.premium;
    assert!(premium > 0 && premium < (1 << 30) / 20);
    for minute in 1..=60 {
        world.set_time(World::START + 60 * minute);
        world.set_price(PRICE).unwrap();
    }
    // The exact rate is the premium, far below its cap here.
    let expected = (i128::from(premium) * i128::from(PRICE) / 8) >> 30;
    let index = paid_funding(&world);
    assert!((i128::from(index) - expected).abs() <= 1, "{index} is not {expected}");
    let owed = (claim(&world, &alice), claim(&world, &maker));
    world.settle_pnl(&alice, sol, false).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    check_books(&world).unwrap();
    assert!(owed.0 < 0 && owed.1 < 0, "both owe fees");
    let clearing = world.underlying().pool.clearing;
    assert!((0..=1).contains(&clearing), "payers up, receivers down: {clearing}");
}

/// The rate is clamped: a premium of almost five per cent pays 0.3.
#[test]
fn the_funding_rate_is_clamped() {
    for side in [1, -1] {
        let mut desk = Desk::with(|_, market, _| market.funding_depth = 1);
        desk.alice_trades(&[desk.leg_at(Instrument::PERP, side * 100 * SOL_LONG, PRICE + side * PRICE / 20)]).unwrap();
        for minute in 1..=48 {
            desk.world.set_time(World::START + 600 * minute);
            desk.world.set_price(PRICE).unwrap();
        }
        // Eight hours: 0.3 % of 35 dollars a SOL.
        let index = paid_funding(&desk.world);
        let expected = side * PRICE * 3 / 1_000;
        assert!((index - expected).abs() <= 200, "{index} is not {expected}");
        // The premium is eight hours old and stands no longer.
        for minute in 49..=60 {
            desk.world.set_time(World::START + 600 * minute);
            desk.world.set_price(PRICE).unwrap();
        }
        assert_eq!(paid_funding(&desk.world), index);
        let Desk { mut world, alice, maker, .. } = desk;
        let sol = world.sol;
        let before = (cash(&world, &alice), cash(&world, &maker));
        world.settle_pnl(&alice, sol, false).unwrap();
        world.settle_pnl(&maker, sol, false).unwrap();
        world.settle_pnl(&alice, sol, false).unwrap();
        check_books(&world).unwrap();
        // 10.50 dollars from the side that pays, whichever it is; and 5 % of price that alice paid above the index.
        let moved = cash(&world, &alice) - before.0;
        let (price, fee) = (175 * MICROS, (3_500 + side * 175) * 500);
        assert!((moved + price + fee + 10_500_000).abs() < 100, "{moved}");
        assert!((0..=2).contains(&world.underlying().pool.clearing));
    }
}

/// After a halt of a day one hour is charged: nobody could have left.
#[test]
fn funding_for_a_halt_is_charged_for_an_hour() {
    let mut desk = Desk::with(|_, market, _| market.funding_depth = 1);
    desk.alice_trades(&[desk.leg_at(Instrument::PERP, 100 * SOL_LONG, PRICE + PRICE / 20)]).unwrap();
    desk.world.set_time(World::START + 7 * 3_600);
    desk.world.set_price(PRICE).unwrap();
    let expected = PRICE * 3 / 1_000 / 8;
    let index = paid_funding(&desk.world);
    assert!((index - expected).abs() <= 50, "{index} is not {expected}");
    desk.world.set_time(World::START + 31 * 3_600);
    desk.world.set_price(PRICE).unwrap();
    let later = paid_funding(&desk.world);
    assert!((later - 2 * expected).abs() <= 100, "an hour of the silence, while the premium stood: {later}");
    check_books(&desk.world).unwrap();
}

/// I-35: funding does not depend on how often prices come.
#[test]
fn funding_does_not_depend_on_how_often_prices_come() {
    let after = |every: i64| {
        let mut desk = Desk::with(|_, market, _| market.funding_depth = 1);
        desk.alice_trades(&[desk.leg_at(Instrument::PERP, 100 * SOL_LONG, PRICE + PRICE / 1_000)]).unwrap();
        for step in 1..=3_600 / every {
            desk.world.set_time(World::START + every * step);
            desk.world.set_price(PRICE).unwrap();
        }
        paid_funding(&desk.world)
    };
    let hourly = after(3_600);
    assert!(hourly > 0);
    for every in [60, 150, 900] {
        assert!((after(every) - hourly).abs() <= 1, "every {every} seconds");
    }
}

/// A future's profit is settled at its forward, and again and again without loss.
#[test]
fn a_future_is_settled_at_its_forward_and_loses_nothing_by_it() {
    let mut desk = Desk::open();
    desk.alice_trades(&[desk.leg(desk.future(), 12_340_000_000)]).unwrap();
    let future = desk.future();
    let Desk { mut world, alice, maker, .. } = desk;
    let (sol, start) = (world.sol, cash(&world, &alice));
    let mut price = PRICE;
    for step in 1..=20 {
        price += 1_234_567_891 * if step % 3 == 0 { -2 } else { 1 };
        world.set_time(world.now() + 60);
        world.set_price(price).unwrap();
        for trader in [&alice, &maker, &alice, &alice] {
            world.settle_pnl(trader, sol, false).unwrap();
            check_books(&world).unwrap();
        }
    }
    // The sum of what alice was paid, is owed and holds is the move of the price, to the unit, less her fee.
    let forward = world.mark(&sol, &future);
    let (quantity, quote) = holding(&world, &alice, &future);
    let value =
        |price: i64| i64::try_from((i128::from(price) * i128::from(quantity)).div_euclid(10i128.pow(13))).unwrap();
    assert_eq!(quote, -value(forward));
    // 12.34 SOL at 35 dollars and 0.05 %.
    let fee = 215_950;
    let cost = value(PRICE);
    assert_eq!(cash(&world, &alice) + claim(&world, &alice) - start, value(forward) - cost - fee);
}

/// Options have no profit to realise: what they cost was paid, what they pay comes at the expiry.
#[test]
fn options_are_not_settled_before_they_expire() {
    let mut desk = Desk::open();
    let call = desk.call(35);
    desk.alice_trades(&[desk.leg(call, 10 * SOL_LONG)]).unwrap();
    let Desk { mut world, alice, .. } = desk;
    let (sol, fees) = (world.sol, claim(&world, &alice));
    world.set_time(world.now() + 60);
    world.set_price(2 * PRICE).unwrap();
    let before = cash(&world, &alice);
    world.settle_pnl(&alice, sol, false).unwrap();
    assert_eq!(cash(&world, &alice), before + fees);
    assert_eq!((claim(&world, &alice), holding(&world, &alice, &call)), (0, (10 * SOL_LONG, 0)));
    check_books(&world).unwrap();
}
