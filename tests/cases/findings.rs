//! What the back-test and readings of the program have found wrong, put right.

use crate::{common::*, corrupted::corrupt, desk::Desk};
use margrave::state::{Bank, Change, GroupTerms, Instrument, OutflowLimit, Status};
use margrave_client::instruction;

/// 2026-11-21, I-27. The loss of a short option is in its mark and not in a claim, so that the premium and deposit of a bankrupt
/// account never go into it, and count as something of its own for ever.
#[test]
fn a_bankrupt_short_option_can_be_deleveraged() {
    let mut desk = Desk::open();
    let call = desk.call(40);
    desk.alice_trades(&[desk.leg(call, -400 * SOL_LONG)]).unwrap();
    let Desk { mut world, alice, maker, .. } = desk;
    let sol = world.sol;
    let later = |world: &mut World, secs: i64| {
        world.set_time(world.now() + secs);
        world.set_price(600_000_000_000).unwrap();
    };
    later(&mut world, 60);
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
    later(&mut world, 120);
    world.settle_pnl(&alice, sol, false).unwrap();
    world.nominate(&alice, &maker, sol, call).unwrap();
    later(&mut world, 31);
    world.deleverage(&alice, &maker, sol, call).unwrap();
    check_books(&world).unwrap();
}

/// 2026-11-21, I-22. A liquidator's fee is as large for an account that has less than the fee: it ends bankrupt, and
/// insurance pays the liquidator. The bonus on collateral is bounded by what is left (`bonus_ppm`); the fee on positions
/// is not.
#[test]
fn a_fee_alone_bankrupts_nobody() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let alice = world.funded("alice", 5_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    world.trade(&alice, &maker, 500 * SOL_LONG, PRICE).unwrap();
    // 50 dollars are left, less 8.75 of fees; a full fee on 500 SOL is 125.50.
    for secs in [60, 120] {
        world.set_time(world.now() + secs);
        world.set_price(251_000_000_000).unwrap();
        if secs == 60 {
            world.flag(&alice).unwrap();
            assert_eq!(world.account(&alice).status, Status::InLiquidation as u8);
        }
    }
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    world.flag(&alice).unwrap();
    assert!(world.account(&alice).equity >= 0, "{}", world.account(&alice).equity);
}

/// 2026-11-21, I-31. What comes in was taken off the group's outflow at the bank's price of then, however much lower it was when it
/// went out: whoever brings a risen token back makes room for others to leave with more than a day's limit.
#[test]
fn a_token_that_has_risen_makes_no_room_for_others() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    world.change(Change::Group(GroupTerms { outflow_cap: 10_000 * DOLLAR, ..terms::group_terms() }), None).unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();
    let alice = world.funded("alice", 0, 100 * SOL);
    let bob = world.funded("bob", 20_000 * DOLLAR, 0);
    // What came in is forgotten.
    world.set_time(world.now() + 86_400);
    let accrue = |world: &mut World| {
        let bank = world.bank(Token::Sol);
        world.send(&[instruction::accrue_interest((bank.0, &bank.1))], &[]).unwrap();
    };
    accrue(&mut world);
    world.withdraw(&bob, Token::Usdc, 6_000 * DOLLAR).unwrap();
    world.withdraw(&alice, Token::Sol, 100 * SOL).unwrap();
    world.set_price(3 * PRICE).unwrap();
    accrue(&mut world);
    world.deposit(&alice, Token::Sol, 100 * SOL).unwrap();
    let limit: OutflowLimit = world.load(&pda::outflow_limit(&world.group));
    assert_eq!(limit.window.net, 6_000_000_000);
    world.refuses(OutflowLimitExceeded, |world| world.withdraw(&bob, Token::Usdc, 4_000 * DOLLAR + 1));
    world.withdraw(&bob, Token::Usdc, 4_000 * DOLLAR).unwrap();
    check_books(&world).unwrap();
}

/// 2026-11-21, I-25. Eight tokens and no dollars: nobody could pay what the account owes for its collateral, as there was no place
/// left in it for a dollar.
#[test]
fn eight_tokens_do_not_keep_collateral_from_being_bought() {
    let Market { mut world, alice, maker } = Market::open();
    world.withdraw(&alice, Token::Usdc, 5_000 * DOLLAR).unwrap();
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let deposit = |world: &mut World, amount: u64| {
        let mint = world.list_extra_bank().unwrap();
        let source = world.give_new(&alice, mint, amount);
        let key = pda::bank(&world.group, &mint);
        let bank = world.load::<Bank>(&key);
        let bank = (key, &bank);
        let place = instruction::deposit(alice.key(), alice.margin_account, bank, source, TOKEN_PROGRAM, amount);
        (key, world.send(&[place], &[&alice.keypair]))
    };
    let (large, outcome) = deposit(&mut world, 1_000 * SOL);
    outcome.unwrap();
    for _ in 0..6 {
        deposit(&mut world, SOL).1.unwrap();
    }
    // One place is the quote token's.
    let eighth = deposit(&mut world, SOL).1;
    assert!(eighth.is_err_and(|refusal| refusal.is(CollateralLimitExceeded)));
    world.trade(&alice, &maker, 1_500 * SOL_LONG, PRICE).unwrap();
    for secs in [60, 120, 180] {
        world.set_time(world.now() + secs);
        world.set_price(220_000_000_000).unwrap();
        if secs == 60 {
            world.flag(&alice).unwrap();
        }
    }
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    let usdc_bank = world.usdc_bank;
    world.liquidate_collateral(&keeper, &alice, [large, usdc_bank], u64::MAX).unwrap();
    check_books(&world).unwrap();
}

