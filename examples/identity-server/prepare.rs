//! What has to happen before the store can serve: now, or as soon as it answers.

use std::{error::Error, sync::Arc, time::Duration};

use portcullis_core::{StoreError, StoreErrorKind};

use crate::{BoxError, bootstrap::Users, operator::Readiness, stores::Store};

/// Prepares the store. One that does not answer is tried again in the background, so that a server
/// may start before its store; anything else that is wrong with it ends the start.
pub(crate) async fn run(
    store: Store,
    users: Users,
    readiness: Arc<Readiness>,
) -> Result<(), BoxError> {
    match attempt(&store, &users, &readiness).await {
        Err(error) if may_pass(&error) => {
            tracing::warn!(error = &error as &dyn Error, "starting without the store");
            tokio::spawn(keep_trying(store, users, readiness));
            Ok(())
        }
        result => Ok(result?),
    }
}

async fn keep_trying(store: Store, users: Users, readiness: Arc<Readiness>) {
    let mut told = false;
    while let Err(error) = attempt(&store, &users, &readiness).await {
        if may_pass(&error) {
            tracing::debug!(error = &error as &dyn Error, "the store is not ready");
        } else if !told {
            told = true;
            tracing::error!(error = &error as &dyn Error, "the store cannot be used");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn attempt(store: &Store, users: &Users, readiness: &Readiness) -> Result<(), StoreError> {
    let notes = store.prepare().await?;
    let created = users.apply(&*store.users, &store.names()).await?;
    tracing::info!(created, "bootstrap file applied");
    readiness.prepared(notes);
    Ok(())
}

/// Whether time alone can mend it. Nothing here is done twice, so a lost answer is no harm.
fn may_pass(error: &StoreError) -> bool {
    matches!(
        error.kind(),
        StoreErrorKind::OutcomeUnknown | StoreErrorKind::Unavailable
    )
}

/// Between two attempts. The promise is to serve within five seconds of the store's return.
const PAUSE: Duration = Duration::from_millis(500);
