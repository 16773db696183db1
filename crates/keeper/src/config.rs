//! What a keeper is told: a TOML file, then `MARGRAVE_KEEPER_*` variables, then flags, the later ones first.
//!
//! Money is in micro-dollars and compute prices in micro-lamports, as on chain: whole numbers only.

use crate::feed::Source;
use anyhow::{Context, Result, ensure};
use figment::{
    Figment,
    providers::{Env, Format, Serialized, Toml},
};
use margrave_client::{Pubkey, pda, pyth, rpc::Priority};
use serde::{Deserialize, Serialize, de::Error as _};
use std::{fmt, net::SocketAddr, path::Path, path::PathBuf, str::FromStr};

/// Variables of the environment; two underscores lead into a table: `MARGRAVE_KEEPER_JOBS__SWEEP=true`.
const PREFIX: &str = "MARGRAVE_KEEPER_";

/// Everything a keeper can be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// HTTP endpoint of a node.
    pub rpc_url: String,
    /// Its websocket; left out: the same host, one port above for a local node. Empty: accounts are polled instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ws_url: Option<String>,
    /// Where changes of accounts are listened for instead of the websocket.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yellowstone: Option<Yellowstone>,
    /// `processed`, `confirmed` or `finalized`.
    pub commitment: String,
    /// The group that is watched.
    pub group: Address,
    /// Path of the wallet that pays and signs, as `solana-keygen` writes it.
    pub keypair: PathBuf,
    /// Which of the wallet's margin accounts liquidates.
    pub margin_account: u16,
    /// A lookup table of what the keeper's transactions name again and again: `margrave-keeper --create-table` makes one. Without it a
    /// step about an account with many markets may be too long to send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lookup_table: Option<Address>,
    /// Simulates and never sends.
    pub dry_run: bool,
    /// Where `/metrics`, `/health` and `/ready` are served.
    pub listen: SocketAddr,
    /// `json` or `text`.
    pub log_format: LogFormat,
    /// As in RUST_LOG.
    pub log: String,
    /// Nothing else than these is liquidated or resolved; empty: everybody.
    pub only: Vec<Address>,
    /// These are not.
    pub except: Vec<Address>,
    #[serde(rename = "loop")]
    pub loop_: Loop,
    pub profit: Profit,
    pub priority: PriorityPolicy,
    pub jobs: Jobs,
    /// Where prices are read that are not in a sponsored Pyth feed.
    pub price: Vec<PriceSource>,
}

/// A Yellowstone gRPC endpoint. The feature `yellowstone` builds what listens to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Yellowstone {
    pub url: String,
    /// What the endpoint knows its user by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
}

/// How often what is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Loop {
    /// Time from one look to the next, milliseconds.
    pub tick_ms: u64,
    /// Everything is read again after so many seconds, whatever the websocket said.
    pub resync_secs: u64,
    /// The same while there is no websocket.
    pub poll_secs: u64,
    /// An account's valuation is not relied on for longer, seconds.
    pub revalue_secs: u32,
    /// Actions under way at once.
    pub max_in_flight: usize,
    /// After a failure an account is left alone for so long, milliseconds; each further one doubles it, up to the most.
    pub backoff_ms: u64,
    pub backoff_most_ms: u64,
    /// Slots behind which the keeper is not ready.
    pub max_slot_lag: u64,
}

/// What a liquidation has to earn, micro-dollars. What saves the group from loss is done for less: bankruptcies and their losses are
/// resolved at the keeper's cost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Profit {
    /// After the transaction's fee.
    pub least: i64,
    /// The underlying that values lamports, by its symbol; empty: at `sol_price`.
    pub sol: String,
    /// Micro-dollars for each SOL where that underlying is not listed.
    pub sol_price: i64,
    /// Underlyings on which nothing is taken over from accounts that have been bankrupt for less than `avoided_secs`.
    pub avoided: Vec<String>,
    pub avoided_secs: i64,
}

/// What is paid on top, micro-lamports for each compute unit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PriorityPolicy {
    /// A percentile of what was lately paid for the same accounts; zero: `price`.
    pub percentile: u8,
    /// A fixed price.
    pub price: u64,
    /// The most that the percentile may lead to.
    pub most: u64,
}

