//! What an error says about the change that it ended is true, whatever the network did.

mod mutation;
mod tally;

use std::{future::Future, sync::Arc, time::Duration};

use portcullis_core::{
    StoreError, SystemClock, UserKey, UserStore,
    store::{AttemptLimits, AttemptRequest, StoredHash, Subject, Verification},
    store::{HashUpgrade, Settlement},
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::{
    dice::Dice,
    fault::{Fault, heal},
    handles::sqlite,
    people::{create, hash, key, new_user, operation, set},
    scale,
    site::Site,
};
use mutation::Mutation;
use tally::{Tally, Try};

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_postgres_are_true() {
    judge("PostgreSQL", &torment(Site::postgres().await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_redis_are_true() {
    judge("Redis", &torment(Site::redis().await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn errors_of_a_cluster_are_true() {
    judge("Redis Cluster", &torment(Site::cluster().await).await);
}

/// There is no network, but another process that writes for longer than anybody waits.
#[tokio::test(flavor = "multi_thread")]
async fn errors_of_sqlite_are_true() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let patience = Duration::from_millis(20);
    let config = SqliteConfig::new(&path).with_busy_timeout(patience);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    let store: Arc<dyn UserStore> = Arc::new(store.await.unwrap());
    let witness = sqlite(&path).await;
    let other = SqliteConnectOptions::new().filename(&path);
    let mut other = other.connect().await.unwrap();
    let mut dice = Dice::new();
    let mut victims = Vec::new();
    for _ in 0..8 {
        victims.push(create(&*witness).await);
    }
    let mut tries = Vec::new();
    while tries.len() < scale::faults() {
        let mutations = prepare(&*witness, &victims).await;
        let strike = async {
            sqlx::raw_sql("BEGIN IMMEDIATE")
                .execute(&mut other)
                .await
                .unwrap();
            sleep(dice.millis(20..300)).await;
            sqlx::raw_sql("ROLLBACK").execute(&mut other).await.unwrap();
        };
        let (done, ()) = tokio::join!(run(&store, mutations), strike);
        tries.extend(done);
    }
    let tally = Tally::of(&*witness, &tries).await;
    println!("SQLite: {tally}");
    nothing_is_wrong(&tally);
    assert_eq!(
        tally.unknown, 0,
        "a process knows what its own file has: {tally}"
    );
}

fn nothing_is_wrong(tally: &Tally) {
    assert!(
        tally.failed() * 4 > scale::faults(),
        "too few faults: {tally}"
    );
    assert_eq!(tally.lost, 0, "{tally}");
    assert_eq!(tally.half_applied, 0, "{tally}");
    assert_eq!(tally.not_applied_but_there, 0, "{tally}");
}

fn judge(store: &str, tally: &Tally) {
    println!("{store}: {tally}");
    nothing_is_wrong(tally);
    assert!(tally.resolved * 100 >= tally.unknown * 95, "{tally}");
    // The control: a store that called every failure "not applied" would lie.
    assert!(tally.unknown_and_there > 0, "{tally}");
    assert!(
        tally.unknown > tally.unknown_and_there,
        "nor are all of them applied: {tally}"
    );
}

/// Has mutations of every kind meet faults of every kind, and looks what became of them.
async fn torment(site: Site) -> Tally {
    let mut dice = Dice::new();
    let (store, witness) = (site.open().await, site.open().await);
    let mut victims = Vec::new();
    for _ in 0..8 {
        victims.push(create(&*witness).await);
    }
    let mut tries = Vec::new();
    while tries.len() < scale::faults() {
        let mutations = prepare(&*witness, &victims).await;
        let fault = Fault::random(&mut dice, site.patience);
        let strike = fault.strike(&site.proxies, site.pattern);
        let (done, ()) = tokio::join!(run(&store, mutations), strike);
        tries.extend(done);
        heal(&site.proxies).await;
        // In a cluster every node has a connection of its own.
        for victim in &victims {
            soon(|| store.load(victim)).await;
        }
    }
    // Whatever was still under way is before this in its user's history.
    for victim in &victims {
        let record = soon(|| witness.load(victim)).await.unwrap();
        witness.commit(&set(victim, record.version)).await.unwrap();
    }
    Tally::of(&*witness, &tries).await
}

/// Four changes, two upgrades, two settlements and two new users.
async fn prepare(witness: &dyn UserStore, victims: &[UserKey]) -> Vec<Mutation> {
    let mut mutations = Vec::new();
    for (index, victim) in victims.iter().enumerate() {
        let record = soon(|| witness.load(victim)).await.unwrap();
        mutations.push(match index {
            0..4 => Mutation::Commit(set(victim, record.version)),
            4..6 => {
                let StoredHash::Readable(verified) = record.credential.hash else {
                    panic!("a hash is readable");
                };
                let upgrade = HashUpgrade::new(victim.clone(), operation(), verified, hash());
                Mutation::Upgrade(upgrade)
            }
            _ => {
                let (subject, permit) = (Subject::User(victim.clone()), operation());
                let limits = AttemptLimits::default();
                let request = AttemptRequest::new(subject.clone(), permit, limits);
                soon(|| witness.take_attempt(&request)).await;
                Mutation::Settle(Settlement::new(subject, permit, Verification::Right))
            }
        });
    }
    mutations.extend([key(), key()].map(|key| Mutation::Create(new_user(&key))));
    mutations
}

/// Runs mutations one after the other, without waiting, so that a fault finds each at another
/// point of its way.
async fn run(store: &Arc<dyn UserStore>, mutations: Vec<Mutation>) -> Vec<Try> {
    let tries = mutations.into_iter().enumerate().map(|(index, mutation)| {
        let (store, index) = (Arc::clone(store), u32::try_from(index).unwrap());
        async move {
            sleep(index * STEP).await;
            mutation.run(&*store).await
        }
    });
    tries.collect::<JoinSet<_>>().join_all().await
}

const STEP: Duration = Duration::from_millis(1);

/// The answer of a call that may fail at first, as connections that broke are noticed one by one.
/// A store recovers in a few seconds, on a busy machine too.
async fn soon<T, F>(mut call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, StoreError>>,
{
    let mut last = None;
    let answer = async {
        loop {
            match call().await {
                Ok(answer) => break answer,
                Err(error) => last = Some(error),
            }
            sleep(Duration::from_millis(5)).await;
        }
    };
    let answer = timeout(Duration::from_secs(10), answer).await;
    answer.unwrap_or_else(|_| panic!("the store does not recover: {last:?}"))
}
