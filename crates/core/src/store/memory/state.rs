//! Everything that is in memory, and what is known of each operation id.

use std::collections::HashMap;

use super::{documents::Stored, user::User};
use crate::{
    clock::Timestamp,
    details::ObjectDetails,
    id::{OperationId, OrgId, UserKey},
    store::{
        AttemptOutcome, AttemptRequest, AttemptState, Decision, DocumentKey, Event, Method,
        OperationRecord, SettleOutcome, Settlement, Subject, UserState, Verification,
    },
};

#[derive(Default)]
pub(super) struct State {
    pub(super) users: HashMap<UserKey, User>,
    pub(super) operations: HashMap<OperationId, Done>,
    pub(super) outbox: Vec<Event>,
    shams: HashMap<(OrgId, u16), AttemptState>,
    pub(super) documents: HashMap<DocumentKey, Stored>,
}

/// What an operation id was used for.
pub(super) enum Done {
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

/// What is known of an operation id before a mutation.
pub(super) enum Seen<'a> {
    Before(&'a ObjectDetails),
    Elsewhere,
    New,
}

/// What is known of an operation id before an attempt.
enum SeenPermit {
    Elsewhere,
    New,
    /// Not settled: it is open, or its lease ran out.
    Taken,
    Settled(SettleOutcome),
}

impl State {
    pub(super) fn seen(&self, operation: OperationId, on: &UserKey, method: Method) -> Seen<'_> {
        match self.operations.get(&operation) {
            None => Seen::New,
            Some(Done::Applied { key, record }) if key == on && record.method == method => {
                Seen::Before(&record.details)
            }
            Some(_) => Seen::Elsewhere,
        }
    }

    pub(super) fn remember(
        &mut self,
        operation: OperationId,
        key: &UserKey,
        method: Method,
    ) -> Option<ObjectDetails> {
        let details = self.users.get(key)?.details();
        let (key, record) = (key.clone(), OperationRecord::new(method, details.clone()));
        let done = Done::Applied { key, record };
        self.operations.insert(operation, done);
        Some(details)
    }

    pub(super) fn take(&mut self, request: &AttemptRequest, now: Timestamp) -> AttemptOutcome {
        let taken = match self.seen_permit(request.permit, &request.subject) {
            SeenPermit::Elsewhere => return AttemptOutcome::OperationReused,
            SeenPermit::Settled(_) => return AttemptOutcome::Spent,
            SeenPermit::New => false,
            SeenPermit::Taken => true,
        };
        let Some(attempts) = self.budget(&request.subject, now) else {
            return AttemptOutcome::NotFound;
        };
        let failures = attempts.failures;
        if taken {
            return if attempts.is_open(request.permit) {
                AttemptOutcome::Permitted { failures }
            } else {
                AttemptOutcome::Spent
            };
        }
        match attempts.take(request, now) {
            Decision::Busy(retry_in) => AttemptOutcome::Busy { retry_in },
            Decision::Permit => {
                self.keep(request.permit, &request.subject, None, None);
                AttemptOutcome::Permitted { failures }
            }
            Decision::Stopped => AttemptOutcome::Stopped { failures },
            Decision::Wait(retry_in) => AttemptOutcome::Wait { retry_in },
        }
    }

    pub(super) fn settle(&mut self, settlement: &Settlement, now: Timestamp) -> SettleOutcome {
        let (subject, permit) = (&settlement.subject, settlement.permit);
        match self.seen_permit(permit, subject) {
            SeenPermit::Settled(first) => return first,
            SeenPermit::Elsewhere | SeenPermit::New => return SettleOutcome::Expired,
            SeenPermit::Taken => {}
        }
        let verification = settlement.verification;
        let settled = match subject {
            Subject::Sham { .. } => self.settle_sham(subject, permit, verification, now),
            Subject::User(key) => self.settle_user(key, permit, verification, now),
        };
        let Some((outcome, record)) = settled else {
            return SettleOutcome::Expired;
        };
        self.keep(permit, subject, Some(outcome), record);
        outcome
    }

    fn seen_permit(&self, permit: OperationId, on: &Subject) -> SeenPermit {
        match self.operations.get(&permit) {
            None => SeenPermit::New,
            Some(Done::Permit {
                subject, settled, ..
            }) if subject == on => settled.map_or(SeenPermit::Taken, SeenPermit::Settled),
            Some(_) => SeenPermit::Elsewhere,
        }
    }

    /// A budget after the leases that ran out have been counted. None where there is no user.
    fn budget(&mut self, subject: &Subject, now: Timestamp) -> Option<&mut AttemptState> {
        match subject {
            Subject::Sham { organisation, slot } => {
                let sham = self.shams.entry((organisation.clone(), *slot)).or_default();
                sham.expire(now);
                Some(sham)
            }
            Subject::User(key) => {
                let user = self.users.get_mut(key)?;
                // Nothing comes after the event of a removal, not even a late failure.
                if user.record.state == UserState::Removed {
                    return None;
                }
                self.outbox.extend(user.expire(now));
                Some(&mut user.attempts)
            }
        }
    }

    fn settle_sham(
        &mut self,
        subject: &Subject,
        permit: OperationId,
        verification: Verification,
        now: Timestamp,
    ) -> Option<(SettleOutcome, Option<OperationRecord>)> {
        let sham = self.budget(subject, now)?;
        sham.settle(permit, verification, now)?;
        let (failures, locked) = (sham.failures, false);
        Some((SettleOutcome::Settled { failures, locked }, None))
    }

    fn settle_user(
        &mut self,
        key: &UserKey,
        permit: OperationId,
        verification: Verification,
        now: Timestamp,
    ) -> Option<(SettleOutcome, Option<OperationRecord>)> {
        self.budget(&Subject::User(key.clone()), now)?;
        let user = self.users.get_mut(key)?;
        let (events, locked) = user.settle(permit, verification, now)?;
        let failures = user.attempts.failures;
        let record = OperationRecord::new(Method::Attempt, user.details());
        let record = Some(record).filter(|_| !events.is_empty());
        self.outbox.extend(events);
        Some((SettleOutcome::Settled { failures, locked }, record))
    }

    fn keep(
        &mut self,
        permit: OperationId,
        subject: &Subject,
        settled: Option<SettleOutcome>,
        record: Option<OperationRecord>,
    ) {
        let done = Done::Permit {
            subject: subject.clone(),
            settled,
            record,
        };
        self.operations.insert(permit, done);
    }
}
