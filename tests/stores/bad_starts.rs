//! Starts that end with a word of why, because waiting would not help.

use std::time::Duration;

use portcullis_testkit::servers::Postgres;
use portcullis_tests::{BOOTSTRAP, Server, binary, run};
use tempfile::TempDir;
use tokio::time::timeout;

use crate::store::unique;

#[tokio::test(flavor = "multi_thread")]
async fn a_url_that_cannot_be_used_is_a_bad_option() {
    for url in [
        "",
        "nonsense",
        "http://127.0.0.1/",
        "sqlite:",
        "postgres://127.0.0.1:port/x",
        "postgres://127.0.0.1/x?pool=many",
        "postgres://127.0.0.1/x?schema=Upper",
        "postgres://127.0.0.1/x?unknown=1",
        "postgres://127.0.0.1/x?wait=1",
        "redis://127.0.0.1:port/",
        "redis://127.0.0.1/database",
        "redis://127.0.0.1/?pool=1",
        "redis://127.0.0.1/?require_durable=perhaps",
        "redis://127.0.0.1/?wait=0",
        "redis+cluster://127.0.0.1/1",
        "redis+sentinel://127.0.0.1",
        "redis+nonsense://127.0.0.1",
    ] {
        let directory = TempDir::new().unwrap();
        for before in [&[][..], &["inspect", "--org=a", "--user=b"]] {
            let arguments = [before, &["--store", url]].concat();
            let output = run(directory.path(), &arguments).await;
            let text = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
            assert!(text.starts_with("error: "), "{arguments:?}: {text}");
        }
        let left = std::fs::read_dir(directory.path()).unwrap().count();
        assert_eq!(left, 0, "{url}: nothing is written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_was_edited() {
    let postgres = Postgres::shared().await;
    let schema = unique();
    let url = format!("{}?schema={schema}", postgres.url("postgres"));
    drop(Server::on(&url).await);
    let edit = format!("update {schema}.migrations set checksum = '\\x00' where version = 2");
    postgres.query("postgres", &edit).await;
    let text = fails(&url).await;
    assert!(text.contains("migration 2 was edited"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_fails() {
    let postgres = Postgres::shared().await;
    let schema = unique();
    let obstacle = format!("create schema {schema}; create table {schema}.users (n int)");
    postgres.query("postgres", &obstacle).await;
    let url = format!("{}?schema={schema}", postgres.url("postgres"));
    for _ in 0..2 {
        let text = fails(&url).await;
        assert!(
            text.contains("schema cannot be brought up to date"),
            "{text}"
        );
        assert!(text.contains("already exists"), "{text}");
    }
    let tables = format!("select count(*) from pg_tables where schemaname = '{schema}'");
    assert_eq!(
        postgres.query("postgres", &tables).await,
        "1",
        "all or nothing"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_or_a_database_that_does_not_serve() {
    let postgres = Postgres::start().await;
    postgres.query("postgres", "create role reader login").await;
    let address = postgres.address();
    for (url, why) in [
        (
            format!("postgres://reader@{address}/postgres"),
            "permission denied",
        ),
        (
            format!("postgres://nobody@{address}/postgres"),
            "does not exist",
        ),
        (
            format!("postgres://postgres@{address}/nothing"),
            "does not exist",
        ),
    ] {
        let text = fails(&url).await;
        assert!(text.contains(why), "{text}");
    }
}

/// What the program says when it gives up, within ten seconds.
async fn fails(url: &str) -> String {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("b.toml"), BOOTSTRAP).unwrap();
    let place = ["--listen", "127.0.0.1:0", "--bootstrap", "b.toml"];
    let arguments = [&place[..], &["--store", url]].concat();
    // If it has to be built, that is not counted.
    binary();
    let output = run(directory.path(), &arguments);
    let output = timeout(Duration::from_secs(10), output).await;
    let output = output.expect("it ends within ten seconds");
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    text
}