/// What is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jobs {
    /// Put newer prices on chain; funding, volatility and expiries come with them.
    pub prices: bool,
    /// An unchanged price is put after so many seconds, a changed one when it is so many millionths away, and any when it is needed.
    pub price_secs: i64,
    pub price_ppm: u32,
    /// Add interest to banks, each after so many seconds.
    pub interest: bool,
    pub interest_secs: i64,
    /// Follow the quote token's price.
    pub depeg: bool,
    /// Flags and liquidations.
    pub liquidation: bool,
    /// Deficits, written-off debts, deleveraging.
    pub bankruptcy: bool,
    /// Register profit, share losses.
    pub losses: bool,
    /// Settle expired positions, and close expiries that nobody holds.
    pub expiry: bool,
    /// Make losers pay and winners draw, each at most once in so many seconds, and only for so many micro-dollars.
    pub settlement: bool,
    pub settlement_secs: i64,
    pub settlement_least: i64,
    /// Move fees out of the pools.
    pub sweep: bool,
    /// Execute queued changes whose time has come.
    pub proposals: bool,
}

/// Where the price of an underlying is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceSource {
    /// Its symbol or address; or its feed, 64 hexadecimal digits.
    #[serde(alias = "feed")]
    pub underlying: String,
    pub account: Address,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

/// An address in base 58.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Address(pub Pubkey);

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let key = Pubkey::from_str(&text);
        key.map(Self).map_err(|_| D::Error::custom(format!("{text:?} is not an address in base 58")))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            rpc_url: "http://127.0.0.1:8899".to_owned(),
            ws_url: None,
            yellowstone: None,
            commitment: "confirmed".to_owned(),
            group: Address(pda::group(0)),
            keypair: PathBuf::from("~/.config/solana/id.json"),
            margin_account: 0,
            lookup_table: None,
            dry_run: false,
            listen: SocketAddr::from(([127, 0, 0, 1], 9464)),
            log_format: LogFormat::Json,
            log: "info".to_owned(),
            only: Vec::new(),
            except: Vec::new(),
            loop_: Loop::default(),
            profit: Profit::default(),
            priority: PriorityPolicy::default(),
            jobs: Jobs::default(),
            price: Vec::new(),
        }
    }
}

impl Default for Loop {
    fn default() -> Self {
        Self {
            tick_ms: 400,
            resync_secs: 60,
            poll_secs: 2,
            revalue_secs: 60,
            max_in_flight: 32,
            backoff_ms: 1_000,
            backoff_most_ms: 60_000,
            max_slot_lag: 50,
        }
    }
}

impl Default for Profit {
    fn default() -> Self {
        Self { least: 0, sol: "SOL".to_owned(), sol_price: 0, avoided: Vec::new(), avoided_secs: 600 }
    }
}

impl Default for PriorityPolicy {
    fn default() -> Self {
        Self { percentile: 75, price: 0, most: 1_000_000 }
    }
}

impl Default for Jobs {
    fn default() -> Self {
        Self {
            prices: true,
            price_secs: 10,
            price_ppm: 1_000,
            interest: true,
            interest_secs: 3_600,
            depeg: true,
            liquidation: true,
            bankruptcy: true,
            losses: true,
            expiry: true,
            settlement: true,
            settlement_secs: 600,
            settlement_least: 1_000_000,
            sweep: false,
            proposals: false,
        }
    }
}

impl Config {
    /// The defaults, then `file`, then the environment, then `over`, of which only what is set counts.
    ///
    /// # Errors
    /// Names the key that is unknown, missing or of a wrong form, and where it was given.
    pub fn load(file: Option<&Path>, over: impl Serialize) -> Result<Self> {
        let mut figment = Figment::from(Serialized::defaults(Self::default()));
        if let Some(file) = file {
            ensure!(file.exists(), "{}: there is no such file", file.display());
            figment = figment.merge(Toml::file_exact(file));
        }
        let figment = figment.merge(Env::prefixed(PREFIX).split("__")).merge(Serialized::defaults(over));
        let config: Self = figment.extract().context("the configuration cannot be used")?;
        config.require_valid()?;
        Ok(config)
    }

