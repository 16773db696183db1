use crate::common::*;
use margrave::{
    instructions::ListUnderlyingArgs,
    state::{Change, InstrumentKind, MarginAccount, MarketTerms, Underlying},
    trading::Leg,
};
use margrave_client::{
    Instrument,
    instruction::{self, PlacedLeg},
};

#[test]
fn a_trade_moves_position_payment_and_fees_and_sums_to_zero() {
    let mut market = Market::open();
    let receipt = market.alice_buys(100).unwrap();
    let Market { world, alice, maker } = market;
    let (taker, other) = (world.account(&alice), world.account(&maker));
    let (bought, sold) = (taker.positions[0], other.positions[0]);
    assert_eq!((bought.quantity, sold.quantity), (100 * SOL_LONG, -100 * SOL_LONG));
    assert_eq!((bought.quote, sold.quote), (-3_500_000_000, 3_500_000_000));
    // Of 3,500 dollars the taker pays 5 basis points, the maker 2: charged to their claims, not yet reported to the pool.
    let owed = |account: &MarginAccount| (account.risk[0].claim, account.risk[0].fees, account.risk[0].funding);
    assert_eq!((owed(&taker), owed(&other)), ((-1_750_000, 1_750_000, 0), (-700_000, 700_000, 0)));
    let underlying = world.underlying();
    assert_eq!((underlying.perp.open_interest, underlying.pool.unsettled_fees), (100 * SOL, 0));
    let events = receipt.events();
    let [Event::Traded(event)] = &events[..] else { panic!("one event") };
    let [leg] = event.legs[..] else { panic!("one leg") };
    assert_eq!((leg.instrument, leg.quantity, leg.price), (Instrument::PERP, 100 * SOL_LONG, PRICE));
    let numbers = event.taker.numbers;
    assert_eq!((numbers.equity, numbers.initial_margin), (taker.equity, taker.initial_margin));
    assert_eq!(
        (numbers.liquidation_end, numbers.maintenance_margin),
        (taker.liquidation_end, taker.maintenance_margin)
    );
    assert_eq!((event.maker.margin_account, event.maker.sequence), (maker.margin_account, other.sequence));
    check_books(&world).unwrap();
}

/// The whole model on one position, computed by hand: 3,500 dollars long, R = 18 %, net charge 2 %, confidence 0.1 %.
#[test]
fn margin_of_one_position_is_the_model_document_s() {
    let Market { world, alice, .. } = Market::long(100);
    let account = world.account(&alice);
    let close_to = |value: i64, micros: i64| assert!((value - micros).abs() <= 10, "{value} is not {micros}");
    // scan 24 % = 840; charges 70; confidence 3.50.
    close_to(account.initial_margin, 913_500_000);
    close_to(account.maintenance_margin, 742_000_000);
    close_to(account.liquidation_end, 853_300_000);
    close_to(account.equity, 4_998_250_000);
    assert_eq!(account.risk[0].worst_cell, 21, "the lower edge");
}

/// A deposit of SOL nets a short perp: the hedge pays for the basis only.
#[test]
fn collateral_in_the_asset_hedges_the_perp() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 10_000_000 * DOLLAR, 0);
    let hedged = world.funded("hedged", 10 * DOLLAR, 100 * SOL);
    world.trade(&hedged, &maker, -100 * SOL_LONG, PRICE).unwrap();
    let account = world.account(&hedged);
    // 1 % on 3,500 hedged; initial adds 5 % more haircut and 0.1 % confidence on both legs.
    assert_eq!(account.maintenance_margin / 1_000, 35_000);
    assert_eq!(account.initial_margin / 1_000, 35_000 + 175_000 + 7_000);
    assert!(account.risk[0].mantissas.iter().all(|cell| *cell == 0));
}

