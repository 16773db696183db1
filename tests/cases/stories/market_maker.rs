use crate::{common::*, desk::*};
use margrave::state::{Instrument, QuoteSlot};
use margrave_client::{Quote, SignedQuote};

/// A maker signs one quote off chain and goes to sleep. Three takers fill it, each as much as he likes, until it is used up; what is
/// signed next is cancelled before anybody comes. The maker signs no transaction but the cancellation.
#[test]
fn a_maker_is_filled_by_three_takers() {
    let mut desk = Desk::open();
    let takers: Vec<Trader> =
        ["ann", "ben", "cora"].map(|name| desk.world.funded(name, 2_000 * DOLLAR, 0)).into_iter().collect();
    let (maker, world) = (&desk.maker, &desk.world);

    // One unit is a covered spread: the taker buys the perp and sells a call at 40 dollars on it. Ten units for an hour.
    let legs = [world.leg(world.sol, Instrument::PERP, SOL_LONG), desk.leg(desk.call(40), -SOL_LONG)];
    let premium = legs[1].leg.price;
    let quote = Quote {
        group: world.group,
        maker: maker.margin_account,
        quotes_since: world.account(maker).quotes_since,
        taker: Pubkey::default(),
        expires_at: world.now() + 3_600,
        nonce: 7,
        units: 10,
        legs: legs.map(|placed| placed.leg).to_vec(),
    };
    let signed = SignedQuote::sign(quote.clone(), &maker.keypair);
    assert!(signed.verify(), "a taker checks it before he pays for a transaction");

    // Ann takes five, Ben three. Each pays the fees and sends the transaction.
    let mut filled = 0;
    let Desk { mut world, maker, .. } = desk;
    for (taker, units) in takers.iter().zip([5, 3]) {
        let before = cash(&world, taker);
        let both = world.fill_instructions(taker, &maker, &signed, units);
        world.send(&both, &[&taker.keypair]).unwrap();
        filled += units;
        let sold = i64::try_from(units).unwrap();
        assert_eq!(holding(&world, taker, &legs[0].leg.instrument).0, sold * SOL_LONG);
        assert_eq!(holding(&world, taker, &legs[1].leg.instrument).0, -sold * SOL_LONG);
        // What a taker receives rounds down: 10^-10 dollars to 10^-6.
        assert_eq!(cash(&world, taker), before + premium * sold / 10_000);
        let QuoteSlot { nonce, filled: counted, .. } = world.account(&maker).quotes[7];
        assert_eq!((nonce, counted), (7, filled));
        check_books(&world).unwrap();
    }

    // Two are left. Cora asks for three and gets nothing; then for two.
    let cora = &takers[2];
    let greedy = world.fill_instructions(cora, &maker, &signed, 3);
    world.refuses(QuoteFilled, |world| world.send(&greedy, &[&cora.keypair]));
    let both = world.fill_instructions(cora, &maker, &signed, 2);
    world.send(&both, &[&cora.keypair]).unwrap();
    check_books(&world).unwrap();

    // It is used up: the same signature is worth nothing now.
    let again = world.fill_instructions(&takers[0], &maker, &signed, 1);
    world.refuses(QuoteFilled, |world| world.send(&again, &[&takers[0].keypair]));

    // The maker is short ten SOL and long ten calls that cap what they can cost him.
    assert_eq!(holding(&world, &maker, &Instrument::PERP).0, -10 * SOL_LONG);
    assert_eq!(holding(&world, &maker, &legs[1].leg.instrument).0, 10 * SOL_LONG);

    // He has signed another quote, thinks better of it, and cancels everything up to it at once.
    let next = SignedQuote::sign(Quote { nonce: 8, ..quote }, &maker.keypair);
    let cancel = instruction::cancel_quotes(maker.key(), maker.margin_account, 9, true);
    world.send(&[cancel], &[&maker.keypair]).unwrap();
    let late = world.fill_instructions(&takers[1], &maker, &next, 1);
    world.refuses(QuoteCancelled, |world| world.send(&late, &[&takers[1].keypair]));
    check_books(&world).unwrap();
}
