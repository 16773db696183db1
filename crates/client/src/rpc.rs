//! A cluster over RPC: read all accounts of a group, send transactions and know what became of them.
//!
//! ```no_run
//! # use margrave_client::{Pubkey, rpc::{Connection, Failure, Sending}};
//! # use solana_signer::Signer;
//! # async fn run(wallet: &(dyn Signer + Sync), group: Pubkey) -> Result<(), Failure> {
//! use margrave_client::instruction;
//!
//! let connection = Connection::new("http://127.0.0.1:8899");
//! let open = instruction::open_margin_account(wallet.pubkey(), wallet.pubkey(), group, 0);
//! let receipt = connection.send(&Sending::new(wallet, vec![open])).await?;
//! println!("{} used {} compute units", receipt.signature, receipt.compute_units);
//!
//! let snapshot = connection.snapshot(&group).await?;
//! for (address, account) in &snapshot.accounts.margin_accounts {
//!     println!("{address} of {}", account.owner);
//! }
//! # Ok(())
//! # }
//! ```

use crate::{Accounts, Event, Instruction, Pubkey, Refusal, event_in, events_in};
use anchor_lang::{AccountDeserialize, Discriminator};
use margrave::state::{Bank, Group, MarginAccount, Proposal, Underlying};
use solana_account_decoder_client_types::{UiAccount, UiAccountEncoding};
use solana_address_lookup_table_interface::{
    instruction::{create_lookup_table, extend_lookup_table},
    state::AddressLookupTable,
};
use solana_commitment_config::CommitmentConfig;
use solana_compute_budget_interface::ComputeBudgetInstruction;
use solana_instruction_error::InstructionError;
use solana_message::{AddressLookupTableAccount, Hash, VersionedMessage, v0, v1};
use solana_rpc_client::nonblocking::rpc_client::RpcClient;
use solana_rpc_client_api::{
    client_error::{Error as ClientError, ErrorKind},
    config::*,
    filter::{Memcmp, RpcFilterType},
    request::{RpcError, RpcRequest, RpcResponseErrorData},
    response::{OptionalContext, RpcKeyedAccount},
};
use solana_signature::Signature;
use solana_signer::Signer;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;
use solana_transaction_status_client_types::{
    EncodedConfirmedTransactionWithStatusMeta, UiInstruction, UiParsedInstruction, UiTransactionEncoding,
    option_serializer::OptionSerializer,
};
use std::time::Duration;

/// The chain's clock.
const CLOCK: Pubkey = anchor_lang::pubkey!("SysvarC1ock11111111111111111111111111111111");
/// The most a transaction may use.
pub const MAX_COMPUTE_UNITS: u32 = 1_400_000;
/// What a transaction of version 0 may be long, bytes.
pub const MAX_TRANSACTION_BYTES: usize = 1_232;
/// What a transaction of version 1 may be long, bytes.
pub const MAX_V1_BYTES: usize = 4_096;
/// Added to what a simulation used: prices and neighbours move before the transaction lands, and a short step may take a longer way when
/// somebody else was there first.
const HEADROOM_PERCENT: u64 = 20;
const HEADROOM_UNITS: u64 = 30_000;
/// A simulation counts the instructions that set the limit as well; each takes 150.
const BUDGET_UNITS: u64 = 300;
const POLL: Duration = Duration::from_millis(400);
/// So many polls without an answer are two minutes, longer than a blockhash lives.
const SILENT_POLLS: u32 = 300;
/// How many polls pass before the same transaction is sent again.
const RESEND_POLLS: u32 = 5;
/// Addresses that one instruction can add to a lookup table within a transaction.
const TABLE_CHUNK: usize = 24;

/// Why a transaction did not do what it was for.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("the program refused: {refusal}")]
    Refused { refusal: Refusal, log: Vec<String> },
    #[error("the transaction failed: {error}{}", last_lines(log))]
    Failed { error: String, log: Vec<String> },
    #[error("{signature} was not confirmed before its blockhash ran out; it can no longer land: build it again")]
    Expired { signature: Signature },
    #[error(
        "the node has stopped answering ({error}); whether {signature} has landed is not known: look before sending it anew"
    )]
    Unknown { signature: Signature, error: Box<ClientError> },
    #[error(
        "the transaction is {bytes} bytes long, more than {MAX_TRANSACTION_BYTES}; use a lookup table or version 1"
    )]
    TooLarge { bytes: usize },
    #[error("the transaction cannot be built: {0}")]
    NotBuilt(String),
    #[error("{address} {what}")]
    WrongAccount { address: Pubkey, what: &'static str },
    #[error("RPC: {0}")]
    Rpc(#[from] Box<ClientError>),
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        Self::Rpc(Box::new(error))
    }
}

