//! From the settlement window to a free slot.

use crate::{common::*, desk::*};
use margrave::{instructions::ListExpiryArgs, state::Instrument};

/// I-05: a short position is as much in the way as a long one. If the longs alone counted, the last short could be left behind
/// in a slot that a new expiry then takes.
#[test]
fn an_expiry_is_not_closed_while_anyone_holds_a_position_in_it() {
    let mut desk = Desk::open();
    desk.alice_trades(&[desk.leg(desk.call(35), 10 * SOL_LONG)]).unwrap();
    desk.expire_at(40 * DOLLAR_PRICE);
    let Desk { mut world, alice, maker, expiry, .. } = desk;
    let close = instruction::close_expiry(world.operator.pubkey(), world.group, world.sol, expiry);
    let sol = world.sol;
    world.refuses(ExpiryInUse, |world| world.send(std::slice::from_ref(&close), &[]));

    world.settle_expiry(&alice, sol, expiry).unwrap();
    check_books(&world).unwrap();
    world.refuses(ExpiryInUse, |world| world.send(std::slice::from_ref(&close), &[]));

    world.settle_expiry(&maker, sol, expiry).unwrap();
    check_books(&world).unwrap();
    world.send(std::slice::from_ref(&close), &[]).unwrap();
    check_books(&world).unwrap();
    world.refuses(InstrumentNotListed, |world| world.send(&[close], &[]));
}

/// I-05, by hand: prices every 150 seconds, of which each stands for 120. The first stands before the window, the last begins to
/// stand when it is over.
#[test]
fn the_settlement_price_is_the_average_of_the_window() {
    let Desk { mut world, expiry, time, .. } = Desk::open();
    let odd = [7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9];
    let mut post = |at: i64, price: i64| {
        world.set_time(time + at);
        world.set_price(price).unwrap();
    };
    post(-1_950, PRICE / 2);
    for (index, digit) in (0i64..).zip(odd) {
        post(-1_800 + 150 * index, PRICE + digit);
    }
    post(0, 3 * PRICE);
    // The digits sum to 63: 5.25 on average, rounded down.
    let slot = world.underlying().expiries[usize::from(expiry)];
    assert_eq!((slot.observed_secs, slot.settlement_price), (12 * 120, PRICE + 5));
    assert_eq!(slot.expiry().terms().forward.raw(), PRICE + 5);

    // Written once.
    for at in [1, 60, 7_200] {
        world.set_time(time + at);
        world.set_price(PRICE / 2).unwrap();
        assert_eq!(world.underlying().expiries[usize::from(expiry)].settlement_price, PRICE + 5);
    }
}

/// I-05: prices weigh as long as they stand, whoever posts them and however often the same is posted.
#[test]
fn a_price_counts_for_as_long_as_it_stands() {
    let settle = |repeated: bool| {
        let Desk { mut world, expiry, time, .. } = Desk::open();
        // Twenty dollars for 40 seconds of each 120, fifty for the other 80.
        for at in (-1_800..0).step_by(120) {
            for (after, price) in [(0, 20 * DOLLAR_PRICE), (40, 50 * DOLLAR_PRICE)] {
                world.set_time(time + at + after);
                world.set_price(price).unwrap();
                if repeated {
                    world.refresh().unwrap();
                    world.set_time(time + at + after + 17);
                    world.set_price(price).unwrap();
                }
            }
        }
        world.set_time(time);
        world.set_price(PRICE).unwrap();
        world.underlying().expiries[usize::from(expiry)].settlement_price
    };
    assert_eq!(settle(false), 40 * DOLLAR_PRICE);
    assert_eq!(settle(true), 40 * DOLLAR_PRICE);
}