#[test]
fn positions_open_grow_shrink_flip_and_close() {
    let mut market = Market::open();
    for (sol, open_interest) in [(50, 50), (50, 100), (-30, 70), (-100, 30), (30, 0)] {
        market.alice_buys(sol).unwrap();
        assert_eq!(market.world.underlying().perp.open_interest, open_interest * SOL);
        check_books(&market.world).unwrap();
    }
    // The position is gone. Fees on 260 SOL are still owed: 5 basis points of 9,100 dollars.
    let account = market.world.account(&market.alice);
    assert!(account.positions.iter().all(|slot| slot.is_empty()));
    assert_eq!((account.risk[0].claim, account.risk[0].fees), (-4_550_000, 4_550_000));
}

#[test]
fn both_sides_sign() {
    let Market { mut world, alice, maker } = Market::open();
    let trade = world.trade_instruction(&alice, &maker, SOL_LONG, PRICE);
    for (missing, present) in [(&alice, &maker), (&maker, &alice)] {
        let one_sided = unsigned(trade.clone(), missing.key());
        refuses_with_code(&mut world, NOT_A_SIGNER, |world| world.send(&[one_sided], &[&present.keypair]));
    }
    let thief = world.funded("thief", DOLLAR, 0);
    for owner in [alice.key(), maker.key()] {
        let forged = with_account(trade.clone(), owner, thief.key());
        world.refuses(SignerMayNotTrade, |world| {
            world.send(&[forged], &[&alice.keypair, &maker.keypair, &thief.keypair])
        });
    }
}

/// P-06.
#[test]
fn an_account_does_not_trade_with_itself() {
    let Market { mut world, alice, .. } = Market::open();
    world.refuses(SelfDealing, |world| world.trade(&alice, &alice, SOL_LONG, PRICE));
}

#[test]
fn quantities_are_whole_lots_and_not_zero() {
    let Market { mut world, alice, maker } = Market::open();
    world.refuses(AmountMustBePositive, |world| world.trade(&alice, &maker, 0, PRICE));
    world.refuses(QuantityNotInLots, |world| world.trade(&alice, &maker, 9_999_999, PRICE));
    world.refuses(QuantityNotInLots, |world| world.trade(&alice, &maker, -10_000_001, PRICE));
    world.trade(&alice, &maker, 10_000_000, PRICE).unwrap();
}

/// I-20: five per cent from the index is the furthest.
#[test]
fn prices_stay_within_the_band() {
    let Market { mut world, alice, maker } = Market::open();
    let band = PRICE / 20;
    for price in [PRICE + band + 1, PRICE - band - 1, 1] {
        world.refuses(PriceOutsideBand, |world| world.trade(&alice, &maker, SOL_LONG, price));
    }
    for price in [0, -PRICE, i64::MIN] {
        world.refuses(PriceOutOfRange, |world| world.trade(&alice, &maker, SOL_LONG, price));
    }
    world.trade(&alice, &maker, SOL_LONG, PRICE + band).unwrap();
    world.trade(&alice, &maker, SOL_LONG, PRICE - band).unwrap();
}

/// P-25.
#[test]
fn a_stale_price_adds_no_risk() {
    let Market { mut world, alice, maker } = Market::open();
    world.set_time(world.now() + 60);
    world.trade(&alice, &maker, SOL_LONG, PRICE).unwrap();
    world.set_time(world.now() + 1);
    world.refuses(PriceTooOld, |world| world.trade(&alice, &maker, SOL_LONG, PRICE));
}

#[test]
fn without_a_first_price_there_is_no_trade() {
    let mut world = World::empty(World::START).unwrap();
    world.create_group(0).unwrap();
    world.list_sol(terms::risk_terms()).unwrap();
    world.launch().unwrap();
    let (alice, maker) = (world.funded("alice", DOLLAR, 0), world.funded("maker", DOLLAR, 0));
    world.refuses(PriceNotInitialized, |world| world.trade(&alice, &maker, SOL_LONG, PRICE));
}

