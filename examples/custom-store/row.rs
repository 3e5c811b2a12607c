//! Everything of one user in one row, and the rules by which it changes.

use portcullis_core::{
    HashDigest, ObjectDetails, OperationId, StoreError, StoreErrorKind, Timestamp, UserId, UserKey,
    not_before,
    store::{
        AttemptState, Change, Code, CodeChange, Credential, CredentialChange, Event, EventKind,
        NewUser, Permit, StoredHash, UserKind, UserRecord, UserState, Verification, Version,
    },
};
use zeroize::Zeroizing;

/// One user. A mutation works on a copy, so one that fails midway leaves nothing behind.
#[derive(Clone)]
pub(crate) struct UserRow {
    key: UserKey,
    username: String,
    kind: UserKind,
    state: UserState,
    hash: Option<Zeroizing<String>>,
    must_change: bool,
    password_changed: Option<Timestamp>,
    code: Option<Code>,
    version: Version,
    sequence: u64,
    epoch: u64,
    created: Timestamp,
    changed: Timestamp,
    pub(crate) attempts: AttemptState,
    /// Events that are written together with the row.
    pub(crate) news: Vec<Event>,
}

impl UserRow {
    /// A new identity. Of a removed one that had its id it takes up the counters and nothing else.
    pub(crate) fn new(user: &NewUser, removed: Option<&Self>, now: Timestamp) -> Self {
        let now = removed.map_or(now, |last| not_before(now, last.changed));
        let mut row = Self {
            key: user.key.clone(),
            username: user.username.clone(),
            kind: user.kind,
            state: user.state,
            hash: None,
            must_change: user.must_change,
            password_changed: user.hash.as_ref().map(|_| now),
            code: None,
            version: removed.map_or(Version::FIRST, |last| last.version.next()),
            sequence: removed.map_or(0, |last| last.sequence),
            epoch: removed.map_or(1, |last| last.epoch.saturating_add(1)),
            created: now,
            changed: now,
            attempts: AttemptState::default(),
            news: Vec::new(),
        };
        row.replace_hash(user.hash.as_ref().map(|hash| hash.as_stored()));
        row.append(user.event(), user.operation, user.editor.as_ref(), now);
        row
    }

    pub(crate) fn key(&self) -> &UserKey {
        &self.key
    }

    pub(crate) fn version(&self) -> Version {
        self.version
    }

    pub(crate) fn is_removed(&self) -> bool {
        self.state == UserState::Removed
    }

    pub(crate) fn has_hash(&self, text: &str) -> bool {
        self.hash.as_ref().is_some_and(|hash| hash.as_str() == text)
    }

    /// The text alone: neither its age nor the epoch moves.
    pub(crate) fn replace_hash(&mut self, text: Option<&str>) {
        self.hash = text.map(|text| Zeroizing::new(text.to_owned()));
    }

    pub(crate) fn details(&self) -> ObjectDetails {
        let owner = self.key.organisation().clone();
        ObjectDetails::written(self.sequence, self.changed, owner)
    }

    pub(crate) fn record(&self) -> UserRecord {
        let mut record = UserRecord::new(
            self.key.clone(),
            self.username.as_str(),
            self.kind,
            self.created,
        );
        let hash = StoredHash::load(self.hash.as_ref().map(|hash| hash.as_str()));
        record.state = self.state;
        record.credential = Credential::new(hash, self.must_change, self.password_changed);
        record.code.clone_from(&self.code);
        record.version = self.version;
        record.sequence = self.sequence;
        record.epoch = self.epoch;
        record.failures = self.attempts.failures;
        record.changed = self.changed;
        record
    }

    /// One more event, with the state in which it leaves the user.
    pub(crate) fn append(
        &mut self,
        kind: EventKind,
        operation: OperationId,
        editor: Option<&UserId>,
        now: Timestamp,
    ) {
        self.sequence = self.sequence.saturating_add(1);
        self.changed = not_before(now, self.changed);
        let mut event = Event::new(self.key.clone(), kind, operation, self.changed);
        event.sequence = self.sequence;
        event.version = self.version;
        event.state = self.state;
        event.failures = self.attempts.failures;
        event.must_change = self.must_change;
        event.hash = self.hash.as_ref().map(|hash| HashDigest::of(hash));
        event.editor = editor.cloned();
        self.news.push(event);
    }

