//! What the id of a permit is good for, while it is open and ever after.

use std::time::Duration;

use portcullis_core::{
    OperationId, UserKey,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, CommitOutcome, CreateOutcome, HashUpgrade,
        Method, SettleOutcome, Subject, UpgradeOutcome, Verification, Version,
    },
};

use crate::{
    build::{
        WRONG, ask, hash, lockout, new_user, op, set_hash, set_hash_as, settled, sham, subject,
    },
    world::World,
};

/// Longer than the lease of any permit here.
const LONG: Duration = Duration::from_secs(3_600);
const ALL: [Verification; 3] = [WRONG, Verification::Right, Verification::Abandoned];

/// Two users of one organisation, a namesake in another, and shams that differ in one part.
async fn subjects(world: &World) -> Vec<Subject> {
    let namesake = crate::build::key("umbrella", "42");
    world.create(&new_user(&namesake)).await;
    vec![
        subject(&world.user("42").await),
        subject(&world.user("43").await),
        subject(&namesake),
        sham("acme", 42),
        sham("acme", 43),
        sham("umbrella", 42),
    ]
}

async fn is_reserved_from(world: &World, permit: OperationId, other: &Subject) {
    let request = AttemptRequest::new(other.clone(), permit, AttemptLimits::default());
    let outcome = world.take(&request).await;
    assert_eq!(outcome, AttemptOutcome::OperationReused, "by {other:?}");
}

/// Checks that no mutation of this user takes the id and that none leaves a trace.
async fn is_no_mutation(world: &World, permit: OperationId, key: &UserKey) {
    let mut user = new_user(&crate::build::key("acme", "new"));
    user.operation = permit;
    let reused = CreateOutcome::OperationReused;
    world.not_created(&user, reused).await;
    let change = set_hash_as(permit, key, Version(1), 2);
    world.refused(&change, CommitOutcome::OperationReused).await;
    let rehash = HashUpgrade::new(key.clone(), permit, hash(1), hash(2));
    let reused = UpgradeOutcome::OperationReused;
    world.not_upgraded(&rehash, reused).await;
}

/// Permits of a subject that ended in every way there is.
async fn ended(world: &World, subject: &Subject) -> Vec<OperationId> {
    let mut ended = Vec::new();
    for verification in ALL {
        let permit = world.permit(subject, AttemptLimits::default()).await;
        world.settle(subject, permit, verification).await;
        ended.push(permit);
    }
    ended.push(world.permit(subject, AttemptLimits::default()).await);
    world.advance(LONG).await;
    ended
}

pub(crate) async fn an_open_permit_is_reserved_from_every_other_subject(world: &World) {
    let subjects = subjects(world).await;
    for owner in &subjects {
        let permit = world.permit(owner, AttemptLimits::default()).await;
        for other in subjects.iter().filter(|other| *other != owner) {
            is_reserved_from(world, permit, other).await;
            let outcome = world.settle(other, permit, Verification::Right).await;
            assert_eq!(outcome, SettleOutcome::Expired);
        }
        assert_eq!(world.settle(owner, permit, WRONG).await, settled(1, false));
    }
}

pub(crate) async fn an_ended_permit_is_reserved_from_every_other_subject(world: &World) {
    let subjects = subjects(world).await;
    for owner in &subjects {
        for permit in ended(world, owner).await {
            for other in subjects.iter().filter(|other| *other != owner) {
                is_reserved_from(world, permit, other).await;
            }
        }
    }
}

pub(crate) async fn an_id_refused_elsewhere_takes_no_place(world: &World) {
    let subjects = subjects(world).await;
    let permit = world.permit(&subjects[0], lockout(1)).await;
    for other in &subjects[1..] {
        is_reserved_from(world, permit, other).await;
        world.permit(other, lockout(1)).await;
    }
}

pub(crate) async fn no_mutation_takes_the_id_of_an_open_permit(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    for owner in [subject(&key), sham("acme", 42)] {
        let permit = world.permit(&owner, AttemptLimits::default()).await;
        is_no_mutation(world, permit, &key).await;
        is_no_mutation(world, permit, &neighbour).await;
        assert_eq!(world.settle(&owner, permit, WRONG).await, settled(1, false));
    }
}

pub(crate) async fn no_mutation_takes_the_id_of_an_ended_permit(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    for owner in [subject(&key), sham("acme", 42)] {
        for permit in ended(world, &owner).await {
            is_no_mutation(world, permit, &key).await;
            is_no_mutation(world, permit, &neighbour).await;
        }
    }
}

pub(crate) async fn the_id_of_a_mutation_is_no_permit(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    world.commit(&change).await;
    let done = world.operation(&key, change.operation).await;
    let before = world.snapshot().await;
    for other in [subject(&key), sham("acme", 42)] {
        is_reserved_from(world, change.operation, &other).await;
        for verification in ALL {
            let outcome = world.settle(&other, change.operation, verification).await;
            assert_eq!(outcome, SettleOutcome::Expired);
        }
    }
    world.unchanged(&before).await;
    assert_eq!(world.operation(&key, change.operation).await, done);
    assert_eq!(done.map(|done| done.method), Some(Method::SetPassword));
}

