//! Sets up a group with its banks and markets from a configuration file: the same on a local cluster and on any other. What is
//! there already is left alone, so that it can be run again after it was interrupted, and when something was added.

use anyhow::{Context, Result, bail, ensure};
use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
    value::Dict,
};
use margrave::{instructions::*, state::*};
use margrave_client::{
    Instruction, Pubkey, instruction, pda, pyth,
    rpc::{Connection, Sending, Snapshot},
    smile,
};
use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::{Deserialize, de::DeserializeOwned};
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::path::Path;

const DAY: i64 = 86_400;
/// Expiries are at 08:00 UTC, as on the large venues.
const HOUR_OF_EXPIRY: i64 = 8 * 3_600;

/// A market's configuration; `migrations/localnet.toml` is one.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub group: GroupConfig,
    /// What all banks and underlyings have unless they say otherwise.
    pub defaults: Defaults,
    #[serde(rename = "underlying")]
    pub underlyings: Vec<UnderlyingConfig>,
    /// The first is the quote token.
    #[serde(rename = "bank")]
    pub banks: Vec<BankConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    pub id: u16,
    /// Programs whose price accounts are believed.
    pub receivers: Vec<String>,
    pub terms: GroupTerms,
    /// [`OptionParameters::STANDARD`] when left out.
    pub options: Option<OptionParameters>,
    #[serde(default)]
    pub roles: RolesConfig,
}

