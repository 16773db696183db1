//! Random portfolios of everything the model knows, and the loop that runs a law over them.

use margrave_risk::*;
use std::ops::RangeInclusive;

/// Cases of each law that nothing in the environment asks for.
const DEFAULT_CASES: u64 = 60_000;

/// What a law says of one case; the text tells the numbers that break it.
pub type Holds = Result<(), String>;

/// Leaves the law with a message unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if $condition {
        } else {
            return Err(format!($($message)+));
        }
    };
}

/// Random numbers by splitmix64: small, fast without optimised dependencies, and a case is its seed.
#[derive(Clone, Debug)]
pub struct Rng(u64);

impl Rng {
    fn of_case(law: &str, case: u64) -> Self {
        let seed = std::env::var("MARGRAVE_SEED").map_or(0, |seed| seed.parse().expect("MARGRAVE_SEED is a number"));
        // FNV-1a of the name, so that laws do not all see the same portfolios.
        let name = law
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let mut rng = Self(name ^ case.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ u64::rotate_left(seed, 32));
        rng.next();
        rng
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn within(&mut self, range: RangeInclusive<i64>) -> i64 {
        let (low, high) = (i128::from(*range.start()), i128::from(*range.end()));
        i64::try_from(low + i128::from(self.next()) % (high - low + 1)).unwrap()
    }

    pub fn upto(&mut self, most: usize) -> usize {
        usize::try_from(self.within(0..=i64::try_from(most).unwrap())).unwrap()
    }

    pub fn one_in(&mut self, n: i64) -> bool {
        self.within(1..=n) == 1
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.upto(from.len() - 1)]
    }

    /// Integers of every length up to `limit` in size.
    pub fn integer(&mut self, limit: i64) -> i64 {
        self.within(-limit..=limit) / (1 << self.within(0..=i64::from(limit.ilog2())))
    }

    pub fn ratio(&mut self, ppm: RangeInclusive<i64>) -> Ratio {
        ratio(self.within(ppm))
    }

    /// From 0 to 1.
    pub fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.upto(last));
        }
    }

    fn several<T>(&mut self, most: usize, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.upto(most)).map(|_| make(self)).collect()
    }
}

pub fn ratio(ppm: i64) -> Ratio {
    Ratio::from_ppm_up(u32::try_from(ppm).unwrap()).unwrap()
}

pub fn usd(micros: i64) -> Usd {
    Usd::new(micros).unwrap()
}

pub fn price(raw: i128) -> Price {
    Price::new(i64::try_from(raw.clamp(1, Price::MAX.raw().into())).unwrap()).unwrap()
}

pub fn vol(ppm: i64) -> Vol {
    Vol::from_bits((ppm << 30) / 1_000_000).unwrap()
}

pub fn micros(amount: Usd) -> i128 {
    amount.micros().into()
}

/// Cases of each law, from the environment.
pub fn cases() -> u64 {
    std::env::var("MARGRAVE_CASES").map_or(DEFAULT_CASES, |cases| cases.parse().expect("MARGRAVE_CASES is a number"))
}

/// Runs a law over random numbers.
pub fn law(name: &str, check: impl Fn(&mut Rng) -> Holds) {
    for case in 0..cases() {
        if let Err(message) = check(&mut Rng::of_case(name, case)) {
            panic!("{name}, case {case}: {message}");
        }
    }
}

/// Runs a law over random accounts; one that breaks it is made as small as it gets by leaving items out.
pub fn law_of(name: &str, make: impl Fn(&mut Rng) -> Account, check: impl Fn(&Account, &mut Rng) -> Holds) {
    law(name, |rng| {
        let mut account = make(rng);
        let Err(mut message) = check(&account, &mut rng.clone()) else { return Ok(()) };
        while let Some((smaller, why)) =
            account.smaller().into_iter().find_map(|less| check(&less, &mut rng.clone()).err().map(|why| (less, why)))
        {
            (account, message) = (smaller, why);
        }
        Err(format!("{message}\n{account:#?}"))
    });
}

// ---- Accounts ----

#[derive(Clone, Debug)]
pub struct Dates {
    pub terms: Terms,
    pub futures: Vec<LinearPosition>,
    pub strikes: Vec<Strike>,
}

