//! The figures of the committed table of compute units in the pages that show them: `./dev cu --write` writes them, `./dev cu` and a
//! test compare.

use anyhow::{Context, Result, ensure};
use std::fmt::Write;

const IDL: &str = include_str!("../idl/margrave.json");
const BEGIN: &str = "<!-- cu: begin -->";
const END: &str = "<!-- cu: end -->";

/// Which shape of an instruction the readme's table of all instructions shows, where it is not the smallest.
const SHOWN: [(&str, &str); 3] =
    [("deposit", "second token"), ("withdraw", "1 perp and 2 tokens"), ("refresh_price", "2 expiries")];
/// The readme's second table.
const LARGE: [&str; 10] = [
    "trade, one leg, both hold 4 perps, 4 options, 3 tokens on 4 underlyings",
    "trade, one leg, both hold 16 linear, 16 options, 8 tokens on 4 underlyings, 12 expiries",
    "venue_fill, one leg, both hold 16 linear, 16 options, 8 tokens on 4 underlyings, 12 expiries",
    "withdraw, 16 linear, 16 options, 8 tokens on 4 underlyings, 12 expiries",
    "flag_account, both hold 16 linear, 16 options, 8 tokens",
    "liquidate, one position, both hold 12 linear, 16 options, 8 tokens",
    "liquidate_slice, both hold 16 linear, 16 options, 8 tokens",
    "begin_bracket and end_bracket, both hold 16 linear, 16 options, 8 tokens",
    "check, 16 linear, 16 options, 8 tokens on 4 underlyings, 8 expiries",
    "check, 32 options, 8 tokens on 4 underlyings, 8 expiries",
];

/// A line of tests/cu/baseline.md.
struct Shape<'a> {
    name: &'a str,
    units: u64,
    ceiling: u64,
}

/// The names of the program's instructions, in the alphabet's order.
pub fn instructions() -> Result<Vec<String>> {
    let idl: serde_json::Value = serde_json::from_str(IDL)?;
    let list = idl["instructions"].as_array().context("the IDL lists instructions")?;
    let mut names: Vec<String> =
        list.iter().filter_map(|instruction| instruction["name"].as_str()).map(ToOwned::to_owned).collect();
    names.sort();
    Ok(names)
}

/// The page with its figures as `baseline` has them; `file` says which page it is.
pub fn page(file: &str, text: &str, baseline: &str) -> Result<String> {
    let shapes = shapes(baseline);
    match file {
        "README.md" => {
            let (before, _, after) = marked(text).context("README.md has lost its marks")?;
            Ok(format!("{before}{}{after}", readme(&shapes)?))
        }
        _ => performance(text, &shapes),
    }
}

/// The pages that show compute units.
pub const PAGES: [&str; 2] = ["README.md", "docs/performance.md"];

fn shapes(baseline: &str) -> Vec<Shape<'_>> {
    let rows = baseline.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    rows.filter_map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        Some(Shape { name: cells.first()?, units: cells.get(1)?.parse().ok()?, ceiling: cells.get(3)?.parse().ok()? })
    })
    .collect()
}

fn find<'a>(shapes: &'a [Shape], name: &str) -> Result<&'a Shape<'a>> {
    shapes.iter().find(|shape| shape.name == name).with_context(|| format!("tests/cu measures no \"{name}\""))
}

/// What is before the first marked part, in it, and after it.
fn marked(text: &str) -> Option<(&str, &str, &str)> {
    let start = text.find(BEGIN)? + BEGIN.len() + 1;
    let length = text[start..].find(END)?;
    Some((&text[..start], &text[start..start + length], &text[start + length..]))
}

fn thousands(number: u64) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

