//! The cluster, wallet and group that a command works with, as the Solana command line's configuration and flags say.

use crate::{
    market::Market,
    quote_server::{LOCAL, QuoteServer},
    usage,
    view::{View, facts},
};
use anchor_lang::Discriminator;
use anyhow::{Context, Result, anyhow, bail};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use margrave::state::{Bank, MarginAccount, Proposal, Underlying, Venue};
use margrave_client::{
    Accounts, Event, Instruction, Pubkey, pda,
    rpc::{Connection, Failure, Format, Key, Priority, Sending, Snapshot},
};
use serde::Serialize;
use solana_commitment_config::CommitmentConfig;
use solana_keypair::{Keypair, Signer, read_keypair_file};
use solana_rpc_client_api::filter::{Memcmp, RpcFilterType};
use std::{
    collections::HashMap,
    io::{IsTerminal, Write, stdout},
    path::PathBuf,
    time::Duration,
};

/// How answers are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    #[default]
    Table,
    Json,
}

/// Flags that every command has.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Cluster, wallet, output")]
pub struct Options {
    /// Configuration of the Solana command line [default: ~/.config/solana/cli/config.yml].
    #[arg(short = 'C', long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// A node's address, or mainnet-beta, testnet, devnet, localhost (or their first letters).
    #[arg(short, long, global = true, value_name = "URL_OR_MONIKER")]
    pub url: Option<String>,
    /// The wallet that signs and pays.
    #[arg(short, long, global = true, value_name = "FILE")]
    pub keypair: Option<PathBuf>,
    /// processed, confirmed or finalized.
    #[arg(long, global = true)]
    pub commitment: Option<CommitmentConfig>,
    /// The group's address [default: the only one there is].
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub group: Option<Pubkey>,
    /// The margin account: its number among the wallet's, or its address [default: 0].
    #[arg(long, global = true, value_name = "NUMBER_OR_ADDRESS")]
    pub account: Option<String>,
    /// A table for people or JSON for programs, which has all digits and integer smallest units.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub output: Output,
    /// Simulate what would be sent, and send nothing.
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Priority fee, micro-lamports for each compute unit.
    #[arg(long, global = true, value_name = "MICROLAMPORTS", default_value_t = 0)]
    pub with_compute_unit_price: u64,
    /// An address lookup table for large transactions; may be given several times.
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub lookup_table: Vec<Pubkey>,
    /// Where tokens' symbols are asked for, and quotes unless told otherwise [default: http://127.0.0.1:8787 on a local cluster].
    #[arg(long, global = true, value_name = "URL")]
    pub maker_url: Option<String>,
}

/// What a command needs to read.
#[derive(Clone, Debug)]
pub enum Reading {
    /// The group's banks and underlyings, and these margin accounts.
    Only(Vec<Pubkey>),
    /// The same and the margin accounts of one owner.
    OwnedBy(Pubkey),
    /// Every account of the group.
    Everything,
}

/// A cluster, and who talks to it.
pub struct Chain {
    pub connection: Connection,
    pub options: Options,
    url: String,
    keypair_path: String,
}

/// What became of a transaction.
#[derive(Clone, Debug, Serialize)]
pub struct Sent {
    pub what: String,
    /// None when it was only simulated.
    pub signature: Option<String>,
    pub slot: Option<u64>,
    pub compute_units: u64,
}

impl View for Sent {
    fn text(&self, _: bool) -> String {
        match (&self.signature, self.slot) {
            (Some(signature), Some(slot)) => facts(&[
                ("Done", self.what.clone()),
                ("Signature", signature.clone()),
                ("Slot, compute units", format!("{slot}, {}", self.compute_units)),
            ]),
            _ => format!("would be done: {} ({} compute units); nothing was sent", self.what, self.compute_units),
        }
    }
}

impl Chain {
    /// # Errors
    /// A configuration that cannot be read.
    pub fn new(options: Options) -> Result<Self> {
        let default_path = solana_cli_config::CONFIG_FILE.clone().map(PathBuf::from);
        let config = match (&options.config, default_path) {
            (Some(path), _) => load_config(path)?,
            (None, Some(path)) if path.exists() => load_config(&path)?,
            _ => solana_cli_config::Config::default(),
        };
        let url = expand(options.url.as_deref().unwrap_or(&config.json_rpc_url)).to_owned();
        let keypair_path = match &options.keypair {
            Some(path) => path.display().to_string(),
            None => config.keypair_path.clone(),
        };
        let commitment = match options.commitment {
            Some(commitment) => commitment,
            None => config.commitment.parse().unwrap_or(CommitmentConfig::confirmed()),
        };
        Ok(Self { connection: Connection::with_commitment(&url, commitment), options, url, keypair_path })
    }

