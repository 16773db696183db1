//! The engine's laws, against exact arithmetic written from the formulas of `risk-model.md` and not from the engine.
//!
//! Invariant ids are those of `reliability.md`. "Usual" parameters are the region in which the laws about more
//! collateral and about merging are promised; "absurd" ones are anything that fits the types.

use margrave_risk::*;
use proptest::{collection::vec, prelude::*, sample::select};
use std::ops::RangeInclusive;

const ONE: i128 = 1 << 30;
const RATIO_LIMIT: i64 = 1 << 33;
const ITEM: i64 = 1 << 50;
const SUM: i64 = 1 << 56;
const HIGHEST_PRICE: i64 = 100_000_000_000_000_000;

// ---- Exact arithmetic ----

fn floor(numerator: i128, denominator: i128) -> i128 {
    numerator.div_euclid(denominator)
}

fn ceil(numerator: i128, denominator: i128) -> i128 {
    -floor(-numerator, denominator)
}

fn bits(ratio: Ratio) -> i128 {
    ratio.bits().into()
}

fn product_up(amount: i128, ratio: Ratio) -> i128 {
    ceil(amount * bits(ratio), ONE)
}

fn micros(amount: Usd) -> i128 {
    amount.micros().into()
}

/// Smallest units per 10^-6 dollars, at a price of 10^-10 dollars.
fn units(decimals: u32) -> i128 {
    10i128.pow(decimals + 4)
}

/// The move of the price in `cell`, in 2^-30: thirds of the range away from zero, tails no further than the edge.
fn shock(range: Ratio, cell: usize) -> i128 {
    let thirds = |n: i128| ceil(bits(range) * n.abs(), 3) * n.signum();
    match cell {
        0..21 => thirds(i128::try_from(cell).unwrap() / 3 - 3),
        21 => thirds(-4),
        22 => thirds(4),
        23..29 => {
            let percent = [-66, -33, 50, 100, 200, 400i128][cell - 23];
            floor(percent.abs() * ONE, 100).min(thirds(4)) * percent.signum()
        }
        _ => 0,
    }
}

// ---- Plain accounts, valued by the engine and by the formulas ----

/// A market and the decimals that its `unit` was made of.
#[derive(Clone, Copy, Debug)]
struct Listing {
    market: Market,
    decimals: u32,
}

impl Listing {
    /// The exact value of `atoms` in `units(decimals)` parts of a micro-dollar.
    fn parts(&self, atoms: i128) -> i128 {
        i128::from(self.market.price.raw()) * atoms
    }

    fn value_down(&self, atoms: i128) -> i128 {
        floor(self.parts(atoms), units(self.decimals))
    }
}

#[derive(Clone, Debug)]
struct Underlying {
    listing: Listing,
    positions: Vec<LinearPosition>,
    collaterals: Vec<(i64, Haircuts)>,
}

#[derive(Clone, Debug)]
struct Account {
    cash: i64,
    underlyings: Vec<Underlying>,
    levels: Levels,
}

/// What the formulas say of an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Exact {
    equity: i128,
    scan: i128,
    maintenance_charges: i128,
    initial_charges: i128,
    /// Underlying, cell and loss.
    worst: Option<(usize, usize, i128)>,
}

impl Exact {
    /// Maintenance margin, liquidation end, initial margin.
    fn margins(&self, levels: &Levels) -> [i128; 3] {
        let (part, buffer) = (levels.maintenance_scan.min(Ratio::ONE), levels.liquidation_buffer.min(Ratio::ONE));
        let maintenance = product_up(self.scan, part) + self.maintenance_charges;
        let initial = (self.scan + self.maintenance_charges + self.initial_charges).max(maintenance);
        [maintenance, initial.min(maintenance + product_up(maintenance, buffer)), initial]
    }

    fn healths(&self, levels: &Levels) -> [i128; 3] {
        self.margins(levels).map(|margin| self.equity - margin)
    }
}

impl Underlying {
    fn values(&self) -> impl Iterator<Item = i128> {
        let positions = self.positions.iter().map(|p| self.listing.value_down(p.quantity.atoms().into()));
        positions.chain(self.collaterals.iter().map(|(value, _)| i128::from(*value)))
    }

    fn exposure(&self) -> Exposure {
        let mut exposure = Exposure::default();
        for position in &self.positions {
            exposure.add_position(&self.listing.market, position.quantity, position.quote).unwrap();
        }
        for (value, _) in &self.collaterals {
            exposure.add_collateral(usd(*value));
        }
        exposure
    }

    /// The cell with the largest loss, the first of equal ones, and the loss.
    fn worst(&self) -> (usize, i128) {
        let net: i128 = self.values().sum();
        let loss = |cell| -floor(net * shock(self.listing.market.scan_range, cell), ONE);
        let (cell, loss) = (0..CELLS).map(|cell| (cell, loss(cell))).rev().max_by_key(|(_, loss)| *loss).unwrap();
        (if loss == 0 { 10 } else { cell }, loss)
    }
}

impl Account {
    /// The engine's book of everything but the underlying at index `without`.
    fn book(&self, without: Option<usize>) -> Book {
        let mut book = Book::default();
        book.add_cash(usd(self.cash));
        for (index, underlying) in self.underlyings.iter().enumerate() {
            for (value, haircuts) in &underlying.collaterals {
                book.add_collateral(usd(*value), *haircuts);
            }
            if without != Some(index) {
                book.add_underlying(&underlying.listing.market, &underlying.exposure()).unwrap();
            }
        }
        book
    }

