//! Trades of several legs, and what a hostile one may try.

use crate::{common::*, desk::*};
use margrave::{instructions::TradeArgs, state::Instrument, trading::Leg};
use margrave_client::instruction::Parties;

/// The trade with other places for its legs' underlyings.
fn with_sheets(world: &World, taker: &Trader, maker: &Trader, legs: &[PlacedLeg], sheets: Vec<u8>) -> Instruction {
    use anchor_lang::InstructionData;
    let mut trade = world.trade_legs_instruction(taker, maker, legs);
    let legs: Vec<Leg> = legs.iter().map(|placed| placed.leg).collect();
    trade.data = margrave::instruction::Trade { args: TradeArgs { legs, sheets } }.data();
    trade
}

/// One leg or eight; the same one eight times is as good as a large one.
#[test]
fn a_trade_has_one_to_eight_legs() {
    let Market { mut world, alice, maker } = Market::open();
    let leg = world.leg(world.sol, Instrument::PERP, SOL_LONG);
    world.refuses(LegsOutOfRange, |world| world.trade_legs(&alice, &maker, &[]));
    world.refuses(LegsOutOfRange, |world| world.trade_legs(&alice, &maker, &[leg; 9]));
    let sheets = [vec![], vec![0], vec![0; 3], vec![0; 255]];
    for sheets in sheets {
        let trade = with_sheets(&world, &alice, &maker, &[leg; 2], sheets);
        world.refuses(LegsOutOfRange, |world| world.send(&[trade], &[&alice.keypair, &maker.keypair]));
    }
    world.trade_legs(&alice, &maker, &[leg; 8]).unwrap();
    assert_eq!(holding(&world, &alice, &Instrument::PERP), (8 * SOL_LONG, -280_000_000));
    assert_eq!(world.underlying().perp.open_interest, 8 * SOL);
    check_books(&world).unwrap();
}

/// Legs are applied one after another and margin is asked for once: what cancels leaves nothing but fees.
#[test]
fn opposite_legs_cancel_but_for_their_fees() {
    let mut desk = Desk::open();
    // Far more than alice could carry, for a moment.
    let size = 100_000 * SOL_LONG;
    let (bought, sold) = (desk.leg(Instrument::PERP, size), desk.leg(Instrument::PERP, -size));
    let Desk { world, alice, maker, .. } = &mut desk;
    world.refuses(InitialMarginNotMet, |world| world.trade_legs(alice, maker, &[bought]));
    world.trade_legs(alice, maker, &[bought, sold]).unwrap();
    // 3.5 million dollars twice, at 0.05 % and 0.02 %.
    assert_eq!((claim(world, alice), claim(world, maker)), (-3_500_000_000, -1_400_000_000));
    assert_eq!((world.account(alice).positions[0].kind, world.underlying().perp.open_interest), (0, 0));
    check_books(world).unwrap();

    // The same with an option: the premium goes there and back.
    let before = (cash(&desk.world, &desk.alice), cash(&desk.world, &desk.maker));
    let legs = [desk.leg(desk.call(35), 10 * SOL_LONG), desk.leg(desk.call(35), -10 * SOL_LONG)];
    desk.alice_trades(&legs).unwrap();
    let lost = before.0 - cash(&desk.world, &desk.alice);
    assert!((0..=1).contains(&lost), "rounded against the taker: {lost}");
    assert_eq!(cash(&desk.world, &desk.maker), before.1 + lost);
    check_books(&desk.world).unwrap();
}

/// A leg may take a position through zero, and the next one back.
#[test]
fn legs_flip_positions_to_and_fro() {
    let mut desk = Desk::open();
    for instrument in [Instrument::PERP, desk.future(), desk.call(35)] {
        let legs = [5, -12, 9, -2, 3, -6].map(|sol| desk.leg(instrument, sol * SOL_LONG));
        desk.alice_trades(&legs).unwrap();
        assert_eq!(holding(&desk.world, &desk.alice, &instrument).0, -3 * SOL_LONG);
        assert_eq!(desk.world.underlying().interest_of(&instrument), 3 * SOL);
        check_books(&desk.world).unwrap();
    }
    // Three parties: what bob takes from alice changes hands and no open interest.
    let bob = desk.world.funded("bob", 5_000 * DOLLAR, 0);
    let legs = [desk.leg(Instrument::PERP, -2 * SOL_LONG), desk.leg(desk.future(), -SOL_LONG)];
    desk.world.trade_legs(&bob, &desk.alice, &legs).unwrap();
    assert_eq!(desk.world.underlying().perp.open_interest, 3 * SOL);
    check_books(&desk.world).unwrap();
}