/// I-15, for the taker and for the maker: the last lot that fits, and the first that does not.
#[test]
fn initial_margin_limits_the_size_of_both_sides() {
    let Market { mut world, alice, maker } = Market::open();
    // 5,000 dollars at 26.1 % and a fee of 0.05 % (taker) or 0.02 % (maker) carry 546.29 or 546.92 SOL.
    let largest = 546 * SOL_LONG + 290_000_000;
    world.refuses(InitialMarginNotMet, |world| world.trade(&alice, &maker, largest + 10_000_000, PRICE));
    world.refuses(InitialMarginNotMet, |world| world.trade(&alice, &maker, -largest - 10_000_000, PRICE));
    world.refuses(InitialMarginNotMet, |world| world.trade(&maker, &alice, 547 * SOL_LONG, PRICE));
    world.trade(&alice, &maker, largest, PRICE).unwrap();
}

/// I-15: below initial margin only what reduces risk passes.
#[test]
fn below_initial_margin_a_position_may_only_shrink() {
    let mut market = Market::long(500);
    market.price_moves_to(338_000_000_000);
    let Market { mut world, alice, maker } = market;
    let price = 338_000_000_000;
    let health = world.accounts().value(&alice.margin_account, world.now()).unwrap();
    assert!(health.initial_health().is_negative() && !health.maintenance_health().is_negative());

    world.refuses(InitialMarginNotMet, |world| world.trade(&alice, &maker, 10_000_000, price));
    world.refuses(InitialMarginNotMet, |world| world.trade(&alice, &maker, -1_001 * SOL_LONG, price));
    world.trade(&alice, &maker, -10_000_000, price).unwrap();
    let account = world.account(&alice);
    assert_eq!(account.status, margrave::state::Status::MarginCall as u8);
}

/// I-28: an account in trouble cannot hand its equity to a friend. A reduction costs at most what a liquidator would be
/// paid, one per cent; the price band alone would allow five.
#[test]
fn a_reduction_in_trouble_gives_nothing_away() {
    let mut market = Market::long(500);
    market.price_moves_to(330_000_000_000);
    let Market { mut world, alice, maker } = market;
    let index = 330_000_000_000;
    for price in [index * 95 / 100, index * 989 / 1_000] {
        world.refuses(InitialMarginNotMet, |world| world.trade(&alice, &maker, -10 * SOL_LONG, price));
    }
    world.trade(&alice, &maker, -10 * SOL_LONG, index * 991 / 1_000).unwrap();
}

/// Whoever is refused for margin finds in the log what he has, what it asks for, and the scenario that is the worst.
#[test]
fn a_refusal_for_margin_says_the_numbers() {
    let Market { mut world, alice, maker } = Market::open();
    let refusal = world.trade(&alice, &maker, 1_000 * SOL_LONG, PRICE).expect_err("5,000 dollars do not carry 35,000");
    assert!(refusal.is(InitialMarginNotMet));
    // 24 % of the scan's edge and 2 % of net value on 35,000 dollars; the worst cell is the lower edge.
    let logged = refusal.logs.iter().find_map(|line| line.split_once("equity ")).expect("a line of numbers").1;
    let words: Vec<&str> = logged.split(' ').collect();
    let number = |name: &str| -> i64 {
        let place = words.iter().position(|word| *word == name).expect("the number is named") + 1;
        words[place].parse().expect("a number")
    };
    let equity: i64 = words[0].parse().unwrap();
    assert!((4_950_000_000..5_000_000_000).contains(&equity), "{equity}");
    assert!((9_100_000_000..9_200_000_000).contains(&number("initial")), "{logged}");
    assert!(number("maintenance") < number("initial") && logged.contains("worst slot and cell Some((0, "), "{logged}");
}

/// I-28: with negative equity nothing of what is left is the owner's to give; positions are for liquidators.
#[test]
fn a_bankrupt_account_does_not_trade() {
    let mut market = Market::long(500);
    market.price_moves_to(240_000_000_000);
    let Market { mut world, alice, maker } = market;
    assert!(world.accounts().value(&alice.margin_account, world.now()).unwrap().equity.is_negative());
    world.refuses(InitialMarginNotMet, |world| world.trade(&alice, &maker, -100 * SOL_LONG, 240_000_000_000));
}

