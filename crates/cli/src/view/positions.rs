//! Open positions with their marks, profit and sensitivities.

use super::{View, cents, number, table};
use crate::{
    amount::Amount,
    market::{Market, duration, refused, time},
};
use anyhow::Result;
use margrave::{
    instructions::{SlotGreeks, explanation_of},
    snapshot::funding_due_up,
    state::*,
};
use margrave_client::{Instrument, Pubkey};
use serde::Serialize;

/// Sensitivities in dollars.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Greeks {
    /// Dollars of the underlying that gain and lose as much: change of value per price change of 100 %, at this slope.
    pub delta: Amount,
    /// Change of that per price change of 1 %.
    pub gamma: Amount,
    /// Change of value per point of implied volatility.
    pub vega: Amount,
    /// Change of value per day that passes.
    pub theta: Amount,
}

impl From<SlotGreeks> for Greeks {
    fn from(greeks: SlotGreeks) -> Self {
        Self {
            delta: Amount::usd(greeks.delta),
            gamma: Amount::usd(greeks.gamma / 100),
            vega: Amount::usd(greeks.vega / 100),
            theta: Amount::usd(greeks.theta / 365),
        }
    }
}

/// One open position.
#[derive(Clone, Debug, Serialize)]
pub struct Position {
    pub instrument: String,
    pub underlying: String,
    pub kind: &'static str,
    /// `long` or `short`.
    pub side: &'static str,
    /// Whole units of the base asset, signed.
    pub quantity: Amount,
    /// What the instrument is worth, dollars per whole unit; none when it cannot be priced.
    pub mark: Option<Amount>,
    /// Average price of a perp or future since it was opened or last settled. Options are paid for at once and keep none.
    pub entry: Option<Amount>,
    /// Size of the underlying's value that it stands for.
    pub notional: Option<Amount>,
    /// Of a perp or future: mark value less what was paid, funding included.
    pub unrealised: Option<Amount>,
    /// Of an option: its mark value, signed.
    pub value: Option<Amount>,
    /// Funding not charged yet; positive: to be paid.
    pub funding_due: Option<Amount>,
    /// Implied volatility of an option, a year.
    pub volatility: Option<Amount>,
    pub greeks: Option<Greeks>,
    /// Unix seconds.
    pub expiry: Option<i64>,
    pub expires_in_secs: Option<i64>,
}

/// All positions of an account.
#[derive(Clone, Debug, Serialize)]
pub struct Positions {
    pub address: String,
    pub time: i64,
    pub positions: Vec<Position>,
}

impl Positions {
    /// # Errors
    /// When the account, or an underlying that it has a position in, was not read.
    pub fn of(market: &Market, key: &Pubkey) -> Result<Self> {
        let account = market.account(key)?;
        let open = account.positions.iter().enumerate().take_while(|(_, position)| !position.is_empty());
        let positions = open.map(|(index, _)| position(market, account, index)).collect::<Result<_>>()?;
        Ok(Self { address: key.to_string(), time: market.now, positions })
    }
}

fn position(market: &Market, account: &MarginAccount, index: usize) -> Result<Position> {
    let held = &account.positions[index];
    let (key, instrument) = market.instrument_of(account, held)?;
    let underlying = market.underlying(&key)?;
    let (quantity, unit) = (i128::from(held.quantity), 10i128.pow(4 + u32::from(underlying.decimals)));
    let option = instrument.kind.is_option();
    let slot = (instrument.kind != InstrumentKind::Perp).then(|| &underlying.expiries[usize::from(held.expiry)]);
    let mark = mark_of(market, key, underlying, &instrument);
    let value = mark.map(|mark| (quantity * i128::from(mark)).div_euclid(unit));
    let due = funding_due_up(held.quantity, held.funding_index, underlying.perp.funding_index, underlying.decimals);
    let due = (instrument.kind == InstrumentKind::Perp).then_some(due).transpose().map_err(refused)?;
    let notional_price = match (&slot, option) {
        (Some(slot), true) => Some(slot.expiry().terms().forward.raw()),
        _ => mark,
    };
    let entry = (-i128::from(held.quote) * unit).checked_div(quantity).filter(|_| !option);
    let strike = option.then(|| &underlying.strikes[usize::from(held.strike)]);
    Ok(Position {
        instrument: market.instrument_name(&key, &instrument),
        underlying: market.symbol(&key),
        kind: kind_name(instrument.kind),
        side: if held.quantity > 0 { "long" } else { "short" },
        quantity: Amount::new(quantity, underlying.decimals),
        mark: mark.map(Amount::price),
        entry: entry.map(Amount::price),
        notional: notional_price.map(|price| Amount::usd((quantity * i128::from(price) / unit).abs())),
        unrealised: value
            .filter(|_| !option)
            .map(|value| Amount::usd(value + i128::from(held.quote) - i128::from(due.unwrap_or(0)))),
        value: value.filter(|_| option).map(Amount::usd),
        funding_due: due.map(Amount::usd),
        volatility: strike.map(|strike| Amount::ratio(strike.vol)),
        greeks: greeks(market, account, index),
        expiry: slot.map(|slot| slot.time),
        expires_in_secs: slot.map(|slot| slot.time - market.now),
    })
}

