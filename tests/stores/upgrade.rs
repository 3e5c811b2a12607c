//! Four servers are exchanged one by one under load for those of another release, and back.
//!
//! The other release is the program that `PORTCULLIS_OTHER_SERVER` names. As long as there is one
//! release only, it is this one. Its schema has what a release may add to that of the one before:
//! columns, a table, an index and a migration that this one does not know.

use std::path::PathBuf;

use portcullis_testkit::{proxy::Proxy, servers::Postgres};
use portcullis_tests::{Journal, Load, ORG, Server};
use sqlx::{ConnectOptions, Connection, sqlite::SqliteConnectOptions};
use tempfile::TempDir;

use crate::store::{Store, unique};

on_stores! {
    nothing_is_lost: redis;
}

const SERVERS: usize = 4;
/// Acknowledgements between two exchanges.
const WRITES: usize = 10;

async fn nothing_is_lost(store: Store) {
    exchange_all(&store.url().await, async {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_postgres() {
    let (postgres, schema) = (Postgres::shared().await, unique());
    let url = format!("{}?schema={schema}&pool=4", postgres.url("postgres"));
    let expand = format!(
        "begin; set local search_path to {schema}; set local lock_timeout = '2s'; \
         insert into migrations (version, description, success, checksum, execution_time) \
         values (9999, 'newer', true, '\\x00', 0); \
         alter table users add column newer text not null default 'x'; \
         alter table events add column newer text; \
         alter table operations add column newer text; \
         create table newer (organisation text, user_id text, note text); \
         commit; create index newer_index on {schema}.events (date)"
    );
    exchange_all(&url, async {
        postgres.query("postgres", &expand).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_on_sqlite() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.db");
    exchange_all(&format!("sqlite:{}", path.display()), async {
        let mut raw = SqliteConnectOptions::new().filename(&path);
        raw = raw.busy_timeout(std::time::Duration::from_secs(5));
        let mut raw = raw.connect().await.unwrap();
        let expand = "BEGIN IMMEDIATE; \
            INSERT INTO portcullis_migrations \
                (version, description, success, checksum, execution_time) \
            VALUES (9999, 'newer', TRUE, X'00', 0); \
            ALTER TABLE users ADD COLUMN newer TEXT NOT NULL DEFAULT 'x'; \
            ALTER TABLE events ADD COLUMN newer TEXT; \
            CREATE TABLE newer (organisation TEXT, user_id TEXT, note TEXT); \
            COMMIT";
        sqlx::raw_sql(expand).execute(&mut raw).await.unwrap();
        raw.close().await.unwrap();
    })
    .await;
}

/// Exchanges servers for those of the other release, whose schema is made when the first of them
/// starts, and then back on the newer schema.
async fn exchange_all(url: &str, expand: impl Future<Output = ()>) {
    let first = Server::on(url).await;
    let mut servers = Vec::new();
    for _ in 1..SERVERS {
        servers.push(first.beside().await);
    }
    servers.push(first);
    let (mut doors, mut loads) = (Vec::new(), Vec::new());
    for server in &servers {
        let door = Proxy::to(server.address).await;
        loads.push(Load::on(door.address()));
        doors.push(door);
    }
    let other = std::env::var_os("PORTCULLIS_OTHER_SERVER").map(PathBuf::from);
    let mut expand = Some(expand);
    for release in [other, None] {
        for index in 0..SERVERS {
            for load in &loads {
                load.wait_for_more(WRITES).await;
            }
            if let Some(expand) = expand.take() {
                expand.await;
            }
            let next = servers[index].beside_of(release.clone()).await;
            doors[index].point_at(next.address);
            let left = servers[index].stop("TERM").await;
            assert!(left.success(), "it drains: {left}");
            servers[index] = next;
        }
    }
    for load in &loads {
        load.wait_for_more(WRITES).await;
    }
    let mut journal = Journal::default();
    for load in loads {
        journal.append(load.stop().await);
    }
    let audit = journal.audit(&servers[0]).await;
    println!("{url}: 2 x {SERVERS} exchanged: {audit}");
    assert!(audit.is_sound(), "{audit}");
    assert_eq!(servers[0].inspect(ORG, "42").await.0, 0);
}
