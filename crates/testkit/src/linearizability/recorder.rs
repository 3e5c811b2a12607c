//! Notes what clients do to a store and what it says.

use std::{
    future::Future,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use portcullis_core::{
    HashDigest, StoreError, UserKey,
    store::{Change, CommitOutcome, CredentialChange, UserRecord},
};

use super::{Call, Entry, History, Moment, Outcome, Seen};

/// Records the calls of many tasks on one clock.
#[derive(Debug)]
pub struct Recorder {
    // One clock of one process: nothing that happens can be out of order on it.
    clock: Instant,
    history: Mutex<History>,
}

impl Recorder {
    /// One that has recorded nothing.
    ///
    /// ```
    /// assert!(portcullis_testkit::linearizability::Recorder::new().history().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self {
            clock: Instant::now(),
            history: Mutex::default(),
        }
    }

    /// Takes a user as it is before the first call on it.
    pub fn begin(&self, record: &UserRecord) {
        self.lock().start(record.key.clone(), Seen::from(record));
    }

    /// Waits for a load of a user that has begun here. One that fails is no part of the history.
    ///
    /// # Errors
    ///
    /// When the load fails.
    pub async fn load(
        &self,
        answer: impl Future<Output = Result<Option<UserRecord>, StoreError>> + Send,
    ) -> Result<Option<UserRecord>, StoreError> {
        let began = self.now();
        let answer = answer.await?;
        if let Some(record) = &answer {
            self.push(&record.key, began, Call::Read(Seen::from(record)));
        }
        Ok(answer)
    }

    /// Waits for a commit of a change that sets a hash. The answer may come from several tries
    /// under the same operation id; if nobody waits for it any more, the outcome is unknown.
    ///
    /// # Errors
    ///
    /// When the commit fails.
    ///
    /// # Panics
    ///
    /// When the change does anything else.
    pub async fn commit(
        &self,
        change: &Change,
        answer: impl Future<Output = Result<CommitOutcome, StoreError>> + Send,
    ) -> Result<CommitOutcome, StoreError> {
        let CredentialChange::Replace { hash, .. } = &change.credential else {
            panic!("only changes that set a hash are recorded");
        };
        assert_eq!(change.events().len(), 1, "one event for each write");
        let mut write = Write {
            recorder: self,
            change,
            hash: hash.digest(),
            began: self.now(),
            outcome: Outcome::Unknown,
        };
        let answer = answer.await;
        write.outcome = Outcome::of(&answer);
        answer
    }

    /// Everything so far.
    #[must_use]
    pub fn history(&self) -> History {
        self.lock().clone()
    }

    fn push(&self, key: &UserKey, began: Moment, call: Call) {
        let ended = self.now();
        let entry = Entry { began, ended, call };
        self.lock().push(key, entry);
    }

    fn now(&self) -> Moment {
        // Enough nanoseconds for five centuries.
        Moment::try_from(self.clock.elapsed().as_nanos()).unwrap_or(Moment::MAX)
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl From<&UserRecord> for Seen {
    fn from(record: &UserRecord) -> Self {
        Self {
            sequence: record.sequence,
            version: record.version,
            hash: record.credential.hash.digest(),
        }
    }
}

/// A write that is recorded when it is dropped, with or without an answer.
struct Write<'a> {
    recorder: &'a Recorder,
    change: &'a Change,
    hash: HashDigest,
    began: Moment,
    outcome: Outcome,
}

impl Drop for Write<'_> {
    fn drop(&mut self) {
        let call = Call::Write {
            base: self.change.expected,
            hash: self.hash,
            outcome: self.outcome,
        };
        self.recorder.push(&self.change.key, self.began, call);
    }
}
