//! Redis: the primary is lost while its replica lags behind.

use std::time::Duration;

use portcullis_testkit::{
    load::{Audit, Load},
    proxy::Proxy,
    servers::Redis,
};
use tokio::time::sleep;

use crate::{handles::redis, scale};

/// How long the primary goes on without its replica.
const STALL: Duration = Duration::from_millis(500);

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_waited_for_has_everything_that_was_acknowledged() {
    for cycle in 1..=scale::failovers() {
        let audit = fail_over("wait=1").await;
        println!("Redis, wait=1, failover {cycle}: {audit}");
        assert!(audit.is_sound(), "{audit}");
        assert!(audit.unknown > 0, "writes wait for the replica: {audit}");
    }
}

/// The control: without `wait` the primary acknowledges what is lost with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_nobody_waits_for_misses_what_was_acknowledged() {
    let audit = fail_over("").await;
    println!("Redis, no wait: {audit}");
    assert!(audit.lost > 0, "{audit}");
}

/// Puts writers on a primary, stalls its replica, kills it and goes on with the replica and a new
/// one behind it.
async fn fail_over(parameters: &str) -> Audit {
    let primary = Redis::start().await;
    let replication = Proxy::to(primary.address()).await;
    let replica = Redis::replica_through(replication.address()).await;
    let clients = Proxy::to(primary.address()).await;
    let url = format!("redis://{}/?{parameters}", clients.address());
    let stores = [redis(&url).await, redis(&url).await];
    let load = Load::on(&stores).users(32).start().await.unwrap();
    load.wait_for(200).await;
    // A primary sends nothing before its replica has reported for the first time.
    while replica.cli(&["dbsize"]).await == "0" {}
    replication.black_hole(true);
    sleep(STALL).await;
    primary.kill().await;
    replication.cut().await;
    replica.promote().await;
    let next = Redis::replica_of(&replica).await;
    clients.point_at(replica.address());
    clients.cut().await;
    load.wait_for_more(100).await;
    let journal = load.stop().await;
    drop(next);
    let store = redis(&replica.url()).await;
    journal.audit(&*store).await.unwrap()
}
