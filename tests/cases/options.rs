//! What is special about options: surfaces, premiums, fees, and limits on positions.

use crate::{common::*, desk::*};
use margrave::state::{Instrument, InstrumentKind, Pause};
use margrave_client::{Surface, instruction::Parties};

/// Dollars in signed micro-dollars.
const DOLLAR_INT: i64 = 1_000_000;

fn set_surface(desk: &Desk, surface: Surface) -> Instruction {
    let world = &desk.world;
    instruction::set_surface(world.operator.pubkey(), world.group, world.sol, (desk.expiry, desk.series), surface)
}

/// The same volatility at every strike for the time that is left.
fn flat(desk: &Desk, vol_percent: i64) -> Surface {
    flat_surface(vol_percent, desk.time - desk.world.underlying().oracle.publish_time)
}

/// Half of itself in an hour; nothing at once.
#[test]
fn volatilities_move_no_faster_than_their_rate() {
    let mut desk = Desk::open();
    for vol in [59, 61] {
        let set = set_surface(&desk, flat(&desk, vol));
        desk.world.refuses(SurfaceMovesTooFast, |world| world.send(&[set], &[]));
    }
    desk.world.set_time(desk.world.now() + 3_600);
    desk.world.set_price(PRICE).unwrap();
    for vol in [29, 91] {
        let set = set_surface(&desk, flat(&desk, vol));
        desk.world.refuses(SurfaceMovesTooFast, |world| world.send(&[set], &[]));
    }
    let set = set_surface(&desk, flat(&desk, 89));
    desk.world.send(&[set], &[]).unwrap();
    // The room is used up.
    let set = set_surface(&desk, flat(&desk, 88));
    desk.world.refuses(SurfaceMovesTooFast, |world| world.send(&[set], &[]));
}

/// A fifth of a year's carry in an hour, and never beyond 400 %.
#[test]
fn the_carry_moves_no_faster_than_its_rate() {
    let mut desk = Desk::open();
    desk.world.set_time(desk.world.now() + 1_800);
    desk.world.set_price(PRICE).unwrap();
    let tenth = (1i64 << 30) / 10;
    for carry in [tenth + 1, -tenth - 1] {
        let set = set_surface(&desk, Surface { carry, ..flat(&desk, 60) });
        desk.world.refuses(SurfaceMovesTooFast, |world| world.send(&[set], &[]));
    }
    let set = set_surface(&desk, Surface { carry: -tenth, ..flat(&desk, 60) });
    desk.world.send(&[set], &[]).unwrap();
    // 30 days less half an hour at -10 % a year.
    let left = desk.time - desk.world.now();
    let expected = PRICE - PRICE / 10 * left / (365 * DAY);
    assert!((desk.world.mark(&desk.world.sol, &desk.future()) - expected).abs() < 1_000);
    for carry in [(4 << 30) + 1, -(4 << 30) - 1, i64::MIN + 1, i64::MAX] {
        let set = set_surface(&desk, Surface { carry, ..flat(&desk, 60) });
        desk.world.refuses(ParameterOutOfBounds, |world| world.send(&[set], &[]));
    }
}

/// However long the silence, it earns an hour's room.
#[test]
fn silence_earns_no_more_than_an_hour_of_room() {
    let mut desk = Desk::with(|risk, _, _| (risk.vol_rate_ppm, risk.carry_rate_ppm) = (100_000, 1_000));
    desk.world.set_time(desk.world.now() + 10 * DAY);
    desk.world.set_price(PRICE).unwrap();
    // A tenth of 60 %, and a thousandth of carry.
    let set = set_surface(&desk, flat(&desk, 67));
    desk.world.refuses(SurfaceMovesTooFast, |world| world.send(&[set], &[]));
    let room = (1i64 << 30) / 1_000;
    let set = set_surface(&desk, Surface { carry: room + 2, ..flat(&desk, 65) });
    desk.world.refuses(SurfaceMovesTooFast, |world| world.send(&[set], &[]));
    let set = set_surface(&desk, Surface { carry: room - 1, ..flat(&desk, 65) });
    desk.world.send(&[set], &[]).unwrap();
}

