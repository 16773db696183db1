use crate::common::*;
use margrave::state::Status;
use margrave_risk::Valuation;

/// Alice, long 500 SOL on 5,000 dollars, and a keeper; the price has just fallen to `price`.
fn fallen_to(price: i64) -> (World, Trader, Trader) {
    let mut market = Market::long(500);
    let keeper = market.world.funded("keeper", 100_000 * DOLLAR, 0);
    market.price_moves_to(price);
    (market.world, market.alice, keeper)
}

fn value(world: &World, trader: &Trader) -> Valuation {
    world.accounts().value(&trader.margin_account, world.now()).unwrap()
}

const BREACHED: i64 = 315_000_000_000;

#[test]
fn a_keeper_takes_over_what_is_needed_and_no_more() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    let before = value(&world, &alice);
    assert!(before.maintenance_health().is_negative());
    let expected = world.accounts().takeover(&alice.margin_account, &world.sol, world.now()).unwrap().unwrap();

    let receipt = world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    let events = receipt.events();
    let [Event::PositionsLiquidated(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.taken[0].quantity, event.taken[0].price_paid), (expected.quantity, expected.price_paid));
    assert_eq!(event.health_before, before.maintenance_health().micros());
    assert!(event.health_after > event.health_before);

    // At the liquidation end, and by less than one lot's worth of health.
    let after = value(&world, &alice);
    assert!(!after.liquidation_end_health().is_negative());
    let lot_value = BREACHED / 1_000_000;
    assert!(after.liquidation_end_health().micros() < lot_value, "{after:?}");
    // The fee begins at a quarter of one per cent of what was taken over.
    let quantity = world.account(&keeper).positions[0].quantity;
    assert_eq!(quantity, event.taken[0].quantity);
    let taken = i128::from(quantity) * i128::from(BREACHED) / 10_i128.pow(13);
    assert!((i128::from(event.taken[0].fee) - taken / 400).abs() <= 1);
    check_books(&world).unwrap();
}

/// I-23: the same lot by lot. One lot less than the quote leaves the account below its end.
#[test]
fn one_lot_less_would_not_be_enough() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    let expected = world.accounts().takeover(&alice.margin_account, &world.sol, world.now()).unwrap().unwrap();
    world.liquidate(&keeper, &alice, expected.quantity.unsigned_abs() - 10_000_000).unwrap();
    assert!(value(&world, &alice).liquidation_end_health().is_negative());
    assert_eq!(world.account(&alice).status, Status::InLiquidation as u8);
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    assert!(!value(&world, &alice).liquidation_end_health().is_negative());
}

/// I-22: at the boundary. Maintenance margin is breached below it, not at it.
#[test]
fn a_healthy_account_is_left_alone() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    // Find the lowest price at which the account is not yet in breach.
    let at = |world: &mut World, price| {
        world.set_time(world.now() + 1);
        world.set_price(price).unwrap();
        value(world, &alice).maintenance_health().is_negative()
    };
    let (mut breached, mut healthy) = (BREACHED, PRICE);
    while healthy - breached > 1 {
        let middle = (healthy + breached) / 2;
        if at(&mut world, middle) { breached = middle } else { healthy = middle }
    }
    assert!(!at(&mut world, healthy));
    world.refuses(AccountIsHealthy, |world| world.liquidate(&keeper, &alice, u64::MAX));
    assert!(at(&mut world, breached));
    world.liquidate(&keeper, &alice, u64::MAX).unwrap();
}

/// I-19: uncertainty alone never liquidates.
#[test]
fn a_wide_confidence_is_no_breach() {
    let (mut world, alice, keeper) = fallen_to(336_000_000_000);
    world.set_time(world.now() + 1);
    let mut message = world.good_price(336_000_000_000);
    message.confidence = 6_720_000_000;
    world.post(&message, RECEIVER);
    world.refresh().unwrap();
    assert!(value(&world, &alice).initial_health().is_negative());
    world.refuses(AccountIsHealthy, |world| world.liquidate(&keeper, &alice, u64::MAX));
}

/// A liquidation begun goes on to its end although maintenance margin is met, and ends when the owner has paid.
#[test]
fn a_deposit_ends_a_liquidation() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    world.liquidate(&keeper, &alice, 50 * SOL).unwrap();
    assert_eq!(world.account(&alice).status, Status::InLiquidation as u8);
    world.give(&alice, Token::Usdc, 5_000 * DOLLAR);
    world.deposit(&alice, Token::Usdc, 5_000 * DOLLAR).unwrap();
    world.refuses(AccountIsHealthy, |world| world.liquidate(&keeper, &alice, u64::MAX));
}

