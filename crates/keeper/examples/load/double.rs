//! The same portfolios in double precision, straightforwardly: what anybody would write first. Sections 1 to 6 of docs/margin-model.md
//! without basis, size and ramps; each option is priced anew in each cell.

use margrave::state::*;
use margrave_client::{Accounts, Pubkey};
use std::collections::HashMap;

const TAILS: [f64; 6] = [-0.66, -0.33, 0.5, 1.0, 2.0, 4.0];
const CELLS: usize = 31;

pub struct Book {
    sheets: Vec<Sheet>,
    pub portfolios: Vec<Portfolio>,
}

struct Sheet {
    spot: f64,
    range: f64,
    group: u32,
    kappa: f64,
}

pub struct Portfolio {
    relief: bool,
    joint: bool,
    parts: Vec<Part>,
}

struct Part {
    sheet: usize,
    linear: Vec<f64>,
    futures: Vec<(f64, f64, f64)>,
    options: Vec<Vec<Position>>,
}

struct Position {
    quantity: f64,
    is_call: bool,
    forward: f64,
    strike: f64,
    vol: f64,
    years: f64,
}

fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly =
        t * (0.319_381_530 + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-0.5 * x * x).exp() * 0.398_942_280_401_432_7 * poly;
    if x >= 0.0 { 1.0 - tail } else { tail }
}

impl Position {
    /// Intrinsic and time value of one unit at a forward and a volatility.
    fn value(&self, forward: f64, vol: f64) -> (f64, f64) {
        let deviation = (vol * self.years.sqrt()).clamp(1e-9, 24.0);
        let d1 = (forward / self.strike).ln() / deviation + deviation / 2.0;
        let call = forward * normal(d1) - self.strike * normal(d1 - deviation);
        let time = (call - (forward - self.strike).max(0.0)).max(0.0);
        let paid = if self.is_call { forward - self.strike } else { self.strike - forward };
        (paid.max(0.0), time)
    }

    fn delta(&self) -> f64 {
        let deviation = (self.vol * self.years.sqrt()).clamp(1e-9, 24.0);
        let d1 = (self.forward / self.strike).ln() / deviation + deviation / 2.0;
        self.quantity * self.forward * (normal(d1) - if self.is_call { 0.0 } else { 1.0 })
    }

    fn shocked(&self, vol: usize) -> f64 {
        let power = if self.years * 365.0 <= 30.0 { 0.3 } else { 0.13 };
        let m = (30.0 / (self.years * 365.0).max(1.0)).powf(power);
        match vol {
            0 => self.vol * (1.0 - 0.25 * m).max(0.0),
            1 => self.vol,
            _ => (self.vol * (1.0 + 0.5 * m)).max(0.4),
        }
    }
}

impl Book {
    pub fn of(accounts: &Accounts, all: &[(Pubkey, MarginAccount)]) -> Self {
        let ratio = |bits: i64| bits as f64 / f64::from(1 << 30);
        let mut places = HashMap::new();
        let mut sheets = Vec::new();
        for (key, sheet) in &accounts.underlyings {
            places.insert(*key, sheets.len());
            sheets.push(Sheet {
                spot: sheet.oracle.price as f64 / 1e10,
                range: ratio(sheet.range.range),
                group: sheet.risk.correlation_group,
                kappa: f64::from(sheet.risk.kappa_ppm) / 1e6,
            });
        }
        let portfolios = all.iter().map(|(_, account)| {
            let mut parts = Vec::new();
            for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
                let sheet = &accounts.underlyings[&slot.underlying];
                let mut part =
                    Part { sheet: places[&slot.underlying], linear: vec![], futures: vec![], options: vec![] };
                for balance in account.collateral.iter().filter(|it| usize::from(it.risk_slot) == index + 1) {
                    part.linear.push(balance.shares as f64 / 1e9);
                }
                let mut last = u8::MAX;
                for held in account.positions.iter().filter(|it| !it.is_empty() && usize::from(it.risk_slot) == index) {
                    let quantity = held.quantity as f64 / 1e9;
                    let terms = sheet.expiries[usize::from(held.expiry)].expiry();
                    let (forward, years) = (
                        terms.terms().forward.raw() as f64 / 1e10,
                        terms.terms().years.bits() as f64 / f64::powi(2.0, 40),
                    );
                    match held.kind().unwrap() {
                        InstrumentKind::Perp => part.linear.push(quantity),
                        InstrumentKind::Future => part.futures.push((quantity, forward, years)),
                        kind => {
                            let strike = &sheet.strikes[usize::from(held.strike)];
                            if last != held.expiry || part.options.is_empty() {
                                part.options.push(Vec::new());
                                last = held.expiry;
                            }
                            part.options.last_mut().unwrap().push(Position {
                                quantity,
                                is_call: kind == InstrumentKind::Call,
                                forward,
                                strike: strike.price[0] as f64 / 1e10,
                                vol: ratio(strike.vol),
                                years,
                            });
                        }
                    }
                }
                parts.push(part);
            }
            Portfolio { relief: account.mode == 0, joint: account.mode == 0, parts }
        });
        Self { sheets, portfolios: portfolios.collect() }
    }

    /// Maintenance margin, dollars.
    pub fn maintenance(&self, portfolio: &Portfolio) -> f64 {
        let mut charges = 0.0;
        let mut arrays: Vec<(usize, [f64; CELLS])> = Vec::new();
        for part in &portfolio.parts {
            let (array, charge) = self.part(part, portfolio.relief);
            charges += charge;
            arrays.push((part.sheet, array));
        }
        let loss = |array: &[f64; CELLS]| array.iter().fold(0.0f64, |worst, cell| worst.max(-cell));
        let apart: f64 = arrays.iter().map(|(_, array)| loss(array)).sum();
        let mut scan = apart;
        if portfolio.joint {
            let grouped: Vec<_> = arrays.iter().filter(|(sheet, _)| self.sheets[*sheet].group != 0).collect();
            if let Some((first, _)) = grouped.first() {
                let mut joint = [0.0; CELLS];
                for (_, array) in &grouped {
                    joint.iter_mut().zip(array).for_each(|(sum, cell)| *sum += cell);
                }
                let within: f64 = grouped.iter().map(|(_, array)| loss(array)).sum();
                scan -= self.sheets[*first].kappa * (within - loss(&joint));
            }
        }
        0.8 * scan + charges
    }

    fn part(&self, part: &Part, relief: bool) -> ([f64; CELLS], f64) {
        let sheet = &self.sheets[part.sheet];
        let edge = sheet.range * 4.0 / 3.0;
        let mut array = [0.0; CELLS];
        for (cell, pnl) in array.iter_mut().enumerate() {
            let (s, vol) = match cell {
                0..21 => ((cell / 3) as f64 / 3.0 * sheet.range - sheet.range, cell % 3),
                21 => (-edge, 2),
                22 => (edge, 2),
                23..29 => (TAILS[cell - 23], 2),
                _ => (0.0, 1),
            };
            let weight = if s == 0.0 { 1.0 } else { (edge / s.abs()).min(1.0) };
            let linear: f64 = part.linear.iter().sum();
            *pnl += linear * sheet.spot * s.clamp(-edge, edge);
            for (quantity, forward, years) in &part.futures {
                *pnl += weight * quantity * forward * s * (years * 17_520.0).min(1.0);
            }
            for expiry in &part.options {
                *pnl += weight * expiry_pnl(expiry, s, vol, cell, relief);
            }
        }
        (array, charges(part, sheet.spot, relief))
    }
}