/// The scan range of 18 % is 3.25 deviations of a day: 105.8 % a year. A volatility may be a tenth to three times that, at the first
/// setting as at any other.
#[test]
fn volatilities_stay_near_what_the_scan_range_stands_for() {
    let mut desk = Desk::with(|risk, _, _| risk.vol_rate_ppm = 1_000_000);
    let sol = desk.world.sol;
    for (days, vol) in [(10, 10), (11, 318), (12, 900)] {
        let outcome = desk.world.list_expiry(sol, days, vol, &[PRICE]);
        assert!(outcome.is_err_and(|refusal| refusal.is(VolFarFromScanRange)), "{vol}");
    }
    for (days, vol) in [(13, 11), (14, 317)] {
        desk.world.list_expiry(sol, days, vol, &[PRICE]).unwrap();
    }
}

#[test]
fn a_surface_is_one_that_options_can_be_priced_on() {
    let mut desk = Desk::with(|risk, _, _| (risk.vol_rate_ppm, risk.carry_rate_ppm) = (1_000_000, 1_000_000));
    desk.world.set_time(desk.world.now() + DAY);
    desk.world.set_price(PRICE).unwrap();
    let [a, ..] = flat(&desk, 60).smile;
    let one = 1i64 << 48;
    let impossible = [
        [-a, 0, 0, 0, one],
        [a, -1, 0, 0, one],
        [a, 0, one, 0, one],
        [a, 0, -one, 0, one],
        [a, 0, 0, 0, 0],
        [a, 0, 0, 0, -1],
        [i64::MAX, 0, 0, 0, one],
        [i64::MIN, i64::MIN, i64::MIN, i64::MIN, i64::MIN],
        // Wings steeper than two, and a kink that would make a butterfly pay for being held.
        [a, 3 * one, 0, 0, one],
        [0, one, 0, 0, one / 1_000],
    ];
    for smile in impossible {
        let set = set_surface(&desk, Surface { carry: 0, smile });
        desk.world.refuses(ParameterOutOfBounds, |world| world.send(&[set], &[]));
    }
    // Above three times what the scan range stands for, and below a tenth.
    for vol in [330, 9] {
        let set = set_surface(&desk, flat(&desk, vol));
        desk.world.refuses(VolFarFromScanRange, |world| world.send(&[set], &[]));
    }
    let (trader, set) = (desk.alice.key(), set_surface(&desk, flat(&desk, 60)));
    let forged = with_account(set, desk.world.operator.pubkey(), trader);
    let keypair = desk.alice.keypair.insecure_clone();
    desk.world.refuses(SignerIsNotOperator, |world| world.send(&[forged], &[&keypair]));
}

/// Beyond a day nothing is opened on an old surface, and nothing keeps a position from shrinking.
#[test]
fn on_an_old_surface_positions_only_shrink() {
    let mut desk = Desk::open();
    desk.alice_trades(&[desk.leg(desk.future(), 2 * SOL_LONG), desk.leg(desk.call(35), 2 * SOL_LONG)]).unwrap();
    desk.world.set_time(desk.world.now() + DAY);
    desk.world.set_price(PRICE).unwrap();
    desk.alice_trades(&[desk.leg(desk.call(35), SOL_LONG)]).unwrap();
    desk.world.set_time(desk.world.now() + 1);
    desk.world.set_price(PRICE).unwrap();
    for instrument in [desk.future(), desk.call(35), desk.put(35)] {
        let leg = desk.leg(instrument, SOL_LONG);
        let Desk { world, alice, maker, .. } = &mut desk;
        world.refuses(SurfaceTooOld, |world| world.trade_legs(alice, maker, &[leg]));
    }
    desk.alice_trades(&[desk.leg(desk.future(), -SOL_LONG), desk.leg(desk.call(35), -SOL_LONG)]).unwrap();
    desk.alice_trades(&[desk.leg(Instrument::PERP, SOL_LONG)]).unwrap();
    desk.refresh_surface(60).unwrap();
    desk.alice_trades(&[desk.leg(desk.put(35), SOL_LONG)]).unwrap();
    check_books(&desk.world).unwrap();
}

