//! What stays true when calls are cut off, race and meet damaged rows.

use std::{pin::pin, sync::Arc, task::Poll, time::Duration};

use portcullis_core::store::{
    AttemptLimits, AttemptRequest, CommitOutcome, CreateOutcome, Cursor, EventQuery, Method,
    NewUser, StoredHash, Subject, UserKind, Version,
};
use portcullis_core::{HashDigest, OperationId, StoreErrorKind, UserStore};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::servers::Postgres;

use crate::{
    place::{Place, run},
    users::{HASH, assert_consistent, commit, create, key, new_user, operation, set},
};

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

async fn place_with_user() -> (Place, PostgresStore) {
    let place = Place::new().await;
    let store = place.open().await;
    create(&store, "42").await;
    (place, store)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_call_that_is_cut_off_at_any_point_leaves_nothing_half_done() {
    let (_place, store) = place_with_user().await;
    let mut finished = 0;
    for polls in 1..=40 {
        let version = store.load(&key("42")).await.unwrap().unwrap().version;
        let change = set("42", version);
        finished += usize::from(cut_off(store.commit(&change), polls).await.is_some());
    }
    assert!(finished > 0, "the longest were not cut off");
    commit(&store, "42").await;
    assert_consistent(&store, "42").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_clients_that_hang_up_hold_up_nobody() {
    let place = Place::new().await;
    let config = place.config().with_connections(2);
    let store = Arc::new(PostgresStore::open(&config).await.unwrap());
    create(&*store, "42").await;
    let clients: Vec<_> = (0..1_000)
        .map(|client: usize| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                cut_off(store.commit(&set("42", Version(1))), 1 + client % 4).await;
                cut_off(store.load(&key("42")), 1 + client % 4).await;
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let key = key("42");
    let next = tokio::time::timeout(Duration::from_secs(2), store.load(&key));
    assert!(next.await.unwrap().unwrap().is_some());
    commit(&*store, "42").await;
    assert_consistent(&*store, "42").await;
    let idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%' \
                AND query LIKE '%commit_change%'";
    assert_eq!(Postgres::shared().await.query("postgres", idle).await, "0");
}

#[tokio::test]
async fn another_store_sees_a_commit_at_once() {
    let (place, store) = place_with_user().await;
    let other = place.open().await;
    for _ in 0..20 {
        commit(&store, "42").await;
        let one = store.load(&key("42")).await.unwrap().unwrap();
        let two = other.load(&key("42")).await.unwrap().unwrap();
        assert_eq!(one.version, two.version);
        commit(&other, "42").await;
    }
    assert_consistent(&other, "42").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_users_who_race_for_one_operation_id_cannot_both_have_it() {
    let place = Place::new().await;
    let store = Arc::new(place.open().await);
    for round in 0..100 {
        let operation = operation();
        let racers: Vec<_> = (0..2)
            .map(|racer| {
                let store = Arc::clone(&store);
                let key = key(&format!("{round}-{racer}"));
                let user = NewUser::new(key, "alice", UserKind::Human, operation);
                tokio::spawn(async move { store.create(&user).await.unwrap() })
            })
            .collect();
        let (mut created, mut reused) = (0, 0);
        for racer in racers {
            match racer.await.unwrap() {
                CreateOutcome::Created(_) => created += 1,
                CreateOutcome::OperationReused => reused += 1,
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((created, reused), (1, 1));
    }
}

#[tokio::test]
async fn an_operation_id_that_is_taken_meanwhile_is_reused() {
    let (place, store) = place_with_user().await;
    let mut raw = place.raw().await;
    let change = set("42", Version(1));
    // Another user's transaction has the id and has not ended.
    let other = format!(
        "BEGIN; SELECT create_user('acme', '43', '\\x{}', 'alice', 'human', 'active', NULL, \
         false, 'user.human.added', NULL, NULL)",
        change.operation
    );
    run(&mut raw, other).await;
    let racing = store.clone();
    let task = tokio::spawn(async move { racing.commit(&change).await });
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'transactionid'";
    while Postgres::shared().await.query("postgres", waiting).await == "0" {}
    run(&mut raw, "COMMIT").await;
    assert_eq!(task.await.unwrap().unwrap(), CommitOutcome::OperationReused);
    let record = store.load(&key("42")).await.unwrap().unwrap();
    assert_eq!(record.version, Version(1), "all of it was taken back");
    commit(&store, "42").await;
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn a_change_that_comes_again_with_a_newer_version_is_replayed() {
    let (_place, store) = place_with_user().await;
    let mut change = set("42", Version(1));
    let CommitOutcome::Committed(details) = store.commit(&change).await.unwrap() else {
        panic!("it is the first");
    };
    change.expected = Version(2);
    let outcome = store.commit(&change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::Replayed(details));
    change.method = Method::ChangeState;
    let outcome = store.commit(&change).await.unwrap();
    assert_eq!(outcome, CommitOutcome::OperationReused);
    assert_consistent(&store, "42").await;
}

#[tokio::test]
async fn a_user_who_is_locked_elsewhere_is_unavailable_and_nothing_is_applied() {
    let (place, _) = place_with_user().await;
    let config = place.config().with_lock_timeout(Duration::from_millis(100));
    let store = PostgresStore::open(&config).await.unwrap();
    let mut raw = place.raw().await;
    run(&mut raw, "BEGIN; SELECT turn('acme', '42', NULL)").await;
    let error = store.commit(&set("42", Version(1))).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(
        store.load(&key("42")).await.unwrap().is_some(),
        "reading does not wait"
    );
    create(&store, "43").await;
    run(&mut raw, "ROLLBACK").await;
    commit(&store, "42").await;
}

#[tokio::test]
async fn an_isolation_level_that_hides_what_was_waited_for_is_misuse() {
    let (place, store) = place_with_user().await;
    let url = Postgres::shared().await.url("postgres");
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    for level in ["repeatable read", "serializable"] {
        let options = options
            .clone()
            .options([("default_transaction_isolation", level)]);
        let pool = sqlx::PgPool::connect_lazy_with(options);
        let other = PostgresStore::from_pool(pool, &place.config());
        let subject = Subject::User(key("42"));
        let request = AttemptRequest::new(subject, operation(), AttemptLimits::default());
        let error = other.take_attempt(&request).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misuse);
    }
    commit(&store, "42").await;
}

#[tokio::test]
async fn a_nul_is_misuse() {
    let place = Place::new().await;
    place.open().await;
    for pgbouncer in [false, true] {
        let config = place.config().with_pgbouncer(pgbouncer);
        let store = PostgresStore::connect(&config).await.unwrap();
        let user = NewUser::new(key("42"), "al\0ice", UserKind::Human, operation());
        let error = store.create(&user).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Misuse);
    }
}

#[tokio::test]
async fn a_damaged_hash_loads_as_unreadable_and_a_commit_repairs_it() {
    let (place, store) = place_with_user().await;
    let mut raw = place.raw().await;
    run(&mut raw, "UPDATE users SET hash = '$argon2id$damaged'").await;
    let record = store.load(&key("42")).await.unwrap().unwrap();
    let StoredHash::Unreadable(digest) = record.credential.hash else {
        panic!("{record:?}");
    };
    assert_eq!(digest, HashDigest::of("$argon2id$damaged"));
    commit(&store, "42").await;
    let record = store.load(&key("42")).await.unwrap().unwrap();
    assert_eq!(record.credential.hash.digest(), Some(HashDigest::of(HASH)));
}

#[tokio::test]
async fn a_row_that_cannot_be_read_is_corrupt() {
    for damage in [
        "UPDATE users SET state = 'unheard-of'",
        "UPDATE users SET kind = ''",
        "UPDATE users SET version = -1",
        "UPDATE users SET failures = 4294967296",
        "UPDATE users SET changed = '294276-12-31'",
        "UPDATE events SET kind = 'unheard-of'",
        "UPDATE events SET sequence = -1",
        "UPDATE events SET editor = ''",
        "UPDATE operations SET method = 'unheard-of'",
    ] {
        let place = Place::new().await;
        let store = place.open().await;
        let user = new_user("42");
        store.create(&user).await.unwrap();
        run(&mut place.raw().await, damage).await;
        let errors = [
            store.load(&user.key).await.err(),
            store.events(&EventQuery::outbox()).await.err(),
            store.operation(&user.key, user.operation).await.err(),
        ];
        let [error] = errors
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .try_into()
            .unwrap();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{damage}");
    }
}

#[tokio::test]
async fn a_cursor_of_another_store_or_scope_is_misuse_and_a_large_one_is_the_end() {
    let (_place, store) = place_with_user().await;
    let (outbox, user) = (EventQuery::outbox(), EventQuery::user(key("42")));
    let strange = [
        "",
        "x",
        "-1",
        "1.5",
        "99999999999999999999",
        "1.2.-3",
        "1.2.3.4",
        "+1.2.3",
    ];
    for (query, other) in [(&outbox, "1"), (&user, "1.2.3")] {
        for cursor in strange.into_iter().chain([other]) {
            let query = query.clone().after(Cursor::new(cursor));
            let error = store.events(&query).await.unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Misuse, "{cursor}");
        }
    }
    let ends = [
        outbox.after(Cursor::new(format!(
            "{}.{}.{}",
            i32::MAX,
            u64::MAX,
            i64::MAX
        ))),
        user.after(Cursor::new(u64::MAX.to_string())),
    ];
    for query in ends {
        let page = store.events(&query).await.unwrap();
        assert_eq!((page.events.len(), page.next), (0, query.after));
    }
}

#[tokio::test]
async fn nothing_that_is_printed_repeats_a_stored_value() {
    let (place, store) = place_with_user().await;
    let mut raw = place.raw().await;
    let mut texts = vec![format!("{store:?}")];
    run(&mut raw, "UPDATE users SET state = 'canary'").await;
    texts.extend(printed(&store.load(&key("42")).await.unwrap_err()));
    // A violation prints its row, and a bad value itself, in the server's own words.
    run(
        &mut raw,
        "UPDATE users SET state = 'active', username = 'canary'",
    )
    .await;
    run(&mut raw, "ALTER TABLE users ADD CHECK (version < 2)").await;
    texts.extend(printed(
        &store.commit(&set("42", Version(1))).await.unwrap_err(),
    ));
    let odd = "CREATE OR REPLACE FUNCTION load_operation(\
               p_organisation text, p_user_id text, p_operation bytea) \
               RETURNS SETOF operations LANGUAGE plpgsql AS \
               $$ BEGIN PERFORM 'canary'::int; END $$";
    run(&mut raw, odd).await;
    let done = store
        .operation(&key("42"), OperationId::from_bytes([7; 16]))
        .await;
    texts.extend(printed(&done.unwrap_err()));
    let wrong = PostgresConfig::parse("postgres://canary:canary@127.0.0.1:1/canary").unwrap();
    let wrong = wrong.with_acquire_timeout(Duration::from_millis(50));
    let error = PostgresStore::connect(&wrong).await.unwrap_err();
    texts.extend(printed(&error));
    assert!(texts.len() > 12, "{texts:?}");
    for text in texts {
        assert!(!text.contains("canary"), "{text}");
    }
}

fn printed(error: &portcullis_core::StoreError) -> Vec<String> {
    let mut texts = vec![format!("{error:?}")];
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts
}