    /// # Errors
    /// When there is no readable keypair file.
    pub fn wallet(&self) -> Result<Keypair> {
        read_keypair(&self.keypair_path)
    }

    /// The group that was named, or the only one there is.
    ///
    /// # Errors
    /// When there are none or several; all are listed.
    pub async fn group(&self) -> Result<Pubkey> {
        if let Some(group) = self.options.group {
            return Ok(group);
        }
        let groups = self.connection.groups().await.map_err(|failure| self.explain(failure))?;
        match groups[..] {
            [only] => Ok(only),
            [] => bail!("there is no group on {}: deploy one, or name another cluster with --url", self.url),
            _ => {
                let all: Vec<String> = groups.iter().map(ToString::to_string).collect();
                Err(usage(format!("there are several groups: name one with --group: {}", all.join(", "))))
            }
        }
    }

    /// The margin account that was named: `text`, else `--account`, else number 0 of the wallet.
    ///
    /// # Errors
    /// What is neither a number nor an address; a number without a wallet.
    pub fn margin_account(&self, group: &Pubkey, text: Option<&str>) -> Result<Pubkey> {
        let text = text.or(self.options.account.as_deref()).unwrap_or("0");
        if let Ok(address) = text.parse() {
            return Ok(address);
        }
        let number = self.number(text)?;
        Ok(pda::margin_account(group, &self.wallet()?.pubkey(), number))
    }

    /// A number of a margin account among its owner's.
    ///
    /// # Errors
    /// What is none.
    pub fn number(&self, text: &str) -> Result<u16> {
        text.parse()
            .map_err(|_| usage(format!("'{text}' is neither the number of an account, 0 to 65535, nor an address")))
    }

    /// Reads the group.
    ///
    /// # Errors
    /// When the node does not answer, or the group or an account is not there.
    pub async fn market(&self, group: Pubkey, reading: Reading) -> Result<Market> {
        Ok(self.market_and_proposals(group, reading).await?.0)
    }

    /// The same with queued changes.
    ///
    /// # Errors
    /// As [`Chain::market`].
    pub async fn market_and_proposals(
        &self,
        group: Pubkey,
        reading: Reading,
    ) -> Result<(Market, Vec<(Pubkey, Proposal)>)> {
        let progress = self.progress("reading the group");
        let snapshot = match reading {
            Reading::Everything => self.connection.snapshot(&group).await,
            Reading::Only(accounts) => self.read_only(&group, &accounts, None).await,
            Reading::OwnedBy(owner) => self.read_only(&group, &[], Some(&owner)).await,
        };
        let Snapshot { slot, now, accounts, proposals } = snapshot.map_err(|failure| self.explain(failure))?;
        let mut market = Market::new(group, accounts, now, slot)?;
        if let Some(info) = self.server_info().await {
            let known = info.banks.into_iter().filter_map(|bank| Some((bank.mint.parse().ok()?, bank.symbol)));
            market.symbols = known.collect();
        }
        progress.finish_and_clear();
        Ok((market, proposals))
    }

    /// A venue by its address.
    ///
    /// # Errors
    /// When it is none.
    pub async fn venue(&self, key: &Pubkey) -> Result<Venue> {
        let rpc = self.connection.rpc();
        let found = rpc.get_account_with_commitment(key, rpc.commitment()).await?.value;
        let mut accounts = Accounts::default();
        if let Some(account) = found.filter(|account| account.owner == margrave::ID) {
            accounts.insert(*key, &account.data);
        }
        accounts.venues.remove(key).with_context(|| format!("{key} is no venue"))
    }