/// I-20: a premium lies within two per cent of the underlying's price of the mark, a future's price within five of its own.
#[test]
fn option_prices_stay_within_the_band() {
    let mut desk = Desk::open();
    let (call, future) = (desk.call(35), desk.future());
    let mark = desk.world.mark(&desk.world.sol, &call);
    let band = PRICE / 50;
    let outside = [
        (call, mark + band + 1),
        (call, mark - band - 1),
        (future, PRICE * 21 / 20 + 1),
        (future, PRICE * 19 / 20 - 1),
    ];
    for (instrument, price) in outside {
        let leg = desk.leg_at(instrument, SOL_LONG, price);
        let Desk { world, alice, maker, .. } = &mut desk;
        world.refuses(PriceOutsideBand, |world| world.trade_legs(alice, maker, &[leg]));
    }
    for price in [0, -1, i64::MIN, i64::MAX] {
        let leg = desk.leg_at(call, SOL_LONG, price);
        let Desk { world, alice, maker, .. } = &mut desk;
        world.refuses(PriceOutOfRange, |world| world.trade_legs(alice, maker, &[leg]));
    }
    for price in [mark + band, mark - band] {
        desk.alice_trades(&[desk.leg_at(call, SOL_LONG, price)]).unwrap();
    }
    check_books(&desk.world).unwrap();
}

/// A worthless option still has a price of its own: the smallest there is. Its premium rounds against the taker.
#[test]
fn a_worthless_option_trades_for_next_to_nothing() {
    let mut desk = Desk::open();
    desk.world.set_time(desk.time - 60);
    desk.world.set_price(PRICE).unwrap();
    desk.refresh_surface(60).unwrap();
    let call = desk.call(45);
    assert_eq!(desk.world.mark(&desk.world.sol, &call), 1);
    let before = cash(&desk.world, &desk.alice);
    desk.alice_trades(&[desk.leg(call, SOL_LONG)]).unwrap();
    assert_eq!(cash(&desk.world, &desk.alice), before - 1, "a part of a unit rounds up to one");
    desk.alice_trades(&[desk.leg(call, -SOL_LONG)]).unwrap();
    assert_eq!(cash(&desk.world, &desk.alice), before - 1, "and down to none");
    check_books(&desk.world).unwrap();
}

/// A deep call is worth nearly the whole price, and no more.
#[test]
fn a_deep_option_trades_near_its_intrinsic_value() {
    let mut desk = Desk::open();
    desk.world.set_price(PRICE).unwrap();
    let (operator, group, sol) = (desk.world.operator.pubkey(), desk.world.group, desk.world.sol);
    // One 10^-10th of a dollar, and the highest price there is.
    let highest = margrave_risk::Price::MAX.raw();
    let list = instruction::list_strikes(operator, group, sol, desk.expiry, vec![1, highest]);
    desk.world.send(&[list], &[]).unwrap();
    let call = desk.world.instrument(&sol, InstrumentKind::Call, desk.expiry, 1);
    let put = desk.world.instrument(&sol, InstrumentKind::Put, desk.expiry, highest);
    let mark = desk.world.mark(&sol, &call);
    assert!(mark <= PRICE && PRICE - mark < PRICE / 1_000, "{mark}");
    assert!(desk.world.mark(&sol, &put) < highest);
    desk.alice_trades(&[desk.leg(call, 100 * SOL_LONG)]).unwrap();
    desk.alice_trades(&[desk.leg(call, -100 * SOL_LONG)]).unwrap();
    check_books(&desk.world).unwrap();
    // The put is worth ten million dollars apiece: as good as cash, so that alice may borrow what it costs, and no more.
    let leg = desk.leg(put, 10_000_000);
    desk.alice_trades(&[leg]).unwrap();
    let owed = -cash(&desk.world, &desk.alice);
    assert!(owed > 90_000 * DOLLAR_INT, "{owed}");
    let account = desk.world.account(&desk.alice);
    assert!(account.equity <= 5_000 * DOLLAR_INT && account.equity > 4_960 * DOLLAR_INT, "{}", account.equity);
    check_books(&desk.world).unwrap();
    // Beyond what an option's underlying may be worth nobody asks for margin.
    let leg = desk.leg(put, 2 * SOL_LONG);
    let Desk { world, alice, maker, .. } = &mut desk;
    world.refuses(ValueOutOfRange, |world| world.trade_legs(alice, maker, &[leg]));
}

fn with_read_only_bank(desk: &Desk, taker: &Trader, legs: &[PlacedLeg]) -> Instruction {
    let (a, b) = (desk.world.account(taker), desk.world.account(&desk.maker));
    let parties = Parties {
        taker: (taker.margin_account, &a),
        taker_authority: taker.key(),
        maker: (desk.maker.margin_account, &b),
    };
    instruction::trade(parties, desk.maker.key(), desk.world.usdc_bank, legs, false)
}

