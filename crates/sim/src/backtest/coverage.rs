//! Does initial margin cover what an account loses in a day (F-17)? Natively, over every day of the files, with Kupiec's test.

use crate::{
    market::{Coin, EXPIRY_DAYS, Role, STRIKES},
    population::{FUTURE, PERP, Pick, STYLES, Style},
};
use anyhow::{Context, Result};
use margrave_risk::{
    Dated, Decimals, Expiry, Group, Haircuts, Holdings, Levels, LinearPosition, Market, Mode, OptionTerms, Portfolio,
    Price, Quantity, RangeTerms, Ratio, ScanRange, SizeCharge, Strike, Terms, Usd, Valuation, Vol, Volatility, Years,
};
use margrave_sim::{prices::Hour, terms::group_terms};
use std::collections::BTreeMap;

const DAY: i64 = 86_400;
/// A dollar amount that makes rounding small: a million in micro-dollars, of which positions are parts.
const SIZE: i64 = 1_000_000;
const ROOT_OF_YEAR_MICRO: i64 = 19_104_973;

/// A midnight's price and scan range.
#[derive(Clone, Copy)]
struct Midnight {
    price: i64,
    range: Ratio,
}

/// One kind of book over all days.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    pub name: String,
    pub days: u32,
    pub exceeded: u32,
    /// The largest loss as a part of initial margin in hundredths, and the day it began.
    pub worst: Option<(i64, i64)>,
}

impl Line {
    fn count(&mut self, day: i64, loss: i64, margin: i64) {
        self.days += 1;
        self.exceeded += u32::from(loss > margin);
        let percent = i64::try_from(i128::from(loss) * 100 / i128::from(margin.max(1))).unwrap_or(i64::MAX);
        if self.worst.is_none_or(|(most, _)| percent > most) {
            self.worst = Some((percent, day));
        }
    }

    /// Covered days in hundredths of a percent, rounded down.
    pub fn covered(&self) -> u32 {
        (u64::from(self.days - self.exceeded) * 10_000 / u64::from(self.days.max(1))).try_into().unwrap_or(0)
    }

    /// Kupiec's likelihood ratio against one loss in two hundred; above 3.84 the rate is another one at 5 %.
    pub fn kupiec(&self) -> f64 {
        let (n, x, p) = (f64::from(self.days), f64::from(self.exceeded), 0.005_f64);
        let log = |count: f64, rate: f64| if count > 0.0 { count * rate.ln() } else { 0.0 };
        2.0 * (log(n - x, 1.0 - x / n) + log(x, x / n) - log(n - x, 1.0 - p) - log(x, p))
    }

    fn add(&mut self, other: &Self) {
        self.days += other.days;
        self.exceeded += other.exceeded;
        let worse = |(percent, _): &(i64, i64)| self.worst.is_none_or(|(most, _)| *percent > most);
        self.worst = other.worst.filter(worse).or(self.worst);
    }
}

/// The scan range at every midnight, as the program would have had it.
fn midnights(coin: &Coin, hours: &[Hour]) -> Result<BTreeMap<i64, Midnight>> {
    let risk = coin.risk();
    let terms = RangeTerms {
        multiple: Ratio::from_ppm_up(risk.range_multiple_ppm)?,
        horizon: Years::from_seconds(DAY)?,
        least: Ratio::from_ppm_up(risk.scan_range_ppm)?,
        most: Ratio::from_ppm_up(risk.scan_range_max_ppm)?,
        memory_secs: risk.volatility_memory_secs.into(),
        interval_secs: 60,
    };
    // The variance that the floor stands for.
    let daily = i128::from(terms.least.bits()) * 1_000_000 / i128::from(risk.range_multiple_ppm);
    let floor = i64::try_from((daily * daily * 365) >> 30)?;
    let fresh = |hour: &Hour| -> Result<(Volatility, ScanRange)> {
        let price = Price::new(hour.price)?;
        let volatility = Volatility { variance: floor, price, time: hour.unix_time };
        Ok((volatility, ScanRange { range: terms.least, ramp: Ratio::ONE, time: hour.unix_time }))
    };
    let (mut volatility, mut scan) = fresh(hours.first().context("no prices")?)?;
    let mut result = BTreeMap::new();
    for hour in hours {
        if hour.unix_time - volatility.time > DAY {
            // Another coin under the same name.
            (volatility, scan) = fresh(hour)?;
        }
        volatility = volatility.observe(Price::new(hour.price)?, hour.unix_time, &terms);
        scan = scan.moved_to(volatility.target(&terms)?, hour.unix_time);
        if hour.unix_time % DAY == 0 {
            result.insert(hour.unix_time, Midnight { price: hour.price, range: scan.range });
        }
    }
    Ok(result)
}

