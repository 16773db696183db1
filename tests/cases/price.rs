//! Every check of I-18, at its limit and one past it.

use crate::common::*;
use margrave_client::instruction;

/// Posts a changed good price a minute after the first and tries to have it accepted.
fn refresh_with(world: &mut World, change: impl FnOnce(&mut PriceMessage)) -> Result<Receipt, Refusal> {
    post_with(world, change);
    world.refresh()
}

fn post_with(world: &mut World, change: impl FnOnce(&mut PriceMessage)) {
    let mut message = world.good_price(PRICE + 10_000_000_000);
    change(&mut message);
    world.post(&message, RECEIVER);
}

fn world() -> World {
    let mut world = World::with_market(PRICE).unwrap();
    world.set_time(World::START + 600);
    world
}

#[test]
fn a_good_price_is_accepted_with_its_confidence() {
    let mut world = world();
    let receipt = world.set_price(360_000_000_000).unwrap();
    let oracle = world.underlying().oracle;
    assert_eq!((oracle.price, oracle.confidence), (360_000_000_000, 360_000_000));
    assert_eq!(oracle.publish_time, World::START + 600);
    // One thousandth in steps of 2^-30, rounded up.
    assert_eq!(oracle.confidence_ratio, 1_073_742);
    let events = receipt.events();
    let [Event::PriceAccepted(event)] = &events[..] else { panic!("one event") };
    assert_eq!((event.price, event.publish_time), (oracle.price, oracle.publish_time));
}

#[test]
fn exponents_are_normalised_each_time() {
    let mut world = world();
    for (exponent, price, confidence) in
        [(-8, 3_600_000_000, 3_600_001), (-5, 3_600_000, 3_601), (-12, 36_000_000_000_000, 36_000_000_001)]
    {
        world.set_time(world.now() + 1);
        refresh_with(&mut world, |message| {
            (message.price, message.confidence, message.exponent) = (price, confidence, exponent);
        })
        .unwrap();
        let oracle = world.underlying().oracle;
        assert_eq!(oracle.price, 360_000_000_000);
        assert!(oracle.confidence >= 360_000_000, "rounded up: {}", oracle.confidence);
    }
}

#[test]
fn the_owner_is_a_configured_receiver() {
    let mut world = world();
    let message = world.good_price(PRICE);
    // The second receiver program of Pyth exists, but this group has not named it.
    let second = anchor_lang::pubkey!("rec2HHDDnjLfj4kE7VyEtFA1HPGQLK33259532cRyHp");
    for owner in [Pubkey::new_unique(), Pubkey::default(), margrave::ID, second] {
        world.post(&message, owner);
        world.refuses(ReceiverNotAllowed, |world| world.refresh());
    }
}

#[test]
fn the_account_is_a_price_update() {
    let mut world = world();
    post_with(&mut world, |_| ());
    let mut account = world.svm.get_account(&world.price_update).unwrap();
    account.data[0] ^= 1;
    world.svm.set_account(world.price_update, account.clone()).unwrap();
    world.refuses(NotAPriceUpdate, |world| world.refresh());
    account.data[0] ^= 1;
    account.data.truncate(60);
    world.svm.set_account(world.price_update, account).unwrap();
    world.refuses(NotAPriceUpdate, |world| world.refresh());
}

#[test]
fn the_feed_is_the_underlying_s() {
    let mut world = world();
    post_with(&mut world, |message| message.feed_id[31] ^= 1);
    world.refuses(FeedMismatch, |world| world.refresh());
}

#[test]
fn the_verification_is_full() {
    let mut world = world();
    for num_signatures in [0, 5, 255] {
        post_with(&mut world, |message| message.verification = VerificationLevel::Partial { num_signatures });
        world.refuses(PriceNotFullyVerified, |world| world.refresh());
    }
}

/// P-25, F-11.
#[test]
fn the_age_has_a_limit_on_both_sides() {
    let mut world = world();
    let now = world.now();
    for (publish_time, error) in [
        (now - 61, PriceTooOld),
        (now + 6, PriceFromTheFuture),
        (i64::MAX, PriceFromTheFuture),
        (i64::MIN + 1, PriceTooOld),
    ] {
        post_with(&mut world, |message| message.publish_time = publish_time);
        world.refuses(error, |world| world.refresh());
    }
    refresh_with(&mut world, |message| message.publish_time = now - 60).unwrap();
    refresh_with(&mut world, |message| message.publish_time = now + 5).unwrap();
    assert_eq!(world.underlying().oracle.publish_time, now + 5);
}

/// The pull model lets a caller choose any fresh update, so time only goes forward, and one moment has one price.
#[test]
fn the_publish_time_never_goes_back() {
    let mut world = world();
    let now = world.now();
    refresh_with(&mut world, |message| message.publish_time = now).unwrap();
    post_with(&mut world, |message| message.publish_time = now - 1);
    world.refuses(PriceWentBack, |world| world.refresh());

    let before = world.snapshot();
    let receipt = refresh_with(&mut world, |message| {
        message.price -= 10_000_000_000;
        message.publish_time = now;
    });
    assert!(receipt.unwrap().events().is_empty(), "another price of the same second is left alone");
    assert!(before == world.snapshot());
}

#[test]
fn the_price_is_positive_and_in_range() {
    let mut world = world();
    for price in [0, -1, i64::MIN] {
        post_with(&mut world, |message| message.price = price);
        world.refuses(PriceMustBePositive, |world| world.refresh());
    }
    for (price, exponent) in [
        (1, -11),
        (i64::MAX, -10),
        (i64::MAX, 0),
        (100_000_000_000_000_001, -10),
        (350, 1),
        (350, -19),
        (350, i32::MIN),
    ] {
        post_with(&mut world, |message| (message.price, message.exponent, message.confidence) = (price, exponent, 0));
        world.refuses(PriceOutOfRange, |world| world.refresh());
    }
}

/// P-26: 5,402 dollars give or take 21,623 is no price.
#[test]
fn the_confidence_has_a_limit() {
    let mut world = world();
    for confidence in [7_200_000_001, 360_000_000_000, u64::MAX] {
        post_with(&mut world, |message| message.confidence = confidence);
        let error = if confidence == u64::MAX { PriceOutOfRange } else { PriceTooUncertain };
        world.refuses(error, |world| world.refresh());
    }
    refresh_with(&mut world, |message| message.confidence = 7_200_000_000).unwrap();
}

#[test]
fn the_underlying_is_the_group_s() {
    let mut market = Market::open();
    let other = market.other_group();
    let world = &mut market.world;
    let refresh = instruction::refresh_price(world.group, other.sol, world.price_update);
    world.refuses(GroupMismatch, |world| world.send(&[refresh], &[]));
}