impl Failure {
    /// The program's refusal, if that is what it was.
    pub fn refusal(&self) -> Option<&Refusal> {
        if let Self::Refused { refusal, .. } = self { Some(refusal) } else { None }
    }

    /// Whether this is about the way to the node and back, and says nothing about the transaction.
    pub fn is_of_the_network(&self) -> bool {
        match self {
            Self::Expired { .. } | Self::Unknown { .. } => true,
            Self::Rpc(error) => !matches!(error.kind(), ErrorKind::RpcError(RpcError::RpcResponseError { .. })),
            _ => false,
        }
    }

    fn of(error: String, log: Vec<String>) -> Self {
        match Refusal::in_log(&log) {
            Some(refusal) => Self::Refused { refusal, log },
            None => Self::Failed { error, log },
        }
    }
}

fn last_lines(log: &[String]) -> String {
    log.iter().rev().take(3).rev().map(|line| format!("\n  {line}")).collect()
}

/// What is paid on top, in micro-lamports for each compute unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    Fixed(u64),
    /// What this percentile of recent transactions has paid that wrote the same accounts, at most `most`.
    Percentile {
        percentile: u8,
        most: u64,
    },
}

/// How a transaction is written down.
#[derive(Clone, Debug)]
pub enum Format {
    /// With lookup tables, at most [`MAX_TRANSACTION_BYTES`].
    V0(Vec<AddressLookupTableAccount>),
    /// Without tables, at most [`MAX_V1_BYTES`], where the cluster has them.
    V1,
}

/// Somebody who signs, in any task.
pub type Key<'a> = &'a (dyn Signer + Sync);

/// A transaction to be sent.
pub struct Sending<'a> {
    pub instructions: Vec<Instruction>,
    pub payer: Key<'a>,
    /// Besides the payer.
    pub signers: Vec<Key<'a>>,
    pub format: Format,
    pub priority: Priority,
}

impl<'a> Sending<'a> {
    /// Version 0 without tables, paid for and signed by `payer`, without a priority fee.
    pub fn new(payer: Key<'a>, instructions: Vec<Instruction>) -> Self {
        let format = Format::V0(Vec::new());
        Self { instructions, payer, signers: Vec::new(), format, priority: Priority::Fixed(0) }
    }