fn market(coin: &Coin, at: &Midnight) -> Result<Market> {
    let risk = coin.risk();
    let ratio = Ratio::from_ppm_up;
    Ok(Market {
        price: Price::new(at.price)?,
        confidence: ratio(1_000)?,
        unit: Decimals::new(9)?,
        scan_range: at.range,
        net_charge: ratio(risk.net_charge_ppm)?,
        hedged_charge: ratio(risk.hedged_charge_ppm)?,
        profit: Haircuts {
            maintenance: ratio(risk.profit_haircut_maintenance_ppm)?,
            initial: ratio(risk.profit_haircut_initial_ppm)?,
        },
        profit_cap: Usd::NO_LIMIT,
        size: SizeCharge::NONE,
        stable_gap: Ratio::ZERO,
        ramp: Ratio::ONE,
        group: Group { id: u8::try_from(risk.correlation_group)?, kappa: ratio(risk.kappa_ppm)? },
    })
}

/// A leg: coin, place of the instrument, and parts of the size in hundredths.
type Leg = (usize, usize, i64);

/// The book bought at `opened` and valued at `at`, with so many seconds to the expiry.
fn value(coins: &[Coin], legs: &[Leg], opened: &[Midnight], at: &[Midnight], left: i64) -> Result<Valuation> {
    let options = OptionTerms::standard();
    let terms = group_terms();
    let levels = Levels {
        maintenance_scan: Ratio::from_ppm_up(terms.maintenance_scan_ppm)?,
        liquidation_buffer: Ratio::from_ppm_up(terms.liquidation_buffer_ppm)?,
        depeg: Ratio::ZERO,
    };
    let unit = Decimals::new(9)?;
    let mut parts = Vec::new();
    for (index, coin) in coins.iter().enumerate() {
        let (then, now) = (&opened[index], &at[index]);
        let vol =
            i128::from(now.range.bits()) * i128::from(ROOT_OF_YEAR_MICRO) / i128::from(coin.risk().range_multiple_ppm);
        let vol = Vol::from_bits(i64::try_from(vol)?)?;
        let (mut perps, mut strikes) = (vec![], vec![]);
        for (_, place, percent) in legs.iter().filter(|leg| leg.0 == index) {
            let units = i128::from(SIZE * percent / 100) * 10_i128.pow(19) / i128::from(then.price);
            let quantity = Quantity::new(i64::try_from(units)?);
            match *place {
                PERP => {
                    let quote = -Price::new(then.price)?.value_up(quantity, unit)?;
                    perps.push(LinearPosition { quantity, quote });
                }
                place => {
                    let strike = Price::new(then.price / 100 * STRIKES[(place - 2) / 2])?;
                    let (calls, puts) =
                        if place % 2 == 0 { (quantity, Quantity::ZERO) } else { (Quantity::ZERO, quantity) };
                    strikes.push(Strike::new(strike, vol, calls, puts));
                }
            }
        }
        let dated = Terms { years: Years::from_seconds(left)?, forward: Price::new(now.price)?, discount: Ratio::ONE };
        parts.push((market(coin, now)?, perps, strikes, Expiry::new(&dated, &options)?));
    }
    let dated: Vec<[Dated; 1]> =
        parts.iter().map(|(_, _, strikes, expiry)| [Dated { expiry, futures: &[], strikes }]).collect();
    let holdings: Vec<Holdings> = parts
        .iter()
        .zip(&dated)
        .map(|((market, perps, ..), dated)| Holdings { market, nodes: None, perps, collateral: &[], expiries: dated })
        .collect();
    let portfolio = Portfolio {
        mode: Mode::Portfolio,
        cash: Usd::ZERO,
        collateral: &[],
        underlyings: &holdings,
        options: &options,
        levels,
    };
    Ok(portfolio.evaluate(|_, _| ())?)
}

