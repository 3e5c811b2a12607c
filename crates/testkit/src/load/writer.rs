//! A writer that sets passwords until it is told to stop.

use std::{sync::atomic::Ordering, time::Duration};

use portcullis_core::{
    HashString, StoreError, StoreErrorKind, UserKey, UserStore,
    store::{Change, CommitOutcome, CredentialChange, EventKind, Method},
};
use tokio::{task::yield_now, time::sleep};

use super::{Shared, Written};
use crate::{build::op, linearizability::Outcome};

/// What a writer leaves to others while its server is away.
const PAUSE: Duration = Duration::from_millis(5);

impl Shared {
    /// Sets one user's password after the other's.
    pub(super) async fn write_on(&self, store: &dyn UserStore, first: usize) -> Vec<Written> {
        let mut writes = Vec::new();
        let users = self.users.iter().cycle().skip(first % self.users.len());
        for user in users {
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            // A store that never waits would keep the thread from whoever stops this.
            yield_now().await;
            match self.write(store, user).await {
                Some(written) => writes.push(written),
                None => sleep(PAUSE).await,
            }
        }
        writes
    }

    /// Loads a user and sets its password; nothing if it cannot be loaded.
    async fn write(&self, store: &dyn UserStore, user: &UserKey) -> Option<Written> {
        let loaded = self.recorder.load(store.load(user)).await;
        let record = loaded.ok()??;
        let hash = unique_hash(self.hashes.fetch_add(1, Ordering::Relaxed));
        let (operation, digest) = (op(), hash.digest());
        let event = EventKind::PasswordChanged;
        let method = Method::SetPassword;
        let change = Change::new(user.clone(), method, operation, record.version, event)
            .with_credential(CredentialChange::Replace {
                hash,
                must_change: false,
            });
        let answer = self.commit(store, &change);
        let answer = self.recorder.commit(&change, answer).await;
        let outcome = Outcome::of(&answer);
        match outcome {
            Outcome::Acknowledged(_) => self.acknowledged.send_modify(|count| *count += 1),
            Outcome::Conflict => {}
            Outcome::NotApplied | Outcome::Unknown => sleep(PAUSE).await,
        }
        Some(Written {
            user: user.clone(),
            operation,
            hash: digest,
            outcome,
        })
    }

    /// Commits a change, again and again if this load does that.
    async fn commit(
        &self,
        store: &dyn UserStore,
        change: &Change,
    ) -> Result<CommitOutcome, StoreError> {
        let mut unknown = false;
        loop {
            let error = match store.commit(change).await {
                Ok(outcome) => return Ok(outcome),
                Err(error) => error,
            };
            unknown |= error.kind() == StoreErrorKind::OutcomeUnknown;
            let goes_on = self.retries && !self.stopped.load(Ordering::Relaxed);
            match (goes_on, error.kind()) {
                (true, StoreErrorKind::OutcomeUnknown | StoreErrorKind::Unavailable) => {
                    sleep(PAUSE).await;
                }
                // That a later try did not come through says nothing of an earlier one.
                _ if unknown => return Err(StoreError::new(StoreErrorKind::OutcomeUnknown)),
                _ => return Err(error),
            }
        }
    }
}

/// One of ten billion hash strings, which differ in their salts.
fn unique_hash(number: u64) -> HashString {
    // Eleven digits of base64 are eight bytes if the last one is `A`.
    let text =
        format!("$argon2id$v=19$m=64,t=1,p=1${number:010}A$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW");
    HashString::parse(&text).expect("a canonical hash string")
}