#[test]
fn a_short_is_liquidated_as_well() {
    let mut market = Market::long(-500);
    let keeper = market.world.funded("keeper", 100_000 * DOLLAR, 0);
    market.price_moves_to(380_000_000_000);
    let Market { mut world, alice, .. } = market;
    let before = value(&world, &alice);
    let receipt = world.liquidate(&keeper, &alice, u64::MAX).unwrap();
    let events = receipt.events();
    let [Event::PositionsLiquidated(event)] = &events[..] else { panic!("one event") };
    assert!(event.taken[0].quantity < 0 && event.taken[0].price_paid < 0 && event.taken[0].fee > 0);
    let after = value(&world, &alice);
    assert!(after.maintenance_health() > before.maintenance_health());
    assert!(!after.liquidation_end_health().is_negative());
    check_books(&world).unwrap();
}

/// A hedge is not what makes an account unsafe; taking it away would.
#[test]
fn a_hedge_cannot_be_taken() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let keeper = world.funded("keeper", 100_000 * DOLLAR, 0);
    let hedged = world.funded("hedged", 0, 100 * SOL);
    world.trade(&hedged, &maker, -100 * SOL_LONG, PRICE).unwrap();
    // The deposit counts at 95 %: at 600 dollars equity is 57,000 - 56,500 less fees, and 1 % of 60,000 hedged is asked.
    world.set_time(world.now() + 1);
    world.set_price(6_000_000_000_000).unwrap();
    let standing = value(&world, &hedged);
    assert!(standing.maintenance_health().is_negative() && !standing.equity.is_negative());
    world.refuses(LiquidationWouldNotHelp, |world| world.liquidate(&keeper, &hedged, u64::MAX));
}

/// P-06, P-39.
#[test]
fn nobody_liquidates_himself() {
    let (mut world, alice, _) = fallen_to(BREACHED);
    world.refuses(SelfDealing, |world| world.liquidate(&alice, &alice, u64::MAX));
    let open = margrave_client::instruction::open_margin_account(alice.key(), alice.key(), world.group, 1);
    world.send(&[open], &[&alice.keypair]).unwrap();
    let second = Trader {
        name: "alice's second".to_owned(),
        keypair: alice.keypair.insecure_clone(),
        margin_account: pda::margin_account(&world.group, &alice.key(), 1),
        ..alice
    };
    world.refuses(SelfDealing, |world| world.liquidate(&second, &alice, u64::MAX));
}

/// I-15 holds for the liquidator too.
#[test]
fn a_liquidator_needs_margin_for_what_it_takes() {
    let (mut world, alice, _) = fallen_to(BREACHED);
    let poor = world.funded("poor", 10 * DOLLAR, 0);
    world.refuses(InitialMarginNotMet, |world| world.liquidate(&poor, &alice, u64::MAX));
    world.liquidate(&poor, &alice, SOL).unwrap();
}

#[test]
fn sizes_are_whole_lots_and_not_zero() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    world.refuses(AmountMustBePositive, |world| world.liquidate(&keeper, &alice, 0));
    world.refuses(AmountMustBePositive, |world| world.liquidate(&keeper, &alice, 9_999_999));
    world.liquidate(&keeper, &alice, 19_999_999).unwrap();
    assert_eq!(world.account(&keeper).positions[0].quantity, 10_000_000);
}

/// F-04: within its age limit the liquidator can choose the price, so the limit is a short one of its own.
#[test]
fn a_stale_price_liquidates_nobody() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    world.set_time(world.now() + 15);
    world.liquidate(&keeper, &alice, 10_000_000).unwrap();
    world.set_time(world.now() + 1);
    world.refuses(PriceTooOld, |world| world.liquidate(&keeper, &alice, u64::MAX));
}

/// I-22: the flag of an old liquidation is no reason for a new one.
#[test]
fn a_liquidation_left_alone_for_ten_minutes_is_over() {
    for (seconds, over) in [(600, false), (601, true)] {
        let (mut world, alice, keeper) = fallen_to(BREACHED);
        world.liquidate(&keeper, &alice, 10_000_000).unwrap();
        world.set_time(world.now() + seconds);
        // Between maintenance margin and liquidation end.
        world.set_price(320_000_000_000).unwrap();
        let standing = value(&world, &alice);
        assert!(!standing.maintenance_health().is_negative() && standing.liquidation_end_health().is_negative());
        if over {
            world.refuses(AccountIsHealthy, |world| world.liquidate(&keeper, &alice, u64::MAX));
        } else {
            world.liquidate(&keeper, &alice, u64::MAX).unwrap();
        }
    }
}

