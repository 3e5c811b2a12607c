//! Answers that are lost on their way: every operation is applied once all the same.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use portcullis_core::{
    OperationId, OrgId, OsRandom, StoreErrorKind, UserId, UserKey, UserStore,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, Change, CommitOutcome, EventKind,
        EventQuery, Method, NewUser, SettleOutcome, Settlement, Subject, UserKind, UserState,
        Verification, Version,
    },
};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::{
    proxy::Proxy,
    servers::{Redis, RedisCluster},
};

/// How often in a row answers are lost.
const DROPS: [usize; 3] = [1, 3, 10];

/// Operations for each number of lost answers; `PORTCULLIS_LOST_ANSWERS` says how many in all.
fn operations() -> usize {
    let asked = std::env::var("PORTCULLIS_LOST_ANSWERS").ok();
    asked.map_or(20, |text| text.parse::<usize>().unwrap() / DROPS.len())
}

const SOON: Duration = Duration::from_secs(5);

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

async fn user(store: &RedisStore, id: &str) -> UserKey {
    let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new(id).unwrap());
    let user = NewUser::new(key.clone(), id, UserKind::Human, operation());
    store.create(&user).await.unwrap();
    key
}

fn lock(key: &UserKey, version: u64) -> Change {
    let (method, version) = (Method::ChangeState, Version(version));
    Change::new(key.clone(), method, operation(), version, EventKind::Locked)
        .with_state(UserState::Locked)
}

/// Commits until there is an answer; how often there was none.
async fn commit(store: &RedisStore, change: &Change) -> usize {
    for lost in 0.. {
        match store.commit(change).await {
            Ok(CommitOutcome::Committed(_)) => {
                assert_eq!(lost, 0, "the first call was applied");
                return lost;
            }
            Ok(CommitOutcome::Replayed(_)) => return lost,
            Ok(other) => panic!("the change is made, not {other:?}"),
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
                found_at_last(store, change).await;
            }
        }
    }
    unreachable!()
}

/// The client is cut off before the server has answered, so the truth may take a moment.
async fn found_at_last(store: &RedisStore, change: &Change) {
    let began = Instant::now();
    while store
        .operation(&change.key, change.operation)
        .await
        .unwrap()
        .is_none()
    {
        assert!(began.elapsed() < SOON, "the operation id tells the truth");
    }
}

async fn every_operation_has_one_event(store: &RedisStore, key: &UserKey, operations: usize) {
    let page = store.events(&EventQuery::user(key.clone())).await.unwrap();
    let mut events: BTreeMap<OperationId, u32> = BTreeMap::new();
    for event in &page.events {
        *events.entry(event.operation).or_default() += 1;
    }
    assert!(events.values().all(|count| *count == 1), "{events:?}");
    assert_eq!(events.len(), operations);
    let record = store.load(key).await.unwrap().unwrap();
    assert_eq!(record.sequence, u64::try_from(operations).unwrap());
}

/// Loses answers to scripts that change a state, and then those of an attempt.
async fn applied_once(store: &RedisStore, proxy: &Proxy, key: &UserKey, operations: usize) {
    load_scripts(store, key).await;
    let mut version = 1;
    for dropped in DROPS {
        for _ in 0..operations {
            version += 1;
            let change = lock(key, version);
            proxy.drop_replies(b"expected", dropped);
            assert_eq!(commit(store, &change).await, dropped);
        }
    }
    // The first of these sequences is the creation, the second was nobody's fault.
    let commits = usize::try_from(version).unwrap();
    every_operation_has_one_event(store, key, 1 + commits).await;
    attempt_counts_once(store, proxy, key).await;
    every_operation_has_one_event(store, key, 2 + commits).await;
}

/// Uses every script once: a server answers one that it does not know without doing anything.
async fn load_scripts(store: &RedisStore, key: &UserKey) {
    store.commit(&lock(key, 1)).await.unwrap();
    let (subject, permit) = (Subject::User(key.clone()), operation());
    let request = AttemptRequest::new(subject.clone(), permit, AttemptLimits::default());
    store.take_attempt(&request).await.unwrap();
    let settlement = Settlement::new(subject, permit, Verification::Abandoned);
    store.settle_attempt(&settlement).await.unwrap();
}

