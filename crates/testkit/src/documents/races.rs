//! However many write at once, they write one after the other.

use std::sync::Arc;

use portcullis_core::store::{DocumentOutcome, DocumentStore, DocumentWrite};

use super::world::{World, remove, session, set, written};
use crate::{
    race::{RACERS, race_on},
    world::answered,
};

/// Sends all of these at once, on both handles of the store.
async fn send(world: &World, writes: Vec<DocumentWrite>) -> Vec<DocumentOutcome> {
    let handles = world.handles().await;
    let outcomes = race_on(&handles, writes.len(), |store, index| {
        let write = writes[index].clone();
        async move { answered(store.write_document(&write).await) }
    });
    outcomes.await
}

/// The place of the one that won.
fn winner(outcomes: &[DocumentOutcome]) -> usize {
    let won = |outcome: &DocumentOutcome| *outcome != DocumentOutcome::Conflict;
    assert_eq!(outcomes.iter().filter(|outcome| won(outcome)).count(), 1);
    outcomes.iter().position(won).expect("one wins")
}

/// Writes as many texts at once, and checks that the one that won is there.
async fn one_wins(world: &World, name: &str, expected: Option<u64>, revision: u64) {
    let key = session(name);
    let writes = (0..RACERS).map(|racer| set(&key, expected, &racer.to_string()));
    let outcomes = send(world, writes.collect()).await;
    let winner = winner(&outcomes);
    let document = world.found(&key).await;
    assert_eq!(document.text.as_str(), winner.to_string(), "the winner's");
    assert_eq!(document.revision, revision);
    assert_eq!(written(outcomes[winner].clone()).revision, revision);
}

pub(super) async fn of_many_writers_of_one_revision_one_wins(world: &World) {
    world.session("17").await;
    for revision in 1..=4 {
        one_wins(world, "17", Some(revision), revision + 1).await;
    }
}

pub(super) async fn of_many_writers_of_a_new_document_one_wins(world: &World) {
    for round in 0..4 {
        one_wins(world, &round.to_string(), None, 1).await;
    }
    // One that was removed is new as well.
    world.write(&remove(&session("0"), 1)).await;
    one_wins(world, "0", None, 3).await;
}

pub(super) async fn a_writer_and_a_remover_do_not_both_win(world: &World) {
    for round in 0..4 {
        let key = world.session(&round.to_string()).await;
        let writes = (0..RACERS).map(|racer| match racer % 2 {
            0 => remove(&key, 1),
            _ => set(&key, Some(1), "second"),
        });
        let outcomes = send(world, writes.collect()).await;
        let removed = winner(&outcomes).is_multiple_of(2);
        assert_eq!(world.read(&key).await.is_none(), removed);
    }
}

pub(super) async fn writers_that_read_again_all_succeed(world: &World) {
    let key = session("17");
    let handles = world.handles().await;
    let revisions = race_on(&handles, RACERS, |store: Arc<dyn DocumentStore>, racer| {
        let key = key.clone();
        async move {
            for _ in 0..=RACERS {
                let read = answered(store.document(&key).await);
                let expected = read.map(|document| document.revision);
                let write = set(&key, expected, &racer.to_string());
                let outcome = answered(store.write_document(&write).await);
                if let DocumentOutcome::Written { revision, .. } = outcome {
                    return revision;
                }
            }
            panic!("there were more conflicts than other writers")
        }
    });
    let mut revisions = revisions.await;
    revisions.sort_unstable();
    let expected: Vec<_> = (1..).take(RACERS).collect();
    assert_eq!(revisions, expected, "no revision is lost or given twice");
}

pub(super) async fn one_write_sent_by_many_is_one_write(world: &World) {
    let key = world.session("17").await;
    let write = set(&key, Some(1), "second");
    let outcomes = send(world, vec![write; RACERS]).await;
    let first = written(outcomes[0].clone());
    assert_eq!(first.revision, 2);
    for outcome in outcomes {
        assert_eq!(written(outcome), first);
    }
    assert_eq!(world.found(&key).await.revision, 2);
}
