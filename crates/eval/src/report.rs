//! What a portfolio's margin is answered with.

use crate::number::{decimal, usd};
use margrave_risk::{CELLS, Cell, PriceMove, Ratio, RiskArray, Usd, Valuation, VolMove};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

/// Every number behind a portfolio's margin.
pub struct Report {
    pub valuation: Valuation,
    /// In the order in which the engine took them; [`Valuation::worst`] names one by its place.
    pub underlyings: Vec<UnderlyingReport>,
    /// Of the worst 2.5 %.
    pub expected_shortfall: Usd,
    /// Scan range of the first underlying.
    pub range: Ratio,
}

/// An underlying's part in it.
pub struct UnderlyingReport {
    pub symbol: String,
    /// Zeros of an underlying that an isolated account does not look at.
    pub array: RiskArray,
    pub greeks: Greeks,
}

/// Sensitivities of everything held on an underlying.
#[derive(Clone, Copy, Debug, Default)]
pub struct Greeks {
    /// Units.
    pub delta: Decimal,
    /// Units per dollar.
    pub gamma: Decimal,
    /// Dollars per 1.00 of volatility.
    pub vega: Decimal,
    /// Dollars per year that passes.
    pub theta: Decimal,
}

impl Greeks {
    /// Delta, gamma, vega and theta to twelve decimals: what is printed and what every caller gets.
    pub fn rounded(&self) -> [Decimal; 4] {
        [self.delta, self.gamma, self.vega, self.theta].map(|value| value.round_dp(12).normalize())
    }
}

impl Report {
    /// The underlying of the worst scenario and its cell; 31 is the basis charge.
    pub fn worst(&self) -> Option<(&str, u8)> {
        let worst = self.valuation.worst?;
        Some((&self.underlyings[usize::from(worst.underlying)].symbol, worst.cell.index()))
    }

    pub(crate) fn to_json(&self) -> Map<String, Value> {
        let (mut arrays, mut compressed, mut greeks) = (Map::new(), Map::new(), Map::new());
        for UnderlyingReport { symbol, array, greeks: slopes } in &self.underlyings {
            let stored = array.compress_down();
            let stored = json!({ "exponent": stored.exponent, "mantissas": stored.mantissas.to_vec() });
            let [delta, gamma, vega, theta] = slopes.rounded().map(|value| value.to_string());
            arrays.insert(symbol.clone(), json!(array.cells().map(usd)));
            compressed.insert(symbol.clone(), stored);
            greeks.insert(symbol.clone(), json!({ "delta": delta, "gamma": gamma, "vega": vega, "theta": theta }));
        }
        let Valuation { charges, .. } = &self.valuation;
        let fields = [
            ("equity", json!(usd(self.valuation.equity))),
            ("initial_margin", json!(usd(self.valuation.initial_margin))),
            ("liquidation_end", json!(usd(self.valuation.liquidation_end))),
            ("maintenance_margin", json!(usd(self.valuation.maintenance_margin))),
            ("scan", json!(usd(self.valuation.scan))),
            ("worst", self.worst().map_or(Value::Null, |(symbol, cell)| json!({ "underlying": symbol, "cell": cell }))),
            (
                "cells",
                scenarios(self.range).map(|(price, vol)| json!({ "move": price.to_string(), "vol": vol })).collect(),
            ),
            ("arrays", Value::Object(arrays)),
            ("compressed", Value::Object(compressed)),
            (
                "contingencies",
                json!({
                    "basis": usd(charges.basis),
                    "delta": usd(charges.delta),
                    "naked_maintenance": usd(charges.naked_maintenance),
                    "naked_initial": usd(charges.naked_initial),
                    "vega": usd(charges.vega),
                    "size": usd(charges.size),
                    "confidence": usd(charges.confidence),
                    "collateral": usd(charges.collateral),
                    "depeg": usd(charges.depeg),
                }),
            ),
            ("greeks", Value::Object(greeks)),
            ("expected_shortfall", json!(usd(self.expected_shortfall))),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The grid: moves of the price of an underlying with this scan range, as fractions, and of its volatility.
pub fn scenarios(range: Ratio) -> impl Iterator<Item = (Decimal, &'static str)> {
    let cells = (0..CELLS).filter_map(|index| Cell::new(u8::try_from(index).ok()?).ok());
    cells.map(move |cell| {
        let moved = match cell.price_move() {
            PriceMove::Thirds(thirds) => {
                decimal(range.bits(), Ratio::BITS, 9) * Decimal::from(thirds) / Decimal::from(3)
            }
            PriceMove::TailPercent(percent) => Decimal::new(percent.into(), 2),
        };
        let vol = match cell.vol_move() {
            VolMove::Down => "down",
            VolMove::Same => "same",
            VolMove::Up => "up",
            VolMove::Rotated => "rotated",
            VolMove::WingsLifted => "wings",
        };
        (moved.round_dp(9).normalize(), vol)
    })
}
