//! What the storm has found: each account here could not be resolved by any instruction (I-25), though somebody stood ready.

use crate::{common::*, desk::*};
use margrave::state::{Instrument, Mode, Status};
use margrave_client::{LiquidationLeg, instruction::PlacedLeg};

const FALLEN: i64 = 175_000_000_000;

fn falls_to(world: &mut World, others: &[Pubkey], price: i64, secs: i64) {
    world.set_time(world.now() + secs);
    world.set_price(price).unwrap();
    for underlying in others {
        refresh(world, *underlying);
    }
}

fn refresh(world: &mut World, underlying: Pubkey) {
    let refresh = instruction::refresh_price(world.group, underlying, world.price_update);
    world.send(&[refresh], &[]).unwrap();
}

fn perp_on(world: &World, underlying: Pubkey, quantity: i64) -> PlacedLeg {
    world.leg(underlying, Instrument::PERP, quantity)
}

/// P-22, I-28. A second account's loss is written off while the first one's is being shared: `settle_pnl` refuses everybody whose
/// registered profit is more than its part, because a loss is unshared, and no round begins for that loss, because profit is
/// registered. Both wait for each other for good.
#[test]
fn a_loss_that_comes_while_another_is_shared_is_shared_after_it() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 200_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let ruined = ["alice", "bob"].map(|name| world.funded(name, 5_000 * DOLLAR, 0));
    for trader in &ruined {
        world.trade(trader, &maker, 500 * SOL_LONG, PRICE).unwrap();
    }
    falls_to(&mut world, &[], 220_000_000_000, 60);
    let sol = world.sol;
    for trader in &ruined {
        world.liquidate(&keeper, trader, u64::MAX).unwrap();
        world.settle_pnl(trader, sol, false).unwrap();
        world.flag(trader).unwrap();
    }
    let [alice, bob] = &ruined;
    world.cover_deficit(alice, sol).unwrap();
    world.register_profit(&maker, sol).unwrap();
    falls_to(&mut world, &[], 220_000_000_000, 601);
    world.share_loss(sol).unwrap();
    world.cover_deficit(bob, sol).unwrap();
    // Alice's loss is taken out of the maker's profit, and bob's has its round.
    world.settle_pnl(&maker, sol, false).unwrap();
    world.register_profit(&maker, sol).unwrap();
    falls_to(&mut world, &[], 220_000_000_000, 601);
    world.share_loss(sol).unwrap();
    world.settle_pnl(&maker, sol, false).unwrap();
    assert_eq!(world.underlying().losses.unshared, 0);
    check_books(&world).unwrap();
}

/// P-41. What an option has made is in its price and in no claim: its holder has no profit that `nominate_candidate` sees, and a
/// bankrupt writer's option that nobody takes over is never closed.
#[test]
fn a_bankrupt_writer_s_option_is_closed_against_its_holder() {
    let mut desk = Desk::open();
    let call = desk.call(40);
    let carol = desk.world.funded("carol", 100_000 * DOLLAR, 0);
    let keeper = desk.world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let leg = desk.leg(call, -200 * SOL_LONG);
    desk.world.trade_legs(&desk.alice, &carol, &[leg]).unwrap();
    let leg = desk.leg(Instrument::PERP, -250 * SOL_LONG);
    desk.alice_trades(&[leg]).unwrap();
    let (sol, alice) = (desk.world.sol, &desk.alice);
    let world = &mut desk.world;
    falls_to(world, &[], 700_000_000_000, 60);
    // The perp has taken all she had, and somebody takes the perp.
    let perp = LiquidationLeg { instrument: Instrument::PERP, lots: 1 };
    world.liquidate_legs(&keeper, alice, sol, vec![perp], u64::MAX).unwrap();
    world.settle_pnl(alice, sol, false).unwrap();
    world.flag(alice).unwrap();
    assert_eq!(world.account(alice).status, Status::Bankrupt as u8);
    assert_eq!(cash(world, alice), 0);
    falls_to(world, &[], 700_000_000_000, 121);
    world.nominate(alice, &carol, sol, call).unwrap();
    falls_to(world, &[], 700_000_000_000, 31);
    world.deleverage(alice, &carol, sol, call).unwrap();
    assert_eq!(holding(world, alice, &call).0, 0);
    check_books(world).unwrap();
}

