//! A disk that is full, and then is not.
//!
//! The other half of each test runs in a mount namespace of its own, where all temporary files are
//! on a small disk in memory. That takes root. Where it cannot be had, the test says so and does
//! nothing, and fails if everything has to run.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    io::Write,
    path::PathBuf,
    process::Command,
    sync::Arc,
    time::Duration,
};

use portcullis_core::{StoreErrorKind, UserStore};
use portcullis_testkit::{
    load::{Load, Running},
    servers::{Postgres, Redis, Settings},
};
use tokio::time::{sleep, timeout};

use crate::{
    handles::{postgres, redis, sqlite},
    people::{create, set},
    scale::not_run,
};

#[test]
fn postgres_outlives_a_full_disk() {
    on_a_small_disk("disk::postgres_half");
}

#[test]
fn redis_outlives_a_full_disk() {
    on_a_small_disk("disk::redis_half");
}

#[test]
fn redis_that_ends_on_a_full_disk_loses_nothing() {
    on_a_small_disk("disk::redis_always_half");
}

/// The control: what is acknowledged before it is written is lost with the server.
#[test]
fn redis_that_is_killed_on_a_full_disk_loses_what_it_could_not_write() {
    on_a_small_disk("disk::redis_killed_half");
}

#[test]
fn sqlite_outlives_a_full_disk() {
    on_a_small_disk("disk::sqlite_half");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of a test"]
async fn postgres_half() {
    let server = Postgres::start().await;
    let store = postgres(&server.url("postgres")).await;
    let load = start(&store).await;
    let ballast = fill(&*store).await;
    drop(ballast);
    goes_on(&load).await;
    let journal = load.stop().await;
    server.kill().await;
    server.start_again().await;
    let store = postgres(&server.url("postgres")).await;
    let audit = journal.audit(&*store).await.unwrap();
    println!("PostgreSQL, full disk: {audit}");
    assert!(audit.is_sound(), "{audit}");
}

/// A server that syncs every second keeps what it cannot write, and refuses more.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of a test"]
async fn redis_half() {
    let settings = Settings::new().with("appendfsync", "everysec");
    let server = Redis::start_with(settings).await;
    let store = redis(&server.url()).await;
    let load = start(&store).await;
    let ballast = fill(&*store).await;
    drop(ballast);
    goes_on(&load).await;
    let journal = load.stop().await;
    server.stop().await;
    server.start_again().await;
    let store = redis(&server.url()).await;
    let audit = journal.audit(&*store).await.unwrap();
    println!("Redis, full disk: {audit}");
    assert!(audit.is_sound(), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of a test"]
async fn redis_killed_half() {
    let settings = Settings::new().with("appendfsync", "everysec");
    let server = Redis::start_with(settings).await;
    let store = redis(&server.url()).await;
    let load = start(&store).await;
    let ballast = fill(&*store).await;
    server.kill().await;
    drop(ballast);
    server.start_again().await;
    let audit = load.stop().await.audit(&*store).await.unwrap();
    println!("Redis, killed on a full disk: {audit}");
    assert!(audit.lost > 0, "{audit}");
}

/// A server that syncs before it answers ends instead of answering.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of a test"]
async fn redis_always_half() {
    let server = Redis::start().await;
    let store = redis(&server.url()).await;
    let load = start(&store).await;
    let ballast = fill(&*store).await;
    drop(ballast);
    server.kill().await;
    server.start_again().await;
    goes_on(&load).await;
    let journal = load.stop().await;
    let audit = journal.audit(&*store).await.unwrap();
    println!("Redis that syncs always, full disk: {audit}");
    assert!(audit.is_sound(), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the other half of a test"]
async fn sqlite_half() {
    let path = env::temp_dir().join("users.db");
    let store = sqlite(&path).await;
    let load = start(&store).await;
    let ballast = fill(&*store).await;
    drop(ballast);
    goes_on(&load).await;
    let journal = load.stop().await;
    let audit = journal.audit(&*sqlite(&path).await).await.unwrap();
    println!("SQLite, full disk: {audit}");
    assert!(audit.is_sound(), "{audit}");
}

async fn start(store: &Arc<dyn UserStore>) -> Running {
    let load = Load::on(&[Arc::clone(store)]).writers(8).start().await;
    let load = load.unwrap();
    load.wait_for(100).await;
    load
}

/// A store recovers without being opened again, ten seconds after the cause is gone at the latest.
async fn goes_on(load: &Running) {
    let more = timeout(Duration::from_secs(10), load.wait_for_more(50));
    more.await.expect("the store recovers");
}

/// Fills the disk until a store cannot write any more, which it says in true words.
async fn fill(store: &dyn UserStore) -> Ballast {
    let user = create(store).await;
    let mut ballast = Ballast::new();
    let mut failures = BTreeMap::new();
    let full = async {
        while failures.values().sum::<usize>() < 20 {
            ballast.grow();
            let failed = match store.load(&user).await {
                Ok(record) => store
                    .commit(&set(&user, record.unwrap().version))
                    .await
                    .err(),
                Err(error) => Some(error),
            };
            if let Some(error) = failed {
                *failures.entry(format!("{:?}", error.kind())).or_default() += 1;
                sleep(Duration::from_millis(20)).await;
            }
        }
    };
    timeout(Duration::from_secs(60), full)
        .await
        .expect("it is noticed");
    println!("on a full disk: {failures:?}");
    let honest = [StoreErrorKind::OutcomeUnknown, StoreErrorKind::Unavailable];
    let honest = honest.map(|kind| format!("{kind:?}"));
    assert!(
        failures.keys().all(|kind| honest.contains(kind)),
        "{failures:?}"
    );
    ballast
}

/// A file that takes all the space there is, until it is dropped.
struct Ballast {
    path: PathBuf,
    file: File,
}

impl Ballast {
    fn new() -> Self {
        let path = env::temp_dir().join("ballast");
        let file = File::create(&path).unwrap();
        Self { path, file }
    }

    /// Takes what has become free, too.
    fn grow(&mut self) {
        for size in [1 << 20, 1 << 12] {
            while self
                .file
                .write(&vec![1; size])
                .is_ok_and(|written| written == size)
            {}
        }
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        drop(fs::remove_file(&self.path));
    }
}

/// Runs the other half of a test where temporary files are on a disk of 256 MiB.
fn on_a_small_disk(test: &str) {
    let place = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", MOUNT]);
    command.arg(env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command.env("TMPDIR", place.path());
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let said = String::from_utf8_lossy(&output.stderr);
    println!("{text}\n{said}");
    if text.contains(MOUNTED) {
        assert!(output.status.success(), "{test} failed");
    } else {
        not_run(test, "a mount of its own, which takes root and `unshare`");
    }
}

const MOUNT: &str =
    r#"mount -t tmpfs -o size=256m,mode=1777 none "$TMPDIR" && echo mounted && exec "$0" "$@""#;
const MOUNTED: &str = "mounted\n";
