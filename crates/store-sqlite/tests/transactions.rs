//! What stays true when calls are cut off, other processes write and rows are damaged.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, AttemptRequest, Change, CommitOutcome, CreateOutcome,
    CredentialChange, Cursor, EventKind, EventQuery, Method, NewUser, SettleOutcome, Settlement,
    StoredHash, Subject, UserKind, Verification, Version,
};
use portcullis_core::{
    HashDigest, HashString, OperationId, OrgId, OsRandom, StoreErrorKind, SystemClock, UserId,
    UserKey, UserStore,
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

const HASH: &str = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";

struct Place {
    directory: TempDir,
    store: SqliteStore,
}

impl Place {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = open(&directory.path().join("users.db")).await;
        let outcome = store.create(&new_user()).await.unwrap();
        assert!(matches!(outcome, CreateOutcome::Created(_)));
        Self { directory, store }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("users.db")
    }

    async fn raw(&self) -> SqliteConnection {
        let options = SqliteConnectOptions::new().filename(self.path());
        SqliteConnection::connect_with(&options).await.unwrap()
    }

    async fn damage(&self, sql: &'static str) {
        let query = sqlx::query(sql);
        query.execute(&mut self.raw().await).await.unwrap();
    }
}

async fn open(path: &Path) -> SqliteStore {
    let config = SqliteConfig::new(path);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    store.await.unwrap()
}

fn key() -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap())
}

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

fn new_user() -> NewUser {
    NewUser::new(key(), "alice", UserKind::Human, operation())
}

fn set(expected: Version) -> Change {
    let credential = CredentialChange::Replace {
        hash: HashString::parse(HASH).unwrap(),
        must_change: false,
    };
    let event = EventKind::PasswordChanged;
    Change::new(key(), Method::SetPassword, operation(), expected, event)
        .with_credential(credential)
}

