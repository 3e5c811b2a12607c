//! `UserStore::settle_attempt`.

use std::time::Duration;

use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, EventKind, Method, SettleOutcome, UserState, Verification,
    Version,
};

use crate::{
    build::{WRONG, ask, key, lockout, new_user, op, set_state, settled, subject},
    world::World,
};

const LOCKING: Verification = Verification::Wrong { lock_at: Some(3) };
const LONG: Duration = Duration::from_secs(3_600);

pub(crate) async fn a_right_answer_removes_its_permit_and_the_failures(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    world.fail(&subject).await;
    let permit = world.permit(&subject, lockout(2)).await;
    let outcome = world.settle(&subject, permit, Verification::Right).await;
    assert_eq!(outcome, settled(0, false));
    assert_eq!(world.load(&key).await.failures, 0);
    let events = world.history(&key).await;
    assert_eq!(events[2].kind, EventKind::CheckSucceeded);
    assert_eq!((events[2].operation, events[2].failures), (permit, 0));
    world.permit(&subject, lockout(1)).await;
}

pub(crate) async fn other_permits_stay_open_after_a_right_answer(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let right = world.permit(&subject, lockout(3)).await;
    let others = [
        world.permit(&subject, lockout(3)).await,
        world.permit(&subject, lockout(3)).await,
    ];
    world.settle(&subject, right, Verification::Right).await;
    world.permit(&subject, lockout(3)).await;
    let outcome = world.take(&ask(&subject, lockout(3))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    for (failures, permit) in (1..).zip(others) {
        let outcome = world.settle(&subject, permit, WRONG).await;
        assert_eq!(outcome, settled(failures, false));
    }
    world.history(&key).await;
}

pub(crate) async fn a_wrong_answer_removes_its_permit_and_adds_one_failure(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let first = world.permit(&subject, lockout(2)).await;
    assert_eq!(
        world.settle(&subject, first, WRONG).await,
        settled(1, false)
    );
    let second = world.permit(&subject, lockout(2)).await;
    assert_eq!(
        world.settle(&subject, second, WRONG).await,
        settled(2, false)
    );
    assert_eq!(world.load(&key).await.failures, 2);
    let events = world.history(&key).await;
    for (event, permit) in events[1..].iter().zip([first, second]) {
        assert_eq!(
            (event.kind, event.operation),
            (EventKind::CheckFailed, permit)
        );
        assert_eq!(event.editor, None);
    }
}

pub(crate) async fn an_abandoned_attempt_counts_nothing(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    world.fail(&subject).await;
    let permit = world.permit(&subject, lockout(2)).await;
    let before = world.snapshot().await;
    let outcome = world
        .settle(&subject, permit, Verification::Abandoned)
        .await;
    assert_eq!(outcome, settled(1, false));
    world.unchanged(&before).await;
    world.permit(&subject, lockout(2)).await;
}

pub(crate) async fn an_abandoned_attempt_cannot_be_settled_otherwise(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let permit = world.permit(&subject, lockout(2)).await;
    world
        .settle(&subject, permit, Verification::Abandoned)
        .await;
    let before = world.snapshot().await;
    for verification in [WRONG, Verification::Right, Verification::Abandoned] {
        world.settle(&subject, permit, verification).await;
    }
    world.unchanged(&before).await;
}

pub(crate) async fn a_wrong_answer_at_the_limit_locks_in_the_same_step(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    assert_eq!(world.attempt(&subject, LOCKING).await, settled(1, false));
    assert_eq!(world.attempt(&subject, LOCKING).await, settled(2, false));
    assert_eq!(world.load(&key).await.state, UserState::Active);
    let permit = world.permit(&subject, lockout(3)).await;
    assert_eq!(
        world.settle(&subject, permit, LOCKING).await,
        settled(3, true)
    );
    let record = world.load(&key).await;
    assert_eq!((record.state, record.failures), (UserState::Locked, 3));
    let events = world.history(&key).await;
    let kinds: Vec<_> = events[3..].iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::CheckFailed, EventKind::Locked]);
    assert!(events[3..].iter().all(|event| event.operation == permit));
}

