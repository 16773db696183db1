//! Prices: how old, how sure, and what they are good enough for.

use super::{View, number, table};
use crate::{
    amount::Amount,
    market::{Market, duration, time},
};
use margrave::{
    oracle::{Action, Quality},
    state::{Pause, Underlying},
};
use serde::Serialize;

/// Bits that a guardian may set, lowest first, and what each stops.
pub const PAUSES: [(u32, &str); Pause::BITS] = [
    (Pause::NEW_RISK, "new-risk"),
    (Pause::BORROW, "borrow"),
    (Pause::WITHDRAW, "withdraw"),
    (Pause::LISTING, "listing"),
    (Pause::EXECUTE, "execute"),
    (Pause::SURFACE, "surface"),
];

/// Something that is stopped, and until when, unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stopped {
    pub what: String,
    pub until: i64,
}

/// The price of one underlying.
#[derive(Clone, Debug, Serialize)]
pub struct OracleLine {
    pub symbol: String,
    pub underlying: String,
    pub feed: String,
    /// None before a first price.
    pub price: Option<Amount>,
    pub confidence: Amount,
    /// `confidence / price`.
    pub confidence_ratio: Amount,
    pub stable_price: Amount,
    pub publish_time: i64,
    pub age_secs: Option<i64>,
    pub max_age_secs: u32,
    pub liquidation_max_age_secs: u32,
    pub quality: &'static str,
    /// What a price of this quality may be used for.
    pub good_for: Vec<&'static str>,
    /// What has stopped new risk here.
    pub stopped: Vec<Stopped>,
}

/// All prices of a group.
#[derive(Clone, Debug, Serialize)]
pub struct OracleStatus {
    pub group: String,
    pub time: i64,
    pub slot: u64,
    pub paused: Vec<Stopped>,
    /// On the scan in initial margin while the quote token is below its peg.
    pub depeg_surcharge: Amount,
    pub underlyings: Vec<OracleLine>,
}

impl OracleStatus {
    pub fn of(market: &Market) -> Self {
        Self {
            group: market.key.to_string(),
            time: market.now,
            slot: market.slot,
            paused: paused(market),
            depeg_surcharge: Amount::ratio(market.group().depeg),
            underlyings: market.underlyings().iter().map(|(key, sheet)| line(market, key, sheet)).collect(),
        }
    }
}

/// The group's pause bits that hold now.
pub fn paused(market: &Market) -> Vec<Stopped> {
    let until = market.group().paused_until;
    let held = PAUSES.iter().zip(until).filter(|(_, until)| market.now < *until);
    held.map(|((_, name), until)| Stopped { what: (*name).to_owned(), until }).collect()
}

fn line(market: &Market, key: &margrave_client::Pubkey, sheet: &Underlying) -> OracleLine {
    let oracle = &sheet.oracle;
    let actions = [("add risk, settle", Action::AddRisk), ("liquidate", Action::Liquidate), ("reduce", Action::Reduce)];
    let breaker = &sheet.breaker;
    let held = [("paused", breaker.paused_until), ("price gap", breaker.gap_until), ("restart", breaker.grace_until)];
    let stopped = held.into_iter().filter(|(_, until)| market.now < *until);
    OracleLine {
        symbol: market.symbol(key),
        underlying: key.to_string(),
        feed: oracle.terms.feed_id.iter().map(|byte| format!("{byte:02x}")).collect(),
        price: (oracle.price != 0).then(|| Amount::price(oracle.price)),
        confidence: Amount::price(oracle.confidence),
        confidence_ratio: Amount::ratio(oracle.confidence_ratio),
        stable_price: Amount::price(oracle.stable_price),
        publish_time: oracle.publish_time,
        age_secs: (oracle.price != 0).then(|| market.now - oracle.publish_time),
        max_age_secs: oracle.terms.max_age_secs,
        liquidation_max_age_secs: oracle.terms.liquidation_max_age_secs,
        quality: match oracle.quality(market.now) {
            Quality::Missing => "missing",
            Quality::Stale => "stale",
            Quality::Recent => "recent",
            Quality::Fresh => "fresh",
        },
        good_for: actions.iter().filter(|(_, it)| oracle.is_good_for(*it, market.now)).map(|(name, _)| *name).collect(),
        stopped: stopped.map(|(what, until)| Stopped { what: what.to_owned(), until }).collect(),
    }
}

/// `new-risk for 2 d 3 h`.
pub fn stopped_text(stopped: &[Stopped], now: i64) -> String {
    let each = stopped.iter().map(|it| format!("{} for {}", it.what, duration(it.until - now)));
    if stopped.is_empty() { "nothing".to_owned() } else { each.collect::<Vec<_>>().join(", ") }
}

impl View for OracleStatus {
    fn text(&self, _: bool) -> String {
        let header =
            ["Underlying", "Price $", "Stable $", "Confidence", "Age", "Limits", "Quality", "Good for", "Stopped"];
        let mut rows = table(&header);
        for line in &self.underlyings {
            let percent = Amount::new(line.confidence_ratio.base * 100, line.confidence_ratio.decimals);
            rows.add_row(vec![
                line.symbol.clone().into(),
                number(line.price.map_or_else(|| "-".to_owned(), |price| price.grouped(4))),
                number(line.stable_price.grouped(4)),
                number(format!("{} %", percent.grouped(3))),
                number(line.age_secs.map_or_else(|| "-".to_owned(), |age| format!("{age} s"))),
                number(format!("{} / {} s", line.liquidation_max_age_secs, line.max_age_secs)),
                line.quality.into(),
                line.good_for.join(", ").into(),
                stopped_text(&line.stopped, self.time).into(),
            ]);
        }
        format!(
            "Group {} at {}, slot {}\nPaused in the group: {}\n{rows}\nLimits: oldest price to liquidate at, and to add risk at.",
            self.group,
            time(self.time),
            self.slot,
            stopped_text(&self.paused, self.time)
        )
    }
}
