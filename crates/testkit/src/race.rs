//! Many tasks that start at once, on all handles of a store.

use std::{future::Future, sync::Arc};

use portcullis_core::{
    ObjectDetails, UserKey, UserStore,
    store::{Change, CommitOutcome, Version},
};
use tokio::sync::Barrier;

use crate::world::{World, answered};

/// As many tasks as race in most cases.
pub(crate) const RACERS: usize = 64;

type Handle = Arc<dyn UserStore>;

/// Runs `racer` on `count` tasks that wait for each other before they begin. Every other one has
/// the second handle of the store, as in another process.
pub(crate) async fn race<T, F>(
    world: &World,
    count: usize,
    racer: impl Fn(Handle, usize) -> F,
) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let handles = [Arc::clone(&world.store), world.fixture.reopen().await];
    race_on(&handles, count, racer).await
}

/// The same on these handles by turns.
pub(crate) async fn race_on<H, T, F>(
    handles: &[H],
    count: usize,
    racer: impl Fn(H, usize) -> F,
) -> Vec<T>
where
    H: Clone + Sync,
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let start = Arc::new(Barrier::new(count));
    let handles = handles.iter().cycle().take(count).cloned();
    let tasks: Vec<_> = handles
        .enumerate()
        .map(|(index, handle)| {
            let (start, racer) = (Arc::clone(&start), racer(handle, index));
            tokio::spawn(async move {
                start.wait().await;
                racer.await
            })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.expect("a racer ends"));
    }
    results
}

/// Reads the version and commits, until the commit is not in conflict any more.
///
/// Each conflict means that another commit won, so there are fewer of them than racers.
pub(crate) async fn commit_at_last(
    store: &dyn UserStore,
    key: &UserKey,
    change: impl Fn(Version) -> Change,
) -> CommitOutcome {
    for _ in 0..=RACERS {
        let record = answered(store.load(key).await).expect("the user exists");
        let outcome = answered(store.commit(&change(record.version)).await);
        if outcome != CommitOutcome::Conflict {
            return outcome;
        }
    }
    panic!("there were more conflicts than other writers")
}

/// The details of those who committed, in the order of their sequences.
pub(crate) fn committed(outcomes: Vec<CommitOutcome>) -> Vec<ObjectDetails> {
    let committed = outcomes.into_iter().filter_map(|outcome| match outcome {
        CommitOutcome::Committed(details) => Some(details),
        _ => None,
    });
    let mut committed: Vec<_> = committed.collect();
    committed.sort_by_key(|details| details.sequence);
    committed
}
