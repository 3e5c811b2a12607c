//! A store with one bug, around one without.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;
use portcullis_core::{
    Clock, HashString, ManualClock, MemoryStore, OperationId, OsRandom, StoreError, StoreErrorKind,
    UserKey, UserStore,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, Change, Code, CodeChange, CommitOutcome,
        CreateOutcome, CredentialChange, Event, EventKind, EventPage, EventQuery, EventScope,
        HashUpgrade, Method, NewUser, OperationRecord, SettleOutcome, Settlement, StoredHash,
        Subject, UpgradeOutcome, UserRecord, UserState, Verification, Version,
    },
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    ChecksThenWrites,
    CodeBeforeVersion,
    CodeWorksTwice,
    CommitsAnything,
    CountsGuessesLate,
    CountsOldLeases,
    DatesGoBack,
    EndlessLeases,
    FailuresMoveVersion,
    FoldsCase,
    ForgetsAbandoned,
    ForgetsGuesses,
    ForgetsOperations,
    ForgetsOtherHandles,
    IgnoresLimit,
    IgnoresOrganisation,
    IgnoresVersion,
    JoinsIds,
    LocksBeforeItFails,
    LosesEvents,
    None,
    OneSham,
    RemovesForGood,
    RenewsShams,
    RightClosesAll,
    SettlesTwice,
    SharesPermits,
    SkipsBetweenPages,
    StartsOver,
    TakesAnyCursor,
    UnreadableIsError,
    UpgradesAnything,
    Upserts,
}

/// What a bug needs to know of the past.
#[derive(Debug, Default)]
struct Memory {
    keys: HashSet<UserKey>,
    anew: HashSet<UserKey>,
    codes: HashMap<UserKey, Code>,
    permits: HashMap<Subject, Vec<OperationId>>,
    abandoned: HashSet<OperationId>,
}

#[derive(Debug)]
pub(crate) struct Buggy {
    bug: Bug,
    inner: MemoryStore,
    clock: Arc<ManualClock>,
    memory: Arc<Mutex<Memory>>,
    second: bool,
}

impl Buggy {
    pub(crate) fn new(bug: Bug, inner: MemoryStore, clock: Arc<ManualClock>) -> Self {
        Self {
            bug,
            inner,
            clock,
            memory: Arc::default(),
            second: false,
        }
    }

    pub(crate) fn second_handle(&self) -> Self {
        Self {
            bug: self.bug,
            inner: self.inner.clone(),
            clock: Arc::clone(&self.clock),
            memory: Arc::clone(&self.memory),
            second: true,
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().expect("nothing panics with the lock")
    }

    /// The key that a loose lookup would find.
    fn looked_up(&self, key: &UserKey) -> UserKey {
        let memory = self.memory();
        let lower = |id: &str| id.to_lowercase();
        let found = memory.keys.iter().find(|known| match self.bug {
            Bug::IgnoresOrganisation => known.user() == key.user(),
            Bug::JoinsIds => {
                let joined = |key: &UserKey| {
                    format!("{}:{}", key.organisation().as_str(), key.user().as_str())
                };
                joined(known) == joined(key)
            }
            Bug::FoldsCase => {
                known.organisation() == key.organisation()
                    && lower(known.user().as_str()) == lower(key.user().as_str())
            }
            _ => false,
        });
        if memory.keys.contains(key) {
            return key.clone();
        }
        found.unwrap_or(key).clone()
    }

    fn subject(&self, subject: Subject) -> Subject {
        match subject {
            Subject::Sham { organisation, .. } if self.bug == Bug::OneSham => Subject::Sham {
                organisation,
                slot: 0,
            },
            other => other,
        }
    }

    async fn version(&self, key: &UserKey) -> Result<Option<Version>, StoreError> {
        let record = self.inner.load(key).await?;
        Ok(record.map(|record| record.version))
    }

    async fn commit_unconditionally(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let version = self.version(&change.key).await?;
        let expected = version.unwrap_or(change.expected);
        let copy = copy(change, change.operation, expected);
        self.inner.commit(&copy).await
    }

    async fn check_then_write(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let version = self.version(&change.key).await?;
        let replay = self.inner.operation(&change.key, change.operation).await?;
        if replay.is_none() && version.is_some_and(|version| version != change.expected) {
            return Ok(CommitOutcome::Conflict);
        }
        tokio::task::yield_now().await;
        self.commit_unconditionally(change).await
    }

    async fn commit_code_first(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let outcome = self.inner.commit(change).await?;
        let record = self.inner.load(&change.key).await?;
        let pending = record.and_then(|record| record.code);
        Ok(match (&change.code, pending) {
            (CodeChange::Consume { digest, .. }, Some(code))
                if outcome == CommitOutcome::Conflict && code.digest != *digest =>
            {
                CommitOutcome::CodeRejected
            }
            _ => outcome,
        })
    }

    /// Counts leases that have run out before it commits, as if they were settled failures.
    async fn count_and_commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let limits = AttemptLimits::default().with_lockout(0);
        let subject = Subject::User(change.key.clone());
        let count = AttemptRequest::new(subject, random(), limits);
        self.inner.take_attempt(&count).await?;
        self.inner.commit(change).await
    }

