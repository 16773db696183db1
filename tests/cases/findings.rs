//! What the back-test has found wrong, put right.

use crate::{common::*, desk::Desk};
use margrave::state::Status;

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
