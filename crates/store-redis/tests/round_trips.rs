//! What a mutation costs the server: one script.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::collections::BTreeMap;

use portcullis_core::{
    OperationId, OrgId, OsRandom, UserId, UserKey, UserStore,
    store::{
        Change, CommitOutcome, DocumentKey, DocumentKind, DocumentOutcome, DocumentStore,
        DocumentWrite, EventKind, Method, NewUser, UserKind, UserState, Version,
    },
};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::Redis;

const COMMITS: u64 = 100;

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

/// How often each command ran since the statistics were reset, inside of scripts too.
async fn counted(redis: &Redis) -> BTreeMap<String, u64> {
    let statistics = redis.cli(&["info", "commandstats"]).await;
    let lines = statistics.lines().filter_map(|line| {
        let (name, figures) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        let calls = figures.split_once(',')?.0.parse().ok()?;
        Some((name.to_owned(), calls))
    });
    // The first two are this test's.
    let own = ["config|resetstat", "info", "command", "command|docs"];
    lines
        .filter(|(name, _)| !own.contains(&name.as_str()))
        .collect()
}

#[tokio::test]
async fn a_commit_is_one_script() {
    let redis = Redis::start().await;
    let config = RedisConfig::parse(&redis.url()).unwrap();
    let store = RedisStore::open(&config).await.unwrap();
    let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap());
    let user = NewUser::new(key.clone(), "42", UserKind::Human, operation());
    store.create(&user).await.unwrap();
    let mut version = Version::FIRST;
    // The server is told the script with the first commit.
    for commits in [1, COMMITS] {
        redis.cli(&["config", "resetstat"]).await;
        for _ in 0..commits {
            let (method, event) = (Method::ChangeState, EventKind::Locked);
            let change = Change::new(key.clone(), method, operation(), version, event);
            let change = change.with_state(UserState::Locked);
            let outcome = store.commit(&change).await.unwrap();
            assert!(matches!(outcome, CommitOutcome::Committed(_)));
            version = version.next();
        }
    }
    let mut counts = counted(&redis).await;
    assert_eq!(counts.remove("evalsha"), Some(COMMITS));
    // What the script does: it reads the operation and the user, and writes both and an event.
    let inside = [
        ("get", 2),
        ("set", 2),
        ("time", 1),
        ("llen", 1),
        ("rpush", 1),
        ("xadd", 1),
    ];
    let inside = inside.map(|(name, each)| (name.to_owned(), each * COMMITS));
    assert_eq!(counts, BTreeMap::from(inside));
    // The control: a read before each commit would show.
    store.load(&key).await.unwrap();
    let reads = counted(&redis).await;
    assert_eq!(reads.get("get"), Some(&(2 * COMMITS + 1)));
}

#[tokio::test]
async fn a_document_is_one_script() {
    let redis = Redis::start().await;
    let config = RedisConfig::parse(&redis.url()).unwrap();
    let store = RedisStore::open(&config).await.unwrap();
    let mut expected = None;
    for writes in [1, COMMITS] {
        redis.cli(&["config", "resetstat"]).await;
        for _ in 0..writes {
            let key = DocumentKey::new(DocumentKind::Session, "17");
            let write = DocumentWrite::new(key, operation(), expected, "{}".to_owned());
            let outcome = store.write_document(&write).await.unwrap();
            assert!(matches!(outcome, DocumentOutcome::Written { .. }));
            expected = Some(expected.unwrap_or(0) + 1);
        }
    }
    let inside = ["evalsha", "get", "set", "time"].map(|name| (name.to_owned(), COMMITS));
    assert_eq!(counted(&redis).await, BTreeMap::from(inside));
}