/// What of an instruction the readme shows: what [`SHOWN`] says, or the smallest shape.
fn shown<'a>(shapes: &'a [Shape], name: &str) -> Option<(&'a str, u64)> {
    let only = SHOWN.iter().find(|(of, _)| *of == name).map(|(_, what)| *what);
    let of_it = shapes.iter().filter_map(|shape| {
        let rest = shape.name.strip_prefix(name)?;
        let what = if rest.is_empty() { rest } else { rest.strip_prefix(", ")? };
        Some((what, shape.units))
    });
    of_it.filter(|(what, _)| only.is_none_or(|only| only == *what)).min_by_key(|(_, units)| *units)
}

fn readme(shapes: &[Shape]) -> Result<String> {
    let names = instructions()?;
    let missing: Vec<&str> = names.iter().map(String::as_str).filter(|name| shown(shapes, name).is_none()).collect();
    ensure!(missing.is_empty(), "no compute units of {}: a line for each in tests/cu/every.rs", missing.join(", "));
    let cells: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let (what, units) = shown(shapes, name)?;
            let comma = if what.is_empty() { "" } else { ", " };
            Some(format!("`{name}`{comma}{what} | {}", thousands(units)))
        })
        .collect();
    // Down the left half, then down the right one.
    let half = cells.len().div_ceil(2);
    let mut text = String::from("| instruction | units | instruction | units |\n|---|---:|---|---:|\n");
    for (index, left) in cells[..half].iter().enumerate() {
        let right = cells.get(half + index).map_or(" | ", |cell| cell);
        writeln!(text, "| {left} | {right} |")?;
    }
    text.push_str("\n| larger accounts, and the engine alone | units | ceiling |\n|---|---:|---:|\n");
    for name in LARGE {
        let shape = find(shapes, name)?;
        let name = name.replace("check, ", "the engine alone, ");
        writeln!(text, "| {name} | {} | {} |", thousands(shape.units), thousands(shape.ceiling))?;
    }
    Ok(text)
}

/// Which rows there are and what they aim at is the page's; the rest is measured.
fn performance(text: &str, shapes: &[Shape]) -> Result<String> {
    let (mut page, mut rest) = (String::new(), text);
    while let Some((before, tables, after)) = marked(rest) {
        page.push_str(before);
        for line in tables.lines() {
            writeln!(page, "{}", refreshed(line, shapes)?)?;
        }
        let (end, after) = after.split_at(END.len());
        page.push_str(end);
        rest = after;
    }
    ensure!(!page.is_empty(), "docs/performance.md has lost its marks");
    Ok(page + rest)
}

/// A row of three cells is of an instruction, one of five of a check by the engine; others have no figures.
fn refreshed(line: &str, shapes: &[Shape]) -> Result<String> {
    let row = line.strip_prefix("| ").and_then(|line| line.strip_suffix('|'));
    let cells: Vec<&str> = row.unwrap_or_default().split('|').map(str::trim).collect();
    let target = cells.get(2).and_then(|target| target.split(':').next()).unwrap_or_default();
    let aim = target.replace(',', "").parse::<u64>().ok();
    Ok(match cells[..] {
        [name, _, _] if name != "instruction" => {
            let units = find(shapes, name)?.units;
            let missed = if aim.is_some_and(|aim| units > aim) { ": missed" } else { "" };
            format!("| {name} | {} | {target}{missed} |", thousands(units))
        }
        [name, ..] if cells.len() == 5 && name != "portfolio" => {
            let units = find(shapes, &format!("check, {name}"))?.units;
            let prepare =
                find(shapes, &format!("prepare, {name}")).map_or(String::new(), |shape| thousands(shape.units));
            let distance = aim.map_or(String::new(), |aim| {
                let tenths = (aim.abs_diff(units) * 1_000 + aim / 2) / aim;
                let side = if units > aim { "above" } else { "below" };
                format!("{}.{} % {side}", tenths / 10, tenths % 10)
            });
            format!("| {name} | {} | {target} | {distance} | {prepare} |", thousands(units))
        }
        _ => line.to_owned(),
    })
}
