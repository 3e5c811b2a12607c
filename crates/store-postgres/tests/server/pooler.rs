//! PgBouncer in transaction mode.

use std::time::{Duration, Instant};

use portcullis_core::store::{EventQuery, Version};
use portcullis_core::{StoreErrorKind, UserStore};
use portcullis_store_postgres::PostgresStore;
use portcullis_testkit::servers::PgBouncer;
use sqlx::{Connection, PgConnection};

use crate::{
    place::{Place, run},
    users::{assert_consistent, commit, create, set, walk},
};

const CLIENTS: usize = 16;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_clients_share_few_connections_of_a_pooler() {
    let place = Place::new().await;
    let config = place.pooled("postgres").await.with_connections(4);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let config = config.clone();
            tokio::spawn(async move {
                let store = PostgresStore::open(&config).await.unwrap();
                let user = client.to_string();
                create(&store, &user).await;
                for _ in 0..25 {
                    commit(&store, &user).await;
                }
                assert_consistent(&store, &user).await;
                store
            })
        })
        .collect();
    for client in clients {
        client.await.unwrap();
    }
    let store = PostgresStore::connect(&config).await.unwrap();
    assert_eq!(walk(&store, EventQuery::outbox()).await.len(), CLIENTS * 26);
}

/// Why the driver's own way is not taken: it prepares in one message and executes in another.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_the_driver_prepares_is_executed_elsewhere() {
    let url = PgBouncer::shared().await.url("postgres");
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let pool = sqlx::PgPool::connect_with(options.extra_float_digits(None))
        .await
        .unwrap();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let pool = pool.clone();
            tokio::spawn(async move {
                let mut wrong = 0;
                for _ in 0..50 {
                    let sql = if client % 2 == 0 {
                        "SELECT $1 || ' even'"
                    } else {
                        "SELECT $1 || ' odd'"
                    };
                    let query = sqlx::query_scalar::<_, String>(sql).bind("I am");
                    let answer = query.persistent(false).fetch_one(&pool).await;
                    let right = if client % 2 == 0 {
                        "I am even"
                    } else {
                        "I am odd"
                    };
                    wrong += usize::from(answer.ok().as_deref() != Some(right));
                }
                wrong
            })
        })
        .collect();
    let mut wrong = 0;
    for client in clients {
        wrong += client.await.unwrap();
    }
    println!(
        "{wrong} of {} statements failed or were another's",
        CLIENTS * 50
    );
    assert!(wrong > 0);
}

/// A session of a pooler is everybody's, so nothing can be set for it.
#[tokio::test]
async fn timeouts_hold_behind_a_pooler() {
    let place = Place::new().await;
    place.open().await;
    let config = place.pooled("postgres").await;
    let short = Duration::from_millis(200);
    let patient = PostgresStore::connect(&config).await.unwrap();
    create(&patient, "42").await;
    let mut raw = place.raw().await;
    run(&mut raw, "BEGIN; SELECT turn('acme', '42', NULL)").await;
    let hasty = [
        config.clone().with_lock_timeout(short),
        config.clone().with_statement_timeout(short),
    ];
    let change = set("42", Version::FIRST);
    for config in hasty {
        let store = PostgresStore::connect(&config).await.unwrap();
        let began = Instant::now();
        let error = store.commit(&change).await.unwrap_err();
        // The server ended it. Had it not, its answer would be missed, and the outcome unknown.
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
        assert!(began.elapsed() >= short);
    }
    // The control: what the server is told without them, through the same pooler.
    let url = PgBouncer::shared().await.url("postgres");
    let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
    let options = options.extra_float_digits(None);
    let mut pooled = PgConnection::connect_with(&options).await.unwrap();
    for show in ["SHOW statement_timeout", "SHOW lock_timeout"] {
        let query = sqlx::raw_sql(show).fetch_one(&mut pooled).await.unwrap();
        assert_eq!(sqlx::Row::get::<String, _>(&query, 0), "0", "{show}");
    }
    run(&mut raw, "ROLLBACK").await;
    commit(&patient, "42").await;
    assert_consistent(&patient, "42").await;
}
