//! CSV with headers that do not change: integer smallest units beside decimals, and no separators of thousands.

use crate::{
    amount::Amount,
    chain::{Chain, Reading},
    market::Market,
    view::{positions::Positions, risk::RiskView},
};
use anyhow::{Context, Result};
use margrave_client::{Event, Leg, Pubkey};
use solana_commitment_config::CommitmentConfig;
use solana_rpc_client_api::{request::RpcRequest, response::RpcConfirmedTransactionStatusWithSignature};
use std::path::PathBuf;

#[derive(clap::Args)]
pub struct Arguments {
    what: What,
    /// Number or address [default: --account, else 0].
    account: Option<String>,
    /// Every account of the group instead; not for fills.
    #[arg(long)]
    all: bool,
    /// The file to write; - is standard output.
    #[arg(long, value_name = "FILE")]
    csv: PathBuf,
    /// Fills of at most so many of the account's last transactions.
    #[arg(long, default_value_t = 1_000)]
    limit: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// Open positions with marks and greeks.
    Positions,
    /// The risk arrays, a line per scenario.
    Risk,
    /// Trades, quotes taken and liquidations, a line per leg; a slice is a share of ALL for so many dollars.
    Fills,
}

/// Columns of `export positions`.
pub const POSITIONS: [&str; 19] = [
    "account",
    "instrument",
    "underlying",
    "kind",
    "side",
    "quantity",
    "quantity_units",
    "mark",
    "mark_e10",
    "entry",
    "notional_usd",
    "unrealised_usd",
    "unrealised_micros",
    "value_usd",
    "delta_usd",
    "gamma_usd_per_percent",
    "vega_usd_per_point",
    "theta_usd_per_day",
    "expiry_unix",
];

/// Columns of `export risk`.
pub const RISK: [&str; 7] = ["account", "underlying", "cell", "scenario", "profit_usd", "profit_micros", "is_worst"];

/// Columns of `export fills`.
pub const FILLS: [&str; 12] = [
    "signature",
    "slot",
    "time_unix",
    "event",
    "account",
    "counterparty",
    "instrument",
    "quantity",
    "quantity_units",
    "price",
    "price_e10",
    "fee_micros",
];

pub async fn run(chain: &Chain, arguments: &Arguments) -> Result<()> {
    let group = chain.group().await?;
    let market;
    let mut keys = Vec::new();
    if arguments.all {
        market = chain.market(group, Reading::Everything).await?;
        keys.extend(market.margin_accounts().into_iter().map(|(key, _)| *key));
    } else {
        let key = chain.margin_account(&group, arguments.account.as_deref())?;
        market = chain.market(group, Reading::Only(vec![key])).await?;
        keys.push(key);
    }
    let rows = match arguments.what {
        What::Positions => positions(&market, &keys)?,
        What::Risk => risk(&market, &keys)?,
        What::Fills => fills(chain, &market, &keys, arguments.limit).await?,
    };
    let header: &[&str] = match arguments.what {
        What::Positions => &POSITIONS,
        What::Risk => &RISK,
        What::Fills => &FILLS,
    };
    let out: Box<dyn std::io::Write> = if arguments.csv.as_os_str() == "-" {
        Box::new(std::io::stdout())
    } else {
        let file = std::fs::File::create(&arguments.csv);
        Box::new(file.with_context(|| format!("cannot write {}", arguments.csv.display()))?)
    };
    let mut writer = csv::Writer::from_writer(out);
    writer.write_record(header)?;
    for row in &rows {
        writer.write_record(row)?;
    }
    writer.flush()?;
    if arguments.csv.as_os_str() != "-" {
        eprintln!("{} lines in {}", rows.len(), arguments.csv.display());
    }
    Ok(())
}

fn text(amount: Option<Amount>) -> String {
    amount.map_or_else(String::new, |amount| amount.to_string())
}

fn base(amount: Option<Amount>) -> String {
    amount.map_or_else(String::new, |amount| amount.base.to_string())
}

