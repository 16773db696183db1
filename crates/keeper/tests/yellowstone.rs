//! The feed from a Yellowstone endpoint that stands in this process and says what it is told.

use futures_util::{StreamExt, stream, stream::BoxStream};
use margrave_client::Pubkey;
use margrave_keeper::{
    config::Yellowstone,
    feed::{Feed, Source, Updates},
};
use solana_commitment_config::CommitmentConfig;
use std::time::Duration;
use tokio::{net::TcpListener, sync::mpsc, time};
use yellowstone_grpc_proto::{
    geyser::{
        geyser_server::{Geyser, GeyserServer},
        subscribe_update::UpdateOneof,
        *,
    },
    tonic::{
        self, Request, Response, Status, Streaming,
        transport::{Server, server::TcpIncoming},
    },
};

/// A subscription as the endpoint has it.
struct Line {
    token: Option<String>,
    request: SubscribeRequest,
    requests: Streaming<SubscribeRequest>,
    tell: mpsc::UnboundedSender<Result<SubscribeUpdate, Status>>,
}

impl Line {
    fn tell(&self, update: UpdateOneof) {
        let update = SubscribeUpdate { update_oneof: Some(update), ..SubscribeUpdate::default() };
        self.tell.send(Ok(update)).unwrap();
    }

    fn tell_account(&self, slot: u64, pubkey: &[u8], data: &[u8]) {
        let account = SubscribeUpdateAccountInfo {
            pubkey: pubkey.to_vec(),
            owner: margrave::ID.to_bytes().to_vec(),
            data: data.to_vec(),
            ..Default::default()
        };
        self.tell(UpdateOneof::Account(SubscribeUpdateAccount { account: Some(account), slot, ..Default::default() }));
    }
}

struct Endpoint(mpsc::UnboundedSender<Line>);

type Nothing<T> = Result<Response<T>, Status>;

fn nothing<T>() -> Nothing<T> {
    Err(Status::unimplemented("nobody asks for this"))
}

#[tonic::async_trait]
impl Geyser for Endpoint {
    type SubscribeStream = BoxStream<'static, Result<SubscribeUpdate, Status>>;
    type SubscribeDeshredStream = BoxStream<'static, Result<SubscribeUpdateDeshred, Status>>;
    type SubscribeGossipStream = BoxStream<'static, Result<SubscribeUpdateGossip, Status>>;

    async fn subscribe(&self, request: Request<Streaming<SubscribeRequest>>) -> Nothing<Self::SubscribeStream> {
        let token = request.metadata().get("x-token").and_then(|token| Some(token.to_str().ok()?.to_owned()));
        let mut requests = request.into_inner();
        let request = requests.message().await?.unwrap_or_default();
        let (tell, told) = mpsc::unbounded_channel();
        let _ = self.0.send(Line { token, request, requests, tell });
        let told = stream::unfold(told, |mut told| async move { Some((told.recv().await?, told)) });
        Ok(Response::new(told.boxed()))
    }

    async fn subscribe_deshred(
        &self,
        _: Request<Streaming<SubscribeDeshredRequest>>,
    ) -> Nothing<Self::SubscribeDeshredStream> {
        nothing()
    }

    async fn subscribe_gossip(&self, _: Request<SubscribeGossipRequest>) -> Nothing<Self::SubscribeGossipStream> {
        nothing()
    }

    async fn subscribe_replay_info(
        &self,
        _: Request<SubscribeReplayInfoRequest>,
    ) -> Nothing<SubscribeReplayInfoResponse> {
        nothing()
    }

    async fn ping(&self, _: Request<PingRequest>) -> Nothing<PongResponse> {
        nothing()
    }

    async fn get_latest_blockhash(&self, _: Request<GetLatestBlockhashRequest>) -> Nothing<GetLatestBlockhashResponse> {
        nothing()
    }

    async fn get_block_height(&self, _: Request<GetBlockHeightRequest>) -> Nothing<GetBlockHeightResponse> {
        nothing()
    }

    async fn get_slot(&self, _: Request<GetSlotRequest>) -> Nothing<GetSlotResponse> {
        nothing()
    }

    async fn is_blockhash_valid(&self, _: Request<IsBlockhashValidRequest>) -> Nothing<IsBlockhashValidResponse> {
        nothing()
    }

    async fn get_version(&self, _: Request<GetVersionRequest>) -> Nothing<GetVersionResponse> {
        nothing()
    }
}

fn feed(url: String) -> Feed {
    let endpoint = Yellowstone { url, token: Some("key".to_owned()) };
    Feed::listen(Source::Yellowstone(endpoint), CommitmentConfig::confirmed())
}

/// What has come by the time that it is enough.
async fn until(feed: &Feed, enough: impl Fn(&Updates) -> bool) -> Updates {
    let mut all = Updates::none();
    for _ in 0..500 {
        let new = feed.take();
        all.changed.extend(new.changed);
        (all.missed, all.live, all.slot) = (all.missed | new.missed, new.live, new.slot);
        if enough(&all) {
            return all;
        }
        time::sleep(Duration::from_millis(20)).await;
    }
    panic!("this is all: {all:?}");
}

#[tokio::test]
async fn accounts_come_and_after_a_cut_they_come_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, mut lines) = mpsc::unbounded_channel();
    let server = Server::builder().add_service(GeyserServer::new(Endpoint(sender)));
    tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));
    let (feed, key) = (feed(url), Pubkey::new_unique());

    let mut line = lines.recv().await.unwrap();
    assert_eq!(line.token.as_deref(), Some("key"));
    assert_eq!(line.request.commitment(), CommitmentLevel::Confirmed);
    assert_eq!(line.request.accounts["margrave"].owner, [margrave::ID.to_string()]);
    assert_eq!(line.request.slots.len(), 1);
    line.tell(UpdateOneof::Slot(SubscribeUpdateSlot { slot: 5, ..Default::default() }));
    line.tell_account(5, key.as_ref(), &[1, 2, 3]);
    let came = until(&feed, |all| !all.changed.is_empty()).await;
    assert!(came.live && came.missed, "what was before has to be read");
    assert_eq!((came.slot, came.changed[0].slot, came.changed[0].key), (5, 5, key));
    assert_eq!(came.changed[0].data, [1, 2, 3]);
    assert!(!feed.take().missed);

    line.tell(UpdateOneof::Ping(SubscribeUpdatePing {}));
    assert!(line.requests.message().await.unwrap().unwrap().ping.is_some(), "a ping is answered");
    line.tell_account(6, &[1], &[]);
    until(&feed, |all| all.missed).await;

    // The stream ends; then one ends with an error.
    drop(line);
    until(&feed, |all| !all.live).await;
    let line = lines.recv().await.unwrap();
    line.tell_account(9, key.as_ref(), &[4]);
    let came = until(&feed, |all| !all.changed.is_empty()).await;
    assert!(came.live && came.missed && came.changed[0].slot == 9);
    line.tell.send(Err(Status::unavailable("enough"))).unwrap();
    until(&feed, |all| !all.live).await;
    lines.recv().await.unwrap();
    assert!(until(&feed, |all| all.live).await.missed);
}

/// An endpoint whose certificate cannot be had is tried again and again.
#[tokio::test]
async fn what_does_not_speak_tls_is_not_listened_to() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let feed = feed(format!("https://{}", listener.local_addr().unwrap()));
    for _ in 0..2 {
        drop(time::timeout(Duration::from_secs(20), listener.accept()).await.unwrap().unwrap());
    }
    let updates = feed.take();
    assert!(!updates.live && !updates.missed);
}
