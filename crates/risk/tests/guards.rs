//! What reviews found: each was a way to a wrong number once.

use margrave_risk::*;

fn ratio(ppm: u32) -> Ratio {
    Ratio::from_ppm_up(ppm).unwrap()
}

fn price(dollars: i64) -> Price {
    Price::new(dollars * 10_000_000_000).unwrap()
}

fn usd(dollars: i64) -> Usd {
    Usd::new(dollars * Usd::SCALE).unwrap()
}

fn market(dollars: i64, decimals: u8) -> Market {
    Market {
        price: price(dollars),
        confidence: Ratio::ZERO,
        stable_gap: Ratio::ZERO,
        unit: Decimals::new(decimals).unwrap(),
        scan_range: ratio(180_000),
        net_charge: ratio(20_000),
        hedged_charge: ratio(10_000),
        profit: Haircuts::default(),
        profit_cap: Usd::NO_LIMIT,
        size: SizeCharge::NONE,
        ramp: Ratio::ONE,
        group: Group::ALONE,
    }
}

const LEVELS: Levels = Levels { maintenance_scan: Ratio::ONE, liquidation_buffer: Ratio::ZERO, depeg: Ratio::ZERO };

fn evaluate(mode: Mode, cash: Usd, underlyings: &[Holdings]) -> Result<Valuation, RiskError> {
    let options = OptionTerms::standard();
    Portfolio { mode, cash, collateral: &[], underlyings, options: &options, levels: LEVELS }.evaluate(|_, _| ())
}

fn expiry(dollars: i64) -> Expiry {
    let terms =
        Terms { years: Years::from_seconds(30 * 86_400).unwrap(), forward: price(dollars), discount: Ratio::ONE };
    Expiry::new(&terms, &OptionTerms::standard()).unwrap()
}

fn options(market: Market, strikes: &[Strike]) -> Result<Valuation, RiskError> {
    let expiries = [Dated { expiry: &expiry(market.price.raw() / 10_000_000_000), futures: &[], strikes }];
    evaluate(
        Mode::Portfolio,
        Usd::ZERO,
        &[Holdings { market: &market, nodes: None, perps: &[], collateral: &[], expiries: &expiries }],
    )
}

fn strike(dollars: i64, calls: i64, puts: i64) -> Strike {
    Strike::new(price(dollars), Vol::from_bits(600 << 20).unwrap(), Quantity::new(calls), Quantity::new(puts))
}

/// I-13: counts of options neither saturate nor depend on their order: what does not fit is refused.
#[test]
fn options_are_counted_or_refused_and_never_in_part() {
    const NINE: i64 = 9_000_000_000_000_000_000;
    let straddle = |size: i64| options(market(3_000, 18), &[strike(3_000, size, size)]);
    assert_eq!(straddle(-i64::MAX), Err(RiskError::ValueOutOfRange));
    assert!(straddle(-i64::MAX / 2).is_ok());
    let naked: Vec<Strike> = (0..32).map(|index| strike(3_000 + index, -NINE, 0)).collect();
    assert_eq!(options(market(3_000, 18), &naked), Err(RiskError::ValueOutOfRange));
    let mut covered: Vec<Strike> =
        (0..4).map(|index| strike(3_000 + index, if index < 2 { -NINE } else { NINE }, 0)).collect();
    let one = options(market(3_000, 18), &covered).unwrap();
    covered.reverse();
    assert_eq!(one.charges, options(market(3_000, 18), &covered).unwrap().charges);
    assert_eq!(one.charges.naked_maintenance, Usd::ZERO);
}

/// I-13: a debt in another underlying's asset counts in isolated mode, and so does its price.
#[test]
fn an_isolated_account_owes_a_debt_in_another_underlying() {
    let perps = [LinearPosition { quantity: Quantity::new(100_000_000_000), quote: usd(-3_500) }];
    let debt = [Collateral { value: usd(-10_000), haircuts: Haircuts::default() }];
    let wealth = [Collateral { value: usd(10_000), haircuts: Haircuts::default() }];
    let markets = [market(3_000, 9), market(35, 9)];
    let held = |collateral| {
        [
            Holdings { market: &markets[0], nodes: None, perps: &[], collateral, expiries: &[] },
            Holdings { market: &markets[1], nodes: None, perps: &perps, collateral: &[], expiries: &[] },
        ]
    };
    let isolated = evaluate(Mode::Isolated, usd(2_000), &held(&debt)).unwrap();
    let cross = evaluate(Mode::Cross, usd(2_000), &held(&debt)).unwrap();
    assert_eq!(isolated, cross);
    assert_eq!(isolated.equity, usd(-8_000));
    let isolated = evaluate(Mode::Isolated, usd(2_000), &held(&wealth)).unwrap();
    assert_eq!(isolated.equity, usd(2_000));
    assert_eq!(isolated.worst.unwrap().underlying, 1, "the place in the list");
}