    fn valuation(&self) -> Valuation {
        self.book(None).valuation(&self.levels)
    }

    fn exact(&self) -> Exact {
        let mut exact = Exact { equity: self.cash.into(), ..Exact::default() };
        for (index, underlying) in self.underlyings.iter().enumerate() {
            let Listing { market, .. } = &underlying.listing;
            let (long, short) = underlying.values().fold((0, 0), |(l, s), v| (l + v.max(0), s - v.min(0)));
            let (cell, loss) = underlying.worst();
            if exact.worst.is_none_or(|(_, _, worst)| loss > worst) {
                exact.worst = Some((index, cell, loss));
            }
            exact.scan += loss;
            exact.maintenance_charges += product_up((long - short).abs(), market.net_charge);
            exact.maintenance_charges += product_up(long.min(short), market.hedged_charge);
            exact.initial_charges += product_up(long + short, market.confidence);
            let quotes: i128 = underlying.positions.iter().map(|p| micros(p.quote)).sum();
            let profit = underlying.values().take(underlying.positions.len()).sum::<i128>() + quotes;
            exact.equity += profit.min(0);
            let collaterals = underlying.collaterals.iter().map(|(value, haircuts)| (i128::from(*value), *haircuts));
            for (value, haircuts) in collaterals.chain([(profit.max(0), market.profit)]) {
                let discount = product_up(value, haircuts.maintenance);
                exact.equity += value - discount;
                exact.initial_charges += product_up(value, haircuts.initial.max(haircuts.maintenance)) - discount;
            }
        }
        exact
    }

    fn healths(&self) -> [i128; 3] {
        let valuation = self.valuation();
        [valuation.maintenance_health(), valuation.liquidation_end_health(), valuation.initial_health()].map(micros)
    }

    fn margins(&self) -> [i128; 3] {
        let valuation = self.valuation();
        [valuation.maintenance_margin, valuation.liquidation_end, valuation.initial_margin].map(micros)
    }

    /// The items that pass, counted over the whole account: positions first, then collaterals, in each underlying.
    fn filtered(&self, mut keep: impl FnMut() -> bool) -> Self {
        let mut account = self.clone();
        for underlying in &mut account.underlyings {
            underlying.positions.retain(|_| keep());
            underlying.collaterals.retain(|_| keep());
        }
        account
    }

    fn scaled(&self, by: i64) -> Self {
        let mut account = self.clone();
        account.cash *= by;
        for underlying in &mut account.underlyings {
            for position in &mut underlying.positions {
                position.quantity = Quantity::new(position.quantity.atoms() * by);
                position.quote = usd(position.quote.micros() * by);
            }
            for (value, _) in &mut underlying.collaterals {
                *value *= by;
            }
        }
        account
    }

    /// At least the number of micro-dollars that rounding moves a margin at usual parameters: up to 1 by the value of
    /// an item and 1 by its haircut, 5 in an underlying (scan, three charges, profit), 2 for the levels, and the buffer
    /// on it.
    fn roundings(&self) -> i128 {
        let items = |u: &Underlying| 6 + 2 * (u.positions.len() + u.collaterals.len());
        4 + i128::try_from(self.underlyings.iter().map(items).sum::<usize>()).unwrap()
    }
}

/// An account that is being liquidated: one position of it, and the terms.
#[derive(Clone, Debug)]
struct Liquidation {
    account: Account,
    underlying: usize,
    position: usize,
    lot: u32,
    fee_ppm: u32,
}

impl Liquidation {
    fn underlying(&self) -> &Underlying {
        &self.account.underlyings[self.underlying]
    }

    fn position(&self) -> LinearPosition {
        self.underlying().positions[self.position]
    }

    fn size(&self) -> i128 {
        self.position().quantity.atoms().abs().into()
    }

    fn lot(&self) -> i128 {
        self.lot.max(1).into()
    }

    fn sign(&self) -> i128 {
        self.position().quantity.atoms().signum().into()
    }

    fn quote(&self) -> Option<Takeover> {
        let market = self.underlying().listing.market;
        let split = Split {
            rest: self.account.book(Some(self.underlying)),
            market,
            group: market.group,
            grid: Grid::new(market.scan_range).unwrap(),
            exposure: self.underlying().exposure(),
            dated: None,
        };
        quote_takeover(&split, &self.position(), self.lot.into(), self.fee_ppm, &self.account.levels).unwrap()
    }

    /// Value and fee of `taken` of the position, by the formulas.
    fn terms(&self, taken: i128) -> (i128, i128) {
        let value = self.underlying().listing.value_down(taken * self.sign());
        (value, ceil(value.abs() * i128::from(self.fee_ppm), 1_000_000))
    }

    /// The account after `taken` of the position has gone at the mark less the fee.
    fn after(&self, taken: i128) -> Account {
        let mut account = self.account.clone();
        let position = &mut account.underlyings[self.underlying].positions[self.position];
        let (value, fee) = self.terms(taken);
        position.quantity = Quantity::new(i64::try_from((self.size() - taken) * self.sign()).unwrap());
        position.quote = usd(i64::try_from(micros(position.quote) + value - fee).unwrap());
        account
    }