pub(crate) async fn failures_beyond_the_limit_lock_as_well(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    for _ in 0..5 {
        world.fail(&subject).await;
    }
    assert_eq!(world.attempt(&subject, LOCKING).await, settled(6, true));
    assert_eq!(world.load(&key).await.state, UserState::Locked);
}

pub(crate) async fn only_an_active_user_is_locked(world: &World) {
    let states = [UserState::Inactive, UserState::Initial, UserState::Locked];
    let wrong = Verification::Wrong { lock_at: Some(1) };
    for state in states {
        let key = key("acme", state.as_str());
        world.create(&new_user(&key).with_state(state)).await;
        for failures in 1..=3 {
            let outcome = world.attempt(&subject(&key), wrong).await;
            assert_eq!(outcome, settled(failures, false));
        }
        assert_eq!(world.load(&key).await.state, state);
        let events = world.history(&key).await;
        assert!(events.iter().all(|event| event.kind != EventKind::Locked));
    }
}

pub(crate) async fn a_right_answer_does_not_unlock(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    world.lock_by_attempt(&subject, 1).await;
    world.attempt(&subject, Verification::Right).await;
    let record = world.load(&key).await;
    assert_eq!((record.state, record.failures), (UserState::Locked, 0));
    world.history(&key).await;
}

pub(crate) async fn the_version_does_not_move(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    for verification in [WRONG, Verification::Right, Verification::Abandoned, WRONG] {
        world.attempt(&subject, verification).await;
        assert_eq!(world.load(&key).await.version, Version(1));
    }
    let locking = Verification::Wrong { lock_at: Some(1) };
    assert_eq!(world.attempt(&subject, locking).await, settled(2, true));
    let record = world.load(&key).await;
    assert_eq!((record.version, record.epoch), (Version(1), 1));
    let events = world.history(&key).await;
    assert!(events.iter().all(|event| event.version == Version(1)));
}

pub(crate) async fn attempts_leave_the_credential_alone(world: &World) {
    let key = world.user("42").await;
    let before = world.load(&key).await.credential;
    for verification in [WRONG, Verification::Right, LOCKING] {
        world.attempt(&subject(&key), verification).await;
    }
    let after = world.load(&key).await.credential;
    assert_eq!(after.hash.digest(), before.hash.digest());
    assert_eq!(after.changed, before.changed);
    assert_eq!(after.must_change, before.must_change);
}

pub(crate) async fn settling_again_returns_the_first_result(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let locking = Verification::Wrong { lock_at: Some(2) };
    let mut first = Vec::new();
    for verification in [Verification::Right, WRONG, locking, Verification::Right] {
        let permit = world.permit(&subject, AttemptLimits::default()).await;
        first.push((permit, world.settle(&subject, permit, verification).await));
    }
    let before = world.snapshot().await;
    for (permit, outcome) in first {
        for verification in [WRONG, Verification::Right, Verification::Abandoned, locking] {
            let again = world.settle(&subject, permit, verification).await;
            assert_eq!(again, outcome, "settled anew as {verification:?}");
        }
    }
    world.unchanged(&before).await;
}

pub(crate) async fn settling_again_survives_later_changes(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let permit = world.permit(&subject, lockout(3)).await;
    let first = world.settle(&subject, permit, WRONG).await;
    world.fail(&subject).await;
    world
        .commit(&set_state(&key, Version(1), UserState::Active))
        .await;
    world.advance(LONG).await;
    let before = world.snapshot().await;
    assert_eq!(world.settle(&subject, permit, WRONG).await, first);
    world.unchanged(&before).await;
    let method = world.operation(&key, permit).await.map(|done| done.method);
    assert_eq!(method, Some(Method::Attempt));
}