/// I-11, P-07, P-08: whatever is left out, repeated or slipped in, both sides are valued whole or not at all.
#[test]
fn the_list_of_other_accounts_is_complete_and_extras_change_nothing() {
    let Market { mut world, alice, maker } = Market::long(10);
    let other = world.list_other_underlying("ETH").unwrap();
    let signers = [&alice.keypair, &maker.keypair];
    let trade = world.trade_instruction(&alice, &maker, SOL_LONG, PRICE);
    let (sol, usdc_bank) = (world.sol, world.usdc_bank);
    let cases = [
        (without_account(trade.clone(), usdc_bank), BankMissing),
        (with_account(trade.clone(), usdc_bank, alice.margin_account), BankMissing),
        // The leg names the place of its sheet: another sheet there, a bank that has moved up, nothing at all.
        (with_account(trade.clone(), sol, other), UnderlyingMissing),
        (without_account(trade.clone(), sol), WrongAccountType),
        (without_account(without_account(trade.clone(), sol), usdc_bank), UnderlyingMissing),
    ];
    for (trade, error) in cases {
        world.refuses(error, |world| world.send(&[trade], &signers));
    }

    let plain = aftermath(&mut world, trade.clone(), &signers);
    assert!(plain != world.snapshot());
    let mut all = trade.clone();
    for extra in [usdc_bank, sol, other, world.sol_bank, alice.margin_account, alice.sol] {
        assert!(plain == aftermath(&mut world, and_account(trade.clone(), extra), &signers));
        all = and_account(all, extra);
    }
    assert!(plain == aftermath(&mut world, all, &signers));
}

/// P-08: an underlying in which a side has risk is missed although no leg is on it.
#[test]
fn an_underlying_beside_the_legs_is_missed() {
    let Market { mut world, alice, maker } = Market::open();
    let other = world.list_other_underlying("ETH").unwrap();
    let leg = world.leg(other, Instrument::PERP, SOL_LONG);
    world.trade_legs(&alice, &maker, &[leg]).unwrap();
    let trade = world.trade_instruction(&alice, &maker, SOL_LONG, PRICE);
    let trade = without_account(trade, other);
    world.refuses(UnderlyingMissing, |world| world.send(&[trade], &[&alice.keypair, &maker.keypair]));
}

#[test]
fn accounts_of_another_group_do_not_mix() {
    let mut market = Market::open();
    let other = market.other_group();
    let Market { world, alice, maker } = &mut market;
    let trade = world.trade_instruction(alice, maker, SOL_LONG, PRICE);
    for (from, to) in [(world.group, other.group), (world.sol, other.sol)] {
        let trade = with_account(trade.clone(), from, to);
        world.refuses(GroupMismatch, |world| world.send(&[trade], &[&alice.keypair, &maker.keypair]));
    }
    let across = world.trade_instruction(alice, &other.trader, SOL_LONG, PRICE);
    world.refuses(GroupMismatch, |world| world.send(&[across], &[&alice.keypair, &other.trader.keypair]));
}

/// P-43: a listed underlying trades nothing until its terms have raised the caps.
#[test]
fn open_interest_has_its_cap_and_the_perp_must_be_listed() {
    let mut world = World::with_market(PRICE).unwrap();
    let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
    let closed = MarketTerms { perp_interest_cap: 0, lot: 1, ..terms::market_terms() };
    world.sol = world.list_underlying("SOL2", oracle, risk, closed).unwrap();
    world.set_price(PRICE).unwrap();
    let (alice, maker) = (world.funded("alice", 5_000 * DOLLAR, 0), world.funded("maker", 5_000 * DOLLAR, 0));
    world.refuses(InstrumentNotListed, |world| world.trade(&alice, &maker, SOL_LONG, PRICE));

    let market = MarketTerms { perp_interest_cap: 10 * SOL, ..closed };
    let open = Change::Underlying { underlying: world.sol, oracle, risk, market };
    world.change(open, None).unwrap();
    world.set_price(PRICE).unwrap();
    world.refuses(OpenInterestCapExceeded, |world| world.trade(&alice, &maker, 10 * SOL_LONG + 1, PRICE));
    world.trade(&alice, &maker, 10 * SOL_LONG, PRICE).unwrap();
    // What there is may be closed whatever the cap has become.
    let market = MarketTerms { perp_interest_cap: SOL, ..market };
    world.change(Change::Underlying { underlying: world.sol, oracle, risk, market }, None).unwrap();
    world.trade(&alice, &maker, -SOL_LONG, PRICE).unwrap();
    world.refuses(OpenInterestCapExceeded, |world| world.trade(&alice, &maker, 1, PRICE));
}

