//! `UserStore::commit`: what a changed credential or state takes with it.

use std::time::Duration;

use chrono::TimeDelta;
use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, CodeChange, CredentialChange, SettleOutcome, StoredHash,
    UserState, Verification, Version, WaitSchedule,
};

use crate::{
    build::{
        WRONG, ask, hash, issue, key, lockout, new_user, remove_hash, set_hash, set_state, settled,
        subject,
    },
    world::World,
};

pub(crate) async fn a_changed_credential_clears_failures(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    for (version, change) in [set_hash(&key, Version(1), 2), remove_hash(&key, Version(2))]
        .into_iter()
        .enumerate()
    {
        assert_eq!(world.fail(&subject).await, 1);
        assert_eq!(world.fail(&subject).await, 2);
        world.commit(&change).await;
        let record = world.load(&key).await;
        assert_eq!(record.failures, 0, "after change {version}");
        assert_eq!(world.fail(&subject).await, 1, "the budget starts anew");
        world.attempt(&subject, Verification::Right).await;
    }
    world.history(&key).await;
}

pub(crate) async fn a_changed_credential_ends_the_wait(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let waits = WaitSchedule::new(1, Duration::from_secs(600), Duration::from_secs(600));
    let limits = AttemptLimits::default().with_waits(waits);
    world.fail(&subject).await;
    let outcome = world.take(&ask(&subject, limits)).await;
    assert!(matches!(outcome, AttemptOutcome::Wait { .. }));
    world.commit(&set_hash(&key, Version(1), 2)).await;
    world.permit(&subject, limits).await;
}

pub(crate) async fn a_changed_credential_moves_the_epoch(world: &World) {
    let key = world.user("42").await;
    let mut epoch = world.load(&key).await.epoch;
    for change in [
        set_hash(&key, Version(1), 2),
        set_hash(&key, Version(2), 2),
        remove_hash(&key, Version(3)),
        set_hash(&key, Version(4), 3).with_state(UserState::Inactive),
    ] {
        world.commit(&change).await;
        let moved = world.load(&key).await.epoch;
        assert!(moved > epoch, "the epoch moves on from {epoch}");
        epoch = moved;
    }
}

pub(crate) async fn a_changed_credential_clears_the_pending_code(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    world.commit(&set_hash(&key, Version(2), 2)).await;
    assert!(world.load(&key).await.code.is_none());
    world.commit(&issue(&key, Version(3), 8, expires)).await;
    world.commit(&remove_hash(&key, Version(4))).await;
    assert!(world.load(&key).await.code.is_none());
}

pub(crate) async fn a_code_issued_with_a_new_credential_is_pending(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    let code = portcullis_core::store::Code::new([8; 32], expires);
    let change = set_hash(&key, Version(2), 2).with_code(CodeChange::Issue(code.clone()));
    world.commit(&change).await;
    assert_eq!(world.load(&key).await.code, Some(code));
}

pub(crate) async fn a_removed_password_leaves_nothing(world: &World) {
    let key = key("acme", "42");
    world.create(&new_user(&key).with_hash(hash(1), true)).await;
    world.commit(&remove_hash(&key, Version(1))).await;
    let record = world.load(&key).await;
    assert!(matches!(record.credential.hash, StoredHash::Absent));
    assert!(!record.credential.must_change);
    assert_eq!(record.credential.changed, None);
    let events = world.history(&key).await;
    assert_eq!(events[1].hash, None);
    world.commit(&remove_hash(&key, Version(2))).await;
    world.commit(&set_hash(&key, Version(3), 2)).await;
    assert_eq!(world.history(&key).await.len(), 4);
}

pub(crate) async fn the_password_is_as_old_as_its_last_change(world: &World) {
    let key = world.user("42").await;
    world.advance(Duration::from_secs(60)).await;
    let details = world.commit(&set_hash(&key, Version(1), 2)).await;
    let set = world.load(&key).await.credential.changed;
    assert_eq!(set, details.change_date);
    world.advance(Duration::from_secs(60)).await;
    world
        .commit(&set_state(&key, Version(2), UserState::Inactive))
        .await;
    world.fail(&subject(&key)).await;
    assert_eq!(world.load(&key).await.credential.changed, set);
}

pub(crate) async fn must_change_is_as_the_last_change_said(world: &World) {
    let key = world.user("42").await;
    for (version, must_change) in [(1, true), (2, true), (3, false), (4, true)] {
        let credential = CredentialChange::Replace {
            hash: hash(2),
            must_change,
        };
        let change = set_hash(&key, Version(version), 2).with_credential(credential);
        world.commit(&change).await;
        assert_eq!(world.load(&key).await.credential.must_change, must_change);
        world.history(&key).await;
    }
    world
        .commit(&set_state(&key, Version(5), UserState::Locked))
        .await;
    assert!(world.load(&key).await.credential.must_change);
}

