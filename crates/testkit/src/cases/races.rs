//! Races of commits: however many come at once, they come one after the other.

use std::sync::Arc;

use portcullis_core::{
    UserKey,
    store::{CommitOutcome, CreateOutcome, UpgradeOutcome, Version},
};

use crate::{
    build::{hash, issue, key, new_user, op, redeem, set_hash, set_hash_as, upgrade},
    race::{RACERS, commit_at_last, committed, race, race_on},
    world::{World, answered},
};

/// Checks that all racers committed, each with a sequence of its own, and nothing was lost.
async fn all_committed(world: &World, key: &UserKey, outcomes: Vec<CommitOutcome>) {
    let details = committed(outcomes);
    let sequences: Vec<_> = details.iter().map(|details| details.sequence).collect();
    let expected: Vec<_> = (2..).take(RACERS).collect();
    assert_eq!(sequences, expected, "no gap and no duplicate");
    let events = world.history(key).await;
    assert_eq!(events.len(), RACERS + 1, "no event is lost");
    let versions: Vec<_> = events.iter().map(|event| event.version.0).collect();
    assert!(
        versions
            .into_iter()
            .eq(events.iter().map(|event| event.sequence))
    );
    assert_eq!(world.outbox().await, events);
    for (event, details) in events[1..].iter().zip(details) {
        assert_eq!(Some(event.date), details.change_date);
    }
}

pub(crate) async fn writers_that_read_again_all_succeed(world: &World) {
    let key = world.user("42").await;
    let racer = |store: Arc<dyn portcullis_core::UserStore>, _| {
        let key = key.clone();
        async move { commit_at_last(&*store, &key, |version| set_hash(&key, version, 2)).await }
    };
    let handles = [Arc::clone(&world.store)];
    let outcomes = race_on(&handles, RACERS, racer).await;
    all_committed(world, &key, outcomes).await;
}

pub(crate) async fn writers_on_two_handles_all_succeed(world: &World) {
    let key = world.user("42").await;
    let outcomes = race(world, RACERS, |store, _| {
        let key = key.clone();
        async move { commit_at_last(&*store, &key, |version| set_hash(&key, version, 2)).await }
    });
    let outcomes = outcomes.await;
    all_committed(world, &key, outcomes).await;
}

pub(crate) async fn of_many_commits_against_one_version_one_wins(world: &World) {
    let key = world.user("42").await;
    for round in 1..=8 {
        let outcomes = race(world, RACERS, |store, index| {
            let n = u32::try_from(index).expect("a small number");
            let change = set_hash(&key, Version(round), 1_000 + n);
            async move { answered(store.commit(&change).await) }
        });
        let outcomes = outcomes.await;
        let conflicts = outcomes
            .iter()
            .filter(|one| **one == CommitOutcome::Conflict);
        assert_eq!(conflicts.count(), RACERS - 1);
        let winner = outcomes
            .iter()
            .position(|one| *one != CommitOutcome::Conflict);
        let n = u32::try_from(winner.expect("one wins")).expect("a small number");
        let stored = world.load(&key).await.credential.hash.digest();
        assert_eq!(stored, Some(hash(1_000 + n).digest()), "the winner's hash");
        assert_eq!(committed(outcomes)[0].sequence, round + 1);
    }
    world.history(&key).await;
}

pub(crate) async fn of_many_creators_of_one_user_one_wins(world: &World) {
    for round in 0..8 {
        let key = key("acme", &round.to_string());
        let outcomes = race(world, RACERS, |store, _| {
            let user = new_user(&key);
            async move { answered(store.create(&user).await) }
        });
        let outcomes = outcomes.await;
        let exists = outcomes.iter().filter(|one| **one == CreateOutcome::Exists);
        assert_eq!(exists.count(), RACERS - 1);
        let created = outcomes
            .iter()
            .filter(|one| matches!(one, CreateOutcome::Created(_)));
        assert_eq!(created.count(), 1);
        assert_eq!(world.history(&key).await.len(), 1);
    }
}

pub(crate) async fn of_many_that_redeem_one_code_one_wins(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + chrono::TimeDelta::hours(1);
    for round in 0..4 {
        let issued = issue(&key, Version(1 + 2 * round), 7, expires);
        world.commit(&issued).await;
        let outcomes = race(world, RACERS, |store, _| {
            let key = key.clone();
            async move { commit_at_last(&*store, &key, |read| redeem(&key, read, 7, 2)).await }
        });
        let outcomes = outcomes.await;
        let rejected = outcomes
            .iter()
            .filter(|one| **one == CommitOutcome::CodeRejected);
        assert_eq!(rejected.count(), RACERS - 1);
        assert_eq!(committed(outcomes).len(), 1);
    }
    assert_eq!(world.history(&key).await.len(), 9);
}

