//! `/metrics`, `/health`, `/ready`.

use anyhow::{Context, Result};
use axum::{Router, http::StatusCode, routing::get};
use metrics_exporter_prometheus::PrometheusHandle;
use std::{
    net::SocketAddr,
    sync::Arc,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The loop is taken for dead when it has not looked for so long, milliseconds.
const MOST_MILLIS: u64 = 60_000;

/// How often samples are added up.
const UPKEEP: Duration = Duration::from_secs(5);

/// What the loop tells of itself.
pub struct Status {
    started: Instant,
    /// Milliseconds from the start to the end of the last look; zero: none yet.
    looked_at: AtomicU64,
    behind: AtomicBool,
}

impl Default for Status {
    fn default() -> Self {
        Self { started: Instant::now(), looked_at: AtomicU64::new(0), behind: AtomicBool::new(true) }
    }
}

impl Status {
    fn millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// A look has ended.
    pub fn looked(&self) {
        self.looked_at.store(self.millis().max(1), Ordering::Release);
    }

    /// Whether the accounts are too many slots behind the node.
    pub fn is_behind(&self, behind: bool) {
        self.behind.store(behind, Ordering::Release);
    }

    /// Whether the loop goes round; before its first look it has as long as later ones.
    pub fn is_alive(&self) -> bool {
        self.millis().saturating_sub(self.looked_at.load(Ordering::Acquire)) < MOST_MILLIS
    }

    /// Whether it knows enough to act.
    pub fn is_ready(&self) -> bool {
        self.looked_at.load(Ordering::Acquire) != 0 && self.is_alive() && !self.behind.load(Ordering::Acquire)
    }
}

/// Serves until cancelled.
///
/// # Errors
/// When the address is taken.
pub async fn serve(
    address: SocketAddr,
    status: Arc<Status>,
    prometheus: PrometheusHandle,
    stop: CancellationToken,
) -> Result<()> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("listen = {address}"))?;
    let said = |good: bool, yes: &'static str, no: &'static str| match good {
        true => (StatusCode::OK, yes),
        false => (StatusCode::SERVICE_UNAVAILABLE, no),
    };
    let alive = Arc::clone(&status);
    // Samples pile up until somebody asks for them, or this.
    let (upkeep, stopped) = (prometheus.clone(), stop.clone());
    tokio::spawn(async move {
        while stopped.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            upkeep.run_upkeep();
        }
    });
    let router = Router::new()
        .route("/metrics", get(move || async move { prometheus.render() }))
        .route("/health", get(move || async move { said(alive.is_alive(), "alive\n", "the loop stands still\n") }))
        .route("/ready", get(move || async move { said(status.is_ready(), "ready\n", "not ready\n") }));
    tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await;
        if let Err(error) = served {
            tracing::error!(%error, "metrics are not served any more");
        }
    });
    Ok(())
}
