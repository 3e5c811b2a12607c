//! `UserStore::commit`: operation ids that come again.

use portcullis_core::store::{Change, CommitOutcome, EventKind, Method, UserState, Version};

use crate::{
    build::{
        issue, key, new_user, op, redeem, remove_hash, set_hash, set_hash_as, set_state, subject,
        upgrade,
    },
    world::World,
};

pub(crate) async fn the_same_operation_again_returns_the_first_details(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    let first = world.commit(&change).await;
    for _ in 0..3 {
        world
            .refused(&change, CommitOutcome::Replayed(first.clone()))
            .await;
    }
}

pub(crate) async fn the_same_operation_with_other_content_writes_nothing(world: &World) {
    let key = world.user("42").await;
    let operation = op();
    let change = set_hash_as(operation, &key, Version(1), 2);
    let replayed = CommitOutcome::Replayed(world.commit(&change).await);
    for (version, n) in [(1, 3), (2, 4), (77, 5)] {
        let other = set_hash_as(operation, &key, Version(version), n)
            .with_state(UserState::Locked)
            .with_event(EventKind::Locked);
        world.refused(&other, replayed.clone()).await;
    }
}

pub(crate) async fn every_method_is_replayed(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + chrono::TimeDelta::hours(1);
    let event = EventKind::PasswordChanged;
    let changes = [
        set_hash(&key, Version(1), 2),
        issue(&key, Version(2), 7, expires),
        redeem(&key, Version(3), 7, 3),
        set_state(&key, Version(4), UserState::Inactive),
        remove_hash(&key, Version(5)),
        Change::new(key, Method::SetInitialPassword, op(), Version(6), event),
    ];
    let mut first = Vec::new();
    for change in &changes {
        first.push(world.commit(change).await);
    }
    for (change, details) in changes.iter().zip(first) {
        world
            .refused(change, CommitOutcome::Replayed(details))
            .await;
    }
}

pub(crate) async fn a_replay_survives_later_changes(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    let replayed = CommitOutcome::Replayed(world.commit(&change).await);
    world.fail(&subject(&key)).await;
    world.commit(&remove_hash(&key, Version(2))).await;
    world.advance(std::time::Duration::from_secs(86_400)).await;
    world.refused(&change, replayed.clone()).await;
    let removal = set_state(&key, Version(3), UserState::Removed);
    let removed = world.commit(&removal).await;
    world.refused(&change, replayed).await;
    world
        .refused(&removal, CommitOutcome::Replayed(removed))
        .await;
}

pub(crate) async fn a_replay_is_answered_by_another_handle(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    let first = world.commit(&change).await;
    let other = world.fixture.reopen().await;
    let again = crate::world::answered(other.commit(&change).await);
    assert_eq!(again, CommitOutcome::Replayed(first));
}

pub(crate) async fn an_operation_of_another_user_is_reused(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let namesake = crate::build::key("umbrella", "42");
    world.create(&new_user(&namesake)).await;
    let change = set_hash(&key, Version(1), 2);
    world.commit(&change).await;
    for other in [&neighbour, &namesake] {
        let other = set_hash_as(change.operation, other, Version(1), 2);
        world.refused(&other, CommitOutcome::OperationReused).await;
    }
}

pub(crate) async fn an_operation_of_another_commit_method_is_reused(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    world.commit(&change).await;
    let methods = [
        Method::ChangeState,
        Method::IssueCode,
        Method::RemovePassword,
        Method::SetInitialPassword,
    ];
    for method in methods {
        let event = EventKind::PasswordChanged;
        let other = Change::new(key.clone(), method, change.operation, Version(2), event);
        world.refused(&other, CommitOutcome::OperationReused).await;
    }
}

pub(crate) async fn an_operation_of_another_mutation_is_reused(world: &World) {
    let key = key("acme", "42");
    let user = new_user(&key);
    world.create(&user).await;
    let rehash = upgrade(&key, 1, 2);
    world.upgraded(&rehash).await;
    let subject = subject(&key);
    let permit = world.permit(&subject, Default::default()).await;
    world.settle(&subject, permit, crate::build::WRONG).await;
    for used in [user.operation, rehash.operation, permit] {
        let change = set_hash_as(used, &key, Version(1), 3);
        world.refused(&change, CommitOutcome::OperationReused).await;
    }
}

pub(crate) async fn a_refused_change_leaves_its_operation_free(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let operation = op();
    let stale = set_hash_as(operation, &key, Version(9), 2);
    world.refused(&stale, CommitOutcome::Conflict).await;
    let nobody = set_hash_as(operation, &crate::build::key("acme", "44"), Version(1), 2);
    world.refused(&nobody, CommitOutcome::NotFound).await;
    let rejected = redeem(&key, Version(1), 7, 2);
    world.refused(&rejected, CommitOutcome::CodeRejected).await;
    // The same call again with what was read anew, which is how a lost race is retried.
    world
        .commit(&set_hash_as(operation, &key, Version(1), 2))
        .await;
    world
        .commit(&set_hash_as(rejected.operation, &neighbour, Version(1), 2))
        .await;
}