#[derive(Clone, Debug)]
pub struct Underlying {
    pub market: Market,
    pub perps: Vec<LinearPosition>,
    pub collateral: Vec<Collateral>,
    pub expiries: Vec<Dates>,
}

#[derive(Clone, Debug)]
pub struct Account {
    pub mode: Mode,
    pub cash: Usd,
    pub collateral: Vec<Collateral>,
    pub underlyings: Vec<Underlying>,
    pub options: OptionTerms,
    pub levels: Levels,
}

/// One underlying in a verdict.
#[derive(Clone, Debug)]
pub struct Part {
    pub index: usize,
    pub array: RiskArray,
    pub worst: Cell,
    pub dated: Option<DatedRisk>,
}

#[derive(Clone, Debug)]
pub struct Verdict {
    pub valuation: Valuation,
    pub parts: Vec<Part>,
}

impl Part {
    pub fn basis(&self) -> i128 {
        self.dated.map_or(0, |dated| micros(dated.basis))
    }

    /// The worst loss: of a cell, or of the basis.
    pub fn loss(&self) -> i128 {
        self.basis().max(-micros(self.array.worst().1))
    }
}

impl Verdict {
    /// Maintenance margin, liquidation end, initial margin.
    pub fn margins(&self) -> [i128; 3] {
        let Valuation { maintenance_margin, liquidation_end, initial_margin, .. } = self.valuation;
        [maintenance_margin, liquidation_end, initial_margin].map(micros)
    }

    pub fn healths(&self) -> [i128; 3] {
        self.margins().map(|margin| micros(self.valuation.equity) - margin)
    }

    pub fn scan(&self) -> i128 {
        micros(self.valuation.scan)
    }
}

impl Dates {
    fn sized(&self, quantity: &mut impl FnMut(Quantity) -> Quantity, amount: &mut impl FnMut(Usd) -> Usd) -> Self {
        let mut dates = self.clone();
        for LinearPosition { quantity: held, quote } in &mut dates.futures {
            (*held, *quote) = (quantity(*held), amount(*quote));
        }
        for Strike { calls, puts, .. } in &mut dates.strikes {
            (*calls, *puts) = (quantity(*calls), quantity(*puts));
        }
        dates
    }
}

impl Underlying {
    /// Value of a quantity at some price of this underlying, unsigned and unbounded, in micro-dollars.
    pub fn worth(&self, at: Price, quantity: Quantity) -> i128 {
        let divisor = 10i128.pow(u32::from(self.market.unit.digits()) + 4);
        (i128::from(at.raw()) * i128::from(quantity.atoms()).abs() + divisor - 1) / divisor
    }

    /// The sum over options of their value at the greater of forward and strike.
    pub fn notional(&self) -> i128 {
        let of_expiry = |dates: &Dates| {
            let unit = |strike: &Strike| strike.price().max(dates.terms.forward);
            let of = |strike: &Strike| self.worth(unit(strike), strike.calls) + self.worth(unit(strike), strike.puts);
            dates.strikes.iter().map(of).sum::<i128>()
        };
        self.expiries.iter().map(of_expiry).sum()
    }

    pub fn has_positions(&self) -> bool {
        let held = |dates: &Dates| !dates.futures.is_empty() || !dates.strikes.is_empty();
        !self.perps.is_empty() || self.expiries.iter().any(held)
    }

    fn items(&self) -> usize {
        let of_expiry = |dates: &Dates| dates.futures.len() + 2 * dates.strikes.len() + 1;
        self.perps.len() + self.collateral.len() + self.expiries.iter().map(of_expiry).sum::<usize>()
    }
}

impl Account {
    pub fn try_evaluate(&self) -> Result<Verdict, RiskError> {
        self.with_portfolio(|portfolio| {
            let mut parts = Vec::with_capacity(portfolio.underlyings.len());
            let valuation = portfolio.evaluate(|index, risk| {
                parts.push(Part { index, array: risk.array(), worst: risk.worst, dated: risk.dated.copied() });
            })?;
            Ok(Verdict { valuation, parts })
        })
    }