/// I-19, I-25: a pinch of collateral whose feed has died neither frees an account from liquidation nor costs a healthy one
/// its positions; but nobody adds risk on it.
#[test]
fn collateral_with_a_dead_feed_does_not_stand_in_the_way() {
    let mut market = Market::long(500);
    let Market { world, alice, .. } = &mut market;
    let keeper = world.funded("keeper", 100_000 * DOLLAR, 0);
    let other = world.list_other_underlying("ETH").unwrap();
    let mint = world.list_bank_on(other, u64::MAX).unwrap();
    let wallet = world.give_new(alice, mint, 20 * SOL);
    let bank = pda::bank(&world.group, &mint);
    let deposit = margrave_client::instruction::deposit(
        alice.key(),
        alice.margin_account,
        (bank, &world.load(&bank)),
        wallet,
        TOKEN_PROGRAM,
        20 * SOL,
    );
    world.send(&[deposit], &[&alice.keypair]).unwrap();
    // Listing took days.
    let refresh = margrave_client::instruction::refresh_price(world.group, other, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    // 5,000 dollars less fees of 8.75, and 95 % of 700; the haircut rounds up.
    assert_eq!(value(world, alice).equity.micros(), 5_656_249_999);
    // Its price is never refreshed again; SOL's is.
    market.price_moves_to(BREACHED);
    let Market { world, alice, maker } = &mut market;
    world.set_time(world.now() + 60);
    world.set_price(BREACHED).unwrap();
    // 500 SOL have lost 3.50 dollars each, and the other token counts as nothing where risk is added.
    assert_eq!(value(world, alice).equity.micros(), 3_241_250_000);
    world.refuses(AccountIsHealthy, |world| world.liquidate(&keeper, alice, u64::MAX));
    world.refuses(InitialMarginNotMet, |world| world.trade(alice, maker, SOL_LONG, BREACHED));

    world.set_time(world.now() + 1);
    world.set_price(300_000_000_000).unwrap();
    world.liquidate(&keeper, alice, u64::MAX).unwrap();
}

#[test]
fn only_the_liquidator_s_owner_signs_for_it() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    let liquidate = world.liquidate_instruction(&keeper, &alice, u64::MAX);
    let thief = world.funded("thief", DOLLAR, 0);
    let forged = with_account(liquidate.clone(), keeper.key(), thief.key());
    world.refuses(SignerIsNotOwner, |world| world.send(&[forged], &[&thief.keypair]));
    let silent = unsigned(liquidate, keeper.key());
    refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[silent], &[]));
}

/// I-11, P-07, P-08: leaving out the account's collateral does not make it poorer, and naming it twice does not make it richer.
#[test]
fn the_list_of_other_accounts_is_complete_and_extras_change_nothing() {
    let (mut world, alice, keeper) = fallen_to(BREACHED);
    let liquidate = world.liquidate_instruction(&keeper, &alice, u64::MAX);
    let (sol, usdc_bank) = (world.sol, world.usdc_bank);
    let incomplete = without_account(liquidate.clone(), usdc_bank);
    world.refuses(BankMissing, |world| world.send(&[incomplete], &[&keeper.keypair]));

    let plain = aftermath(&mut world, liquidate.clone(), &[&keeper.keypair]);
    assert!(plain != world.snapshot());
    let mut all = liquidate.clone();
    for extra in [usdc_bank, sol, world.sol_bank, alice.margin_account, alice.usdc] {
        assert!(plain == aftermath(&mut world, and_account(liquidate.clone(), extra), &[&keeper.keypair]));
        all = and_account(all, extra);
    }
    assert!(plain == aftermath(&mut world, all, &[&keeper.keypair]));
}

#[test]
fn accounts_of_another_group_do_not_mix() {
    let mut market = Market::long(500);
    let other = market.other_group();
    market.world.funded("rich", DOLLAR, 0);
    market.price_moves_to(BREACHED);
    let Market { world, alice, .. } = &mut market;
    let liquidate = world.liquidate_instruction(&other.trader, alice, u64::MAX);
    world.refuses(GroupMismatch, |world| world.send(&[liquidate], &[&other.trader.keypair]));
}

#[test]
fn a_position_that_is_not_there_cannot_be_taken() {
    let Market { mut world, alice, maker } = Market::open();
    world.refuses(NoPosition, |world| world.liquidate(&maker, &alice, u64::MAX));
}