/// All or nothing: whichever leg is refused, nothing of the others is left.
#[test]
fn a_refused_leg_takes_the_others_with_it() {
    let mut desk = Desk::open();
    let good = desk.leg(desk.call(35), SOL_LONG);
    let (mut dear, mut odd, mut none) = (good, good, good);
    dear.leg.price *= 10;
    odd.leg.quantity += 1;
    none.leg.quantity = 0;
    for (bad, error) in [(dear, PriceOutsideBand), (odd, QuantityNotInLots), (none, AmountMustBePositive)] {
        for legs in [[bad, good, good], [good, bad, good], [good, good, bad]] {
            let Desk { world, alice, maker, .. } = &mut desk;
            world.refuses(error, |world| world.trade_legs(alice, maker, &legs));
        }
    }
}

/// A leg's underlying is at the place the trade says, or the leg is refused.
#[test]
fn a_sheet_is_the_leg_s_underlying() {
    let Market { mut world, alice, maker } = Market::open();
    let (group, usdc_bank, sol_bank, sol) = (world.group, world.usdc_bank, world.sol_bank, world.sol);
    world.create_group(1).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    world.refresh().unwrap();
    let foreign = world.sol;
    (world.group, world.usdc_bank, world.sol_bank, world.sol) = (group, usdc_bank, sol_bank, sol);
    let twin = world.list_other_underlying("TWIN").unwrap();
    world.set_price(PRICE).unwrap();
    let refresh = instruction::refresh_price(world.group, twin, world.price_update);
    world.send(&[refresh], &[]).unwrap();
    let signers = [&alice.keypair, &maker.keypair];
    let leg = world.leg(sol, Instrument::PERP, SOL_LONG);
    assert_eq!(world.sheet(&foreign).index, leg.leg.underlying);
    for place in [2, 3, 200, 255] {
        let trade = with_sheets(&world, &alice, &maker, &[leg], vec![place]);
        world.refuses(UnderlyingMissing, |world| world.send(&[trade], &signers));
    }
    // The bank, an account of the margin system that is no sheet.
    let trade = with_sheets(&world, &alice, &maker, &[leg], vec![1]);
    world.refuses(WrongAccountType, |world| world.send(&[trade], &signers));
    let trade = world.trade_legs_instruction(&alice, &maker, &[leg]);
    let wrong = [
        (foreign, GroupMismatch),
        (twin, UnderlyingMissing),
        (alice.usdc, UnexpectedAccount),
        (Pubkey::new_unique(), UnexpectedAccount),
    ];
    for (key, error) in wrong {
        let trade = with_account(trade.clone(), sol, key);
        world.refuses(error, |world| world.send(&[trade], &signers));
    }
    // The same account named twice is one account.
    let mut twice = with_sheets(&world, &alice, &maker, &[leg; 2], vec![0, 2]);
    twice.accounts.push(AccountMeta::new(sol, false));
    world.send(&[twice], &signers).unwrap();
    assert_eq!(world.underlying().perp.open_interest, 2 * SOL);
    check_books(&world).unwrap();
}

/// An underlying is written when open interest changes, and only then must it be writable.
#[test]
fn a_read_only_sheet_does_for_what_changes_hands() {
    let mut desk = Desk::open();
    let bob = desk.world.funded("bob", 5_000 * DOLLAR, 0);
    let sol = desk.world.sol;
    let read_only = |mut trade: Instruction| {
        trade.accounts.iter_mut().filter(|meta| meta.pubkey == sol).for_each(|meta| meta.is_writable = false);
        trade
    };
    for instrument in [Instrument::PERP, desk.future(), desk.call(35)] {
        let leg = desk.leg(instrument, SOL_LONG);
        let Desk { world, alice, maker, .. } = &mut desk;
        let opens = read_only(world.trade_legs_instruction(alice, maker, &[leg]));
        world.refuses(AccountMustBeWritable, |world| world.send(&[opens], &[&alice.keypair, &maker.keypair]));
        world.trade_legs(alice, maker, &[leg]).unwrap();
        let passes = read_only(world.trade_legs_instruction(&bob, alice, &[leg]));
        world.send(&[passes], &[&bob.keypair, &alice.keypair]).unwrap();
        let closes = read_only(world.trade_legs_instruction(maker, &bob, &[leg]));
        world.refuses(AccountMustBeWritable, |world| world.send(&[closes], &[&bob.keypair, &maker.keypair]));
        check_books(world).unwrap();
    }
}