    /// The engine's form of the account.
    pub fn with_portfolio<T>(&self, then: impl FnOnce(&Portfolio) -> Result<T, RiskError>) -> Result<T, RiskError> {
        let prepare = |dates: &Dates| Expiry::new(&dates.terms, &self.options);
        let expiries: Vec<Vec<Expiry>> = (self.underlyings.iter())
            .map(|underlying| underlying.expiries.iter().map(prepare).collect())
            .collect::<Result<_, _>>()?;
        let dated: Vec<Vec<Dated>> = (self.underlyings.iter().zip(&expiries))
            .map(|(underlying, expiries)| {
                let pairs = underlying.expiries.iter().zip(expiries);
                pairs.map(|(Dates { futures, strikes, .. }, expiry)| Dated { expiry, futures, strikes }).collect()
            })
            .collect();
        let holdings: Vec<Holdings> = (self.underlyings.iter().zip(&dated))
            .map(|(Underlying { market, perps, collateral, .. }, expiries)| Holdings {
                market,
                nodes: None,
                perps,
                collateral,
                expiries,
            })
            .collect();
        then(&Portfolio {
            mode: self.mode,
            cash: self.cash,
            collateral: &self.collateral,
            underlyings: &holdings,
            options: &self.options,
            levels: self.levels,
        })
    }

    pub fn evaluate(&self) -> Verdict {
        self.try_evaluate().unwrap()
    }

    /// What rounding may change in a margin or scan when the portfolio is cut up or multiplied, in micro-dollars: 4 per item (its
    /// value, discount, delta and haircuts round by 1 each, and never all in one direction: 1 is exceeded once in 10^5
    /// portfolios, 2 in none of 10^6), 8 per underlying and for the levels; and 2^-30 of an option's notional, of which 31 bits
    /// are used. Forward and strike are known to 2^-30 of themselves too, but that is the same for every quantity.
    pub fn roundings(&self) -> i128 {
        let of = |underlying: &Underlying| {
            8 + 4 * i128::try_from(underlying.items()).unwrap() + (underlying.notional() >> 30)
        };
        8 + 4 * i128::try_from(self.collateral.len()).unwrap() + self.underlyings.iter().map(of).sum::<i128>()
    }

    fn sized(&self, mut quantity: impl FnMut(Quantity) -> Quantity, mut amount: impl FnMut(Usd) -> Usd) -> Self {
        let mut account = self.clone();
        account.cash = amount(account.cash);
        for underlying in &mut account.underlyings {
            for LinearPosition { quantity: held, quote } in &mut underlying.perps {
                (*held, *quote) = (quantity(*held), amount(*quote));
            }
            underlying.expiries =
                underlying.expiries.iter().map(|dates| dates.sized(&mut quantity, &mut amount)).collect();
        }
        let own = account.underlyings.iter_mut().flat_map(|underlying| &mut underlying.collateral);
        for Collateral { value, .. } in own.chain(&mut account.collateral) {
            *value = amount(*value);
        }
        account
    }

    /// So many times everything.
    pub fn times(&self, by: i64) -> Self {
        self.sized(|quantity| Quantity::new(quantity.atoms() * by), |amount| usd(amount.micros() * by))
    }

    /// Positions of other sizes and sides, and other balances, on the same markets: anything from nothing to twice as much.
    pub fn other_sizes(&self, rng: &mut Rng) -> Self {
        let part = |rng: &mut Rng| rng.pick(&[-200, -100, -100, -50, -1, 0, 0, 1, 50, 100, 100, 200]);
        let mut of_amounts = Rng(rng.next());
        let mut share = |quantity: i64| quantity / 100 * part(rng);
        self.sized(
            |quantity| Quantity::new(share(quantity.atoms())),
            |amount| usd(amount.micros() / 100 * part(&mut of_amounts)),
        )
    }