    pub fn signed_by(mut self, signers: &[Key<'a>]) -> Self {
        self.signers = signers.to_vec();
        self
    }

    pub fn with_tables(mut self, tables: Vec<AddressLookupTableAccount>) -> Self {
        self.format = Format::V0(tables);
        self
    }

    /// Signs with the limits given. They come last, where they move no other instruction: quotes name theirs by its place.
    ///
    /// # Errors
    /// [`Failure::TooLarge`]; [`Failure::NotBuilt`] when a signature is missing.
    pub fn build(&self, blockhash: Hash, compute_units: u32, price: u64) -> Result<VersionedTransaction, Failure> {
        let not_built = |error: &dyn std::fmt::Display| Failure::NotBuilt(error.to_string());
        let payer = self.payer.pubkey();
        let (message, most) = match &self.format {
            Format::V0(tables) => {
                let mut all = self.instructions.clone();
                all.push(ComputeBudgetInstruction::set_compute_unit_limit(compute_units));
                all.push(ComputeBudgetInstruction::set_compute_unit_price(price));
                let message =
                    v0::Message::try_compile(&payer, &all, tables, blockhash).map_err(|error| not_built(&error))?;
                (VersionedMessage::V0(message), MAX_TRANSACTION_BYTES)
            }
            Format::V1 => {
                let fee = (u128::from(price) * u128::from(compute_units)).div_ceil(1_000_000);
                let config = v1::TransactionConfig::empty()
                    .with_priority_fee(u64::try_from(fee).unwrap_or(u64::MAX))
                    .with_compute_unit_limit(compute_units)
                    .with_loaded_accounts_data_size_limit(64 << 20);
                let message = v1::Message::try_compile_with_config(&payer, &self.instructions, blockhash, config)
                    .map_err(|error| not_built(&error))?;
                (VersionedMessage::V1(message), MAX_V1_BYTES)
            }
        };
        let mut signers: Vec<&dyn Signer> = vec![self.payer];
        for signer in &self.signers {
            if signers.iter().all(|known| known.pubkey() != signer.pubkey()) {
                signers.push(*signer);
            }
        }
        let transaction = VersionedTransaction::try_new(message, &signers).map_err(|error| not_built(&error))?;
        let bytes = transaction.message.serialize().len() + 1 + 64 * transaction.signatures.len();
        if bytes > most { Err(Failure::TooLarge { bytes }) } else { Ok(transaction) }
    }
}

/// A transaction that succeeded.
#[derive(Clone, Debug)]
pub struct Receipt {
    pub signature: Signature,
    pub slot: u64,
    /// The limit it was given is what a simulation used and some headroom; this is what the simulation used.
    pub compute_units: u64,
}

/// What a transaction would do.
pub struct Simulation {
    pub compute_units: u64,
    pub log: Vec<String>,
    pub return_data: Vec<u8>,
    /// Those in the log, then those the program sends to itself.
    pub events: Vec<Event>,
}

/// Every account of a group at one slot.
#[derive(Clone, Default)]
pub struct Snapshot {
    pub slot: u64,
    /// Unix time of the chain's clock, a slot or two after the accounts were read.
    pub now: i64,
    pub accounts: Accounts,
    pub proposals: Vec<(Pubkey, Proposal)>,
}

/// A node of a cluster.
pub struct Connection {
    rpc: RpcClient,
}

impl Connection {
    /// At commitment `confirmed`.
    pub fn new(url: impl ToString) -> Self {
        Self::with_commitment(url, CommitmentConfig::confirmed())
    }

    pub fn with_commitment(url: impl ToString, commitment: CommitmentConfig) -> Self {
        let timeout = Duration::from_secs(30);
        Self { rpc: RpcClient::new_with_timeout_and_commitment(url.to_string(), timeout, commitment) }
    }

    /// For everything that is not of this program.
    pub fn rpc(&self) -> &RpcClient {
        &self.rpc
    }

    /// Unix time of the chain's clock, which the program goes by.
    pub async fn now(&self) -> Result<i64, Failure> {
        let address = CLOCK;
        let data = self.rpc.get_account_data(&address).await?;
        let unix_time = data.get(32..40).and_then(|bytes| bytes.try_into().ok());
        unix_time.map(i64::from_le_bytes).ok_or(Failure::WrongAccount { address, what: "is not a clock" })
    }

    /// Everything of a group.
    ///
    /// # Errors
    /// [`Failure::WrongAccount`] when there is no such group.
    pub async fn snapshot(&self, group: &Pubkey) -> Result<Snapshot, Failure> {
        let mut snapshot = Snapshot { slot: u64::MAX, ..Snapshot::default() };
        for filters in filters_of(group) {
            let (slot, found) = self.program_accounts(filters).await?;
            snapshot.slot = snapshot.slot.min(slot);
            for (key, data) in found {
                snapshot.insert(key, &data);
            }
        }
        let bytes = self.rpc.get_account_with_commitment(group, self.rpc.commitment()).await?.value;
        let bytes = bytes.filter(|account| account.owner == margrave::ID);
        let is_group = bytes.is_some_and(|account| snapshot.accounts.insert(*group, &account.data));
        if !is_group || !snapshot.accounts.groups.contains_key(group) {
            return Err(Failure::WrongAccount { address: *group, what: "is not a group of this program" });
        }
        snapshot.now = self.now().await?;
        Ok(snapshot)
    }

    /// Addresses of all groups.
    pub async fn groups(&self) -> Result<Vec<Pubkey>, Failure> {
        let (_, found) = self.program_accounts(vec![is_a(Group::DISCRIMINATOR)]).await?;
        Ok(found.into_iter().map(|(key, _)| key).collect())
    }

