//! Where hourly prices come from: a CSV of real prices, or a generator with the shape of a crash.

use anyhow::{Context, Result, bail, ensure};
use jiff::{civil::Date, tz::TimeZone};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use std::path::Path;

/// One hour's price.
#[derive(Clone, Copy, Debug)]
pub struct Hour {
    pub unix_time: i64,
    /// 10^-10 dollars.
    pub price: i64,
}

#[derive(serde::Deserialize)]
struct Row {
    unix_time: i64,
    close: Decimal,
}

/// Reads the closes of the days `from` to `to`, both included.
pub fn read_csv(file: &Path, from: Option<Date>, to: Option<Date>) -> Result<Vec<Hour>> {
    let start = from.map(start_of_day).transpose()?.unwrap_or(i64::MIN);
    let end = to.map(|day| start_of_day(day.tomorrow()?)).transpose()?.unwrap_or(i64::MAX);
    ensure!(start < end, "--from must not be after --to");
    let mut hours: Vec<Hour> = Vec::new();
    for (index, row) in csv::Reader::from_path(file)?.deserialize::<Row>().enumerate() {
        // The header is line 1.
        let line = index + 2;
        let row = row.with_context(|| format!("line {line} does not have a unix_time and a close"))?;
        if (start..end).contains(&row.unix_time) {
            let price = (row.close * Decimal::from(10_000_000_000_i64)).trunc().to_i64().filter(|price| *price > 0);
            let price = price.with_context(|| format!("line {line}: the close {} is not a price", row.close))?;
            if let Some(last) = hours.last()
                && last.unix_time >= row.unix_time
            {
                bail!("line {line}: the times do not ascend");
            }
            hours.push(Hour { unix_time: row.unix_time, price });
        }
    }
    ensure!(hours.len() >= 2, "fewer than two hours lie between --from and --to");
    Ok(hours)
}

/// Its first second, UTC.
pub fn start_of_day(day: Date) -> Result<i64> {
    Ok(day.to_zoned(TimeZone::UTC)?.timestamp().as_second())
}

/// Five days: a calm one, a slide, a collapse of half in twelve hours, a bounce, and an uneasy end.
pub fn generate(seed: u64) -> Vec<Hour> {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut price = 350_000_000_000_i64;
    let start = crate::World::START;
    (0..120)
        .map(|hour| {
            // Drift and half-width of the noise in millionths per hour.
            let (drift, noise) = match hour {
                0..36 => (0, 6_000),
                36..60 => (-7_000, 10_000),
                60..72 => (-52_000, 25_000),
                72..80 => (15_000, 25_000),
                _ => (-1_000, 15_000),
            };
            price += price / 1_000_000 * (drift + random.i64(-noise..=noise));
            Hour { unix_time: start + hour * 3_600, price }
        })
        .collect()
}
