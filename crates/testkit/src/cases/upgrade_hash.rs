//! `UserStore::upgrade_hash`.

use std::time::Duration;

use chrono::TimeDelta;
use portcullis_core::store::{
    CommitOutcome, EventKind, HashUpgrade, Method, StoredHash, UpgradeOutcome, UserState, Version,
};

use crate::{
    build::{hash, issue, key, new_user, remove_hash, set_hash, set_state, subject, upgrade},
    history::Facts,
    world::{World, answered},
};

pub(crate) async fn the_hash_that_was_verified_is_replaced(world: &World) {
    let key = world.user("42").await;
    let rehash = upgrade(&key, 1, 2);
    let details = world.upgraded(&rehash).await;
    let record = world.load(&key).await;
    assert_eq!(record.credential.hash.digest(), Some(hash(2).digest()));
    let events = world.history(&key).await;
    assert_eq!(events[1].kind, EventKind::HashUpdated);
    assert_eq!(events[1].operation, rehash.operation);
    assert_eq!(details.resource_owner, *key.organisation());
    assert_eq!(world.outbox().await, events);
}

pub(crate) async fn sequence_and_change_date_move(world: &World) {
    let key = world.user("42").await;
    world.advance(Duration::from_secs(60)).await;
    let details = world.upgraded(&upgrade(&key, 1, 2)).await;
    let record = world.load(&key).await;
    assert_eq!((record.sequence, details.sequence), (2, 2));
    assert_eq!(details.change_date, Some(record.changed));
    assert!(record.changed - record.created >= TimeDelta::seconds(60));
}

pub(crate) async fn version_epoch_must_change_age_and_failures_stay(world: &World) {
    let key = key("acme", "42");
    let expires = world.now().await + TimeDelta::hours(1);
    world.create(&new_user(&key).with_hash(hash(1), true)).await;
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    world.fail(&subject(&key)).await;
    let before = world.load(&key).await;
    world.advance(Duration::from_secs(60)).await;
    world.upgraded(&upgrade(&key, 1, 2)).await;
    let after = world.load(&key).await;
    assert_eq!((after.version, after.epoch), (before.version, before.epoch));
    assert!(after.credential.must_change);
    assert_eq!(after.credential.changed, before.credential.changed);
    assert_eq!((after.failures, after.code), (1, before.code));
    assert_eq!(after.state, before.state);
    world.history(&key).await;
}

pub(crate) async fn a_hash_that_was_replaced_meanwhile_stays(world: &World) {
    let key = world.user("42").await;
    let rehash = upgrade(&key, 1, 2);
    world.commit(&set_hash(&key, Version(1), 3)).await;
    world
        .not_upgraded(&rehash, UpgradeOutcome::Superseded)
        .await;
    assert!(world.operation(&key, rehash.operation).await.is_none());
}

pub(crate) async fn a_password_that_was_removed_meanwhile_stays_removed(world: &World) {
    let key = world.user("42").await;
    world.commit(&remove_hash(&key, Version(1))).await;
    world
        .not_upgraded(&upgrade(&key, 1, 2), UpgradeOutcome::Superseded)
        .await;
    let record = world.load(&key).await;
    assert!(matches!(record.credential.hash, StoredHash::Absent));
}

pub(crate) async fn an_unreadable_hash_is_never_touched(world: &World) {
    let key = world.user("42").await;
    for text in ["", "damaged", &hash(1).as_stored().to_uppercase()] {
        world.fixture.damage_hash(&key, text).await;
        let before = Facts::from(world.load(&key).await);
        let outcome = world.store.upgrade_hash(&upgrade(&key, 1, 2)).await;
        assert_eq!(answered(outcome), UpgradeOutcome::Superseded);
        assert_eq!(world.facts(&key).await, before);
    }
}

pub(crate) async fn a_user_who_does_not_exist_has_nothing_to_upgrade(world: &World) {
    world.user("42").await;
    for (organisation, id) in [("acme", "43"), ("umbrella", "42"), ("42", "acme")] {
        let rehash = upgrade(&key(organisation, id), 1, 2);
        world
            .not_upgraded(&rehash, UpgradeOutcome::Superseded)
            .await;
    }
}

pub(crate) async fn equal_hashes_of_others_stay(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let namesake = crate::build::key("umbrella", "42");
    world.create(&new_user(&namesake)).await;
    let before = [world.facts(&neighbour).await, world.facts(&namesake).await];
    world.upgraded(&upgrade(&key, 1, 2)).await;
    let after = [world.facts(&neighbour).await, world.facts(&namesake).await];
    assert_eq!(after, before);
}

