//! The reference implementation: everything in memory, gone with the process.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    AttemptOutcome, AttemptRequest, AttemptState, Change, Code, CodeChange, CommitOutcome,
    CreateOutcome, Credential, CredentialChange, Cursor, Decision, Event, EventKind, EventPage,
    EventQuery, EventScope, HashUpgrade, Method, NewUser, OperationRecord, SettleOutcome,
    Settlement, StoreHealth, StoredHash, Subject, UpgradeOutcome, UserRecord, UserState, UserStore,
    Verification,
};
use crate::{
    clock::{Clock, SystemClock, Timestamp, not_before},
    details::ObjectDetails,
    error::{StoreError, StoreErrorKind},
    hash_string::HashDigest,
    id::{OperationId, OrgId, UserId, UserKey},
};

/// Keeps users in memory, for tests, demos and as the model that other stores are held to.
#[derive(Clone)]
pub struct MemoryStore {
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
}

impl MemoryStore {
    /// An empty store on the system's clock.
    ///
    /// ```
    /// let store = portcullis_core::MemoryStore::new();
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::with_clock(Arc::new(SystemClock::new()))
    }

    /// An empty store on another clock.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use portcullis_core::{Clock, ManualClock, MemoryStore, SystemClock};
    /// let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    /// let store = MemoryStore::with_clock(clock);
    /// ```
    #[must_use]
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self {
            clock,
            state: Arc::default(),
        }
    }

    /// Writes a hash string past the parser, as a damaged database would.
    #[doc(hidden)]
    pub fn damage_hash(&self, key: &UserKey, text: &str) {
        if let Some(user) = self.lock().users.get_mut(key) {
            user.hash = Some(Zeroizing::new(text.to_owned()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No method leaves the state half-written, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").finish_non_exhaustive()
    }
}

#[derive(Default)]
struct State {
    users: HashMap<UserKey, User>,
    shams: HashMap<(OrgId, u16), AttemptState>,
    operations: HashMap<OperationId, Done>,
    outbox: Vec<Event>,
}

/// A user without what can be derived; `record` holds no credential and no code.
struct User {
    record: UserRecord,
    hash: Option<Zeroizing<String>>,
    must_change: bool,
    password_changed: Option<Timestamp>,
    code: Option<Code>,
    attempts: AttemptState,
}

struct Done {
    key: UserKey,
    record: OperationRecord,
    settled: Option<SettleOutcome>,
}

/// What is known of an operation id before a mutation.
enum Seen<'a> {
    Before(&'a Done),
    Elsewhere,
    New,
}

impl State {
    fn seen(&self, operation: OperationId, key: &UserKey, method: Method) -> Seen<'_> {
        match self.operations.get(&operation) {
            None => Seen::New,
            Some(done) if done.key == *key && done.record.method == method => Seen::Before(done),
            Some(_) => Seen::Elsewhere,
        }
    }

    fn remember(
        &mut self,
        operation: OperationId,
        key: &UserKey,
        method: Method,
        settled: Option<SettleOutcome>,
    ) -> Option<ObjectDetails> {
        let details = self.users.get(key)?.details();
        let record = OperationRecord::new(method, details.clone());
        self.operations.insert(
            operation,
            Done {
                key: key.clone(),
                record,
                settled,
            },
        );
        Some(details)
    }
}

impl User {
    fn new(user: &NewUser, now: Timestamp) -> Self {
        let mut record = UserRecord::new(user.key.clone(), user.username.as_str(), user.kind, now);
        record.state = user.state;
        Self {
            record,
            hash: user
                .hash
                .as_ref()
                .map(|hash| Zeroizing::new(hash.as_stored().to_owned())),
            must_change: user.must_change,
            password_changed: user.hash.as_ref().map(|_| now),
            code: None,
            attempts: AttemptState::default(),
        }
    }

    fn details(&self) -> ObjectDetails {
        let owner = self.record.key.organisation().clone();
        ObjectDetails::written(self.record.sequence, self.record.changed, owner)
    }

    fn load(&self) -> UserRecord {
        let record = &self.record;
        let mut loaded = UserRecord::new(
            record.key.clone(),
            record.username.as_str(),
            record.kind,
            record.created,
        );
        let hash = StoredHash::load(self.hash.as_ref().map(|hash| hash.as_str()));
        loaded.state = record.state;
        loaded.credential = Credential::new(hash, self.must_change, self.password_changed);
        loaded.code.clone_from(&self.code);
        loaded.version = record.version;
        loaded.sequence = record.sequence;
        loaded.epoch = record.epoch;
        loaded.failures = self.attempts.failures;
        loaded.changed = record.changed;
        loaded
    }

    fn event(&self, kind: EventKind, operation: OperationId, editor: Option<&UserId>) -> Event {
        let record = &self.record;
        let mut event = Event::new(record.key.clone(), kind, operation, record.changed);
        event.sequence = record.sequence;
        event.version = record.version;
        event.state = record.state;
        event.failures = self.attempts.failures;
        event.must_change = self.must_change;
        event.hash = self.hash.as_ref().map(|hash| HashDigest::of(hash));
        event.editor = editor.cloned();
        event
    }

    /// One more event after the newest, at `now` or later.
    fn append(
        &mut self,
        kind: EventKind,
        operation: OperationId,
        editor: Option<&UserId>,
        now: Timestamp,
    ) -> Event {
        self.record.sequence = self.record.sequence.saturating_add(1);
        self.record.changed = not_before(now, self.record.changed);
        self.event(kind, operation, editor)
    }

    /// Turns permits whose lease ran out into failures, each with its event.
    fn expire(&mut self, now: Timestamp) -> Vec<Event> {
        let before = self.attempts.failures;
        let ended = self.attempts.expire(now);
        let after = self.attempts.failures;
        self.attempts.failures = before;
        let events = ended
            .into_iter()
            .map(|permit| {
                self.attempts.failures = self.attempts.failures.saturating_add(1);
                self.append(EventKind::CheckFailed, permit, None, now)
            })
            .collect();
        self.attempts.failures = after;
        events
    }

    fn redeems(&self, change: &CodeChange, now: Timestamp) -> bool {
        let CodeChange::Consume {
            digest,
            max_guesses,
        } = change
        else {
            return true;
        };
        self.code.as_ref().is_some_and(|code| {
            code.digest == *digest && now < code.expires && code.guesses < *max_guesses
        })
    }

    fn apply(&mut self, change: &Change, now: Timestamp) {
        match &change.credential {
            CredentialChange::Keep => {}
            CredentialChange::Remove => self.set_hash(None, false, now),
            CredentialChange::Replace { hash, must_change } => {
                self.set_hash(Some(hash.as_stored()), *must_change, now);
            }
        }
        if let Some(state) = change.state {
            self.record.state = state;
        }
        if change.clears_failures() {
            self.attempts.failures = 0;
            self.attempts.last_failure = None;
        }
        match &change.code {
            CodeChange::Consume { .. } => self.code = None,
            CodeChange::Issue(code) => self.code = Some(code.clone()),
            CodeChange::Keep => {}
        }
        self.record.version = self.record.version.next();
    }

    fn set_hash(&mut self, hash: Option<&str>, must_change: bool, now: Timestamp) {
        self.hash = hash.map(|hash| Zeroizing::new(hash.to_owned()));
        self.must_change = must_change;
        self.password_changed = hash.map(|_| not_before(now, self.record.changed));
        self.record.epoch = self.record.epoch.saturating_add(1);
        self.code = None;
    }
}

#[async_trait]
impl UserStore for MemoryStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        match state.seen(user.operation, &user.key, Method::Create) {
            Seen::Before(done) => return Ok(CreateOutcome::Replayed(done.record.details.clone())),
            Seen::Elsewhere => return Ok(CreateOutcome::OperationReused),
            Seen::New => {}
        }
        if state.users.contains_key(&user.key) {
            return Ok(CreateOutcome::Exists);
        }
        let created = User::new(user, now);
        let event = created.event(user.event(), user.operation, user.editor.as_ref());
        state.outbox.push(event);
        state.users.insert(user.key.clone(), created);
        let details = state.remember(user.operation, &user.key, Method::Create, None);
        details.map(CreateOutcome::Created).ok_or_else(lost_user)
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        Ok(self.lock().users.get(key).map(User::load))
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        match state.seen(change.operation, &change.key, change.method) {
            Seen::Before(done) => return Ok(CommitOutcome::Replayed(done.record.details.clone())),
            Seen::Elsewhere => return Ok(CommitOutcome::OperationReused),
            Seen::New => {}
        }
        let state = &mut *state;
        let Some(user) = state.users.get_mut(&change.key) else {
            return Ok(CommitOutcome::NotFound);
        };
        if user.record.state == UserState::Removed {
            return Ok(CommitOutcome::NotFound);
        }
        if user.record.version != change.expected {
            return Ok(CommitOutcome::Conflict);
        }
        if !user.redeems(&change.code, now) {
            return Ok(CommitOutcome::CodeRejected);
        }
        user.apply(change, now);
        for kind in change.events() {
            let event = user.append(*kind, change.operation, change.editor.as_ref(), now);
            state.outbox.push(event);
        }
        let details = state.remember(change.operation, &change.key, change.method, None);
        details.map(CommitOutcome::Committed).ok_or_else(lost_user)
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        let state = &mut *state;
        let attempts = match &request.subject {
            Subject::Sham { organisation, slot } => {
                let sham = state
                    .shams
                    .entry((organisation.clone(), *slot))
                    .or_default();
                sham.expire(now);
                sham
            }
            Subject::User(key) => {
                match state.seen(request.permit, key, Method::Attempt) {
                    Seen::Before(_) => return Ok(AttemptOutcome::Spent),
                    Seen::Elsewhere => return Ok(AttemptOutcome::OperationReused),
                    Seen::New => {}
                }
                let Some(user) = state.users.get_mut(key) else {
                    return Ok(AttemptOutcome::NotFound);
                };
                state.outbox.extend(user.expire(now));
                &mut user.attempts
            }
        };
        let failures = attempts.failures;
        if attempts
            .permits
            .iter()
            .any(|(open, _)| *open == request.permit)
        {
            return Ok(AttemptOutcome::Permitted { failures });
        }
        Ok(match attempts.take(request.permit, &request.limits, now) {
            Decision::Busy(retry_in) => AttemptOutcome::Busy { retry_in },
            Decision::Permit => AttemptOutcome::Permitted { failures },
            Decision::Stopped => AttemptOutcome::Stopped { failures },
            Decision::Wait(retry_in) => AttemptOutcome::Wait { retry_in },
        })
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        match &settlement.subject {
            Subject::Sham { organisation, slot } => {
                let sham = state
                    .shams
                    .entry((organisation.clone(), *slot))
                    .or_default();
                sham.expire(now);
                Ok(
                    if sham.settle(settlement.permit, settlement.verification, now) {
                        SettleOutcome::Settled {
                            failures: sham.failures,
                            locked: false,
                        }
                    } else {
                        SettleOutcome::Expired
                    },
                )
            }
            Subject::User(key) => Ok(settle_user(&mut state, key, settlement, now)),
        }
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        match state.seen(upgrade.operation, &upgrade.key, Method::UpgradeHash) {
            Seen::Before(done) => return Ok(UpgradeOutcome::Replayed(done.record.details.clone())),
            Seen::Elsewhere => return Ok(UpgradeOutcome::OperationReused),
            Seen::New => {}
        }
        let state = &mut *state;
        let verified = upgrade.verified.as_stored();
        let user = state.users.get_mut(&upgrade.key).filter(|user| {
            user.hash
                .as_ref()
                .is_some_and(|hash| hash.as_str() == verified)
        });
        let Some(user) = user else {
            return Ok(UpgradeOutcome::Superseded);
        };
        user.hash = Some(Zeroizing::new(upgrade.replacement.as_stored().to_owned()));
        state
            .outbox
            .push(user.append(EventKind::HashUpdated, upgrade.operation, None, now));
        let details = state.remember(upgrade.operation, &upgrade.key, Method::UpgradeHash, None);
        details.map(UpgradeOutcome::Upgraded).ok_or_else(lost_user)
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let after = query
            .after
            .as_ref()
            .map_or(Ok(0), |cursor| cursor.as_str().parse::<usize>());
        let after =
            after.map_err(|error| StoreError::new(StoreErrorKind::Misuse).with_source(error))?;
        let state = self.lock();
        // A position is the index after an event in the outbox, for both scopes.
        let matching =
            state
                .outbox
                .iter()
                .enumerate()
                .skip(after)
                .filter(|(_, event)| match &query.scope {
                    EventScope::Outbox => true,
                    EventScope::User(key) => event.key == *key,
                });
        let limit = query.limit.min(EventQuery::MAX_PAGE) as usize;
        let page: Vec<_> = matching.take(limit).collect();
        let next = page.last().map_or_else(
            || query.after.clone(),
            |(index, _)| Some(Cursor::new((index + 1).to_string())),
        );
        Ok(EventPage::new(
            page.into_iter().map(|(_, event)| event.clone()).collect(),
            next,
        ))
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let state = self.lock();
        let done = state
            .operations
            .get(&operation)
            .filter(|done| done.key == *key);
        Ok(done.map(|done| done.record.clone()))
    }
}

