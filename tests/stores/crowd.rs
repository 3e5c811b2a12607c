//! Many servers start at once on one empty store.

use portcullis_testkit::servers::Postgres;
use portcullis_tests::{ADMIN, Ask, Door, ORG, OTHER_ORG, Server, get};
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::store::{Store, unique};

on_stores! {
    sixteen_start_at_once: redis cluster sentinel;
}

const SERVERS: usize = 16;
/// Users of the bootstrap file.
const USERS: usize = 8;

async fn sixteen_start_at_once(store: Store) {
    all_serve(&store.url().await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_start_at_once_on_sqlite() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("users.db");
    all_serve(&format!("sqlite:{}", path.display())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_start_at_once_on_postgres() {
    let (postgres, database) = (Postgres::shared().await, unique());
    let create = format!("create database {database}");
    postgres.query("postgres", &create).await;
    all_serve(&format!("{}?pool=3", postgres.url(&database))).await;
    let migrations = "select count(*) > 0, count(*) = count(distinct version), \
                      count(distinct installed_on) from portcullis.migrations";
    let migrations = postgres.query(&database, migrations).await;
    assert_eq!(migrations, "t|t|1", "each once, all in one transaction");
    let locks = "select count(*) from pg_locks join pg_database on oid = database \
                 where locktype = 'advisory' and datname = current_database()";
    assert_eq!(postgres.query(&database, locks).await, "0");
}

async fn all_serve(url: &str) {
    let mut starts = JoinSet::new();
    for _ in 0..SERVERS {
        starts.spawn(Server::on(url.to_owned()));
    }
    let servers = starts.join_all().await;
    let mut created = 0;
    for server in &servers {
        assert_eq!(get(server.address, "/readyz", &[]).await.status, 200);
        created += created_by(server);
    }
    assert_eq!(created, USERS, "each user once");
    for (sequence, server) in (2..).zip(&servers) {
        let answer = Ask::new("42", ADMIN)
            .through(Door::Rest, server.address)
            .await;
        assert_eq!(
            (answer.code, answer.sequence),
            (0, Some(sequence)),
            "{answer:?}"
        );
    }
    let (exit, lines) = servers[0].inspect(ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 2 + SERVERS));
    let (exit, lines) = servers[0].inspect(OTHER_ORG, "elsewhere").await;
    assert_eq!((exit, lines.len()), (0, 2));
}

/// How many users a server says that it created.
fn created_by(server: &Server) -> usize {
    let log = server.log();
    let (_, rest) = log.split_once("created=").expect("it says how many");
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next();
    digits.unwrap().parse().unwrap()
}