pub(crate) async fn a_commit_with_the_version_read_before_still_succeeds(world: &World) {
    let key = world.user("42").await;
    let read = world.load(&key).await;
    world.upgraded(&upgrade(&key, 1, 2)).await;
    world.commit(&set_hash(&key, read.version, 3)).await;
    let stale = upgrade(&key, 2, 4);
    world.not_upgraded(&stale, UpgradeOutcome::Superseded).await;
    assert_eq!(world.history(&key).await.len(), 3);
}

pub(crate) async fn the_same_operation_again_returns_the_first_result(world: &World) {
    let key = world.user("42").await;
    let rehash = upgrade(&key, 1, 2);
    let replayed = UpgradeOutcome::Replayed(world.upgraded(&rehash).await);
    world.not_upgraded(&rehash, replayed.clone()).await;
    let other = HashUpgrade::new(key.clone(), rehash.operation, hash(2), hash(3));
    world.not_upgraded(&other, replayed.clone()).await;
    world.commit(&set_hash(&key, Version(1), 1)).await;
    world.not_upgraded(&rehash, replayed).await;
}

pub(crate) async fn an_operation_of_another_user_or_method_is_reused(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let (change, rehash) = (set_hash(&key, Version(1), 2), upgrade(&key, 2, 3));
    world.commit(&change).await;
    world.upgraded(&rehash).await;
    let uses = [
        HashUpgrade::new(key.clone(), change.operation, hash(3), hash(4)),
        HashUpgrade::new(neighbour.clone(), change.operation, hash(1), hash(4)),
        HashUpgrade::new(neighbour, rehash.operation, hash(1), hash(4)),
    ];
    for reused in &uses {
        world
            .not_upgraded(reused, UpgradeOutcome::OperationReused)
            .await;
    }
    let change = crate::build::set_hash_as(rehash.operation, &key, Version(2), 5);
    world.refused(&change, CommitOutcome::OperationReused).await;
    let done = world.operation(&key, rehash.operation).await;
    assert_eq!(done.map(|done| done.method), Some(Method::UpgradeHash));
}

pub(crate) async fn a_removed_user_has_nothing_to_upgrade(world: &World) {
    let key = world.user("42").await;
    let applied = upgrade(&key, 1, 2);
    let replayed = UpgradeOutcome::Replayed(world.upgraded(&applied).await);
    world
        .commit(&set_state(&key, Version(1), UserState::Removed))
        .await;
    let rehash = upgrade(&key, 2, 3);
    world
        .not_upgraded(&rehash, UpgradeOutcome::Superseded)
        .await;
    assert!(world.operation(&key, rehash.operation).await.is_none());
    world.not_upgraded(&applied, replayed).await;
}

/// What a change and a rehash do, each in its own order.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    ReadToChange,
    Change,
    ReadToRehash,
    Rehash,
}

/// Every order of the four in which each reads before it writes.
const ORDERS: [[Step; 4]; 6] = {
    use Step::{Change, ReadToChange, ReadToRehash, Rehash};
    [
        [ReadToChange, Change, ReadToRehash, Rehash],
        [ReadToChange, ReadToRehash, Change, Rehash],
        [ReadToChange, ReadToRehash, Rehash, Change],
        [ReadToRehash, ReadToChange, Change, Rehash],
        [ReadToRehash, ReadToChange, Rehash, Change],
        [ReadToRehash, Rehash, ReadToChange, Change],
    ]
};

pub(crate) async fn a_change_wins_over_a_slow_rehash_in_every_order(world: &World) {
    for (index, order) in ORDERS.into_iter().enumerate() {
        let key = world.user(&index.to_string()).await;
        let before = world.load(&key).await;
        let (mut version, mut verified) = (before.version, None);
        for step in order {
            let now = world.load(&key).await;
            match step {
                Step::ReadToChange => version = now.version,
                Step::Change => drop(world.commit(&set_hash(&key, version, 2)).await),
                Step::ReadToRehash => verified = now.credential.hash.digest(),
                Step::Rehash => {
                    // Whoever read the new hash did not find the old password right.
                    let is_old = verified == Some(hash(1).digest());
                    let from = if is_old { 1 } else { 2 };
                    let outcome = world.store.upgrade_hash(&upgrade(&key, from, 3)).await;
                    let upgraded = matches!(answered(outcome), UpgradeOutcome::Upgraded(_));
                    assert_eq!(upgraded, now.credential.hash.digest() == verified);
                }
            }
        }
        let after = world.load(&key).await;
        let new = match order[0] {
            // It was made anew after the change, from the new password's own hash.
            Step::ReadToChange if order[1] == Step::Change => hash(3),
            _ => hash(2),
        };
        assert_eq!(
            after.credential.hash.digest(),
            Some(new.digest()),
            "{order:?}"
        );
        assert_eq!(after.epoch, before.epoch + 1, "{order:?}");
        assert_eq!(after.version, before.version.next(), "{order:?}");
        world.history(&key).await;
    }
}
