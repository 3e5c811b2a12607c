//! How long operation ids are kept: as long as their events, unless somebody asks for less.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use portcullis_core::{
    OperationId, OrgId, OsRandom, UserId, UserKey, UserStore,
    store::{
        AttemptLimits, AttemptRequest, Change, CommitOutcome, CreateOutcome, EventKind, Method,
        NewUser, Settlement, Subject, UserKind, UserState, Verification, Version,
    },
};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::{Redis, RedisCluster};

const DAY: i64 = 24 * 60 * 60 * 1000;

fn operation() -> OperationId {
    OperationId::random(&OsRandom).unwrap()
}

async fn open(url: &str) -> RedisStore {
    let config = RedisConfig::parse(url).unwrap();
    RedisStore::open(&config).await.unwrap()
}

fn key(id: &str) -> UserKey {
    UserKey::new(OrgId::new("acme").unwrap(), UserId::new(id).unwrap())
}

/// A creation, a change, an attempt that is settled and one that is not; then each of them again.
async fn use_ids(store: &RedisStore, id: &str) -> Vec<OperationId> {
    let user = NewUser::new(key(id), id, UserKind::Human, operation());
    let created = store.create(&user).await.unwrap();
    let CreateOutcome::Created(first) = created else {
        unreachable!("it is new")
    };
    let (method, event) = (Method::ChangeState, EventKind::Locked);
    let change = Change::new(key(id), method, operation(), Version::FIRST, event);
    let change = change.with_state(UserState::Locked);
    let changed = store.commit(&change).await.unwrap();
    assert!(matches!(changed, CommitOutcome::Committed(_)));
    let (settled, open) = (operation(), operation());
    for permit in [settled, open] {
        attempt(store, Subject::User(key(id)), permit).await;
    }
    let wrong = Verification::Wrong { lock_at: None };
    let settlement = Settlement::new(Subject::User(key(id)), settled, wrong);
    store.settle_attempt(&settlement).await.unwrap();
    // Looking an operation up and repeating it leave it as it is.
    for operation in [user.operation, change.operation, settled] {
        let found = store.operation(&key(id), operation).await.unwrap();
        assert!(found.is_some());
    }
    let again = store.create(&user).await.unwrap();
    assert_eq!(again, CreateOutcome::Replayed(first));
    vec![user.operation, change.operation, settled, open]
}

async fn attempt(store: &RedisStore, subject: Subject, permit: OperationId) {
    let request = AttemptRequest::new(subject, permit, AttemptLimits::default());
    store.take_attempt(&request).await.unwrap();
}

/// What is left of the life of every key that names one of these ids, in milliseconds; -1 is for
/// ever.
async fn lives(servers: &[Redis], operations: &[OperationId]) -> Vec<i64> {
    let mut lives = Vec::new();
    for redis in servers {
        for operation in operations {
            let names = redis.cli(&["keys", &format!("*{operation}*")]).await;
            for name in names.lines() {
                let life = redis.cli(&["pttl", name]).await;
                lives.push(life.parse().unwrap());
            }
        }
    }
    lives
}

#[tokio::test]
async fn an_operation_id_is_kept_as_long_as_its_event() {
    let redis = Redis::start().await;
    let _replica = Redis::replica_of(&redis).await;
    for (id, query) in [("42", ""), ("43", "?wait=1&wait_ms=20000")] {
        let store = open(&format!("{}{query}", redis.url())).await;
        let operations = use_ids(&store, id).await;
        let servers = [redis.clone()];
        assert_eq!(lives(&servers, &operations).await, [-1; 4], "{query}");
    }
}

#[tokio::test]
async fn what_is_asked_to_be_forgotten_will_be() {
    let redis = Redis::start().await;
    let _replica = Redis::replica_of(&redis).await;
    for (id, wait) in [("42", ""), ("43", "&wait=1&wait_ms=20000")] {
        let store = open(&format!("{}?remember=86400{wait}", redis.url())).await;
        let operations = use_ids(&store, id).await;
        let lives = lives(std::slice::from_ref(&redis), &operations).await;
        let bounded = |life: &i64| (DAY - 60_000..DAY + 300_000).contains(life);
        assert!(lives.len() == 4 && lives.iter().all(bounded), "{lives:?}");
    }
}

/// Anybody can make up users who do not exist.
#[tokio::test]
async fn attempts_on_nobody_do_not_fill_the_memory() {
    let redis = Redis::start().await;
    let store = open(&redis.url()).await;
    let permit = operation();
    let nobody = Subject::Sham {
        organisation: OrgId::new("acme").unwrap(),
        slot: 7,
    };
    attempt(&store, nobody.clone(), permit).await;
    let settlement = Settlement::new(nobody, permit, Verification::Wrong { lock_at: None });
    store.settle_attempt(&settlement).await.unwrap();
    let lives = lives(&[redis], &[permit]).await;
    assert!(matches!(lives[..], [life] if life > 0), "{lives:?}");
}

#[tokio::test]
async fn so_it_is_in_a_cluster_with_the_claims() {
    let cluster = RedisCluster::shared().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    for (id, query, for_ever) in [("42", "", true), ("43", "?remember=86400", false)] {
        let store = open(&format!("redis+cluster://{}{query}", nodes.join(","))).await;
        let operations = use_ids(&store, id).await;
        let mut lives = Vec::new();
        for node in cluster.primaries().await {
            for operation in &operations {
                let pattern = format!("*{operation}*");
                for name in cluster.ask(node, &["keys", &pattern]).await.lines() {
                    let life = cluster.ask(node, &["pttl", name]).await;
                    lives.push(life.parse::<i64>().unwrap());
                }
            }
        }
        assert_eq!(lives.len(), 2 * operations.len(), "a record and a claim");
        assert!(
            lives.iter().all(|life| (*life == -1) == for_ever),
            "{lives:?}"
        );
    }
}
