//! What a URL can say beyond where the store is, and what a server says of a store that may lose.

use std::time::Duration;

use portcullis_testkit::servers::{Postgres, Redis, Settings};
use portcullis_tests::{ADMIN, Ask, Door, ORG, Options, Server, get, operation_id, run};
use tokio::task::JoinSet;

use crate::{own::Own, store::Store};

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_and_a_pool() {
    let postgres = Postgres::shared().await;
    let url = postgres.url("postgres");
    let one = format!("{url}?schema=tenant_7&pool=2&application_name=two_at_most");
    let server = Server::on(one).await;
    let mut clients = JoinSet::new();
    for _ in 0..32 {
        let address = server.address;
        clients.spawn(async move { Ask::new("42", ADMIN).through(Door::Rest, address).await });
    }
    let answers = clients.join_all().await;
    assert!(answers.iter().all(|answer| answer.code == 0), "{answers:?}");
    let sessions = "select count(*) from pg_stat_activity where application_name = 'two_at_most'";
    let sessions: usize = postgres.query("postgres", sessions).await.parse().unwrap();
    assert!((1..=2).contains(&sessions), "{sessions} connections");

    let other = Server::on(format!("{url}?schema=tenant_8&pool=2")).await;
    let answer = Ask::new("42", ADMIN)
        .through(Door::Rest, other.address)
        .await;
    assert_eq!(
        answer.sequence,
        Some(2),
        "each schema is a store of its own"
    );
    let schemas = "select string_agg(distinct schemaname, ',') from pg_tables \
                   where schemaname like 'tenant%'";
    assert_eq!(
        postgres.query("postgres", schemas).await,
        "tenant_7,tenant_8"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_that_may_only_call_functions() {
    let postgres = Postgres::start().await;
    drop(Server::on(postgres.url("postgres")).await);
    let guard = "create role keeper; create role app login; \
                 select portcullis.guard('keeper', 'app')";
    postgres.query("postgres", guard).await;
    let url = format!(
        "postgres://app@{}/postgres?guarded=true",
        postgres.address()
    );
    let server = Server::on(url).await;
    for (door, answer) in Ask::new("42", ADMIN).everywhere(server.address).await {
        assert_eq!(answer.code, 0, "{door:?}: {answer:?}");
    }
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_must_have_a_write() {
    let primary = Redis::start().await;
    let replica = Redis::replica_of(&primary).await;
    let server = Server::on(format!("{}?wait=1&wait_ms=200", primary.url())).await;
    let ask = Ask::new("42", ADMIN).operation(&operation_id());
    let answer = ask.through(Door::Rest, server.address).await;
    assert_eq!((answer.code, answer.sequence), (0, Some(2)), "{answer:?}");

    replica.kill().await;
    let unknown = Ask::new("42", ADMIN).operation(&operation_id());
    for (door, answer) in unknown.everywhere(server.address).await {
        assert_eq!(
            answer.code, 2,
            "{door:?}: it is on one server only: {answer:?}"
        );
        assert!(
            answer.message.contains("may have been applied"),
            "{answer:?}"
        );
    }
    replica.start_again().await;
    let answer = until_known(&unknown, &server).await;
    assert_eq!(answer, Some(3), "the same id, applied once");
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 4));
}

/// A replica that is back needs a moment to have everything.
async fn until_known(ask: &Ask, server: &Server) -> Option<u64> {
    for _ in 0..100 {
        let answer = ask.through(Door::Rest, server.address).await;
        match answer.code {
            0 => return answer.sequence,
            2 => tokio::time::sleep(Duration::from_millis(50)).await,
            _ => panic!("{answer:?}"),
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_must_be_durable() {
    let asynchronous = Settings::new().with("synchronous_commit", "off");
    for (store, lossy, word) in [
        (Store::Postgres, asynchronous, "synchronous_commit"),
        (Store::Redis, Settings::redis_snapshots(), "appendonly"),
    ] {
        let durable = Own::start_with(store, Settings::new()).await;
        let server = Server::on(required(&durable)).await;
        let ready = get(server.address, "/readyz", &[]).await.json();
        assert_eq!(ready["notes"], serde_json::Value::Null, "{ready}");

        let lossy = Own::start_with(store, lossy).await;
        let file = server.directory().join("b.toml");
        std::fs::write(file, portcullis_tests::BOOTSTRAP).unwrap();
        let (listen, url) = ("127.0.0.1:0", required(&lossy));
        let arguments = ["--listen", listen, "--bootstrap", "b.toml", "--store", &url];
        let refused = run(server.directory(), &arguments).await;
        let text = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{text}");
        assert!(text.contains(word), "{text}");
    }
}

fn required(own: &Own) -> String {
    let url = own.url();
    let separator = if url.contains('?') { '&' } else { '?' };
    format!("{url}{separator}require_durable=true")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_may_lose_says_so() {
    let asynchronous = Settings::new().with("synchronous_commit", "off");
    for (store, settings, words) in [
        (Store::Postgres, asynchronous, "synchronous_commit"),
        (Store::Redis, Settings::redis_snapshots(), "appendonly"),
    ] {
        let own = Own::start_with(store, settings).await;
        let options = Options {
            store: own.url(),
            log_level: "info",
            ..Options::default()
        };
        let server = Server::with(options).await;
        let ready = get(server.address, "/readyz", &[]).await;
        assert_eq!(ready.status, 200, "it serves nevertheless");
        let notes = ready.json()["notes"].to_string();
        assert!(notes.contains(words), "{notes}");
        let log = server.log();
        let warnings = log
            .lines()
            .filter(|line| line.contains("WARN") && line.contains("lose"));
        let warnings: Vec<_> = warnings.collect();
        let [warning] = warnings[..] else {
            panic!("one warning, and not {warnings:#?}");
        };
        assert!(warning.contains(words), "{warning}");
    }
}
