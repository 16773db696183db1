use crate::{common::*, desk::*};

/// Carla owns 100 SOL and sells calls on it at 40 dollars, thirty days out. SOL goes to 44 and the calls are exercised: in cash, at
/// the average of the last half hour. She has sold her gain above 40 dollars for the premium, and nobody ever had to trust her.
#[test]
fn a_covered_call_is_exercised() {
    let mut desk = Desk::open();
    let carla = desk.world.funded("carla", 0, 100 * SOL);
    let (call, sol, expiry) = (desk.call(40), desk.world.sol, desk.expiry);

    // Without the SOL the calls ask for cash that she has not got.
    let poor = desk.world.funded("poor", 100 * DOLLAR, 0);
    let sale = [desk.leg(call, -100 * SOL_LONG)];
    let Desk { world, maker, .. } = &mut desk;
    world.refuses(InitialMarginNotMet, |world| world.trade_legs(&poor, maker, &sale));

    // With it they cost next to nothing: what she may lose on a call she makes on her SOL. She is paid at once.
    let premium = sale[0].leg.price;
    world.trade_legs(&carla, maker, &sale).unwrap();
    // 100 calls, 10^-10 dollars to 10^-6, rounded down for who takes.
    let received = premium / 100;
    assert_eq!(cash(world, &carla), received);
    let account = world.account(&carla);
    // 3,500 dollars of SOL alone would ask for a quarter of it.
    assert!(account.maintenance_margin < 840_000_000, "{}", account.maintenance_margin);
    check_books(world).unwrap();

    // Half way there SOL is at 39 dollars.
    world.set_time(world.now() + 15 * DAY);
    world.set_price(39 * DOLLAR_PRICE).unwrap();
    set_flat_surface(world, expiry, 60).unwrap();
    let value = world.accounts().value(&carla.margin_account, world.now()).unwrap();
    assert!(!value.maintenance_health().is_negative(), "covered: nobody may liquidate her");

    // SOL ends at 44 dollars. The settlement price is the average of the window, 44 to the last digit.
    desk.expire_at(44 * DOLLAR_PRICE);
    assert_eq!(desk.settlement_price(), 44 * DOLLAR_PRICE);
    let Desk { mut world, maker, .. } = desk;
    check_books(&world).unwrap();

    // Anybody settles her: 4 dollars on each of 100 calls, owed by her and to the maker, and fees of 0.03 % of 4,000 dollars, the
    // value at the strike, from each.
    let fee = -1_200_000;
    world.settle_expiry(&carla, sol, expiry).unwrap();
    check_books(&world).unwrap();
    assert_eq!(claim(&world, &carla), -400_000_000 + fee);
    world.settle_expiry(&maker, sol, expiry).unwrap();
    assert_eq!(claim(&world, &maker), 400_000_000 + fee);
    check_books(&world).unwrap();

    // Her cash covers the part that the premium brought; the rest becomes a loan against her SOL, which is margin enough.
    world.settle_pnl(&carla, sol, false).unwrap();
    assert_eq!(cash(&world, &carla), 0);
    let still_owed = claim(&world, &carla);
    assert_eq!(still_owed, -400_000_000 + fee + received);
    world.settle_pnl(&carla, sol, true).unwrap();
    assert_eq!((claim(&world, &carla), cash(&world, &carla)), (0, still_owed));
    check_books(&world).unwrap();

    // The maker is paid what she has paid in.
    let before = cash(&world, &maker);
    world.settle_pnl(&maker, sol, false).unwrap();
    assert_eq!((claim(&world, &maker), cash(&world, &maker)), (0, before + 400_000_000 + fee));
    check_books(&world).unwrap();

    // She sends dollars, repays, and takes her 100 SOL home.
    world.give(&carla, Token::Usdc, 500 * DOLLAR);
    world.deposit(&carla, Token::Usdc, 500 * DOLLAR).unwrap();
    world.withdraw(&carla, Token::Sol, 100 * SOL).unwrap();
    world.withdraw(&carla, Token::Usdc, u64::MAX).unwrap();
    assert_eq!(world.tokens(&carla.sol), 100 * SOL);
    check_books(&world).unwrap();
    let close = instruction::close_margin_account(carla.key(), carla.margin_account);
    world.send(&[close], &[&carla.keypair]).unwrap();
}
