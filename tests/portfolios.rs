//! Portfolios for the engine probe: random ones of every kind, and the shapes whose cost is published.

use fastrand::Rng;
use margrave_engine_probe::{ExpiryHoldings, Portfolio, Underlying, encode};
use margrave_risk::{
    Collateral, Decimals, Group, Haircuts, Levels, LinearPosition, Market, Mode, Price, Quantity, Ratio, SizeCharge,
    Strike, Terms, Usd, Vol, Years,
};

pub fn ppm(millionths: u32) -> Ratio {
    Ratio::from_ppm_up(millionths).unwrap()
}

pub fn usd(micros: i64) -> Usd {
    Usd::new(micros).unwrap()
}

/// 10^-10 dollars.
pub fn price(raw: i64) -> Price {
    Price::new(raw.clamp(1, Price::MAX.raw())).unwrap()
}

pub const LEVELS: Levels = Levels { maintenance_scan: Ratio::ONE, liquidation_buffer: Ratio::ZERO, depeg: Ratio::ZERO };

/// A market on the standard terms.
pub fn market(spot: Price) -> Market {
    Market {
        price: spot,
        confidence: ppm(500),
        stable_gap: Ratio::ZERO,
        unit: Decimals::new(9).unwrap(),
        scan_range: ppm(180_000),
        net_charge: ppm(20_000),
        hedged_charge: ppm(10_000),
        profit: Haircuts { maintenance: Ratio::ZERO, initial: ppm(100_000) },
        profit_cap: Usd::NO_LIMIT,
        size: SizeCharge::NONE,
        ramp: Ratio::ONE,
        group: Group::ALONE,
    }
}

pub fn strike(strike: Price, vol_ppm: u32, calls: i64, puts: i64) -> Strike {
    let vol = Vol::from_bits(i64::from(vol_ppm) * (1 << 30) / 1_000_000).unwrap();
    Strike::new(strike, vol, Quantity::new(calls), Quantity::new(puts))
}

/// Integers of every length up to `limit` in size.
fn integer(rng: &mut Rng, limit: i64) -> i64 {
    rng.i64(-limit..=limit) >> rng.u32(0..limit.ilog2())
}

fn ratio(rng: &mut Rng, most_ppm: u32) -> Ratio {
    ppm(rng.u32(0..=most_ppm))
}

/// `part / 1000` of a price.
fn near(rng: &mut Rng, spot: Price, thousandths: std::ops::RangeInclusive<i64>) -> Price {
    price(i64::try_from(i128::from(spot.raw()) * i128::from(rng.i64(thousandths)) / 1000).unwrap())
}

/// An amount of the unit worth up to `micros`.
fn quantity(rng: &mut Rng, spot: Price, digits: u8, micros: i64) -> Quantity {
    let atoms = i128::from(integer(rng, micros)) * 10i128.pow(u32::from(digits) + 4) / i128::from(spot.raw());
    Quantity::new(i64::try_from(atoms.clamp(-(1 << 62), 1 << 62)).unwrap())
}

fn haircuts(rng: &mut Rng) -> Haircuts {
    let maintenance = rng.u32(0..=300_000);
    Haircuts { maintenance: ppm(maintenance), initial: ppm(maintenance + rng.u32(0..=200_000)) }
}

fn collateral(rng: &mut Rng) -> Collateral {
    Collateral { value: usd(integer(rng, 1 << 46)), haircuts: haircuts(rng) }
}

fn several<T>(rng: &mut Rng, most: usize, mut make: impl FnMut(&mut Rng) -> T) -> Vec<T> {
    (0..rng.usize(0..=most)).map(|_| make(rng)).collect()
}