/// A line for each open position of the accounts.
///
/// # Errors
/// As [`Positions::of`].
pub fn positions(market: &Market, keys: &[Pubkey]) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for key in keys {
        for it in Positions::of(market, key)?.positions {
            let greeks = it.greeks;
            rows.push(vec![
                key.to_string(),
                it.instrument,
                it.underlying,
                it.kind.to_owned(),
                it.side.to_owned(),
                it.quantity.to_string(),
                it.quantity.base.to_string(),
                text(it.mark),
                base(it.mark),
                text(it.entry),
                text(it.notional),
                text(it.unrealised),
                base(it.unrealised),
                text(it.value),
                text(greeks.map(|greeks| greeks.delta)),
                text(greeks.map(|greeks| greeks.gamma)),
                text(greeks.map(|greeks| greeks.vega)),
                text(greeks.map(|greeks| greeks.theta)),
                it.expiry.map_or_else(String::new, |expiry| expiry.to_string()),
            ]);
        }
    }
    Ok(rows)
}

/// A line for each scenario of each underlying of the accounts.
///
/// # Errors
/// As [`RiskView::of`].
pub fn risk(market: &Market, keys: &[Pubkey]) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for key in keys {
        for underlying in RiskView::of(market, key)?.underlyings {
            for cell in underlying.cells {
                rows.push(vec![
                    key.to_string(),
                    underlying.symbol.clone(),
                    cell.cell.to_string(),
                    cell.name,
                    cell.profit.to_string(),
                    cell.profit.base.to_string(),
                    cell.is_worst.to_string(),
                ]);
            }
        }
    }
    Ok(rows)
}

async fn fills(chain: &Chain, market: &Market, keys: &[Pubkey], limit: usize) -> Result<Vec<Vec<String>>> {
    let mut rows = Vec::new();
    for key in keys {
        let rpc = chain.connection.rpc();
        // Nodes list no transaction before it is confirmed.
        let commitment = match rpc.commitment() {
            commitment if commitment.is_processed() => CommitmentConfig::confirmed(),
            commitment => commitment,
        };
        let params = serde_json::json!([key.to_string(), commitment]);
        let found: Vec<RpcConfirmedTransactionStatusWithSignature> =
            rpc.send(RpcRequest::GetSignaturesForAddress, params).await?;
        let progress = chain.progress("reading transactions");
        let done = found.iter().filter(|it| it.err.is_none()).take(limit);
        for (index, status) in done.enumerate() {
            progress.set_message(format!("reading transaction {} of {}", index + 1, found.len().min(limit)));
            let (_, events) = chain.connection.transaction(&status.signature.parse()?).await?;
            rows.extend(events.iter().flat_map(|event| fills_in(market, key, event, status)));
        }
        progress.finish_and_clear();
    }
    Ok(rows)
}

