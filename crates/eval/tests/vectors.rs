//! The engine against the reference model of `tests/reference`: golden vectors in `tests/vectors`, made by `generate.py` with mpmath
//! and QuantLib. Floats are fine here: they only measure a difference.

use margrave_eval::{Kind, line};
use serde_json::Value;
use std::{fs, path::Path};

/// The lines of a file as requests and what is expected of them.
fn vectors(name: &str) -> Vec<(String, Value)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| (line.to_owned(), serde_json::from_str::<Value>(line).unwrap()["expect"].clone())).collect()
}

fn number(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{value} is no decimal"))
}

fn request(line: &str, field: &str) -> f64 {
    number(&serde_json::from_str::<Value>(line).unwrap()[field])
}

fn close(got: &Value, expected: &Value, tolerance: f64, what: &str) {
    let difference = (number(got) - number(expected)).abs();
    assert!(difference <= tolerance, "{got} instead of {expected}, {difference:e} is above {tolerance:e}: {what}");
}

/// I-14: value within 10^-8 of the forward, greeks within 10^-6 of their size at the money.
#[test]
fn prices_and_greeks_are_the_reference_s() {
    const PEAK: f64 = 0.398_942_280_401_432_7;
    let vectors = vectors("price.jsonl");
    assert_eq!(vectors.len(), 2_000);
    for (text, expected) in vectors {
        let answer = line(Kind::Price, &text);
        let [forward, vol, years, discount] = ["forward", "vol", "years", "discount"].map(|name| request(&text, name));
        let (root, rate) = (years.sqrt(), -discount.ln() / years);
        close(&answer["value"], &expected["value"], 1e-8 * forward, &text);
        close(&answer["delta"], &expected["delta"], 1e-6, &text);
        close(&answer["gamma"], &expected["gamma"], 1e-6 * discount * PEAK / (forward * vol * root), &text);
        close(&answer["vega"], &expected["vega"], 1e-6 * discount * forward * root * PEAK, &text);
        let decay = discount * forward * PEAK * vol / (2.0 * root);
        close(&answer["theta"], &expected["theta"], 1e-6 * (decay + rate.abs() * forward), &text);
    }
}

#[test]
fn elementary_functions_are_mpmath_s() {
    let vectors = vectors("math.jsonl");
    assert_eq!(vectors.len(), 1_500);
    for (text, expected) in vectors {
        let size = number(&expected["value"]).abs();
        let tolerance = match serde_json::from_str::<Value>(&text).unwrap()["fn"].as_str().unwrap() {
            "norm_cdf" => 7e-10,
            "norm_pdf" => 1e-9,
            "ln" => 2e-13,
            "sqrt" => 1e-15 * size.max(1e-12),
            // exp, and pow whose logarithm was multiplied.
            _ => 1e-12 * size,
        };
        close(&line(Kind::Math, &text)["value"], &expected["value"], tolerance.max(1e-17), &text);
    }
}

#[test]
fn smiles_are_the_reference_s() {
    for (text, expected) in vectors("svi.jsonl") {
        close(&line(Kind::Svi, &text)["vol"], &expected["vol"], 1e-8, &text);
    }
}

/// I-14: every number of a margin answer within 10^-7 of the gross notional and a tenth of a millidollar for roundings.
#[test]
fn margins_are_the_reference_model_s() {
    let vectors = vectors("margin.jsonl");
    assert_eq!(vectors.len(), 400);
    for (text, expected) in vectors {
        let answer = line(Kind::Margin, &text);
        let tolerance = 1e-4 + 1e-7 * number(&expected["gross"]);
        for name in ["equity", "initial_margin", "liquidation_end", "maintenance_margin", "scan", "expected_shortfall"]
        {
            close(&answer[name], &expected[name], tolerance, &format!("{name}: {text}"));
        }
        for (name, value) in expected["contingencies"].as_object().unwrap() {
            close(&answer["contingencies"][name], value, tolerance, &format!("{name}: {text}"));
        }
        for (symbol, cells) in expected["arrays"].as_object().unwrap() {
            for (cell, value) in cells.as_array().unwrap().iter().enumerate() {
                close(&answer["arrays"][symbol][cell], value, tolerance, &format!("{symbol} {cell}: {text}"));
            }
        }
    }
}

/// The worked example of docs/margin-model.md, to the cent that the page prints.
#[test]
fn the_worked_example_is_the_page_s() {
    let page = include_str!("../../../docs/margin-model.md");
    let example = page.split("```json\n").nth(1).and_then(|rest| rest.split("\n```").next()).unwrap();
    let answer = line(Kind::Margin, &example.replace('\n', ""));
    assert_eq!(answer.get("error"), None);
    for (name, value) in [
        ("equity", &answer["equity"]),
        ("IM", &answer["initial_margin"]),
        ("end", &answer["liquidation_end"]),
        ("MM", &answer["maintenance_margin"]),
        ("scan", &answer["scan"]),
        ("delta", &answer["contingencies"]["delta"]),
        ("naked", &answer["contingencies"]["naked_maintenance"]),
        ("vega", &answer["contingencies"]["vega"]),
        ("basis", &answer["contingencies"]["basis"]),
    ] {
        let cents = format!("{name} = {:.2}", number(value));
        assert!(page.contains(&cents), "the page does not say {cents}");
    }
}