    /// Turns permits whose lease ran out into failures, each with its event.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        let before = self.attempts.failures;
        let ended = self.attempts.expire(now);
        let after = self.attempts.failures;
        // Each event tells the failures as they were after it.
        self.attempts.failures = before;
        for permit in &ended {
            self.count_guess(permit);
            self.attempts.failures = self.attempts.failures.saturating_add(1);
            self.append(EventKind::CheckFailed, permit.id, None, now);
        }
        self.attempts.failures = after;
    }

    /// Closes a permit and says whether that locked the user. None if it is not open.
    pub(crate) fn settle(
        &mut self,
        id: OperationId,
        verification: Verification,
        now: Timestamp,
    ) -> Result<Option<bool>, StoreError> {
        let Some(permit) = self.attempts.settle(id, verification, now) else {
            return Ok(None);
        };
        let lock_at = match verification {
            Verification::Abandoned => return Ok(Some(false)),
            Verification::Right => {
                self.append(EventKind::CheckSucceeded, id, None, now);
                return Ok(Some(false));
            }
            Verification::Wrong { lock_at } => lock_at,
            _ => return Err(unknown("verification")),
        };
        self.count_guess(&permit);
        self.append(EventKind::CheckFailed, id, None, now);
        let locked = self.state == UserState::Active
            && lock_at.is_some_and(|limit| self.attempts.failures >= limit);
        if locked {
            self.state = UserState::Locked;
            self.append(EventKind::Locked, id, None, now);
        }
        Ok(Some(locked))
    }

    /// Whether the pending code allows the change.
    pub(crate) fn redeems(&self, change: &CodeChange, now: Timestamp) -> bool {
        let CodeChange::Consume {
            digest,
            max_guesses,
        } = change
        else {
            return true;
        };
        // A guess whose lease ran out counts, whether or not an attempt has found it since.
        let unsettled = self.attempts.ended_guesses(now);
        self.code.as_ref().is_some_and(|code| {
            code.digest == *digest
                && now < code.expires
                && code.guesses.saturating_add(unsettled) < *max_guesses
        })
    }

    /// The change and its events.
    pub(crate) fn apply(&mut self, change: &Change, now: Timestamp) -> Result<(), StoreError> {
        if change.clears_failures() {
            // The failures are forgotten; the guesses at a code that stays pending are not.
            for permit in self.attempts.clear(now) {
                self.count_guess(&permit);
            }
        }
        match &change.credential {
            CredentialChange::Keep => {}
            CredentialChange::Remove => self.set_password(None, false, now),
            CredentialChange::Replace { hash, must_change } => {
                self.set_password(Some(hash.as_stored()), *must_change, now);
            }
            _ => return Err(unknown("change of a credential")),
        }
        self.state = change.state.unwrap_or(self.state);
        match &change.code {
            CodeChange::Consume { .. } => self.code = None,
            CodeChange::Issue(_) | CodeChange::IssueFor { .. } => {
                self.code = change.code.issued(now);
            }
            CodeChange::Keep => {}
            _ => return Err(unknown("change of a code")),
        }
        self.version = self.version.next();
        for kind in change.events() {
            self.append(*kind, change.operation, change.editor.as_ref(), now);
        }
        Ok(())
    }

    fn set_password(&mut self, hash: Option<&str>, must_change: bool, now: Timestamp) {
        self.replace_hash(hash);
        self.must_change = must_change;
        self.password_changed = hash.map(|_| not_before(now, self.changed));
        self.epoch = self.epoch.saturating_add(1);
        self.code = None;
    }

    fn count_guess(&mut self, permit: &Permit) {
        if let Some(code) = self.code.as_mut().filter(|_| permit.guesses_code) {
            code.guesses = code.guesses.saturating_add(1);
        }
    }
}

/// The enums of the core may grow. A store that guessed at what a new variant means would be
/// wrong in silence, so it refuses.
pub(crate) fn unknown(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Misuse).with_source(format!("this store knows no such {what}"))
}