    /// The program's accounts that pass all filters, at one slot.
    pub async fn program_accounts(
        &self,
        filters: Vec<RpcFilterType>,
    ) -> Result<(u64, Vec<(Pubkey, Vec<u8>)>), Failure> {
        let config = RpcProgramAccountsConfig {
            filters: Some(filters),
            account_config: RpcAccountInfoConfig {
                encoding: Some(UiAccountEncoding::Base64Zstd),
                commitment: Some(self.rpc.commitment()),
                ..RpcAccountInfoConfig::default()
            },
            with_context: Some(true),
            sort_results: None,
        };
        let params = serde_json::json!([margrave::ID.to_string(), config]);
        let answer: OptionalContext<Vec<RpcKeyedAccount>> =
            self.rpc.send(RpcRequest::GetProgramAccounts, params).await?;
        let (slot, found) = match answer {
            OptionalContext::Context(response) => (response.context.slot, response.value),
            OptionalContext::NoContext(value) => (0, value),
        };
        let decoded =
            found.into_iter().filter_map(|keyed| Some((keyed.pubkey.parse().ok()?, bytes_of(&keyed.account)?)));
        Ok((slot, decoded.collect()))
    }

    /// A lookup table's addresses.
    pub async fn lookup_table(&self, key: &Pubkey) -> Result<AddressLookupTableAccount, Failure> {
        let data = self.rpc.get_account_data(key).await?;
        let table = AddressLookupTable::deserialize(&data)
            .map_err(|_| Failure::WrongAccount { address: *key, what: "is not a lookup table" })?;
        Ok(AddressLookupTableAccount { key: *key, addresses: table.addresses.to_vec() })
    }

    /// A new lookup table of these addresses, owned and paid for by `authority`. It works from the next slot on.
    pub async fn create_lookup_table(&self, authority: Key<'_>, addresses: &[Pubkey]) -> Result<Pubkey, Failure> {
        let owner = authority.pubkey();
        let slot = self.rpc.get_slot_with_commitment(CommitmentConfig::finalized()).await?;
        let (create, table) = create_lookup_table(owner, owner, slot);
        self.send(&Sending::new(authority, vec![create])).await?;
        for chunk in addresses.chunks(TABLE_CHUNK) {
            let extend = extend_lookup_table(table, owner, Some(owner), chunk.to_vec());
            self.send(&Sending::new(authority, vec![extend])).await?;
        }
        Ok(table)
    }

    /// What the transaction would do now, without signatures being checked.
    ///
    /// # Errors
    /// As sending it.
    pub async fn simulate(&self, sending: &Sending<'_>) -> Result<Simulation, Failure> {
        let transaction = sending.build(Hash::default(), MAX_COMPUTE_UNITS, 0)?;
        let config = RpcSimulateTransactionConfig {
            sig_verify: false,
            replace_recent_blockhash: true,
            commitment: Some(self.rpc.commitment()),
            encoding: Some(UiTransactionEncoding::Base64),
            inner_instructions: true,
            ..RpcSimulateTransactionConfig::default()
        };
        let result = self.rpc.simulate_transaction_with_config(&transaction, config).await?.value;
        let log = result.logs.unwrap_or_default();
        if let Some(error) = result.err {
            return Err(Failure::of(error.to_string(), log));
        }
        let mut events = events_in(&log);
        let inner = result.inner_instructions.unwrap_or_default();
        events.extend(inner.iter().flat_map(|inner| &inner.instructions).filter_map(event_of));
        let return_data = result.return_data.and_then(|data| decode_base64(&data.data.0)).unwrap_or_default();
        Ok(Simulation { compute_units: result.units_consumed.unwrap_or_default(), log, return_data, events })
    }

    /// Simulates, sets the limit by what that used, signs, sends, and waits until it is confirmed or can no longer be. Sent again
    /// and again meanwhile, it is executed once at most.
    ///
    /// # Errors
    /// What the transaction was refused for, here or on chain; [`Failure::Expired`].
    pub async fn send(&self, sending: &Sending<'_>) -> Result<Receipt, Failure> {
        let used = self.simulate(sending).await?.compute_units;
        self.send_with(sending, used).await
    }

    /// The same with a limit of the units that an earlier simulation used.
    ///
    /// # Errors
    /// As [`Connection::send`].
    pub async fn send_with(&self, sending: &Sending<'_>, used: u64) -> Result<Receipt, Failure> {
        let limit = (used + BUDGET_UNITS) * (100 + HEADROOM_PERCENT) / 100 + HEADROOM_UNITS;
        let limit = u32::try_from(limit).unwrap_or(MAX_COMPUTE_UNITS).min(MAX_COMPUTE_UNITS);
        let price = self.price(sending).await?;
        let (blockhash, last_height) = self.rpc.get_latest_blockhash_with_commitment(self.rpc.commitment()).await?;
        let transaction = sending.build(blockhash, limit, price)?;
        let slot = self.confirm(&transaction, last_height).await?;
        Ok(Receipt { signature: transaction.signatures[0], slot, compute_units: used })
    }

