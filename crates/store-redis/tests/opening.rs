//! Opening a store, and what becomes of it when its servers come and go.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

use std::{
    error::Error as _,
    time::{Duration, Instant},
};

use portcullis_core::{
    OperationId, OrgId, OsRandom, StoreError, StoreErrorKind, StoreHealth, UserId, UserKey,
    UserStore,
    store::{CreateOutcome, EventQuery, NewUser, UserKind},
};
use portcullis_store_redis::{RedisConfig, RedisStore, Weakness};
use portcullis_testkit::servers::{Redis, RedisCluster, RedisSentinel, Settings};

/// How soon a store works again after its server does.
const SOON: Duration = Duration::from_secs(5);

async fn try_open(url: &str) -> Result<RedisStore, StoreError> {
    RedisStore::open(&RedisConfig::parse(url).unwrap()).await
}

async fn open(url: &str) -> RedisStore {
    try_open(url).await.unwrap()
}

fn key(id: &str) -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), UserId::new(id).unwrap())
}

fn new_user(id: &str) -> NewUser {
    let operation = OperationId::random(&OsRandom).unwrap();
    NewUser::new(key(id), id, UserKind::Human, operation)
}

/// The text of an error and of everything that caused it.
fn whole_text(error: &StoreError) -> String {
    let mut text = format!("{error} {error:?}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(" {error} {error:?}"));
        cause = error.source();
    }
    text
}

