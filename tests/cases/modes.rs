//! How much of a portfolio offsets the rest.

use crate::{common::*, desk::*};
use margrave::state::{Instrument, MarginAccount, Mode};

fn set_mode(world: &mut World, trader: &Trader, mode: Mode) -> Outcome {
    let account = world.account(trader);
    let set = instruction::set_mode((trader.margin_account, &account), mode);
    world.send(&[set], &[&trader.keypair])
}

/// The account as it is valued in each mode.
fn in_each_mode(world: &mut World, trader: &Trader) -> [MarginAccount; 3] {
    [Mode::Portfolio, Mode::Cross, Mode::Isolated].map(|mode| {
        set_mode(world, trader, mode).unwrap();
        check_books(world).unwrap();
        world.account(trader)
    })
}

/// P-34: a hedged option book is cheapest in portfolio mode, where its long options count; equity is the same.
#[test]
fn less_offset_never_asks_for_less() {
    let mut desk = Desk::open();
    // A bought call spread, a protective put and a short future.
    let legs = [
        desk.leg(desk.call(35), 20 * SOL_LONG),
        desk.leg(desk.call(40), -20 * SOL_LONG),
        desk.leg(desk.put(30), 10 * SOL_LONG),
        desk.leg(desk.future(), -5 * SOL_LONG),
        desk.leg(Instrument::PERP, 3 * SOL_LONG),
    ];
    desk.alice_trades(&legs).unwrap();
    let Desk { mut world, alice, .. } = desk;
    let [portfolio, cross, isolated] = in_each_mode(&mut world, &alice);
    assert!(portfolio.initial_margin < cross.initial_margin, "{} {}", portfolio.initial_margin, cross.initial_margin);
    assert!(portfolio.maintenance_margin < cross.maintenance_margin);
    // On one underlying with cash alone isolated is cross.
    assert_eq!(
        (cross.initial_margin, cross.maintenance_margin),
        (isolated.initial_margin, isolated.maintenance_margin)
    );
    assert_eq!((portfolio.equity, cross.equity), (cross.equity, isolated.equity));
}

/// Without options and with one underlying there is nothing to offset: all three are one.
#[test]
fn a_lone_perp_is_margined_the_same_in_every_mode() {
    let Market { mut world, alice, .. } = Market::long(100);
    let [portfolio, cross, isolated] = in_each_mode(&mut world, &alice);
    for other in [cross, isolated] {
        assert_eq!(
            (portfolio.equity, portfolio.initial_margin, portfolio.maintenance_margin),
            (other.equity, other.initial_margin, other.maintenance_margin)
        );
    }
}

/// P-34: nobody leaves portfolio mode without the margin that the other one asks for, however often he tries.
#[test]
fn toggling_modes_earns_nothing() {
    let mut desk = Desk::open();
    let bob = desk.world.funded("bob", 400 * DOLLAR, 0);
    // A call spread: its loss is bounded in portfolio mode, and the short calls stand alone in the others.
    let legs = [desk.leg(desk.call(35), 50 * SOL_LONG), desk.leg(desk.call(40), -50 * SOL_LONG)];
    desk.world.trade_legs(&bob, &desk.maker, &legs).unwrap();
    let Desk { mut world, .. } = desk;
    for mode in [Mode::Cross, Mode::Isolated, Mode::Cross] {
        world.refuses(InitialMarginNotMet, |world| set_mode(world, &bob, mode));
    }
    let before = world.account(&bob);
    set_mode(&mut world, &bob, Mode::Portfolio).unwrap();
    let after = world.account(&bob);
    assert_eq!((before.equity, before.initial_margin), (after.equity, after.initial_margin));
    // With the margin for it he goes there, and what he then does is judged there.
    world.give(&bob, Token::Usdc, 2_000 * DOLLAR);
    world.deposit(&bob, Token::Usdc, 2_000 * DOLLAR).unwrap();
    set_mode(&mut world, &bob, Mode::Cross).unwrap();
    world.refuses(InitialMarginNotMet, |world| world.withdraw(&bob, Token::Usdc, 2_000 * DOLLAR));
    set_mode(&mut world, &bob, Mode::Portfolio).unwrap();
    world.withdraw(&bob, Token::Usdc, 2_000 * DOLLAR).unwrap();
    world.refuses(InitialMarginNotMet, |world| set_mode(world, &bob, Mode::Cross));
    check_books(&world).unwrap();
}