/// No price all through the window: the observation goes on afterwards, until prices have stood for a quarter of an hour.
#[test]
fn after_an_outage_the_next_prices_settle() {
    let Desk { mut world, alice, expiry, time, .. } = Desk::open();
    let sol = world.sol;
    let price_of = |world: &World| world.underlying().expiries[usize::from(expiry)].settlement_price;
    world.set_time(time - 1_900);
    world.set_price(30 * DOLLAR_PRICE).unwrap();
    // Of the silence 120 seconds count at the price before it; 780 are missing.
    for step in 0..8 {
        world.set_time(time + 600 + 100 * step);
        world.set_price(40 * DOLLAR_PRICE).unwrap();
        assert_eq!(price_of(&world), 0, "{step}");
        world.refuses(NotSettledYet, |world| world.settle_expiry(&alice, sol, expiry));
    }
    // 700 seconds of forty dollars so far. The eighth hundred counts for the missing 80.
    world.set_time(time + 1_400);
    world.set_price(90 * DOLLAR_PRICE).unwrap();
    assert_eq!(price_of(&world), (30 * 120 + 40 * 780) * DOLLAR_PRICE / 900);
    world.set_time(time + 1_500);
    world.set_price(10 * DOLLAR_PRICE).unwrap();
    assert_eq!(price_of(&world), (30 * 120 + 40 * 780) * DOLLAR_PRICE / 900);
}

/// Inside the window the part that is observed no longer moves the forward.
#[test]
fn the_forward_is_pinned_as_the_window_is_observed() {
    let Desk { mut world, expiry, time, .. } = Desk::open();
    let forward = |world: &World| world.underlying().expiries[usize::from(expiry)].expiry().terms().forward.raw();
    for at in (-1_800..=-900).step_by(60) {
        world.set_time(time + at);
        world.set_price(40 * DOLLAR_PRICE).unwrap();
    }
    world.set_time(time - 600);
    world.set_price(10 * DOLLAR_PRICE).unwrap();
    // Ten minutes of half an hour are left: a third of ten dollars and two thirds of forty.
    assert_eq!(forward(&world), (10 + 2 * 40) * DOLLAR_PRICE / 3);
}

/// I-05: what longs receive shorts pay, to the unit when nothing rounds.
#[test]
fn payoffs_sum_to_zero() {
    let mut desk = Desk::open();
    let Desk { world, .. } = &mut desk;
    let traders: Vec<Trader> =
        (0..5).map(|index| world.funded(&format!("trader {index}"), 1_000_000 * DOLLAR, 0)).collect();
    trade_around(&mut desk, &traders, 10_000_000);
    desk.expire_at(38 * DOLLAR_PRICE + 7_000_000);
    let (paid, positions, before) = settle_all(&mut desk, &traders);
    assert_eq!(paid, 0);
    assert_eq!(desk.world.underlying().pool.clearing, before);
    assert!(positions > 20);
}

/// I-05: with odd sizes every account's payoff rounds against it; the sheet keeps the rest, less than a unit a position.
#[test]
fn payoffs_of_odd_sizes_leave_less_than_a_unit_each() {
    let mut desk = Desk::with(|_, market, _| market.lot = 1);
    let Desk { world, .. } = &mut desk;
    let traders: Vec<Trader> =
        (0..5).map(|index| world.funded(&format!("trader {index}"), 1_000_000 * DOLLAR, 0)).collect();
    trade_around(&mut desk, &traders, 9_999_991);
    desk.expire_at(38 * DOLLAR_PRICE + 1_234_567);
    let (paid, positions, before) = settle_all(&mut desk, &traders);
    assert!(paid < 0 && -paid < positions, "{paid} of {positions}");
    assert_eq!(desk.world.underlying().pool.clearing, before - paid);
}

/// Everybody trades the future and some options with the next one, in sizes that are multiples of `unit`.
fn trade_around(desk: &mut Desk, traders: &[Trader], unit: i64) {
    for (index, taker) in (1i64..).zip(traders) {
        let maker = &traders[usize::try_from(index).unwrap() % traders.len()];
        let size = |leg: i64| unit * (index * 17 + leg * 5) * if (index + leg) % 2 == 0 { 1 } else { -1 };
        let legs = [
            desk.leg(desk.future(), size(1)),
            desk.leg(desk.call(35), size(2)),
            desk.leg(desk.call(40), size(4)),
            desk.leg(desk.put(40), size(5)),
            desk.leg(desk.put(30), size(7)),
        ];
        desk.world.trade_legs(taker, maker, &legs).unwrap();
        check_books(&desk.world).unwrap();
    }
}

