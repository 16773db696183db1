//! What a price does to its sheet: legacy accounts, the stable price, volatility and scan range, and the table of action by price
//! quality of docs/prices.md.

use crate::common::*;
use margrave::{
    constants::*,
    oracle::{Action, Quality},
    state::*,
};
use margrave_client::instruction;
use margrave_risk::Ratio;
use margrave_sim::terms::*;

/// The address of a legacy price account, and who owns it.
const LEGACY: Pubkey = Pubkey::new_from_array([77; 32]);

/// A group with an underlying on a legacy account, besides the usual ones.
fn legacy_world() -> (World, Pubkey) {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(risk_terms()).unwrap();
    let oracle = OracleTerms { kind: OracleKind::Legacy as u32, ..oracle_terms(LEGACY.to_bytes()) };
    let underlying = world.list_underlying("OLD", oracle, risk_terms(), market_terms()).unwrap();
    (world, underlying)
}

fn refresh(world: &mut World, underlying: Pubkey, account: Pubkey) -> Outcome {
    world.send(&[instruction::refresh_price(world.group, underlying, account)], &[])
}

#[test]
fn a_legacy_price_account_is_read_at_its_address() {
    let (mut world, underlying) = legacy_world();
    let message = PriceMessage { exponent: -8, price: 3_500_000_000, confidence: 3_500_000, ..world.good_price(0) };
    world.svm.set_account(LEGACY, legacy_price_account(&message, 1, RECEIVER)).unwrap();
    refresh(&mut world, underlying, LEGACY).unwrap();
    let oracle = world.sheet(&underlying).oracle;
    assert_eq!((oracle.price, oracle.confidence), (PRICE, PRICE / 1_000));
    assert_eq!((oracle.publish_time, oracle.posted_slot), (world.now(), 42));
}

/// P-05: another address, owner, status or kind of account.
#[test]
fn a_legacy_price_that_is_not_the_underlying_s_is_refused() {
    let (mut world, underlying) = legacy_world();
    let message = world.good_price(PRICE);
    let elsewhere = Pubkey::new_from_array([78; 32]);
    world.svm.set_account(elsewhere, legacy_price_account(&message, 1, RECEIVER)).unwrap();
    world.refuses(FeedMismatch, |world| refresh(world, underlying, elsewhere));
    let stranger = Pubkey::new_from_array([9; 32]);
    world.svm.set_account(LEGACY, legacy_price_account(&message, 1, stranger)).unwrap();
    world.refuses(ReceiverNotAllowed, |world| refresh(world, underlying, LEGACY));
    // Unknown, halted, in an auction, ignored.
    for status in [0, 2, 3, 4] {
        world.svm.set_account(LEGACY, legacy_price_account(&message, status, RECEIVER)).unwrap();
        world.refuses(PriceNotFullyVerified, |world| refresh(world, underlying, LEGACY));
    }
    let good = legacy_price_account(&message, 1, RECEIVER);
    // Status that is none, magic, version, account type, price type; and a length.
    for (at, byte) in [(224, 5), (225, 1), (0, 0), (4, 1), (8, 2), (16, 0)] {
        let mut bad = good.clone();
        bad.data[at] = byte;
        world.svm.set_account(LEGACY, bad).unwrap();
        world.refuses(NotAPriceUpdate, |world| refresh(world, underlying, LEGACY));
    }
    let mut short = good.clone();
    short.data.truncate(3_311);
    world.svm.set_account(LEGACY, short).unwrap();
    world.refuses(NotAPriceUpdate, |world| refresh(world, underlying, LEGACY));
    // An underlying on the new kind does not take the old one.
    world.svm.set_account(world.price_update, good).unwrap();
    world.refuses(NotAPriceUpdate, |world| world.refresh());
}

/// P-28, I-19: spot times three within a minute. The stable price is held to 30 % an hour, so initial margin sees half a per cent
/// of it, for a deposit as for a long.
#[test]
fn a_pumped_price_buys_no_initial_margin() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(risk_terms()).unwrap();
    let slow = OracleTerms { stable_rate_ppm: 300_000, ..oracle_terms(SOL_FEED) };
    let change = Change::Underlying { underlying: world.sol, oracle: slow, risk: risk_terms(), market: market_terms() };
    world.change(change, None).unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let holder = world.funded("holder", DOLLAR, 100 * SOL);
    let long = world.funded("long", 2_000 * DOLLAR, 0);
    world.trade(&long, &maker, 100 * SOL_LONG, PRICE).unwrap();
    let health = |world: &World, trader: &Trader| {
        let value = world.accounts().value(&trader.margin_account, world.now()).unwrap();
        value.initial_health().micros()
    };
    let before = [health(&world, &holder), health(&world, &long)];
    world.set_time(world.now() + 60);
    world.set_price(3 * PRICE).unwrap();
    let oracle = world.underlying().oracle;
    assert_eq!(oracle.stable_price, PRICE + PRICE / 200, "30 % an hour is half a per cent a minute");
    let after = [health(&world, &holder), health(&world, &long)];
    // 3,500 dollars of SOL: half a per cent is 17.50. The scan range has risen with the jump, so health may also fall.
    for (before, after) in before.into_iter().zip(after) {
        assert!(after - before <= 17_500_000, "{before} became {after}");
    }
    // Equity, by which nobody is liquidated, is at the price.
    let value = world.accounts().value(&long.margin_account, world.now()).unwrap();
    assert!(value.equity.micros() > 8_900_000_000, "2,000 and a profit of 7,000, whole for maintenance");
}