pub(crate) async fn a_settlement_elsewhere_leaves_the_entry(world: &World) {
    let key = world.user("42").await;
    let owner = subject(&key);
    let permit = world.permit(&owner, AttemptLimits::default()).await;
    let first = world.settle(&owner, permit, WRONG).await;
    let (done, before) = (world.operation(&key, permit).await, world.snapshot().await);
    for other in [subject(&world.user("43").await), sham("acme", 42)] {
        for verification in ALL {
            let outcome = world.settle(&other, permit, verification).await;
            assert_eq!(outcome, SettleOutcome::Expired);
        }
    }
    assert_eq!(world.history(&key).await, before.events);
    assert_eq!(world.operation(&key, permit).await, done);
    assert_eq!(world.settle(&owner, permit, WRONG).await, first);
}

pub(crate) async fn a_refused_permit_reserves_nothing(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    world.permit(&subject(&key), lockout(1)).await;
    let nobody = subject(&crate::build::key("acme", "44"));
    for (refused, limits) in [
        (subject(&key), lockout(1)),
        (subject(&key), lockout(0)),
        (sham("acme", 42), lockout(0)),
        (nobody, lockout(1)),
    ] {
        let request = ask(&refused, limits);
        let outcome = world.take(&request).await;
        assert!(!matches!(outcome, AttemptOutcome::Permitted { .. }));
        let version = world.load(&neighbour).await.version;
        let change = set_hash_as(request.permit, &neighbour, version, 2);
        world.commit(&change).await;
    }
}

pub(crate) async fn every_result_is_kept_for_users_and_shams(world: &World) {
    for owner in [subject(&world.user("42").await), sham("acme", 42)] {
        world.fail(&owner).await;
        for verification in [Verification::Abandoned, WRONG, Verification::Right] {
            let permit = world.permit(&owner, AttemptLimits::default()).await;
            let first = world.settle(&owner, permit, verification).await;
            assert_ne!(first, SettleOutcome::Expired);
            world.fail(&owner).await;
            world.advance(LONG).await;
            let before = world.snapshot().await;
            for again in ALL {
                let outcome = world.settle(&owner, permit, again).await;
                assert_eq!(outcome, first, "{verification:?}, then {again:?}");
            }
            world.unchanged(&before).await;
        }
    }
}

pub(crate) async fn a_settled_permit_is_spent_for_users_and_shams(world: &World) {
    for owner in [subject(&world.user("42").await), sham("acme", 42)] {
        for verification in ALL {
            let request = ask(&owner, lockout(3));
            world.take(&request).await;
            world.settle(&owner, request.permit, verification).await;
            let before = world.snapshot().await;
            for _ in 0..2 {
                assert_eq!(world.take(&request).await, AttemptOutcome::Spent);
            }
            world.unchanged(&before).await;
            world.attempt(&owner, Verification::Right).await;
        }
        let last = world.permit(&owner, lockout(1)).await;
        world.settle(&owner, last, Verification::Abandoned).await;
    }
}

pub(crate) async fn a_lease_that_ran_out_is_over_for_ever(world: &World) {
    for owner in [subject(&world.user("42").await), sham("acme", 42)] {
        // The first is found to be over by another request for it, the second by a settlement.
        let (taken, answered) = (ask(&owner, lockout(5)), ask(&owner, lockout(5)));
        world.take(&taken).await;
        world.advance(LONG).await;
        assert_eq!(world.take(&taken).await, AttemptOutcome::Spent);
        world.take(&answered).await;
        world.advance(LONG).await;
        let outcome = world.settle(&owner, answered.permit, WRONG).await;
        assert_eq!(outcome, SettleOutcome::Expired);
        for clock in [Duration::ZERO, 3 * LONG] {
            world.fixture.set_back(clock).await;
            for request in [&taken, &answered] {
                for verification in ALL {
                    let outcome = world.settle(&owner, request.permit, verification).await;
                    assert_eq!(outcome, SettleOutcome::Expired);
                }
                assert_eq!(world.take(request).await, AttemptOutcome::Spent);
            }
        }
        let outcome = world.take(&ask(&owner, lockout(5))).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 2 });
    }
}

pub(crate) async fn only_a_right_or_wrong_answer_makes_an_operation(world: &World) {
    let key = world.user("42").await;
    let owner = subject(&key);
    let permits = ended(world, &owner).await;
    let open = world.permit(&owner, AttemptLimits::default()).await;
    let mut found = Vec::new();
    for permit in permits.into_iter().chain([open, op()]) {
        found.push(world.operation(&key, permit).await.is_some());
    }
    // Wrong, right, abandoned, run out, open, never taken.
    assert_eq!(found, [true, true, false, false, false, false]);
    for permit in ended(world, &sham("acme", 42)).await {
        assert!(world.operation(&key, permit).await.is_none());
    }
}