/// Between two deposits a premium moves without the bank being written, to the unit.
#[test]
fn a_premium_moves_between_deposits_without_writing_the_bank() {
    let mut desk = Desk::open();
    let (mark, before) = (desk.world.mark(&desk.world.sol, &desk.call(35)), desk.world.bank(Token::Usdc).1);
    let quantity = 12_340_000_000;
    // Rounded up: the taker pays.
    let premium =
        i64::try_from((i128::from(mark) * i128::from(quantity) + 10i128.pow(13) - 1) / 10i128.pow(13)).unwrap();
    let (has, gets) = (cash(&desk.world, &desk.alice), cash(&desk.world, &desk.maker));
    let trade = with_read_only_bank(&desk, &desk.alice, &[desk.leg(desk.call(35), quantity)]);
    let signers = [&desk.alice.keypair, &desk.maker.keypair];
    desk.world.send(&[trade], &signers).unwrap();
    assert_eq!(cash(&desk.world, &desk.alice), has - premium);
    assert_eq!(cash(&desk.world, &desk.maker), gets + premium);
    let after = desk.world.bank(Token::Usdc).1;
    assert_eq!((before.deposit_shares, before.borrow_shares), (after.deposit_shares, after.borrow_shares));
    // Options carry no quote of their own: what was paid is gone.
    assert_eq!(holding(&desk.world, &desk.alice, &desk.call(35)), (quantity, 0));
    check_books(&desk.world).unwrap();
}

/// A premium beyond the deposit becomes a loan, which the bank must record.
#[test]
fn a_premium_from_a_loan_needs_the_bank_to_be_written() {
    let mut desk = Desk::open();
    // SOL is the margin; there is no cash.
    let bob = desk.world.funded("bob", 0, 1_000 * SOL);
    let legs = [desk.leg(desk.call(35), 10 * SOL_LONG)];
    let read_only = with_read_only_bank(&desk, &bob, &legs);
    let signers = [&bob.keypair, &desk.maker.keypair];
    desk.world.refuses(QuoteBankMustBeWritable, |world| world.send(&[read_only], &signers));
    desk.world.trade_legs(&bob, &desk.maker, &legs).unwrap();
    let owed = cash(&desk.world, &bob);
    let premium = i128::from(legs[0].leg.price) * 10;
    assert_eq!(i128::from(owed), -premium.div_euclid(10_000) - i128::from(premium % 10_000 != 0));
    check_books(&desk.world).unwrap();

    // What he is paid repays the loan, and that too must be recorded.
    let back = [desk.leg(desk.call(35), -10 * SOL_LONG)];
    let read_only = with_read_only_bank(&desk, &bob, &back);
    let signers = [&bob.keypair, &desk.maker.keypair];
    desk.world.refuses(QuoteBankMustBeWritable, |world| world.send(&[read_only], &signers));
    desk.world.trade_legs(&bob, &desk.maker, &back).unwrap();
    assert!((-1..=0).contains(&cash(&desk.world, &bob)), "repaid but for the rounding: {}", cash(&desk.world, &bob));
    check_books(&desk.world).unwrap();
}

/// A premium that would overdraw is refused while a guardian has stopped loans, and one that a deposit covers is not.
#[test]
fn a_premium_is_not_lent_while_loans_are_stopped() {
    let mut desk = Desk::open();
    let bob = desk.world.funded("bob", 0, 1_000 * SOL);
    let (guardian, group) = (desk.world.guardian.pubkey(), desk.world.group);
    let stop = instruction::pause(guardian, group, None, Pause::BORROW, MAX_PAUSE_SECS);
    desk.world.send(&[stop], &[]).unwrap();
    let legs = [desk.leg(desk.call(35), SOL_LONG)];
    let Desk { world, alice, maker, .. } = &mut desk;
    world.refuses(BalanceExceeded, |world| world.trade_legs(&bob, maker, &legs));
    world.trade_legs(alice, maker, &legs).unwrap();
    check_books(world).unwrap();
}

