use crate::{common::*, desk::*};
use margrave::state::InstrumentKind;

/// Cal is long the future of the near expiry and short that of the far one. The near leg expires: its price is the average of half an
/// hour, anyone settles it, and the far leg is margined alone before Cal may do anything else. The slots are used again.
#[test]
fn a_calendar_spread_goes_through_its_near_expiry() {
    let mut desk = Desk::open();
    let (sol, near) = (desk.world.sol, desk.expiry);
    let (far, _) = desk.world.list_expiry(sol, 90, 60, &[PRICE]).unwrap();
    assert_eq!((near, far), (0, 1));
    let near_future = desk.future();
    let far_future = desk.world.instrument(&sol, InstrumentKind::Future, far, 0);

    // A thousand SOL each way, 35,000 dollars: alone a leg would ask for more than 9,000. Cal has 4,000.
    let cal = desk.world.funded("cal", 4_000 * DOLLAR, 0);
    let legs = [desk.leg(near_future, 1_000 * SOL_LONG), desk.leg(far_future, -1_000 * SOL_LONG)];
    let Desk { world, maker, .. } = &mut desk;
    world.refuses(InitialMarginNotMet, |world| world.trade_legs(&cal, maker, &legs[..1]));
    world.trade_legs(&cal, maker, &legs).unwrap();
    assert!(world.account(&cal).initial_margin < 4_000_000_000);
    check_books(world).unwrap();

    // The price stands at 35 dollars for the first third of the window, at 36 for the second and at 38 for the last.
    let time = desk.time;
    for before in (1..=30).rev() {
        let dollars = if before > 20 {
            35
        } else if before > 10 {
            36
        } else {
            38
        };
        desk.world.set_time(time - 60 * before);
        desk.world.set_price(dollars * DOLLAR_PRICE).unwrap();
    }
    assert_eq!(desk.settlement_price(), 0, "not before the expiry");
    desk.world.set_time(time);
    desk.world.set_price(35 * DOLLAR_PRICE).unwrap();
    // 109 / 3, rounded down.
    let settled = 109 * DOLLAR_PRICE / 3;
    assert_eq!(desk.settlement_price(), settled);
    check_books(&desk.world).unwrap();

    // P-36: from this moment the near leg moves no more. The far one stands alone, and Cal, who was hedged a minute ago, may not
    // withdraw a dollar, nor trade anything that is not a reduction. He is not settled yet, and it makes no difference.
    set_flat_surface(&mut desk.world, far, 60).unwrap();
    let Desk { mut world, maker, .. } = desk;
    let now = world.now();
    let before = world.accounts().value(&cal.margin_account, now).unwrap();
    assert!(before.initial_health().is_negative());
    let grows = [world.leg(sol, far_future, -10_000_000)];
    let shrinks = [world.leg(sol, far_future, 100 * SOL_LONG)];
    let refused = |world: &mut World| {
        world.refuses(InitialMarginNotMet, |world| world.withdraw(&cal, Token::Usdc, DOLLAR));
        world.refuses(InitialMarginNotMet, |world| world.trade_legs(&cal, &maker, &grows));
    };
    refused(&mut world);

    // Anyone settles him. What it pays is what the position was worth: equity does not move by more than a unit.
    // Until then the leg's delta still offset the far one's in the delta charge: 2 % of 1,333 and 1 % of 35,000 dollars, now 2 % of
    // 35,000.
    let paid = world.settle_expiry(&cal, sol, near).unwrap();
    let events = paid.events();
    let [Event::ExpirySettled(event)] = &events[..] else { panic!("one event") };
    // 1,000 times 36.33 dollars, rounded down.
    assert_eq!((event.positions, event.paid, event.settlement_price), (1, settled / 10, settled));
    check_books(&world).unwrap();
    let after = world.accounts().value(&cal.margin_account, now).unwrap();
    assert!((after.equity - before.equity).micros().abs() <= 1);
    let offset = (after.maintenance_margin - before.maintenance_margin).micros();
    assert!((offset - (700_000_000 - 376_666_667)).abs() < 1_000, "{offset}");
    refused(&mut world);

    // A reduction passes, as many times as it takes.
    while world.accounts().value(&cal.margin_account, now).unwrap().initial_health().is_negative() {
        world.trade_legs(&cal, &maker, &shrinks).unwrap();
        check_books(&world).unwrap();
    }
    let left = holding(&world, &cal, &far_future).0;
    assert!(left == -500 * SOL_LONG, "4,000 dollars and the gain carry half of it: {left}");
    world.withdraw(&cal, Token::Usdc, DOLLAR).unwrap();

    // The maker is settled too; now the expiry is empty and anyone frees its slot.
    let close = instruction::close_expiry(world.admin.pubkey(), world.group, sol, near);
    world.refuses(ExpiryInUse, |world| world.send(std::slice::from_ref(&close), &[]));
    world.settle_expiry(&maker, sol, near).unwrap();
    check_books(&world).unwrap();
    let series = world.underlying().expiries[usize::from(near)].series;
    world.send(&[close], &[]).unwrap();
    assert!(world.underlying().expiries[usize::from(near)].is_free());
    assert!(world.underlying().strikes.iter().all(|strike| strike.is_free() || strike.expiry == far + 1));

    // The next one takes the slot, under another series, and Cal rolls into it.
    assert_eq!(world.list_expiry(sol, 30, 60, &[]).unwrap(), (near, series + 2));
    let rolled = world.instrument(&sol, InstrumentKind::Future, near, 0);
    let roll = world.leg(sol, rolled, -left);
    world.refuses(InstrumentNotListed, |world| world.trade_legs(&cal, &maker, &legs[..1]));
    world.trade_legs(&cal, &maker, &[roll]).unwrap();
    let account = world.account(&cal);
    assert_eq!(account.positions.iter().filter(|slot| !slot.is_empty()).count(), 2);
    assert_eq!((account.positions[0].expiry, account.positions[0].quantity), (near, -left));
    assert!(account.initial_margin < account.equity / 2, "hedged again");
    check_books(&world).unwrap();
}
