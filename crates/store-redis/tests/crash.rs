//! Redis is killed while it works.
//!
//! `PORTCULLIS_CYCLES` is how often; five times unless it says otherwise.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::sync::Arc;

use portcullis_core::UserStore;
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::{
    linearizability::check,
    load::{Audit, Load},
    servers::{Redis, Settings},
};

const WRITES_PER_CYCLE: usize = 1_000;

async fn open(redis: &Redis) -> Arc<dyn UserStore> {
    let config = RedisConfig::parse(&redis.url()).unwrap();
    Arc::new(RedisStore::open(&config).await.unwrap())
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
    println!("{audit}");
    if audit.is_sound() {
        check(journal.history()).unwrap();
    }
    audit
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_syncs_loses_nothing() {
    let cycles = std::env::var("PORTCULLIS_CYCLES").ok();
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
    println!("{audit}");
    assert!(audit.lost >= WRITES_PER_CYCLE / 2, "{audit}");
}