/// Fees are three hundredths of a per cent of the underlying's value, and at most an eighth of the premium. They are owed, not
/// paid at once.
#[test]
fn option_fees_are_capped_by_the_premium() {
    let mut desk = Desk::open();
    let (alice, maker) = (&desk.alice, &desk.maker);
    // 100 calls at 35 dollars: 3,500 dollars of value, 1.05 dollars of fee; the premium is about 240 dollars.
    let legs = [desk.leg(desk.call(35), 100 * SOL_LONG)];
    desk.world.trade_legs(alice, maker, &legs).unwrap();
    assert_eq!((claim(&desk.world, alice), claim(&desk.world, maker)), (-1_050_000, -1_050_000));
    // 100 calls at 45 dollars for 0.03 dollars each: 3 dollars of premium, of which an eighth is less than 1.35 dollars.
    let price = DOLLAR_PRICE * 3 / 100;
    let mark = desk.world.mark(&desk.world.sol, &desk.call(45));
    assert!((mark - price).abs() < PRICE / 50, "{mark}");
    let legs = [desk.leg_at(desk.call(45), 100 * SOL_LONG, price)];
    desk.world.trade_legs(alice, maker, &legs).unwrap();
    assert_eq!((claim(&desk.world, alice), claim(&desk.world, maker)), (-1_425_000, -1_425_000));
    // The seller is charged as the buyer is.
    let legs = [desk.leg_at(desk.call(45), -100 * SOL_LONG, price)];
    desk.world.trade_legs(alice, maker, &legs).unwrap();
    assert_eq!((claim(&desk.world, alice), claim(&desk.world, maker)), (-1_800_000, -1_800_000));
    check_books(&desk.world).unwrap();
}

/// The cap is on each instrument's longs: what changes hands without growth passes.
#[test]
fn open_interest_stops_at_its_cap() {
    let mut desk = Desk::with(|_, market, _| {
        (market.future_interest_cap, market.option_interest_cap) = (10 * SOL, 5 * SOL);
    });
    let bob = desk.world.funded("bob", 5_000 * DOLLAR, 0);
    for (instrument, cap) in [(desk.future(), 10), (desk.call(35), 5), (desk.put(35), 5)] {
        let Desk { world, alice, maker, .. } = &mut desk;
        let sol = world.sol;
        let leg = world.leg(sol, instrument, cap * SOL_LONG + 10_000_000);
        world.refuses(OpenInterestCapExceeded, |world| world.trade_legs(alice, maker, &[leg]));
        let leg = world.leg(sol, instrument, cap * SOL_LONG);
        world.trade_legs(alice, maker, &[leg]).unwrap();
        let leg = world.leg(sol, instrument, 10_000_000);
        world.refuses(OpenInterestCapExceeded, |world| world.trade_legs(alice, maker, &[leg]));
        let leg = world.leg(sol, instrument, SOL_LONG);
        world.trade_legs(&bob, alice, &[leg]).unwrap();
        check_books(world).unwrap();
    }
}

/// Nobody holds more than a share of a market but a small position.
#[test]
fn a_large_position_is_a_part_of_its_market_only() {
    let mut desk =
        Desk::with(|_, market, _| (market.position_allowance, market.concentration_ppm) = (5 * SOL, 500_000));
    let bob = desk.world.funded("bob", 50_000 * DOLLAR, 0);
    for instrument in [desk.future(), desk.call(35), Instrument::PERP] {
        let Desk { world, alice, maker, .. } = &mut desk;
        let sol = world.sol;
        let leg = world.leg(sol, instrument, 5 * SOL_LONG);
        world.trade_legs(alice, maker, &[leg]).unwrap();
        // Alone alice would hold everything, and the maker is as concentrated.
        let leg = world.leg(sol, instrument, 10_000_000);
        world.refuses(PositionTooConcentrated, |world| world.trade_legs(alice, maker, &[leg]));
        let leg = world.leg(sol, instrument, 5 * SOL_LONG);
        world.trade_legs(&bob, alice, &[leg]).unwrap();
        world.refuses(PositionTooConcentrated, |world| world.trade_legs(&bob, maker, &[leg]));
        check_books(world).unwrap();
    }
}