/// P-34: an isolated account holds positions on one underlying. The engine's sentence is in the log.
#[test]
fn an_isolated_account_keeps_to_one_underlying() {
    let Market { mut world, alice, maker } = Market::open();
    let other = world.list_other_underlying("OTHER").unwrap();
    let sol = world.sol;
    world.set_price(PRICE).unwrap();
    let refresh = instruction::refresh_price(world.group, other, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    let (here, there) = (world.leg(sol, Instrument::PERP, SOL_LONG), world.leg(other, Instrument::PERP, SOL_LONG));
    set_mode(&mut world, &alice, Mode::Isolated).unwrap();
    world.trade_legs(&alice, &maker, &[here]).unwrap();
    world.refuses(ParameterOutOfBounds, |world| world.trade_legs(&alice, &maker, &[there]));
    world.refuses(ParameterOutOfBounds, |world| world.trade_legs(&maker, &alice, &[there]));
    world.trade_legs(&alice, &maker, &[here]).unwrap();
    set_mode(&mut world, &alice, Mode::Cross).unwrap();
    world.trade_legs(&alice, &maker, &[there]).unwrap();
    world.refuses(ParameterOutOfBounds, |world| set_mode(world, &alice, Mode::Isolated));
    check_books(&world).unwrap();
}

/// P-34: in isolated mode collateral in another asset counts for nothing.
#[test]
fn other_collateral_does_not_help_an_isolated_account() {
    let mut world = World::with_market(PRICE).unwrap();
    let other = world.list_other_underlying("OTHER").unwrap();
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let bob = world.funded("bob", 10 * DOLLAR, 1_000 * SOL);
    let prices = |world: &mut World| {
        world.set_price(PRICE).unwrap();
        let refresh = instruction::refresh_price(world.group, other, world.price_update);
        world.send(&[refresh], &[]).unwrap();
    };
    prices(&mut world);
    let leg = world.leg(other, Instrument::PERP, 100 * SOL_LONG);
    world.trade_legs(&bob, &maker, &[leg]).unwrap();
    world.refuses(InitialMarginNotMet, |world| set_mode(world, &bob, Mode::Isolated));
    // Ten dollars carry one unit.
    let leg = world.leg(other, Instrument::PERP, -99 * SOL_LONG);
    world.trade_legs(&bob, &maker, &[leg]).unwrap();
    set_mode(&mut world, &bob, Mode::Cross).unwrap();
    let cross = world.account(&bob);
    world.give(&bob, Token::Usdc, 10 * DOLLAR);
    world.deposit(&bob, Token::Usdc, 10 * DOLLAR).unwrap();
    set_mode(&mut world, &bob, Mode::Isolated).unwrap();
    let isolated = world.account(&bob);
    // 35,000 dollars of SOL less five per cent are gone from the equity, ten dollars were added.
    let gone = cross.equity - isolated.equity;
    assert!((gone - (33_250_000_000 - 10_000_000)).abs() < 100, "but for the rounding of five per cent: {gone}");
    check_books(&world).unwrap();
}

/// A mode is the owner's to choose, of the three there are, and a stale price does not decide it.
#[test]
fn modes_are_set_by_the_owner_at_a_good_price() {
    let Market { mut world, alice, maker } = Market::long(10);
    let account = world.account(&alice);
    let set = instruction::set_mode((alice.margin_account, &account), Mode::Cross);
    let forged = with_account(set.clone(), alice.key(), maker.key());
    world.refuses(SignerIsNotOwner, |world| world.send(&[forged], &[&maker.keypair]));
    let missing = without_account(set.clone(), world.sol);
    world.refuses(UnderlyingMissing, |world| world.send(&[missing], &[&alice.keypair]));
    let missing = without_account(set.clone(), world.usdc_bank);
    world.refuses(BankMissing, |world| world.send(&[missing], &[&alice.keypair]));
    let mut unknown = set.clone();
    *unknown.data.last_mut().unwrap() = 3;
    assert!(world.send(&[unknown], &[&alice.keypair]).is_err());
    world.set_time(world.now() + 61);
    world.refuses(PriceTooOld, |world| world.send(&[set], &[&alice.keypair]));
    // An empty account has nothing to value.
    let empty = world.trader("empty");
    set_mode(&mut world, &empty, Mode::Isolated).unwrap();
    assert_eq!(world.account(&empty).mode, Mode::Isolated as u8);
}
