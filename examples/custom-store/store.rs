//! The store: a few tables behind one lock. A method copies a row, changes the copy and writes
//! it back together with its events and its operation id.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use portcullis_core::{
    Clock, ObjectDetails, OperationId, OrgId, StoreError, StoreErrorKind, StoreHealth, Timestamp,
    UserKey, UserStore,
    store::{
        AttemptOutcome, AttemptRequest, AttemptState, Change, CommitOutcome, CreateOutcome, Cursor,
        Decision, Event, EventKind, EventPage, EventQuery, EventScope, HashUpgrade, Method,
        NewUser, OperationRecord, SettleOutcome, Settlement, Subject, UpgradeOutcome, UserRecord,
    },
};

use crate::row::{UserRow, unknown};

/// Keeps each user as one row. Clones are handles of one store.
#[derive(Clone)]
pub(crate) struct RowStore {
    clock: Arc<dyn Clock>,
    tables: Arc<Mutex<Tables>>,
}

#[derive(Default)]
struct Tables {
    rows: BTreeMap<UserKey, UserRow>,
    shams: BTreeMap<(OrgId, u16), AttemptState>,
    operations: BTreeMap<OperationId, Done>,
    outbox: Vec<Event>,
}

/// What an operation id was used for.
struct Done {
    subject: Subject,
    method: Method,
    /// What it wrote. None for a permit, unless a right or wrong answer wrote events.
    details: Option<ObjectDetails>,
    /// What a permit came to. None while it is open, and for ever once its lease ran out.
    settled: Option<SettleOutcome>,
}

/// What is known of an operation id before a mutation.
enum Seen {
    Before(ObjectDetails),
    Elsewhere,
    New,
}

impl RowStore {
    /// An empty store.
    pub(crate) fn open(clock: Arc<dyn Clock>) -> Self {
        let tables = Arc::default();
        Self { clock, tables }
    }

    /// Writes a text past the parser, as a damaged database would.
    #[cfg(test)]
    pub(crate) fn damage_hash(&self, key: &UserKey, text: &str) {
        let (mut tables, _) = self.begin();
        if let Some(row) = tables.rows.get_mut(key) {
            row.replace_hash(Some(text));
        }
    }

    /// The lock is the transaction: whoever holds it is alone, and the time is that of its turn.
    fn begin(&self) -> (MutexGuard<'_, Tables>, Timestamp) {
        // Rows change as copies, so a poisoned lock guards whole rows.
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        (tables, self.clock.now())
    }
}

impl fmt::Debug for RowStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RowStore").finish_non_exhaustive()
    }
}

impl Tables {
    fn seen(&self, operation: OperationId, key: &UserKey, method: Method) -> Seen {
        match self.operations.get(&operation) {
            None => Seen::New,
            Some(Done {
                subject: Subject::User(of),
                method: by,
                details: Some(details),
                ..
            }) if of == key && *by == method => Seen::Before(details.clone()),
            Some(_) => Seen::Elsewhere,
        }
    }

    /// A copy to work on, of a user that was not removed.
    fn copy(&self, key: &UserKey) -> Option<UserRow> {
        let row = self.rows.get(key)?;
        (!row.is_removed()).then(|| row.clone())
    }

    fn write(&mut self, mut row: UserRow) {
        self.outbox.append(&mut row.news);
        self.rows.insert(row.key().clone(), row);
    }

    /// Writes what a mutation made of a row, and its id.
    fn finish(&mut self, row: UserRow, operation: OperationId, method: Method) -> ObjectDetails {
        let details = row.details();
        let done = Done {
            subject: Subject::User(row.key().clone()),
            method,
            details: Some(details.clone()),
            settled: None,
        };
        self.write(row);
        self.operations.insert(operation, done);
        details
    }

