//! Changes of accounts from a Yellowstone gRPC endpoint, which tells what a websocket does without a node's RPC in between.

use crate::{
    config::Yellowstone,
    feed::{MOST_SILENCE, Told, Update},
};
use futures_util::{SinkExt, Stream, StreamExt, stream};
use solana_commitment_config::CommitmentConfig;
use std::error::Error;
use tokio::time;
use yellowstone_grpc_client::GeyserGrpcClient;
use yellowstone_grpc_proto::{geyser::subscribe_update::UpdateOneof, prelude::*, tonic::transport::ClientTlsConfig};

/// Subscribes to all accounts of the program and to slots.
///
/// # Errors
/// Why the endpoint cannot be used now.
pub(crate) async fn subscribe(
    endpoint: &Yellowstone,
    commitment: CommitmentConfig,
) -> Result<impl Stream<Item = Result<Told, String>> + use<>, String> {
    let opened = time::timeout(MOST_SILENCE, open(endpoint, commitment)).await;
    let streams = opened.map_err(|_| "the endpoint does not answer".to_owned())?.map_err(|error| {
        // The transport's own error says nothing but that it is one.
        let sources = std::iter::successors(error.source(), |&error| error.source());
        sources.fold(error.to_string(), |text, source| format!("{text}: {source}"))
    })?;
    Ok(stream::unfold(streams, |(mut sink, mut updates)| async move {
        loop {
            let told = match updates.next().await? {
                Ok(SubscribeUpdate { update_oneof: Some(UpdateOneof::Slot(slot)), .. }) => Ok(Told::Slot(slot.slot)),
                Ok(SubscribeUpdate { update_oneof: Some(UpdateOneof::Account(account)), .. }) => Ok(told_of(account)),
                // Balancers in between drop a line on which the client says nothing.
                Ok(SubscribeUpdate { update_oneof: Some(UpdateOneof::Ping(_)), .. }) => {
                    let ping = Some(SubscribeRequestPing { id: 1 });
                    match sink.send(SubscribeRequest { ping, ..SubscribeRequest::default() }).await {
                        Ok(()) => continue,
                        Err(error) => Err(error.to_string()),
                    }
                }
                Ok(_) => continue,
                Err(status) => Err(status.to_string()),
            };
            return Some((told, (sink, updates)));
        }
    }))
}

type Streams = (yellowstone_grpc_client::SubscribeRequestSink, yellowstone_grpc_client::GeyserStream);

async fn open(endpoint: &Yellowstone, commitment: CommitmentConfig) -> Result<Streams, Box<dyn Error + Send + Sync>> {
    let mut builder = GeyserGrpcClient::build_from_shared(endpoint.url.clone())?.x_token(endpoint.token.as_deref())?;
    if endpoint.url.starts_with("https") {
        builder = builder.tls_config(ClientTlsConfig::new().with_native_roots())?;
    }
    let accounts = SubscribeRequestFilterAccounts { owner: vec![margrave::ID.to_string()], ..Default::default() };
    let slots = SubscribeRequestFilterSlots { filter_by_commitment: Some(true), ..Default::default() };
    let level = match () {
        () if commitment.is_finalized() => CommitmentLevel::Finalized,
        () if commitment.is_confirmed() => CommitmentLevel::Confirmed,
        () => CommitmentLevel::Processed,
    };
    let request = SubscribeRequest {
        accounts: [("margrave".to_owned(), accounts)].into(),
        slots: [("slots".to_owned(), slots)].into(),
        commitment: Some(level.into()),
        ..SubscribeRequest::default()
    };
    Ok(builder.connect().await?.subscribe_with_request(Some(request)).await?)
}

fn told_of(SubscribeUpdateAccount { slot, account, .. }: SubscribeUpdateAccount) -> Told {
    let account = account.unwrap_or_default();
    match account.pubkey.as_slice().try_into() {
        Ok(key) => Told::Account(Update { slot, key, data: account.data }),
        Err(_) => Told::Unreadable,
    }
}