    async fn read_only(
        &self,
        group: &Pubkey,
        accounts: &[Pubkey],
        owner: Option<&Pubkey>,
    ) -> Result<Snapshot, Failure> {
        let mut snapshot = Snapshot { slot: u64::MAX, ..Snapshot::default() };
        let banks = (Bank::DISCRIMINATOR, std::mem::offset_of!(Bank, group));
        let underlyings = (Underlying::DISCRIMINATOR, std::mem::offset_of!(Underlying, group));
        let mut wanted = [banks, underlyings].map(|(kind, at)| vec![is_a(kind), names(at, group)]).to_vec();
        if let Some(owner) = owner {
            let (group_at, owner_at) =
                (std::mem::offset_of!(MarginAccount, group), std::mem::offset_of!(MarginAccount, owner));
            wanted.push(vec![is_a(MarginAccount::DISCRIMINATOR), names(group_at, group), names(owner_at, owner)]);
        }
        for filters in wanted {
            let (slot, found) = self.connection.program_accounts(filters).await?;
            snapshot.slot = snapshot.slot.min(slot);
            for (key, data) in found {
                snapshot.insert(key, &data);
            }
        }
        let mut keys = accounts.to_vec();
        keys.push(*group);
        for keys in keys.chunks(100) {
            let found = self.connection.rpc().get_multiple_accounts(keys).await?;
            for (key, account) in keys.iter().zip(found) {
                if let Some(account) = account.filter(|account| account.owner == margrave::ID) {
                    snapshot.insert(*key, &account.data);
                }
            }
        }
        snapshot.now = self.connection.now().await?;
        Ok(snapshot)
    }

    /// The group's accounts at one slot together with the tokens in its vaults at about the same time: until the vaults are the same
    /// before and after.
    ///
    /// # Errors
    /// As [`Chain::market`]; and when the vaults do not stand still for five attempts.
    pub async fn books(&self, group: Pubkey) -> Result<(Market, HashMap<Pubkey, u64>)> {
        let banks = self.market(group, Reading::Only(Vec::new())).await?;
        let progress = self.progress("reading every account");
        let mut vaults = self.vaults(&banks).await?;
        for _ in 0..5 {
            let read = self.connection.program_accounts(Vec::new()).await;
            let (slot, found) = read.map_err(|failure| self.explain(failure))?;
            let mut accounts = Accounts::default();
            for (key, data) in found {
                accounts.insert(key, &data);
            }
            let now = self.connection.now().await.map_err(|failure| self.explain(failure))?;
            let mut market = Market::new(group, accounts, now, slot)?;
            market.symbols.clone_from(&banks.symbols);
            let after = self.vaults(&market).await?;
            if vaults == after {
                progress.finish_and_clear();
                return Ok((market, vaults));
            }
            vaults = after;
        }
        bail!("money moved through the vaults during each of five attempts to read the books: try again")
    }

    async fn vaults(&self, market: &Market) -> Result<HashMap<Pubkey, u64>> {
        let keys: Vec<Pubkey> = market.banks().iter().map(|(_, bank)| bank.vault).collect();
        let mut vaults = HashMap::new();
        for keys in keys.chunks(100) {
            let found = self.connection.rpc().get_multiple_accounts(keys).await?;
            for (key, account) in keys.iter().zip(found) {
                let amount = account.as_ref().and_then(|account| tokens_in(&account.data));
                vaults.insert(*key, amount.with_context(|| format!("the vault {key} cannot be read"))?);
            }
        }
        Ok(vaults)
    }

    /// Where quotes are asked for.
    ///
    /// # Errors
    /// When none was named and the cluster is not a local one.
    pub fn quote_server(&self) -> Result<QuoteServer> {
        match self.server_url() {
            Some(url) => QuoteServer::new(&url),
            None => Err(usage("name a quote server with --maker-url: only a local cluster has one by default")),
        }
    }

    fn server_url(&self) -> Option<String> {
        let is_local = self.url.contains("//127.0.0.1") || self.url.contains("//localhost");
        self.options.maker_url.clone().or_else(|| is_local.then(|| LOCAL.to_owned()))
    }

    async fn server_info(&self) -> Option<crate::quote_server::Info> {
        QuoteServer::new(&self.server_url()?).ok()?.info().await
    }

    /// Simulates the instructions, and unless `--dry-run` sends them. The wallet pays and signs, `signers` besides.
    ///
    /// # Errors
    /// What the program refused with its remedy; what the node said.
    pub async fn send(&self, what: &str, instructions: Vec<Instruction>, signers: &[&Keypair]) -> Result<Sent> {
        Ok(self.send_telling(what, instructions, signers).await?.0)
    }