    fn take(
        &mut self,
        request: &AttemptRequest,
        now: Timestamp,
    ) -> Result<AttemptOutcome, StoreError> {
        let taken = match self.operations.get(&request.permit) {
            None => false,
            Some(done) if !done.is_permit_of(&request.subject) => {
                return Ok(AttemptOutcome::OperationReused);
            }
            Some(done) if done.settled.is_some() => return Ok(AttemptOutcome::Spent),
            Some(_) => true,
        };
        let outcome = match &request.subject {
            Subject::Sham { organisation, slot } => {
                let id = (organisation.clone(), *slot);
                let mut budget = self.shams.get(&id).cloned().unwrap_or_default();
                budget.expire(now);
                let outcome = ask(&mut budget, request, taken, now)?;
                self.shams.insert(id, budget);
                outcome
            }
            Subject::User(key) => {
                let Some(mut row) = self.copy(key) else {
                    return Ok(AttemptOutcome::NotFound);
                };
                row.expire(now);
                let outcome = ask(&mut row.attempts, request, taken, now)?;
                self.write(row);
                outcome
            }
            _ => return Err(unknown("subject")),
        };
        if !taken && matches!(outcome, AttemptOutcome::Permitted { .. }) {
            let permit = Done::permit(request.subject.clone());
            self.operations.insert(request.permit, permit);
        }
        Ok(outcome)
    }

    fn settle(
        &mut self,
        settlement: &Settlement,
        now: Timestamp,
    ) -> Result<SettleOutcome, StoreError> {
        let (permit, verification) = (settlement.permit, settlement.verification);
        let mut done = match self.operations.get(&permit) {
            Some(done) if done.is_permit_of(&settlement.subject) => match done.settled {
                Some(first) => return Ok(first),
                None => Done::permit(settlement.subject.clone()),
            },
            _ => return Ok(SettleOutcome::Expired),
        };
        // What has run out by now is written even if this permit is among it.
        done.settled = match &settlement.subject {
            Subject::Sham { organisation, slot } => {
                let budget = self.shams.entry((organisation.clone(), *slot)).or_default();
                budget.expire(now);
                let closed = budget.settle(permit, verification, now);
                let (failures, locked) = (budget.failures, false);
                closed.map(|_| SettleOutcome::Settled { failures, locked })
            }
            Subject::User(key) => {
                let Some(mut row) = self.copy(key) else {
                    return Ok(SettleOutcome::Expired);
                };
                row.expire(now);
                let expired = row.news.len();
                let closed = row.settle(permit, verification, now)?;
                if row.news.len() > expired {
                    done.details = Some(row.details());
                }
                let failures = row.attempts.failures;
                self.write(row);
                closed.map(|locked| SettleOutcome::Settled { failures, locked })
            }
            _ => return Err(unknown("subject")),
        };
        let Some(outcome) = done.settled else {
            return Ok(SettleOutcome::Expired);
        };
        self.operations.insert(permit, done);
        Ok(outcome)
    }
}

impl Done {
    fn permit(subject: Subject) -> Self {
        Self {
            subject,
            method: Method::Attempt,
            details: None,
            settled: None,
        }
    }

    fn is_permit_of(&self, subject: &Subject) -> bool {
        self.method == Method::Attempt && self.subject == *subject
    }
}

/// Asks a budget in which no lease has run out.
fn ask(
    budget: &mut AttemptState,
    request: &AttemptRequest,
    taken: bool,
    now: Timestamp,
) -> Result<AttemptOutcome, StoreError> {
    let failures = budget.failures;
    if taken {
        return Ok(if budget.is_open(request.permit) {
            AttemptOutcome::Permitted { failures }
        } else {
            AttemptOutcome::Spent
        });
    }
    match budget.take(request, now) {
        Decision::Busy(retry_in) => Ok(AttemptOutcome::Busy { retry_in }),
        Decision::Permit => Ok(AttemptOutcome::Permitted { failures }),
        Decision::Stopped => Ok(AttemptOutcome::Stopped { failures }),
        Decision::Wait(retry_in) => Ok(AttemptOutcome::Wait { retry_in }),
        _ => Err(unknown("decision")),
    }
}

#[async_trait]
impl UserStore for RowStore {
    async fn create(&self, user: &NewUser) -> Result<CreateOutcome, StoreError> {
        let (mut tables, now) = self.begin();
        match tables.seen(user.operation, &user.key, Method::Create) {
            Seen::Before(details) => return Ok(CreateOutcome::Replayed(details)),
            Seen::Elsewhere => return Ok(CreateOutcome::OperationReused),
            Seen::New => {}
        }
        let before = tables.rows.get(&user.key);
        if before.is_some_and(|before| !before.is_removed()) {
            return Ok(CreateOutcome::Exists);
        }
        let row = UserRow::new(user, before, now);
        let details = tables.finish(row, user.operation, Method::Create);
        Ok(CreateOutcome::Created(details))
    }

