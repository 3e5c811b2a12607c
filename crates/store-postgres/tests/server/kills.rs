//! A server that is killed while many write.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_core::store::{CommitOutcome, EventQuery, Version};
use portcullis_core::{ObjectDetails, OperationId, StoreErrorKind, UserStore};
use portcullis_store_postgres::PostgresStore;
use portcullis_testkit::servers::Postgres;

use crate::{
    place::Place,
    users::{create, key, set, walk},
};

const WRITERS: usize = 8;

/// What one writer was told.
#[derive(Default)]
struct Told {
    committed: Vec<(OperationId, ObjectDetails)>,
    not_applied: Vec<OperationId>,
    unknown: Vec<OperationId>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_every_kill() {
    let kills = std::env::var("PORTCULLIS_KILLS").ok();
    let kills: u32 = kills.map_or(5, |kills| kills.parse().unwrap());
    let server = Postgres::start().await;
    let place = Place::on(&server);
    let config = place
        .config()
        .with_acquire_timeout(Duration::from_millis(300));
    let store = Arc::new(PostgresStore::open(&config).await.unwrap());
    for writer in 0..WRITERS {
        create(&*store, &writer.to_string()).await;
    }
    let mut told: Vec<_> = (0..WRITERS).map(|_| Told::default()).collect();
    for kill in 0..kills {
        let stop = Arc::new(AtomicBool::new(false));
        let writers: Vec<_> = told
            .drain(..)
            .enumerate()
            .map(|(writer, told)| {
                let (store, stop) = (Arc::clone(&store), Arc::clone(&stop));
                tokio::spawn(write(store, writer.to_string(), told, stop))
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300 + 37 * u64::from(kill % 8))).await;
        server.kill().await;
        stop.store(true, Ordering::Relaxed);
        for writer in writers {
            told.push(writer.await.unwrap());
        }
        server.start_again().await;
        let started = Instant::now();
        while store.load(&key("0")).await.is_err() {
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "the pool heals by itself"
            );
        }
    }
    for (writer, told) in told.iter().enumerate() {
        audit(&store, &writer.to_string(), told).await;
    }
    let acknowledged: usize = told.iter().map(|told| told.committed.len()).sum();
    let unknown: usize = told.iter().map(|told| told.unknown.len()).sum();
    println!("{kills} kills: {acknowledged} acknowledged, {unknown} unknown");
    assert!(acknowledged > 100);
}

async fn write(
    store: Arc<PostgresStore>,
    user: String,
    mut told: Told,
    stop: Arc<AtomicBool>,
) -> Told {
    let mut version = None;
    while !stop.load(Ordering::Relaxed) {
        let expected = match version {
            Some(version) => version,
            None => match store.load(&key(&user)).await {
                Ok(record) => record.unwrap().version,
                Err(_) => continue,
            },
        };
        let change = set(&user, expected);
        version = None;
        match store.commit(&change).await {
            Ok(CommitOutcome::Committed(details)) => {
                told.committed.push((change.operation, details));
                version = Some(Version(expected.0 + 1));
            }
            // One writer to a user: only what was unknown can have moved the version meanwhile.
            Ok(other) => assert_eq!(other, CommitOutcome::Conflict),
            Err(error) if error.kind() == StoreErrorKind::OutcomeUnknown => {
                told.unknown.push(change.operation);
            }
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
                told.not_applied.push(change.operation);
            }
        }
    }
    told
}

async fn audit(store: &PostgresStore, user: &str, told: &Told) {
    let record = store.load(&key(user)).await.unwrap().unwrap();
    let events = walk(store, EventQuery::user(key(user))).await;
    let sequences: Vec<_> = events.iter().map(|event| event.sequence).collect();
    let expected: Vec<_> = (1..=record.sequence).collect();
    assert_eq!(sequences, expected);
    assert_eq!(record.version.0, record.sequence);
    let mut applied = 1;
    for (operation, details) in &told.committed {
        let done = store.operation(&key(user), *operation).await.unwrap();
        assert_eq!(done.unwrap().details, *details, "acknowledged and lost");
        let event = events.get(usize::try_from(details.sequence).unwrap() - 1);
        assert_eq!(event.unwrap().operation, *operation);
        applied += 1;
    }
    for operation in &told.not_applied {
        let done = store.operation(&key(user), *operation).await.unwrap();
        assert!(done.is_none(), "said to be not applied");
    }
    for operation in &told.unknown {
        applied += u64::from(
            store
                .operation(&key(user), *operation)
                .await
                .unwrap()
                .is_some(),
        );
    }
    assert_eq!(applied, record.sequence, "nothing was applied twice");
}