pub(crate) async fn a_permit_whose_lease_ran_out_cannot_be_settled(world: &World) {
    for (id, verification) in [("1", WRONG), ("2", Verification::Right), ("3", LOCKING)] {
        let key = world.user(id).await;
        let subject = subject(&key);
        let permit = world.permit(&subject, lockout(1)).await;
        world.advance(LONG).await;
        let outcome = world.settle(&subject, permit, verification).await;
        assert_eq!(outcome, SettleOutcome::Expired);
        // The lease became a failure, which no late answer takes back.
        let outcome = world.take(&ask(&subject, lockout(1))).await;
        assert_eq!(outcome, AttemptOutcome::Stopped { failures: 1 });
        let events = world.history(&key).await;
        assert_eq!(events.len(), 2);
        assert_eq!(
            (events[1].kind, events[1].operation),
            (EventKind::CheckFailed, permit)
        );
    }
}

pub(crate) async fn a_permit_that_was_never_taken_cannot_be_settled(world: &World) {
    let key = world.user("42").await;
    let before = world.snapshot().await;
    for verification in [WRONG, Verification::Right, Verification::Abandoned] {
        let outcome = world.settle(&subject(&key), op(), verification).await;
        assert_eq!(outcome, SettleOutcome::Expired);
    }
    world.unchanged(&before).await;
}

pub(crate) async fn a_permit_belongs_to_one_subject(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let namesake = crate::build::key("umbrella", "42");
    world.create(&new_user(&namesake)).await;
    let permit = world.permit(&subject(&key), lockout(1)).await;
    let before = world.snapshot().await;
    let others = [
        subject(&neighbour),
        subject(&namesake),
        subject(&crate::build::key("acme", "nobody")),
        crate::build::sham("acme", 42),
    ];
    for other in &others {
        let outcome = world.settle(other, permit, Verification::Right).await;
        assert_eq!(outcome, SettleOutcome::Expired);
    }
    world.unchanged(&before).await;
    assert_eq!(
        world.settle(&subject(&key), permit, WRONG).await,
        settled(1, false)
    );
}

pub(crate) async fn open_permits_of_a_locked_user_are_settled(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let late = world.permit(&subject, lockout(3)).await;
    let later = world.permit(&subject, lockout(3)).await;
    let locking = Verification::Wrong { lock_at: Some(1) };
    let first = world.permit(&subject, lockout(3)).await;
    assert_eq!(
        world.settle(&subject, first, locking).await,
        settled(1, true)
    );
    assert_eq!(
        world.settle(&subject, late, locking).await,
        settled(2, false)
    );
    assert_eq!(
        world.settle(&subject, later, Verification::Right).await,
        settled(0, false)
    );
    assert_eq!(world.load(&key).await.state, UserState::Locked);
    world.history(&key).await;
}

pub(crate) async fn a_failure_still_says_active_and_its_lock_says_locked(world: &World) {
    let key = world.user("42").await;
    world.lock_by_attempt(&subject(&key), 1).await;
    let events = world.history(&key).await;
    let states: Vec<_> = events[1..]
        .iter()
        .map(|one| (one.kind, one.state))
        .collect();
    let failed = (EventKind::CheckFailed, UserState::Active);
    assert_eq!(states, [failed, (EventKind::Locked, UserState::Locked)]);
}

pub(crate) async fn open_permits_of_a_removed_user_are_expired(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let done = world.permit(&subject, lockout(3)).await;
    let first = world.settle(&subject, done, WRONG).await;
    let open = world.permit(&subject, lockout(3)).await;
    world
        .commit(&set_state(&key, Version(1), UserState::Removed))
        .await;
    let before = world.snapshot().await;
    for _ in 0..2 {
        for verification in [WRONG, LOCKING, Verification::Right, Verification::Abandoned] {
            let outcome = world.settle(&subject, open, verification).await;
            assert_eq!(outcome, SettleOutcome::Expired);
        }
        assert_eq!(world.settle(&subject, done, WRONG).await, first);
        world.advance(LONG).await;
    }
    world.unchanged(&before).await;
    assert!(world.operation(&key, open).await.is_none());
}
