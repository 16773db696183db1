//! `margrave eval`: JSON lines in, JSON lines out. A line that cannot be answered is answered with the rule it broke.
//! The same in typed parts, for bindings: [`Market`], [`OptionValue`], [`implied_vol`], [`SmilePoint`].

#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

mod fields;
mod margin;
mod number;
mod pricing;
mod report;

use serde_json::{Map, Value, json};
use std::io::{self, BufRead, Write};

pub use fields::Fields;
pub use margin::{Market, scan_range};
pub use number::{decimal, exact, scaled};
pub use pricing::{OptionValue, SmilePoint, implied_vol};
pub use report::{Greeks, Report, UnderlyingReport, scenarios};

/// What a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "clap", derive(clap::ValueEnum))]
pub enum Kind {
    /// Value and greeks of one option by Black's formula.
    Price,
    /// One of the engine's elementary functions.
    Math,
    /// Volatility of an SVI smile.
    Svi,
    /// Equity, margin levels, risk arrays and charges of a portfolio.
    Margin,
}

/// Every field and every default.
pub const HELP: &str = include_str!("help.txt");

/// Answers every line of `input` on `output`; returns whether any was refused.
///
/// # Errors
/// Those of reading and writing.
pub fn run(kind: Kind, input: impl BufRead, output: impl Write) -> io::Result<bool> {
    let mut output = io::BufWriter::new(output);
    let mut refused = false;
    for line in input.lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = self::line(kind, &line);
        refused |= answer.get("error").is_some();
        writeln!(output, "{answer}")?;
    }
    output.flush()?;
    Ok(refused)
}

/// The answer to one line: the request's `id` with the result, or with `error`.
pub fn line(kind: Kind, line: &str) -> Value {
    let request: Value = match serde_json::from_str(line) {
        Ok(request) => request,
        Err(error) => return json!({ "id": null, "error": format!("the line is not JSON: {error}") }),
    };
    let id = request.get("id").cloned().unwrap_or(Value::Null);
    let answer = Fields::of(&request).and_then(|fields| match kind {
        Kind::Price => pricing::price(&fields),
        Kind::Math => pricing::math(&fields),
        Kind::Svi => pricing::svi(&fields),
        Kind::Margin => margin::margin(&fields),
    });
    let mut object = Map::from_iter([("id".to_owned(), id)]);
    match answer {
        Ok(answer) => object.extend(answer),
        Err(error) => drop(object.insert("error".to_owned(), Value::String(format!("{error:#}")))),
    }
    Value::Object(object)
}