/// Settles everybody, each payoff computed by hand. Returns the sum paid, the number of positions, and the clearing before.
fn settle_all(desk: &mut Desk, traders: &[Trader]) -> (i64, i64, i64) {
    let settled = desk.settlement_price();
    let before = desk.world.underlying().pool.clearing;
    let strikes = [(desk.call(35), 1, 35), (desk.call(40), 1, 40), (desk.put(40), -1, 40), (desk.put(30), -1, 30)];
    let (mut sum, mut count) = (0, 0);
    for trader in traders {
        let world = &mut desk.world;
        let floor = |price: i64, quantity: i64| {
            i64::try_from((i128::from(price) * i128::from(quantity)).div_euclid(10i128.pow(13))).unwrap()
        };
        let mut payoffs: Vec<i64> = strikes
            .iter()
            .map(|(instrument, side, strike)| {
                (holding(world, trader, instrument).0, side * (settled - strike * DOLLAR_PRICE))
            })
            .map(|(quantity, worth)| floor(worth.max(0), quantity))
            .collect();
        let future = Instrument { kind: margrave::state::InstrumentKind::Future, strike: 0, ..strikes[0].0 };
        let (quantity, quote) = holding(world, trader, &future);
        payoffs.push(floor(settled, quantity));
        let held = world.account(trader).positions.iter().filter(|slot| !slot.is_empty()).count();
        let owed = claim(world, trader);
        let receipt = world.settle_expiry(trader, world.sol, desk.expiry).unwrap();
        let events = receipt.events();
        let [Event::ExpirySettled(event)] = &events[..] else { panic!("one event") };
        assert_eq!(event.paid, payoffs.iter().sum::<i64>());
        assert_eq!(usize::from(event.positions), held);
        assert_eq!(claim(world, trader), owed + event.paid + quote);
        check_books(world).unwrap();
        sum += event.paid;
        count += i64::from(event.positions);
    }
    (sum, count, before)
}

/// I-05: once is enough, and the longs' payoff does not wait for the shorts.
#[test]
fn a_position_settles_once() {
    let mut desk = Desk::open();
    desk.alice_trades(&[desk.leg(desk.put(40), 10 * SOL_LONG), desk.leg(desk.future(), SOL_LONG)]).unwrap();
    let Desk { world, alice, expiry, .. } = &mut desk;
    let (sol, expiry) = (world.sol, *expiry);
    world.refuses(NotSettledYet, |world| world.settle_expiry(alice, sol, expiry));
    world.refuses(InstrumentNotListed, |world| world.settle_expiry(alice, sol, expiry + 1));
    world.refuses(InstrumentNotListed, |world| world.settle_expiry(alice, sol, 255));
    desk.expire_at(PRICE);
    let Desk { mut world, alice, maker, .. } = desk;
    let stranger = world.trader("stranger");
    let bystander = world.funded("bystander", DOLLAR, SOL);
    world.refuses(NoPosition, |world| world.settle_expiry(&stranger, sol, expiry));
    world.refuses(NoPosition, |world| world.settle_expiry(&bystander, sol, expiry));
    world.settle_expiry(&alice, sol, expiry).unwrap();
    world.refuses(NoPosition, |world| world.settle_expiry(&alice, sol, expiry));
    world.settle_expiry(&maker, sol, expiry).unwrap();
    world.refuses(NoPosition, |world| world.settle_expiry(&maker, sol, expiry));
    check_books(&world).unwrap();
}

/// Neither the underlying of another group nor another one of this group settles an account's positions.
#[test]
fn an_expiry_is_settled_on_its_own_sheet() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let twin = world.list_underlying("TWIN", terms::oracle_terms(SOL_FEED), terms::risk_terms(), terms::market_terms());
    let twin = twin.unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();
    let refresh = instruction::refresh_price(world.group, twin, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    let (sol, time) = (world.sol, world.now() + 30 * DAY);
    let (expiry, _) = world.list_expiry(sol, 30, 60, &[PRICE]).unwrap();
    assert_eq!(world.list_expiry(twin, 30, 60, &[PRICE]).unwrap().0, expiry);
    let (maker, alice) = (world.funded("maker", 1_000_000 * DOLLAR, 0), world.funded("alice", 5_000 * DOLLAR, 0));
    let future = world.instrument(&sol, margrave::state::InstrumentKind::Future, expiry, 0);
    let leg = world.leg(sol, future, SOL_LONG);
    world.trade_legs(&alice, &maker, &[leg]).unwrap();
    for before in (0..=30).rev() {
        world.set_time(time - 60 * before);
        world.set_price(PRICE).unwrap();
        let refresh = instruction::refresh_price(world.group, twin, world.price_update);
        world.send(&[refresh], &[]).unwrap();
    }
    world.refuses(NoPosition, |world| world.settle_expiry(&alice, twin, expiry));
    world.settle_expiry(&alice, sol, expiry).unwrap();
    check_books(&world).unwrap();
}

