//! What a mutation costs the server: one statement, whose transaction begins and ends with it.

use std::time::Duration;

use portcullis_core::UserStore;
use portcullis_core::store::{CommitOutcome, DocumentOutcome, DocumentStore, Version};
use portcullis_store_postgres::PostgresStore;
use portcullis_testkit::servers::{Postgres, Settings};
use sqlx::PgPool;

use crate::{
    documents,
    place::Place,
    users::{create, set},
};

const COMMITS: u64 = 100;

/// Calls by statement since the last time, without those of this question.
async fn counted(server: &Postgres) -> Vec<(String, u64)> {
    let ask = "SELECT regexp_replace(query, '\\s+', ' ', 'g') || '|' || sum(calls) FROM pg_stat_statements \
               WHERE query NOT LIKE '%pg_stat_statements%' GROUP BY query";
    let answer = server.query("postgres", ask).await;
    server
        .query("postgres", "SELECT pg_stat_statements_reset()")
        .await;
    let lines = answer.lines().filter_map(|line| line.rsplit_once('|'));
    let counts = lines.map(|(query, calls)| (query.to_owned(), calls.parse().unwrap()));
    counts.collect()
}

#[tokio::test]
async fn a_commit_and_a_document_are_one_statement() {
    let settings = Settings::new()
        .with("shared_preload_libraries", "pg_stat_statements")
        .with("pg_stat_statements.track_utility", "on");
    let server = Postgres::start_with(settings).await;
    server
        .query("postgres", "CREATE EXTENSION pg_stat_statements")
        .await;
    let place = Place::on(&server);
    for pgbouncer in [false, true] {
        let config = place.config().with_connections(1).with_pgbouncer(pgbouncer);
        let store = PostgresStore::open(&config).await.unwrap();
        let user = format!("user {pgbouncer}");
        create(&store, &user).await;
        // The first commit of a connection is prepared on it.
        let mut version = Version::FIRST;
        for round in 0..2 {
            counted(&server).await;
            for _ in 0..COMMITS {
                let outcome = store.commit(&set(&user, version)).await.unwrap();
                assert!(matches!(outcome, CommitOutcome::Committed(_)));
                version = version.next();
            }
            if round == 1 {
                only(&counted(&server).await, pgbouncer, "commit_change");
            }
        }
        let mut expected = None;
        for round in 0..2 {
            counted(&server).await;
            for _ in 0..COMMITS {
                let write = documents::set(&user, expected).with_ttl(Duration::from_secs(60));
                let outcome = store.write_document(&write).await.unwrap();
                assert!(matches!(outcome, DocumentOutcome::Written { .. }));
                expected = Some(expected.unwrap_or(0) + 1);
            }
            if round == 1 {
                only(&counted(&server).await, pgbouncer, "write_document");
            }
        }
        store.close().await;
    }
}

/// Checks that nothing but as many calls of this function came, and settings where there are any.
fn only(counts: &[(String, u64)], pgbouncer: bool, function: &str) {
    let settings = |query: &str| pgbouncer && query.starts_with("SET LOCAL");
    let statements: Vec<_> = counts
        .iter()
        .filter(|(query, _)| !settings(query))
        .collect();
    let [(query, calls)] = statements[..] else {
        unreachable!("one statement, and not {statements:#?}");
    };
    assert!(query.contains(function), "{query}");
    assert_eq!(*calls, COMMITS);
}

/// The control: a transaction of the driver around one statement is three of them.
#[tokio::test]
async fn a_transaction_of_the_driver_is_three() {
    let settings = Settings::new().with("shared_preload_libraries", "pg_stat_statements");
    let server = Postgres::start_with(settings).await;
    server
        .query("postgres", "CREATE EXTENSION pg_stat_statements")
        .await;
    let pool = PgPool::connect(&server.url("postgres")).await.unwrap();
    counted(&server).await;
    let mut transaction = pool.begin().await.unwrap();
    let select = sqlx::query("SELECT 1 AS one").execute(&mut *transaction);
    select.await.unwrap();
    transaction.commit().await.unwrap();
    let calls: u64 = counted(&server).await.iter().map(|(_, calls)| calls).sum();
    assert_eq!(calls, 3);
}