pub(crate) async fn a_state_change_keeps_credential_code_and_epoch(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    let before = world.load(&key).await;
    let states = [
        UserState::Inactive,
        UserState::Initial,
        UserState::Locked,
        UserState::Active,
    ];
    for (version, state) in (2..).zip(states) {
        world
            .commit(&set_state(&key, Version(version), state))
            .await;
        let after = world.load(&key).await;
        assert_eq!((after.state, after.epoch), (state, before.epoch));
        assert_eq!(
            after.credential.hash.digest(),
            before.credential.hash.digest()
        );
        assert_eq!(after.credential.changed, before.credential.changed);
        assert_eq!(after.code, before.code);
        world.history(&key).await;
    }
}

pub(crate) async fn becoming_active_clears_failures(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    world.lock_by_attempt(&subject, 1).await;
    let outcome = world.take(&ask(&subject, lockout(1))).await;
    assert_eq!(outcome, AttemptOutcome::Stopped { failures: 1 });
    world
        .commit(&set_state(&key, Version(1), UserState::Active))
        .await;
    assert_eq!(world.load(&key).await.failures, 0);
    world.permit(&subject, lockout(1)).await;
    world.history(&key).await;
}

pub(crate) async fn other_changes_keep_failures(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.fail(&subject(&key)).await;
    for change in [
        set_state(&key, Version(1), UserState::Locked),
        set_state(&key, Version(2), UserState::Inactive),
        issue(&key, Version(3), 7, expires),
    ] {
        world.commit(&change).await;
        assert_eq!(world.load(&key).await.failures, 1);
    }
    assert_eq!(world.fail(&subject(&key)).await, 2);
    world.history(&key).await;
}

pub(crate) async fn open_permits_stay_open_over_a_new_credential(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let first = world.permit(&subject, lockout(2)).await;
    let second = world.permit(&subject, lockout(2)).await;
    world.commit(&set_hash(&key, Version(1), 2)).await;
    let outcome = world.take(&ask(&subject, lockout(2))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    for (permit, failures) in [(first, 1), (second, 2)] {
        let outcome = world.settle(&subject, permit, WRONG).await;
        assert_eq!(outcome, settled(failures, false));
    }
    world.history(&key).await;
}

pub(crate) async fn leases_that_ran_out_before_are_forgotten(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let changes = [
        set_hash(&key, Version(1), 2),
        remove_hash(&key, Version(2)),
        set_state(&key, Version(3), UserState::Active),
    ];
    let mut sequence = 1;
    for change in &changes {
        let forgotten = ask(&subject, lockout(3));
        world.take(&forgotten).await;
        world.advance(Duration::from_secs(3_600)).await;
        world.commit(change).await;
        let outcome = world.take(&ask(&subject, lockout(1))).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
        let outcome = world.settle(&subject, forgotten.permit, WRONG).await;
        assert_eq!(outcome, SettleOutcome::Expired);
        assert_eq!(world.take(&forgotten).await, AttemptOutcome::Spent);
        sequence += 1;
        assert_eq!(world.load(&key).await.sequence, sequence, "no failure");
    }
    world.history(&key).await;
}

pub(crate) async fn what_is_forgotten_is_not_what_is_open(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let mut long = lockout(3);
    long.lease = Duration::from_secs(7_200);
    let open = world.permit(&subject, long).await;
    world.permit(&subject, lockout(3)).await;
    world.advance(Duration::from_secs(3_600)).await;
    world.commit(&set_hash(&key, Version(1), 2)).await;
    let outcome = world.take(&ask(&subject, lockout(1))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    assert_eq!(world.settle(&subject, open, WRONG).await, settled(1, false));
    world.history(&key).await;
}

pub(crate) async fn other_changes_forget_no_lease(world: &World) {
    let key = world.user("42").await;
    world.permit(&subject(&key), lockout(3)).await;
    world.advance(Duration::from_secs(3_600)).await;
    let expires = world.now().await + TimeDelta::hours(1);
    for change in [
        set_state(&key, Version(1), UserState::Inactive),
        issue(&key, Version(2), 7, expires),
    ] {
        world.commit(&change).await;
    }
    let outcome = world.take(&ask(&subject(&key), lockout(3))).await;
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 1 });
    world.history(&key).await;
}
