//! What operators look at: health, readiness, metrics, the API's description.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use portcullis_core::{StoreError, StoreErrorKind, StoreHealth};
use portcullis_zitadel_api::OPENAPI;
use serde_json::json;

use crate::BoxError;

/// The store's health; not ready before the store is, nor while the server drains.
#[derive(Debug)]
pub(crate) struct Readiness {
    store: Arc<dyn StoreHealth>,
    /// Set once: what the operator should know of a store that is ready.
    notes: OnceLock<Vec<String>>,
    draining: AtomicBool,
}

impl Readiness {
    pub(crate) fn new(store: Arc<dyn StoreHealth>) -> Arc<Self> {
        Arc::new(Self {
            store,
            notes: OnceLock::new(),
            draining: AtomicBool::new(false),
        })
    }

    /// From now on the store's health decides.
    pub(crate) fn prepared(&self, notes: Vec<String>) {
        // Whoever comes second has found the same.
        let _ = self.notes.set(notes);
    }

    /// From now on this server wants no new work.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl StoreHealth for Readiness {
    async fn check(&self) -> Result<(), StoreError> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(StoreError::new(StoreErrorKind::Unavailable).with_source("draining"));
        }
        if self.notes.get().is_none() {
            return Err(StoreError::new(StoreErrorKind::Unavailable).with_source("starting"));
        }
        let silent = |_| StoreError::new(StoreErrorKind::Unavailable).with_source("silent");
        let answer = tokio::time::timeout(PATIENCE, self.store.check()).await;
        answer.map_err(silent)?
    }
}

/// A store that takes longer is not ready, and whoever asks does not wait for long.
const PATIENCE: Duration = Duration::from_secs(2);

/// Installs the metrics recorder.
pub(crate) fn install_metrics() -> Result<PrometheusHandle, BoxError> {
    const BUCKETS: [f64; 12] = [
        0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 10.0,
    ];
    let mut builder = PrometheusBuilder::new();
    for name in [
        portcullis_core::metrics::HASH_RUN,
        portcullis_core::metrics::HASH_WAITED,
        portcullis_zitadel_api::metrics::REQUEST_DURATION,
    ] {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), &BUCKETS)?;
    }
    let handle = builder.install_recorder()?;
    describe_hashing();
    metrics::describe_counter!(
        portcullis_zitadel_api::metrics::REQUESTS,
        "Requests by endpoint, transport and code"
    );
    metrics::describe_histogram!(
        portcullis_zitadel_api::metrics::REQUEST_DURATION,
        metrics::Unit::Seconds,
        "Time from the decoded request to the answer"
    );
    Ok(handle)
}

fn describe_hashing() {
    use metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
    use portcullis_core::metrics as hashing;
    describe_counter!(
        hashing::HASH_OPERATIONS,
        "Argon2 runs by kind, counted before the work"
    );
    describe_counter!(hashing::HASH_SHED, "Hashes turned away by reason");
    describe_gauge!(
        hashing::HASH_COMMITTING,
        "Requests between the start of a hash and their end"
    );
    describe_gauge!(
        hashing::HASH_IN_FLIGHT,
        Unit::Bytes,
        "Memory of running hashes"
    );
    describe_gauge!(
        hashing::HASH_MEMORY,
        Unit::Bytes,
        "Memory that hashes may take: --hash-memory"
    );
    describe_gauge!(hashing::HASH_QUEUE, "Requests that may wait: --hash-queue");
    describe_gauge!(hashing::HASH_RUNNING, "Hashes that run");
    describe_gauge!(
        hashing::HASH_WAIT,
        "Milliseconds that a hash may wait: --hash-wait"
    );
    describe_gauge!(hashing::HASH_WAITING, "Hashes that wait");
    describe_gauge!(hashing::HASH_WORKERS, "Threads that hash: --hash-workers");
    describe_histogram!(
        hashing::HASH_RUN,
        Unit::Seconds,
        "Time that a hash ran, by suite"
    );
    describe_histogram!(
        hashing::HASH_WAITED,
        Unit::Seconds,
        "Time that a hash waited, by suite"
    );
}

/// `/healthz`, `/readyz`, `/metrics` and `/openapi.json`.
pub(crate) fn routes(readiness: Arc<Readiness>, metrics: PrometheusHandle) -> Router {
    let ready = Router::new()
        .route("/readyz", get(readyz))
        .with_state(readiness);
    let metrics = Router::new()
        .route("/metrics", get(scrape))
        .with_state(metrics);
    Router::new()
        .route(
            "/healthz",
            get(|| async { Json(json!({"status": "alive"})) }),
        )
        .route("/openapi.json", get(openapi))
        .merge(ready)
        .merge(metrics)
}

async fn readyz(State(readiness): State<Arc<Readiness>>) -> Response {
    if readiness.check().await.is_ok() {
        let notes = readiness.notes.get().filter(|notes| !notes.is_empty());
        let body = match notes {
            Some(notes) => json!({"status": "ready", "notes": notes}),
            None => json!({"status": "ready"}),
        };
        return Json(body).into_response();
    }
    let store = !readiness.draining.load(Ordering::Relaxed);
    let reason = if store {
        "the store does not answer"
    } else {
        "the server is draining"
    };
    let body = Json(json!({"status": "not ready", "reason": reason}));
    (StatusCode::SERVICE_UNAVAILABLE, body).into_response()
}

async fn scrape(State(metrics): State<PrometheusHandle>) -> Response {
    metrics.run_upkeep();
    (
        [(CONTENT_TYPE, "text/plain; version=0.0.4")],
        metrics.render(),
    )
        .into_response()
}

async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}