    async fn load(&self, key: &UserKey) -> Result<Option<UserRecord>, StoreError> {
        let (tables, _) = self.begin();
        Ok(tables.rows.get(key).map(UserRow::record))
    }

    async fn commit(&self, change: &Change) -> Result<CommitOutcome, StoreError> {
        if !change.method.is_committed() {
            return Err(unknown("method of a change"));
        }
        let (mut tables, now) = self.begin();
        match tables.seen(change.operation, &change.key, change.method) {
            Seen::Before(details) => return Ok(CommitOutcome::Replayed(details)),
            Seen::Elsewhere => return Ok(CommitOutcome::OperationReused),
            Seen::New => {}
        }
        let Some(mut row) = tables.copy(&change.key) else {
            return Ok(CommitOutcome::NotFound);
        };
        if row.version() != change.expected {
            return Ok(CommitOutcome::Conflict);
        }
        if !row.redeems(&change.code, now) {
            return Ok(CommitOutcome::CodeRejected);
        }
        row.apply(change, now)?;
        let details = tables.finish(row, change.operation, change.method);
        Ok(CommitOutcome::Committed(details))
    }

    async fn take_attempt(&self, request: &AttemptRequest) -> Result<AttemptOutcome, StoreError> {
        let (mut tables, now) = self.begin();
        tables.take(request, now)
    }

    async fn settle_attempt(&self, settlement: &Settlement) -> Result<SettleOutcome, StoreError> {
        let (mut tables, now) = self.begin();
        tables.settle(settlement, now)
    }

    async fn upgrade_hash(&self, upgrade: &HashUpgrade) -> Result<UpgradeOutcome, StoreError> {
        let (mut tables, now) = self.begin();
        match tables.seen(upgrade.operation, &upgrade.key, Method::UpgradeHash) {
            Seen::Before(details) => return Ok(UpgradeOutcome::Replayed(details)),
            Seen::Elsewhere => return Ok(UpgradeOutcome::OperationReused),
            Seen::New => {}
        }
        let verified = upgrade.verified.as_stored();
        let row = tables.copy(&upgrade.key);
        let Some(mut row) = row.filter(|row| row.has_hash(verified)) else {
            return Ok(UpgradeOutcome::Superseded);
        };
        row.replace_hash(Some(upgrade.replacement.as_stored()));
        row.append(EventKind::HashUpdated, upgrade.operation, None, now);
        let details = tables.finish(row, upgrade.operation, Method::UpgradeHash);
        Ok(UpgradeOutcome::Upgraded(details))
    }

    async fn events(&self, query: &EventQuery) -> Result<EventPage, StoreError> {
        let of = match &query.scope {
            EventScope::Outbox => None,
            EventScope::User(key) => Some(key),
            _ => return Err(unknown("scope of events")),
        };
        // A cursor is how much was read: of the outbox, or of one user's events.
        let after = match &query.after {
            None => 0,
            Some(cursor) => cursor
                .as_str()
                .parse::<usize>()
                .map_err(|error| StoreError::new(StoreErrorKind::Misuse).with_source(error))?,
        };
        let limit = query.limit.min(EventQuery::MAX_PAGE) as usize;
        let (tables, _) = self.begin();
        let mut page = EventPage::new(Vec::new(), query.after.clone());
        let asked = tables.outbox.iter();
        let asked = asked.filter(|event| of.is_none_or(|key| event.key == *key));
        let numbered = (1_usize..).zip(asked).skip(after);
        for (position, event) in numbered.take(limit) {
            page.events.push(event.clone());
            page.next = Some(Cursor::new(position.to_string()));
        }
        Ok(page)
    }

    async fn operation(
        &self,
        key: &UserKey,
        operation: OperationId,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let (tables, _) = self.begin();
        let done = tables.operations.get(&operation);
        let done = done.filter(|done| matches!(&done.subject, Subject::User(of) if of == key));
        Ok(done.and_then(|done| {
            let details = done.details.clone()?;
            Some(OperationRecord::new(done.method, details))
        }))
    }
}

#[async_trait]
impl StoreHealth for RowStore {
    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}