/// The lines that one event of a transaction gives for one account.
fn fills_in(
    market: &Market,
    key: &Pubkey,
    event: &Event,
    status: &RpcConfirmedTransactionStatusWithSignature,
) -> Vec<Vec<String>> {
    let line = |name: &str, counterparty: &Pubkey, leg: Filled| {
        let decimals = market.accounts.underlyings.get(&leg.underlying).map_or(0, |it| it.decimals);
        vec![
            status.signature.clone(),
            status.slot.to_string(),
            status.block_time.map_or_else(String::new, |time| time.to_string()),
            name.to_owned(),
            key.to_string(),
            counterparty.to_string(),
            market.instrument_name(&leg.underlying, &leg.instrument),
            Amount::new(leg.quantity, decimals).to_string(),
            leg.quantity.to_string(),
            text(leg.price.map(Amount::price)),
            base(leg.price.map(Amount::price)),
            leg.fee.map_or_else(String::new, |fee| fee.to_string()),
        ]
    };
    let trade = |name: &str, taker: &Pubkey, maker: &Pubkey, legs: &[Leg]| -> Vec<Vec<String>> {
        let sign = if taker == key { 1 } else { -1 };
        let other = if taker == key { maker } else { taker };
        if key != taker && key != maker {
            return Vec::new();
        }
        legs.iter().map(|leg| line(name, other, Filled::of_leg(market, leg, sign))).collect()
    };
    match event {
        Event::Traded(it) => trade("trade", &it.taker.margin_account, &it.maker.margin_account, &it.legs),
        Event::QuoteTraded(it) => trade("quote", &it.taker.margin_account, &it.maker.margin_account, &it.legs),
        Event::VenueFilled(it) => trade("venue", &it.taker.margin_account, &it.maker.margin_account, &it.legs),
        Event::PositionsLiquidated(it) => {
            let (from, to) = (it.liquidatee.margin_account, it.liquidator.margin_account);
            if *key != from && *key != to {
                return Vec::new();
            }
            let (sign, other) = if *key == from { (-1, to) } else { (1, from) };
            let taken = it.taken.iter().map(|taken| Filled {
                underlying: it.underlying,
                instrument: taken.instrument,
                quantity: i128::from(taken.quantity) * sign,
                price: price_of(market, &it.underlying, taken.quantity, taken.price_paid),
                fee: Some(taken.fee),
            });
            taken.map(|leg| line("liquidation", &other, leg)).collect()
        }
        Event::SliceLiquidated(it) => {
            let (from, to) = (it.liquidatee.margin_account, it.liquidator.margin_account);
            if *key != from && *key != to {
                return Vec::new();
            }
            let (sign, other) = if *key == from { (-1, to) } else { (1, from) };
            let share = i128::from(it.share) * sign;
            let mut row = line("slice", &other, Filled::nothing());
            // Of everything: a share, in 2^-30, for so many dollars.
            (row[6], row[7], row[8]) = ("ALL".to_owned(), Amount::ratio(share).to_string(), share.to_string());
            row[9] = Amount::usd(it.price_paid).to_string();
            vec![row]
        }
        Event::Deleveraged(it) => {
            if *key != it.bankrupt && *key != it.margin_account {
                return Vec::new();
            }
            let (sign, other) = if *key == it.bankrupt { (-1, it.margin_account) } else { (1, it.bankrupt) };
            let leg = Filled {
                underlying: it.underlying,
                instrument: it.instrument,
                quantity: i128::from(it.quantity) * sign,
                price: price_of(market, &it.underlying, it.quantity, it.price_paid),
                fee: Some(it.concession),
            };
            vec![line("deleveraging", &other, leg)]
        }
        _ => Vec::new(),
    }
}

/// What one account got of one instrument.
struct Filled {
    underlying: Pubkey,
    instrument: margrave_client::Instrument,
    quantity: i128,
    price: Option<i64>,
    fee: Option<i64>,
}

impl Filled {
    /// For what is of no single instrument.
    fn nothing() -> Self {
        let (underlying, instrument) = (Pubkey::default(), margrave_client::Instrument::PERP);
        Self { underlying, instrument, quantity: 0, price: None, fee: None }
    }

    fn of_leg(market: &Market, leg: &Leg, sign: i128) -> Self {
        let by_index = market.accounts.underlyings.iter().find(|(_, sheet)| sheet.index == leg.underlying);
        Self {
            underlying: by_index.map_or_else(Pubkey::default, |(key, _)| *key),
            instrument: leg.instrument,
            quantity: i128::from(leg.quantity) * sign,
            price: Some(leg.price),
            fee: None,
        }
    }
}

/// Micro-dollars for a quantity as 10^-10 dollars per whole unit, toward zero.
fn price_of(market: &Market, underlying: &Pubkey, quantity: i64, paid: i64) -> Option<i64> {
    let whole = 10i128.pow(4 + u32::from(market.accounts.underlyings.get(underlying)?.decimals));
    i64::try_from((i128::from(paid) * whole).checked_div(i128::from(quantity))?).ok()
}
