//! What becomes of documents beyond the contract of the trait.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

use std::time::Duration;

use portcullis_core::{
    OperationId, OsRandom, StoreErrorKind,
    store::{DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite},
};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::Redis;

const DAY: i64 = 24 * 60 * 60 * 1_000;
const HOUR: Duration = Duration::from_secs(3_600);
/// The name and the partition, worked out by the documentation.
const KEY: &str = "portcullis:{p68}d:session:MTc";

async fn open(redis: &Redis) -> RedisStore {
    let config = RedisConfig::parse(&redis.url()).unwrap();
    RedisStore::open(&config).await.unwrap()
}

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

fn key() -> DocumentKey {
    DocumentKey::new(DocumentKind::Session, "17")
}

fn set(expected: Option<u64>) -> DocumentWrite {
    DocumentWrite::new(key(), operation(), expected, "canary-value".to_owned())
}

async fn write(store: &RedisStore, write: &DocumentWrite) -> u64 {
    match store.write_document(write).await.unwrap() {
        DocumentOutcome::Written { revision, .. } => revision,
        other => panic!("{other:?}"),
    }
}

/// In how many milliseconds Redis forgets the key; -1 if never.
async fn left(redis: &Redis) -> i64 {
    redis.cli(&["pttl", KEY]).await.parse().unwrap()
}

#[tokio::test]
async fn a_key_outlives_its_document_by_a_day() {
    let redis = Redis::start().await;
    let store = open(&redis).await;
    let hour = i64::try_from(HOUR.as_millis()).unwrap();
    write(&store, &set(None).with_ttl(HOUR)).await;
    let in_time = DAY + hour - 60_000..=DAY + hour;
    assert!(in_time.contains(&left(&redis).await));
    // What is left of it goes when it would have gone.
    let removal = DocumentWrite::removal(key(), operation(), 1);
    for _ in 0..2 {
        assert_eq!(write(&store, &removal).await, 2);
        assert!(in_time.contains(&left(&redis).await));
    }
    write(&store, &set(None)).await;
    assert_eq!(left(&redis).await, -1);
    write(&store, &DocumentWrite::removal(key(), operation(), 3)).await;
    assert_eq!(left(&redis).await, -1);
    assert_eq!(write(&store, &set(None)).await, 5);
}

#[tokio::test]
async fn the_clock_is_the_servers_unless_another_is_given() {
    let redis = Redis::start().await;
    let store = open(&redis).await;
    write(&store, &set(None).with_ttl(HOUR)).await;
    assert!(store.document(&key()).await.unwrap().is_some());
    let brief = Duration::from_micros(1);
    write(&store, &set(Some(1)).with_ttl(brief)).await;
    assert!(store.document(&key()).await.unwrap().is_none());
    assert_eq!(write(&store, &set(None)).await, 3);
}

#[tokio::test]
async fn what_cannot_be_read_is_corrupt_and_not_repeated() {
    let redis = Redis::start().await;
    let store = open(&redis).await;
    let operation = operation().to_string();
    for damage in [
        "",
        "canary",
        "canary 1 1 1 - +canary",
        "OP 1 1 1 -",
        "OP 1 1 1 - canary",
        "OP x 1 1 - +canary",
        "OP 99999999999999999999 1 1 - +canary",
    ] {
        let damage = damage.replace("OP", &operation);
        assert_eq!(redis.cli(&["set", KEY, &damage]).await, "OK");
        let written = store.write_document(&set(Some(1))).await;
        let read = store.document(&key()).await;
        let errors = [written.err(), read.err()];
        assert!(errors.iter().any(Option::is_some), "{damage}");
        for error in errors.into_iter().flatten() {
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
    redis.cli(&["del", KEY]).await;
    redis.cli(&["rpush", KEY, "canary"]).await;
    for error in [
        store.write_document(&set(None)).await.unwrap_err(),
        store.document(&key()).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    }
}
