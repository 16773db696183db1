use crate::common::*;

/// A hedged and an unhedged account walk into the same crash. The keeper asks the engine, sends what it says, and the books
/// balance at every step.
#[test]
fn the_hedged_account_survives_and_the_unhedged_is_liquidated_step_by_step() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let hedged = world.funded("hedged", 1_000 * DOLLAR, 1_000 * SOL);
    let unhedged = world.funded("unhedged", 12_000 * DOLLAR, 0);
    world.trade(&hedged, &maker, -1_000 * SOL_LONG, PRICE).unwrap();
    world.trade(&unhedged, &maker, 1_000 * SOL_LONG, PRICE).unwrap();

    let mut steps = 0;
    for dollars in (12..35).rev() {
        world.set_time(world.now() + 3_600);
        world.set_price(dollars * 10_000_000_000).unwrap();
        for trader in [&hedged, &unhedged] {
            let expected = world.accounts().takeover(&trader.margin_account, &world.sol, world.now()).unwrap();
            if let Some(expected) = expected {
                assert_eq!(trader.name, "unhedged", "the hedged account was liquidated at {dollars} dollars");
                let before = world.accounts().value(&trader.margin_account, world.now()).unwrap();
                world.liquidate(&keeper, trader, expected.quantity.unsigned_abs()).unwrap();
                let after = world.accounts().value(&trader.margin_account, world.now()).unwrap();
                assert!(after.maintenance_health() > before.maintenance_health());
                assert!(!after.liquidation_end_health().is_negative(), "one step is enough");
                steps += 1;
            }
        }
        check_books(&world).unwrap();
    }

    assert!(steps > 3, "{steps} liquidations");
    let left = world.account(&unhedged);
    assert!(left.equity > 0 && left.positions[0].quantity > 0, "partly liquidated, and solvent: {}", left.equity);
    world.withdraw(&hedged, Token::Usdc, 500 * DOLLAR).unwrap();
    check_books(&world).unwrap();
}
