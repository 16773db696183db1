//! The 31 scenarios, what margin is made of, and where a price would have to go.

use super::{View, cell_name, cents, facts, number, positions::Greeks, price_move_name, table, vol_move_name};
use crate::{
    amount::Amount,
    market::{Market, maintenance_health_at, refused},
    view::account::AccountView,
};
use anyhow::Result;
use comfy_table::{Attribute, Cell, Color};
use margrave::instructions::Explanation;
use margrave_client::Pubkey;
use margrave_risk::{Cell as GridCell, PriceMove, VolMove};
use serde::Serialize;

/// Prices are tried in steps of 2 % of themselves, from a hundredth of the price to five times it.
const STEP_PERCENT: i64 = 2;
const LOWEST_PART: i64 = 100;
const HIGHEST_MULTIPLE: i64 = 5;

/// Profit and loss of one underlying in one scenario.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    pub cell: u8,
    pub name: String,
    pub profit: Amount,
    pub is_worst: bool,
}

/// What an account has on one underlying.
#[derive(Clone, Debug, Serialize)]
pub struct UnderlyingRisk {
    pub symbol: String,
    pub underlying: String,
    pub price: Amount,
    /// R: the price move that the core of the grid covers.
    pub scan_range: Amount,
    pub cells: Vec<Scenario>,
    /// The worst cell and its loss, positive; none without exposure.
    pub worst_cell: Option<u8>,
    pub worst_cell_name: Option<String>,
    pub worst_loss: Amount,
    /// Of positions and collateral together.
    pub greeks: Greeks,
    pub curve: Curve,
}

/// Maintenance health along the price of one underlying, all else equal. Negative: may be liquidated.
#[derive(Clone, Debug, Serialize)]
pub struct Curve {
    pub points: Vec<CurvePoint>,
    /// Each change of sign that was bracketed, from the lowest price to the highest.
    pub roots: Vec<Root>,
    pub lowest: Amount,
    pub highest: Amount,
}

#[derive(Clone, Debug, Serialize)]
pub struct CurvePoint {
    pub price: Amount,
    /// None where the engine cannot value the account.
    pub health: Option<Amount>,
}

/// Where health changes sign: at `healthy` it is not negative, at `liquidatable`, the next price there is, it is.
#[derive(Clone, Debug, Serialize)]
pub struct Root {
    pub healthy: Amount,
    pub liquidatable: Amount,
    /// Whether liquidation begins as the price falls.
    pub below: bool,
}

/// What margin is made of, in the order it is added up.
#[derive(Clone, Debug, Serialize)]
pub struct Component {
    pub name: &'static str,
    pub amount: Amount,
    pub in_maintenance: bool,
    pub in_initial: bool,
}

/// Everything behind an account's margin.
#[derive(Clone, Debug, Serialize)]
pub struct RiskView {
    pub account: AccountView,
    pub underlyings: Vec<UnderlyingRisk>,
    pub components: Vec<Component>,
    pub initial_margin: Amount,
    pub maintenance_margin: Amount,
}

impl RiskView {
    /// # Errors
    /// As [`AccountView::of`].
    pub fn of(market: &Market, key: &Pubkey) -> Result<Self> {
        let account = market.account(key)?;
        let mut underlyings = Vec::new();
        for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            let index = u8::try_from(index)?;
            let answer = market.accounts.explain(key, index, market.now).map_err(refused)?;
            let sheet = market.underlying(&slot.underlying)?;
            let cells: Vec<i64> = answer.cells.to_vec();
            let (worst, least) = cells.iter().copied().enumerate().min_by_key(|(_, profit)| *profit).unwrap_or((0, 0));
            let worst = (least < 0).then_some(u8::try_from(worst)?);
            underlyings.push(UnderlyingRisk {
                symbol: market.symbol(&slot.underlying),
                underlying: slot.underlying.to_string(),
                price: Amount::price(sheet.oracle.price),
                scan_range: Amount::ratio(sheet.range.range),
                cells: (0u8..).zip(&cells).map(|(cell, profit)| scenario(cell, *profit, worst)).collect(),
                worst_cell: worst,
                worst_cell_name: worst.map(cell_name),
                worst_loss: Amount::usd(-least.min(0)),
                greeks: answer.greeks.into(),
                curve: Curve::of(market, key, &slot.underlying)?,
            });
        }
        let answer = market.accounts.explain(key, u8::MAX, market.now).map_err(refused)?;
        Ok(Self {
            account: AccountView::of(market, key)?,
            underlyings,
            components: components(&answer),
            initial_margin: Amount::usd(answer.numbers.initial_margin),
            maintenance_margin: Amount::usd(answer.numbers.maintenance_margin),
        })
    }
}

