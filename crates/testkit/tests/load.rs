//! The audit counts what a store did wrong, each kind under its name.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use async_trait::async_trait;
use portcullis_core::{
    MemoryStore, OperationId, StoreError, StoreErrorKind, UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventPage,
        EventQuery, HashUpgrade, NewUser, OperationRecord, SettleOutcome, Settlement,
        UpgradeOutcome, UserRecord, Version,
    },
};
use portcullis_testkit::{
    linearizability::{ViolationKind, check},
    load::{Audit, Journal, Load},
};

/// What a store does wrong, with every tenth call that it can do it to.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Sin {
    /// Acknowledges what it does not write.
    Forgets,
    /// Writes what it says it did not.
    Lies,
    /// Loses the answer, before or after it wrote.
    LosesAnswers,
    /// Leaves an event out.
    LosesEvents,
    /// Finds no operation.
    LosesOperations,
    /// Loads what was there at first.
    LoadsOld,
    /// Does nothing wrong.
    None,
    /// Tells an event twice.
    RepeatsEvents,
}

/// A store in memory that sins.
#[derive(Debug)]
struct Sinner {
    sin: Sin,
    store: MemoryStore,
    calls: AtomicUsize,
}

impl Sinner {
    fn new(sin: Sin) -> Arc<Self> {
        Arc::new(Self {
            sin,
            store: MemoryStore::new(),
            calls: AtomicUsize::new(0),
        })
    }

    fn sins(&self, sin: Sin) -> bool {
        self.sin == sin && self.calls.fetch_add(1, Ordering::Relaxed) % 10 == 9
    }
}

#[async_trait]
impl UserStore for Sinner {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        self.store.create(user).await
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        let mut record = self.store.load(key).await?;
        if let Some(record) = record.as_mut().filter(|_| self.sins(Sin::LoadsOld)) {
            (record.sequence, record.version) = (1, Version::FIRST);
            record.credential.hash = first_hash();
        }
        Ok(record)
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        if self.sins(Sin::Forgets) {
            let record = self.store.load(&change.key).await?.unwrap();
            let (next, now) = (record.sequence + 1, record.changed);
            let owner = change.key.organisation().clone();
            let details = portcullis_core::ObjectDetails::written(next, now, owner);
            return Ok(CommitOutcome::Committed(details));
        }
        if self.sins(Sin::Lies) {
            self.store.commit(change).await?;
            return Err(StoreError::new(StoreErrorKind::Unavailable));
        }
        if self.sins(Sin::LosesAnswers) {
            if self.calls.load(Ordering::Relaxed).is_multiple_of(20) {
                self.store.commit(change).await?;
            }
            return Err(StoreError::new(StoreErrorKind::OutcomeUnknown));
        }
        // As if it were far away: writers overlap.
        tokio::task::yield_now().await;
        self.store.commit(change).await
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        self.store.take_attempt(request).await
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        self.store.settle_attempt(settlement).await
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        self.store.upgrade_hash(upgrade).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let mut page = self.store.events(query).await?;
        if page.events.len() > 2 && self.sin == Sin::LosesEvents {
            page.events.remove(1);
        }
        if page.events.len() > 2 && self.sin == Sin::RepeatsEvents {
            let event = page.events.first().unwrap().clone();
            page.events.insert(0, event);
        }
        Ok(page)
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let found = self.store.operation(key, operation).await?;
        Ok(found.filter(|_| !self.sins(Sin::LosesOperations)))
    }
}

/// The hash that new users of a load have.
fn first_hash() -> portcullis_core::store::StoredHash {
    portcullis_core::store::StoredHash::load(Some(
        "$argon2id$v=19$m=65,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW",
    ))
}

async fn journal(load: Load) -> Journal {
    let load = load.users(2).writers(6).start().await.unwrap();
    load.wait_for(500).await;
    load.stop().await
}

async fn audit(sin: Sin) -> (Audit, Journal) {
    let store = Sinner::new(sin);
    let journal = journal(Load::on(&[Arc::clone(&store) as Arc<dyn UserStore>])).await;
    let audit = journal.audit(&*store).await.unwrap();
    (audit, journal)
}

