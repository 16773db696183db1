//! Decimal text to integers of the smallest unit and back, exactly. No floats: what cannot be written down exactly is refused.

use anyhow::{Result, anyhow, bail, ensure};
use serde::{Serialize, Serializer, ser::SerializeStruct};
use std::fmt;

/// Decimals of a dollar amount: micro-dollars.
pub const USD: u32 = 6;
/// Decimals of a price: 10^-10 dollars per whole unit.
pub const PRICE: u32 = 10;
/// Decimals of a ratio: parts of 10^9.
pub const RATIO: u32 = 9;

/// An integer number of smallest units, and how many of them make one. In JSON `{"amount": "12.5", "base": "12500000"}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    pub base: i128,
    pub decimals: u32,
}

impl Amount {
    pub fn new(base: impl Into<i128>, decimals: impl Into<u32>) -> Self {
        Self { base: base.into(), decimals: decimals.into() }
    }

    /// Micro-dollars.
    pub fn usd(micros: impl Into<i128>) -> Self {
        Self::new(micros, USD)
    }

    /// 10^-10 dollars per whole unit.
    pub fn price(raw: impl Into<i128>) -> Self {
        Self::new(raw, PRICE)
    }

    /// A ratio in steps of 2^-30, to nine decimals, toward zero.
    pub fn ratio(bits: impl Into<i128>) -> Self {
        Self::new(bits.into() * 10i128.pow(RATIO) / (1 << 30), RATIO)
    }

    /// With thousands separated and exactly so many decimals, rounded toward zero: for people.
    pub fn grouped(&self, places: u32) -> String {
        let (whole, fraction) = self.parts();
        let grouped: Vec<&str> =
            whole.as_bytes().rchunks(3).rev().map(|digits| std::str::from_utf8(digits).unwrap_or("")).collect();
        let places = usize::try_from(places).unwrap_or(0);
        let mut text = grouped.join(",");
        if places > 0 {
            let fraction: String = fraction.chars().chain(std::iter::repeat('0')).take(places).collect();
            text = format!("{text}.{fraction}");
        }
        let is_zero = text.chars().all(|character| !character.is_ascii_digit() || character == '0');
        if self.base < 0 && !is_zero { format!("-{text}") } else { text }
    }

    /// Digits before and after the point, without the sign.
    fn parts(&self) -> (String, String) {
        let width = usize::try_from(self.decimals).unwrap_or(0);
        let digits = format!("{:0>width$}", self.base.unsigned_abs(), width = width + 1);
        let (whole, fraction) = digits.split_at(digits.len() - width);
        (whole.to_owned(), fraction.to_owned())
    }
}

/// All digits, without zeros at the end.
impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, fraction) = self.parts();
        let fraction = fraction.trim_end_matches('0');
        let sign = if self.base < 0 { "-" } else { "" };
        if fraction.is_empty() { write!(f, "{sign}{whole}") } else { write!(f, "{sign}{whole}.{fraction}") }
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Amount", 2)?;
        object.serialize_field("amount", &self.to_string())?;
        object.serialize_field("base", &self.base.to_string())?;
        object.end()
    }
}

/// Reads decimal text into smallest units, exactly.
///
/// # Errors
/// What is not a plain decimal number, has more decimals than the unit, or is out of range.
pub fn parse(text: &str, decimals: u32) -> Result<i64> {
    let not_decimal = || anyhow!("'{text}' is not a decimal number such as 1500 or 0.25");
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(whole) || !all_digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return Err(not_decimal());
    }
    let used = fraction.trim_end_matches('0');
    let width = usize::try_from(decimals)?;
    ensure!(
        used.len() <= width,
        "'{text}' has {} decimals, and the smallest unit is {}: use at most {decimals} decimals",
        used.len(),
        Amount::new(1, decimals),
    );
    let joined = format!("{whole}{used:0<width$}");
    let joined = joined.trim_start_matches('0');
    let most = Amount::new(i64::MAX, decimals);
    let out_of_range = || anyhow!("'{text}' is out of range: the most is {most}");
    let size: i128 = if joined.is_empty() { 0 } else { joined.parse().map_err(|_| out_of_range())? };
    i64::try_from(if negative { -size } else { size }).map_err(|_| out_of_range())
}

/// Reads a positive amount.
///
/// # Errors
/// As [`parse`], and what is not above zero.
pub fn parse_positive(text: &str, decimals: u32) -> Result<u64> {
    let base = parse(text, decimals)?;
    if base <= 0 {
        bail!("'{text}' is not above zero");
    }
    Ok(base.unsigned_abs())
}

/// Reads a share in percent, as -30 or 2.5, into millionths.
///
/// # Errors
/// As [`parse`].
pub fn parse_percent(text: &str) -> Result<i64> {
    parse(text.strip_suffix('%').unwrap_or(text), 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_becomes_the_exact_integer() {
        for (text, decimals, expected) in [
            ("1500", 6, 1_500_000_000),
            ("+0.000001", 6, 1),
            ("-.5", 9, -500_000_000),
            ("0", 6, 0),
            ("-0", 6, 0),
            ("1.500000000000", 6, 1_500_000),
            ("9223372036854.775807", 6, i64::MAX),
            ("7", 0, 7),
            ("7.0", 0, 7),
        ] {
            assert_eq!(parse(text, decimals).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_exact_is_refused_with_the_reason() {
        for (text, decimals, expected) in [
            ("0.0000001", 6, "7 decimals"),
            ("1.5", 0, "1 decimals"),
            ("9223372036854.775808", 6, "out of range: the most is 9223372036854.775807"),
            ("99999999999999999999999999999999999999999999", 6, "out of range"),
            ("1e5", 6, "not a decimal number"),
            ("1,000", 6, "not a decimal number"),
            ("", 6, "not a decimal number"),
            (".", 6, "not a decimal number"),
            ("--1", 6, "not a decimal number"),
            ("NaN", 6, "not a decimal number"),
            ("\u{661}", 6, "not a decimal number"),
        ] {
            let error = parse(text, decimals).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert!(parse_positive("0", 6).unwrap_err().to_string().contains("not above zero"));
        assert!(parse_positive("-1", 6).unwrap_err().to_string().contains("not above zero"));
    }

    #[test]
    fn integers_become_text_and_come_back() {
        for base in [0, 1, -1, 999_999, 1_000_000, -1_234_567_890, i64::MAX, i64::MIN + 1] {
            for decimals in [0, 6, 9, 10] {
                assert_eq!(parse(&Amount::new(base, decimals).to_string(), decimals).unwrap(), base);
            }
        }
        assert_eq!(Amount::usd(-1_234_567_891).grouped(2), "-1,234.56");
        assert_eq!(Amount::usd(-1).grouped(2), "0.00");
        assert_eq!(Amount::usd(12).grouped(0), "0");
        let json = serde_json::to_string(&Amount::usd(12_500_000)).unwrap();
        assert_eq!(json, r#"{"amount":"12.5","base":"12500000"}"#);
    }
}