    /// The same with what the simulation said would happen.
    ///
    /// # Errors
    /// As [`Chain::send`].
    pub async fn send_telling(
        &self,
        what: &str,
        instructions: Vec<Instruction>,
        signers: &[&Keypair],
    ) -> Result<(Sent, Vec<Event>)> {
        let wallet = self.wallet()?;
        let mut tables = Vec::new();
        for key in &self.options.lookup_table {
            tables.push(self.connection.lookup_table(key).await.map_err(|failure| self.explain(failure))?);
        }
        let others: Vec<Key> = signers.iter().map(|signer| *signer as Key).collect();
        let mut sending = Sending::new(&wallet, instructions).signed_by(&others);
        sending.format = Format::V0(tables);
        sending.priority = Priority::Fixed(self.options.with_compute_unit_price);
        let progress = self.progress(&format!("simulating: {what}"));
        let mut simulation = self.connection.simulate(&sending).await;
        if let (Err(Failure::TooLarge { .. }), Some(key)) = (&simulation, self.offered_table().await) {
            let table = self.connection.lookup_table(&key).await.map_err(|failure| self.explain(failure))?;
            sending.format = Format::V0(vec![table]);
            simulation = self.connection.simulate(&sending).await;
        }
        let simulation = simulation.map_err(|failure| self.explain(failure))?;
        let mut sent =
            Sent { what: what.to_owned(), signature: None, slot: None, compute_units: simulation.compute_units };
        if !self.options.dry_run {
            progress.set_message(format!("sending: {what}"));
            let sending = self.connection.send_with(&sending, simulation.compute_units).await;
            let receipt = sending.map_err(|failure| self.explain(failure))?;
            (sent.signature, sent.slot) = (Some(receipt.signature.to_string()), Some(receipt.slot));
        }
        progress.finish_and_clear();
        Ok((sent, simulation.events))
    }

    /// A lookup table that the quote server has made of the group's accounts, unless one was named.
    async fn offered_table(&self) -> Option<Pubkey> {
        if !self.options.lookup_table.is_empty() {
            return None;
        }
        self.server_info().await?.lookup_table?.parse().ok()
    }

    /// A failure with what to do about it.
    fn explain(&self, failure: Failure) -> anyhow::Error {
        match failure {
            Failure::Rpc(error) => anyhow!("{error}").context(format!("no good answer from {}", self.url)),
            Failure::Failed { ref error, .. } if error.contains("debit an account") || error.contains("funds for") => {
                anyhow!(failure).context("the wallet has no SOL to pay with (on a local network: margrave faucet)")
            }
            other => anyhow!(other),
        }
    }

    /// Something that takes time, told on standard error if that is a terminal.
    pub fn progress(&self, what: &str) -> ProgressBar {
        let bar = ProgressBar::new_spinner().with_finish(ProgressFinish::AndClear);
        bar.set_style(ProgressStyle::default_spinner());
        bar.set_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(120));
        bar
    }

    /// Prints an answer to standard output.
    ///
    /// # Errors
    /// When standard output cannot be written to.
    pub fn print(&self, view: &impl View) -> Result<()> {
        let mut out = stdout().lock();
        match self.options.output {
            Output::Json => writeln!(out, "{}", serde_json::to_string_pretty(view)?)?,
            Output::Table => writeln!(out, "{}", view.text(has_colour()).trim_end())?,
        }
        Ok(())
    }
}

/// Tokens in a token account: both token programs keep the amount behind mint and owner.
pub fn tokens_in(data: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(data.get(64..72)?.try_into().ok()?))
}

/// Accounts of one type.
fn is_a(discriminator: &[u8]) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(0, discriminator.to_vec()))
}

/// Accounts with an address at an offset of their fields.
fn names(offset: usize, key: &Pubkey) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(8 + offset, key.to_bytes().to_vec()))
}

/// # Errors
/// When there is no readable keypair file.
pub fn read_keypair(path: &str) -> Result<Keypair> {
    read_keypair_file(path).map_err(|error| {
        anyhow!("no wallet at {path}: {error}; make one with solana-keygen new, or name one with --keypair")
    })
}

fn load_config(path: &std::path::Path) -> Result<solana_cli_config::Config> {
    let text = path.to_str().context("the configuration's path is not text")?;
    solana_cli_config::Config::load(text).with_context(|| format!("cannot read {text}"))
}

/// A cluster's address by its name, as the Solana command line has them.
fn expand(url: &str) -> &str {
    match url {
        "m" | "mainnet-beta" => "https://api.mainnet-beta.solana.com",
        "t" | "testnet" => "https://api.testnet.solana.com",
        "d" | "devnet" => "https://api.devnet.solana.com",
        "l" | "localhost" => "http://localhost:8899",
        other => other,
    }
}

/// Whether terminal colours are wanted: standard output is a terminal and NO_COLOR is empty.
fn has_colour() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