#[async_trait]
impl StoreHealth for MemoryStore {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn settle_user(
    state: &mut State,
    key: &UserKey,
    settlement: &Settlement,
    now: Timestamp,
) -> SettleOutcome {
    let (permit, verification) = (settlement.permit, settlement.verification);
    if let Seen::Before(Done {
        settled: Some(first),
        ..
    }) = state.seen(permit, key, Method::Attempt)
    {
        return *first;
    }
    let Some(user) = state.users.get_mut(key) else {
        return SettleOutcome::Expired;
    };
    state.outbox.extend(user.expire(now));
    if !user.attempts.settle(permit, verification, now) {
        return SettleOutcome::Expired;
    }
    let failures = user.attempts.failures;
    let mut locked = false;
    match verification {
        Verification::Abandoned => return SettleOutcome::Settled { failures, locked },
        Verification::Right => {
            state
                .outbox
                .push(user.append(EventKind::CheckSucceeded, permit, None, now));
        }
        Verification::Wrong { lock_at } => {
            if let Some(code) = user.code.as_mut().filter(|_| settlement.guessed_code) {
                code.guesses = code.guesses.saturating_add(1);
            }
            state
                .outbox
                .push(user.append(EventKind::CheckFailed, permit, None, now));
            locked = user.record.state == UserState::Active
                && lock_at.is_some_and(|limit| failures >= limit);
            if locked {
                user.record.state = UserState::Locked;
                state
                    .outbox
                    .push(user.append(EventKind::Locked, permit, None, now));
            }
        }
    }
    let outcome = SettleOutcome::Settled { failures, locked };
    state.remember(permit, key, Method::Attempt, Some(outcome));
    outcome
}

fn lost_user() -> StoreError {
    StoreError::new(StoreErrorKind::Internal).with_source("a user vanished inside a commit")
}