/// Addresses; whoever deploys has the roles that nobody is named for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolesConfig {
    pub admin: Option<String>,
    pub manager: Option<String>,
    pub operator: Option<String>,
    pub guardian: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    pub oracle: Dict,
    pub risk: Dict,
    pub market: Dict,
    pub bank: Dict,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UnderlyingConfig {
    pub symbol: String,
    /// Decimals of a position's smallest unit.
    pub decimals: u8,
    /// Pyth's feed, 64 hexadecimal digits.
    pub feed: String,
    /// Where its prices are; Pyth's push account of shard 0 when left out.
    pub price_account: Option<String>,
    #[serde(default)]
    pub oracle: Dict,
    #[serde(default)]
    pub risk: Dict,
    #[serde(default)]
    pub market: Dict,
    #[serde(default, rename = "expiry")]
    pub expiries: Vec<ExpiryConfig>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpiryConfig {
    /// At 08:00 UTC so many days from today.
    pub days_ahead: i64,
    /// A year, at the forward.
    pub vol_ppm: u32,
    #[serde(default)]
    pub wings_ppm: u32,
    #[serde(default)]
    pub skew_ppm: i32,
    #[serde(default)]
    pub carry_ppm: i32,
    /// Of the price now, each rounded to a multiple of `strike_step` dollars.
    #[serde(default)]
    pub strikes_percent: Vec<u32>,
    pub strike_step: Decimal,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BankConfig {
    pub symbol: String,
    /// The token; when left out one is made with so many decimals, which only a local cluster wants.
    pub mint: Option<String>,
    pub decimals: Option<u8>,
    /// The underlying that prices it; none for the quote token.
    pub underlying: Option<String>,
    #[serde(default)]
    pub terms: Dict,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// What is missing, unknown or of the wrong type, and where.
    pub fn read(path: &Path) -> Result<Self> {
        let config: Self = Figment::from(Toml::file_exact(path))
            .extract()
            .with_context(|| format!("{} is not a market's configuration", path.display()))?;
        ensure!(!config.banks.is_empty(), "a group needs at least the bank of its quote token");
        ensure!(config.banks[0].underlying.is_none(), "the first bank is the quote token's, which has no underlying");
        Ok(config)
    }
}

/// What was set up, by name.
#[derive(Clone, Debug)]
pub struct Deployment {
    pub group: Pubkey,
    pub banks: Vec<DeployedBank>,
    pub underlyings: Vec<DeployedUnderlying>,
}

#[derive(Clone, Debug)]
pub struct DeployedBank {
    pub symbol: String,
    pub mint: Pubkey,
    pub bank: Pubkey,
}

#[derive(Clone, Debug)]
pub struct DeployedUnderlying {
    pub symbol: String,
    pub address: Pubkey,
    pub feed_id: [u8; 32],
    pub decimals: u8,
    pub price_account: Pubkey,
}

/// Who deploys, what, and how the mints and price accounts are found that the configuration leaves open.
pub struct Deployer<'a> {
    pub connection: &'a Connection,
    pub config: &'a Config,
    /// Pays, and is the program's upgrade authority where the group is not there yet.
    pub payer: &'a Keypair,
    /// Of the banks, in order; those of the configuration go first.
    pub mints: &'a [Pubkey],
    /// Where a feed's price is that the configuration names no account for.
    pub price_account: fn(&[u8; 32]) -> Pubkey,
    pub say: &'a dyn Fn(&str),
}

impl Deployer<'_> {
    /// Does what is not done yet.
    ///
    /// # Errors
    /// What the program refused and for what; everything before that is done.
    pub async fn deploy(&self) -> Result<Deployment> {
        let group = self.group().await?;
        let mut underlyings = Vec::new();
        for config in &self.config.underlyings {
            underlyings
                .push(self.underlying(group, config).await.with_context(|| format!("listing {}", config.symbol))?);
        }
        let mut banks = Vec::new();
        for (index, config) in self.config.banks.iter().enumerate() {
            let bank = self.bank(group, index, config, &underlyings).await;
            banks.push(bank.with_context(|| format!("listing the bank of {}", config.symbol))?);
        }
        for (listed, config) in underlyings.iter().zip(&self.config.underlyings) {
            self.expiries(group, listed, config).await.with_context(|| format!("expiries of {}", config.symbol))?;
        }
        if self.snapshot(group).await?.accounts.groups[&group].launched == 0 {
            (self.say)("launching");
            self.send(vec![instruction::launch(self.payer.pubkey(), group)]).await?;
        }
        Ok(Deployment { group, banks, underlyings })
    }

    async fn group(&self) -> Result<Pubkey> {
        let config = &self.config.group;
        let group = pda::group(config.id);
        if self.exists(&group).await? {
            return Ok(group);
        }
        (self.say)(&format!("creating group {} at {group}", config.id));
        let role = |name: &Option<String>| name.as_deref().map_or(Ok(self.payer.pubkey()), address);
        let roles = Roles {
            admin: role(&config.roles.admin)?,
            manager: role(&config.roles.manager)?,
            operator: role(&config.roles.operator)?,
            guardian: role(&config.roles.guardian)?,
        };
        let mut receivers = [Pubkey::default(); margrave::constants::MAX_RECEIVERS];
        ensure!(config.receivers.len() <= receivers.len(), "a group believes at most {} receivers", receivers.len());
        for (place, receiver) in receivers.iter_mut().zip(&config.receivers) {
            *place = address(receiver)?;
        }
        let options = config.options.unwrap_or(OptionParameters::STANDARD);
        let args = CreateGroupArgs { id: config.id, roles, receivers, terms: config.terms, options };
        self.send(vec![instruction::create_group(self.payer.pubkey(), self.mint(0)?, args)]).await?;
        Ok(group)
    }

    async fn underlying(&self, group: Pubkey, config: &UnderlyingConfig) -> Result<DeployedUnderlying> {
        let defaults = &self.config.defaults;
        let symbol = pda::symbol(&config.symbol);
        let address_of = pda::underlying(&group, &symbol);
        let feed_id = feed_id(&config.feed)?;
        let price_account =
            config.price_account.as_deref().map_or_else(|| Ok((self.price_account)(&feed_id)), address)?;
        let oracle = OracleTerms { feed_id, ..merged(&defaults.oracle, &config.oracle)? };
        let risk: RiskTerms = merged(&defaults.risk, &config.risk)?;
        let market: MarketTerms = merged(&defaults.market, &config.market)?;
        if !self.exists(&address_of).await? {
            (self.say)(&format!("listing {} at {address_of}", config.symbol));
            let manager = self.payer.pubkey();
            let grow = instruction::grow_underlying(manager, group, symbol);
            let args = ListUnderlyingArgs { symbol, decimals: config.decimals, oracle, risk };
            let list = instruction::list_underlying(manager, group, args);
            self.send(vec![grow.clone(), grow, list]).await?;
        }
        let there = self.load(group, &address_of).await?.1;
        // The program counts the versions itself.
        let risk = RiskTerms { version: there.risk.version, ..risk };
        if (there.oracle.terms, there.risk, there.market) != (oracle, risk, market) {
            self.change(group, Change::Underlying { underlying: address_of, oracle, risk, market }, None).await?;
        }
        let symbol = config.symbol.clone();
        Ok(DeployedUnderlying { symbol, address: address_of, feed_id, decimals: config.decimals, price_account })
    }

    async fn bank(
        &self,
        group: Pubkey,
        index: usize,
        config: &BankConfig,
        underlyings: &[DeployedUnderlying],
    ) -> Result<DeployedBank> {
        let mint = self.mint(index)?;
        let bank = pda::bank(&group, &mint);
        let priced_by = |symbol: &String| {
            let found = underlyings.iter().find(|listed| listed.symbol == *symbol);
            found.map(|listed| listed.address).with_context(|| format!("there is no underlying {symbol}"))
        };
        let underlying = config.underlying.as_ref().map(priced_by).transpose()?;
        let terms: BankTerms = merged(&self.config.defaults.bank, &config.terms)?;
        if !self.exists(&bank).await? {
            (self.say)(&format!("listing the bank of {} at {bank}", config.symbol));
            let token_program = self.connection.rpc().get_account(&mint).await?.owner;
            let list = instruction::list_bank(self.payer.pubkey(), group, mint, underlying, token_program);
            self.send(vec![list]).await?;
        }
        let there = self.snapshot(group).await?.accounts.banks.get(&bank).map(|bank| bank.terms);
        if there != Some(terms) {
            self.change(group, Change::Bank { bank, terms }, underlying).await?;
        }
        Ok(DeployedBank { symbol: config.symbol.clone(), mint, bank })
    }

    async fn expiries(&self, group: Pubkey, listed: &DeployedUnderlying, config: &UnderlyingConfig) -> Result<()> {
        if config.expiries.is_empty() {
            return Ok(());
        }
        if self.load(group, &listed.address).await?.1.oracle.price == 0 {
            let refresh = instruction::refresh_price(group, listed.address, listed.price_account);
            let first = format!("the first price of {}, from {}", config.symbol, listed.price_account);
            self.send(vec![refresh]).await.with_context(|| first)?;
        }
        let operator = self.payer.pubkey();
        for expiry in &config.expiries {
            let (now, underlying) = self.load(group, &listed.address).await?;
            let time = (now.div_euclid(DAY) + expiry.days_ahead) * DAY + HOUR_OF_EXPIRY;
            if underlying.expiries.iter().all(|slot| slot.time != time) {
                (self.say)(&format!("listing {} expiring in {} days", config.symbol, expiry.days_ahead));
                let surface = smile(expiry.vol_ppm, expiry.wings_ppm, expiry.skew_ppm, expiry.carry_ppm, time - now);
                let surface = surface.context("the volatility is out of range")?;
                let args = ListExpiryArgs { time, surface };
                self.send(vec![instruction::list_expiry(operator, group, listed.address, args)]).await?;
            }
            let sheet = self.load(group, &listed.address).await?.1;
            let index = sheet.expiries.iter().position(|slot| slot.time == time).context("the expiry is not there")?;
            let there: Vec<i64> = sheet
                .strikes
                .iter()
                .filter(|strike| usize::from(strike.expiry) == index + 1)
                .map(|strike| strike.strike_price().price().raw())
                .collect();
            let mut strikes = strikes(expiry, underlying.oracle.price)?;
            // What was interrupted is completed; around another price than the first time's none is added.
            let missing = strikes.len().saturating_sub(there.len());
            strikes.retain(|strike| !there.contains(strike));
            strikes.truncate(missing);
            let index = u8::try_from(index)?;
            for chunk in strikes.chunks(8) {
                self.send(vec![instruction::list_strikes(operator, group, listed.address, index, chunk.to_vec())])
                    .await?;
            }
        }
        Ok(())
    }

    /// At once, as a group that is not launched allows, or by the queue afterwards.
    async fn change(&self, group: Pubkey, change: Change, bank_underlying: Option<Pubkey>) -> Result<()> {
        let payer = self.payer.pubkey();
        let now = instruction::change_now(payer, group, change.clone(), bank_underlying);
        let Err(error) = self.send(vec![now]).await else { return Ok(()) };
        let failure = error.downcast_ref::<margrave_client::rpc::Failure>();
        let refusal = failure.and_then(margrave_client::rpc::Failure::refusal);
        if refusal.is_none_or(|refusal| !refusal.is(margrave::error::MargraveError::ChangeMustBeQueued)) {
            return Err(error);
        }
        let snapshot = self.snapshot(group).await?;
        if snapshot.proposals.iter().any(|(_, proposal)| proposal.change == change) {
            (self.say)("a change is queued already and waits for its time lock");
            return Ok(());
        }
        let id = snapshot.accounts.groups[&group].proposals;
        self.send(vec![instruction::queue_change(payer, group, id, change)]).await?;
        (self.say)(&format!("queued as proposal {id}: the group is launched, and this needs its time lock"));
        Ok(())
    }

    fn mint(&self, index: usize) -> Result<Pubkey> {
        let config = &self.config.banks[index];
        match (&config.mint, self.mints.get(index)) {
            (Some(mint), _) => address(mint),
            (None, Some(mint)) => Ok(*mint),
            (None, None) => bail!("the bank of {} names no mint", config.symbol),
        }
    }

    async fn load(&self, group: Pubkey, key: &Pubkey) -> Result<(i64, Box<Underlying>)> {
        let mut snapshot = self.snapshot(group).await?;
        let found = snapshot.accounts.underlyings.remove(key);
        Ok((snapshot.now, found.with_context(|| format!("{key} is not there"))?))
    }

    async fn snapshot(&self, group: Pubkey) -> Result<Snapshot> {
        Ok(self.connection.snapshot(&group).await?)
    }

    async fn exists(&self, key: &Pubkey) -> Result<bool> {
        let rpc = self.connection.rpc();
        let account = rpc.get_account_with_commitment(key, rpc.commitment()).await?.value;
        // An underlying grows to its size in two steps, within the transaction that lists it.
        Ok(account
            .is_some_and(|account| account.owner == margrave::ID && account.data.iter().take(8).any(|&byte| byte != 0)))
    }

    async fn send(&self, instructions: Vec<Instruction>) -> Result<()> {
        self.connection.send(&Sending::new(self.payer, instructions)).await?;
        Ok(())
    }
}

