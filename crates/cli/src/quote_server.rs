//! A maker's quote server: JSON over HTTP. What it answers is believed in nothing that can be checked here.

use crate::{
    amount::Amount,
    market::{Market, Order},
    usage,
    view::positions::kind_name,
};
use anyhow::{Context, Result, anyhow, ensure};
use base64::{Engine, prelude::BASE64_STANDARD};
use margrave_client::{Instrument, Leg, Pubkey, Quote, SignedQuote};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

/// Where the local network's server listens.
pub const LOCAL: &str = "http://127.0.0.1:8787";

/// A server by its address.
pub struct QuoteServer {
    url: String,
    http: reqwest::Client,
}

/// What a server says of its market.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    pub rpc: Option<String>,
    pub group: Option<String>,
    /// With the group's accounts, for transactions that are too large without.
    pub lookup_table: Option<String>,
    #[serde(default)]
    pub banks: Vec<BankInfo>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct BankInfo {
    pub symbol: String,
    pub mint: String,
}

/// A signed quote as it travels.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct QuoteMessage {
    pub signer: String,
    /// Base58.
    pub signature: String,
    /// The bytes that were signed, base64.
    pub message: String,
}

impl From<&SignedQuote> for QuoteMessage {
    fn from(signed: &SignedQuote) -> Self {
        Self {
            signer: signed.signer.to_string(),
            signature: signed.signature.to_string(),
            message: BASE64_STANDARD.encode(signed.quote.message()),
        }
    }
}

impl QuoteMessage {
    /// The quote, if the signature is its signer's.
    ///
    /// # Errors
    /// What is not a signed quote.
    pub fn verified(&self) -> Result<SignedQuote> {
        let message = BASE64_STANDARD.decode(&self.message).context("the quote's message is not base64")?;
        let quote = Quote::from_message(&message).map_err(crate::market::refused)?;
        let signer = self.signer.parse().map_err(|_| anyhow!("the quote's signer is not an address"))?;
        let signature = self.signature.parse().map_err(|_| anyhow!("the quote's signature is not base58"))?;
        let signed = SignedQuote { quote, signer, signature };
        ensure!(signed.verify(), "the quote's signature is not its signer's: it must not be used");
        Ok(signed)
    }
}

impl QuoteServer {
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new(url: &str) -> Result<Self> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), http })
    }

    /// What the server says of its market; `None` when nobody answers within a second.
    pub async fn info(&self) -> Option<Info> {
        let request = self.http.get(format!("{}/info", self.url)).timeout(Duration::from_secs(1));
        request.send().await.ok()?.json().await.ok()
    }

    /// Asks for a price of the orders for a margin account.
    ///
    /// # Errors
    /// When the server does not answer, or declines with a sentence; and as [`QuoteMessage::verified`].
    pub async fn quote(&self, taker: &Pubkey, orders: &[Order]) -> Result<SignedQuote> {
        let answer: QuoteMessage = self.post("quote", quote_request(taker, orders)).await?;
        answer.verified()
    }

    /// Sends the wallet tokens of a local network.
    ///
    /// # Errors
    /// As [`QuoteServer::quote`].
    pub async fn faucet(&self, owner: &Pubkey) -> Result<Value> {
        self.post("faucet", json!({ "owner": owner.to_string() })).await
    }

    /// Moves a price of a local network by so many millionths.
    ///
    /// # Errors
    /// As [`QuoteServer::quote`].
    pub async fn shock(&self, symbol: &str, change_ppm: i64) -> Result<Value> {
        self.post("price", json!({ "symbol": symbol, "changePpm": change_ppm })).await
    }

    async fn post<T: DeserializeOwned>(&self, path: &str, body: Value) -> Result<T> {
        let url = format!("{}/{path}", self.url);
        let response = self.http.post(&url).json(&body).send().await;
        let response = response.with_context(|| format!("nobody answers at {url}; is the quote server running?"))?;
        let status = response.status();
        let text = response.text().await?;
        if !status.is_success() {
            let said = serde_json::from_str::<Value>(&text).ok();
            let said = said.as_ref().and_then(|said| said["error"].as_str()).unwrap_or(&text);
            return Err(anyhow!("{url} declined ({status}): {said}"));
        }
        serde_json::from_str(&text).with_context(|| format!("{url} answered something else than was agreed: {text}"))
    }
}

