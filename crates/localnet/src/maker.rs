//! A simple market maker: signs a quote at the chain's own mark and a spread for whoever asks.

use crate::wallets::{MAKER_DEPOSIT, Wallets};
use anyhow::{Context, Result, ensure};
use margrave::{constants::MAX_LEGS, state::MarginAccount, trading::mark};
use margrave_cli::deploy::Deployment;
use margrave_client::{Accounts, Instrument, InstrumentKind, Leg, Pubkey, Quote, SignedQuote, rpc::Connection};
use solana_keypair::Keypair;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A twentieth of a percent on perps and futures; two percent of an option's premium.
const SPREAD_PPM: i64 = 500;
const OPTION_SPREAD_PPM: i64 = 20_000;
const PPM: i64 = 1_000_000;
/// How long a quote holds. An account remembers 64 that are filled until they expire, so this bounds how many it can fill.
const LIFETIME_SECS: i64 = 60;

/// What somebody asks a quote for.
pub struct Request {
    pub taker: Pubkey,
    pub legs: Vec<Asked>,
}

pub struct Asked {
    pub underlying: Pubkey,
    pub instrument: Instrument,
    /// Smallest units, from the taker's side.
    pub quantity: i64,
}

pub struct Maker {
    connection: Arc<Connection>,
    key: Keypair,
    group: Pubkey,
    /// One margin account for each underlying: 32 positions are soon full of strikes.
    accounts: Vec<(Pubkey, Pubkey)>,
    nonce: AtomicU64,
}

impl Maker {
    pub async fn open(connection: Arc<Connection>, wallets: &Wallets, deployment: &Deployment) -> Result<Self> {
        let mut accounts = Vec::new();
        for (number, listed) in (0..).zip(&deployment.underlyings) {
            let opened = wallets.open_and_fund(&connection, deployment, &wallets.maker, number, MAKER_DEPOSIT).await?;
            accounts.push((listed.address, opened));
        }
        let key = wallets.maker.insecure_clone();
        Ok(Self { connection, key, group: deployment.group, accounts, nonce: AtomicU64::new(1) })
    }

    /// The margin accounts it quotes for.
    pub fn accounts(&self) -> impl Iterator<Item = Pubkey> + '_ {
        self.accounts.iter().map(|(_, account)| *account)
    }

    /// Signs what is asked for, at marks of this moment.
    ///
    /// # Errors
    /// What cannot be quoted, in a sentence for the asker.
    pub async fn quote(&self, request: Request) -> Result<SignedQuote> {
        ensure!((1..=MAX_LEGS).contains(&request.legs.len()), "a quote has 1 to {MAX_LEGS} legs");
        let (_, maker) = self
            .accounts
            .iter()
            .find(|(underlying, _)| *underlying == request.legs[0].underlying)
            .context("this maker does not quote the first leg's underlying")?;
        let mut needed: Vec<Pubkey> = request.legs.iter().map(|leg| leg.underlying).collect();
        needed.push(*maker);
        let mut accounts = Accounts::default();
        for (key, account) in needed.iter().zip(self.connection.rpc().get_multiple_accounts(&needed).await?) {
            let known = account.is_some_and(|account| accounts.insert(*key, &account.data));
            ensure!(known, "{key} is not an account of the program");
        }
        let now = self.connection.now().await?;
        let legs = request.legs.iter().map(|asked| priced(asked, &accounts, now)).collect::<Result<_>>()?;
        let account = accounts.margin_account(maker)?;
        let quote = Quote {
            group: self.group,
            maker: *maker,
            quotes_since: account.quotes_since,
            taker: request.taker,
            expires_at: now + LIFETIME_SECS,
            nonce: self.nonce(account, now)?,
            units: 1,
            legs,
        };
        Ok(SignedQuote::sign(quote, &self.key))
    }

    /// A nonce that was not given yet, whose slot in the account holds no quote that may still be filled.
    fn nonce(&self, account: &MarginAccount, now: i64) -> Result<u64> {
        let slots = u64::try_from(account.quotes.len())?;
        let mut given = (0..slots).map(|_| self.nonce.fetch_add(1, Ordering::Relaxed));
        let free = |nonce: &u64| usize::try_from(nonce % slots).is_ok_and(|slot| account.quotes[slot].expires_at < now);
        given.find(free).context("this maker's last quotes have not expired yet; ask again in a moment")
    }
}

fn priced(asked: &Asked, accounts: &Accounts, now: i64) -> Result<Leg> {
    let underlying = accounts.underlyings.get(&asked.underlying).context("a leg's underlying is not one")?;
    ensure!(asked.quantity != 0, "a leg's quantity is not zero");
    let lot = i64::try_from(underlying.market.lot)?;
    ensure!(asked.quantity % lot == 0, "the quantity {} is not in lots of {lot} smallest units", asked.quantity);
    let mark = mark(asked.underlying, underlying, &asked.instrument, now)?;
    let is_option = matches!(asked.instrument.kind, InstrumentKind::Call | InstrumentKind::Put);
    let spread =
        i128::from(mark) * i128::from(if is_option { OPTION_SPREAD_PPM } else { SPREAD_PPM }) / i128::from(PPM);
    let price = i64::try_from(i128::from(mark) + i128::from(asked.quantity.signum()) * spread.max(1))?.max(1);
    Ok(Leg { underlying: underlying.index, instrument: asked.instrument, quantity: asked.quantity, price })
}