/// P-24: a size that no account could carry is refused, not wrapped.
#[test]
fn absurd_sizes_are_refused() {
    let Market { mut world, alice, maker } = Market::open();
    let most = i64::MAX - i64::MAX % 10_000_000;
    // The last is 145 million dollars, past what one position may be worth.
    for quantity in [most, -most, 4_150_000 * SOL_LONG] {
        world.refuses(ValueOutOfRange, |world| world.trade(&alice, &maker, quantity, PRICE));
    }
}

/// An underlying whose market has no terms yet has no instrument, though its expiries may be listed.
#[test]
fn nothing_trades_before_its_market_has_terms() {
    let Market { mut world, alice, maker } = Market::open();
    let (manager, group, symbol) = (world.manager.pubkey(), world.group, pda::symbol("ETH"));
    let (oracle, risk) = (terms::oracle_terms(SOL_FEED), terms::risk_terms());
    let grow = instruction::grow_underlying(manager, group, symbol);
    let args = ListUnderlyingArgs { symbol, decimals: 9, oracle, risk };
    world.send(&[grow.clone(), grow, instruction::list_underlying(manager, group, args)], &[]).unwrap();
    let underlying = pda::underlying(&group, &symbol);
    world.set_price_of(underlying, SOL_FEED, PRICE).unwrap();
    let (expiry, series) = world.list_expiry(underlying, 30, 60, &[]).unwrap();
    let sheet: Underlying = world.load(&underlying);
    let instrument = Instrument { kind: InstrumentKind::Future, expiry, strike: 0, series };
    let leg = Leg { underlying: sheet.index, instrument, quantity: SOL_LONG, price: PRICE };
    let leg = PlacedLeg { underlying, leg };
    world.refuses(InstrumentNotListed, |world| world.trade_legs(&alice, &maker, &[leg]));
}

/// However little it is worth, a position is no larger than sums of two of them can hold.
#[test]
fn a_cheap_position_is_bounded_by_its_size() {
    // Five cents: 2^61 of nine decimals are 115 million dollars.
    let mut world = World::with_market(500_000_000).unwrap();
    let maker = world.funded("maker", 1_000_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 1_000_000_000 * DOLLAR, 0);
    let most = (1i64 << 61) / 10_000_000 * 10_000_000;
    world.refuses(ValueOutOfRange, |world| world.trade(&alice, &maker, most + 10_000_000, 500_000_000));
    world.refuses(OpenInterestCapExceeded, |world| world.trade(&alice, &maker, most, 500_000_000));
}

/// A position that the price has carried past 140 million dollars does not grow, but it may shrink.
#[test]
fn a_position_past_the_largest_size_may_only_shrink() {
    let mut world = World::with_market(PRICE).unwrap();
    let maker = world.funded("maker", 200_000_000 * DOLLAR, 0);
    let alice = world.funded("alice", 200_000_000 * DOLLAR, 0);
    world.trade(&alice, &maker, 4_000_000 * SOL_LONG, PRICE).unwrap();
    world.set_time(world.now() + 1);
    let price = 360_000_000_000;
    world.set_price(price).unwrap();
    world.refuses(ValueOutOfRange, |world| world.trade(&alice, &maker, SOL_LONG, price));
    world.trade(&alice, &maker, -SOL_LONG, price).unwrap();
}
