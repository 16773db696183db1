//! Changes of accounts as a node tells of them, each with its slot. A connection that is lost, silent or overrun is made again, and
//! whoever listens is told that something may be missing.

use futures_util::{Stream, StreamExt, stream};
use margrave_client::{Pubkey, rpc::bytes_of};
use solana_account_decoder_client_types::UiAccountEncoding;
use solana_commitment_config::CommitmentConfig;
use solana_pubsub_client::nonblocking::pubsub_client::PubsubClient;
use solana_rpc_client_api::config::{RpcAccountInfoConfig, RpcProgramAccountsConfig};
use std::{
    sync::Mutex,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{self, Instant},
};

/// Changes that wait to be taken; beyond that all are dropped and everything is read again.
const MOST_WAITING: usize = 100_000;
/// A node tells of each slot; without a word for so long the connection is dead.
pub(crate) const MOST_SILENCE: Duration = Duration::from_secs(10);
/// Between two attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Where changes come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// The address of a node's websocket.
    Websocket(String),
    #[cfg(feature = "yellowstone")]
    Yellowstone(crate::config::Yellowstone),
}

/// One thing that a node tells.
pub(crate) enum Told {
    Slot(u64),
    Account(Update),
    /// Something about an account that cannot be read.
    Unreadable,
}

/// An account of the program as it is from a slot on.
#[derive(Clone, Debug)]
pub struct Update {
    pub slot: u64,
    pub key: Pubkey,
    pub data: Vec<u8>,
}

/// What has come since the last look.
#[derive(Clone, Debug, Default)]
pub struct Updates {
    pub changed: Vec<Update>,
    /// Changes may have been missed: everything has to be read again.
    pub missed: bool,
    /// Whether changes come at all at the moment.
    pub live: bool,
    /// The last slot that the node told of.
    pub slot: u64,
}

impl Updates {
    /// Without a feed: only reading tells.
    pub fn none() -> Self {
        Self::default()
    }
}

/// A subscription that is kept up in the background until this is dropped.
pub struct Feed {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<Update>>,
    missed: AtomicBool,
    live: AtomicBool,
    slot: AtomicU64,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Vec<Update>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, update: Update) {
        let mut waiting = self.waiting();
        if waiting.len() >= MOST_WAITING {
            waiting.clear();
            self.missed.store(true, Ordering::Release);
        }
        waiting.push(update);
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Feed {
    /// Listens to all accounts of the program.
    pub fn listen(source: Source, commitment: CommitmentConfig) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(keep_listening(source, commitment, Arc::clone(&shared)));
        Self { shared, task }
    }

    /// What has come since the last time.
    pub fn take(&self) -> Updates {
        Updates {
            changed: std::mem::take(&mut *self.shared.waiting()),
            missed: self.shared.missed.swap(false, Ordering::AcqRel),
            live: self.shared.live.load(Ordering::Acquire),
            slot: self.shared.slot.load(Ordering::Acquire),
        }
    }
}

async fn keep_listening(source: Source, commitment: CommitmentConfig, shared: Arc<Shared>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let lost = match &source {
            Source::Websocket(url) => listen(url, commitment, &shared).await,
            #[cfg(feature = "yellowstone")]
            Source::Yellowstone(endpoint) => match crate::yellowstone::subscribe(endpoint, commitment).await {
                Ok(told) => take_in(told, &shared).await,
                Err(reason) => reason,
            },
        };
        // Whoever was connected tries again at once.
        let was_live = shared.live.swap(false, Ordering::AcqRel);
        pause = if was_live { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
        tracing::warn!(reason = %lost, retry_ms = pause.as_millis() as u64, "feed lost");
        time::sleep(pause).await;
    }
}

/// Listens to a websocket until the connection is lost, and says why it was.
async fn listen(url: &str, commitment: CommitmentConfig, shared: &Shared) -> String {
    let client = match time::timeout(MOST_SILENCE, PubsubClient::new(url)).await {
        Ok(Ok(client)) => client,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "the node does not answer".to_owned(),
    };
    let config = RpcProgramAccountsConfig {
        account_config: RpcAccountInfoConfig {
            encoding: Some(UiAccountEncoding::Base64Zstd),
            commitment: Some(commitment),
            ..RpcAccountInfoConfig::default()
        },
        ..RpcProgramAccountsConfig::default()
    };
    let program = margrave::ID;
    let subscribed = async {
        let (slots, _) = client.slot_subscribe().await?;
        let (accounts, _) = client.program_subscribe(&program, Some(config)).await?;
        Ok::<_, solana_pubsub_client::nonblocking::pubsub_client::PubsubClientError>((slots, accounts))
    };
    let (slots, accounts) = match time::timeout(MOST_SILENCE, subscribed).await {
        Ok(Ok(streams)) => streams,
        Ok(Err(error)) => return error.to_string(),
        Err(_) => return "the node does not answer a subscription".to_owned(),
    };
    let slots = slots.map(|slot| Ok(Told::Slot(slot.slot)));
    let accounts = accounts.map(|account| {
        let (key, data) = (account.value.pubkey.parse(), bytes_of(&account.value.account));
        Ok(match (key, data) {
            (Ok(key), Some(data)) => Told::Account(Update { slot: account.context.slot, key, data }),
            _ => Told::Unreadable,
        })
    });
    let closed = || stream::once(async { Err("the node closed the connection".to_owned()) });
    take_in(stream::select(slots.chain(closed()), accounts.chain(closed())), shared).await
}

/// Takes in what a node tells until it stops, and says why it did.
async fn take_in(told: impl Stream<Item = Result<Told, String>>, shared: &Shared) -> String {
    let mut told = std::pin::pin!(told);
    // What changed before this moment was not told of.
    shared.missed.store(true, Ordering::Release);
    shared.live.store(true, Ordering::Release);
    tracing::info!("feed subscribed");
    let mut last_slot_at = Instant::now();
    loop {
        match time::timeout_at(last_slot_at + MOST_SILENCE, told.next()).await {
            Ok(Some(Ok(Told::Slot(slot)))) => {
                shared.slot.store(slot, Ordering::Release);
                last_slot_at = Instant::now();
            }
            Ok(Some(Ok(Told::Account(update)))) => shared.push(update),
            Ok(Some(Ok(Told::Unreadable))) => shared.missed.store(true, Ordering::Release),
            Ok(Some(Err(reason))) => return reason,
            Ok(None) => return "the node closed the connection".to_owned(),
            Err(_) => return "the node has gone silent".to_owned(),
        }
    }
}