/// 32 positions are the most; the 33rd is refused, whoever asks for it.
#[test]
fn the_thirty_third_position_is_refused() {
    let mut desk = Desk::open();
    let (operator, group, sol) = (desk.world.operator.pubkey(), desk.world.group, desk.world.sol);
    let strikes: Vec<i64> = (1..=11).map(|index| PRICE + index * 1_000_000_000).collect();
    desk.world.send(&[instruction::list_strikes(operator, group, sol, desk.expiry, strikes.clone())], &[]).unwrap();
    let world = &desk.world;
    let all = strikes.into_iter().chain([25, 30, 35, 40, 45].map(|dollars| dollars * DOLLAR_PRICE));
    let instruments: Vec<Instrument> = all
        .flat_map(|strike| [InstrumentKind::Call, InstrumentKind::Put].map(|kind| (kind, strike)))
        .map(|(kind, strike)| world.instrument(&sol, kind, desk.expiry, strike))
        .collect();
    assert_eq!(instruments.len(), 32);
    for some in instruments.chunks(8) {
        let legs: Vec<PlacedLeg> = some.iter().map(|instrument| desk.leg(*instrument, 100_000_000)).collect();
        desk.alice_trades(&legs).unwrap();
    }
    let leg = desk.leg(Instrument::PERP, SOL_LONG);
    let bob = desk.world.funded("bob", 5_000 * DOLLAR, 0);
    let Desk { world, alice, maker, .. } = &mut desk;
    world.refuses(PositionLimitExceeded, |world| world.trade_legs(alice, &bob, &[leg]));
    world.refuses(PositionLimitExceeded, |world| world.trade_legs(&bob, alice, &[leg]));
    // What is held may change, and a closed one makes room.
    let close = world.leg(sol, instruments[7], -100_000_000);
    world.trade_legs(alice, maker, &[close]).unwrap();
    world.trade_legs(alice, &bob, &[leg]).unwrap();
    check_books(world).unwrap();
}

/// Risk in eight underlyings is the most.
#[test]
fn the_ninth_underlying_is_refused() {
    let Market { mut world, alice, maker } = Market::open();
    let mut sheets = vec![world.sol];
    for index in 1..9 {
        sheets.push(world.list_other_underlying(&format!("U{index}")).unwrap());
    }
    let refresh: Vec<Instruction> =
        sheets.iter().map(|sheet| instruction::refresh_price(world.group, *sheet, world.price_update)).collect();
    world.set_price(PRICE).unwrap();
    for some in refresh.chunks(3) {
        world.send(some, &[]).unwrap();
    }
    let legs: Vec<PlacedLeg> = sheets.iter().map(|sheet| world.leg(*sheet, Instrument::PERP, SOL_LONG)).collect();
    world.trade_legs(&alice, &maker, &legs[..8]).unwrap();
    world.refuses(UnderlyingLimitExceeded, |world| world.trade_legs(&alice, &maker, &legs[8..]));
    check_books(&world).unwrap();
}

/// I-25: a premium that is paid by a loan makes no loan that nobody could value.
#[test]
fn a_premium_is_not_paid_by_a_loan_that_the_engine_cannot_value() {
    let mut desk = Desk::open();
    let call = desk.leg(desk.call(35), 10 * SOL_LONG);
    let Desk { world, maker, .. } = &mut desk;
    world.funded("lender", 1_000_000_000 * DOLLAR, 0);
    let bob = world.funded("bob", 0, 30_000_000 * SOL);
    world.borrow(&bob, Token::Usdc, (1 << 47) - DOLLAR).unwrap();
    world.refuses(ValueOutOfRange, |world| world.trade_legs(&bob, maker, &[call]));
    world.deposit(&bob, Token::Usdc, 100 * DOLLAR).unwrap();
    world.trade_legs(&bob, maker, &[call]).unwrap();
    check_books(world).unwrap();
}

/// A position nobody could value is not opened: the bound is on the underlying's value for options, on the position's for futures.
#[test]
fn positions_beyond_the_engine_s_range_are_refused() {
    let mut desk = Desk::with(|_, market, _| {
        let most = margrave::constants::MAX_QUANTITY;
        market.lot = 1;
        (market.perp_interest_cap, market.future_interest_cap, market.option_interest_cap) = (most, most, most);
    });
    // 2^44 micro-dollars at 35 dollars are 502,644 SOL; 2^47 are 4,021,154.
    let cases =
        [(desk.call(35), 502_645), (desk.put(35), 502_645), (desk.future(), 4_021_155), (Instrument::PERP, 4_021_155)];
    for (instrument, sol) in cases {
        for quantity in [sol * SOL_LONG, -sol * SOL_LONG, 1 << 62, i64::MAX, i64::MIN, -i64::MAX] {
            let leg = desk.leg(instrument, quantity);
            let Desk { world, alice, maker, .. } = &mut desk;
            world.refuses(ValueOutOfRange, |world| world.trade_legs(alice, maker, &[leg]));
        }
    }
}