/// The kinds of violations in a history.
fn violations(journal: &Journal) -> Vec<ViolationKind> {
    let violations = check(journal.history()).unwrap_err();
    violations.iter().map(|violation| violation.kind).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_store_is_found_sound() {
    let (audit, journal) = audit(Sin::None).await;
    assert!(audit.is_sound() && audit.acknowledged >= 500, "{audit}");
    assert!(audit.conflicts > 0, "writers meet: {audit}");
    assert_eq!((audit.unknown, audit.not_applied), (0, 0));
    let counts = check(journal.history()).unwrap();
    assert_eq!(counts.acknowledged, audit.acknowledged);
    assert_eq!(counts.conflicts, audit.conflicts);
    assert!(counts.reads >= audit.acknowledged + audit.conflicts);
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_writes_are_counted() {
    let (audit, journal) = audit(Sin::Forgets).await;
    assert!(audit.lost > 0 && !audit.is_sound(), "{audit}");
    assert_eq!(
        (audit.half_applied, audit.gaps, audit.duplicates),
        (0, 0, 0)
    );
    let kinds = violations(&journal);
    assert!(kinds.contains(&ViolationKind::Forked), "{kinds:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_were_applied_are_counted() {
    let (audit, journal) = audit(Sin::Lies).await;
    assert!(audit.refused_applied > 0 && !audit.is_sound(), "{audit}");
    assert_eq!(audit.lost, 0);
    let kinds = violations(&journal);
    assert!(
        kinds.contains(&ViolationKind::RefusedIsApplied),
        "{kinds:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_outcomes_are_no_sin() {
    let (audit, journal) = audit(Sin::LosesAnswers).await;
    assert!(audit.is_sound(), "{audit}");
    assert!(
        0 < audit.unknown_applied && audit.unknown_applied < audit.unknown,
        "{audit}"
    );
    let counts = check(journal.history()).unwrap();
    assert!(counts.unknown == audit.unknown, "{counts:?} {audit}");
    assert!(
        counts.unknown_applied <= audit.unknown_applied,
        "{counts:?} {audit}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_tried_again_is_made_once() {
    let store = Sinner::new(Sin::LosesAnswers);
    let load = Load::on(&[Arc::clone(&store) as Arc<dyn UserStore>]).with_retries();
    let journal = journal(load).await;
    let audit = journal.audit(&*store).await.unwrap();
    assert!(audit.is_sound() && audit.acknowledged >= 500, "{audit}");
    // The last ones may have been stopped before their answer came.
    assert!(audit.unknown <= 6, "{audit}");
    assert!(check(journal.history()).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_and_duplicates_are_counted() {
    let (gaps, _) = audit(Sin::LosesEvents).await;
    assert_eq!(
        (gaps.gaps, gaps.duplicates),
        (2, 0),
        "one for each user: {gaps}"
    );
    let (duplicates, _) = audit(Sin::RepeatsEvents).await;
    assert_eq!(
        (duplicates.gaps, duplicates.duplicates),
        (0, 2),
        "{duplicates}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_are_counted() {
    let (without_operation, _) = audit(Sin::LosesOperations).await;
    assert!(without_operation.half_applied > 0, "{without_operation}");
    let store = Arc::new(MemoryStore::new());
    let journal = journal(Load::on(&[Arc::clone(&store) as Arc<dyn UserStore>])).await;
    let whole = journal.audit(&*store).await.unwrap();
    let outbox = store.events(&EventQuery::outbox()).await.unwrap();
    store.damage_hash(&outbox.events.first().unwrap().key, "another");
    let half = journal.audit(&*store).await.unwrap();
    assert_eq!((whole.half_applied, half.half_applied), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn stale_loads_are_found_in_the_history() {
    let (audit, journal) = audit(Sin::LoadsOld).await;
    assert!(audit.lost == 0, "nothing is lost: {audit}");
    let kinds = violations(&journal);
    assert!(kinds.contains(&ViolationKind::Stale), "{kinds:?}");
}