    fn require_valid(&self) -> Result<()> {
        ensure!(self.rpc_url.starts_with("http"), "rpc_url {:?} does not begin with http", self.rpc_url);
        let is_ws = |url: &String| url.is_empty() || url.starts_with("ws");
        ensure!(self.ws_url.as_ref().is_none_or(is_ws), "ws_url {:?} does not begin with ws", self.ws_url);
        if let Some(Yellowstone { url, .. }) = &self.yellowstone {
            ensure!(
                cfg!(feature = "yellowstone"),
                "[yellowstone] is given to a keeper that was built without it: cargo build -p margrave-keeper --features yellowstone"
            );
            ensure!(url.starts_with("http"), "[yellowstone] url does not begin with http");
        }
        ensure!(
            ["processed", "confirmed", "finalized"].contains(&self.commitment.as_str()),
            "commitment {:?} is none of processed, confirmed, finalized",
            self.commitment
        );
        let Loop { tick_ms, resync_secs, poll_secs, revalue_secs, max_in_flight, backoff_ms, backoff_most_ms, .. } =
            self.loop_;
        ensure!(tick_ms > 0 && resync_secs > 0 && poll_secs > 0 && revalue_secs > 0, "[loop] a time is zero");
        // What a valuation may change by itself is bounded for this long: see `book`.
        ensure!(revalue_secs <= 60, "[loop] revalue_secs is more than 60");
        ensure!(max_in_flight > 0, "[loop] max_in_flight is zero");
        ensure!(
            backoff_ms > 0 && backoff_ms <= backoff_most_ms,
            "[loop] backoff_ms is not within 1 and backoff_most_ms"
        );
        ensure!(self.priority.percentile <= 100, "[priority] percentile is more than 100");
        Ok(())
    }

    /// What is listened to: Yellowstone where it is given, else the websocket. `None`: accounts are polled.
    pub fn source(&self) -> Option<Source> {
        #[cfg(feature = "yellowstone")]
        if let Some(endpoint) = &self.yellowstone {
            return Some(Source::Yellowstone(endpoint.clone()));
        }
        self.websocket().map(Source::Websocket)
    }

    /// The websocket: as given, or beside the HTTP endpoint.
    fn websocket(&self) -> Option<String> {
        let url = self.ws_url.clone().unwrap_or_else(|| beside(&self.rpc_url));
        (!url.is_empty()).then_some(url)
    }

    pub fn priority(&self) -> Priority {
        let PriorityPolicy { percentile, price, most } = self.priority;
        if percentile == 0 { Priority::Fixed(price) } else { Priority::Percentile { percentile, most } }
    }

    /// Where the price of an underlying is: as configured by address, symbol or feed, else Pyth's sponsored feed of shard 0.
    pub fn price_account(&self, key: &Pubkey, symbol: &str, feed: &[u8; 32]) -> Pubkey {
        let (key, feed_text) = (key.to_string(), hex(feed));
        let named = |source: &&PriceSource| {
            let name = source.underlying.trim_start_matches("0x");
            name == key || name.eq_ignore_ascii_case(symbol) || name.eq_ignore_ascii_case(&feed_text)
        };
        match self.price.iter().find(named) {
            Some(source) => source.account.0,
            None => pyth::push_account(0, feed),
        }
    }

    /// The wallet's path with the home directory in it.
    pub fn keypair_path(&self) -> PathBuf {
        match (self.keypair.strip_prefix("~"), std::env::home_dir()) {
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.keypair.clone(),
        }
    }

    /// As TOML, without what endpoints carry in path or query: that is where keys are.
    pub fn printed(&self) -> Result<String> {
        let mut shown = self.clone();
        shown.rpc_url = host_of(&shown.rpc_url);
        shown.ws_url = shown.ws_url.map(|url| host_of(&url));
        if let Some(Yellowstone { url, token }) = &mut shown.yellowstone {
            (*url, *token) = (host_of(url), token.as_ref().map(|_| "(hidden)".to_owned()));
        }
        Ok(toml::to_string(&shown)?)
    }
}