/// Polls a future so many times at most, then drops it.
async fn cut_off<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut left = polls;
    std::future::poll_fn(move |context| {
        let answer = future.as_mut().poll(context);
        left = left.saturating_sub(1);
        match answer {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// One user's events are gapless, and version, events and operations tell the same story.
async fn assert_consistent(store: &SqliteStore) {
    let record = store.load(&key()).await.unwrap().unwrap();
    let page = store.events(&EventQuery::user(key())).await.unwrap();
    let sequences: Vec<_> = page.events.iter().map(|event| event.sequence).collect();
    let expected: Vec<_> = (1..=record.sequence).collect();
    assert_eq!(sequences, expected);
    assert_eq!(record.version.0, record.sequence);
    for event in &page.events {
        let done = store.operation(&key(), event.operation).await.unwrap();
        assert_eq!(done.unwrap().details.sequence, event.sequence);
    }
}

async fn commit_works(store: &SqliteStore) {
    let record = store.load(&key()).await.unwrap().unwrap();
    let outcome = store.commit(&set(record.version)).await.unwrap();
    assert!(
        matches!(outcome, CommitOutcome::Committed(_)),
        "{outcome:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_is_cut_off_at_any_point_leaves_nothing_half_done() {
    let place = Place::new().await;
    let mut finished = 0;
    for polls in 1..=40 {
        let version = place.store.load(&key()).await.unwrap().unwrap().version;
        let change = set(version);
        if cut_off(place.store.commit(&change), polls).await.is_some() {
            finished += 1;
        }
    }
    assert!(finished > 0, "the longest were not cut off");
    commit_works(&place.store).await;
    assert_consistent(&place.store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn aborted_tasks_leave_the_writer_usable() {
    let place = Place::new().await;
    for round in 0..100 {
        let version = place.store.load(&key()).await.unwrap().unwrap().version;
        let store = place.store.clone();
        let task = tokio::spawn(async move { store.commit(&set(version)).await });
        for _ in 0..round {
            tokio::task::yield_now().await;
        }
        task.abort();
        let _ = task.await;
    }
    commit_works(&place.store).await;
    assert_consistent(&place.store).await;
}

#[tokio::test]
async fn another_store_sees_a_commit_at_once() {
    let place = Place::new().await;
    let other = open(&place.path()).await;
    for _ in 0..20 {
        let before = other.load(&key()).await.unwrap().unwrap();
        commit_works(&place.store).await;
        let after = other.load(&key()).await.unwrap().unwrap();
        assert_eq!(after.version, before.version.next());
        commit_works(&other).await;
        let after = place.store.load(&key()).await.unwrap().unwrap();
        assert_eq!(after.version, before.version.next().next());
    }
    assert_consistent(&other).await;
}

#[tokio::test]
async fn a_writer_elsewhere_makes_the_store_unavailable_and_nothing_is_applied() {
    let place = Place::new().await;
    let config = SqliteConfig::new(place.path()).with_busy_timeout(Duration::ZERO);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    let store = store.await.unwrap();
    let mut other = place.raw().await;
    let lock = other.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let error = store.commit(&set(Version::FIRST)).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.is_retryable());
    let record = store.load(&key()).await.unwrap().unwrap();
    assert_eq!(record.version, Version::FIRST, "reading does not wait");
    lock.rollback().await.unwrap();
    commit_works(&store).await;
}

#[tokio::test]
async fn a_damaged_hash_loads_as_unreadable_and_a_commit_repairs_it() {
    let place = Place::new().await;
    commit_works(&place.store).await;
    place
        .damage("UPDATE users SET hash = '$argon2id$damaged'")
        .await;
    let record = place.store.load(&key()).await.unwrap().unwrap();
    let StoredHash::Unreadable(digest) = record.credential.hash else {
        panic!("{record:?}");
    };
    assert_eq!(digest, HashDigest::of("$argon2id$damaged"));
    commit_works(&place.store).await;
    let record = place.store.load(&key()).await.unwrap().unwrap();
    let StoredHash::Readable(hash) = record.credential.hash else {
        panic!("{record:?}");
    };
    assert_eq!(hash.as_stored(), HASH);
}

#[tokio::test]
async fn a_hash_that_is_no_text_is_unreadable_too_and_an_attempt_does_not_change_it() {
    let place = Place::new().await;
    place
        .damage("UPDATE users SET hash = CAST(x'24ff00fe' AS TEXT)")
        .await;
    let subject = Subject::User(key());
    let permit = operation();
    let request = AttemptRequest::new(subject.clone(), permit, AttemptLimits::default());
    let outcome = place.store.take_attempt(&request).await.unwrap();
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    let settlement = Settlement::new(subject, permit, Verification::Wrong { lock_at: Some(1) });
    let settled = SettleOutcome::Settled {
        failures: 1,
        locked: true,
    };
    for _ in 0..2 {
        let outcome = place.store.settle_attempt(&settlement).await.unwrap();
        assert_eq!(outcome, settled);
    }
    let record = place.store.load(&key()).await.unwrap().unwrap();
    assert!(matches!(record.credential.hash, StoredHash::Unreadable(_)));
    let stored = sqlx::query_scalar("SELECT CAST(hash AS BLOB) FROM users");
    let stored: Vec<u8> = stored.fetch_one(&mut place.raw().await).await.unwrap();
    assert_eq!(stored, [0x24, 0xff, 0x00, 0xfe]);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt() {
    for damage in [
        "UPDATE users SET state = 'unheard-of'",
        "UPDATE users SET kind = ''",
        "UPDATE users SET version = -1",
        "UPDATE users SET failures = 4294967296",
        "UPDATE users SET changed = 9223372036854775807",
        "UPDATE users SET username = CAST(x'ff' AS TEXT)",
    ] {
        let place = Place::new().await;
        place.damage(damage).await;
        let error = place.store.load(&key()).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
        let error = place.store.commit(&set(Version::FIRST)).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
    }
    for damage in [
        "UPDATE events SET kind = 'unheard-of'",
        "UPDATE events SET sequence = -1 WHERE sequence = 1",
        "UPDATE operations SET method = 'unheard-of'",
    ] {
        let place = Place::new().await;
        place.damage(damage).await;
        let page = place.store.events(&EventQuery::outbox()).await;
        let event = sqlx::query_scalar("SELECT operation FROM events");
        let event: Vec<u8> = event.fetch_one(&mut place.raw().await).await.unwrap();
        let event = OperationId::from_bytes(event.try_into().unwrap());
        let done = place.store.operation(&key(), event).await;
        let error = page.err().or(done.err()).unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
    }
}

#[tokio::test]
async fn a_cursor_that_is_not_a_number_is_misuse_and_a_large_one_is_the_end() {
    let place = Place::new().await;
    for query in [EventQuery::outbox(), EventQuery::user(key())] {
        for cursor in ["", "x", "-1", "1.5", "99999999999999999999"] {
            let query = query.clone().after(Cursor::new(cursor));
            let error = place.store.events(&query).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Misuse, "{cursor}");
        }
        let query = query.after(Cursor::new(u64::MAX.to_string()));
        let page = place.store.events(&query).await.unwrap();
        assert!(page.events.is_empty());
        assert_eq!(page.next, query.after);
    }
}

#[tokio::test]
async fn nothing_that_is_printed_repeats_a_stored_value() {
    let place = Place::new().await;
    place
        .damage("UPDATE users SET state = 'canary-value'")
        .await;
    let error = place.store.load(&key()).await.unwrap_err();
    let mut texts = vec![format!("{error:?}"), format!("{:?}", place.store)];
    let mut cause: Option<&dyn std::error::Error> = Some(&error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    assert!(texts.len() >= 4, "{texts:?}");
    for text in texts {
        assert!(!text.contains("canary"), "{text}");
    }
}
