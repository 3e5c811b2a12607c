//! Redis Cluster: slots move and a master dies while writers are at it.
//!
//! The control of what is applied once is in the tests of `portcullis-store-redis`: a plain
//! cluster client sends an `INCR` again whose reply was lost.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_testkit::{
    linearizability::check,
    load::Load,
    servers::{RedisCluster, Settings},
};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    handles::redis,
    people::{create, try_set},
};

/// How long a node is silent until the others take it for dead.
const NODE_TIMEOUT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread")]
async fn writers_stay_right_while_slots_move_and_a_master_dies() {
    let timeout = NODE_TIMEOUT.as_millis().to_string();
    let settings = Settings::new().with("cluster-node-timeout", timeout);
    let cluster = RedisCluster::start_with(settings).await;
    slots_move(&cluster).await;
    a_master_dies(&cluster).await;
}

async fn slots_move(cluster: &RedisCluster) {
    let url = url(cluster);
    let stores = [redis(&url).await, redis(&url).await];
    let load = Load::on(&stores).users(16).start().await.unwrap();
    load.wait_for(50).await;
    let users = cluster.ask(0, &["--scan", "--pattern", "*}u:*"]).await;
    let mut moved = 0;
    for user in users.lines().take(4) {
        let slot = cluster.ask(0, &["cluster", "keyslot", user]).await;
        moved += move_slot(cluster, &slot, 0, 1).await;
        load.wait_for_more(20).await;
    }
    assert!(moved > 0, "keys moved");
    let journal = load.stop().await;
    let audit = journal.audit(&*stores[0]).await.unwrap();
    println!("Redis Cluster, {moved} keys moved: {audit}");
    assert!(audit.is_sound(), "{audit}");
    check(journal.history()).unwrap();
}

async fn a_master_dies(cluster: &RedisCluster) {
    let url = url(cluster);
    let waiting = format!("{url}?wait=1&wait_ms=500");
    let stores = [redis(&waiting).await, redis(&waiting).await];
    let probe = redis(&url).await;
    let mut probes = Vec::new();
    for _ in 0..24 {
        probes.push(create(&*stores[0]).await);
    }
    let load = Load::on(&stores).start().await.unwrap();
    load.wait_for(100).await;
    cluster.kill(2).await;
    let killed = Instant::now();
    let all = probes.iter().map(|user| {
        let (probe, user) = (Arc::clone(&probe), user.clone());
        async move {
            while !try_set(&*probe, &user).await {
                sleep(Duration::from_millis(5)).await;
            }
        }
    });
    all.collect::<JoinSet<_>>().join_all().await;
    let recovered = killed.elapsed();
    cluster.start_again(2).await;
    cluster.wait_until_whole().await;
    load.wait_for_more(100).await;
    let journal = load.stop().await;
    let audit = journal.audit(&*probe).await.unwrap();
    println!("Redis Cluster, recovered in {recovered:?}: {audit}");
    assert!(audit.is_sound(), "{audit}");
    let allowed = 2 * NODE_TIMEOUT + Duration::from_secs(2);
    assert!(recovered <= allowed, "recovered in {recovered:?}");
}

fn url(cluster: &RedisCluster) -> String {
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    format!("redis+cluster://{}", nodes.join(","))
}

/// Moves a slot, a few keys at a time, so that clients meet it in the middle; how many keys it had.
async fn move_slot(cluster: &RedisCluster, slot: &str, from: usize, to: usize) -> usize {
    let here = cluster.ask(from, &["cluster", "myid"]).await;
    let there = cluster.ask(to, &["cluster", "myid"]).await;
    let set_slot = |node, words: &[&str]| {
        let words = [&["cluster", "setslot", slot], words].concat();
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        async move {
            let words: Vec<_> = words.iter().map(String::as_str).collect();
            cluster.ask(node, &words).await
        }
    };
    set_slot(to, &["importing", &here]).await;
    set_slot(from, &["migrating", &there]).await;
    let address = cluster.nodes()[to];
    let (host, port) = (address.ip().to_string(), address.port().to_string());
    let mut moved = 0;
    loop {
        let keys = cluster
            .ask(from, &["cluster", "getkeysinslot", slot, "10"])
            .await;
        let keys: Vec<_> = keys.lines().filter(|key| !key.is_empty()).collect();
        if keys.is_empty() {
            break;
        }
        moved += keys.len();
        let words = ["migrate", &host, &port, "", "0", "5000", "keys"];
        cluster.ask(from, &[&words[..], &keys].concat()).await;
    }
    set_slot(to, &["node", &there]).await;
    set_slot(from, &["node", &there]).await;
    moved
}