/// I-14: nodes are for one scan range.
#[test]
fn nodes_of_another_range_are_refused() {
    let nodes = Nodes::new(&Grid::new(ratio(10_000)).unwrap());
    let strikes = [strike(3_000, -10_000_000_000, 0)];
    let expiries = [Dated { expiry: &expiry(3_000), futures: &[], strikes: &strikes }];
    let market = market(3_000, 9);
    let held = Holdings { market: &market, nodes: Some(&nodes), perps: &[], collateral: &[], expiries: &expiries };
    assert_eq!(evaluate(Mode::Portfolio, Usd::ZERO, &[held]), Err(RiskError::NodesOfAnotherRange));
    let nodes = Nodes::new(&Grid::new(held.market.scan_range).unwrap());
    assert_eq!(
        evaluate(Mode::Portfolio, Usd::ZERO, &[Holdings { nodes: Some(&nodes), ..held }]),
        evaluate(Mode::Portfolio, Usd::ZERO, &[Holdings { nodes: None, ..held }]),
    );
}

/// I-13: a group takes its least kappa, whoever comes first.
#[test]
fn a_group_takes_the_least_kappa_of_its_members() {
    let perp =
        |size: i64| [LinearPosition { quantity: Quantity::new(size), quote: usd(-size / 1_000_000_000 * 3_000) }];
    let (long, short) = (perp(1_000_000_000), perp(-1_000_000_000));
    let member = |kappa: u32| Market { group: Group { id: 1, kappa: ratio(kappa) }, ..market(3_000, 9) };
    fn held<'a>(market: &'a Market, perps: &'a [LinearPosition]) -> Holdings<'a> {
        Holdings { market, nodes: None, perps, collateral: &[], expiries: &[] }
    }
    for (first, second) in [(790_000, 0), (0, 790_000)] {
        let valuation =
            evaluate(Mode::Portfolio, Usd::ZERO, &[held(&member(first), &long), held(&member(second), &short)])
                .unwrap();
        assert_eq!(valuation.scan.micros() / Usd::SCALE, 1_440);
    }
    let array = CompressedArray { exponent: 20, mantissas: [-30_000; CELLS] };
    let member =
        |bits| StoredArray { group: Group { id: 1, kappa: Ratio::from_bits(bits).unwrap() }, array, basis: Usd::ZERO };
    assert!(stored_scan(&[member(8_500_000_000), member(-1)]) >= stored_scan(&[member(0)]));
}

/// The bounds that a market's setter relies on.
#[test]
fn a_market_out_of_bounds_is_refused() {
    let good = market(35, 9);
    assert_eq!(good.require_valid(), Ok(()));
    let group = |id, kappa| Group { id, kappa };
    for bad in [
        Market { scan_range: Ratio::ZERO, ..good },
        Market { scan_range: ratio(3_000_001), ..good },
        Market { ramp: Ratio::ZERO, ..good },
        Market { group: group(64, Ratio::ZERO), ..good },
        Market { group: group(1, ratio(800_001)), ..good },
        Market { group: group(1, Ratio::from_bits(-1).unwrap()), ..good },
        Market { profit_cap: usd(-1), ..good },
        Market { hedged_charge: ratio(40_001), ..good },
        Market { net_charge: Ratio::from_bits(-1).unwrap(), ..good },
        Market { profit: Haircuts { maintenance: ratio(2), initial: ratio(1) }, ..good },
        Market { profit: Haircuts { maintenance: Ratio::ZERO, initial: ratio(1_000_001) }, ..good },
    ] {
        assert_eq!(bad.require_valid(), Err(RiskError::RatioOutOfRange), "{bad:?}");
    }
}

/// Terms that would make a shock overflow are refused before an expiry is prepared with them.
#[test]
fn option_terms_out_of_bounds_prepare_no_expiry() {
    let terms = Terms { years: Years::from_seconds(86_400).unwrap(), forward: price(35), discount: Ratio::ONE };
    let good = OptionTerms::standard();
    assert!(Expiry::new(&terms, &good).is_ok());
    for bad in [
        OptionTerms { power_short: ratio(5_000_000), ..good },
        OptionTerms { skew_min_width: ratio(900), ..good },
        OptionTerms { vol_down: ratio(1_000_001), ..good },
        OptionTerms { vega_charge: Ratio::from_bits(-1).unwrap(), ..good },
    ] {
        assert_eq!(Expiry::new(&terms, &bad), Err(RiskError::RatioOutOfRange));
    }
    for bad in
        [OptionTerms { long_factor: ratio(1_000_001), ..good }, OptionTerms { short_factor: ratio(999_000), ..good }]
    {
        assert_eq!(Expiry::new(&terms, &bad), Err(RiskError::TimeValueFactorsOutOfRange));
    }
}

/// An option too dear for any volatility has none, whatever its size.
#[test]
fn a_price_above_every_volatility_s_is_refused() {
    let option = Black76 {
        kind: OptionKind::Call,
        forward: Price::new(1).unwrap(),
        strike: Price::new(1).unwrap(),
        years: Years::from_seconds(86_400).unwrap(),
        discount: Ratio::from_bits(1 << 20).unwrap(),
    };
    assert_eq!(option.implied_vol((1 << 56) + 1_000_000), Err(RiskError::NoImpliedVol));
}