/// P-41. The same with a deposit left: it pays claims, an option's loss is none until somebody takes the option over, and as long as
/// there is a deposit nobody may be nominated.
#[test]
fn a_bankrupt_writer_s_deposit_goes_to_its_holder() {
    let mut desk = Desk::open();
    let call = desk.call(40);
    let leg = desk.leg(call, -400 * SOL_LONG);
    desk.alice_trades(&[leg]).unwrap();
    let (sol, alice, maker) = (desk.world.sol, &desk.alice, &desk.maker);
    let world = &mut desk.world;
    falls_to(world, &[], 700_000_000_000, 60);
    world.flag(alice).unwrap();
    assert_eq!(world.account(alice).status, Status::Bankrupt as u8);
    falls_to(world, &[], 700_000_000_000, 121);
    world.settle_pnl(alice, sol, false).unwrap();
    world.nominate(alice, maker, sol, call).unwrap();
    falls_to(world, &[], 700_000_000_000, 31);
    world.deleverage(alice, maker, sol, call).unwrap();
    assert_eq!(holding(world, alice, &call).0, 0);
    check_books(world).unwrap();
}

/// I-25. A token beside an isolated account's market counts as nothing, so that `liquidate_collateral` does not find it
/// (`BankMissing`): its owner is bankrupt with collateral that nobody can buy, and that keeps its position from being deleveraged.
#[test]
fn an_isolated_account_s_other_collateral_is_bought_too() {
    let mut world = World::with_market(PRICE).unwrap();
    let other = world.list_other_underlying("ALT").unwrap();
    let maker = world.funded("maker", 100_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 5_000 * DOLLAR, 100 * SOL);
    let account = world.account(&alice);
    let set = instruction::set_mode((alice.margin_account, &account), Mode::Isolated);
    world.send(&[set], &[&alice.keypair]).unwrap();
    let leg = perp_on(&world, other, 400 * SOL_LONG);
    world.trade_legs(&alice, &maker, &[leg]).unwrap();
    falls_to(&mut world, &[other], FALLEN, 60);
    world.settle_pnl(&alice, other, false).unwrap();
    world.flag(&alice).unwrap();
    assert_eq!(world.account(&alice).status, Status::Bankrupt as u8);
    let banks = [world.sol_bank, world.usdc_bank];
    world.liquidate_collateral(&keeper, &alice, banks, u64::MAX).unwrap();
    check_books(&world).unwrap();
}

/// I-25, F-03. Bankrupt by one market and hedged in another, short the perp against its own tokens: taking the perp over unhedges the
/// tokens, buying the tokens unhedges the perp, neither helps, and there is no equity to sell a slice of. Nobody can do anything, and
/// the loss stays open.
#[test]
fn a_bankrupt_account_hedged_with_its_own_tokens_is_wound_up() {
    let mut world = World::with_market(PRICE).unwrap();
    let other = world.list_other_underlying("ALT").unwrap();
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 100 * SOL);
    let alice = world.funded("alice", 12_000 * DOLLAR, 100 * SOL);
    let (long, short) = (perp_on(&world, other, 1_000 * SOL_LONG), perp_on(&world, world.sol, -100 * SOL_LONG));
    world.trade_legs(&alice, &maker, &[long]).unwrap();
    world.trade_legs(&alice, &maker, &[short]).unwrap();
    falls_to(&mut world, &[other], FALLEN, 60);
    let perp = LiquidationLeg { instrument: Instrument::PERP, lots: 1 };
    world.liquidate_legs(&keeper, &alice, other, vec![perp], u64::MAX).unwrap();
    let sol = world.sol;
    for (trader, underlying) in [(&alice, other), (&maker, sol), (&alice, sol)] {
        let _ = world.settle_pnl(trader, underlying, false);
    }
    world.settle_pnl(&alice, other, false).unwrap();
    world.flag(&alice).unwrap();
    let account = world.account(&alice);
    assert_eq!((account.status, account.positions[0].quantity), (Status::Bankrupt as u8, -100 * SOL_LONG));
    falls_to(&mut world, &[other], FALLEN, 121);
    let banks = [world.sol_bank, world.usdc_bank];
    let bought = world.liquidate_collateral(&keeper, &alice, banks, u64::MAX);
    let taken = world.liquidate_legs(&keeper, &alice, sol, vec![perp], u64::MAX);
    assert!(bought.is_ok() || taken.is_ok(), "{}\n{}", bought.unwrap_err(), taken.unwrap_err());
}