fn scenario(cell: u8, profit: i64, worst: Option<u8>) -> Scenario {
    Scenario { cell, name: cell_name(cell), profit: Amount::usd(profit), is_worst: worst == Some(cell) }
}

/// The scan as each level sees it, then the charges. Maintenance margin's scan is what its charges leave of it.
pub fn components(answer: &Explanation) -> Vec<Component> {
    let [_, delta, naked, vega, size, naked_initial, confidence, collateral, depeg, stable] = answer.charges;
    let charges = delta + naked + vega + size;
    let part = |name, amount: i64, in_maintenance, in_initial| Component {
        name,
        amount: Amount::usd(amount),
        in_maintenance,
        in_initial,
    };
    vec![
        part("scan", answer.scan, false, true),
        part("scan, maintenance's part", answer.numbers.maintenance_margin - charges, true, false),
        part("delta", delta, true, true),
        part("naked short options", naked, true, true),
        part("vega", vega, true, true),
        part("size", size, true, true),
        part("naked short options, more", naked_initial, false, true),
        part("oracle confidence", confidence, false, true),
        part("haircuts, more", collateral, false, true),
        part("quote token below its peg", depeg, false, true),
        part("price ahead of its stable one", stable, false, true),
    ]
}

impl Curve {
    /// # Errors
    /// When the account was not read.
    pub fn of(market: &Market, key: &Pubkey, underlying: &Pubkey) -> Result<Self> {
        let mut alone = market.alone(key)?;
        let now = market.underlying(underlying)?.oracle.price;
        let mut health = |price: i64| maintenance_health_at(&mut alone, key, underlying, price).ok();
        let mut prices = vec![now];
        let (lowest, highest) = ((now / LOWEST_PART).max(1), now.saturating_mul(HIGHEST_MULTIPLE));
        while prices[0] > lowest {
            let next = prices[0] - (prices[0] * STEP_PERCENT / 100).max(1);
            prices.insert(0, next.max(lowest));
        }
        while let Some(last) = prices.last().filter(|last| **last < highest) {
            let next = last + (last * STEP_PERCENT / 100).max(1);
            prices.push(next.min(highest));
        }
        if now <= 0 {
            prices.clear();
        }
        let points: Vec<(i64, Option<i64>)> = prices.into_iter().map(|price| (price, health(price))).collect();
        let mut roots = Vec::new();
        for pair in points.windows(2) {
            let (Some(before), Some(after)) = (pair[0].1, pair[1].1) else { continue };
            if (before < 0) == (after < 0) {
                continue;
            }
            if let Some([low, high]) = bracket([pair[0].0, pair[1].0], before < 0, &mut health) {
                let (healthy, liquidatable) = if before < 0 { (high, low) } else { (low, high) };
                roots.push(Root {
                    healthy: Amount::price(healthy),
                    liquidatable: Amount::price(liquidatable),
                    below: before < 0,
                });
            }
        }
        let point = |(price, health): &(i64, Option<i64>)| CurvePoint {
            price: Amount::price(*price),
            health: health.map(Amount::usd),
        };
        Ok(Self {
            points: points.iter().map(point).collect(),
            roots,
            lowest: Amount::price(lowest),
            highest: Amount::price(highest),
        })
    }

    /// In a sentence.
    pub fn sentence(&self, symbol: &str) -> String {
        let range = format!("between {} and {} $", self.lowest.grouped(4), self.highest.grouped(4));
        let begins = |root: &Root| {
            let side = if root.below { "at or below" } else { "at or above" };
            format!("{side} {}", root.liquidatable.grouped(4))
        };
        let starts_breached = self.points.first().and_then(|point| point.health).is_some_and(|health| health.base < 0);
        match (self.roots.is_empty(), starts_breached) {
            (true, true) => format!("{symbol}: below maintenance margin at every price {range}"),
            (true, false) => format!("{symbol}: no liquidation price {range}"),
            _ => {
                let all: Vec<String> = self.roots.iter().map(begins).collect();
                format!("{symbol}: may be liquidated {} $, all else equal", all.join(" and "))
            }
        }
    }
}