/// One underlying with up to 2 perps, 2 collaterals and 3 expiries of a future and 4 strikes: prices from a millionth of a dollar
/// to ten millions, vols from 0.1 % to 3,200 %, times from nothing to 8 years.
pub fn random_underlying(rng: &mut Rng, group: Group) -> Underlying {
    let spot = price(10i64.pow(rng.u32(4..=16)) / 1000 * rng.i64(1000..=9999));
    let digits = rng.u8(0..=12);
    let linear = |rng: &mut Rng| LinearPosition {
        quantity: quantity(rng, spot, digits, 1 << 44),
        quote: usd(integer(rng, 1 << 44)),
    };
    let market = Market {
        confidence: ratio(rng, 20_000),
        stable_gap: Ratio::ZERO,
        unit: Decimals::new(digits).unwrap(),
        scan_range: ppm(if rng.bool() { rng.u32(1..=750_000) } else { rng.u32(1..=3_000_000) }),
        net_charge: ppm(rng.u32(25_000..=50_000)),
        hedged_charge: ratio(rng, 50_000),
        profit: haircuts(rng),
        profit_cap: if rng.bool() { Usd::NO_LIMIT } else { usd(rng.i64(0..1 << 40)) },
        size: SizeCharge { depth: usd(rng.i64(0..1 << 42)), slope: ratio(rng, 100_000), cap: ratio(rng, 200_000) },
        ramp: if rng.bool() { Ratio::ONE } else { ratio(rng, 1_000_000) },
        group,
        ..market(spot)
    };
    let expiry = |rng: &mut Rng| {
        let years = match rng.u8(0..8) {
            0 => 0,
            1 => rng.i64(0..1 << 26),
            2 => rng.i64(0..=8 << 40),
            _ => rng.i64(0..1 << 40) >> rng.u32(0..20),
        };
        let forward = near(rng, spot, 900..=1100);
        let terms = Terms {
            years: Years::from_bits(years).unwrap(),
            forward,
            discount: if rng.bool() { Ratio::ONE } else { ppm(rng.u32(300_000..=1_000_000)) },
        };
        let strike = |rng: &mut Rng| {
            let thousandths = if rng.u8(0..8) == 0 { 1..=50_000 } else { 500..=2_000 };
            let price = near(rng, forward, thousandths);
            let (mut calls, mut puts) = (0, 0);
            if rng.u8(0..4) != 0 {
                calls = quantity(rng, price.max(forward), digits, 1 << 43).atoms();
            }
            if rng.u8(0..4) == 0 {
                puts = if rng.bool() { -calls } else { quantity(rng, price.max(forward), digits, 1 << 43).atoms() };
            }
            let vol = Vol::from_bits(rng.i64(1 << 20..=1 << 35) >> rng.u32(0..=4)).unwrap();
            Strike::new(price, vol, Quantity::new(calls), Quantity::new(puts))
        };
        ExpiryHoldings { terms, futures: several(rng, 1, linear), strikes: several(rng, 4, strike) }
    };
    let perps = several(rng, 2, linear);
    let own = several(rng, 2, collateral);
    let expiries = if rng.u8(0..4) == 0 { vec![] } else { several(rng, 3, expiry) };
    Underlying { market, perps, collateral: own, expiries }
}

/// A portfolio of up to 4 underlyings in two groups and alone, in any mode.
pub fn random(rng: &mut Rng) -> Portfolio {
    let mode = [Mode::Isolated, Mode::Cross, Mode::Portfolio, Mode::Portfolio][rng.usize(0..4)];
    let mut ids: Vec<u8> = several(rng, if mode == Mode::Isolated { 1 } else { 4 }, |rng| rng.u8(0..3));
    ids.sort_unstable();
    let kappa = ppm(rng.u32(0..800_000));
    let underlyings = ids.into_iter().map(|id| random_underlying(rng, Group { id, kappa })).collect();
    let levels = Levels {
        maintenance_scan: ppm(rng.u32(500_000..=1_000_000)),
        liquidation_buffer: ratio(rng, 500_000),
        depeg: ratio(rng, 200_000),
    };
    Portfolio { mode, cash: usd(integer(rng, 1 << 46)), collateral: several(rng, 3, collateral), underlyings, levels }
}

/// How much of what a published shape holds, spread evenly over its underlyings and expiries.
pub struct Shape {
    pub name: &'static str,
    pub underlyings: i64,
    pub expiries_each: i64,
    pub perps_each: i64,
    pub futures_each: i64,
    pub options_per_expiry: i64,
    pub tokens: i64,
    /// Compute units that a check may take.
    pub ceiling: u64,
}