    /// Micro-lamports for each compute unit.
    async fn price(&self, sending: &Sending<'_>) -> Result<u64, Failure> {
        let (percentile, most) = match sending.priority {
            Priority::Fixed(price) => return Ok(price),
            Priority::Percentile { percentile, most } => (usize::from(percentile.min(100)), most),
        };
        let metas = sending.instructions.iter().flat_map(|instruction| &instruction.accounts);
        let mut written: Vec<Pubkey> = metas.filter(|meta| meta.is_writable).map(|meta| meta.pubkey).collect();
        written.sort_unstable();
        written.dedup();
        // The node answers for at most 128 addresses.
        written.truncate(128);
        let mut paid: Vec<u64> =
            self.rpc.get_recent_prioritization_fees(&written).await?.iter().map(|fee| fee.prioritization_fee).collect();
        paid.sort_unstable();
        let place = (paid.len().saturating_sub(1)) * percentile / 100;
        Ok(paid.get(place).copied().unwrap_or(0).min(most))
    }

    async fn confirm(&self, transaction: &VersionedTransaction, last_height: u64) -> Result<u64, Failure> {
        let signature = transaction.signatures[0];
        let config = RpcSendTransactionConfig {
            skip_preflight: true,
            max_retries: Some(0),
            ..RpcSendTransactionConfig::default()
        };
        let mut silent = 0;
        for poll in 0_u32.. {
            if poll.is_multiple_of(RESEND_POLLS) {
                match self.rpc.send_transaction_with_config(transaction, config).await {
                    Err(error) if poll == 0 && was_not_taken(&error) => return Err(refused_before(error)),
                    // The node may have it although it has not said so, or is behind: what becomes of it is seen by its status.
                    _ => {}
                }
            }
            tokio::time::sleep(POLL).await;
            // A status that cannot be had now may be had at the next poll.
            let status = match self.rpc.get_signature_statuses(&[signature]).await {
                Ok(answer) => {
                    silent = 0;
                    answer.value.into_iter().next().flatten()
                }
                Err(error) if silent >= SILENT_POLLS => {
                    return Err(Failure::Unknown { signature, error: Box::new(error) });
                }
                Err(_) => {
                    silent += 1;
                    None
                }
            };
            if let Some(status) = status.filter(|status| status.satisfies_commitment(self.rpc.commitment())) {
                let Some(error) = status.err else { return Ok(status.slot) };
                let log = self.transaction(&signature).await.map(|(log, _)| log).unwrap_or_default();
                // Without the log the number alone tells, of an instruction of ours.
                let refusal = Refusal::in_log(&log).or_else(|| refusal_of(&error, &transaction.message));
                return Err(match refusal {
                    Some(refusal) => Failure::Refused { refusal, log },
                    None => Failure::Failed { error: error.to_string(), log },
                });
            }
            if poll % RESEND_POLLS == RESEND_POLLS - 1
                && self.rpc.get_block_height().await.is_ok_and(|height| height > last_height)
            {
                // It may have been confirmed between the two questions.
                let last = self.rpc.get_signature_statuses(&[signature]).await;
                if last.is_ok_and(|answer| answer.value.iter().all(Option::is_none)) {
                    return Err(Failure::Expired { signature });
                }
            }
        }
        Err(Failure::Expired { signature })
    }