/// The body of a request for a quote.
pub fn quote_request(taker: &Pubkey, orders: &[Order]) -> Value {
    let legs: Vec<Value> = orders
        .iter()
        .map(|order| {
            let Instrument { kind, expiry, strike, series } = order.instrument;
            let kind = kind_name(kind);
            json!({
                "underlying": order.underlying.to_string(),
                "instrument": { "kind": kind, "expiry": expiry, "strike": strike, "series": series },
                "quantity": order.quantity.to_string(),
            })
        })
        .collect();
    json!({ "taker": taker.to_string(), "legs": legs })
}

/// One leg of a quote in words.
#[derive(Clone, Debug, Serialize)]
pub struct QuotedLeg {
    pub instrument: String,
    /// From the taker's side, all units.
    pub quantity: Amount,
    pub price: Amount,
    /// What the sheet says it is worth.
    pub mark: Option<Amount>,
}

/// A quote that was checked against what was asked.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedQuote {
    pub maker: String,
    pub signer: String,
    pub nonce: u64,
    pub expires_at: i64,
    /// How many units of it are the order.
    pub units: u64,
    pub legs: Vec<QuotedLeg>,
    /// What all legs cost, fees apart; negative: are paid for. Of perps and futures nothing is paid now.
    pub option_premium: Amount,
    pub signed: QuoteMessage,
    #[serde(skip)]
    pub quote: SignedQuoteOf,
}

/// The quote itself, and what it was asked for.
#[derive(Clone, Debug)]
pub struct SignedQuoteOf {
    pub signed: SignedQuote,
    /// Of each leg of the quote, in order.
    pub underlyings: Vec<Pubkey>,
    pub units: u64,
}

/// Checks a quote against the order: the group, the taker, its time, the maker, each leg's instrument and quantity, and the limits
/// (by instrument, 10^-10 dollars; a buy costs at most and a sale brings at least so much).
///
/// # Errors
/// Names the first thing that is not what was asked for.
pub fn check(
    market: &Market,
    signed: SignedQuote,
    taker: &Pubkey,
    orders: &[Order],
    limits: &BTreeMap<String, i64>,
) -> Result<CheckedQuote> {
    let quote = &signed.quote;
    ensure!(quote.group == market.key, "the quote is for group {}, not {}", quote.group, market.key);
    let is_ours = quote.taker == *taker || quote.taker == Pubkey::default();
    ensure!(is_ours, "the quote is for the account {}, not {taker}", quote.taker);
    ensure!(market.now <= quote.expires_at, "the quote expired {} s ago: ask again", market.now - quote.expires_at);
    let maker = market.account(&quote.maker).context("the quote's maker")?;
    ensure!(
        maker.quotes_since == quote.quotes_since,
        "the maker's account has been opened or liquidated since the quote was signed: ask again"
    );
    ensure!(
        maker.may_trade(&signed.signer, market.now),
        "{} signed the quote and may not trade for {}",
        signed.signer,
        quote.maker
    );
    ensure!(
        quote.legs.len() == orders.len(),
        "the quote has {} legs, {} were asked for",
        quote.legs.len(),
        orders.len()
    );
    let mut units: Option<u64> = None;
    let (mut legs, mut underlyings, mut premium) = (Vec::new(), Vec::new(), 0i128);
    for (leg, order) in quote.legs.iter().zip(orders) {
        let underlying = market.underlying(&order.underlying)?;
        let name = market.instrument_name(&order.underlying, &leg.instrument);
        let same = leg.underlying == underlying.index && leg.instrument == order.instrument;
        ensure!(same, "the quote's leg is {name}, {} was asked for", order.name);
        let of_leg = units_of(leg, order).with_context(|| {
            let each = Amount::new(leg.quantity, underlying.decimals);
            format!("the quote's unit of {name} is {each}, of which the order is no whole number")
        })?;
        ensure!(
            *units.get_or_insert(of_leg) == of_leg,
            "the quote's legs are not in the proportion that was asked for"
        );
        check_limit(order, leg, limits)?;
        let whole = 10i128.pow(4 + u32::from(underlying.decimals));
        if leg.instrument.kind.is_option() {
            premium += (i128::from(order.quantity) * i128::from(leg.price)).div_euclid(whole);
        }
        let mark = margrave::trading::mark(order.underlying, underlying, &leg.instrument, market.now).ok();
        legs.push(QuotedLeg {
            instrument: name,
            quantity: Amount::new(order.quantity, underlying.decimals),
            price: Amount::price(leg.price),
            mark: mark.map(Amount::price),
        });
        underlyings.push(order.underlying);
    }
    let units = units.context("the quote has no legs")?;
    ensure!(units <= quote.units, "the quote offers {} units, the order is {units} of them", quote.units);
    Ok(CheckedQuote {
        maker: quote.maker.to_string(),
        signer: signed.signer.to_string(),
        nonce: quote.nonce,
        expires_at: quote.expires_at,
        units,
        legs,
        option_premium: Amount::usd(premium),
        signed: QuoteMessage::from(&signed),
        quote: SignedQuoteOf { signed, underlyings, units },
    })
}