    /// Counts only the guesses at the code that something has settled.
    async fn commit_by_settled_guesses(
        &self,
        change: &Change,
    ) -> Result<CommitOutcome, StoreError> {
        let mut copy = copy(change, change.operation, change.expected);
        let record = self.inner.load(&change.key).await?;
        let settled = record
            .and_then(|record| record.code)
            .map(|code| code.guesses);
        if let CodeChange::Consume { max_guesses, .. } = &mut copy.code
            && settled.is_some_and(|settled| settled < *max_guesses)
        {
            *max_guesses = u32::MAX;
        }
        self.inner.commit(&copy).await
    }

    async fn commit_with_lasting_code(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let mut copy = copy(change, change.operation, change.expected);
        let known = self.memory().codes.get(&change.key).cloned();
        if let (CodeChange::Consume { digest, .. }, Some(code)) = (&change.code, &known)
            && code.digest == *digest
        {
            copy.code = CodeChange::Keep;
        }
        if let CodeChange::Issue(code) = &change.code {
            self.memory().codes.insert(change.key.clone(), code.clone());
        }
        self.inner.commit(&copy).await
    }
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl UserStore for Buggy {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        if self.bug == Bug::JoinsIds && self.looked_up(&user.key) != user.key {
            return Ok(CreateOutcome::Exists);
        }
        self.memory().keys.insert(user.key.clone());
        let before = self.inner.load(&user.key).await?.map(|last| last.state);
        let removed = before == Some(UserState::Removed);
        if self.bug == Bug::RemovesForGood && removed {
            return Ok(CreateOutcome::Exists);
        }
        let outcome = self.inner.create(user).await?;
        if removed {
            self.memory().anew.insert(user.key.clone());
        }
        if self.bug == Bug::Upserts && outcome == CreateOutcome::Exists {
            let (key, event) = (user.key.clone(), user.event());
            let change = Change::new(key, Method::SetPassword, user.operation, Version(0), event)
                .with_credential(CredentialChange::Remove);
            if let CommitOutcome::Committed(details) = self.commit_unconditionally(&change).await? {
                return Ok(CreateOutcome::Created(details));
            }
        }
        Ok(outcome)
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        let Some(mut record) = self.inner.load(&self.looked_up(key)).await? else {
            return Ok(None);
        };
        match self.bug {
            Bug::CodeWorksTwice => record.code = self.memory().codes.get(key).cloned(),
            Bug::DatesGoBack => record.changed = record.changed.min(self.clock.now()),
            Bug::StartsOver if self.memory().anew.contains(key) => record.epoch = 1,
            Bug::FailuresMoveVersion => record.version.0 += u64::from(record.failures),
            Bug::UnreadableIsError => {
                if matches!(record.credential.hash, StoredHash::Unreadable(_)) {
                    return Err(StoreError::new(StoreErrorKind::Corrupt));
                }
            }
            _ => {}
        }
        Ok(Some(record))
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        match self.bug {
            Bug::ChecksThenWrites => self.check_then_write(change).await,
            Bug::CodeBeforeVersion => self.commit_code_first(change).await,
            Bug::CommitsAnything if !change.method.is_committed() => {
                let mut loose = copy(change, change.operation, change.expected);
                loose.method = Method::SetPassword;
                self.inner.commit(&loose).await
            }
            Bug::CountsGuessesLate => self.commit_by_settled_guesses(change).await,
            Bug::CountsOldLeases => self.count_and_commit(change).await,
            Bug::CodeWorksTwice => self.commit_with_lasting_code(change).await,
            Bug::IgnoresVersion => self.commit_unconditionally(change).await,
            Bug::ForgetsOperations => {
                let fresh = copy(change, random(), change.expected);
                self.inner.commit(&fresh).await
            }
            Bug::ForgetsOtherHandles if self.second => {
                let fresh = copy(change, random(), change.expected);
                self.inner.commit(&fresh).await
            }
            _ => self.inner.commit(change).await,
        }
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        let mut request = request.clone();
        request.subject = self.subject(request.subject);
        match self.bug {
            Bug::ForgetsGuesses => request.guessed_code = false,
            Bug::EndlessLeases => request.limits.lease = Duration::from_secs(1 << 40),
            Bug::IgnoresLimit => {
                request.limits.lockout = None;
                request.limits.hard_stop = u32::MAX;
            }
            _ => {}
        }
        self.memory()
            .permits
            .entry(request.subject.clone())
            .or_default()
            .push(request.permit);
        let outcome = self.inner.take_attempt(&request).await?;
        let sham = matches!(request.subject, Subject::Sham { .. });
        let again = match outcome {
            AttemptOutcome::OperationReused => self.bug == Bug::SharesPermits,
            AttemptOutcome::Spent => self.bug == Bug::RenewsShams && sham,
            _ => false,
        };
        if again {
            request.permit = random();
            return self.inner.take_attempt(&request).await;
        }
        Ok(outcome)
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let mut settlement = settlement.clone();
        settlement.subject = self.subject(settlement.subject);
        let right = settlement.verification == Verification::Right;
        if self.bug == Bug::RightClosesAll && right {
            let others = self.memory().permits.remove(&settlement.subject);
            for other in others.into_iter().flatten() {
                if other != settlement.permit {
                    let subject = settlement.subject.clone();
                    let close = Settlement::new(subject, other, Verification::Abandoned);
                    self.inner.settle_attempt(&close).await?;
                }
            }
        }
        if let (Bug::SettlesTwice, Subject::User(key)) = (self.bug, &settlement.subject) {
            let before = self.inner.operation(key, settlement.permit).await?;
            if before.is_some() {
                let permit = random();
                let limits = AttemptLimits::default();
                let request = AttemptRequest::new(settlement.subject.clone(), permit, limits);
                self.inner.take_attempt(&request).await?;
                settlement.permit = permit;
            }
        }
        let abandons = settlement.verification == Verification::Abandoned;
        let known = self.memory().abandoned.contains(&settlement.permit);
        if self.bug == Bug::ForgetsAbandoned && known {
            return Ok(SettleOutcome::Expired);
        }
        let outcome = self.inner.settle_attempt(&settlement).await?;
        if abandons && outcome != SettleOutcome::Expired {
            self.memory().abandoned.insert(settlement.permit);
        }
        Ok(outcome)
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        let stored = self.inner.load(&upgrade.key).await?;
        let stored = stored.map(|record| record.credential.hash);
        let (Bug::UpgradesAnything, Some(StoredHash::Readable(stored))) = (self.bug, stored) else {
            return self.inner.upgrade_hash(upgrade).await;
        };
        let (key, replacement) = (upgrade.key.clone(), parse(&upgrade.replacement));
        let loose = HashUpgrade::new(key, upgrade.operation, stored, replacement);
        self.inner.upgrade_hash(&loose).await
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let mut query = query.clone();
        let mut answer = self.inner.events(&query).await;
        if self.bug == Bug::TakesAnyCursor && answer.is_err() {
            query.after = None;
            answer = self.inner.events(&query).await;
        }
        let mut page = answer?;
        if self.bug == Bug::LocksBeforeItFails {
            lock_before_failing(&mut page.events);
        }
        if self.bug == Bug::LosesEvents && query.scope == EventScope::Outbox {
            let kept = |event: &Event| event.kind != EventKind::Locked;
            page.events.retain(kept);
        }
        if self.bug == Bug::SkipsBetweenPages && page.events.len() == query.limit as usize {
            let mut next = query.with_limit(1);
            next.after.clone_from(&page.next);
            page.next = self.inner.events(&next).await?.next;
        }
        Ok(page)
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        self.inner.operation(key, operation).await
    }
}