    /// Both accounts in one: options of one strike net, everything else is added to the lists. The markets are `self`'s.
    pub fn merged(&self, other: &Self) -> Self {
        let mut account = self.clone();
        account.cash += other.cash;
        account.collateral.extend(&other.collateral);
        for (to, from) in account.underlyings.iter_mut().zip(&other.underlyings) {
            to.perps.extend(&from.perps);
            to.collateral.extend(&from.collateral);
            for (to, from) in to.expiries.iter_mut().zip(&from.expiries) {
                to.futures.extend(&from.futures);
                for (to, from) in to.strikes.iter_mut().zip(&from.strikes) {
                    let sum = |a: Quantity, b: Quantity| Quantity::new(a.atoms() + b.atoms());
                    (to.calls, to.puts) = (sum(to.calls, from.calls), sum(to.puts, from.puts));
                }
            }
        }
        account
    }

    /// With prices that no slower one is behind of.
    pub fn steady(mut self) -> Self {
        for Underlying { market, .. } in &mut self.underlyings {
            market.stable_gap = Ratio::ZERO;
        }
        self
    }

    /// Without size charges, ramps, caps of profit and slower prices: none of them promises anything to accounts that merge.
    pub fn plain(mut self) -> Self {
        self = self.steady();
        for Underlying { market, .. } in &mut self.underlyings {
            market.size = SizeCharge::NONE;
            market.ramp = Ratio::ONE;
            market.profit_cap = Usd::NO_LIMIT;
        }
        self
    }

    pub fn in_mode(&self, mode: Mode) -> Self {
        Self { mode, ..self.clone() }
    }

    /// Of one underlying, which stands alone.
    pub fn of_one(mut self) -> Self {
        self.underlyings.truncate(1);
        for underlying in &mut self.underlyings {
            underlying.market.group = Group::ALONE;
        }
        self
    }

    /// The accounts with one thing less.
    fn smaller(&self) -> Vec<Self> {
        let mut all = vec![];
        let mut without = |change: &dyn Fn(&mut Self)| {
            let mut less = self.clone();
            change(&mut less);
            all.push(less);
        };
        for u in 0..self.underlyings.len() {
            without(&|a| _ = a.underlyings.remove(u));
        }
        for c in 0..self.collateral.len() {
            without(&|a| _ = a.collateral.remove(c));
        }
        if self.cash != Usd::ZERO {
            without(&|a| a.cash = Usd::ZERO);
        }
        for (u, underlying) in self.underlyings.iter().enumerate() {
            for p in 0..underlying.perps.len() {
                without(&|a| _ = a.underlyings[u].perps.remove(p));
                if underlying.perps[p].quote != Usd::ZERO {
                    without(&|a| a.underlyings[u].perps[p].quote = Usd::ZERO);
                }
            }
            for c in 0..underlying.collateral.len() {
                without(&|a| _ = a.underlyings[u].collateral.remove(c));
            }
            if underlying.market.ramp != Ratio::ONE {
                without(&|a| a.underlyings[u].market.ramp = Ratio::ONE);
            }
            if underlying.market.group.id != 0 {
                without(&|a| a.underlyings[u].market.group = Group::ALONE);
            }
            for (e, dates) in underlying.expiries.iter().enumerate() {
                without(&|a| _ = a.underlyings[u].expiries.remove(e));
                for f in 0..dates.futures.len() {
                    without(&|a| _ = a.underlyings[u].expiries[e].futures.remove(f));
                }
                for (s, strike) in dates.strikes.iter().enumerate() {
                    without(&|a| _ = a.underlyings[u].expiries[e].strikes.remove(s));
                    if strike.calls != Quantity::ZERO && strike.puts != Quantity::ZERO {
                        without(&|a| a.underlyings[u].expiries[e].strikes[s].calls = Quantity::ZERO);
                        without(&|a| a.underlyings[u].expiries[e].strikes[s].puts = Quantity::ZERO);
                    }
                }
            }
        }
        all
    }
}

// ---- Inputs ----

/// The largest value of one item: a quarter of a million dollars, so that sixteen-fold portfolios and strikes of twenty times the
/// forward stay within the engine's bounds.
pub const ITEM: i64 = 1 << 38;

pub fn quantity(rng: &mut Rng, at: Price, unit: Decimals) -> Quantity {
    let value = if rng.one_in(4) { rng.pick(&[-1, 1]) * 1_000_000_000 } else { rng.integer(ITEM) };
    let atoms = i128::from(value) * 10i128.pow(u32::from(unit.digits()) + 4) / i128::from(at.raw());
    Quantity::new(i64::try_from(atoms.clamp(-(1 << 56), 1 << 56)).unwrap())
}