/// The stable price never goes against a deposit so far that it would lower health (I-12).
#[test]
fn a_deposit_raises_health_whatever_the_stable_price() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(risk_terms()).unwrap();
    let slow = OracleTerms { stable_rate_ppm: 10_000, ..oracle_terms(SOL_FEED) };
    let change = Change::Underlying { underlying: world.sol, oracle: slow, risk: risk_terms(), market: market_terms() };
    world.change(change, None).unwrap();
    world.launch().unwrap();
    world.set_price(PRICE).unwrap();
    for (step, price) in [3 * PRICE, PRICE / 3, 20 * PRICE, PRICE].into_iter().enumerate() {
        world.set_time(world.now() + 60);
        world.set_price(price).unwrap();
        let trader = world.funded(&format!("trader {step}"), 10 * DOLLAR, SOL);
        let health = |world: &World| {
            let value = world.accounts().value(&trader.margin_account, world.now()).unwrap();
            (value.initial_health(), value.maintenance_health())
        };
        let before = health(&world);
        world.give(&trader, Token::Sol, SOL);
        world.deposit(&trader, Token::Sol, SOL).unwrap();
        let after = health(&world);
        assert!(after.0 >= before.0 && after.1 >= before.1, "{price}: {before:?} became {after:?}");
    }
}

/// Realised volatility raises the scan range at once and maintenance margin only gradually: the tick that raised it liquidates
/// nobody. It falls by at most 5 % of itself a day.
#[test]
fn the_scan_range_follows_volatility_and_spares_maintenance() {
    let Market { mut world, alice, .. } = Market::long(100);
    let least = Ratio::from_ppm_up(180_000).unwrap().bits();
    assert_eq!((world.underlying().range.range, world.underlying().range.ramp), (least, Ratio::ONE.bits()));
    let maintenance =
        |world: &World| world.accounts().value(&alice.margin_account, world.now()).unwrap().maintenance_margin.micros();
    let before = maintenance(&world);
    // Half an hour of moves up and down by 8 % within a minute each, back to where it began.
    for step in 0..30 {
        world.set_time(world.now() + 60);
        world.set_price(if step % 2 == 0 { PRICE * 108 / 100 } else { PRICE }).unwrap();
    }
    let risen = world.underlying().range;
    assert!(risen.range > least && risen.ramp < Ratio::ONE.bits(), "{risen:?}");
    let most = Ratio::from_ppm_up(540_000).unwrap().bits();
    assert!(risen.range <= most);
    // The part that maintenance sees has grown by no more than half an hour's ramp, 5 %.
    let after = maintenance(&world);
    assert!(after <= before * 106 / 100, "{before} became {after}");
    // Quiet days: the range comes down 5 % of itself a day, and no further than the floor.
    world.set_time(world.now() + 86_400);
    world.set_price(PRICE).unwrap();
    let fallen = world.underlying().range;
    assert!(fallen.range >= risen.range / 100 * 95 && fallen.range < risen.range, "{fallen:?}");
    assert_eq!(fallen.ramp, Ratio::ONE.bits(), "after a day maintenance sees all of it");
}

/// One snapshot (I-21): between two prices nothing moves but interest, however late it is asked.
#[test]
fn a_valuation_uses_the_snapshot_of_the_last_price() {
    let Market { mut world, alice, maker } = Market::open();
    let (expiry, _) = world.list_expiry(world.sol, 30, 80, &[PRICE]).unwrap();
    let call = world.instrument(&world.sol, InstrumentKind::Call, expiry, PRICE);
    let leg = world.leg(world.sol, call, 10 * SOL_LONG);
    world.trade_legs(&alice, &maker, &[leg]).unwrap();
    let at_once = world.accounts().value(&alice.margin_account, world.now()).unwrap();
    world.set_time(world.now() + 59);
    assert_eq!(world.accounts().value(&alice.margin_account, world.now()).unwrap(), at_once);
    assert_eq!(world.mark(&world.sol, &call), leg.leg.price);
}

