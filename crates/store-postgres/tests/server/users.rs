//! Builders of what tests hand to a store, and what holds for every history.

use portcullis_core::store::{
    Change, CommitOutcome, CreateOutcome, CredentialChange, Event, EventKind, EventQuery, Method,
    NewUser, UserKind, Version,
};
use portcullis_core::{HashString, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore};

pub(crate) const HASH: &str =
    "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";

pub(crate) fn key(user: &str) -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), UserId::new(user).unwrap())
}

pub(crate) fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

pub(crate) fn new_user(user: &str) -> NewUser {
    NewUser::new(key(user), "alice", UserKind::Human, operation())
}

pub(crate) fn set(user: &str, expected: Version) -> Change {
    let credential = CredentialChange::Replace {
        hash: HashString::parse(HASH).unwrap(),
        must_change: false,
    };
    let event = EventKind::PasswordChanged;
    Change::new(key(user), Method::SetPassword, operation(), expected, event)
        .with_credential(credential)
}

pub(crate) async fn create(store: &dyn UserStore, user: &str) {
    let outcome = store.create(&new_user(user)).await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Created(_)), "{outcome:?}");
}

pub(crate) async fn commit(store: &dyn UserStore, user: &str) {
    let version = store.load(&key(user)).await.unwrap().unwrap().version;
    let outcome = store.commit(&set(user, version)).await.unwrap();
    assert!(
        matches!(outcome, CommitOutcome::Committed(_)),
        "{outcome:?}"
    );
}

/// Everything that there is to deliver after a query's position.
pub(crate) async fn walk(store: &dyn UserStore, mut query: EventQuery) -> Vec<Event> {
    let mut events = Vec::new();
    loop {
        let page = store.events(&query).await.unwrap();
        if page.events.is_empty() {
            return events;
        }
        events.extend(page.events);
        query.after = page.next;
    }
}

/// One user's events are gapless, and version, events and operations tell the same story.
pub(crate) async fn assert_consistent(store: &dyn UserStore, user: &str) {
    let record = store.load(&key(user)).await.unwrap().unwrap();
    let events = walk(store, EventQuery::user(key(user))).await;
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    let expected: Vec<_> = (1..=record.sequence).collect();
    assert_eq!(sequences, expected);
    assert_eq!(record.version.0, record.sequence);
    assert_eq!(record.credential.hash.digest(), events.last().unwrap().hash);
    for event in &events {
        let done = store.operation(&key(user), event.operation).await.unwrap();
        assert_eq!(done.unwrap().details.sequence, event.sequence);
    }
}