fn random() -> OperationId {
    OperationId::random(&OsRandom).expect("the system has random bytes")
}

fn parse(hash: &HashString) -> HashString {
    HashString::parse(hash.as_stored()).expect("it was parsed before")
}

/// The failure that locks a user says locked, which it only is afterwards.
fn lock_before_failing(events: &mut [Event]) {
    let locks: HashSet<_> = events
        .iter()
        .filter(|event| event.kind == EventKind::Locked)
        .map(|event| event.operation)
        .collect();
    for event in events {
        if event.kind == EventKind::CheckFailed && locks.contains(&event.operation) {
            event.state = UserState::Locked;
        }
    }
}

/// The same change under another operation id or against another version.
fn copy(change: &Change, operation: OperationId, expected: Version) -> Change {
    let (first, rest) = change.events().split_first().expect("never empty");
    let (key, method) = (change.key.clone(), change.method);
    let mut copy = Change::new(key, method, operation, expected, *first);
    for event in rest {
        copy = copy.with_event(*event);
    }
    copy.credential = match &change.credential {
        CredentialChange::Replace { hash, must_change } => CredentialChange::Replace {
            hash: parse(hash),
            must_change: *must_change,
        },
        CredentialChange::Remove => CredentialChange::Remove,
        _ => CredentialChange::Keep,
    };
    copy.state = change.state;
    copy.code = change.code.clone();
    copy.editor.clone_from(&change.editor);
    copy
}
