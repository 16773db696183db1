//! What a keeper needs of a chain: accounts, changes of them, and transactions. A cluster over RPC is one, a chain in process
//! that tests run on is another.

use crate::feed::{Feed, Source, Updates};
use margrave_client::{
    Instruction, Pubkey,
    rpc::{Connection, Failure, Format, Priority, Receipt, Sending, Simulation, Snapshot},
};
use solana_commitment_config::CommitmentConfig;
use solana_keypair::Keypair;
use solana_signer::Signer;
use std::time::{Duration, Instant};

/// An account as a node has it.
#[derive(Clone, Debug)]
pub struct Fetched {
    pub owner: Pubkey,
    pub lamports: u64,
    pub data: Vec<u8>,
}

/// Some accounts at one slot; `None` for those that do not exist.
#[derive(Clone, Debug, Default)]
pub struct Read {
    pub slot: u64,
    pub accounts: Vec<Option<Fetched>>,
}

/// Where accounts come from and transactions go to.
#[allow(async_fn_in_trait)]
pub trait Chain {
    /// Everything of the group.
    async fn snapshot(&self) -> Result<Snapshot, Failure>;
    /// What has changed since this was asked last, and whether that is all.
    fn updates(&self) -> Updates;
    /// Some accounts, in the order of the keys.
    async fn read(&self, keys: &[Pubkey]) -> Result<Read, Failure>;
    /// What a transaction of these instructions, paid for by the wallet, would do.
    async fn simulate(&self, instructions: &[Instruction]) -> Result<Simulation, Failure>;
    /// Sends it with a limit of the units that the simulation used, and waits until it is confirmed or can no longer be.
    async fn send(&self, instructions: &[Instruction], units: u64) -> Result<Receipt, Failure>;
    /// The wallet.
    fn wallet(&self) -> Pubkey;
    /// Time since some beginning, which never goes back.
    fn elapsed(&self) -> Duration;
    /// Lets so much time pass.
    async fn pause(&self, time: Duration);
}

/// A cluster.
pub struct Cluster {
    connection: Connection,
    wallet: Keypair,
    group: Pubkey,
    format: Format,
    priority: Priority,
    feed: Option<Feed>,
    started: Instant,
}

/// Most accounts that a node answers for at once.
const READ_CHUNK: usize = 100;

impl Cluster {
    /// `source`: where changes are listened for; none: they are not, and what reads everything again must do.
    pub fn new(
        url: &str,
        commitment: CommitmentConfig,
        source: Option<Source>,
        group: Pubkey,
        wallet: Keypair,
        priority: Priority,
    ) -> Self {
        Self {
            connection: Connection::with_commitment(url, commitment),
            wallet,
            group,
            format: Format::V0(Vec::new()),
            priority,
            feed: source.map(|source| Feed::listen(source, commitment)),
            started: Instant::now(),
        }
    }

    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Writes transactions with a lookup table, which makes those with many accounts fit.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn use_table(&mut self, table: &Pubkey) -> Result<(), Failure> {
        self.format = Format::V0(vec![self.connection.lookup_table(table).await?]);
        Ok(())
    }

    /// A new lookup table of these addresses, paid for by the wallet.
    ///
    /// # Errors
    /// What a transaction is refused for.
    pub async fn create_table(&self, addresses: &[Pubkey]) -> Result<Pubkey, Failure> {
        self.connection.create_lookup_table(&self.wallet, addresses).await
    }

    fn sending(&self, instructions: &[Instruction]) -> Sending<'_> {
        let mut sending = Sending::new(&self.wallet, instructions.to_vec());
        (sending.format, sending.priority) = (self.format.clone(), self.priority);
        sending
    }
}

impl Chain for Cluster {
    async fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.connection.snapshot(&self.group).await
    }

    fn updates(&self) -> Updates {
        self.feed.as_ref().map_or_else(Updates::none, Feed::take)
    }

    async fn read(&self, keys: &[Pubkey]) -> Result<Read, Failure> {
        let rpc = self.connection.rpc();
        let mut read = Read { slot: u64::MAX, accounts: Vec::with_capacity(keys.len()) };
        for chunk in keys.chunks(READ_CHUNK) {
            let answer = rpc.get_multiple_accounts_with_commitment(chunk, rpc.commitment()).await?;
            read.slot = read.slot.min(answer.context.slot);
            let fetched = answer
                .value
                .into_iter()
                .map(|account| account.map(|it| Fetched { owner: it.owner, lamports: it.lamports, data: it.data }));
            read.accounts.extend(fetched);
        }
        Ok(read)
    }

    async fn simulate(&self, instructions: &[Instruction]) -> Result<Simulation, Failure> {
        self.connection.simulate(&self.sending(instructions)).await
    }

    async fn send(&self, instructions: &[Instruction], units: u64) -> Result<Receipt, Failure> {
        self.connection.send_with(&self.sending(instructions), units).await
    }

    fn wallet(&self) -> Pubkey {
        self.wallet.pubkey()
    }

    fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}