/// Halves a bracket until it is two neighbouring prices. `None` when a price between cannot be valued.
fn bracket(
    [mut low, mut high]: [i64; 2],
    low_is_breached: bool,
    health: &mut impl FnMut(i64) -> Option<i64>,
) -> Option<[i64; 2]> {
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if (health(middle)? < 0) == low_is_breached { low = middle } else { high = middle }
    }
    Some([low, high])
}

impl View for RiskView {
    fn text(&self, colour: bool) -> String {
        let mut text = self.account.text(colour);
        for risk in &self.underlyings {
            text.push_str(&format!(
                "\n\n{}: price {} $, scan range R {} %\n",
                risk.symbol,
                risk.price.grouped(4),
                Amount::new(risk.scan_range.base * 100, risk.scan_range.decimals).grouped(2)
            ));
            text.push_str(&heat_table(risk, colour));
            let worst = match (&risk.worst_cell, &risk.worst_cell_name) {
                (Some(cell), Some(name)) => {
                    format!("worst: cell {cell}, {name}, loses {} $ (marked *)", risk.worst_loss.grouped(2))
                }
                _ => "no scenario loses anything".to_owned(),
            };
            let Greeks { delta, gamma, vega, theta } = risk.greeks;
            text.push_str(&format!(
                "\n{worst}\ndelta {} $, gamma {} $ per 1 %, vega {} $ per point, theta {} $ per day\n{}",
                delta.grouped(2),
                gamma.grouped(2),
                vega.grouped(2),
                theta.grouped(2),
                risk.curve.sentence(&risk.symbol)
            ));
        }
        format!("{text}\n\n{}", waterfall(self))
    }
}

/// How margin is added up.
fn waterfall(view: &RiskView) -> String {
    let mut rows = table(&["Margin is made of", "Maintenance $", "Initial $"]);
    for part in view.components.iter().filter(|part| part.amount.base != 0 || part.name.starts_with("scan")) {
        let in_level = |counts: bool| cents(Some(part.amount).filter(|_| counts));
        rows.add_row(vec![part.name.into(), in_level(part.in_maintenance), in_level(part.in_initial)]);
    }
    let total = |amount: Amount| number(amount.grouped(2)).add_attribute(Attribute::Bold);
    rows.add_row(vec![Cell::new("margin"), total(view.maintenance_margin), total(view.initial_margin)]);
    rows.to_string()
}

/// Price moves down, volatility moves across; the skew's cells beside the unchanged price. Profit green, loss red, the deeper the
/// larger; the worst has a star.
fn heat_table(risk: &UnderlyingRisk, colour: bool) -> String {
    let columns = [VolMove::Down, VolMove::Same, VolMove::Up, VolMove::Rotated, VolMove::WingsLifted];
    let mut header = vec!["Price"];
    header.extend(columns.map(vol_move_name));
    let mut rows = table(&header);
    if colour {
        rows.enforce_styling();
    }
    let mut moves: Vec<PriceMove> = Vec::new();
    let order = |price_move: &PriceMove| match price_move {
        PriceMove::Thirds(thirds) => i32::from(*thirds),
        PriceMove::TailPercent(percent) => i32::from(*percent) * 1_000,
    };
    for cell in risk.cells.iter().filter_map(|cell| GridCell::new(cell.cell).ok()) {
        if !moves.contains(&cell.price_move()) {
            moves.push(cell.price_move());
        }
    }
    moves.sort_by_key(order);
    let largest = risk.cells.iter().map(|cell| cell.profit.base.abs()).max().unwrap_or(0).max(1);
    for price_move in moves {
        let mut row = vec![Cell::new(price_move_name(price_move))];
        for column in columns {
            let here = risk.cells.iter().find(|cell| {
                GridCell::new(cell.cell).is_ok_and(|it| it.price_move() == price_move && it.vol_move() == column)
            });
            row.push(here.map_or_else(|| Cell::new(""), |cell| heat(cell, largest, colour)));
        }
        rows.add_row(row);
    }
    rows.to_string()
}