async fn attempt_counts_once(store: &RedisStore, proxy: &Proxy, key: &UserKey) {
    let (subject, permit) = (Subject::User(key.clone()), operation());
    let request = AttemptRequest::new(subject.clone(), permit, AttemptLimits::default());
    proxy.drop_replies(b"lease", 1);
    let error = store.take_attempt(&request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    let taken = store.take_attempt(&request).await.unwrap();
    assert_eq!(taken, AttemptOutcome::Permitted { failures: 0 });
    let wrong = Verification::Wrong { lock_at: None };
    let settlement = Settlement::new(subject, permit, wrong);
    proxy.drop_replies(b"verification", 1);
    let error = store.settle_attempt(&settlement).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
    let settled = store.settle_attempt(&settlement).await.unwrap();
    let (failures, locked) = (1, false);
    assert_eq!(settled, SettleOutcome::Settled { failures, locked });
}

async fn open(url: &str) -> RedisStore {
    let config = RedisConfig::parse(url).unwrap();
    RedisStore::open(&config).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_server_applies_every_operation_once() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.address()).await;
    let store = open(&format!("redis://{}", proxy.address())).await;
    let key = user(&store, "42").await;
    applied_once(&store, &proxy, &key, operations()).await;
}

/// A cluster whose nodes are known by the addresses of proxies before them.
async fn proxied() -> (RedisCluster, Vec<Arc<Proxy>>, Vec<String>) {
    let cluster = RedisCluster::start().await;
    let (mut proxies, mut hosts) = (Vec::new(), Vec::new());
    for (node, address) in cluster.nodes().into_iter().enumerate() {
        let proxy = Proxy::to(address).await;
        let port = proxy.address().port().to_string();
        let announce = ["config", "set", "cluster-announce-port", &port];
        assert_eq!(cluster.ask(node, &announce).await, "OK");
        hosts.push(proxy.address().to_string());
        proxies.push(Arc::new(proxy));
    }
    // Every node tells of every other by the new address.
    for node in 0..proxies.len() {
        loop {
            let slots = cluster.ask(node, &["cluster", "slots"]).await;
            let known = |address: &std::net::SocketAddr| {
                let port = address.port().to_string();
                slots.lines().any(|line| line.contains(&port))
            };
            if !cluster.nodes().iter().any(known) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    (cluster, proxies, hosts)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_applies_every_operation_once() {
    let (cluster, proxies, hosts) = proxied().await;
    let store = open(&format!("redis+cluster://{}", hosts.join(","))).await;
    // One user behind each proxy that stands before a primary.
    let mut covered = BTreeMap::new();
    for id in 0..200 {
        let id = id.to_string();
        let before: Vec<_> = proxies.iter().map(|proxy| proxy.dropped()).collect();
        for proxy in &proxies {
            proxy.drop_replies(
                format!("username\r\n${}\r\n{id}\r\n", id.len()).as_bytes(),
                1,
            );
        }
        let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new(&*id).unwrap());
        let user = NewUser::new(key.clone(), &*id, UserKind::Human, operation());
        let error = store.create(&user).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
        for proxy in &proxies {
            proxy.heal().await;
        }
        store.create(&user).await.unwrap();
        let hit = proxies
            .iter()
            .zip(before)
            .position(|(proxy, before)| proxy.dropped() > before);
        covered.entry(hit.unwrap()).or_insert(key);
        if covered.len() == cluster.primaries().await.len() {
            break;
        }
    }
    assert_eq!(covered.len(), 3);
    let each = operations().div_ceil(covered.len());
    for (proxy, key) in covered {
        applied_once(&store, &proxies[proxy], &key, each).await;
    }
}

/// The control: what the driver does of its own accord with a command whose answer is lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_increment_is_applied_more_than_once() {
    let (_cluster, proxies, hosts) = proxied().await;
    let hosts = hosts.iter().map(|host| format!("redis://{host}"));
    let client = redis::cluster::ClusterClient::new(hosts).unwrap();
    let mut connection = client.get_async_connection().await.unwrap();
    for proxy in &proxies {
        proxy.drop_replies(b"INCR", 1);
    }
    let counted: redis::RedisResult<u32> = redis::cmd("INCR")
        .arg("count")
        .query_async(&mut connection)
        .await;
    assert!(counted.unwrap() > 1);
}
