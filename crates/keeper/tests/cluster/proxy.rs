//! Between a keeper and its node: loses questions and answers, delays them so that they overtake one another, says that there were too
//! many, answers from the past, and cuts or silences the websocket.

use anyhow::Result;
use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, StreamExt, stream};
use serde_json::Value;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
    time,
};
use tokio_tungstenite::{accept_async, connect_async};

/// Answers that are kept of each question.
const REMEMBERED: usize = 30;
const LONGEST_DELAY_MS: u64 = 2_000;

/// In how many of a hundred cases each thing happens.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// A question does not arrive.
    pub lost: u8,
    /// It arrives and its answer is lost on the way.
    pub unheard: u8,
    /// It is refused with 429.
    pub limited: u8,
    /// It waits, and others overtake it.
    pub delayed: u8,
    /// A reading is answered as it was up to some seconds ago.
    pub stale: u8,
    /// A notification of the websocket is lost, and one is held back until after the next.
    pub untold: u8,
    pub overtaken: u8,
}

/// How websockets are treated.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// Connected, and nothing comes any more.
    Silent,
    /// Whoever is connected is cut; the number makes one cut differ from the next.
    Cut(u32),
}

struct Shared {
    node: String,
    client: reqwest::Client,
    faults: Mutex<Faults>,
    rng: Mutex<fastrand::Rng>,
    past: Mutex<HashMap<String, Vec<Value>>>,
    played: Mutex<BTreeMap<&'static str, u32>>,
    line: watch::Sender<Line>,
}

/// A proxy that plays until it is dropped.
pub struct Proxy {
    pub rpc: String,
    pub websocket: String,
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

impl Proxy {
    /// Before a node, without faults, on ports of its own.
    pub async fn start(node: &str, websocket: &str, seed: u64) -> Result<Self> {
        let shared = Arc::new(Shared {
            node: node.to_owned(),
            client: reqwest::Client::new(),
            faults: Mutex::default(),
            rng: Mutex::new(fastrand::Rng::with_seed(seed)),
            past: Mutex::default(),
            played: Mutex::default(),
            line: watch::Sender::new(Line::Open),
        });
        let (http, socket) = (TcpListener::bind("127.0.0.1:0").await?, TcpListener::bind("127.0.0.1:0").await?);
        let rpc = format!("http://{}", http.local_addr()?);
        let here = format!("ws://{}", socket.local_addr()?);
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(http, router).await.expect("it serves") });
        let (there, known) = (websocket.to_owned(), Arc::clone(&shared));
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = socket.accept().await {
                let (there, known) = (there.clone(), Arc::clone(&known));
                tokio::spawn(async move { pass_on(stream, &there, &known).await });
            }
        });
        Ok(Self { rpc, websocket: here, shared, tasks: [serving, listening] })
    }

    pub fn play(&self, faults: Faults) {
        *self.shared.faults.lock().unwrap() = faults;
    }

    /// Cuts every websocket; new ones are accepted.
    pub fn cut(&self) {
        let cuts = self.shared.note("websocket cut");
        self.shared.line.send_replace(Line::Cut(cuts));
    }

    /// Every websocket that is open falls silent until it is cut or given up.
    pub fn silence(&self) {
        self.shared.note("websocket silent");
        self.shared.line.send_replace(Line::Silent);
    }

    /// What was played, and how often.
    pub fn played(&self) -> BTreeMap<&'static str, u32> {
        self.shared.played.lock().unwrap().clone()
    }
}

impl Shared {
    fn note(&self, fault: &'static str) -> u32 {
        let mut played = self.played.lock().unwrap();
        let times = played.entry(fault).or_default();
        *times += 1;
        *times
    }

    fn happens(&self, percent: impl Fn(&Faults) -> u8, fault: &'static str) -> bool {
        let percent = percent(&self.faults.lock().unwrap());
        let happens = self.rng.lock().unwrap().u8(0..100) < percent;
        if happens {
            self.note(fault);
        }
        happens
    }

    async fn ask(&self, question: Bytes) -> reqwest::Result<Value> {
        let asked = self.client.post(&self.node).header(CONTENT_TYPE, "application/json").body(question);
        asked.send().await?.json().await
    }

    /// Keeps an answer and returns one of before, if there is one.
    fn remember(&self, question: String, answer: &Value) -> Option<Value> {
        let mut past = self.past.lock().unwrap();
        let answers = past.entry(question).or_default();
        let old = (!answers.is_empty()).then(|| answers[self.rng.lock().unwrap().usize(..answers.len())].clone());
        if answers.len() == REMEMBERED {
            answers.remove(0);
        }
        answers.push(answer.clone());
        old
    }
}

/// The connection ends in the middle of an answer.
fn broken() -> Response {
    Body::from_stream(stream::once(async { Err::<Bytes, _>(io::Error::other("lost")) })).into_response()
}

async fn answer(State(shared): State<Arc<Shared>>, question: Bytes) -> Response {
    let asked: Value = serde_json::from_slice(&question).unwrap_or_default();
    let method = asked["method"].as_str().unwrap_or_default();
    if shared.happens(|faults| faults.limited, "429") {
        return StatusCode::TOO_MANY_REQUESTS.into_response();
    }
    if shared.happens(|faults| faults.lost, "question lost") {
        return broken();
    }
    if shared.happens(|faults| faults.delayed, "delayed") {
        let millis = shared.rng.lock().unwrap().u64(..LONGEST_DELAY_MS);
        time::sleep(Duration::from_millis(millis)).await;
    }
    let Ok(mut answer) = shared.ask(question).await else { return StatusCode::BAD_GATEWAY.into_response() };
    if method.starts_with("get") {
        let old = shared.remember(format!("{method} {}", asked["params"]), &answer);
        if let Some(old) = old
            && shared.happens(|faults| faults.stale, "stale")
        {
            answer["result"] = old["result"].clone();
        }
    }
    if shared.happens(|faults| faults.unheard, "answer lost") {
        return broken();
    }
    ([(CONTENT_TYPE, "application/json")], answer.to_string()).into_response()
}

/// What comes from either side goes to the other, but for what the faults say.
async fn pass_on(stream: TcpStream, node: &str, shared: &Shared) {
    // A line that has fallen silent is one that was open then.
    shared.line.send_if_modified(|line| std::mem::replace(line, Line::Open) == Line::Silent);
    let mut line = shared.line.subscribe();
    let (Ok(mut here), Ok((mut there, _))) = (accept_async(stream).await, connect_async(node).await) else { return };
    let mut held = None;
    let mut is_silent = false;
    loop {
        tokio::select! {
            _ = line.changed() => match *line.borrow_and_update() {
                Line::Cut(_) => return,
                Line::Silent => is_silent = true,
                Line::Open => {}
            },
            said = here.next() => {
                let Some(Ok(said)) = said else { return };
                if there.send(said).await.is_err() { return }
            }
            told = there.next() => {
                let Some(Ok(told)) = told else { return };
                let is_news = told.to_text().is_ok_and(|text| text.contains("programNotification"));
                if is_silent || is_news && shared.happens(|faults| faults.untold, "notification lost") {
                    continue;
                }
                if is_news && held.is_none() && shared.happens(|faults| faults.overtaken, "notification overtaken") {
                    held = Some(told);
                    continue;
                }
                for told in [Some(told), held.take()].into_iter().flatten() {
                    if here.send(told).await.is_err() { return }
                }
            }
        }
    }
}
