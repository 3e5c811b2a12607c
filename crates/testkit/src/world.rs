//! A store under test and short names for what cases do with it.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    ObjectDetails, OperationId, StoreError, Timestamp, UserKey, UserStore,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, Event,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement, Subject,
        UpgradeOutcome, UserRecord, Verification,
    },
};

use crate::{
    build::{WRONG, key, new_user, op, settled},
    fixture::Fixture,
    history::{Facts, Snapshot, check_history, walk},
};

/// A store of one case.
pub(crate) struct World {
    /// Dropped with the case: it keeps the store alive.
    pub(crate) fixture: Box<dyn Fixture>,
    pub(crate) store: Arc<dyn UserStore>,
}

impl World {
    pub(crate) fn new(fixture: impl Fixture) -> Self {
        let store = fixture.store();
        Self {
            fixture: Box::new(fixture),
            store,
        }
    }

    pub(crate) async fn now(&self) -> Timestamp {
        self.fixture.now().await
    }

    pub(crate) async fn advance(&self, by: Duration) {
        self.fixture.advance(by).await;
    }

    /// An active person with the first hash, who is alone in having this id.
    pub(crate) async fn user(&self, id: &str) -> UserKey {
        let key = key("acme", id);
        self.create(&new_user(&key)).await;
        key
    }

    pub(crate) async fn create(&self, user: &NewUser) -> ObjectDetails {
        match answered(self.store.create(user).await) {
            CreateOutcome::Created(details) => details,
            other => panic!("the user is not created: {other:?}"),
        }
    }

    pub(crate) async fn load(&self, key: &UserKey) -> UserRecord {
        let record = answered(self.store.load(key).await);
        record.expect("the user exists")
    }

    pub(crate) async fn commit(&self, change: &Change) -> ObjectDetails {
        match answered(self.store.commit(change).await) {
            CommitOutcome::Committed(details) => details,
            other => panic!("the change is not committed: {other:?}"),
        }
    }

    /// Commits a change that must be refused and checks that it left no trace.
    pub(crate) async fn refused(&self, change: &Change, expected: CommitOutcome) {
        let before = self.snapshot().await;
        let used = self.operation(&change.key, change.operation).await;
        assert_eq!(answered(self.store.commit(change).await), expected);
        self.unchanged(&before).await;
        let after = self.operation(&change.key, change.operation).await;
        assert_eq!(after, used, "a refused change leaves no operation");
    }

    /// Creates a user who must be refused and checks that it left no trace.
    pub(crate) async fn not_created(&self, user: &NewUser, expected: CreateOutcome) {
        let before = self.snapshot().await;
        let used = self.operation(&user.key, user.operation).await;
        assert_eq!(answered(self.store.create(user).await), expected);
        self.unchanged(&before).await;
        let after = self.operation(&user.key, user.operation).await;
        assert_eq!(after, used, "a refused user leaves no operation");
    }

    pub(crate) async fn upgraded(&self, upgrade: &HashUpgrade) -> ObjectDetails {
        match answered(self.store.upgrade_hash(upgrade).await) {
            UpgradeOutcome::Upgraded(details) => details,
            other => panic!("the hash is not upgraded: {other:?}"),
        }
    }

    /// Upgrades a hash that must stay and checks that it left no trace.
    pub(crate) async fn not_upgraded(&self, upgrade: &HashUpgrade, expected: UpgradeOutcome) {
        let before = self.snapshot().await;
        assert_eq!(answered(self.store.upgrade_hash(upgrade).await), expected);
        self.unchanged(&before).await;
    }

    /// What there is now, to be compared later.
    pub(crate) async fn snapshot(&self) -> Snapshot {
        Snapshot::of(&*self.store).await
    }

    /// Checks that nothing was written for anybody since `before`.
    pub(crate) async fn unchanged(&self, before: &Snapshot) {
        assert_eq!(self.snapshot().await, *before, "nothing is written");
    }

    /// What an operation id did to a user.
    pub(crate) async fn operation(
        &self,
        key: &UserKey,
        id: OperationId,
    ) -> Option<OperationRecord> {
        answered(self.store.operation(key, id).await)
    }

    /// The settled failures of a user.
    pub(crate) async fn load_failures(&self, subject: &Subject) -> u32 {
        match subject {
            Subject::User(key) => self.load(key).await.failures,
            other => panic!("{other:?} has no record"),
        }
    }

    pub(crate) async fn facts(&self, key: &UserKey) -> Facts {
        Facts::from(self.load(key).await)
    }

    /// Every event there is, in the order of the outbox.
    pub(crate) async fn outbox(&self) -> Vec<Event> {
        walk(&*self.store, EventQuery::outbox()).await
    }

    /// One user's events, after checking what holds for every history, and that the outbox tells
    /// the same one.
    pub(crate) async fn history(&self, key: &UserKey) -> Vec<Event> {
        let events = check_history(&*self.store, key).await;
        let mut outbox = self.outbox().await;
        outbox.retain(|event| event.key == *key);
        assert_eq!(outbox, events, "the outbox holds the same events");
        events
    }

    pub(crate) async fn take(&self, request: &AttemptRequest) -> AttemptOutcome {
        answered(self.store.take_attempt(request).await)
    }

    /// Takes a permit that must be granted.
    pub(crate) async fn permit(&self, subject: &Subject, limits: AttemptLimits) -> OperationId {
        let permit = op();
        let request = AttemptRequest::new(subject.clone(), permit, limits);
        let outcome = self.take(&request).await;
        let granted = matches!(outcome, AttemptOutcome::Permitted { .. });
        assert!(granted, "a permit is granted, not {outcome:?}");
        permit
    }

    pub(crate) async fn settle(
        &self,
        subject: &Subject,
        permit: OperationId,
        verification: Verification,
    ) -> SettleOutcome {
        let settlement = Settlement::new(subject.clone(), permit, verification);
        answered(self.store.settle_attempt(&settlement).await)
    }

    /// One whole attempt, under limits that allow it.
    pub(crate) async fn attempt(
        &self,
        subject: &Subject,
        verification: Verification,
    ) -> SettleOutcome {
        let permit = self.permit(subject, AttemptLimits::default()).await;
        self.settle(subject, permit, verification).await
    }

    /// One attempt with a wrong password. Returns the failures after it.
    pub(crate) async fn fail(&self, subject: &Subject) -> u32 {
        match self.attempt(subject, WRONG).await {
            SettleOutcome::Settled { failures, .. } => failures,
            other => panic!("the attempt is not settled: {other:?}"),
        }
    }

    /// Locks an active user by the wrong password that is this many-th failure.
    pub(crate) async fn lock_by_attempt(&self, subject: &Subject, failures: u32) {
        let lock_at = Some(failures);
        let outcome = self.attempt(subject, Verification::Wrong { lock_at }).await;
        assert_eq!(outcome, settled(failures, true));
    }
}

/// What a store answered; a store under test always can.
pub(crate) fn answered<T>(answer: Result<T, StoreError>) -> T {
    answer.unwrap_or_else(|error| {
        let cause = std::error::Error::source(&error);
        panic!("the store does not answer: {error} ({cause:?})")
    })
}