/// From the very second of the expiry nothing trades on it, nor is anything listed or set.
#[test]
fn expired_instruments_do_not_trade() {
    let mut desk = Desk::open();
    desk.alice_trades(&[desk.leg(desk.future(), SOL_LONG), desk.leg(desk.call(35), SOL_LONG)]).unwrap();
    let legs =
        [desk.leg(desk.future(), -SOL_LONG), desk.leg(desk.call(35), -SOL_LONG), desk.leg(desk.put(35), SOL_LONG)];
    desk.world.set_time(desk.time - 1);
    desk.world.set_price(PRICE).unwrap();
    desk.refresh_surface(60).unwrap();
    desk.alice_trades(&[desk.leg(desk.future(), SOL_LONG)]).unwrap();
    desk.world.set_time(desk.time);
    desk.world.set_price(PRICE).unwrap();
    let Desk { mut world, alice, maker, expiry, .. } = desk;
    for leg in legs {
        world.refuses(ExpiryHasPassed, |world| world.trade_legs(&alice, &maker, &[leg]));
    }
    let (operator, group, sol) = (world.operator.pubkey(), world.group, world.sol);
    let list = instruction::list_strikes(operator, group, sol, expiry, vec![PRICE + 1]);
    world.refuses(ExpiryHasPassed, |world| world.send(&[list], &[]));
    world.refuses(ExpiryHasPassed, |world| set_flat_surface(world, expiry, 60));
    // The perp goes on.
    world.trade(&alice, &maker, SOL_LONG, PRICE).unwrap();
    check_books(&world).unwrap();
}

/// A slot's next expiry is another series: neither an old leg nor an old surface reaches it.
#[test]
fn old_series_do_not_trade() {
    let mut desk = Desk::open();
    let (old_future, old_call) = (desk.leg(desk.future(), SOL_LONG), desk.leg(desk.call(35), SOL_LONG));
    desk.expire_at(PRICE);
    let (expiry, series) = (desk.expiry, desk.series);
    let Desk { mut world, alice, maker, .. } = desk;
    let (sol, group, operator) = (world.sol, world.group, world.operator.pubkey());
    world.send(&[instruction::close_expiry(world.operator.pubkey(), group, sol, expiry)], &[]).unwrap();
    for leg in [old_future, old_call] {
        world.refuses(InstrumentNotListed, |world| world.trade_legs(&alice, &maker, &[leg]));
    }
    let strikes = [25, 30, 35].map(|dollars| dollars * DOLLAR_PRICE);
    assert_eq!(world.list_expiry(sol, 7, 60, &strikes).unwrap(), (expiry, series + 1));
    for leg in [old_future, old_call] {
        world.refuses(InstrumentNotListed, |world| world.trade_legs(&alice, &maker, &[leg]));
    }
    let surface = flat_surface(60, 7 * DAY);
    let set = instruction::set_surface(operator, group, sol, (expiry, series), surface);
    world.refuses(InstrumentNotListed, |world| world.send(&[set], &[]));
    let call = world.instrument(&sol, old_call.leg.instrument.kind, expiry, PRICE);
    let leg = world.leg(sol, call, SOL_LONG);
    world.trade_legs(&alice, &maker, &[leg]).unwrap();
    check_books(&world).unwrap();
}