pub const SHAPES: [Shape; 7] = [
    Shape {
        name: "1 perp, 2 tokens",
        underlyings: 1,
        expiries_each: 0,
        perps_each: 1,
        futures_each: 0,
        options_per_expiry: 0,
        tokens: 2,
        ceiling: 3_000,
    },
    Shape {
        name: "8 perps, 4 tokens",
        underlyings: 8,
        expiries_each: 0,
        perps_each: 1,
        futures_each: 0,
        options_per_expiry: 0,
        tokens: 4,
        ceiling: 15_000,
    },
    Shape {
        name: "4 linear, 4 options, 3 tokens on 2 underlyings",
        underlyings: 2,
        expiries_each: 1,
        perps_each: 1,
        futures_each: 1,
        options_per_expiry: 2,
        tokens: 3,
        ceiling: 25_000,
    },
    Shape {
        name: "32 linear, 8 tokens on 4 underlyings",
        underlyings: 4,
        expiries_each: 2,
        perps_each: 4,
        futures_each: 4,
        options_per_expiry: 0,
        tokens: 8,
        ceiling: 40_000,
    },
    Shape {
        name: "16 linear, 16 options, 8 tokens on 4 underlyings, 8 expiries",
        underlyings: 4,
        expiries_each: 2,
        perps_each: 2,
        futures_each: 2,
        options_per_expiry: 2,
        tokens: 8,
        ceiling: 60_000,
    },
    Shape {
        name: "32 options, 8 tokens on 4 underlyings, 8 expiries",
        underlyings: 4,
        expiries_each: 2,
        perps_each: 0,
        futures_each: 0,
        options_per_expiry: 4,
        tokens: 8,
        ceiling: 110_000,
    },
    Shape {
        name: "16 linear, 12 options, 8 tokens on 4 underlyings, 12 expiries",
        underlyings: 4,
        expiries_each: 3,
        perps_each: 1,
        futures_each: 3,
        options_per_expiry: 1,
        tokens: 8,
        ceiling: 50_000,
    },
];

impl Shape {
    /// The portfolio: a dollar price that differs by underlying, strikes around it, longs and shorts, one correlation group. No
    /// two options share a strike and none is so far out that it costs less.
    pub fn portfolio(&self) -> Portfolio {
        let underlyings = (0..self.underlyings).map(|index| {
            let spot = price(
                [600_000_000_000_000, 30_000_000_000_000, 1_500_000_000_000, 21_000_000_000]
                    [usize::try_from(index % 4).unwrap()],
            );
            let sign = |n: i64| if n % 2 == 0 { 1 } else { -1 };
            let atoms = |n: i64| sign(n + index) * (1_000_000_000_000_000 / (spot.raw() / 1_000_000_000) + n);
            let linear =
                |n: i64| LinearPosition { quantity: Quantity::new(atoms(n)), quote: usd(-sign(n) * 99_000_000) };
            let own = (self.tokens - index + self.underlyings - 1) / self.underlyings;
            let expiries = (0..self.expiries_each).map(|expiry| ExpiryHoldings {
                terms: Terms {
                    years: Years::from_seconds(86_400 * (7 + 40 * expiry + index)).unwrap(),
                    forward: price(spot.raw() / 1000 * (1002 + 5 * expiry)),
                    discount: ppm(999_000 - 4_000 * u32::try_from(expiry).unwrap()),
                },
                futures: (0..self.futures_each / self.expiries_each).map(linear).collect(),
                strikes: (0..self.options_per_expiry)
                    .map(|n| {
                        let at = price(spot.raw() / 100 * (95 + 5 * n));
                        let (calls, puts) = if n % 2 == 0 { (atoms(n), 0) } else { (0, atoms(n)) };
                        strike(at, 650_000 + 10_000 * u32::try_from(n).unwrap(), calls, puts)
                    })
                    .collect(),
            });
            Underlying {
                market: Market { group: Group { id: 1, kappa: ppm(500_000) }, ..market(spot) },
                perps: (0..self.perps_each).map(linear).collect(),
                collateral: (0..own)
                    .map(|_| Collateral {
                        value: usd(250_000_000),
                        haircuts: Haircuts { maintenance: ppm(50_000), initial: ppm(100_000) },
                    })
                    .collect(),
                expiries: expiries.collect(),
            }
        });
        let levels = Levels { maintenance_scan: ppm(800_000), liquidation_buffer: ppm(150_000), depeg: Ratio::ZERO };
        Portfolio {
            mode: Mode::Portfolio,
            cash: usd(5_000_000_000),
            collateral: vec![],
            underlyings: underlyings.collect(),
            levels,
        }
    }
}

/// The probe's input for some portfolios.
pub fn input(portfolios: &[Portfolio]) -> Vec<u8> {
    let words = portfolios.iter().map(encode).flat_map(|words| {
        let length = i64::try_from(words.len()).unwrap();
        std::iter::once(length).chain(words)
    });
    words.flat_map(i64::to_le_bytes).collect()
}