    /// Maintenance, liquidation end and initial health after `taken` of the position, by the formulas.
    fn healths_after(&self, taken: i128) -> [i128; 3] {
        self.after(taken).exact().healths(&self.account.levels)
    }

    /// The net value of the underlying after `taken` of the position, positive as long as it is on the position's side.
    fn net_after(&self, taken: i128) -> i128 {
        let value = |size: i128| self.underlying().listing.value_down(size * self.sign());
        (self.underlying().values().sum::<i128>() - value(self.size()) + value(self.size() - taken)) * self.sign()
    }

    /// What the quote takes, once it is checked to be whole lots, or all, of the position.
    fn whole_lots(&self, takeover: &Takeover) -> Result<i128, TestCaseError> {
        let taken = i128::from(takeover.quantity.atoms()) * self.sign();
        prop_assert!(0 < taken && taken <= self.size());
        prop_assert!(taken % self.lot() == 0 || taken == self.size());
        Ok(taken)
    }
}

// ---- Inputs ----

/// Any sum of 64 items.
fn usd(micros: i64) -> Usd {
    (0..6).fold(Usd::new(micros >> 6).unwrap(), |half, _| half + half) + Usd::new(micros & 63).unwrap()
}

/// Integers of every length up to `limit` in size, and its corners.
fn integer(limit: i64) -> impl Strategy<Value = i64> {
    prop_oneof![
        4 => (-limit..=limit, 0u32..63).prop_map(|(value, shift)| value / (1 << shift)),
        1 => select(vec![-limit, 1 - limit, -1, 0, 1, limit - 1, limit]),
    ]
}

/// Values up to `limit` in size, some of them equal or opposite so that books are hedged.
fn amount(limit: i64) -> impl Strategy<Value = i64> {
    prop_oneof![3 => integer(limit), 1 => select(vec![-1_000_000_000, 1_000_000_000])]
}

fn any_ratio() -> impl Strategy<Value = Ratio> {
    integer(RATIO_LIMIT - 1).prop_map(|bits| Ratio::from_bits(bits).unwrap())
}

/// Where parameters come from, in millionths.
struct Region {
    value: i64,
    scan_range: RangeInclusive<u32>,
    charge: RangeInclusive<u32>,
    haircut: RangeInclusive<u32>,
    confidence: RangeInclusive<u32>,
    maintenance_scan: RangeInclusive<u32>,
    liquidation_buffer: RangeInclusive<u32>,
    fee: RangeInclusive<u32>,
}

static USUAL: Region = Region {
    value: 1 << 44,
    scan_range: 50_000..=540_000,
    charge: 0..=50_000,
    haircut: 0..=200_000,
    confidence: 0..=20_000,
    maintenance_scan: 800_000..=800_000,
    liquidation_buffer: 150_000..=150_000,
    fee: 0..=100_000,
};

static ABSURD: Region = Region {
    value: ITEM,
    scan_range: 1..=3_000_000,
    charge: 0..=7_999_999,
    haircut: 0..=7_999_999,
    confidence: 0..=7_999_999,
    maintenance_scan: 0..=7_999_999,
    liquidation_buffer: 0..=7_999_999,
    fee: 0..=1_000_000,
};

fn ratio(ppm: &RangeInclusive<u32>) -> impl Strategy<Value = Ratio> + use<> {
    let ends = vec![*ppm.start(), *ppm.end()];
    prop_oneof![4 => ppm.clone(), 1 => select(ends)].prop_map(|ppm| Ratio::from_ppm_up(ppm).unwrap())
}

fn haircuts(region: &Region) -> impl Strategy<Value = Haircuts> + use<> {
    (ratio(&region.haircut), ratio(&region.haircut))
        .prop_map(|(maintenance, initial)| Haircuts { maintenance, initial })
}

fn price() -> impl Strategy<Value = Price> {
    integer(HIGHEST_PRICE).prop_map(|raw| Price::new(raw.abs().max(1)).unwrap())
}

/// A market without what the laws of linear books leave out: size, ramps, groups.
fn undated() -> Market {
    Market {
        price: Price::MAX,
        confidence: Ratio::ZERO,
        stable_gap: Ratio::ZERO,
        unit: Decimals::new(0).unwrap(),
        scan_range: Ratio::ONE,
        net_charge: Ratio::ZERO,
        hedged_charge: Ratio::ZERO,
        profit: Haircuts::default(),
        profit_cap: Usd::NO_LIMIT,
        size: SizeCharge::NONE,
        ramp: Ratio::ONE,
        group: Group::ALONE,
    }
}

fn listing(region: &Region) -> impl Strategy<Value = Listing> + use<> {
    let charge = || ratio(&region.charge);
    (price(), 0u8..=18, ratio(&region.confidence), ratio(&region.scan_range), charge(), charge(), haircuts(region))
        .prop_map(|(price, decimals, confidence, scan_range, net_charge, hedged_charge, profit)| {
            let unit = Decimals::new(decimals).unwrap();
            let market = Market { price, confidence, unit, scan_range, net_charge, hedged_charge, profit, ..undated() };
            Listing { market, decimals: decimals.into() }
        })
}

