//! The reference implementation: everything in memory, gone with the process.

mod documents;
mod state;
mod user;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome, Cursor, EventKind,
    EventPage, EventQuery, EventScope, HashUpgrade, Method, NewUser, OperationRecord,
    SettleOutcome, Settlement, StoreHealth, Subject, UpgradeOutcome, UserRecord, UserState,
    UserStore,
};
use crate::{
    clock::{Clock, SystemClock},
    error::{StoreError, StoreErrorKind},
    id::{OperationId, UserKey},
};
use state::{Done, Seen, State};
use user::User;

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

#[async_trait]
impl UserStore for MemoryStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        match state.seen(user.operation, &user.key, Method::Create) {
            Seen::Before(details) => return Ok(CreateOutcome::Replayed(details.clone())),
            Seen::Elsewhere => return Ok(CreateOutcome::OperationReused),
            Seen::New => {}
        }
        let before = state.users.get(&user.key);
        if before.is_some_and(|before| before.record.state != UserState::Removed) {
            return Ok(CreateOutcome::Exists);
        }
        let created = User::new(user, before, now);
        let event = created.event(user.event(), user.operation, user.editor.as_ref());
        state.outbox.push(event);
        state.users.insert(user.key.clone(), created);
        let details = state.remember(user.operation, &user.key, Method::Create);
        details.map(CreateOutcome::Created).ok_or_else(lost_user)
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        Ok(self.lock().users.get(key).map(User::load))
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        if !change.method.is_committed() {
            let error = StoreError::new(StoreErrorKind::Misuse);
            return Err(error.with_source("the method is not one of a change"));
        }
        let (now, mut state) = (self.clock.now(), self.lock());
        match state.seen(change.operation, &change.key, change.method) {
            Seen::Before(details) => return Ok(CommitOutcome::Replayed(details.clone())),
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
        let details = state.remember(change.operation, &change.key, change.method);
        details.map(CommitOutcome::Committed).ok_or_else(lost_user)
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        Ok(state.take(request, now))
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        Ok(state.settle(settlement, now))
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        let (now, mut state) = (self.clock.now(), self.lock());
        match state.seen(upgrade.operation, &upgrade.key, Method::UpgradeHash) {
            Seen::Before(details) => return Ok(UpgradeOutcome::Replayed(details.clone())),
            Seen::Elsewhere => return Ok(UpgradeOutcome::OperationReused),
            Seen::New => {}
        }
        let state = &mut *state;
        let verified = upgrade.verified.as_stored();
        let user = state.users.get_mut(&upgrade.key).filter(|user| {
            let hash = user.hash.as_ref().map(|hash| hash.as_str());
            user.record.state != UserState::Removed && hash == Some(verified)
        });
        let Some(user) = user else {
            return Ok(UpgradeOutcome::Superseded);
        };
        user.hash = Some(Zeroizing::new(upgrade.replacement.as_stored().to_owned()));
        state
            .outbox
            .push(user.append(EventKind::HashUpdated, upgrade.operation, None, now));
        let details = state.remember(upgrade.operation, &upgrade.key, Method::UpgradeHash);
        details.map(UpgradeOutcome::Upgraded).ok_or_else(lost_user)
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let after = query.after.as_ref().map(|cursor| cursor.as_str().parse());
        let after: Result<u64, _> = after.unwrap_or(Ok(0));
        let after =
            after.map_err(|error| StoreError::new(StoreErrorKind::Misuse).with_source(error))?;
        let limit = query.limit.min(EventQuery::MAX_PAGE) as usize;
        let state = self.lock();
        // The outbox is read on by the place in it.
        let found = (1..).zip(&state.outbox).filter_map(|(place, event)| {
            let position = match &query.scope {
                EventScope::Outbox => place,
                EventScope::User(key) if event.key == *key => event.sequence,
                EventScope::User(_) => return None,
            };
            (position > after).then_some((position, event))
        });
        let (mut events, mut next) = (Vec::new(), query.after.clone());
        for (position, event) in found.take(limit) {
            next = Some(Cursor::new(position.to_string()));
            events.push(event.clone());
        }
        Ok(EventPage::new(events, next))
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let state = self.lock();
        Ok(match state.operations.get(&operation) {
            Some(Done::Applied { key: of, record }) if of == key => Some(record.clone()),
            Some(Done::Permit {
                subject: Subject::User(of),
                record,
                ..
            }) if of == key => record.clone(),
            _ => None,
        })
    }
}

#[async_trait]
impl StoreHealth for MemoryStore {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

fn lost_user() -> StoreError {
    StoreError::new(StoreErrorKind::Internal).with_source("a user vanished inside a commit")
}