/// A book over all days on which its coins have prices at both ends.
fn line(name: String, coins: &[Coin], legs: &[Leg], days: &[&BTreeMap<i64, Midnight>]) -> Result<Line> {
    let mut line = Line { name, ..Line::default() };
    let at = |day: i64| -> Option<Vec<Midnight>> { days.iter().map(|coin| coin.get(&day).copied()).collect() };
    for day in days.first().context("no coins")?.keys() {
        let (Some(opened), Some(next)) = (at(*day), at(day + DAY)) else { continue };
        let before = value(coins, legs, &opened, &opened, EXPIRY_DAYS * DAY)?;
        let after = value(coins, legs, &opened, &next, (EXPIRY_DAYS - 1) * DAY)?;
        line.count(*day, (before.equity - after.equity).micros(), before.initial_margin.micros());
    }
    Ok(line)
}

/// The lines of the report, those of all major coins together last.
pub struct Coverage {
    pub by_coin: Vec<Line>,
    pub by_style: Vec<Line>,
    pub all: Line,
}

pub fn run(coins: &[Coin], series: &[Vec<Hour>]) -> Result<Coverage> {
    let days: Vec<BTreeMap<i64, Midnight>> =
        coins.iter().zip(series).map(|(coin, hours)| midnights(coin, hours)).collect::<Result<_>>()?;
    let mut by_coin = Vec::new();
    for (index, coin) in coins.iter().enumerate() {
        for (side, percent) in [("long", 100), ("short", -100)] {
            let name = format!("{} {side}", coin.symbol);
            by_coin.push(line(name, &coins[index..=index], &[(0, PERP, percent)], &[&days[index]])?);
        }
    }
    let traded: Vec<usize> = (0..coins.len()).filter(|index| coins[*index].role == Role::Traded).collect();
    let (mut by_style, mut all) = (Vec::new(), Line { name: "all of these".to_owned(), ..Line::default() });
    // Of SOL as collateral the perps say as much; of futures the files say nothing: their basis is not in them.
    let known = |style: &&Style| style.sol == 0 && style.legs.iter().all(|leg| leg.1 != FUTURE);
    for style in STYLES.iter().filter(known) {
        let mut total = Line { name: style.name.to_owned(), ..Line::default() };
        for (place, this) in traded.iter().enumerate() {
            let other = traded[(place + 1) % traded.len()];
            let legs: Vec<Leg> = style
                .legs
                .iter()
                .map(|(pick, instrument, percent)| (usize::from(matches!(pick, Pick::Other)), *instrument, *percent))
                .collect();
            let used = if legs.iter().any(|leg| leg.0 == 1) { vec![*this, other] } else { vec![*this] };
            let chosen: Vec<Coin> = used.iter().map(|index| coins[*index]).collect();
            let chosen_days: Vec<&BTreeMap<i64, Midnight>> = used.iter().map(|index| &days[*index]).collect();
            total.add(&line(String::new(), &chosen, &legs, &chosen_days)?);
        }
        all.add(&total);
        by_style.push(total);
    }
    Ok(Coverage { by_coin, by_style, all })
}
