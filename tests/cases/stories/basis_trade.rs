use crate::{common::*, desk::*};
use margrave::state::Instrument;

/// The future of an expiry stands above the spot. Basil buys SOL in the perp and sells it in the future: whatever the price does,
/// he earns the difference when the two meet at the expiry. His margin is that of a hedge.
#[test]
fn a_basis_trade_earns_the_basis_on_a_hedge_s_margin() {
    let mut desk = Desk::open();
    let (sol, expiry, perp, future) = (desk.world.sol, desk.expiry, Instrument::PERP, desk.future());

    // The operator moves the carry to 12 % a year; it takes an hour, at a fifth in an hour.
    desk.world.set_time(desk.world.now() + 3_600);
    desk.world.set_price(PRICE).unwrap();
    let twelve_percent = (12i64 << 30) / 100;
    let left = desk.time - desk.world.now();
    let surface = margrave_client::Surface { carry: twelve_percent, ..flat_surface(60, left) };
    let (operator, group) = (desk.world.operator.pubkey(), desk.world.group);
    let set = instruction::set_surface(operator, group, sol, (expiry, desk.series), surface);
    desk.world.send(&[set], &[]).unwrap();
    // Thirty days less an hour of 12 % on 35 dollars: 34.47 cents.
    let basis = desk.world.mark(&sol, &future) - PRICE;
    assert!((basis - PRICE * 12 / 100 * left / (365 * DAY)).abs() < 1_000, "{basis}");

    // One leg alone asks for 26.1 % of 35,000 dollars, which is more than Basil has. Both together ask for what spot and future may
    // move apart, 0.65 of a third of the scan range or 1,379 dollars, and 1 % of the hedged value.
    let basil = desk.world.funded("basil", 8_000 * DOLLAR, 0);
    let legs = [desk.leg(perp, 1_000 * SOL_LONG), desk.leg(future, -1_000 * SOL_LONG)];
    let Desk { world, maker, .. } = &mut desk;
    for leg in legs {
        world.refuses(InitialMarginNotMet, |world| world.trade_legs(&basil, maker, &[leg]));
    }
    world.trade_legs(&basil, maker, &legs).unwrap();
    let account = world.account(&basil);
    assert!(account.maintenance_margin < 1_500_000_000, "{}", account.maintenance_margin);
    check_books(world).unwrap();

    // SOL falls to 21 dollars and rises to 49: what one leg loses the other wins, but for the carry on the move. Such moves widen the
    // scan range, up to three times, and with it what the hedge asks for; still nobody may liquidate him.
    for dollars in [28, 21, 30, 40, 49] {
        world.set_time(world.now() + 3 * DAY);
        world.set_price(dollars * DOLLAR_PRICE).unwrap();
        let value = world.accounts().value(&basil.margin_account, world.now()).unwrap();
        assert!(!value.maintenance_health().is_negative(), "at {dollars} dollars");
        // Everybody settles: the loss of one leg is paid out of the profit of the other in one claim.
        world.settle_pnl(&basil, sol, false).unwrap();
        world.settle_pnl(maker, sol, false).unwrap();
        world.settle_pnl(&basil, sol, false).unwrap();
        check_books(world).unwrap();
    }

    // At the expiry the future settles at the spot, 49 dollars.
    desk.expire_at(49 * DOLLAR_PRICE);
    let Desk { mut world, maker, .. } = desk;
    world.settle_expiry(&basil, sol, expiry).unwrap();
    world.settle_expiry(&maker, sol, expiry).unwrap();
    check_books(&world).unwrap();
    assert_eq!(holding(&world, &basil, &future), (0, 0));

    // Now the perp stands alone, and is margined alone: he sells it.
    let leg = world.leg(sol, perp, -1_000 * SOL_LONG);
    world.trade_legs(&basil, &maker, &[leg]).unwrap();
    for trader in [&basil, &maker, &basil] {
        world.settle_pnl(trader, sol, false).unwrap();
        check_books(&world).unwrap();
    }
    // He has earned the basis on 1,000 SOL less fees of 0.05 % on 35,000 (perp), 35,344.7 (future) and 49,000 dollars.
    let earned = cash(&world, &basil) + claim(&world, &basil) - 8_000_000_000;
    let fees = (35_000 + 49_000) * 500 + (PRICE + basis) / 10 * 500 / 1_000_000;
    let expected = basis / 10 - fees;
    assert!((earned - expected).abs() < 100, "{earned} is not {expected}");
}