/// docs/prices.md, as it is in the code.
#[test]
fn the_table_of_action_by_price_quality_is_the_documented_one() {
    let table = [
        (Action::AddRisk, Quality::Recent),
        (Action::Settle, Quality::Recent),
        (Action::Liquidate, Quality::Fresh),
        (Action::Reduce, Quality::Stale),
    ];
    for (action, needs) in table {
        assert_eq!(action.needs(), needs);
    }
    // The page says the same: a row for each action, a column for each quality.
    let page = include_str!("../../docs/prices.md");
    let rows = [
        ("| open, withdraw, borrow", Action::AddRisk),
        ("| settle profit and loss of open", Action::Settle),
        ("| liquidate: what is taken over", Action::Liquidate),
        ("| reduce a position", Action::Reduce),
    ];
    assert!(
        page.contains("| action | fresh (`liquidation_max_age_secs`) | recent (`max_age_secs`) | stale | none ever |")
    );
    for (row, action) in rows {
        let line = page.lines().find(|line| line.starts_with(row)).unwrap();
        let cells: Vec<bool> = line.split('|').skip(2).take(4).map(|cell| cell.trim().starts_with("yes")).collect();
        let qualities = [Quality::Fresh, Quality::Recent, Quality::Stale, Quality::Missing];
        assert_eq!(cells, qualities.map(|quality| quality >= action.needs()), "{row}");
    }
    let mut oracle = World::with_market(PRICE).unwrap().underlying().oracle;
    let published = oracle.publish_time;
    for (age, quality) in [(-5, Quality::Fresh), (15, Quality::Fresh), (16, Quality::Recent), (60, Quality::Recent)] {
        assert_eq!(oracle.quality(published + age), quality, "{age}");
    }
    assert_eq!(oracle.quality(published + 61), Quality::Stale);
    oracle.price = 0;
    assert_eq!(oracle.quality(published), Quality::Missing);
}

/// The column "stale" of that table: reductions by both sides pass, everything that adds risk does not (P-25, F-04).
#[test]
fn on_a_stale_price_both_sides_may_reduce_and_nothing_else() {
    let mut market = Market::long(100);
    market.world.set_time(market.world.now() + 3_600);
    let Market { world, alice, maker } = &mut market;
    world.refuses(PriceTooOld, |world| world.trade(alice, maker, SOL_LONG, PRICE));
    world.refuses(PriceTooOld, |world| world.withdraw(alice, Token::Usdc, DOLLAR));
    world.refuses(PriceTooOld, |world| world.settle_pnl(alice, world.sol, false));
    world.refuses(PriceTooOld, |world| world.liquidate(maker, alice, u64::MAX));
    let before = world.account(alice);
    let receipt = world.trade(alice, maker, -40 * SOL_LONG, PRICE).unwrap();
    let after = world.account(alice);
    assert_eq!(after.positions[0].quantity, 60 * SOL_LONG);
    // Valued at the last price, which says when it is from.
    assert!(after.initial_margin < before.initial_margin && after.valued_sequence == after.sequence);
    assert_eq!(after.risk[0].publish_time, World::START);
    let events = receipt.events();
    let [Event::Traded(event)] = &events[..] else { panic!("one event") };
    assert_eq!(event.taker.numbers.initial_margin, after.initial_margin);
    world.refuses(PriceOutsideBand, |world| world.trade(alice, maker, -SOL_LONG, PRICE * 94 / 100));
    // Closing more than there is would open the other side.
    world.refuses(PriceTooOld, |world| world.trade(alice, maker, -61 * SOL_LONG, PRICE));
    world.give(alice, Token::Usdc, DOLLAR);
    world.deposit(alice, Token::Usdc, DOLLAR).unwrap();
    check_books(world).unwrap();
}

/// F-10: after a halt of five hours no more than an hour of funding is charged.
#[test]
fn a_halt_is_charged_an_hour_of_funding_at_most() {
    let Market { mut world, alice, maker } = Market::open();
    // The perp trades 3 % above the index: funding at its cap, 0.3 % in eight hours.
    world.trade(&alice, &maker, 30_000 * SOL_LONG / 100, PRICE * 103 / 100).unwrap();
    let premium = world.underlying().perp.premium;
    assert!(premium > 0);
    world.set_time(world.now() + 5 * 3_600);
    world.set_price(PRICE).unwrap();
    let index = i128::from_le_bytes(world.underlying().perp.funding_index) >> 48;
    let cap = i128::from(premium).min(3_000 * (1 << 30) / 1_000_000);
    let hour = (cap * i128::from(PRICE) * i128::from(MAX_FUNDING_SECS) / i128::from(FUNDING_PERIOD_SECS)) >> 30;
    assert!((index - hour).abs() <= 1, "{index} is not {hour}");
}
