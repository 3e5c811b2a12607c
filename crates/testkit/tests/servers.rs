//! Real servers start, keep their data through `kill -9`, and leave nothing behind.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use portcullis_testkit::{
    proxy::Proxy,
    servers::{Postgres, Redis, RedisCluster, RedisSentinel, Settings},
};

const TABLE: &str = "create table t (n int); insert into t values (1)";

#[tokio::test(flavor = "multi_thread")]
async fn postgres_keeps_its_data() {
    let postgres = Postgres::start().await;
    postgres.query("postgres", TABLE).await;
    let pid = postgres.pid();
    postgres.kill().await;
    assert!(!Path::new(&format!("/proc/{pid}")).exists(), "reaped");
    postgres.start_again().await;
    let insert = "insert into t values (2); select sum(n) from t";
    assert_eq!(postgres.query("postgres", insert).await, "3");
    postgres.stop().await;
    postgres.start_again().await;
    assert_eq!(
        postgres.query("postgres", "select sum(n) from t").await,
        "3"
    );
    vanishes(postgres, Postgres::directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_takes_settings() {
    let settings = Settings::new()
        .with("synchronous_commit", "off")
        .with("application_name", "it's");
    let postgres = Postgres::start_with(settings).await;
    for (name, value) in [
        ("synchronous_commit", "off"),
        ("fsync", "on"),
        ("max_connections", "200"),
    ] {
        let shown = postgres.query("postgres", &format!("show {name}")).await;
        assert_eq!(shown, value, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over() {
    let primary = Postgres::start().await;
    let standby = Postgres::standby_of(&primary, true).await;
    primary.query("postgres", TABLE).await;
    primary.kill().await;
    standby.promote().await;
    let insert = "insert into t values (2); select sum(n) from t";
    assert_eq!(standby.query("postgres", insert).await, "3");
}

/// The control: what a standby has not got is lost with the primary.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_is_cut_off_misses_what_was_acknowledged() {
    let primary = Postgres::start().await;
    let proxy = Proxy::to(primary.address()).await;
    let standby = Postgres::standby_through(&primary, proxy.address(), false).await;
    primary.query("postgres", TABLE).await;
    while standby
        .query("postgres", "select to_regclass('t') is null")
        .await
        == "t"
    {}
    proxy.refuse().await;
    proxy.cut().await;
    primary.query("postgres", "insert into t values (2)").await;
    primary.kill().await;
    standby.promote().await;
    assert_eq!(standby.query("postgres", "select sum(n) from t").await, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_keeps_its_data() {
    let redis = Redis::start().await;
    redis.cli(&["set", "key", "value"]).await;
    redis.kill().await;
    redis.start_again().await;
    assert_eq!(redis.cli(&["get", "key"]).await, "value");
    redis.stop().await;
    redis.start_again().await;
    assert_eq!(redis.cli(&["get", "key"]).await, "value");
    vanishes(redis, Redis::directory);
}

/// The control: without its file of commands a killed Redis has nothing.
#[tokio::test(flavor = "multi_thread")]
async fn redis_with_snapshots_loses_its_data() {
    let redis = Redis::start_with(Settings::redis_snapshots()).await;
    redis.cli(&["set", "key", "value"]).await;
    redis.kill().await;
    redis.start_again().await;
    assert_eq!(redis.cli(&["get", "key"]).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over() {
    let primary = Redis::start().await;
    let replica = Redis::replica_of(&primary).await;
    primary.cli(&["set", "key", "value"]).await;
    while replica.cli(&["get", "key"]).await != "value" {}
    primary.kill().await;
    replica.promote().await;
    assert_eq!(replica.cli(&["get", "key"]).await, "value");
    assert_eq!(replica.cli(&["set", "key", "other"]).await, "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_fails_over_and_moves_slots() {
    let cluster = RedisCluster::start().await;
    assert_eq!(cluster.primaries().await, [0, 1, 2]);
    // The key's slot, 12539, belongs to the last of the three.
    cluster.cli(&["set", "key", "value"]).await;
    while copies(&cluster).await < 2 {}
    cluster.kill(2).await;
    cluster.wait_until_ok().await;
    assert_eq!(cluster.cli(&["get", "key"]).await, "value");
    cluster.start_again(2).await;
    cluster.wait_until_whole().await;
    cluster.move_slots(0, 1, 100).await;
    cluster.wait_until_whole().await;
    assert_eq!(cluster.cli(&["get", "key"]).await, "value");
    vanishes(cluster, RedisCluster::directory);
}

/// How many nodes have the key.
async fn copies(cluster: &RedisCluster) -> usize {
    let mut copies = 0;
    for node in 0..RedisCluster::SIZE {
        copies += usize::from(cluster.ask(node, &["dbsize"]).await == "1");
    }
    copies
}

#[tokio::test(flavor = "multi_thread")]
async fn sentinels_fail_over() {
    let redis = RedisSentinel::start(3).await;
    assert_eq!(redis.primary().await, 0);
    redis.cli(0, &["set", "key", "value"]).await;
    while redis.cli(1, &["get", "key"]).await != "value" {}
    redis.kill(0).await;
    redis.wait_for_primary(1).await;
    assert_eq!(redis.cli(1, &["get", "key"]).await, "value");
    vanishes(redis, RedisSentinel::directory);
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_pause_and_go_on() {
    let redis = Redis::start().await;
    redis.pause().await;
    let answer = tokio::spawn({
        let redis = redis.clone();
        async move { redis.cli(&["ping"]).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!answer.is_finished());
    redis.resume().await;
    assert_eq!(answer.await.unwrap(), "PONG");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_is_shared() {
    let (first, second) = tokio::join!(Redis::shared(), Redis::shared());
    assert_eq!(first.pid(), second.pid());
}

/// A panic keeps the logs, and only the logs.
#[test]
fn a_failed_test_keeps_the_logs() {
    let owner = Owner::spawn("failed_owner");
    let directory = owner.directory.clone();
    owner.finish();
    let names = fs::read_dir(&directory).unwrap().flatten();
    let names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    assert_eq!(names, ["redis.log"]);
    assert_eq!(working_in(&directory), Vec::<PathBuf>::new());
    fs::remove_dir_all(directory).unwrap();
}

/// What is in a static is never dropped.
#[test]
fn servers_end_with_a_process_that_exits() {
    let owner = Owner::spawn("sharing_owner");
    let directory = owner.directory.clone();
    owner.finish();
    wait_until_gone(&directory);
}

#[test]
fn servers_end_with_a_process_that_is_killed() {
    let mut owner = Owner::spawn("sleeping_owner");
    let directory = owner.directory.clone();
    assert!(working_in(&directory).len() > 3, "its processes are seen");
    owner.child.kill().unwrap();
    owner.child.wait().unwrap();
    wait_until_gone(&directory);
}

#[tokio::test]
#[ignore = "the other half of a test"]
async fn failed_owner() {
    let redis = Redis::start().await;
    println!("directory {}", redis.directory().display());
    panic!("on purpose");
}

#[tokio::test]
#[ignore = "the other half of a test"]
async fn sharing_owner() {
    println!(
        "directory {}",
        Postgres::shared().await.directory().display()
    );
}

#[tokio::test]
#[ignore = "the other half of a test"]
async fn sleeping_owner() {
    let postgres = Postgres::start().await;
    println!("directory {}", postgres.directory().display());
    std::future::pending::<()>().await;
}

/// This program again, as the owner of a server.
struct Owner {
    child: std::process::Child,
    directory: PathBuf,
}

impl Owner {
    fn spawn(test: &str) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let directory = lines.find_map(|line| {
            let line = line.unwrap();
            let (_, path) = line.split_once("directory ")?;
            Some(PathBuf::from(path))
        });
        // The rest of its output has to be read, or it would wait for that.
        thread::spawn(move || lines.for_each(drop));
        Self {
            child,
            directory: directory.unwrap(),
        }
    }

    fn finish(mut self) {
        self.child.wait().unwrap();
    }
}

/// A dropped handle leaves neither directory nor process.
fn vanishes<T>(handle: T, directory: fn(&T) -> &Path) {
    let directory = directory(&handle).to_owned();
    assert_ne!(working_in(&directory), Vec::<PathBuf>::new());
    drop(handle);
    assert!(!directory.exists(), "the directory is gone");
    assert_eq!(working_in(&directory), Vec::<PathBuf>::new());
}

fn wait_until_gone(directory: &Path) {
    let started = Instant::now();
    while directory.exists() || !working_in(directory).is_empty() {
        assert!(started.elapsed() < Duration::from_secs(10), "still there");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The processes whose working directory is below this one.
fn working_in(directory: &Path) -> Vec<PathBuf> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let processes = processes.map(|entry| entry.path());
    let is_inside = |process: &PathBuf| {
        fs::read_link(process.join("cwd")).is_ok_and(|path| path.starts_with(directory))
    };
    processes.filter(is_inside).collect()
}
