//! What happens when an account owes more than it has: who pays, in which order, and that nobody leaves first.

use crate::{common::*, desk::claim};
use margrave::state::{Change, Instrument, Status};

/// Alice long 1,000 SOL with 5,000 dollars, at 35; the price falls to 28: she owes 2,000 more than she has. A keeper may have
/// taken the position over or not.
pub struct Ruin {
    pub world: World,
    pub alice: Trader,
    pub maker: Trader,
    pub keeper: Trader,
}

impl Ruin {
    pub fn at(price: i64) -> Self {
        let mut world = World::with_market(PRICE).unwrap();
        let maker = world.funded("maker", 100_000 * DOLLAR, 0);
        let alice = world.funded("alice", 5_000 * DOLLAR, 0);
        let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
        world.trade(&alice, &maker, 500 * SOL_LONG, PRICE).unwrap();
        world.set_time(world.now() + 60);
        world.set_price(price).unwrap();
        Self { world, alice, maker, keeper }
    }

    /// The keeper takes everything, and what alice has is paid into the pool.
    pub fn closed(price: i64) -> Self {
        let mut ruin = Self::at(price);
        let Ruin { world, alice, keeper, .. } = &mut ruin;
        world.liquidate(keeper, alice, u64::MAX).unwrap();
        world.settle_pnl(alice, world.sol, false).unwrap();
        world.flag(alice).unwrap();
        ruin
    }

    fn set_market(&mut self, adjust: impl FnOnce(&mut margrave::state::MarketTerms)) {
        let sheet = self.world.underlying();
        let (oracle, risk, mut market) = (sheet.oracle.terms, sheet.risk, sheet.market);
        adjust(&mut market);
        let underlying = self.world.sol;
        self.world.change(Change::Underlying { underlying, oracle, risk, market }, None).unwrap();
    }
}

/// A settlement passes and pays nothing.
fn draws_nothing(world: &mut World, trader: &Trader) {
    let (sol, before) = (world.sol, world.underlying().pool.balance);
    world.settle_pnl(trader, sol, false).unwrap();
    assert_eq!(world.underlying().pool.balance, before);
}

#[test]
fn a_bankrupt_account_s_loss_is_borne_by_profit() {
    let mut ruin = Ruin::closed(220_000_000_000);
    let Ruin { world, alice, maker, .. } = &mut ruin;
    let owed = claim(world, alice);
    assert!(owed < -DOLLAR_I * 900, "{owed}");
    assert_eq!(world.account(alice).status, Status::Bankrupt as u8);
    let sol = world.sol;
    // Nobody draws profit while the loss is open.
    draws_nothing(world, maker);
    world.cover_deficit(alice, sol).unwrap();
    assert_eq!(claim(world, alice), 0);
    check_books(world).unwrap();
    let losses = world.underlying().losses;
    // Her fees of 8.75 dollars are nobody's loss.
    let owed = owed + 8_750_000;
    assert_eq!(losses.unshared, owed.unsigned_abs());
    assert_eq!(losses.bankrupts, 0);
    draws_nothing(world, maker);
    world.refuses(NoticeRunning, |world| world.share_loss(sol));
    world.register_profit(maker, sol).unwrap();
    world.refuses(AlreadyRegistered, |world| world.register_profit(maker, sol));
    let profit = claim(world, maker);
    world.set_time(world.now() + 601);
    world.set_price(220_000_000_000).unwrap();
    world.share_loss(sol).unwrap();
    check_books(world).unwrap();
    let before = world.underlying().pool.balance;
    world.settle_pnl(maker, sol, false).unwrap();
    check_books(world).unwrap();
    // All that the pool held was his: profit less the loss, to the unit that rounding keeps.
    let drawn = before - world.underlying().pool.balance;
    let due = profit - owed.abs();
    assert!((i64::try_from(drawn).unwrap() + claim(world, maker) - due).abs() <= 1, "{drawn} {due}");
    assert_eq!(world.underlying().losses.registered, 0);
    assert_eq!(world.account(alice).status, Status::Healthy as u8);
}

const DOLLAR_I: i64 = 1_000_000;