/// The largest and smallest numbers there are.
#[test]
fn extreme_quantities_and_prices_are_refused() {
    let mut desk = Desk::open();
    for instrument in [Instrument::PERP, desk.future(), desk.call(35)] {
        for quantity in [i64::MIN, i64::MAX, i64::MIN + 1] {
            let leg = desk.leg(instrument, quantity);
            let Desk { world, alice, maker, .. } = &mut desk;
            world.refuses(QuantityNotInLots, |world| world.trade_legs(alice, maker, &[leg]));
        }
        for price in [i64::MIN, i64::MAX, 0, -1] {
            let leg = desk.leg_at(instrument, SOL_LONG, price);
            let Desk { world, alice, maker, .. } = &mut desk;
            world.refuses(PriceOutOfRange, |world| world.trade_legs(alice, maker, &[leg]));
        }
    }
    let mut leg = desk.leg(Instrument::PERP, SOL_LONG);
    leg.leg.underlying = u16::MAX;
    let Desk { world, alice, maker, .. } = &mut desk;
    world.refuses(UnderlyingMissing, |world| world.trade_legs(alice, maker, &[leg]));
}

/// I-15, I-28: below its initial margin an account may close what it has, leg by leg, and not swap it for something else.
#[test]
fn in_trouble_several_legs_may_shrink_and_none_may_grow() {
    let mut desk = Desk::open();
    let legs = [desk.leg(desk.future(), 300 * SOL_LONG), desk.leg(Instrument::PERP, 200 * SOL_LONG)];
    desk.alice_trades(&legs).unwrap();
    desk.world.set_time(desk.world.now() + 60);
    desk.world.set_price(33 * DOLLAR_PRICE).unwrap();
    let value = desk.world.accounts().value(&desk.alice.margin_account, desk.world.now()).unwrap();
    assert!(value.initial_health().is_negative() && !value.maintenance_health().is_negative());
    let shrink = [desk.leg(desk.future(), -SOL_LONG), desk.leg(Instrument::PERP, -SOL_LONG)];
    let swap = [desk.leg(desk.future(), -SOL_LONG), desk.leg(desk.call(45), 10_000_000)];
    let there_and_back = [desk.leg(Instrument::PERP, SOL_LONG), desk.leg(Instrument::PERP, -2 * SOL_LONG)];
    let Desk { world, alice, maker, .. } = &mut desk;
    for legs in [&swap[..], &there_and_back] {
        world.refuses(InitialMarginNotMet, |world| world.trade_legs(alice, maker, legs));
    }
    world.trade_legs(alice, maker, &shrink).unwrap();
    check_books(world).unwrap();
}

/// I-20, I-28: shrinking at the edge of the band is a gift, leg by leg and together.
#[test]
fn in_trouble_several_legs_give_nothing_away() {
    let mut desk = Desk::open();
    desk.alice_trades(&[desk.leg(desk.future(), 500 * SOL_LONG)]).unwrap();
    desk.world.set_time(desk.world.now() + 60);
    desk.world.set_price(33 * DOLLAR_PRICE).unwrap();
    let index = desk.world.mark(&desk.world.sol, &desk.future());
    let cheap = [desk.leg_at(desk.future(), -SOL_LONG, index * 96 / 100); 8];
    // The average of what is fair and what is cheap counts.
    let mixed = [
        desk.leg_at(desk.future(), -SOL_LONG, index * 96 / 100),
        desk.leg_at(desk.future(), -SOL_LONG, index * 103 / 100),
    ];
    let Desk { world, alice, maker, .. } = &mut desk;
    world.refuses(InitialMarginNotMet, |world| world.trade_legs(alice, maker, &cheap));
    world.trade_legs(alice, maker, &mixed).unwrap();
    check_books(world).unwrap();
}

/// A party named twice, or both parties' accounts in the wrong place.
#[test]
fn each_side_signs_for_its_own_account() {
    let Market { mut world, alice, maker } = Market::open();
    let (a, b) = (world.account(&alice), world.account(&maker));
    let leg = world.leg(world.sol, Instrument::PERP, SOL_LONG);
    // Alice signs as both: for the maker she may not.
    let parties =
        Parties { taker: (alice.margin_account, &a), taker_authority: alice.key(), maker: (maker.margin_account, &b) };
    let trade = instruction::trade(parties, alice.key(), world.usdc_bank, &[leg], true);
    world.refuses(SignerMayNotTrade, |world| world.send(&[trade], &[&alice.keypair]));
    let parties = Parties { taker_authority: maker.key(), ..parties };
    let trade = instruction::trade(parties, maker.key(), world.usdc_bank, &[leg], true);
    world.refuses(SignerMayNotTrade, |world| world.send(&[trade], &[&maker.keypair]));
}
