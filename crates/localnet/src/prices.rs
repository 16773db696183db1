//! Prices that move: every second each feed takes a step, from a file or at random, and is posted to the local receiver.

use crate::{Arguments, wallets::Wallets};
use anyhow::{Context, Result, ensure};
use margrave_cli::deploy::{Config, feed_id, local_account};
use margrave_client::{
    Instruction, pyth,
    rpc::{Connection, Sending},
};
use margrave_price_receiver::{accounts, instruction};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::{
    path::PathBuf,
    str::FromStr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Feeds have eight decimals.
const EXPONENT: i32 = -8;
const UNIT: i64 = 100_000_000;
const PPM: i64 = 1_000_000;
/// Half-width of the confidence interval.
const CONFIDENCE_PPM: i64 = 500;
/// The most that a second moves a generated price by.
const STEP_PPM: i64 = 300;
const TICK: Duration = Duration::from_secs(1);
/// A blockhash lives for about a minute.
const TICKS_PER_BLOCKHASH: u32 = 20;
/// What a post uses, with room.
const POST_UNITS: u32 = 20_000;

/// Prices to replay.
#[derive(Clone, Debug)]
pub struct Source {
    symbol: String,
    file: PathBuf,
}

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (symbol, file) = text.split_once('=').ok_or("give SYMBOL=FILE")?;
        Ok(Self { symbol: symbol.to_owned(), file: file.into() })
    }
}

struct Feed {
    symbol: String,
    id: [u8; 32],
    /// 10^-8 dollars.
    price: i64,
    /// Closes of a file, and the next one's place.
    file: Vec<i64>,
    next: usize,
}

pub struct Publisher {
    connection: Arc<Connection>,
    payer: Keypair,
    feeds: Mutex<Vec<Feed>>,
    random: Mutex<fastrand::Rng>,
    calm: bool,
    speed: usize,
    stopped: AtomicBool,
}

impl Publisher {
    pub fn new(connection: Arc<Connection>, wallets: &Wallets, config: &Config, arguments: &Arguments) -> Result<Self> {
        let mut feeds = Vec::new();
        for listed in &config.underlyings {
            let source = arguments.prices.iter().find(|source| source.symbol == listed.symbol);
            let file = source.map(|source| closes(&source.file)).transpose()?.unwrap_or_default();
            // What the markets stood at when this was written; only the start of a walk.
            let start = match listed.symbol.as_str() {
                "BTC" => 95_000 * UNIT,
                "ETH" => 3_200 * UNIT,
                _ => 150 * UNIT,
            };
            let price = file.first().copied().unwrap_or(start);
            feeds.push(Feed { symbol: listed.symbol.clone(), id: feed_id(&listed.feed)?, price, file, next: 1 });
        }
        for source in &arguments.prices {
            let known = feeds.iter().any(|feed| feed.symbol == source.symbol);
            ensure!(known, "--prices: there is no underlying {}", source.symbol);
        }
        Ok(Self {
            connection,
            payer: wallets.publisher.insecure_clone(),
            feeds: Mutex::new(feeds),
            random: Mutex::new(fastrand::Rng::with_seed(arguments.seed)),
            calm: arguments.calm,
            speed: arguments.speed.max(1),
            stopped: AtomicBool::new(false),
        })
    }

    /// Makes the accounts and posts first prices.
    pub async fn open(&self) -> Result<()> {
        let ids: Vec<[u8; 32]> = self.feeds().iter().map(|feed| feed.id).collect();
        let mut instructions: Vec<Instruction> = ids.iter().map(|id| self.open_instruction(*id)).collect();
        instructions.extend(self.posts());
        self.connection.send(&Sending::new(&self.payer, instructions)).await.context("first prices")?;
        Ok(())
    }

