use crate::{common::*, desk::*, order_book::*, venues::*};
use margrave::state::{Consent, Instrument};

/// A venue's order book. Two makers consent to it and post, a taker consents and takes, and margin decides what is filled: the book knows
/// nothing of collateral. Each has said how much the venue may trade for him, and takes his word back when he has had enough.
#[test]
fn a_taker_fills_two_makers_on_a_venue_s_book() {
    let Floor { mut world, maker: ann, alice, venue } = Floor::open();
    let book = OrderBook::open(&mut world, venue);
    let ben = world.funded("ben", 3_000 * DOLLAR, 0);
    let cora = world.funded("cora", 2_000 * DOLLAR, 0);

    // Ben lets the venue trade 20,000 dollars for a day, Cora 10,000.
    let until = world.now() + DAY;
    consent(&mut world, &ben, venue, until, 20_000 * DOLLAR).unwrap();
    consent(&mut world, &cora, venue, until, 10_000 * DOLLAR).unwrap();

    // Ann offers 100 SOL a little above the index, Ben 400: more than his 3,000 dollars carry.
    book.post(&mut world, &ben, -400 * SOL_LONG, PRICE + PRICE / 1_000).unwrap();
    book.post(&mut world, &ann, -100 * SOL_LONG, PRICE + PRICE / 500).unwrap();

    // Cora wants 200. She can carry them, and 200 of Ben's too.
    let limit = PRICE + PRICE / 500;
    book.take(&mut world, &cora, &[&ben, &ann], 200 * SOL_LONG, limit).unwrap();
    let held = |world: &World, trader: &Trader| holding(world, trader, &Instrument::PERP);
    // At Ben's price, 35.035 dollars; he was first.
    assert_eq!(held(&world, &cora), (200 * SOL_LONG, -7_007_000_000));
    assert_eq!(held(&world, &ben), (-200 * SOL_LONG, 7_007_000_000));
    assert_eq!(held(&world, &ann), (0, 0));
    let left =
        |world: &World, trader: &Trader| world.load::<Consent>(&pda::consent(&trader.margin_account, &venue)).allowance;
    assert_eq!((left(&world, &cora), left(&world, &ben)), (2_993 * DOLLAR, 12_993 * DOLLAR));
    check_books(&world).unwrap();

    // Alice, with 5,000 dollars, would take the other 200 of his. His margin does not carry them, and the take fails as a whole.
    world.refuses(InitialMarginNotMet, |world| book.take(world, &alice, &[&ben, &ann], 200 * SOL_LONG, limit));
    // She leaves him out and is filled by Ann.
    book.take(&mut world, &alice, &[&ann], 100 * SOL_LONG, limit).unwrap();
    assert_eq!(held(&world, &ann).0, -100 * SOL_LONG);

    // Cora has had enough of the venue: what she has consented to is for less than she holds, and she takes it back altogether.
    book.post(&mut world, &ann, 200 * SOL_LONG, PRICE).unwrap();
    let close = |world: &mut World| book.take(world, &cora, &[&ann], -200 * SOL_LONG, PRICE);
    world.refuses(ConsentUsedUp, close);
    let revoke = instruction::revoke_consent(cora.key(), cora.margin_account, venue);
    world.send(&[revoke], &[&cora.keypair]).unwrap();
    refuses_with_code(&mut world, WRONG_PROGRAM, close);
    // Nothing stands in the way of leaving without it.
    world.trade(&cora, &ann, -200 * SOL_LONG, PRICE).unwrap();
    assert_eq!(held(&world, &cora), (0, 0));

    // SOL rises by a fifth. Ben is liquidated by what he owes, wherever he has traded; his orders still rest, and are no longer filled.
    world.set_time(world.now() + 60);
    world.set_price(PRICE * 6 / 5).unwrap();
    let keeper = world.funded("keeper", 1_000_000 * DOLLAR, 0);
    world.liquidate(&keeper, &ben, u64::MAX).unwrap();
    assert!(held(&world, &ben).0 > -200 * SOL_LONG);
    let price = PRICE * 6 / 5;
    book.post(&mut world, &ben, SOL_LONG, price).unwrap();
    world.refuses(ConsentVoid, |world| book.take(world, &alice, &[&ben], -SOL_LONG, price));
    check_books(&world).unwrap();
}
