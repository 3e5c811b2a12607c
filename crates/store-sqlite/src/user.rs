//! One user within a transaction, and the rules by which a mutation changes it.

use std::borrow::Cow;

use portcullis_core::{
    HashDigest, ObjectDetails, OperationId, Timestamp, UserId, UserKey, not_before,
    store::{
        AttemptState, Change, CodeChange, Credential, CredentialChange, Event, EventKind, NewUser,
        OperationRecord, Permit, SettleOutcome, StoredHash, Subject, UserRecord, UserState,
        Verification,
    },
};
use zeroize::Zeroizing;

use crate::error::Error;

/// A row of `users`. Credential and failures of `record` are not filled in before [`User::load`].
pub(crate) struct User {
    pub(crate) record: UserRecord,
    /// The bytes as they are stored, so that a row with a damaged hash is written back unchanged.
    pub(crate) hash: Option<Zeroizing<Vec<u8>>>,
    pub(crate) must_change: bool,
    pub(crate) password_changed: Option<Timestamp>,
    pub(crate) attempts: AttemptState,
}

/// A row of `operations`.
pub(crate) enum Done {
    /// A mutation of a user.
    Applied {
        key: UserKey,
        record: OperationRecord,
    },
    /// A permit, which has its id from the moment it is taken.
    Permit {
        subject: Subject,
        /// None while it is open, and for ever once its lease ran out.
        settled: Option<SettleOutcome>,
        /// What a right or wrong answer did to a user.
        record: Option<OperationRecord>,
    },
}

impl Done {
    /// What a caller who asks for a user's operation sees of it.
    pub(crate) fn applied_to(self, user: &UserKey) -> Option<OperationRecord> {
        match self {
            Self::Applied { key, record } if key == *user => Some(record),
            Self::Permit {
                subject: Subject::User(key),
                record,
                ..
            } if key == *user => record,
            Self::Applied { .. } | Self::Permit { .. } => None,
        }
    }
}

impl User {
    /// A new identity. Of a removed one that had its id it takes up the counters and nothing else.
    pub(crate) fn new(user: &NewUser, removed: Option<&Self>, now: Timestamp) -> Self {
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
            hash: user.hash.as_ref().map(|hash| stored(hash.as_stored())),
            must_change: user.must_change,
            password_changed: user.hash.as_ref().map(|_| now),
            attempts: AttemptState::default(),
        }
    }

    /// What a caller sees of it.
    pub(crate) fn load(mut self) -> UserRecord {
        let hash = StoredHash::load(self.hash_text().as_deref());
        self.record.credential = Credential::new(hash, self.must_change, self.password_changed);
        self.record.failures = self.attempts.failures;
        self.record
    }

    pub(crate) fn details(&self) -> ObjectDetails {
        let owner = self.record.key.organisation().clone();
        ObjectDetails::written(self.record.sequence, self.record.changed, owner)
    }

    /// The stored text. Bytes that are no text at all become one that no parser takes.
    pub(crate) fn hash_text(&self) -> Option<Cow<'_, str>> {
        let hash = self.hash.as_ref()?;
        Some(String::from_utf8_lossy(hash))
    }

    /// The event that leaves the user as it is now.
    pub(crate) fn event(
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
        event.hash = self.hash_text().map(|text| HashDigest::of(&text));
        event.editor = editor.cloned();
        event
    }

    /// One more event after the newest, at `now` or later.
    pub(crate) fn append(
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
    pub(crate) fn expire(&mut self, now: Timestamp) -> (Vec<Permit>, Vec<Event>) {
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
        (ended, events)
    }

    /// Whether a code that the change wants to consume is the pending one, and still good.
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
        self.record.code.as_ref().is_some_and(|code| {
            code.digest == *digest
                && now < code.expires
                && code.guesses.saturating_add(unsettled) < *max_guesses
        })
    }

    /// Returns the permits that are forgotten with the failures.
    pub(crate) fn apply(&mut self, change: &Change, now: Timestamp) -> Result<Vec<Permit>, Error> {
        let mut forgotten = Vec::new();
        if change.clears_failures() {
            forgotten = self.attempts.clear(now);
            // The failures are forgotten; the guesses at a code that stays pending are not.
            for permit in &forgotten {
                self.count_guess(permit);
            }
        }
        match &change.credential {
            CredentialChange::Keep => {}
            CredentialChange::Remove => self.set_hash(None, false, now),
            CredentialChange::Replace { hash, must_change } => {
                self.set_hash(Some(hash.as_stored()), *must_change, now);
            }
            _ => return Err(Error::Unsupported),
        }
        if let Some(state) = change.state {
            self.record.state = state;
        }
        match &change.code {
            CodeChange::Consume { .. } => self.record.code = None,
            CodeChange::Issue(_) | CodeChange::IssueFor { .. } => {
                self.record.code = change.code.issued(now);
            }
            CodeChange::Keep => {}
            _ => return Err(Error::Unsupported),
        }
        self.record.version = self.record.version.next();
        Ok(forgotten)
    }

    /// Replaces the hash by a stronger one of the same password.
    pub(crate) fn upgrade(&mut self, replacement: &str) {
        self.hash = Some(stored(replacement));
    }

    /// The events of a permit that was just closed, and whether it locked the user.
    pub(crate) fn settled(
        &mut self,
        permit: &Permit,
        verification: Verification,
        now: Timestamp,
    ) -> Result<(Vec<Event>, bool), Error> {
        let lock_at = match verification {
            Verification::Abandoned => return Ok((Vec::new(), false)),
            Verification::Right => {
                let event = self.append(EventKind::CheckSucceeded, permit.id, None, now);
                return Ok((vec![event], false));
            }
            Verification::Wrong { lock_at } => lock_at,
            _ => return Err(Error::Unsupported),
        };
        self.count_guess(permit);
        let mut events = vec![self.append(EventKind::CheckFailed, permit.id, None, now)];
        let locked = self.record.state == UserState::Active
            && lock_at.is_some_and(|limit| self.attempts.failures >= limit);
        if locked {
            self.record.state = UserState::Locked;
            events.push(self.append(EventKind::Locked, permit.id, None, now));
        }
        Ok((events, locked))
    }

    fn count_guess(&mut self, permit: &Permit) {
        if let Some(code) = self.record.code.as_mut().filter(|_| permit.guesses_code) {
            code.guesses = code.guesses.saturating_add(1);
        }
    }

    fn set_hash(&mut self, hash: Option<&str>, must_change: bool, now: Timestamp) {
        self.hash = hash.map(stored);
        self.must_change = must_change;
        self.password_changed = hash.map(|_| not_before(now, self.record.changed));
        self.record.epoch = self.record.epoch.saturating_add(1);
        self.record.code = None;
    }
}

fn stored(text: &str) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(text.as_bytes().to_vec())
}