/// A local node's websocket is one port above; others' is at the same place.
fn beside(rpc_url: &str) -> String {
    let url = rpc_url.replacen("http", "ws", 1);
    let (host, rest) = url.split_at(url.find('/').map_or(0, |slash| slash + 2));
    let (place, path) = rest.split_once('/').unwrap_or((rest, ""));
    match place.rsplit_once(':').and_then(|(name, port)| Some((name, port.parse::<u16>().ok()?.checked_add(1)?))) {
        Some((name, port)) => format!("{host}{name}:{port}/{path}"),
        None => url,
    }
}

fn host_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let place = rest.split(['/', '?']).next().unwrap_or_default();
    let place = place.rsplit_once('@').map_or(place, |(_, host)| host);
    let hidden = if rest.trim_end_matches('/').len() > place.len() { "/(hidden)" } else { "" };
    format!("{scheme}://{place}{hidden}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../keeper.example.toml");

    #[test]
    fn the_example_is_the_defaults_but_for_what_it_must_name() {
        let example: Config = Figment::from(Toml::string(EXAMPLE)).extract().unwrap();
        let Config { price, .. } = &example;
        assert_eq!(price.len(), 1);
        assert_eq!(Config { price: vec![], ..example }, Config::default());
    }

    #[test]
    fn the_example_names_every_key() {
        let text = toml::to_string(&Config {
            ws_url: Some(String::new()),
            lookup_table: Some(Address(pyth::RECEIVER)),
            yellowstone: Some(Yellowstone { url: String::new(), token: Some(String::new()) }),
            ..Config::default()
        })
        .unwrap();
        for line in text.lines().filter(|line| !line.is_empty()) {
            let key = line.split('=').next().unwrap_or_default().trim();
            assert!(EXAMPLE.contains(key), "keeper.example.toml does not mention {key}");
        }
    }

    #[test]
    fn what_is_printed_can_be_read_again_and_hides_keys() {
        let config = Config {
            rpc_url: "https://user:pass@rpc.example.com/secret?api-key=secret".to_owned(),
            yellowstone: Some(Yellowstone { url: "https://grpc.example.com/secret".to_owned(), token: None }),
            ..Config::default()
        };
        let with_token = Yellowstone { url: "http://127.0.0.1:1".to_owned(), token: Some("secret".to_owned()) };
        let shown = Config { yellowstone: Some(with_token), ..config.clone() }.printed().unwrap();
        assert!(shown.contains("token = \"(hidden)\"") && !shown.contains("secret"), "{shown}");
        let text = config.printed().unwrap();
        assert!(!text.contains("secret") && !text.contains("pass"), "{text}");
        let again: Config = Figment::from(Toml::string(&text)).extract().unwrap();
        assert_eq!(again.rpc_url, "https://rpc.example.com/(hidden)");
        let (rpc_url, yellowstone) = (config.rpc_url.clone(), config.yellowstone.clone());
        assert_eq!(Config { rpc_url, yellowstone, ..again }, config);
    }

    #[test]
    fn an_unknown_key_is_refused_by_name() {
        let error = Figment::from(Toml::string("[jobs]\nswep = true")).extract::<Config>().unwrap_err();
        assert!(error.to_string().contains("swep"), "{error}");
    }

    #[test]
    fn the_websocket_of_a_local_node_is_one_port_above() {
        let at = |url: &str| Config { rpc_url: url.to_owned(), ..Config::default() }.websocket().unwrap();
        assert_eq!(at("http://127.0.0.1:8899"), "ws://127.0.0.1:8900/");
        assert_eq!(at("https://rpc.example.com/?key=1"), "wss://rpc.example.com/?key=1");
    }

    #[test]
    fn a_price_is_where_the_file_says_or_in_the_sponsored_feed() {
        let (key, feed) = (Pubkey::new_from_array([7; 32]), [0xab; 32]);
        for named in ["SOL".to_owned(), key.to_string(), "ab".repeat(32), format!("0x{}", "AB".repeat(32))] {
            let source = PriceSource { underlying: named, account: Address(pyth::RECEIVER) };
            let config = Config { price: vec![source], ..Config::default() };
            assert_eq!(config.price_account(&key, "SOL", &feed), pyth::RECEIVER);
            assert_eq!(config.price_account(&Pubkey::default(), "BTC", &[1; 32]), pyth::push_account(0, &[1; 32]));
        }
    }
}
