//! One user in memory, and the rules by which a mutation changes it.

use zeroize::Zeroizing;

use crate::{
    clock::{Timestamp, not_before},
    details::ObjectDetails,
    hash_string::HashDigest,
    id::{OperationId, UserId},
    store::{
        AttemptState, Change, Code, CodeChange, Credential, CredentialChange, Event, EventKind,
        NewUser, Permit, StoredHash, UserRecord, UserState, Verification,
    },
};

/// A user without what can be derived; `record` holds no credential and no code.
pub(super) struct User {
    pub(super) record: UserRecord,
    pub(super) hash: Option<Zeroizing<String>>,
    must_change: bool,
    password_changed: Option<Timestamp>,
    code: Option<Code>,
    pub(super) attempts: AttemptState,
}

impl User {
    /// A new identity. Of a removed one that had its id it takes up the counters and nothing else.
    pub(super) fn new(user: &NewUser, removed: Option<&Self>, now: Timestamp) -> Self {
        let now = removed.map_or(now, |last| not_before(now, last.record.changed));
        let mut record = UserRecord::new(user.key.clone(), user.username.as_str(), user.kind, now);
        record.state = user.state;
        if let Some(UserRecord {
            version,
            sequence,
            epoch,
            ..
        }) = removed.map(|last| &last.record)
        {
            record.version = version.next();
            record.sequence = sequence.saturating_add(1);
            record.epoch = epoch.saturating_add(1);
        }
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

    pub(super) fn details(&self) -> ObjectDetails {
        let owner = self.record.key.organisation().clone();
        ObjectDetails::written(self.record.sequence, self.record.changed, owner)
    }

    pub(super) fn load(&self) -> UserRecord {
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

    pub(super) fn event(
        &self,
        kind: EventKind,
        operation: OperationId,
        editor: Option<&UserId>,
    ) -> Event {
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
    pub(super) fn append(
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
    pub(super) fn expire(&mut self, now: Timestamp) -> Vec<Event> {
        let before = self.attempts.failures;
        let ended = self.attempts.expire(now);
        let after = self.attempts.failures;
        self.attempts.failures = before;
        let mut events = Vec::with_capacity(ended.len());
        for permit in &ended {
            self.count_guess(permit);
            self.attempts.failures = self.attempts.failures.saturating_add(1);
            events.push(self.append(EventKind::CheckFailed, permit.id, None, now));
        }
        self.attempts.failures = after;
        events
    }

    /// Closes an open permit. Returns its events and whether it locked the user; none if the
    /// permit is not open.
    pub(super) fn settle(
        &mut self,
        id: OperationId,
        verification: Verification,
        now: Timestamp,
    ) -> Option<(Vec<Event>, bool)> {
        let permit = self.attempts.settle(id, verification, now)?;
        let lock_at = match verification {
            Verification::Abandoned => return Some((Vec::new(), false)),
            Verification::Right => {
                let event = self.append(EventKind::CheckSucceeded, id, None, now);
                return Some((vec![event], false));
            }
            Verification::Wrong { lock_at } => lock_at,
        };
        self.count_guess(&permit);
        let mut events = vec![self.append(EventKind::CheckFailed, id, None, now)];
        let locked = self.record.state == UserState::Active
            && lock_at.is_some_and(|limit| self.attempts.failures >= limit);
        if locked {
            self.record.state = UserState::Locked;
            events.push(self.append(EventKind::Locked, id, None, now));
        }
        Some((events, locked))
    }

    fn count_guess(&mut self, permit: &Permit) {
        if let Some(code) = self.code.as_mut().filter(|_| permit.guesses_code) {
            code.guesses = code.guesses.saturating_add(1);
        }
    }

    /// Whether a code that the change wants to consume is the pending one, and still good.
    pub(super) fn redeems(&self, change: &CodeChange, now: Timestamp) -> bool {
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

    pub(super) fn apply(&mut self, change: &Change, now: Timestamp) {
        if change.clears_failures() {
            // The failures are forgotten; the guesses at a code that stays pending are not.
            for permit in self.attempts.clear(now) {
                self.count_guess(&permit);
            }
        }
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
        match &change.code {
            CodeChange::Consume { .. } => self.code = None,
            CodeChange::Issue(_) | CodeChange::IssueFor { .. } => {
                self.code = change.code.issued(now);
            }
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
