//! `UserStore::commit`: versions, sequences and refusals.

use portcullis_core::{
    StoreErrorKind, UserId,
    store::{CommitOutcome, EventKind, Method, UserState, Version},
};

use crate::{
    build::{hash, key, lockout, remove_hash, set_hash, set_state, subject},
    world::World,
};

pub(crate) async fn hash_version_sequence_event_and_details_change_together(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    let before = world.now().await;
    let details = world.commit(&change).await;
    let after = world.now().await;
    let record = world.load(&key).await;
    assert_eq!(record.credential.hash.digest(), Some(hash(2).digest()));
    assert_eq!((record.version, record.sequence), (Version(2), 2));
    assert_eq!(details.sequence, 2);
    assert_eq!(details.change_date, Some(record.changed));
    assert_eq!(details.resource_owner, *key.organisation());
    assert!(before <= record.changed && record.changed <= after);
    let events = world.history(&key).await;
    assert_eq!(events[1].kind, EventKind::PasswordChanged);
    assert_eq!(events[1].operation, change.operation);
    assert_eq!(world.outbox().await, events);
}

pub(crate) async fn a_version_that_moved_is_a_conflict(world: &World) {
    let key = world.user("42").await;
    world.commit(&set_hash(&key, Version(1), 2)).await;
    for stale in [0, 1, 3, u64::MAX >> 1] {
        let change = set_hash(&key, Version(stale), 3);
        world.refused(&change, CommitOutcome::Conflict).await;
        let change = set_state(&key, Version(stale), UserState::Locked);
        world.refused(&change, CommitOutcome::Conflict).await;
        let change = remove_hash(&key, Version(stale));
        world.refused(&change, CommitOutcome::Conflict).await;
    }
    world.commit(&set_hash(&key, Version(2), 3)).await;
}

pub(crate) async fn an_unknown_user_is_not_found(world: &World) {
    world.user("42").await;
    for (organisation, id) in [("acme", "43"), ("umbrella", "42"), ("42", "acme")] {
        let change = set_hash(&key(organisation, id), Version(1), 2);
        world.refused(&change, CommitOutcome::NotFound).await;
    }
}

pub(crate) async fn a_removed_user_is_not_found(world: &World) {
    let key = world.user("42").await;
    let removal = set_state(&key, Version(1), UserState::Removed);
    world.commit(&removal).await;
    for version in [Version(1), Version(2)] {
        let change = set_hash(&key, version, 2);
        world.refused(&change, CommitOutcome::NotFound).await;
        let change = set_state(&key, version, UserState::Active);
        world.refused(&change, CommitOutcome::NotFound).await;
    }
}

pub(crate) async fn a_commit_moves_the_version_by_one(world: &World) {
    let key = world.user("42").await;
    for version in 1..=20 {
        let change = match version % 3 {
            0 => set_state(&key, Version(version), UserState::Active),
            1 => set_hash(&key, Version(version), 2),
            _ => remove_hash(&key, Version(version)),
        };
        let details = world.commit(&change).await;
        assert_eq!(details.sequence, version + 1);
        assert_eq!(world.load(&key).await.version, Version(version + 1));
    }
    world.history(&key).await;
}

pub(crate) async fn the_same_hash_again_is_a_change(world: &World) {
    let key = world.user("42").await;
    world.commit(&set_hash(&key, Version(1), 1)).await;
    let record = world.load(&key).await;
    assert_eq!((record.version, record.sequence), (Version(2), 2));
}

pub(crate) async fn several_events_take_several_sequences_and_one_version(world: &World) {
    let key = world.user("42").await;
    world
        .commit(&set_state(&key, Version(1), UserState::Locked))
        .await;
    let change = set_hash(&key, Version(2), 2)
        .with_state(UserState::Active)
        .with_event(EventKind::Unlocked)
        .with_event(EventKind::Reactivated);
    let details = world.commit(&change).await;
    assert_eq!(
        details.sequence, 5,
        "the details are those of the last event"
    );
    let events = world.history(&key).await;
    let kinds: Vec<_> = events[2..].iter().map(|event| event.kind).collect();
    assert_eq!(kinds, change.events());
    for event in &events[2..] {
        assert_eq!(
            (event.version, event.state),
            (Version(3), UserState::Active)
        );
        assert_eq!(event.hash, Some(hash(2).digest()));
        assert_eq!(event.operation, change.operation);
        assert_eq!(Some(event.date), details.change_date);
    }
}

pub(crate) async fn the_editor_is_named_by_every_event_of_the_change(world: &World) {
    let key = world.user("42").await;
    let editor = UserId::new("'admin' -- ü").expect("a valid id");
    let change = set_hash(&key, Version(1), 2)
        .with_event(EventKind::Unlocked)
        .with_editor(editor.clone());
    world.commit(&change).await;
    world.commit(&set_hash(&key, Version(2), 3)).await;
    let events = world.history(&key).await;
    let editors: Vec<_> = events.iter().map(|event| event.editor.as_ref()).collect();
    assert_eq!(editors, [None, Some(&editor), Some(&editor), None]);
}

pub(crate) async fn only_the_named_user_changes(world: &World) {
    let (named, neighbour) = (world.user("42").await, world.user("43").await);
    let before = world.facts(&neighbour).await;
    world.commit(&set_hash(&named, Version(1), 2)).await;
    world.commit(&remove_hash(&named, Version(2))).await;
    assert_eq!(world.facts(&neighbour).await, before);
    assert_eq!(world.history(&neighbour).await.len(), 1);
}

pub(crate) async fn a_failed_attempt_does_not_stop_a_commit(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let read = world.load(&key).await;
    for _ in 0..3 {
        world.fail(&subject).await;
    }
    world.permit(&subject, lockout(5)).await;
    let details = world.commit(&set_hash(&key, read.version, 2)).await;
    assert_eq!(details.sequence, 5);
    assert_eq!(world.load(&key).await.version, Version(2));
    world.history(&key).await;
}

pub(crate) async fn a_lockout_does_not_stop_a_commit(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let read = world.load(&key).await;
    world.lock_by_attempt(&subject, 1).await;
    world.commit(&set_hash(&key, read.version, 2)).await;
    let record = world.load(&key).await;
    assert_eq!(
        record.state,
        UserState::Locked,
        "a new password does not unlock"
    );
    assert_eq!((record.version, record.failures), (Version(2), 0));
    world.history(&key).await;
}

pub(crate) async fn a_method_that_is_not_committed_is_misuse(world: &World) {
    let key = world.user("42").await;
    for method in [Method::Attempt, Method::Create, Method::UpgradeHash] {
        for (user, version) in [(&key, 1), (&key, 9), (&crate::build::key("acme", "43"), 1)] {
            let mut change = set_hash(user, Version(version), 2);
            change.method = method;
            let before = world.snapshot().await;
            let error = world.store.commit(&change).await;
            let error = error.expect_err("the method is not committed");
            assert_eq!(error.kind(), StoreErrorKind::Misuse);
            world.unchanged(&before).await;
            assert!(world.operation(user, change.operation).await.is_none());
        }
    }
    let mut change = set_hash(&key, Version(1), 2);
    change.method = Method::Create;
    assert!(world.store.commit(&change).await.is_err());
    change.method = Method::SetPassword;
    world.commit(&change).await;
}