/// A strike belongs to one expiry; what has no strike or no expiry says zero.
#[test]
fn an_instrument_is_named_in_one_way_only() {
    let mut desk = Desk::open();
    let near = desk.call(35);
    let far = desk.world.list_expiry(desk.world.sol, 60, 60, &[PRICE]).unwrap();
    let far_call = desk.world.instrument(&desk.world.sol, near.kind, far.0, PRICE);
    let future = desk.future();
    let wrong = [
        Instrument { strike: far_call.strike, ..near },
        Instrument { expiry: far.0, series: far.1, ..near },
        Instrument { strike: 255, ..near },
        Instrument { strike: 256, ..near },
        Instrument { strike: u16::MAX, ..near },
        Instrument { expiry: 12, ..near },
        Instrument { expiry: 255, ..near },
        Instrument { series: 0, ..near },
        Instrument { strike: 1, ..future },
        Instrument { expiry: 1, ..Instrument::PERP },
        Instrument { strike: 1, ..Instrument::PERP },
        Instrument { series: 1, ..Instrument::PERP },
        Instrument { series: 0, expiry: 5, ..future },
    ];
    let price = desk.world.mark(&desk.world.sol, &near);
    for instrument in wrong {
        let leg = desk.leg_at(instrument, SOL_LONG, price);
        let Desk { world, alice, maker, .. } = &mut desk;
        world.refuses(InstrumentNotListed, |world| world.trade_legs(alice, maker, &[leg]));
    }
    check_books(&desk.world).unwrap();
}

#[test]
fn an_expiry_is_listed_by_the_operator_at_a_sensible_time() {
    let Desk { mut world, alice, time, .. } = Desk::open();
    let (operator, group, sol, now) = (world.operator.pubkey(), world.group, world.sol, world.now());
    let list = |operator: Pubkey, time: i64| {
        let args = ListExpiryArgs { time, surface: flat_surface(60, time.saturating_sub(now).clamp(1, 800 * DAY)) };
        instruction::list_expiry(operator, group, sol, args)
    };
    for time in [i64::MIN, 0, now, now + 1_799, now + 2 * 365 * DAY + 1, i64::MAX] {
        world.refuses(ParameterOutOfBounds, |world| world.send(&[list(operator, time)], &[]));
    }
    world.refuses(AlreadyListed, |world| world.send(&[list(operator, time)], &[]));
    let forged = list(alice.key(), now + 1_800);
    world.refuses(SignerIsNotOperator, |world| world.send(&[forged], &[&alice.keypair]));
    for time in [now + 1_800, now + 2 * 365 * DAY] {
        world.send(&[list(operator, time)], &[]).unwrap();
    }
    for day in 1..10 {
        world.send(&[list(operator, now + day * DAY)], &[]).unwrap();
    }
    world.refuses(NoFreeSlot, |world| world.send(&[list(operator, now + 11 * DAY)], &[]));
}

#[test]
fn an_expiry_is_listed_once_there_is_a_price() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    let sol = world.sol;
    world.refuses(PriceNotInitialized, |world| match world.list_expiry(sol, 30, 60, &[]) {
        Ok(_) => world.refresh(),
        Err(refusal) => Err(refusal),
    });
}

#[test]
fn strikes_are_listed_once_and_up_to_256() {
    let Desk { mut world, alice, expiry, .. } = Desk::open();
    let (operator, group, sol) = (world.operator.pubkey(), world.group, world.sol);
    let list = |prices: &[i64]| instruction::list_strikes(operator, group, sol, expiry, prices.to_vec());
    world.refuses(AlreadyListed, |world| world.send(&[list(&[PRICE])], &[]));
    world.refuses(AlreadyListed, |world| world.send(&[list(&[PRICE + 1, PRICE + 1])], &[]));
    for price in [0, -1, i64::MIN, i64::MAX] {
        world.refuses(PriceOutOfRange, |world| world.send(&[list(&[PRICE + 1, price])], &[]));
    }
    for expiry in [expiry + 1, 12, 255] {
        let unlisted = instruction::list_strikes(operator, group, sol, expiry, vec![PRICE + 1]);
        world.refuses(InstrumentNotListed, |world| world.send(&[unlisted], &[]));
    }
    let forged = instruction::list_strikes(alice.key(), group, sol, expiry, vec![PRICE + 1]);
    world.refuses(SignerIsNotOperator, |world| world.send(&[forged], &[&alice.keypair]));
    let more: Vec<i64> =
        (1..=251).map(|index| PRICE + index * 1_000_000_000).filter(|p| p % 50_000_000_000 != 0).collect();
    let extra: Vec<i64> = (1..=251 - i64::try_from(more.len()).unwrap()).map(|index| PRICE - index).collect();
    for some in more.chunks(16).chain(extra.chunks(16)) {
        world.send(&[list(some)], &[]).unwrap();
    }
    world.refuses(NoFreeSlot, |world| world.send(&[list(&[PRICE / 2])], &[]));
}