    /// The log of a confirmed transaction, and its events: those in the log, then those the program sent to itself.
    pub async fn transaction(&self, signature: &Signature) -> Result<(Vec<String>, Vec<Event>), Failure> {
        let config = RpcTransactionConfig {
            encoding: Some(UiTransactionEncoding::Base64),
            commitment: Some(self.rpc.commitment()),
            max_supported_transaction_version: Some(1),
        };
        let found: EncodedConfirmedTransactionWithStatusMeta =
            self.rpc.get_transaction_with_config(signature, config).await?;
        let Some(meta) = found.transaction.meta else { return Ok((Vec::new(), Vec::new())) };
        let log = match meta.log_messages {
            OptionSerializer::Some(log) => log,
            _ => Vec::new(),
        };
        let mut events = events_in(&log);
        if let OptionSerializer::Some(inner) = &meta.inner_instructions {
            events.extend(inner.iter().flat_map(|inner| &inner.instructions).filter_map(event_of));
        }
        Ok((log, events))
    }
}

impl Snapshot {
    /// Decodes an account of the program and keeps it. Returns whether it is of a known type.
    pub fn insert(&mut self, key: Pubkey, data: &[u8]) -> bool {
        if let Ok(proposal) = Proposal::try_deserialize(&mut &data[..]) {
            self.proposals.retain(|(known, _)| *known != key);
            self.proposals.push((key, proposal));
            return true;
        }
        self.accounts.insert(key, data)
    }
}

/// One list of filters for each type of account that belongs to a group.
fn filters_of(group: &Pubkey) -> [Vec<RpcFilterType>; 4] {
    let here = |discriminator: &[u8], offset: usize| {
        vec![is_a(discriminator), RpcFilterType::Memcmp(Memcmp::new_raw_bytes(8 + offset, group.to_bytes().to_vec()))]
    };
    [
        here(Bank::DISCRIMINATOR, std::mem::offset_of!(Bank, group)),
        here(Underlying::DISCRIMINATOR, std::mem::offset_of!(Underlying, group)),
        here(MarginAccount::DISCRIMINATOR, std::mem::offset_of!(MarginAccount, group)),
        // Behind its version and bump: this one is not laid out as it is in memory.
        here(Proposal::DISCRIMINATOR, 2),
    ]
}

fn is_a(discriminator: &[u8]) -> RpcFilterType {
    RpcFilterType::Memcmp(Memcmp::new_raw_bytes(0, discriminator.to_vec()))
}

/// The data of an account as a node gives it.
pub fn bytes_of(account: &UiAccount) -> Option<Vec<u8>> {
    account.data.decode()
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::prelude::*;
    BASE64_STANDARD.decode(text).ok()
}

fn event_of(instruction: &UiInstruction) -> Option<Event> {
    let data = match instruction {
        UiInstruction::Compiled(it) => &it.data,
        // What a simulation gives of a program that the node cannot read.
        UiInstruction::Parsed(UiParsedInstruction::PartiallyDecoded(it)) => &it.data,
        UiInstruction::Parsed(UiParsedInstruction::Parsed(_)) => return None,
    };
    event_in(&bs58::decode(data).into_vec().ok()?)
}

fn refusal_of(error: &TransactionError, message: &VersionedMessage) -> Option<Refusal> {
    let TransactionError::InstructionError(index, InstructionError::Custom(number)) = error else { return None };
    let instruction = message.instructions().get(usize::from(*index))?;
    let program = message.static_account_keys().get(usize::from(instruction.program_id_index))?;
    if *program == margrave::ID { Refusal::of(*number) } else { None }
}

/// Whether a node that was sent a transaction certainly does not have it: it said so, or was not reached.
fn was_not_taken(error: &ClientError) -> bool {
    match error.kind() {
        ErrorKind::RpcError(RpcError::RpcResponseError { .. }) => true,
        ErrorKind::Reqwest(error) => error.is_connect() || error.status().is_some_and(|status| status == 429),
        _ => false,
    }
}

/// What a node said of a transaction that it did not take.
fn refused_before(error: ClientError) -> Failure {
    if let ErrorKind::RpcError(RpcError::RpcResponseError {
        data: RpcResponseErrorData::SendTransactionPreflightFailure(result),
        ..
    }) = error.kind()
    {
        let log = result.logs.clone().unwrap_or_default();
        let error = result.err.as_ref().map_or_else(|| "refused by the node".to_owned(), ToString::to_string);
        return Failure::of(error, log);
    }
    error.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anchor_lang::solana_program::instruction::AccountMeta;
    use base64::prelude::*;
    use serde_json::{Value, json};
    use solana_keypair::Keypair;
    use solana_rpc_client::{
        rpc_client::RpcClientConfig,
        rpc_sender::{RpcSender, RpcTransportStats},
    };
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    };

    fn instruction_with(accounts: usize) -> Instruction {
        let metas = (0..accounts).map(|_| AccountMeta::new_readonly(Pubkey::new_unique(), false)).collect();
        Instruction { program_id: margrave::ID, accounts: metas, data: vec![1, 2, 3] }
    }

