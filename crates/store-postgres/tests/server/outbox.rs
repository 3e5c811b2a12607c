//! The outbox while others write, here and elsewhere on the server.

use std::{collections::HashMap, process::Command, sync::Arc};

use portcullis_core::UserStore;
use portcullis_core::store::{Event, EventPage, EventQuery};
use portcullis_store_postgres::{PostgresConfig, PostgresStore};
use portcullis_testkit::servers::Postgres;

use crate::{
    place::{Place, run},
    users::{commit, create, walk},
};

async fn page(store: &PostgresStore) -> EventPage {
    store.events(&EventQuery::outbox()).await.unwrap()
}

fn users(events: &[Event]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event.key.user().as_str())
        .collect()
}

#[tokio::test]
async fn what_others_leave_open_holds_nothing_up() {
    let (place, neighbour) = (Place::new().await, Place::new().await);
    let store = place.open().await;
    neighbour.open().await;
    let mut other = neighbour.raw().await;
    let begin = "BEGIN; SELECT create_user('acme', '1', '\\x00000000000000000000000000000001', \
                 'alice', 'human', 'active', NULL, false, 'user.human.added', NULL, NULL)";
    run(&mut other, begin).await;
    create(&store, "42").await;
    assert_eq!(users(&page(&store).await.events), ["42"]);
}

#[tokio::test]
async fn what_this_store_has_not_committed_holds_up_what_comes_after() {
    let place = Place::new().await;
    let store = place.open().await;
    create(&store, "before").await;
    let mut raw = place.raw().await;
    let begin = "BEGIN; SELECT create_user('acme', 'slow', '\\x00000000000000000000000000000001', \
                 'alice', 'human', 'active', NULL, false, 'user.human.added', NULL, NULL)";
    run(&mut raw, begin).await;
    create(&store, "after").await;
    let first = page(&store).await;
    assert_eq!(users(&first.events), ["before"]);
    run(&mut raw, "COMMIT").await;
    let query = EventQuery::outbox().after(first.next.unwrap());
    assert_eq!(users(&walk(&store, query).await), ["slow", "after"]);
}

#[tokio::test]
async fn a_writer_that_has_no_transaction_id_yet_holds_up_nothing_older() {
    let place = Place::new().await;
    let store = place.open().await;
    create(&store, "before").await;
    let mut raw = place.raw().await;
    run(&mut raw, "BEGIN; SELECT turn('acme', 'slow', NULL)").await;
    assert_eq!(users(&page(&store).await.events), ["before"]);
    run(&mut raw, "ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_beside_many_writers_misses_nothing_and_sees_nothing_twice() {
    const WRITERS: usize = 12;
    const COMMITS: usize = 25;
    let place = Place::new().await;
    let store = Arc::new(place.open().await);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                // Some share a user, some have one of their own.
                let user = (writer % 8).to_string();
                let _ = store.create(&crate::users::new_user(&user)).await.unwrap();
                for _ in 0..COMMITS {
                    let key = crate::users::key(&user);
                    let version = store.load(&key).await.unwrap().unwrap().version;
                    let change = crate::users::set(&user, version);
                    store.commit(&change).await.unwrap();
                }
            })
        })
        .collect();
    let (mut seen, mut query) = (Vec::new(), EventQuery::outbox().with_limit(7));
    while !writers.iter().all(|writer| writer.is_finished()) {
        let page = store.events(&query).await.unwrap();
        seen.extend(page.events);
        query.after = page.next;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    seen.extend(walk(&*store, query).await);
    assert_eq!(seen, walk(&*store, EventQuery::outbox()).await);
    let mut newest = HashMap::new();
    for event in &seen {
        let newest = newest.entry(event.key.clone()).or_insert(0);
        assert_eq!(event.sequence, *newest + 1);
        *newest = event.sequence;
    }
}

#[tokio::test]
async fn transaction_ids_that_start_over_begin_a_new_era() {
    let place = Place::new().await;
    let store = place.open().await;
    create(&store, "1").await;
    create(&store, "2").await;
    // As if these had been written by a cluster that has seen far more.
    let mut raw = place.raw().await;
    run(
        &mut raw,
        "UPDATE events SET tx = '900000000' WHERE user_id = '2'",
    )
    .await;
    store.migrate().await.unwrap();
    let first = page(&store).await;
    assert_eq!(users(&first.events), ["1", "2"]);

    commit(&store, "1").await;
    commit(&store, "2").await;
    let query = EventQuery::outbox().after(first.next.unwrap());
    assert_eq!(users(&walk(&store, query.clone()).await), ["1", "2"]);
    store.migrate().await.unwrap();
    assert_eq!(
        users(&walk(&store, query).await),
        ["1", "2"],
        "once is enough"
    );
    assert_eq!(walk(&store, EventQuery::outbox()).await.len(), 4);
}

#[tokio::test]
async fn a_dump_goes_on_in_another_cluster() {
    let (old, new) = (Postgres::start().await, Postgres::start().await);
    old.query(
        "postgres",
        "DO $$ BEGIN FOR n IN 1..2000 LOOP \
                           PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$",
    )
    .await;
    let place = Place::on(&old);
    let store = place.open().await;
    create(&store, "1").await;
    let before = page(&store).await;

    let dump = Command::new("pg_dump")
        .arg(old.url("postgres"))
        .output()
        .unwrap();
    assert!(dump.status.success());
    let file = new.directory().join("dump.sql");
    std::fs::write(&file, dump.stdout).unwrap();
    let psql = Command::new("psql")
        .args(["-q", "-f"])
        .arg(file)
        .arg(new.url("postgres"))
        .output();
    assert!(psql.unwrap().status.success());

    let config = PostgresConfig::parse(&new.url("postgres")).unwrap();
    let config = config.with_schema(&place.schema).unwrap();
    let store = PostgresStore::open(&config).await.unwrap();
    assert_eq!(page(&store).await, before);
    commit(&store, "1").await;
    let query = EventQuery::outbox().after(before.next.unwrap());
    assert_eq!(users(&walk(&store, query).await), ["1"]);
    crate::users::assert_consistent(&store, "1").await;
}
