//! Selling a slice of a whole portfolio brings it to its liquidation end, and not more than a rounding beyond.

use margrave_risk::*;
use proptest::prelude::*;

/// A perp and a strangle, all in multiples of `size`, with `cash` left.
fn valuation(size: i64, cash: i64) -> Valuation {
    let ratio = |ppm| Ratio::from_ppm_up(ppm).unwrap();
    let price = |raw| Price::new(raw).unwrap();
    let market = Market {
        price: price(350_000_000_000),
        confidence: ratio(1_000),
        stable_gap: Ratio::ZERO,
        unit: Decimals::new(9).unwrap(),
        scan_range: ratio(180_000),
        net_charge: ratio(20_000),
        hedged_charge: ratio(10_000),
        profit: Haircuts::default(),
        profit_cap: Usd::NO_LIMIT,
        size: SizeCharge::NONE,
        ramp: Ratio::ONE,
        group: Group::ALONE,
    };
    let options = OptionTerms::standard();
    let terms = Terms {
        years: Years::from_seconds(30 * 86_400).unwrap(),
        forward: price(352_000_000_000),
        discount: Ratio::ONE,
    };
    let strike = |raw, calls, puts| {
        let price = price(raw);
        let vol = Vol::from_bits(800 << 20).unwrap();
        Strike::new(price, vol, Quantity::new(calls), Quantity::new(puts))
    };
    let perps = [LinearPosition { quantity: Quantity::new(size), quote: Usd::new(-35 * size / 1_000).unwrap() }];
    let strikes = [strike(420_000_000_000, -2 * size, 0), strike(280_000_000_000, 0, -size)];
    let expiry = Expiry::new(&terms, &options).unwrap();
    let expiries = [Dated { expiry: &expiry, futures: &[], strikes: &strikes }];
    let holdings = [Holdings { market: &market, nodes: None, perps: &perps, collateral: &[], expiries: &expiries }];
    let portfolio = Portfolio {
        mode: Mode::Portfolio,
        cash: Usd::new(cash).unwrap(),
        collateral: &[],
        underlyings: &holdings,
        options: &options,
        levels: Levels { maintenance_scan: ratio(800_000), liquidation_buffer: ratio(150_000), depeg: Ratio::ZERO },
    };
    portfolio.evaluate(|_, _| ()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// I-22, I-23.
    #[test]
    fn a_slice_reaches_the_liquidation_end_and_no_more(shortfall in 1i64..=999, price in 700_000u32..=1_000_000) {
        const SIZE: i64 = 1 << 40;
        let price = Ratio::from_ppm_up(price).unwrap();
        // Cash such that equity is that many thousandths of the liquidation end.
        let bare = valuation(SIZE, 0);
        let cash = bare.liquidation_end.micros() / 1_000 * shortfall - bare.equity.micros();
        let before = valuation(SIZE, cash);
        let share = quote_slice(&before, before.equity.mul_down(price));
        prop_assert!(share > Ratio::ZERO && share <= Ratio::ONE);
        let left = i128::from(Ratio::ONE.bits() - share.bits());
        let scaled = |amount: i64| i64::try_from((i128::from(amount) * left) >> 30).unwrap();
        let paid = Usd::new(before.equity.micros()).unwrap().mul_down(price).mul_down(share).micros();
        let after = valuation(scaled(SIZE), scaled(cash) + paid);
        // A dollar of a book of 40 million: shares have thirty bits.
        let health = after.liquidation_end_health().micros();
        prop_assert!((-1_000_000..=1_000_000).contains(&health), "{health} after {share:?} of {before:?}");
    }

    /// I-22: nothing is sold of an account at its end, and all of one without equity.
    #[test]
    fn healthy_accounts_are_left_alone_and_bankrupt_ones_sold(cash in 0i64..=1 << 40) {
        let account = valuation(1 << 36, 1 << 45);
        prop_assert_eq!(quote_slice(&account, account.equity), Ratio::ZERO);
        let account = valuation(1 << 36, -(1 << 44) - cash);
        prop_assert_eq!(quote_slice(&account, Usd::ZERO), Ratio::ONE);
    }
}

fn relief(relief: i64, cost: i64) -> Relief {
    Relief { relief: Usd::new(relief).unwrap(), cost: Usd::new(cost).unwrap() }
}

/// F-02.
#[test]
fn the_step_that_relieves_most_for_a_dollar_goes_first() {
    const DOLLAR: i64 = 1_000_000;
    assert_eq!(most_relief([]), None);
    assert_eq!(most_relief([relief(0, 0), relief(-DOLLAR, 0)]), None);
    // 50, 80 and 60 dollars for one.
    let steps = [relief(500 * DOLLAR, 10 * DOLLAR), relief(80 * DOLLAR, DOLLAR), relief(600 * DOLLAR, 10 * DOLLAR)];
    assert_eq!(most_relief(steps), Some(1));
    // For nothing the largest, and a trifle for nothing is not worth more than a lot for little.
    assert_eq!(most_relief([relief(DOLLAR, 0), relief(2 * DOLLAR, 0)]), Some(1));
    assert_eq!(most_relief([relief(10_000, 0), relief(100 * DOLLAR, DOLLAR)]), Some(1));
    // The first of equals.
    assert_eq!(most_relief([relief(DOLLAR, DOLLAR), relief(DOLLAR, DOLLAR)]), Some(0));
}
