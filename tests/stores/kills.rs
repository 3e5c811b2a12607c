//! `kill -9` of the server and of its store, at any moment, loses nothing that was acknowledged.

use std::{
    process::Command,
    time::{Duration, Instant},
};

use portcullis_testkit::servers::{Postgres, Settings};
use portcullis_tests::{Journal, Load, Server};

use crate::{own::Own, store::Store};

on_stores! {
    of_the_server: sqlite postgres redis cluster sentinel;
    of_the_store: postgres redis cluster sentinel;
}

/// From the kill of the server until it listens again.
const READY: Duration = Duration::from_secs(2);
/// From the store's return until the server serves.
const SERVES: Duration = Duration::from_secs(5);

/// How often something is killed; `./test --long` asks for more.
fn cycles() -> usize {
    let asked = std::env::var("PORTCULLIS_KILLS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(5)
}

/// How many acknowledgements there are before a kill. How far the load gets differs each time: that
/// is the point of it. In the long form there are a thousand, for 50,000 in all.
fn writes(cycle: usize) -> usize {
    let few = 10 + 7 * (cycle % 5);
    if cycles() > 5 { 1000 + few } else { few }
}

async fn of_the_server(store: Store) {
    let mut server = store.serve().await;
    let mut journal = Journal::default();
    for cycle in 0..cycles() {
        let load = Load::on(server.address);
        load.wait_for_more(writes(cycle)).await;
        let killed = Instant::now();
        server.kill_and_restart().await;
        let down = killed.elapsed();
        assert!(down < READY, "ready again after {down:?}");
        journal.append(load.stop().await);
    }
    let audit = journal.audit(&server).await;
    println!("{store:?}, server killed {} times: {audit}", cycles());
    assert!(audit.is_sound(), "{audit}");
}

async fn of_the_store(store: Store) {
    let own = Own::start(store).await;
    let server = Server::on(own.safe_url()).await;
    let load = Load::on(server.address);
    for cycle in 0..cycles() {
        load.wait_for_more(writes(cycle)).await;
        own.kill().await;
        own.start_again().await;
        let back = Instant::now();
        load.wait_for_more(1).await;
        let down = back.elapsed();
        assert!(down < SERVES, "serves again after {down:?}");
    }
    let audit = load.stop().await.audit(&server).await;
    println!("{store:?} killed {} times: {audit}", cycles());
    assert!(audit.is_sound(), "{audit}");
}

/// The count must be able to fail: a server that acknowledges before it writes loses.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_that_commits_later_loses() {
    let settings = Settings::new()
        .with("synchronous_commit", "off")
        .with("wal_buffers", "8MB");
    let postgres = Postgres::start_with(settings).await;
    let server = Server::on(postgres.url("postgres")).await;
    // What is there so far shall stay, or there were no users to ask for.
    postgres.query("postgres", "checkpoint").await;
    // What commits leave to this process stays unwritten, as on a machine that is busy.
    let writer = "select pid from pg_stat_activity where backend_type = 'walwriter'";
    let writer = postgres.query("postgres", writer).await;
    let stopped = Command::new("kill").args(["-STOP", &writer]).status();
    assert!(stopped.unwrap().success());
    let load = Load::on(server.address);
    load.wait_for_more(100).await;
    postgres.kill().await;
    postgres.start_again().await;
    let audit = load.stop().await.audit(&server).await;
    println!("PostgreSQL without synchronous_commit: {audit}");
    assert!(audit.lost > 0, "{audit}");
}

/// The same of a Redis without a log, which goes back to its newest snapshot: to nothing.
#[tokio::test(flavor = "multi_thread")]
async fn redis_without_a_log_loses() {
    let own = Own::start_with(Store::Redis, Settings::redis_snapshots()).await;
    let server = Server::on(own.url()).await;
    let load = Load::on(server.address);
    load.wait_for_more(100).await;
    own.kill().await;
    own.start_again().await;
    let audit = load.stop().await.audit(&server).await;
    println!("Redis without a log: {audit}");
    assert!(audit.lost > 0, "{audit}");
}