fn heat(scenario: &Scenario, largest: i128, colour: bool) -> Cell {
    let star = if scenario.is_worst { " *" } else { "" };
    let cell = number(format!("{}{star}", scenario.profit.grouped(2)));
    if !colour {
        return cell;
    }
    let cell = if scenario.is_worst { cell.add_attribute(Attribute::Bold) } else { cell };
    // Four depths of red and of green out of the 256 colours that terminals have.
    let depth = usize::try_from(scenario.profit.base.abs() * 4 / largest).unwrap_or(0).min(3);
    let shade = match scenario.profit.base.signum() {
        0 => return cell,
        1 => [22, 28, 34, 40][depth],
        _ => [52, 88, 124, 160][depth],
    };
    let text = if depth < 2 { Color::White } else { Color::Black };
    cell.bg(Color::AnsiValue(shade)).fg(text)
}

/// Every number of the program's `explain`, by name.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainView {
    pub account: AccountView,
    pub components: Vec<Component>,
    pub scan: Amount,
    pub basis: Amount,
    pub slots: Vec<ExplainedSlot>,
    /// Why the account could not add risk now, as a number of the program; zero: it could.
    pub refusal: u32,
}

/// One risk slot of an account.
#[derive(Clone, Debug, Serialize)]
pub struct ExplainedSlot {
    pub slot: usize,
    pub underlying: String,
    pub claim: Amount,
    /// Price and age of what it is valued at.
    pub price: Amount,
    pub age_secs: i64,
    pub worst_cell_name: Option<String>,
    pub worst_loss: Amount,
    pub greeks: Greeks,
}

impl ExplainView {
    /// # Errors
    /// As [`AccountView::of`].
    pub fn of(market: &Market, key: &Pubkey) -> Result<Self> {
        let account = market.account(key)?;
        let answer = market.accounts.explain(key, u8::MAX, market.now).map_err(refused)?;
        let mut slots = Vec::new();
        for (index, slot) in account.risk.iter().enumerate().filter(|(_, slot)| !slot.is_empty()) {
            let of_slot = market.accounts.explain(key, u8::try_from(index)?, market.now).map_err(refused)?;
            let sheet = market.underlying(&slot.underlying)?;
            let least = of_slot.cells.iter().copied().min().unwrap_or(0);
            let worst = of_slot.cells.iter().position(|profit| *profit == least && least < 0);
            slots.push(ExplainedSlot {
                slot: index,
                underlying: market.symbol(&slot.underlying),
                claim: Amount::usd(slot.claim),
                price: Amount::price(sheet.oracle.price),
                age_secs: market.now - sheet.oracle.publish_time,
                worst_cell_name: worst.map(|cell| cell_name(u8::try_from(cell).unwrap_or(u8::MAX))),
                worst_loss: Amount::usd(-least.min(0)),
                greeks: of_slot.greeks.into(),
            });
        }
        Ok(Self {
            account: AccountView::of(market, key)?,
            components: components(&answer),
            scan: Amount::usd(answer.scan),
            basis: Amount::usd(answer.charges[0]),
            slots,
            refusal: answer.refusal,
        })
    }
}

impl View for ExplainView {
    fn text(&self, colour: bool) -> String {
        let mut rows = table(&["Underlying", "Price $", "Age", "Unsettled $", "Worst scenario", "Loses $", "Delta $"]);
        for slot in &self.slots {
            rows.add_row(vec![
                slot.underlying.clone().into(),
                number(slot.price.grouped(4)),
                number(format!("{} s", slot.age_secs)),
                number(slot.claim.grouped(2)),
                slot.worst_cell_name.clone().unwrap_or_else(|| "none".to_owned()).into(),
                number(slot.worst_loss.grouped(2)),
                number(slot.greeks.delta.grouped(2)),
            ]);
        }
        let parts: Vec<(&str, String)> = self
            .components
            .iter()
            .map(|part| {
                let levels = match (part.in_maintenance, part.in_initial) {
                    (true, true) => "MM, IM",
                    (true, false) => "MM",
                    _ => "IM",
                };
                (part.name, format!("{:>14} $  {levels}", part.amount.grouped(2)))
            })
            .collect();
        format!("{}\n{rows}\n\n{}", self.account.text(colour), facts(&parts))
    }
}
