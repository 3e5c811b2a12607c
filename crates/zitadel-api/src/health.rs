//! `grpc.health.v1.Health`, answering from the store's own health.

use std::{sync::Arc, time::Duration};

use connectrpc::{ConnectError, Router};
use connectrpc_health::{
    Checker, HealthExt, HealthService, Status, StatusStream, apply_request_limits, request_limits,
};
use futures_util::stream;
use portcullis_core::StoreHealth;

use crate::endpoints::service;

/// How often a watched status is looked at.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// Adds the health service.
pub(crate) fn install(router: Router, health: Arc<dyn StoreHealth>) -> Router {
    let service = Arc::new(HealthService::new(StoreChecker(health)));
    apply_request_limits(service.register(router), request_limits())
}

#[derive(Debug, Clone)]
struct StoreChecker(Arc<dyn StoreHealth>);

impl StoreChecker {
    async fn status(&self) -> Status {
        if self.0.check().await.is_ok() {
            Status::Serving
        } else {
            Status::NotServing
        }
    }

    fn known(name: &str) -> Result<(), ConnectError> {
        if name.is_empty() || service::ALL.contains(&name) {
            Ok(())
        } else {
            Err(ConnectError::not_found("unknown service"))
        }
    }
}

impl Checker for StoreChecker {
    async fn check(&self, service: &str) -> Result<Status, ConnectError> {
        Self::known(service)?;
        Ok(self.status().await)
    }

    async fn watch(&self, service: &str) -> Result<StatusStream, ConnectError> {
        Self::known(service)?;
        let changes = stream::unfold((self.clone(), None), |(checker, last)| async move {
            loop {
                let status = checker.status().await;
                if last != Some(status) {
                    return Some((status, (checker, Some(status))));
                }
                tokio::time::sleep(WATCH_EVERY).await;
            }
        });
        Ok(StatusStream::new(changes))
    }
}
