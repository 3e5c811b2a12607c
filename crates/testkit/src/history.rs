//! What holds for every history, and what a store says of a user at one moment.

use portcullis_core::{
    HashDigest, Timestamp, UserKey, UserStore,
    store::{Code, Event, EventQuery, UserKind, UserRecord, UserState, Version},
};

use crate::world::answered;

/// Everything that a record says, to be compared.
#[derive(Debug, PartialEq)]
pub(crate) struct Facts {
    key: UserKey,
    username: String,
    kind: UserKind,
    state: UserState,
    hash: Option<HashDigest>,
    must_change: bool,
    password_changed: Option<Timestamp>,
    code: Option<Code>,
    version: Version,
    sequence: u64,
    epoch: u64,
    failures: u32,
    created: Timestamp,
    changed: Timestamp,
}

impl From<UserRecord> for Facts {
    fn from(record: UserRecord) -> Self {
        Self {
            key: record.key,
            username: record.username,
            kind: record.kind,
            state: record.state,
            hash: record.credential.hash.digest(),
            must_change: record.credential.must_change,
            password_changed: record.credential.changed,
            code: record.code,
            version: record.version,
            sequence: record.sequence,
            epoch: record.epoch,
            failures: record.failures,
            created: record.created,
            changed: record.changed,
        }
    }
}

/// All events, and what is known of every user that has one.
#[derive(Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) events: Vec<Event>,
    users: Vec<Option<Facts>>,
}

impl Snapshot {
    pub(crate) async fn of(store: &dyn UserStore) -> Self {
        let events = walk(store, EventQuery::outbox()).await;
        let mut users = Vec::new();
        for event in events.iter().filter(|event| event.sequence == 1) {
            users.push(answered(store.load(&event.key).await).map(Facts::from));
        }
        Self { events, users }
    }
}

/// Everything that a query has, page by page.
pub(crate) async fn walk(store: &dyn UserStore, mut query: EventQuery) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let page = answered(store.events(&query).await);
        if page.events.is_empty() {
            return all;
        }
        assert_ne!(
            page.next, query.after,
            "a page with events moves the cursor"
        );
        all.extend(page.events);
        query.after = page.next;
    }
}

/// Checks what holds for every history, and that its last event is what the record says.
pub(crate) async fn check_history(store: &dyn UserStore, key: &UserKey) -> Vec<Event> {
    let record = answered(store.load(key).await).expect("the user exists");
    let events = walk(store, EventQuery::user(key.clone())).await;
    assert!(
        events.iter().all(|event| event.key == *key),
        "its own events"
    );
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    let gapless: Vec<_> = (1..=record.sequence).collect();
    assert_eq!(sequences, gapless, "sequences are gapless and unique");
    assert!(
        events.is_sorted_by_key(|event| event.version),
        "versions never decrease"
    );
    assert!(
        events.is_sorted_by_key(|event| event.date),
        "dates never decrease"
    );
    let last = events.last().expect("a user has a first event");
    assert_eq!(last.version, record.version, "version of event and record");
    assert_eq!(last.state, record.state, "state of event and record");
    assert_eq!(
        last.failures, record.failures,
        "failures of event and record"
    );
    assert_eq!(last.date, record.changed, "date of event and record");
    let credential = &record.credential;
    assert_eq!(
        last.must_change, credential.must_change,
        "must-change of event and record"
    );
    assert_eq!(
        last.hash,
        credential.hash.digest(),
        "hash of event and record"
    );
    events
}