fn shave(x: f64) -> f64 {
    if x >= 0.0 { 0.95 * x } else { 1.04 * x }
}

fn expiry_pnl(options: &[Position], s: f64, vol: usize, cell: usize, relief: bool) -> f64 {
    let at = |skew: f64| {
        let (mut intrinsic, mut time, mut mark, mut apart) = (0.0, 0.0, 0.0, 0.0);
        for option in options {
            let shift = (option.years * 17_520.0).min(1.0) * s;
            let mut v = option.shocked(vol);
            if skew != 0.0 {
                let k = (option.strike / option.forward).ln();
                let cap = (0.25 - 0.1 * option.years.sqrt()).max(0.0);
                let x = if cell == 29 { k } else { k.abs() };
                v *= 1.0 + skew * (x * cap / (2.4 * option.years.sqrt()).max(0.01)).clamp(-cap, cap);
            }
            let (i, t) = option.value(option.forward * (1.0 + shift), v);
            let (i0, t0) = option.value(option.forward, option.vol);
            intrinsic += option.quantity * i;
            time += option.quantity * t;
            mark += option.quantity * (i0 + t0);
            let alone = option.quantity * (i - i0 - t0) + shave(option.quantity * t);
            apart += if option.quantity > 0.0 { alone.min(0.0) } else { alone };
        }
        if relief { intrinsic + shave(time) - mark } else { apart }
    };
    if cell >= 29 { at(1.0).min(at(-1.0)) } else { at(0.0) }
}

/// Delta, naked and vega.
fn charges(part: &Part, spot: f64, relief: bool) -> f64 {
    let mut items: Vec<f64> = part.linear.iter().map(|quantity| quantity * spot).collect();
    let (mut naked, mut vega) = (0.0, 0.0);
    let mut futures: f64 = part.futures.iter().map(|(quantity, forward, _)| quantity * forward).sum();
    for options in &part.options {
        let shorts: f64 = options.iter().filter(|it| it.quantity < 0.0).map(Position::delta).sum();
        let up: f64 = options.iter().filter(|it| it.quantity > 0.0).map(|it| it.delta().max(0.0)).sum();
        let down: f64 = options.iter().filter(|it| it.quantity > 0.0).map(|it| it.delta().min(0.0)).sum();
        let fixed = shorts + std::mem::take(&mut futures);
        items.push(if relief { 0.0f64.clamp(fixed + down, fixed + up) } else { fixed });
        let sum: f64 = options.iter().map(|it| it.quantity).sum();
        naked += 0.003
            * spot
            * if relief { (-sum).max(0.0) } else { options.iter().map(|it| (-it.quantity).max(0.0)).sum() };
        let change = |vol| -> f64 {
            let of = |it: &Position| {
                let (moved, still) = (it.value(it.forward, it.shocked(vol)).1, it.value(it.forward, it.vol).1);
                it.quantity * (moved - still)
            };
            options.iter().map(of).sum()
        };
        vega += 0.1 * 0.0f64.max(-change(0)).max(-change(2));
    }
    items.push(futures);
    let total: f64 = items.iter().sum();
    let gross: f64 = items.iter().map(|item| item.abs()).sum();
    0.02 * total.abs() + 0.01 * (gross - total.abs()) / 2.0 + naked + vega
}
