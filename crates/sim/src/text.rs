//! Numbers as text.

use margrave_risk::Usd;

/// 2022-11-08 16:00, UTC.
pub fn time(unix_time: i64) -> String {
    jiff::Timestamp::from_second(unix_time)
        .map_or_else(|_| unix_time.to_string(), |t| t.strftime("%Y-%m-%d %H:%M").to_string())
}

/// Micro-dollars as whole dollars with separators, rounded toward zero.
pub fn dollars(micros: i64) -> String {
    let digits = (micros / Usd::SCALE).unsigned_abs().to_string();
    let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().map(|d| std::str::from_utf8(d).unwrap_or("")).collect();
    format!("{}{}", if micros <= -Usd::SCALE { "-" } else { "" }, grouped.join(","))
}
