//! What wallets and screens ask the local network for, as JSON over HTTP: who is where, tokens, quotes, another price.
//! Integers that may not fit a double are strings.

use crate::{
    maker::{Asked, Maker, Request},
    prices::Publisher,
    validator,
    wallets::Wallets,
};
use anyhow::{Context, Result};
use axum::{
    Json, Router,
    extract::State as Shared,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::prelude::*;
use margrave_cli::deploy::{Config, Deployment};
use margrave_client::{Instrument, InstrumentKind, Pubkey, rpc::Connection};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use tower_http::cors::CorsLayer;

pub struct State {
    /// At `confirmed`, which is what whoever asks goes on at.
    connection: Connection,
    wallets: Wallets,
    deployment: Deployment,
    maker: Maker,
    publisher: Arc<Publisher>,
    info: Value,
}

impl State {
    pub fn new(wallets: Wallets, deployment: Deployment, maker: Maker, publisher: Arc<Publisher>, info: Value) -> Self {
        Self { connection: Connection::new(validator::RPC), wallets, deployment, maker, publisher, info }
    }
}

/// What `/info` answers.
pub fn info(deployment: &Deployment, config: &Config, maker: &Maker, table: Pubkey) -> Value {
    let banks = deployment.banks.iter().zip(&config.banks).map(|(bank, config)| {
        json!({
            "symbol": bank.symbol,
            "mint": bank.mint.to_string(),
            "bank": bank.bank.to_string(),
            "decimals": config.decimals,
            "tokenProgram": spl_token_interface::ID.to_string(),
        })
    });
    let underlyings = deployment.underlyings.iter().map(|listed| {
        json!({
            "symbol": listed.symbol,
            "address": listed.address.to_string(),
            "feed": listed.feed_id.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
            "decimals": listed.decimals,
            "priceAccount": listed.price_account.to_string(),
        })
    });
    json!({
        "rpc": validator::RPC,
        "ws": validator::WEBSOCKET,
        "program": margrave::ID.to_string(),
        "group": deployment.group.to_string(),
        "quoteMint": deployment.banks[0].mint.to_string(),
        "banks": banks.collect::<Vec<_>>(),
        "underlyings": underlyings.collect::<Vec<_>>(),
        "maker": maker.accounts().next().map(|key| key.to_string()),
        "makers": maker.accounts().map(|key| key.to_string()).collect::<Vec<_>>(),
        "lookupTable": table.to_string(),
        "keeperMetrics": format!("http://127.0.0.1:{}/metrics", crate::METRICS_PORT),
    })
}

pub async fn serve(state: State, port: u16) -> Result<()> {
    let router = Router::new()
        .route("/info", get(|Shared(state): Shared<Arc<State>>| async move { Json(state.info.clone()) }))
        .route("/faucet", post(faucet))
        .route("/quote", post(quote))
        .route("/price", post(price))
        // Pages of any origin may ask: this is a toy network, and its tokens are worth nothing.
        .layer(CorsLayer::permissive())
        .with_state(Arc::new(state));
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await?;
    Ok(axum::serve(listener, router).await?)
}

/// What was wrong with a request, in a sentence.
struct Refused(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (StatusCode::BAD_REQUEST, Json(json!({ "error": format!("{:#}", self.0) }))).into_response()
    }
}

type Answer = Result<Json<Value>, Refused>;

#[derive(Deserialize)]
struct FaucetRequest {
    owner: String,
}

async fn faucet(Shared(state): Shared<Arc<State>>, Json(request): Json<FaucetRequest>) -> Answer {
    let owner = address(&request.owner)?;
    let signatures = state.wallets.faucet(&state.connection, &state.deployment, &owner).await?;
    Ok(Json(json!({ "signatures": signatures })))
}

#[derive(Deserialize)]
struct QuoteRequest {
    taker: String,
    legs: Vec<LegRequest>,
}

#[derive(Deserialize)]
struct LegRequest {
    underlying: String,
    instrument: InstrumentRequest,
    quantity: String,
}

#[derive(Deserialize)]
struct InstrumentRequest {
    kind: String,
    #[serde(default)]
    expiry: u8,
    #[serde(default)]
    strike: u16,
    #[serde(default)]
    series: u32,
}

async fn quote(Shared(state): Shared<Arc<State>>, Json(request): Json<QuoteRequest>) -> Answer {
    let legs = request.legs.iter().map(asked).collect::<Result<_>>()?;
    let signed = state.maker.quote(Request { taker: address(&request.taker)?, legs }).await?;
    Ok(Json(json!({
        "signer": signed.signer.to_string(),
        "signature": signed.signature.to_string(),
        "message": BASE64_STANDARD.encode(signed.quote.message()),
    })))
}

fn asked(leg: &LegRequest) -> Result<Asked> {
    let InstrumentRequest { kind, expiry, strike, series } = &leg.instrument;
    let kind = match kind.as_str() {
        "perp" => InstrumentKind::Perp,
        "future" => InstrumentKind::Future,
        "call" => InstrumentKind::Call,
        "put" => InstrumentKind::Put,
        other => anyhow::bail!("an instrument is a perp, future, call or put, not {other:?}"),
    };
    let quantity = leg.quantity.parse().with_context(|| format!("{:?} is no quantity", leg.quantity))?;
    let instrument = Instrument { kind, expiry: *expiry, strike: *strike, series: *series };
    Ok(Asked { underlying: address(&leg.underlying)?, instrument, quantity })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PriceRequest {
    symbol: String,
    change_ppm: i64,
}

async fn price(Shared(state): Shared<Arc<State>>, Json(request): Json<PriceRequest>) -> Answer {
    let price = state.publisher.shock(&request.symbol, request.change_ppm)?;
    // 10^-8 dollars to 10^-10, as everywhere else.
    Ok(Json(json!({ "price": (i128::from(price) * 100).to_string() })))
}

fn address(text: &str) -> Result<Pubkey> {
    text.parse().with_context(|| format!("{text:?} is not an address"))
}