/// The price that trades are held near to, or after expiry what settlement pays, 10^-10 dollars.
fn mark_of(market: &Market, key: Pubkey, underlying: &Underlying, instrument: &Instrument) -> Option<i64> {
    if let Ok(mark) = margrave::trading::mark(key, underlying, instrument, market.now) {
        return Some(mark);
    }
    let slot = underlying.expiries.get(usize::from(instrument.expiry)).filter(|slot| slot.is_settled())?;
    let strike = underlying.strikes.get(usize::from(instrument.strike)).map_or(0, |strike| strike.price[0]);
    Some(match instrument.kind {
        InstrumentKind::Call => (slot.settlement_price - strike).max(0),
        InstrumentKind::Put => (strike - slot.settlement_price).max(0),
        _ => slot.settlement_price,
    })
}

/// What `explain` says of an account with this position and nothing else.
fn greeks(market: &Market, account: &MarginAccount, index: usize) -> Option<Greeks> {
    let held = account.positions[index];
    let mut alone = Box::new(*account);
    alone.mode = Mode::Portfolio as u8;
    alone.collateral.iter_mut().for_each(|slot| slot.shares = 0);
    alone.positions.iter_mut().for_each(|position| position.kind = 0);
    alone.positions[0] = held;
    for (at, slot) in alone.risk.iter_mut().enumerate() {
        (slot.claim, slot.used) = (0, u8::from(at == usize::from(held.risk_slot)));
    }
    let answer = explanation_of(&alone, market.group(), &market.accounts, held.risk_slot, market.now).ok()?;
    Some(answer.greeks.into())
}

pub fn kind_name(kind: InstrumentKind) -> &'static str {
    match kind {
        InstrumentKind::Perp => "perp",
        InstrumentKind::Future => "future",
        InstrumentKind::Call => "call",
        InstrumentKind::Put => "put",
    }
}

impl View for Positions {
    fn text(&self, _: bool) -> String {
        if self.positions.is_empty() {
            return format!("no open positions in {}", self.address);
        }
        let mut rows = table(&[
            "Instrument",
            "Side",
            "Size",
            "Entry $",
            "Mark $",
            "Notional $",
            "uPnL $",
            "Value $",
            "Delta $",
            "Gamma $/1 %",
            "Vega $/pt",
            "Theta $/day",
            "Expires in",
        ]);
        for it in &self.positions {
            let greek = |of: fn(&Greeks) -> Amount| cents(it.greeks.as_ref().map(of));
            let price =
                |amount: Option<Amount>| number(amount.map_or_else(|| "-".to_owned(), |price| price.grouped(4)));
            let left = it
                .expires_in_secs
                .map_or_else(|| "-".to_owned(), |secs| if secs > 0 { duration(secs) } else { "expired".to_owned() });
            rows.add_row(vec![
                it.instrument.clone().into(),
                it.side.into(),
                number(it.quantity),
                price(it.entry),
                price(it.mark),
                cents(it.notional),
                cents(it.unrealised),
                cents(it.value),
                greek(|greeks| greeks.delta),
                greek(|greeks| greeks.gamma),
                greek(|greeks| greeks.vega),
                greek(|greeks| greeks.theta),
                number(left),
            ]);
        }
        format!(
            "{} at {}\n{rows}\nDelta: dollars of the underlying. Gamma: change of delta when the price moves 1 %. Vega: per point of \
             volatility. Theta: per day.",
            self.address,
            time(self.time)
        )
    }
}