fn position(listing: Listing, limit: i64) -> impl Strategy<Value = LinearPosition> {
    // Room to scale a quantity by 16.
    let most = i128::from(i64::MAX / 16);
    (amount(limit), amount(limit)).prop_map(move |(value, quote)| {
        let atoms = i128::from(value) * units(listing.decimals) / i128::from(listing.market.price.raw());
        LinearPosition { quantity: Quantity::new(i64::try_from(atoms.clamp(-most, most)).unwrap()), quote: usd(quote) }
    })
}

fn collateral(region: &Region) -> impl Strategy<Value = (i64, Haircuts)> + use<> {
    (amount(region.value).prop_map(i64::abs), haircuts(region))
}

fn underlying(region: &'static Region) -> impl Strategy<Value = Underlying> {
    listing(region).prop_flat_map(|listing| {
        (vec(position(listing, region.value), 0..=3), vec(collateral(region), 0..=2))
            .prop_map(move |(positions, collaterals)| Underlying { listing, positions, collaterals })
    })
}

fn account(region: &'static Region) -> impl Strategy<Value = Account> {
    let levels = (ratio(&region.maintenance_scan), ratio(&region.liquidation_buffer));
    (amount(region.value), vec(underlying(region), 0..=3), levels).prop_map(|(cash, underlyings, levels)| {
        let (maintenance_scan, liquidation_buffer) = levels;
        Account { cash, underlyings, levels: Levels { maintenance_scan, liquidation_buffer, depeg: Ratio::ZERO } }
    })
}

fn any_account() -> impl Strategy<Value = Account> {
    prop_oneof![account(&USUAL), account(&ABSURD)]
}

/// The same account with its items and underlyings in another order.
fn shuffled(account: &Account) -> impl Strategy<Value = Account> + use<> {
    let (cash, levels) = (account.cash, account.levels);
    let underlyings = account.underlyings.iter().cloned().map(|Underlying { listing, positions, collaterals }| {
        (Just(positions).prop_shuffle(), Just(collaterals).prop_shuffle())
            .prop_map(move |(positions, collaterals)| Underlying { listing, positions, collaterals })
    });
    let underlyings = underlyings.collect::<Vec<_>>().prop_shuffle();
    underlyings.prop_map(move |underlyings| Account { cash, underlyings, levels })
}

fn lot() -> impl Strategy<Value = u32> {
    integer(u32::MAX.into()).prop_map(|lot| u32::try_from(lot.abs()).unwrap())
}

/// Accounts whose cash leaves them from a tenth above their liquidation end to one and a half times that below it.
fn liquidation(region: &'static Region) -> impl Strategy<Value = Liquidation> {
    let of_account = (account(region), any::<prop::sample::Index>(), -100_000i128..=1_500_000);
    (of_account, lot(), region.fee.clone()).prop_filter_map(
        "needs a position",
        |((mut account, choice, shortfall), lot, fee_ppm)| {
            let positions =
                |(u, underlying): (usize, &Underlying)| (0..underlying.positions.len()).map(move |p| (u, p));
            let all: Vec<_> = account.underlyings.iter().enumerate().flat_map(positions).collect();
            let (underlying, position) = *all.get(choice.index(all.len().max(1)))?;
            let (exact, levels) = (account.exact(), account.levels);
            let target = -exact.margins(&levels)[1] * shortfall / 1_000_000;
            let cash = i128::from(account.cash) + target - exact.healths(&levels)[1];
            account.cash = i64::try_from(cash.clamp((-SUM).into(), SUM.into())).unwrap();
            Some(Liquidation { account, underlying, position, lot, fee_ppm })
        },
    )
}

fn any_liquidation() -> impl Strategy<Value = Liquidation> {
    prop_oneof![liquidation(&USUAL), liquidation(&ABSURD)]
}

fn compressed(exponent: RangeInclusive<u16>) -> impl Strategy<Value = CompressedArray> {
    let mantissa = prop_oneof![30 => any::<i16>(), 1 => Just(i16::MIN)];
    (exponent, prop::array::uniform31(mantissa))
        .prop_map(|(exponent, mantissas)| CompressedArray { exponent, mantissas })
}