/// How many times a leg of the quote is the order: a whole number above zero.
fn units_of(leg: &Leg, order: &Order) -> Option<u64> {
    let is_whole = leg.quantity != 0 && order.quantity % leg.quantity == 0;
    let units = if is_whole { order.quantity / leg.quantity } else { 0 };
    u64::try_from(units).ok().filter(|units| *units > 0)
}

fn check_limit(order: &Order, leg: &Leg, limits: &BTreeMap<String, i64>) -> Result<()> {
    let Some(limit) = limits.get(&order.name) else { return Ok(()) };
    let (price, limit) = (Amount::price(leg.price), Amount::price(*limit));
    let is_buy = order.quantity > 0;
    let within = if is_buy { price <= limit } else { price >= limit };
    let (verb, bound) = if is_buy { ("buy at most", "above") } else { ("sell at least", "below") };
    ensure!(within, "{}: quoted {price}, {bound} the limit to {verb} at {limit}", order.name);
    Ok(())
}

/// Limits as text: one price for one order, or `NAME=PRICE` for each.
///
/// # Errors
/// A price that is none, a name that is not ordered.
pub fn limits(texts: &[String], orders: &[Order]) -> Result<BTreeMap<String, i64>> {
    let mut limits = BTreeMap::new();
    for text in texts {
        let (name, price) = match (text.rsplit_once('='), orders) {
            (Some((name, price)), _) => (name.to_ascii_uppercase(), price),
            (None, [only]) => (only.name.clone(), text.as_str()),
            (None, _) => return Err(usage(format!("'{text}': with several legs a limit is NAME=PRICE"))),
        };
        if !orders.iter().any(|order| order.name == name) {
            return Err(usage(format!("the limit of {name} is of nothing that is ordered")));
        }
        let price = crate::amount::parse(price, crate::amount::PRICE).map_err(|error| usage(format!("{error}")))?;
        limits.insert(name, price);
    }
    Ok(limits)
}

/// A leg with a price, `SOL-PERP:+1.5@35.20`.
///
/// # Errors
/// As [`Market::order`], and a price that is none.
pub fn priced_leg(market: &Market, text: &str) -> Result<(Order, Leg)> {
    let (order, price) = text.rsplit_once('@').ok_or_else(|| {
        usage(format!("'{text}' has no price: a leg to sign or trade is written SOL-PERP:+1.5@35.20"))
    })?;
    let order = market.order(order)?;
    let price =
        crate::amount::parse_positive(price, crate::amount::PRICE).map_err(|error| usage(format!("{error}")))?;
    let leg = Leg {
        underlying: market.underlying(&order.underlying)?.index,
        instrument: order.instrument,
        quantity: order.quantity,
        price: i64::try_from(price)?,
    };
    Ok((order, leg))
}

impl crate::view::View for CheckedQuote {
    fn text(&self, _: bool) -> String {
        let mut rows = crate::view::table(&["Instrument", "Size", "Price $", "Mark $"]);
        for leg in &self.legs {
            rows.add_row(vec![
                leg.instrument.clone().into(),
                crate::view::number(leg.quantity),
                crate::view::number(leg.price),
                crate::view::number(leg.mark.map_or_else(|| "-".to_owned(), |mark| mark.to_string())),
            ]);
        }
        let premium = match self.legs.iter().any(|leg| leg.instrument.contains("-C-") || leg.instrument.contains("-P-"))
        {
            true => format!("\nPremium $ {}", self.option_premium.grouped(2)),
            false => String::new(),
        };
        format!(
            "{rows}{premium}\nMaker {}, signed by {}, nonce {}, until {}",
            self.maker,
            self.signer,
            self.nonce,
            crate::market::time(self.expires_at)
        )
    }
}