/// Floor, then insurance up to its cap, then profit.
#[test]
fn the_waterfall_has_an_order() {
    let mut ruin = Ruin::at(PRICE);
    ruin.set_market(|market| (market.first_loss_target, market.insurance_cap) = (7 * DOLLAR, 2 * DOLLAR));
    let Ruin { world, alice, maker, keeper } = &mut ruin;
    world.set_price(PRICE).unwrap();
    let sol = world.sol;
    // Fees of both sides: 8.75 and 3.50 dollars; seven stay at the floor.
    for trader in [&*alice, &*maker] {
        world.settle_pnl(trader, sol, false).unwrap();
    }
    let sweep = margrave_client::instruction::sweep_fees(world.group, sol, world.usdc_bank);
    world.send(std::slice::from_ref(&sweep), &[]).unwrap();
    assert_eq!(world.underlying().losses.first_loss, 7 * DOLLAR);
    let insured = world.bank(Token::Usdc).1.insurance;
    assert!(insured > 2 * DOLLAR);
    check_books(world).unwrap();

    world.set_time(world.now() + 60);
    world.set_price(220_000_000_000).unwrap();
    world.refuses(AccountIsSolvent, |world| world.cover_deficit(alice, sol));
    world.liquidate(keeper, alice, u64::MAX).unwrap();
    world.flag(alice).unwrap();
    world.refuses(OwnCollateralFirst, |world| world.cover_deficit(alice, sol));
    world.settle_pnl(alice, sol, false).unwrap();
    world.refuses(DeficitOpen, |world| world.send(std::slice::from_ref(&sweep), &[]));
    let owed = claim(world, alice).unsigned_abs();
    let receipt = world.cover_deficit(alice, sol).unwrap();
    let events = receipt.events();
    let covered = events.iter().find_map(|event| match event {
        Event::DeficitCovered(event) => Some((event.first_loss, event.insurance, event.left)),
        _ => None,
    });
    assert_eq!(covered, Some((7 * DOLLAR, 2 * DOLLAR, owed - 9 * DOLLAR)));
    assert_eq!(world.bank(Token::Usdc).1.insurance, insured - 2 * DOLLAR);
    check_books(world).unwrap();
}

/// Where nobody takes the position, it is closed against the profitable side at the price at which the loser owes nothing.
#[test]
fn profitable_positions_are_deleveraged() {
    let mut ruin = Ruin::at(220_000_000_000);
    let Ruin { world, alice, maker, .. } = &mut ruin;
    let sol = world.sol;
    world.settle_pnl(alice, sol, false).unwrap();
    world.flag(alice).unwrap();
    let owed = claim(world, alice);
    assert!(owed < 0);
    world.refuses(PositionsFirst, |world| world.cover_deficit(alice, sol));
    world.refuses(NoticeRunning, |world| world.nominate(alice, maker, sol, Instrument::PERP));
    world.set_time(world.now() + 120);
    world.set_price(220_000_000_000).unwrap();
    world.nominate(alice, maker, sol, Instrument::PERP).unwrap();
    world.refuses(NoticeRunning, |world| world.deleverage(alice, maker, sol, Instrument::PERP));
    world.set_time(world.now() + 30);
    world.set_price(220_000_000_000).unwrap();
    let profit = claim(world, maker);
    let receipt = world.deleverage(alice, maker, sol, Instrument::PERP).unwrap();
    let events = receipt.events();
    let event = events.iter().find_map(|event| match event {
        Event::Deleveraged(event) => Some(event),
        _ => None,
    });
    let event = event.unwrap();
    assert_eq!((event.quantity, event.concession), (500 * SOL_LONG, owed.abs()));
    assert_eq!((claim(world, alice), claim(world, maker)), (0, profit + owed));
    assert_eq!(world.underlying().perp.open_interest, 0);
    assert_eq!(world.underlying().losses.queue.candidates[0].rank, 0);
    assert_eq!(world.account(alice).status, Status::Healthy as u8);
    check_books(world).unwrap();
    world.settle_pnl(maker, sol, false).unwrap();
    check_books(world).unwrap();
}
