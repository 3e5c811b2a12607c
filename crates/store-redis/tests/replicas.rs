//! Writes that count only once a replica has them.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use portcullis_core::{
    OperationId, OrgId, OsRandom, StoreError, StoreErrorKind, UserId, UserKey, UserStore,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, CreateOutcome, DocumentKey, DocumentKind,
        DocumentOutcome, DocumentStore, DocumentWrite, NewUser, Subject, UserKind,
    },
};
use portcullis_store_redis::{RedisConfig, RedisStore};
use portcullis_testkit::servers::{Redis, RedisCluster};

/// A store that waits for one replica.
async fn open(url: &str, wait: &str) -> RedisStore {
    let config = RedisConfig::parse(&format!("{url}?{wait}")).unwrap();
    RedisStore::open(&config).await.unwrap()
}

/// Where a replica is there; it may be slow.
const PATIENT: &str = "wait=1&wait_ms=20000";
/// Where none will answer.
const HASTY: &str = "wait=1&wait_ms=200";

fn new_user(id: &str) -> NewUser {
    let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new(id).unwrap());
    let operation = OperationId::random(&OsRandom).unwrap();
    NewUser::new(key, id, UserKind::Human, operation)
}

fn is_unknown<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
}

#[tokio::test]
async fn a_write_that_too_few_replicas_have_is_not_acknowledged() {
    let primary = Redis::start().await;
    let replica = Redis::replica_of(&primary).await;
    let patient = open(&primary.url(), PATIENT).await;
    patient.create(&new_user("42")).await.unwrap();
    replica.pause().await;
    let store = open(&primary.url(), HASTY).await;
    let another = open(&primary.url(), HASTY).await;
    let user = new_user("43");
    is_unknown(store.create(&user).await);
    // It is there, and nobody who asks is told that it will stay.
    assert!(store.load(&user.key).await.unwrap().is_some());
    for store in [&store, &another] {
        is_unknown(store.create(&user).await);
        is_unknown(store.operation(&user.key, user.operation).await);
    }
    let permit = OperationId::random(&OsRandom).unwrap();
    let subject = Subject::User(user.key.clone());
    let request = AttemptRequest::new(subject, permit, AttemptLimits::default());
    is_unknown(store.take_attempt(&request).await);
    // A refusal promises nothing.
    let refused = store.create(&new_user("43")).await.unwrap();
    assert_eq!(refused, CreateOutcome::Exists);
    replica.resume().await;
    let outcome = patient.create(&user).await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Replayed(_)));
    let done = patient.operation(&user.key, user.operation).await.unwrap();
    assert!(done.is_some());
    let taken = patient.take_attempt(&request).await.unwrap();
    assert_eq!(taken, AttemptOutcome::Permitted { failures: 0 });
}

#[tokio::test]
async fn a_document_that_too_few_replicas_have_is_not_acknowledged() {
    let primary = Redis::start().await;
    let replica = Redis::replica_of(&primary).await;
    let patient = open(&primary.url(), PATIENT).await;
    let key = DocumentKey::new(DocumentKind::Session, "17");
    let operation = || OperationId::random(&OsRandom).unwrap();
    let first = DocumentWrite::new(key.clone(), operation(), None, "first".to_owned());
    patient.write_document(&first).await.unwrap();
    replica.pause().await;
    let store = open(&primary.url(), HASTY).await;
    let second = DocumentWrite::new(key.clone(), operation(), Some(1), "second".to_owned());
    for _ in 0..2 {
        is_unknown(store.write_document(&second).await);
    }
    // A refusal promises nothing.
    let refused = DocumentWrite::removal(key, operation(), 1);
    let refused = store.write_document(&refused).await.unwrap();
    assert_eq!(refused, DocumentOutcome::Conflict);
    replica.resume().await;
    let outcome = patient.write_document(&second).await.unwrap();
    assert!(matches!(
        outcome,
        DocumentOutcome::Written { revision: 2, .. }
    ));
}

#[tokio::test]
async fn more_replicas_than_there_are_never_confirm() {
    let primary = Redis::start().await;
    let _replica = Redis::replica_of(&primary).await;
    let store = open(&primary.url(), "wait=2&wait_ms=50").await;
    is_unknown(store.create(&new_user("42")).await);
}

/// The control: without waiting, what was acknowledged is lost with its server.
#[tokio::test]
async fn what_is_acknowledged_survives_its_server() {
    for (wait, acknowledged) in [(HASTY, false), ("", true)] {
        let primary = Redis::start().await;
        let replica = Redis::replica_of(&primary).await;
        let (kept, late) = (new_user("42"), new_user("43"));
        let patient = open(&primary.url(), PATIENT).await;
        patient.create(&kept).await.unwrap();
        // The link is cut and not slow: what was sent before it is all that arrives.
        replica.cli(&["replicaof", "127.0.0.1", "1"]).await;
        let store = open(&primary.url(), wait).await;
        assert_eq!(store.create(&late).await.is_ok(), acknowledged);
        primary.kill().await;
        replica.promote().await;
        let store = open(&replica.url(), "").await;
        assert!(store.load(&kept.key).await.unwrap().is_some());
        assert!(store.load(&late.key).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn a_cluster_waits_on_the_node_that_wrote() {
    let cluster = RedisCluster::start().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    let url = format!("redis+cluster://{}", nodes.join(","));
    let store = open(&url, PATIENT).await;
    let users: Vec<_> = (0..24).map(|n| new_user(&n.to_string())).collect();
    for user in &users {
        store.create(user).await.unwrap();
    }
    // Each primary has one replica. Without any, nothing is confirmed.
    let primaries = cluster.primaries().await;
    for node in 0..RedisCluster::SIZE {
        if !primaries.contains(&node) {
            cluster.kill(node).await;
        }
    }
    let store = open(&url, HASTY).await;
    for user in &users {
        is_unknown(store.create(user).await);
    }
    is_unknown(store.create(&new_user("late")).await);
}

/// A claim that only one node has could be forgotten, and the id given to another user.
#[tokio::test]
async fn a_cluster_waits_for_the_claim_too() {
    let cluster = RedisCluster::start().await;
    let nodes: Vec<_> = cluster.nodes().iter().map(ToString::to_string).collect();
    let url = format!("redis+cluster://{}", nodes.join(","));
    let primaries = cluster.primaries().await;
    let replicas = (0..RedisCluster::SIZE).filter(|node| !primaries.contains(node));
    let [alone, ..] = replicas.collect::<Vec<_>>()[..] else {
        unreachable!("each primary has one")
    };
    // One primary has nobody to confirm its writes; the others have.
    cluster.kill(alone).await;
    let (store, reader) = (open(&url, HASTY).await, open(&url, "wait_ms=1000").await);
    let (mut acknowledged, mut unclaimed) = (0, 0);
    for n in 0..64 {
        let user = new_user(&n.to_string());
        let answer = store.create(&user).await;
        let exists = reader.load(&user.key).await.unwrap().is_some();
        match answer {
            Ok(_) => acknowledged += usize::from(exists),
            // Where the user's own node is alone, the script has run.
            Err(error) => {
                assert_eq!(error.kind(), StoreErrorKind::OutcomeUnknown);
                unclaimed += usize::from(!exists);
            }
        }
    }
    assert!(
        acknowledged > 0 && unclaimed > 0,
        "{acknowledged}, {unclaimed}"
    );
}
