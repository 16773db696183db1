use margrave_sim::*;

const DOLLAR: u64 = 1_000_000;
const SOL: u64 = 1_000_000_000;

#[test]
fn smoke() {
    let mut world = World::with_market(350_000_000_000).unwrap();
    let maker = world.funded("maker", 1_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 3_000 * DOLLAR, 100*SOL);
    let r = world.trade(&alice, &maker, 300 * SOL as i64, 350_000_000_000).unwrap();
    world.set_time(World::START + 60);
    let r = world.set_price(240_000_000_000);
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    let r = world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    println!("liquidate {}\n{}", r.compute_units, r.logs.join("\n"));
    for e in r.events() { if let margrave_client::Event::PositionLiquidated(e) = e { println!("liquidate {} paid {} fee {} health {} -> {}", e.quantity, e.price_paid, e.fee, e.health_before, e.health_after); println!("liquidate {:?}", e.liquidatee);} }
    println!("{:?}", check_books(&world).unwrap());
}