    /// A fill names its quote's instruction by its place: nothing may come before it.
    #[test]
    fn limits_come_after_the_instructions_they_are_for() {
        let payer = Keypair::new();
        let sending = Sending::new(&payer, vec![instruction_with(2), instruction_with(1)]);
        let transaction = sending.build(Hash::default(), 77_000, 5).unwrap();
        let VersionedMessage::V0(message) = &transaction.message else { panic!("version 0") };
        let programs: Vec<_> =
            message.instructions.iter().map(|one| message.account_keys[usize::from(one.program_id_index)]).collect();
        assert_eq!(programs[..2], [margrave::ID, margrave::ID]);
        assert_eq!(message.instructions[2].data, ComputeBudgetInstruction::set_compute_unit_limit(77_000).data);
        assert_eq!(message.instructions[3].data, ComputeBudgetInstruction::set_compute_unit_price(5).data);
    }

    /// What does not fit says by how much; a lookup table makes room, and so does version 1.
    #[test]
    fn a_transaction_that_is_too_long_is_refused_with_its_length() {
        let payer = Keypair::new();
        let many = instruction_with(40);
        let addresses = many.accounts.iter().map(|meta| meta.pubkey).collect();
        let sending = Sending::new(&payer, vec![many]);
        let Err(Failure::TooLarge { bytes }) = sending.build(Hash::default(), 1, 0) else { panic!("it does not fit") };
        assert!(bytes > 40 * 32);
        let v1 = Sending { format: Format::V1, ..Sending::new(&payer, sending.instructions.clone()) };
        assert!(v1.build(Hash::default(), 1, 0).is_ok());
        let table = AddressLookupTableAccount { key: Pubkey::new_unique(), addresses };
        assert!(sending.with_tables(vec![table]).build(Hash::default(), 1, 0).is_ok());
    }

    /// Whoever must sign and is not there is noticed before anything is sent.
    #[test]
    fn a_missing_signature_is_noticed() {
        let (payer, other) = (Keypair::new(), Keypair::new());
        let mut instruction = instruction_with(0);
        instruction.accounts.push(AccountMeta::new(other.pubkey(), true));
        let sending = Sending::new(&payer, vec![instruction]);
        assert!(matches!(sending.build(Hash::default(), 1, 0), Err(Failure::NotBuilt(_))));
        // Somebody who signs twice signs once.
        let sending = sending.signed_by(&[&other, &payer, &other]);
        assert_eq!(sending.build(Hash::default(), 1, 0).unwrap().signatures.len(), 2);
    }

    #[test]
    fn a_refusal_is_told_from_other_failures_by_the_log() {
        let log = vec![format!("Program {} failed: custom program error: 0x1770", margrave::ID)];
        let failure = Failure::of("InstructionError".to_owned(), log);
        assert_eq!(failure.refusal().unwrap().name, "SignerIsNotOwner");
        assert!(Failure::of("InsufficientFundsForFee".to_owned(), vec![]).refusal().is_none());
    }

    /// A node that is told what to say about a transaction.
    #[derive(Default)]
    struct Node {
        /// Statuses, one a question, the last for ever; `None`: no answer.
        statuses: Vec<Option<Value>>,
        height: u64,
        /// It takes transactions and does not say so.
        is_mute: bool,
        asked: AtomicUsize,
        sent: Arc<Mutex<Vec<String>>>,
    }

    #[async_trait::async_trait]
    impl RpcSender for Node {
        async fn send(&self, request: RpcRequest, params: Value) -> Result<Value, ClientError> {
            Ok(match request {
                RpcRequest::SimulateTransaction => {
                    json!({ "context": { "slot": 1 }, "value": { "err": null, "logs": [], "unitsConsumed": 5_000 } })
                }
                RpcRequest::GetLatestBlockhash => {
                    let blockhash = Hash::new_unique().to_string();
                    json!({ "context": { "slot": 1 }, "value": { "blockhash": blockhash, "lastValidBlockHeight": 100 } })
                }
                RpcRequest::SendTransaction => {
                    let text = params[0].as_str().unwrap().to_owned();
                    let bytes = BASE64_STANDARD.decode(&text).unwrap();
                    self.sent.lock().unwrap().push(text);
                    if self.is_mute {
                        return Err(RpcError::RpcRequestError("no answer".to_owned()).into());
                    }
                    json!(bs58::encode(&bytes[1..65]).into_string())
                }
                RpcRequest::GetSignatureStatuses => {
                    let asked = self.asked.fetch_add(1, Ordering::Relaxed).min(self.statuses.len() - 1);
                    let Some(status) = &self.statuses[asked] else {
                        return Err(RpcError::RpcRequestError("no answer".to_owned()).into());
                    };
                    json!({ "context": { "slot": 1 }, "value": [status] })
                }
                RpcRequest::GetBlockHeight => json!(self.height),
                // It keeps no history.
                RpcRequest::GetTransaction => return Err(RpcError::RpcRequestError("no answer".to_owned()).into()),
                other => panic!("nobody asks for {other}"),
            })
        }