pub fn haircuts(rng: &mut Rng) -> Haircuts {
    let maintenance = rng.within(0..=200_000);
    Haircuts { maintenance: ratio(maintenance), initial: ratio(maintenance + rng.within(0..=200_000)) }
}

pub fn collateral(rng: &mut Rng) -> Collateral {
    let value = rng.integer(ITEM).abs();
    Collateral { value: usd(if rng.one_in(4) { -value } else { value }), haircuts: haircuts(rng) }
}

/// A spot of a tenth of a cent to 99,990 dollars.
pub fn spot(rng: &mut Rng) -> Price {
    price(i128::from(rng.within(1_000..=9_999)) * 10i128.pow(u32::try_from(rng.within(4..=11)).unwrap()))
}

pub fn market(rng: &mut Rng) -> Market {
    let net = rng.within(0..=50_000);
    Market {
        price: spot(rng),
        confidence: rng.ratio(0..=20_000),
        stable_gap: if rng.one_in(3) {
            Ratio::from_bits(rng.within(-(1 << 28)..=1 << 28)).unwrap()
        } else {
            Ratio::ZERO
        },
        unit: Decimals::new(u8::try_from(rng.within(0..=12)).unwrap()).unwrap(),
        scan_range: if rng.one_in(8) { rng.ratio(10_000..=750_000) } else { rng.ratio(50_000..=540_000) },
        net_charge: ratio(net),
        // The setters' bound: twice the net charge.
        hedged_charge: ratio(rng.within(0..=2 * net)),
        profit: haircuts(rng),
        profit_cap: if rng.one_in(3) { usd(rng.integer(ITEM).abs()) } else { Usd::NO_LIMIT },
        size: if rng.one_in(3) {
            SizeCharge { depth: usd(rng.within(1..=ITEM)), slope: rng.ratio(0..=100_000), cap: rng.ratio(0..=200_000) }
        } else {
            SizeCharge::NONE
        },
        ramp: if rng.one_in(3) { rng.ratio(100_000..=1_000_000) } else { Ratio::ONE },
        group: Group::ALONE,
    }
}

/// From expired to two years; a quarter within the settlement window, a quarter beyond 30 days.
pub fn years(rng: &mut Rng) -> Years {
    let seconds = match rng.within(0..=7) {
        0 => 0,
        1 | 2 => rng.within(1..=1_799),
        3 => rng.within(1_800..=86_400),
        4 | 5 => rng.within(86_400..=30 * 86_400),
        _ => rng.within(30 * 86_400..=730 * 86_400),
    };
    Years::from_seconds(seconds).unwrap()
}

/// A discount of nothing, or of up to 10 % a year.
pub fn terms(rng: &mut Rng, spot: Price) -> Terms {
    let years = years(rng);
    let forward = price(i128::from(spot.raw()) * i128::from(rng.within(950_000..=1_050_000)) / 1_000_000);
    let discount = if rng.one_in(2) {
        Ratio::ONE
    } else {
        let off = (i128::from(years.bits()) * i128::from(rng.within(0..=100_000))) >> Years::BITS;
        ratio(1_000_000 - i64::try_from(off).unwrap())
    };
    Terms { years, forward, discount }
}

/// Half to twice the forward; one in eight a twentieth to twenty times.
pub fn strike_price(rng: &mut Rng, forward: Price) -> Price {
    let thousandths = match rng.within(0..=7) {
        0 => 1_000,
        1 => rng.within(50..=20_000),
        _ => rng.within(500..=2_000),
    };
    price(i128::from(forward.raw()) * i128::from(thousandths) / 1_000)
}

pub fn strike(at: Price, vol: Vol, calls: Quantity, puts: Quantity) -> Strike {
    Strike::new(at, vol, calls, puts)
}

