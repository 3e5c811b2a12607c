//! Redis is killed while it works.
//!
//! `PORTCULLIS_KILLS` is how often; five times unless it says otherwise.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{sync::Arc, time::Instant};

use portcullis_core::UserStore;
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::{
    linearizability::check,
    load::{Audit, Load},
    servers::{Redis, RedisCluster, Settings},
};

const WRITES_PER_CYCLE: usize = 1_000;

async fn open_url(url: &str) -> Arc<dyn UserStore> {
    let config = RedisConfig::parse(url).unwrap();
    Arc::new(RedisStore::open(&config).await.unwrap())
}

async fn open(redis: &Redis) -> Arc<dyn UserStore> {
    open_url(&redis.url()).await
}

async fn open_cluster(cluster: &RedisCluster, query: &str) -> Arc<dyn UserStore> {
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    open_url(&format!("redis+cluster://{}?{query}", nodes.join(","))).await
}

/// Kills the server in the middle of every so many writes, and counts what it made of them.
async fn killed(settings: Settings, cycles: usize) -> Audit {
    let redis = Redis::start_with(settings).await;
    let handles = [open(&redis).await, open(&redis).await];
    let load = Load::on(&handles).start().await.unwrap();
    for _ in 0..cycles {
        load.wait_for_more(WRITES_PER_CYCLE).await;
        redis.kill().await;
        redis.start_again().await;
    }
    // The same handles go on, without anybody's help.
    load.wait_for_more(WRITES_PER_CYCLE / 2).await;
    let journal = load.stop().await;
    let audit = journal.audit(&*open(&redis).await).await.unwrap();
    eprintln!("{audit}");
    if audit.is_sound() {
        check(journal.history()).unwrap();
    }
    audit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_syncs_loses_nothing() {
    let cycles = std::env::var("PORTCULLIS_KILLS").ok();
    let cycles = cycles.and_then(|cycles| cycles.parse().ok()).unwrap_or(5);
    let audit = killed(Settings::new(), cycles).await;
    assert!(audit.is_sound(), "{audit}");
    assert!(audit.acknowledged >= cycles * WRITES_PER_CYCLE);
}

/// The control: without a log, the same test finds what is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_a_log_loses_what_it_acknowledged() {
    let redis = Redis::start_with(Settings::redis_snapshots()).await;
    let store = open(&redis).await;
    let load = Load::on(&[Arc::clone(&store)]).start().await.unwrap();
    load.wait_for(WRITES_PER_CYCLE).await;
    let journal = load.stop().await;
    redis.kill().await;
    redis.start_again().await;
    let audit = journal.audit(&*open(&redis).await).await.unwrap();
    eprintln!("{audit}");
    assert!(audit.lost >= WRITES_PER_CYCLE / 2, "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_fails_over_loses_nothing_that_a_replica_confirmed() {
    let cluster = RedisCluster::start().await;
    let store = open_cluster(&cluster, "wait=1&wait_ms=1000").await;
    let load = Load::on(&[Arc::clone(&store)]).users(24).start().await;
    let load = load.unwrap();
    load.wait_for(200).await;
    let [first, ..] = cluster.primaries().await[..] else {
        panic!("there are primaries");
    };
    cluster.kill(first).await;
    cluster.wait_until_ok().await;
    cluster.start_again(first).await;
    cluster.wait_until_whole().await;
    let recovered = Instant::now();
    load.wait_for_more(500).await;
    assert!(recovered.elapsed() < 4 * RedisCluster::NODE_TIMEOUT);
    let journal = load.stop().await;
    let audit = journal.audit(&*open_cluster(&cluster, "").await).await;
    let audit = audit.unwrap();
    eprintln!("{audit}");
    assert!(audit.is_sound(), "{audit}");
    check(journal.history()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_move_under_load() {
    let cluster = RedisCluster::start().await;
    let store = open_cluster(&cluster, "").await;
    let load = Load::on(&[Arc::clone(&store)]).users(48).start().await;
    let load = load.unwrap();
    load.wait_for(200).await;
    let [first, second, ..] = cluster.primaries().await[..] else {
        panic!("there are primaries");
    };
    cluster.move_slots(first, second, 1_500).await;
    cluster.move_slots(second, first, 500).await;
    load.wait_for_more(200).await;
    let journal = load.stop().await;
    let audit = journal.audit(&*store).await.unwrap();
    eprintln!("{audit}");
    assert!(audit.is_sound(), "{audit}");
    assert_eq!((audit.not_applied, audit.unknown), (0, 0), "{audit}");
    check(journal.history()).unwrap();
}