pub(crate) async fn one_operation_of_many_commits_has_one_effect(world: &World) {
    let key = world.user("42").await;
    for round in 1..=8 {
        let operation = op();
        let outcomes = race(world, RACERS, |store, _| {
            let change = set_hash_as(operation, &key, Version(round), 2);
            async move { answered(store.commit(&change).await) }
        });
        let outcomes = outcomes.await;
        let first = committed(outcomes.clone());
        assert_eq!(first.len(), 1);
        let replayed = CommitOutcome::Replayed(first[0].clone());
        let replays = outcomes.into_iter().filter(|one| *one == replayed);
        assert_eq!(
            replays.count(),
            RACERS - 1,
            "all others get the same details"
        );
    }
    assert_eq!(world.history(&key).await.len(), 9);
}

pub(crate) async fn one_operation_of_many_creators_has_one_effect(world: &World) {
    let key = key("acme", "42");
    let operation = op();
    let outcomes = race(world, RACERS, |store, _| {
        let mut user = new_user(&key);
        user.operation = operation;
        async move { answered(store.create(&user).await) }
    });
    let (mut created, mut replayed) = (Vec::new(), Vec::new());
    for outcome in outcomes.await {
        match outcome {
            CreateOutcome::Created(details) => created.push(details),
            CreateOutcome::Replayed(details) => replayed.push(details),
            other => panic!("the user is created or was, not {other:?}"),
        }
    }
    assert_eq!((created.len(), replayed.len()), (1, RACERS - 1));
    assert!(replayed.iter().all(|details| *details == created[0]));
    assert_eq!(world.history(&key).await.len(), 1);
}

pub(crate) async fn one_operation_on_many_users_is_applied_to_one(world: &World) {
    let mut keys = Vec::new();
    for index in 0..RACERS {
        keys.push(world.user(&index.to_string()).await);
    }
    let operation = op();
    let outcomes = race(world, RACERS, |store, index| {
        let change = set_hash_as(operation, &keys[index], Version(1), 2);
        async move { answered(store.commit(&change).await) }
    });
    let outcomes = outcomes.await;
    let reused = outcomes
        .iter()
        .filter(|one| **one == CommitOutcome::OperationReused);
    assert_eq!(reused.count(), RACERS - 1);
    assert_eq!(committed(outcomes).len(), 1);
    assert_eq!(world.outbox().await.len(), RACERS + 1);
}

pub(crate) async fn of_many_upgrades_one_wins(world: &World) {
    let key = world.user("42").await;
    let outcomes = race(world, RACERS, |store, index| {
        let n = u32::try_from(index).expect("a small number");
        let rehash = upgrade(&key, 1, 1_000 + n);
        async move { answered(store.upgrade_hash(&rehash).await) }
    });
    let outcomes = outcomes.await;
    let superseded = outcomes
        .iter()
        .filter(|one| **one == UpgradeOutcome::Superseded);
    assert_eq!(superseded.count(), RACERS - 1);
    let winner = outcomes
        .iter()
        .position(|one| *one != UpgradeOutcome::Superseded);
    let n = u32::try_from(winner.expect("one wins")).expect("a small number");
    let stored = world.load(&key).await.credential.hash.digest();
    assert_eq!(stored, Some(hash(1_000 + n).digest()));
    assert_eq!(world.history(&key).await.len(), 2);
}

pub(crate) async fn an_upgrade_never_undoes_a_change(world: &World) {
    for round in 0..16 {
        let key = world.user(&round.to_string()).await;
        let committed = race(world, 8, |store, index| {
            let (change, rehash) = (set_hash(&key, Version(1), 2), upgrade(&key, 1, 3));
            async move {
                if index == 3 {
                    let outcome = answered(store.commit(&change).await);
                    return matches!(outcome, CommitOutcome::Committed(_));
                }
                answered(store.upgrade_hash(&rehash).await);
                false
            }
        });
        let committed = committed.await.into_iter().filter(|done| *done).count();
        assert_eq!(committed, 1, "an upgrade does not stop a change");
        let stored = world.load(&key).await.credential.hash.digest();
        assert_eq!(stored, Some(hash(2).digest()));
        world.history(&key).await;
    }
}