fn dates(rng: &mut Rng, market: &Market) -> Dates {
    let terms = terms(rng, market.price);
    let level = rng.within(50_000..=2_000_000);
    let futures = rng.several(1, |rng| linear(rng, terms.forward, market.unit));
    let mut strikes = rng.several(3, |rng| {
        let at = strike_price(rng, terms.forward);
        let unit = at.max(terms.forward);
        let kind = rng.within(0..=2);
        let calls = if kind == 0 { Quantity::ZERO } else { quantity(rng, unit, market.unit) };
        let puts = if kind == 1 { Quantity::ZERO } else { quantity(rng, unit, market.unit) };
        let of_level = if rng.one_in(2) { 1_000 } else { rng.within(700..=1_400) };
        strike(at, vol(level * of_level / 1_000), calls, puts)
    });
    strikes.sort_by_key(Strike::price);
    strikes.dedup_by_key(|strike| strike.price());
    Dates { terms, futures, strikes }
}

pub fn linear(rng: &mut Rng, at: Price, unit: Decimals) -> LinearPosition {
    LinearPosition { quantity: quantity(rng, at, unit), quote: usd(rng.integer(ITEM)) }
}

fn underlying(rng: &mut Rng) -> Underlying {
    let market = market(rng);
    let perps = rng.several(2, |rng| linear(rng, market.price, market.unit));
    let collateral = rng.several(1, collateral);
    let mut expiries = rng.several(3, |rng| dates(rng, &market));
    expiries.sort_by_key(|dates| dates.terms.years);
    expiries.dedup_by_key(|dates| dates.terms.years);
    Underlying { market, perps, collateral, expiries }
}

/// The standard terms, or one in four times any that a setter accepts and that are not absurd.
pub fn option_terms(rng: &mut Rng) -> OptionTerms {
    let standard = OptionTerms::standard();
    if !rng.one_in(4) {
        return standard;
    }
    OptionTerms {
        vol_up: rng.ratio(0..=1_000_000),
        vol_down: rng.ratio(0..=1_000_000),
        power_short: rng.ratio(0..=500_000),
        power_long: rng.ratio(0..=500_000),
        vol_floor: rng.ratio(0..=800_000),
        skew_cap: rng.ratio(0..=400_000),
        skew_cap_slope: rng.ratio(0..=200_000),
        skew_width: rng.ratio(1_000_000..=4_000_000),
        skew_min_width: rng.ratio(5_000..=100_000),
        long_factor: rng.ratio(800_000..=1_000_000),
        short_factor: rng.ratio(1_000_000..=1_200_000),
        basis_base: rng.ratio(0..=1_000_000),
        basis_per_year: rng.ratio(0..=3_000_000),
        vega_charge: rng.ratio(0..=200_000),
        naked_maintenance: rng.ratio(0..=10_000),
        naked_initial: rng.ratio(0..=10_000),
    }
}

/// A portfolio of up to three underlyings in up to two groups, in portfolio mode.
pub fn account(rng: &mut Rng) -> Account {
    let mut underlyings: Vec<_> = (0..=rng.upto(2)).map(|_| underlying(rng)).collect();
    let groups = [1, 2].map(|id| Group { id, kappa: rng.ratio(0..=800_000).min(Ratio::MAX_KAPPA) });
    for underlying in &mut underlyings {
        underlying.market.group = rng.pick(&[Group::ALONE, groups[0], groups[0], groups[1]]);
    }
    underlyings.sort_by_key(|underlying| underlying.market.group.id);
    Account {
        mode: Mode::Portfolio,
        cash: usd(rng.integer(ITEM)),
        collateral: rng.several(1, collateral),
        underlyings,
        options: option_terms(rng),
        levels: Levels {
            maintenance_scan: ratio(800_000),
            liquidation_buffer: ratio(150_000),
            depeg: if rng.one_in(2) { Ratio::ZERO } else { rng.ratio(0..=400_000) },
        },
    }
}

/// In any mode; isolated with positions on one underlying.
pub fn any_account(rng: &mut Rng) -> Account {
    let mut account = account(rng);
    account.mode = rng.pick(&[Mode::Portfolio, Mode::Portfolio, Mode::Cross, Mode::Isolated]);
    if account.mode == Mode::Isolated {
        for underlying in account.underlyings.iter_mut().skip(1) {
            underlying.perps.clear();
            underlying.expiries.clear();
        }
    }
    account
}