/// Arrays of linear books up to the largest, and of any shape.
fn array() -> impl Strategy<Value = RiskArray> {
    let linear = (integer(SUM), ratio(&ABSURD.scan_range))
        .prop_map(|(net, range)| RiskArray::linear(usd(net), &Grid::new(range).unwrap()));
    prop_oneof![linear, compressed(0..=44).prop_map(|compressed| compressed.expand())]
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

// ---- Units and grid: cheap, so many cases ----

proptest! {
    #![proptest_config(cases(4_096))]

    /// I-10, I-14: what rounds rounds the way its name says, and no further.
    #[test]
    fn a_product_is_the_floor_and_the_ceiling_of_the_exact_one(amount in integer(SUM), ratio in any_ratio()) {
        let exact = i128::from(amount) * bits(ratio);
        prop_assert_eq!(micros(usd(amount).mul_down(ratio)), floor(exact, ONE));
        prop_assert_eq!(micros(usd(amount).mul_up(ratio)), ceil(exact, ONE));
    }

    /// I-23: a fee is the ceiling of so many millionths of the size.
    #[test]
    fn a_fee_is_the_ceiling_of_the_exact_one(amount in integer(SUM), ppm in 0..=1_000_000u32) {
        prop_assert_eq!(micros(usd(amount).fee_up(ppm)), ceil(i128::from(amount).abs() * i128::from(ppm), 1_000_000));
    }

    /// I-19: a value is the conservative side of the exact one, or refused when that is beyond the bound of an item.
    #[test]
    fn a_value_is_the_floor_and_a_cost_the_ceiling_of_the_exact_one(
        price in price(),
        decimals in 0u8..=18,
        atoms in prop_oneof![integer(i64::MAX).prop_map(Some), Just(Some(i64::MIN)), Just(None)],
        at_bound in (select(vec![-1, 1]), -2..=2i128),
    ) {
        // `None` asks for a quantity worth the bound, give or take two of its smallest units.
        let bound = at_bound.0 * i128::from(ITEM) * units(decimals.into()) / i128::from(price.raw()) + at_bound.1;
        let atoms = atoms.unwrap_or_else(|| i64::try_from(bound).unwrap_or(i64::MAX));
        let (quantity, unit) = (Quantity::new(atoms), Decimals::new(decimals).unwrap());
        let exact = i128::from(price.raw()) * i128::from(atoms.max(-i64::MAX));
        let expected = |value: i128| {
            if value.abs() <= ITEM.into() { Ok(value) } else { Err(RiskError::ValueOutOfRange) }
        };
        prop_assert_eq!(price.value_down(quantity, unit).map(micros), expected(floor(exact, units(decimals.into()))));
        prop_assert_eq!(price.value_up(quantity, unit).map(micros), expected(ceil(exact, units(decimals.into()))));
    }

    /// I-19: a charge, range, haircut or confidence is never smaller than stated, nor larger by a whole 2^-30.
    #[test]
    fn a_ratio_is_the_ceiling_of_the_exact_one_or_refused(
        ppm in prop_oneof![any::<u32>(), 0..=8_000_000u32, 7_999_990..=8_000_010u32],
        numerator in integer(i64::MAX),
        denominator in integer(i64::MAX),
    ) {
        let expected = |numerator: i64, denominator: i64| {
            let valid = numerator >= 0 && denominator > 0;
            let exact = valid.then(|| ceil(i128::from(numerator) * ONE, denominator.into()));
            exact.filter(|exact| *exact < RATIO_LIMIT.into()).ok_or(RiskError::RatioOutOfRange)
        };
        prop_assert_eq!(Ratio::from_ppm_up(ppm).map(bits), expected(ppm.into(), 1_000_000));
        let below = i128::from(ppm) * ONE / 1_000_000;
        let below = if below < RATIO_LIMIT.into() { Ok(below) } else { Err(RiskError::RatioOutOfRange) };
        prop_assert_eq!(Ratio::from_ppm_down(ppm).map(bits), below);
        prop_assert_eq!(Ratio::of_up(numerator, denominator).map(bits), expected(numerator, denominator));
    }

    /// I-12: interest accrued in two steps is that of one, to 2^-46.9, and grows with rate and time.
    #[test]
    fn growth_is_multiplicative_and_monotone(rate in 0..=8i64 << 30, first in integer(315_360_000), second in integer(315_360_000)) {
        let (first, second) = (first.abs(), second.abs());
        let Ok(whole) = growth_down(rate, first + second) else { return Ok(()) };
        let parts = [first, second].map(|seconds| u128::from(growth_down(rate, seconds).unwrap()));
        let product = (parts[0] * parts[1]) >> 48;
        // The step that the product's own division drops, and the bound.
        let bound = 1 + ((u128::from(whole) * 54 / 100) >> 46);
        prop_assert!(product.abs_diff(whole.into()) <= bound, "{} of {}", product.abs_diff(whole.into()), whole);
        prop_assert!(parts.iter().all(|part| *part <= whole.into() && *part >= 1 << 48));
        prop_assert!(rate == 0 || growth_down(rate - 1, first + second).unwrap() <= whole);
    }

    /// I-14: thirds of the scan range rounded away from zero; tails, within 2^-30, the lesser of their size and the
    /// edge.
    #[test]
    fn the_grid_moves_as_the_model_says(range in any_ratio()) {
        let refused = range.bits() <= 0 || bits(range) > 3 * ONE;
        prop_assert_eq!(Grid::new(range).is_err(), refused);
        let Ok(grid) = Grid::new(range) else { return Ok(()) };
        for (thirds, moved) in (-3..=3i64).chain([-4, 4]).zip(grid.moves()) {
            let over = bits(*moved).abs() * 3 - bits(range) * i128::from(thirds).abs();
            prop_assert!((0..3).contains(&over) && moved.bits().signum() == thirds.signum());
        }
        for (percent, moved) in [-66, -33, 50, 100, 200, 400].into_iter().zip(&grid.moves()[9..]) {
            let exact = (percent * 3 * ONE).abs().min(bits(range) * 400);
            let over = bits(*moved) * percent.signum() * 300 - exact;
            prop_assert!(over.abs() < 300, "{} % is off by {}/300", percent, over);
        }
    }

    /// I-14: every cell is the exact product with its move, rounded down.
    #[test]
    fn each_cell_of_a_linear_book_is_its_net_value_times_the_move(
        net in integer(SUM),
        range in ratio(&ABSURD.scan_range),
    ) {
        let array = RiskArray::linear(usd(net), &Grid::new(range).unwrap());
        for (cell, result) in array.cells().iter().enumerate() {
            prop_assert_eq!(micros(*result), floor(i128::from(net) * shock(range, cell), ONE), "cell {}", cell);
        }
    }
}

// ---- Arrays ----

proptest! {
    #![proptest_config(cases(2_048))]

    /// I-10: never above the exact cell, below it by less than one step, and a step is at most 2^-14 of the largest
    /// cell.
    #[test]
    fn compression_errs_toward_loss_and_by_less_than_a_step(array in array()) {
        let compressed = array.compress_down();
        let step = 1i128 << compressed.exponent;
        for (exact, expanded) in array.cells().iter().zip(compressed.expand().cells()) {
            prop_assert!((0..step).contains(&(micros(*exact) - micros(*expanded))));
        }
        let largest = array.cells().iter().map(|cell| micros(*cell).abs()).max().unwrap();
        prop_assert!(step == 1 || step << 14 <= largest);
    }

    /// I-10: what is read back is mantissa x 2^exponent, for any bytes, and loses nothing when it is stored again; an
    /// exponent never written reads as 44.
    #[test]
    fn any_bytes_expand(compressed in prop_oneof![compressed(0..=48), compressed(0..=u16::MAX)]) {
        let (step, expanded) = (1i128 << compressed.exponent.min(44), compressed.expand());
        for (mantissa, cell) in compressed.mantissas.iter().zip(expanded.cells()) {
            prop_assert_eq!(micros(*cell), i128::from(*mantissa) * step);
        }
        prop_assert_eq!(expanded.compress_down().expand(), expanded);
    }

    /// I-14: the first of the least cells, or the unchanged one when nothing is lost.
    #[test]
    fn the_worst_cell_is_the_first_of_the_least(array in array()) {
        let (cell, result) = array.worst();
        let least = array.cells().iter().copied().min().unwrap();
        if least.is_negative() {
            let first = array.cells().iter().position(|cell| *cell == least).unwrap();
            prop_assert_eq!((usize::from(cell.index()), result), (first, least));
        } else {
            prop_assert_eq!((cell.index(), result), (10, Usd::ZERO));
        }
    }
}

// ---- Accounts ----

fn check_against_the_formulas(account: &Account) -> Result<(), TestCaseError> {
    let (valuation, exact) = (account.valuation(), account.exact());
    prop_assert_eq!(micros(valuation.equity), exact.equity);
    prop_assert_eq!(micros(valuation.scan), exact.scan);
    prop_assert_eq!(account.margins(), exact.margins(&account.levels));
    prop_assert_eq!(account.healths(), exact.healths(&account.levels));
    let worst = valuation.worst.map(|worst| (usize::from(worst.underlying), usize::from(worst.cell.index())));
    prop_assert_eq!(worst, exact.worst.map(|(underlying, cell, _)| (underlying, cell)));
    Ok(())
}

/// I-13: the widest parameters on 64 of the largest items: long, short, hedged, owned. Nothing wraps.
#[test]
fn a_full_account_at_every_bound_is_worth_what_the_formulas_say() {
    let widest = Ratio::from_bits(RATIO_LIMIT - 1).unwrap();
    let haircuts = |maintenance, initial| Haircuts { maintenance, initial };
    for profit in [haircuts(widest, widest), haircuts(Ratio::ZERO, widest)] {
        let market = Market {
            price: Price::new(10_000_000_000).unwrap(),
            confidence: widest,
            stable_gap: Ratio::ZERO,
            unit: Decimals::new(6).unwrap(),
            scan_range: Ratio::from_ppm_up(3_000_000).unwrap(),
            net_charge: widest,
            hedged_charge: widest,
            profit,
            ..undated()
        };
        let listing = Listing { market, decimals: 6 };
        let position = |value, quote| LinearPosition { quantity: Quantity::new(value), quote: usd(quote) };
        let levels = Levels { maintenance_scan: Ratio::ONE, liquidation_buffer: widest, depeg: Ratio::ZERO };
        for (position, other, owned) in [
            (position(ITEM, ITEM), position(ITEM, ITEM), 0),
            (position(-ITEM, -ITEM), position(-ITEM, -ITEM), 0),
            (position(ITEM, ITEM), position(-ITEM, ITEM), 0),
            (position(ITEM, -ITEM), position(-ITEM, -ITEM), 32),
        ] {
            let positions = [vec![position; 32 - owned], vec![other; 32]].concat();
            let collaterals = vec![(ITEM, profit); owned];
            let underlyings = vec![Underlying { listing, positions, collaterals }];
            check_against_the_formulas(&Account { cash: 0, underlyings, levels }).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(cases(1_024))]

    /// I-13, I-14: equity, scan, the three margins and healths, and the worst cell, to the micro-dollar.
    #[test]
    fn an_account_is_worth_what_the_formulas_say(account in any_account()) {
        check_against_the_formulas(&account)?;
    }

    /// I-13: whatever the parameters, no margin is negative and the three are in order.
    #[test]
    fn maintenance_is_at_most_the_liquidation_end_and_that_at_most_initial(account in any_account()) {
        let [maintenance, end, initial] = account.margins();
        prop_assert!(0 <= maintenance && maintenance <= end && end <= initial);
    }

    /// I-13: the order of items and underlyings changes no number.
    #[test]
    fn the_order_of_items_changes_nothing(
        (account, shuffled) in any_account().prop_flat_map(|account| (Just(account.clone()), shuffled(&account))),
    ) {
        // The index of the worst underlying follows the order, and the first of equal ones is named.
        let nameless = |account: &Account| Valuation { worst: None, ..account.valuation() };
        prop_assert_eq!(nameless(&account), nameless(&shuffled));
        prop_assert_eq!(account.exact().worst.map(|worst| worst.2), shuffled.exact().worst.map(|worst| worst.2));
    }

    /// I-13: `k` times the account needs at least `k` times the margin.
    #[test]
    fn margin_grows_at_least_with_size(account in account(&USUAL), by in 1i64..=16) {
        for (one, all) in account.margins().into_iter().zip(account.scaled(by).margins()) {
            prop_assert!(all >= (one - account.roundings()) * i128::from(by), "{} of {}", all, one);
        }
    }

    /// I-13: two accounts merged need at most what they need apart. Of the liquidation end this is not promised: it is
    /// the lesser of two margins, and a different one may be the lesser in each account.
    #[test]
    fn merging_accounts_needs_no_more_margin(account in account(&USUAL), mask in any::<u32>()) {
        let part = |mut mask: u32| {
            account.filtered(|| {
                mask = mask.rotate_right(1);
                mask >> 31 == 1
            })
        };
        let ([maintenance, _, initial], [one, other]) = (account.margins(), [mask, !mask].map(|m| part(m).margins()));
        prop_assert!(maintenance <= one[0] + other[0] + account.roundings());
        prop_assert!(initial <= one[2] + other[2] + account.roundings());
    }

    /// I-10: margins from the stored arrays are never below the exact ones, and the scan exceeds the exact one by less
    /// than a step in each underlying.
    #[test]
    fn margin_from_stored_arrays_is_never_below_the_exact_one(account in any_account()) {
        let (mut stored, mut steps) = (Exact { scan: 0, ..account.exact() }, 0);
        for underlying in &account.underlyings {
            let grid = Grid::new(underlying.listing.market.scan_range).unwrap();
            let compressed = underlying.exposure().array(&grid).compress_down();
            stored.scan -= micros(compressed.expand().worst().1);
            steps += (1 << compressed.exponent) - 1;
        }
        prop_assert!((0..=steps).contains(&(stored.scan - micros(account.valuation().scan))));
        for (stored, exact) in stored.margins(&account.levels).into_iter().zip(account.margins()) {
            prop_assert!(stored >= exact);
        }
    }

    /// I-14: no move of the prices up to 4/3 of their ranges, at grid points or between them, loses more than the scan,
    /// but for the part of a micro-dollar by which each value was rounded.
    #[test]
    fn the_scan_covers_the_loss_at_any_move_within_the_edge(
        account in any_account(),
        moves in [-1_000_000..=1_000_000i128, -1_000_000..=1_000_000, -1_000_000..=1_000_000],
    ) {
        // In 2^-30 micro-dollars, rounded down.
        let (mut result, mut rounding) = (0, 0);
        for (underlying, part) in account.underlyings.iter().zip(moves) {
            let Listing { market, decimals } = underlying.listing;
            let edge = bits(market.scan_range) * 4 / 3;
            let moved = edge * part / 1_000_000;
            result += underlying.values().map(|value| value * moved).sum::<i128>();
            for position in &underlying.positions {
                let fraction = underlying.listing.parts(position.quantity.atoms().into()).rem_euclid(units(decimals));
                result += floor(fraction * moved, units(decimals));
                rounding += edge + 1;
            }
        }
        prop_assert!(micros(account.valuation().scan) * ONE + rounding >= -result);
    }

    /// I-12: cash counts one for one, and collateral in an asset that may itself be at risk never lowers health but by
    /// rounding: 1 each for two haircuts, scan, two charges and confidence, and the buffer on four of them.
    #[test]
    fn more_collateral_never_lowers_health(
        account in account(&USUAL),
        fresh in underlying(&USUAL),
        added in collateral(&USUAL),
        choice in any::<prop::sample::Index>(),
    ) {
        let mut before = account;
        before.underlyings.push(Underlying { positions: vec![], collaterals: vec![], ..fresh });
        let mut richer = before.clone();
        richer.cash += added.0;
        prop_assert_eq!(richer.healths(), before.healths().map(|health| health + i128::from(added.0)));

        let mut after = before.clone();
        let index = choice.index(after.underlyings.len());
        after.underlyings[index].collaterals.push(added);
        for (after, before) in after.healths().into_iter().zip(before.healths()) {
            prop_assert!(after >= before - 7, "{} after {}", after, before);
        }
    }

    /// I-12, I-19: uncertainty lowers what may be added, and never what may be liquidated.
    #[test]
    fn wider_confidence_never_raises_health_and_never_touches_maintenance(
        account in any_account(),
        least in ratio(&ABSURD.confidence),
    ) {
        let mut wider = account.clone();
        for underlying in &mut wider.underlyings {
            let market = &mut underlying.listing.market;
            market.confidence = market.confidence.max(least);
        }
        let ([maintenance, end, initial], before) = (wider.healths(), account.healths());
        prop_assert!(maintenance == before[0] && end <= before[1] && initial <= before[2]);
        prop_assert_eq!(wider.valuation().equity, account.valuation().equity);
    }

    /// I-12.
    #[test]
    fn larger_haircuts_never_raise_health(account in any_account(), least in haircuts(&ABSURD)) {
        let mut after = account.clone();
        for Underlying { listing, collaterals, .. } in &mut after.underlyings {
            for haircuts in collaterals.iter_mut().map(|(_, haircuts)| haircuts).chain([&mut listing.market.profit]) {
                haircuts.maintenance = haircuts.maintenance.max(least.maintenance);
                haircuts.initial = haircuts.initial.max(least.initial);
            }
        }
        let ([maintenance, end, initial], before) = (after.healths(), account.healths());
        prop_assert!(maintenance <= before[0] && end <= before[1] && initial <= before[2]);
    }
}

// ---- Liquidation ----

proptest! {
    #![proptest_config(cases(1_024))]

    /// I-23: whole lots or all of the position, on its side, at the mark less the fee, and the net value flips no sign.
    #[test]
    fn a_takeover_is_part_of_the_position_at_the_mark_less_the_fee(liquidation in any_liquidation()) {
        if let Some(takeover) = liquidation.quote() {
            let taken = liquidation.whole_lots(&takeover)?;
            let (value, fee) = liquidation.terms(taken);
            prop_assert_eq!((micros(takeover.price_paid), micros(takeover.fee)), (value - fee, fee));
            prop_assert!(liquidation.net_after(taken) >= 0);
        }
    }

    /// I-23: it takes what reaches the liquidation end, to the lot unless a lot is worth less than a hundredth of a cent, or
    /// all that helps: one lot more would unhedge.
    #[test]
    fn a_takeover_ends_with_the_first_lot_that_reaches_the_liquidation_end(liquidation in any_liquidation()) {
        if let Some(takeover) = liquidation.quote() {
            let (taken, lot) = (liquidation.whole_lots(&takeover)?, liquidation.lot());
            if liquidation.healths_after(taken)[1] >= 0 {
                let one_less = (taken - 1) / lot * lot;
                let visible = liquidation.terms(lot.min(liquidation.size())).0.abs() >= 100;
                prop_assert!(!visible || liquidation.healths_after(one_less)[1] < 0);
            } else {
                prop_assert!(taken == liquidation.size() || liquidation.net_after(taken + lot) <= 1);
            }
        }
    }

    /// I-23: an account at its end and a hedge are left alone, and nothing else that has a lot to take.
    #[test]
    fn nothing_is_taken_from_a_hedge_or_an_account_at_its_end(liquidation in any_liquidation()) {
        let (net, below) = (liquidation.net_after(0), liquidation.healths_after(0)[1] < 0);
        match liquidation.quote() {
            Some(_) => prop_assert!(below && net > 0),
            None => prop_assert!(!below || net <= 0 || liquidation.net_after(liquidation.lot()) <= 1),
        }
    }

    /// I-23: maintenance health rises by the margin that the value taken no longer needs, less the fee; at most 8
    /// micro-dollars are lost to rounding (the value split, fee, haircut, scan and its part, charge, net value twice).
    #[test]
    fn a_takeover_raises_maintenance_health_by_its_relief_less_its_fee(liquidation in liquidation(&USUAL)) {
        if let Some(takeover) = liquidation.quote() {
            let Market { scan_range, net_charge, .. } = liquidation.underlying().listing.market;
            let taken = liquidation.whole_lots(&takeover)?;
            let (value, fee) = liquidation.terms(taken);
            let relief = floor(bits(scan_range) * 4 * bits(liquidation.account.levels.maintenance_scan), 3 * ONE);
            let gain = floor(value.abs() * (relief + bits(net_charge)), ONE) - fee;
            let rise = liquidation.after(taken).healths()[0] - liquidation.account.healths()[0];
            prop_assert!(rise >= gain - 8, "{} instead of {}", rise, gain);
        }
    }

    /// I-23: with 18 decimals every quantity has a value, so every quantity can be taken over, up to the last.
    #[test]
    fn a_position_of_any_quantity_can_be_taken_over(
        Listing { mut market, .. } in listing(&ABSURD),
        atoms in integer(i64::MAX),
        lot in lot(),
        fee_ppm in ABSURD.fee.clone(),
    ) {
        market.unit = Decimals::new(18).unwrap();
        let listing = Listing { market, decimals: 18 };
        let position = LinearPosition { quantity: Quantity::new(atoms), quote: Usd::ZERO };
        let underlyings = vec![Underlying { listing, positions: vec![position], collaterals: vec![] }];
        let levels = Levels { maintenance_scan: Ratio::ONE, liquidation_buffer: Ratio::ZERO, depeg: Ratio::ZERO };
        let account = Account { cash: -ITEM, underlyings, levels };
        let liquidation = Liquidation { account, underlying: 0, position: 0, lot, fee_ppm };
        match liquidation.quote() {
            Some(takeover) => prop_assert!(liquidation.whole_lots(&takeover)? > 0),
            None => prop_assert!(liquidation.net_after(0) <= 0),
        }
    }
}
