//! What becomes of documents beyond the contract of the trait.

use std::{sync::Arc, time::Duration};

use portcullis_core::store::{
    DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite,
};
use portcullis_core::{Clock, ManualClock, StoreErrorKind, SystemClock};
use portcullis_store_postgres::PostgresStore;

use crate::{
    place::{Place, run},
    users::operation,
};

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) fn set(name: &str, expected: Option<u64>) -> DocumentWrite {
    let key = DocumentKey::new(DocumentKind::Session, name);
    DocumentWrite::new(key, operation(), expected, "canary-value".to_owned())
}

async fn write(store: &PostgresStore, write: &DocumentWrite) -> u64 {
    match store.write_document(write).await.unwrap() {
        DocumentOutcome::Written { revision, .. } => revision,
        other => unreachable!("{other:?}"),
    }
}

/// Everything that can be done with a document.
pub(crate) async fn write_and_remove(store: &PostgresStore, name: &str) {
    let first = set(name, None);
    assert_eq!(write(store, &first).await, 1);
    let found = store.document(&first.key).await.unwrap().unwrap();
    assert_eq!(found.text.as_str(), "canary-value");
    let removal = DocumentWrite::removal(first.key.clone(), operation(), 1);
    assert_eq!(write(store, &removal).await, 2);
    assert!(store.document(&first.key).await.unwrap().is_none());
}

async fn documents(place: &Place) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM documents");
    count.fetch_one(&mut place.raw().await).await.unwrap()
}

#[tokio::test]
async fn each_write_forgets_a_few_that_ended_more_than_a_day_ago() {
    let place = Place::new().await;
    let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    let store = place.open().await.with_clock(clock.clone());
    for name in 0..20 {
        write(&store, &set(&name.to_string(), None).with_ttl(DAY)).await;
    }
    let removed = set("removed", None).with_ttl(DAY);
    write(&store, &removed).await;
    let removal = DocumentWrite::removal(removed.key, operation(), 1);
    write(&store, &removal).await;
    write_and_remove(&store, "stays").await;
    clock.advance(2 * DAY);
    write(&store, &set("in time", None)).await;
    assert_eq!(documents(&place).await, 23, "a day has not passed yet");
    clock.advance(Duration::from_micros(1));
    for (name, left) in [("a", 16), ("b", 9), ("c", 5), ("d", 6)] {
        write(&store, &set(name, None)).await;
        assert_eq!(documents(&place).await, left);
    }
    assert_eq!(write(&store, &set("stays", None)).await, 3);
}

/// One writer forgets what another one is about to write anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_what_is_being_forgotten_do_not_stop_each_other() {
    let place = Place::new().await;
    let clock = Arc::new(ManualClock::at(SystemClock::new().now()));
    let store = Arc::new(place.open().await.with_clock(clock.clone()));
    for _ in 0..8 {
        let writers: Vec<_> = (0..24)
            .map(|name: u32| {
                let store = Arc::clone(&store);
                let write = set(&name.to_string(), None).with_ttl(DAY);
                tokio::spawn(async move { store.write_document(&write).await.unwrap() })
            })
            .collect();
        for writer in writers {
            let outcome = writer.await.unwrap();
            assert!(matches!(outcome, DocumentOutcome::Written { .. }));
        }
        clock.advance(3 * DAY);
    }
}

#[tokio::test]
async fn the_clock_is_the_servers_unless_another_is_given() {
    let store = Place::new().await.open().await;
    let lasting = set("lasting", None).with_ttl(DAY);
    write(&store, &lasting).await;
    assert!(store.document(&lasting.key).await.unwrap().is_some());
    let brief = set("brief", None).with_ttl(Duration::from_micros(1));
    write(&store, &brief).await;
    assert!(store.document(&brief.key).await.unwrap().is_none());
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt_and_not_repeated() {
    for damage in [
        "UPDATE documents SET text = '\\x63616e617279ff'",
        "UPDATE documents SET revision = -1",
        "UPDATE documents SET changed = 'infinity'",
    ] {
        let place = Place::new().await;
        let store = place.open().await;
        write(&store, &set("42", None)).await;
        run(&mut place.raw().await, damage).await;
        let error = store.document(&set("42", None).key).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