/// The terms of a kind, with what this one says over what all have.
fn merged<T: DeserializeOwned>(defaults: &Dict, own: &Dict) -> Result<T> {
    Ok(Figment::from(Serialized::defaults(defaults)).merge(Serialized::defaults(own)).extract()?)
}

/// 10^-10 dollars, in order, none twice.
fn strikes(expiry: &ExpiryConfig, price: i64) -> Result<Vec<i64>> {
    let step = (expiry.strike_step * Decimal::from(10_000_000_000_i64)).to_i64().filter(|step| *step > 0);
    let step = step.context("a strike step is a positive number of dollars")?;
    let near =
        |percent: &u32| (i128::from(price) * i128::from(*percent) / 100 + i128::from(step) / 2) / i128::from(step);
    let strikes: std::collections::BTreeSet<i128> = expiry.strikes_percent.iter().map(near).collect();
    strikes.into_iter().filter(|steps| *steps > 0).map(|steps| Ok(i64::try_from(steps * i128::from(step))?)).collect()
}

/// 32 bytes of 64 hexadecimal digits, with or without 0x.
pub fn feed_id(text: &str) -> Result<[u8; 32]> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    ensure!(digits.len() == 64 && digits.is_ascii(), "a feed is 64 hexadecimal digits, not {text:?}");
    let mut feed = [0; 32];
    for (byte, pair) in feed.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair)?, 16).with_context(|| format!("{text:?}"))?;
    }
    Ok(feed)
}

fn address(text: &str) -> Result<Pubkey> {
    text.parse().with_context(|| format!("{text:?} is not an address"))
}

/// Pyth's own account of a feed.
pub fn push_account(feed_id: &[u8; 32]) -> Pubkey {
    pyth::push_account(0, feed_id)
}

/// Where the price receiver of a local network keeps a feed.
pub fn local_account(feed_id: &[u8; 32]) -> Pubkey {
    Pubkey::find_program_address(&[feed_id], &pyth::RECEIVER).0
}