    /// Moves a price at once; the walk goes on from there. Returns the new price, 10^-8 dollars.
    pub fn shock(&self, symbol: &str, change_ppm: i64) -> Result<i64> {
        ensure!((-990_000..=10_000_000).contains(&change_ppm), "a change lies between -990000 and 10000000 millionths");
        let mut feeds = self.feeds();
        let feed = feeds.iter_mut().find(|feed| feed.symbol == symbol);
        let feed = feed.with_context(|| format!("there is no underlying {symbol}"))?;
        feed.price = scaled(feed.price, PPM + change_ppm, PPM);
        Ok(feed.price)
    }

    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Posts every second until it is stopped. A post that fails is made up for by the next one.
    pub async fn run(&self) {
        let mut clock = tokio::time::interval(TICK);
        let mut blockhash = None;
        for tick in 0_u32.. {
            clock.tick().await;
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            self.step();
            if tick.is_multiple_of(TICKS_PER_BLOCKHASH) || blockhash.is_none() {
                blockhash = self.connection.rpc().get_latest_blockhash().await.ok();
            }
            let Some(hash) = blockhash else { continue };
            // Different limits make different transactions of equal prices.
            let units = POST_UNITS * u32::try_from(self.feeds().len()).unwrap_or(1) + tick % 1_000;
            let sent = match Sending::new(&self.payer, self.posts()).build(hash, units, 0) {
                Ok(transaction) => {
                    self.connection.rpc().send_transaction(&transaction).await.map_err(|error| error.to_string())
                }
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = sent {
                tracing::warn!(error, "a price was not posted");
                blockhash = None;
            }
        }
    }

    fn feeds(&self) -> std::sync::MutexGuard<'_, Vec<Feed>> {
        self.feeds.lock().expect("nobody panics with the prices in hand")
    }

    fn step(&self) {
        let mut random = self.random.lock().expect("nobody panics with the generator in hand");
        for feed in self.feeds().iter_mut() {
            if !feed.file.is_empty() {
                // By the file's changes, so that a shock stays.
                let last = feed.file.len() - 1;
                let next = (feed.next + self.speed - 1).min(last);
                feed.price = scaled(feed.price, feed.file[next], feed.file[(feed.next - 1).min(last)]);
                feed.next = (next + 1).min(last + 1);
            } else if !self.calm {
                feed.price = scaled(feed.price, PPM + random.i64(-STEP_PPM..=STEP_PPM), PPM);
            }
        }
    }

    fn open_instruction(&self, feed_id: [u8; 32]) -> Instruction {
        let accounts = accounts::Open {
            payer: self.payer.pubkey(),
            price_update: local_account(&feed_id),
            system_program: solana_system_interface::program::ID,
        };
        margrave_client::instruction_of(pyth::RECEIVER, accounts, instruction::Open { feed_id })
    }

    fn posts(&self) -> Vec<Instruction> {
        let post = |feed: &Feed| {
            let accounts = accounts::Post { price_update: local_account(&feed.id) };
            let confidence = scaled(feed.price, CONFIDENCE_PPM, PPM).unsigned_abs();
            let data = instruction::Post { feed_id: feed.id, price: feed.price, confidence, exponent: EXPONENT };
            margrave_client::instruction_of(pyth::RECEIVER, accounts, data)
        };
        self.feeds().iter().map(post).collect()
    }
}

/// `value x by / of`, at least one unit.
fn scaled(value: i64, by: i64, of: i64) -> i64 {
    let product = i128::from(value) * i128::from(by) / i128::from(of.max(1));
    i64::try_from(product).unwrap_or(i64::MAX).max(1)
}

/// The column `close` in 10^-8 dollars.
fn closes(file: &PathBuf) -> Result<Vec<i64>> {
    let mut reader = csv::Reader::from_path(file).with_context(|| file.display().to_string())?;
    let column = reader.headers()?.iter().position(|name| name == "close");
    let column = column.with_context(|| format!("{} has no column close", file.display()))?;
    let mut closes = Vec::new();
    for row in reader.records() {
        let close: rust_decimal::Decimal = row?.get(column).unwrap_or_default().parse()?;
        let units = rust_decimal::prelude::ToPrimitive::to_i64(&(close * rust_decimal::Decimal::from(UNIT)));
        closes.push(units.filter(|units| *units > 0).with_context(|| format!("{close} is no price"))?);
    }
    ensure!(closes.len() > 1, "{} has fewer than two prices", file.display());
    Ok(closes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_never_reaches_zero_and_keeps_the_files_proportions() {
        assert_eq!(scaled(150 * UNIT, 30, 40), 11_250_000_000);
        assert_eq!(scaled(3, 1, 1_000), 1);
    }
}