        fn get_transport_stats(&self) -> RpcTransportStats {
            RpcTransportStats::default()
        }

        fn url(&self) -> String {
            "a node".to_owned()
        }
    }

    /// What becomes of a transaction, and what was sent of it.
    async fn outcome(statuses: Vec<Option<Value>>, height: u64) -> (Result<Receipt, Failure>, Vec<String>) {
        outcome_on(Node { statuses, height, ..Node::default() }).await
    }

    async fn outcome_on(node: Node) -> (Result<Receipt, Failure>, Vec<String>) {
        let sent = node.sent.clone();
        let connection = Connection { rpc: RpcClient::new_sender(node, RpcClientConfig::default()) };
        let payer = Keypair::new();
        let outcome = connection.send(&Sending::new(&payer, vec![instruction_with(1)])).await;
        let sent = sent.lock().unwrap().clone();
        (outcome, sent)
    }

    fn status(error: Value) -> Option<Value> {
        let result = if error.is_null() { json!({ "Ok": null }) } else { json!({ "Err": error }) };
        Some(json!({
            "slot": 9, "confirmations": null, "err": error, "status": result, "confirmationStatus": "finalized",
        }))
    }

    /// The same bytes are sent again until the cluster knows them: they are executed once at most.
    #[tokio::test(start_paused = true)]
    async fn what_is_sent_again_is_the_same_transaction() {
        let mut statuses = vec![Some(Value::Null); 12];
        statuses.push(status(Value::Null));
        let (outcome, sent) = outcome(statuses, 50).await;
        assert_eq!(outcome.unwrap().slot, 9);
        assert!(sent.len() == 3 && sent.iter().all(|bytes| *bytes == sent[0]), "{} times", sent.len());
    }

    #[tokio::test(start_paused = true)]
    async fn a_transaction_whose_blockhash_has_run_out_is_given_up_and_not_sent_anew() {
        let (outcome, sent) = outcome(vec![Some(Value::Null)], 101).await;
        assert!(matches!(outcome, Err(Failure::Expired { .. })));
        assert!(sent.iter().all(|bytes| *bytes == sent[0]));
    }

    /// Whoever sent it anew would do it twice.
    #[tokio::test(start_paused = true)]
    async fn a_transaction_that_was_taken_without_a_word_is_waited_for() {
        let statuses = vec![Some(Value::Null), status(Value::Null)];
        let (outcome, sent) = outcome_on(Node { statuses, is_mute: true, height: 50, ..Node::default() }).await;
        assert_eq!((outcome.unwrap().slot, sent.len()), (9, 1));
    }

    /// The last question before it is given up has to be answered.
    #[tokio::test(start_paused = true)]
    async fn a_transaction_is_not_given_up_while_its_status_cannot_be_had() {
        let mut statuses = vec![Some(Value::Null); 5];
        statuses.extend([None, status(Value::Null)]);
        let (outcome, _) = outcome(statuses, 101).await;
        assert_eq!(outcome.unwrap().slot, 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_falls_silent_leaves_the_outcome_unknown() {
        let (outcome, _) = outcome(vec![None], 50).await;
        assert!(matches!(outcome, Err(Failure::Unknown { .. })));
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_on_chain_has_failed() {
        let (outcome, _) = outcome(vec![status(json!({ "InstructionError": [0, { "Custom": 6300 }] }))], 50).await;
        assert_eq!(outcome.unwrap_err().refusal().unwrap().name, "InitialMarginNotMet");
        let (outcome, _) = self::outcome(vec![status(json!("InsufficientFundsForFee"))], 50).await;
        assert!(matches!(outcome, Err(Failure::Failed { .. })));
    }
}