/// 2026-11-21, I-28. A reduction of options was allowed to cost a part of their underlying's value, which may be all of theirs: an
/// account in trouble gave its cheap options away. A liquidator would be paid a part of their premium.
#[test]
fn an_account_in_trouble_does_not_give_its_options_away() {
    let mut desk = Desk::open();
    let call = desk.call(45);
    let friend = desk.world.funded("friend", 100_000 * DOLLAR, 0);
    desk.alice_trades(&[desk.leg(call, 100 * SOL_LONG), desk.leg(Instrument::PERP, 520 * SOL_LONG)]).unwrap();
    let index = 332_000_000_000;
    desk.world.set_time(desk.world.now() + 60);
    desk.world.set_price(index).unwrap();
    let mark = desk.world.mark(&desk.world.sol, &call);
    assert!(mark > 0 && mark < index / 50, "{mark}");
    let value = desk.world.accounts().value(&desk.alice.margin_account, desk.world.now()).unwrap();
    assert!(value.initial_health().is_negative() && !value.equity.is_negative());
    // A hundredth of the underlying, the fee on perps, and an eighth of the premium, the fee on options.
    for price in [(mark - index / 110).max(1), mark * 7 / 8 - mark / 100] {
        let gift = desk.leg_at(call, -100 * SOL_LONG, price);
        desk.world.refuses(InitialMarginNotMet, |world| world.trade_legs(&desk.alice, &friend, &[gift]));
    }
    let sale = desk.leg_at(call, -100 * SOL_LONG, mark * 7 / 8 + mark / 100);
    desk.world.trade_legs(&desk.alice, &friend, &[sale]).unwrap();
    check_books(&desk.world).unwrap();
}

/// 2026-11-21, I-28. Profit above its cap is no margin, so that it cost no equity to give it away with a reduction.
#[test]
fn an_account_in_trouble_does_not_give_uncounted_profit_away() {
    let mut desk = Desk::with(|risk, _, _| risk.profit_cap = 100 * DOLLAR);
    let other = desk.world.list_other_underlying("JUP").unwrap();
    let Desk { mut world, alice, maker, .. } = desk;
    let legs =
        [world.leg(world.sol, Instrument::PERP, 200 * SOL_LONG), world.leg(other, Instrument::PERP, -220 * SOL_LONG)];
    world.trade_legs(&alice, &maker, &legs).unwrap();
    let price = 410_000_000_000;
    world.set_time(world.now() + 60);
    world.set_price(price).unwrap();
    world.send(&[instruction::refresh_price(world.group, other, world.price_update)], &[]).unwrap();
    let value = world.accounts().value(&alice.margin_account, world.now()).unwrap();
    assert!(value.initial_health().is_negative() && !value.equity.is_negative());
    let gift = |price: i64| {
        let mut leg = world.leg(world.sol, Instrument::PERP, -50 * SOL_LONG);
        leg.leg.price = price;
        [leg]
    };
    let (dear, fair) = (gift(price * 96 / 100), gift(price * 991 / 1_000));
    world.refuses(InitialMarginNotMet, |world| world.trade_legs(&alice, &maker, &dear));
    world.trade_legs(&alice, &maker, &fair).unwrap();
    check_books(&world).unwrap();
}

/// 2026-11-21, I-34. When losses have made a share worth less than an atom, the last of a deposit was worth nothing and stayed: the
/// account kept its place for it and could not be closed.
#[test]
fn a_depositor_who_has_borne_a_loss_takes_everything_out() {
    let mut world = World::with_market(PRICE).unwrap();
    let alice = world.funded("alice", 13, 0);
    let (key, bank) = world.bank(Token::Usdc);
    let six_tenths = (u128::from_le_bytes(bank.deposit_index) * 6 / 10).to_le_bytes();
    corrupt::<Bank>(&mut world, key, |bank| bank.deposit_index = six_tenths);
    world.withdraw(&alice, Token::Usdc, u64::MAX).unwrap();
    assert_eq!(world.tokens(&alice.usdc), 7);
    world.set_time(world.now() + 1);
    let close = instruction::close_margin_account(alice.key(), alice.margin_account);
    world.send(&[close], &[&alice.keypair]).unwrap();
    check_books(&world).unwrap();
}