/// Repeats a creation until it is answered, for as long as a store may take.
async fn created_soon(store: &RedisStore, user: &NewUser, within: Duration) {
    let began = Instant::now();
    loop {
        match store.create(user).await {
            Ok(CreateOutcome::Created(_) | CreateOutcome::Replayed(_)) => return,
            Ok(other) => panic!("the user is created, not {other:?}"),
            Err(error) => assert!(began.elapsed() < within, "{}", whole_text(&error)),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn every_weak_configuration_is_detected() {
    let evicts = |policy: &str| Settings::new().with("maxmemory-policy", policy);
    let table = [
        (Settings::redis_snapshots(), Weakness::AppendOnlyOff),
        (
            Settings::new().with("appendfsync", "everysec"),
            Weakness::FsyncEverySecond,
        ),
        (
            Settings::new().with("appendfsync", "no"),
            Weakness::FsyncLeftToSystem,
        ),
        (evicts("allkeys-lru"), Weakness::Evicts),
        (evicts("volatile-ttl"), Weakness::Evicts),
        (
            Settings::new().with("rename-command", "CONFIG \"\""),
            Weakness::Unknown,
        ),
    ];
    for (settings, weakness) in table {
        let redis = Redis::start_with(settings).await;
        let store = open(&redis.url()).await;
        let durability = store.durability().await.unwrap();
        assert_eq!(durability.weaknesses, [weakness]);
        assert!(!durability.is_durable());
        let strict = format!("{}?require_durable=true", redis.url());
        let error = try_open(&strict).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(whole_text(&error).contains(&weakness.to_string()));
    }
}

#[tokio::test]
async fn a_durable_store_can_be_required() {
    let redis = Redis::shared().await;
    let store = open(&format!("{}?require_durable=true", redis.url())).await;
    assert!(store.durability().await.unwrap().is_durable());
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_server_that_turns_weak_is_refused() {
    let redis = Redis::start().await;
    let store = open(&format!("{}?require_durable=true", redis.url())).await;
    redis.cli(&["config", "set", "appendonly", "no"]).await;
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    // So is a new connection, and with it every call.
    redis.cli(&["client", "kill", "type", "normal"]).await;
    let began = Instant::now();
    while store.load(&key("42")).await.is_ok() {
        assert!(began.elapsed() < SOON);
    }
    redis.cli(&["config", "set", "appendonly", "yes"]).await;
    created_soon(&store, &new_user("42"), SOON).await;
}

#[tokio::test]
async fn a_store_opens_before_its_server_and_works_soon_after_it() {
    let redis = Redis::start().await;
    redis.stop().await;
    let store = open(&redis.url()).await;
    for _ in 0..3 {
        let error = store.check().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        let error = store.create(&new_user("42")).await.unwrap_err();
        assert_eq!(
            error.kind(),
            StoreErrorKind::Unavailable,
            "nothing was sent"
        );
    }
    redis.start_again().await;
    created_soon(&store, &new_user("42"), SOON).await;
    store.check().await.unwrap();
}

#[tokio::test]
async fn a_store_survives_its_server() {
    let redis = Redis::start().await;
    let store = open(&redis.url()).await;
    created_soon(&store, &new_user("42"), SOON).await;
    for id in ["43", "44"] {
        redis.kill().await;
        assert!(store.check().await.is_err());
        redis.start_again().await;
        created_soon(&store, &new_user(id), SOON).await;
        assert!(store.load(&key("42")).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_connection_that_was_closed_costs_no_call() {
    let redis = Redis::start().await;
    let store = open(&redis.url()).await;
    for n in 0..20 {
        redis.cli(&["client", "kill", "type", "normal"]).await;
        // A call that is faster than the news would find out by itself, and not know its outcome.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let outcome = store.create(&new_user(&n.to_string())).await.unwrap();
        assert!(matches!(outcome, CreateOutcome::Created(_)));
    }
}

#[tokio::test]
async fn a_flushed_script_is_loaded_again() {
    let redis = Redis::start().await;
    let store = open(&redis.url()).await;
    for n in 0..3 {
        redis.cli(&["script", "flush"]).await;
        store.create(&new_user(&n.to_string())).await.unwrap();
    }
    let cluster = RedisCluster::shared().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    let store = open(&format!("redis+cluster://{}", nodes.join(","))).await;
    for n in 0..6 {
        for node in cluster.primaries().await {
            cluster.ask(node, &["script", "flush"]).await;
        }
        store.create(&new_user(&n.to_string())).await.unwrap();
    }
}

#[tokio::test]
async fn sentinel_leads_to_the_new_primary() {
    let sentinel = RedisSentinel::start(3).await;
    let sentinels = sentinel.sentinel_urls();
    let hosts: Vec<_> = sentinels
        .iter()
        .map(|url| url.trim_start_matches("redis://").trim_end_matches('/'))
        .collect();
    let name = RedisSentinel::NAME;
    let url = format!("redis+sentinel://{}/{name}?wait=1", hosts.join(","));
    let store = open(&url).await;
    store.create(&new_user("42")).await.unwrap();
    let first = sentinel.primary().await;
    let second = 1 - first;
    sentinel.kill(first).await;
    sentinel.wait_for_primary(second).await;
    // What was acknowledged is there, because a replica had it. Writes wait for another replica.
    let began = Instant::now();
    while store.load(&key("42")).await.is_err() {
        assert!(began.elapsed() < SOON, "the new primary is found");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(store.load(&key("42")).await.unwrap().is_some());
    sentinel.start_again(first).await;
    created_soon(&store, &new_user("43"), Duration::from_secs(30)).await;
}

#[tokio::test]
async fn credentials_are_in_no_error() {
    let redis = Redis::start().await;
    redis
        .cli(&["acl", "setuser", "anna", "on", ">right", "~*", "+@all"])
        .await;
    let at = redis.address();
    let store = open(&format!("redis://anna:right@{at}")).await;
    store.check().await.unwrap();
    assert!(!format!("{store:?}").contains("right"));
    for url in [
        format!("redis://anna:hunter2@{at}"),
        format!("redis+cluster://anna:hunter2@{at}"),
        format!("redis+sentinel://anna:hunter2@{at}/anna"),
    ] {
        let store = open(&url).await;
        let error = store.create(&new_user("42")).await.unwrap_err();
        assert_ne!(error.kind(), StoreErrorKind::OutcomeUnknown);
        let text = whole_text(&error);
        assert!(
            !text.contains("hunter2") && !text.contains("anna"),
            "{text}"
        );
    }
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn a_server_without_tls_is_unavailable_and_no_panic() {
    let at = Redis::shared().await.address();
    for url in [
        format!("rediss://{at}"),
        format!("rediss+cluster://{at}"),
        format!("rediss+sentinel://{at}/users"),
    ] {
        let error = open(&url).await.check().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn refusals_of_the_server_have_written_nothing() {
    let redis = Redis::start().await;
    let store = open(&redis.url()).await;
    store.create(&new_user("42")).await.unwrap();
    let full = ("maxmemory", "1", "0");
    let alone = ("min-replicas-to-write", "1", "0");
    let replica = ("replicaof", "127.0.0.1 1", "no one");
    for (n, (name, on, off)) in [full, alone, replica].into_iter().enumerate() {
        let set = async |value: &str| {
            let mut command = vec![name];
            if name != "replicaof" {
                command = vec!["config", "set", name];
            }
            command.extend(value.split(' '));
            assert_eq!(redis.cli(&command).await, "OK");
        };
        set(on).await;
        let user = new_user(&format!("new{n}"));
        let error = store.create(&user).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{name}");
        set(off).await;
        assert!(store.load(&user.key).await.unwrap().is_none());
        assert!(
            store
                .operation(&user.key, user.operation)
                .await
                .unwrap()
                .is_none()
        );
        created_soon(&store, &user, SOON).await;
    }
    let page = store.events(&EventQuery::outbox()).await.unwrap();
    assert_eq!(page.events.len(), 4);
}

/// The rights in the README, which are all that a store needs.
fn rights() -> Vec<&'static str> {
    let text = include_str!("../README.md");
    let (_, text) = text.split_once("ACL SETUSER app on >PASSWORD").unwrap();
    let (rights, _) = text.split_once("```").unwrap();
    rights.split_whitespace().collect()
}

#[tokio::test]
async fn a_user_with_few_rights_is_enough() {
    let redis = Redis::start().await;
    let replica = Redis::replica_of(&redis).await;
    let command = [&["acl", "setuser", "app", "on", ">app"][..], &rights()].concat();
    assert_eq!(redis.cli(&command).await, "OK");
    let url = format!("redis://app:app@{}?require_durable=true", redis.address());
    uses_everything(&open(&url).await).await;
    uses_everything(&open(&format!("{url}&wait=1&wait_ms=20000")).await).await;
    drop(replica);
    let cluster = RedisCluster::start().await;
    for node in 0..RedisCluster::SIZE {
        assert_eq!(cluster.ask(node, &command).await, "OK");
    }
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    let url = format!(
        "redis+cluster://app:app@{}?require_durable=true",
        nodes.join(",")
    );
    uses_everything(&open(&url).await).await;
}

/// Runs every command that a store has.
async fn uses_everything(store: &RedisStore) {
    let user = new_user(&OperationId::random(&OsRandom).unwrap().to_string());
    store.check().await.unwrap();
    store.create(&user).await.unwrap();
    store.create(&user).await.unwrap();
    let exists = store.create(&new_user(user.key.user().as_str())).await;
    assert_eq!(exists.unwrap(), CreateOutcome::Exists);
    assert!(store.load(&user.key).await.unwrap().is_some());
    assert!(
        store
            .operation(&user.key, user.operation)
            .await
            .unwrap()
            .is_some()
    );
    let page = store.events(&EventQuery::outbox()).await.unwrap();
    store.trim_outbox(&page.next.unwrap()).await.unwrap();
    let rest = store.events(&EventQuery::outbox()).await.unwrap();
    assert!(rest.events.is_empty(), "what was read is removed");
    let own = store.events(&EventQuery::user(user.key)).await.unwrap();
    assert_eq!(own.events.len(), 1, "users keep their events");
}
