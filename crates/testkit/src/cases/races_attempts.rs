//! Races of attempts, and of readers of the outbox.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, AttemptRequest, CommitOutcome, EventKind, EventQuery,
    SettleOutcome, Settlement, Subject, UserState, Verification, Version,
};

use crate::{
    build::{WRONG, ask, lockout, op, set_hash, settled, sham, subject},
    race::{RACERS, commit_at_last, committed, race},
    world::{World, answered},
};

/// How many of the racers are granted a permit of their own.
async fn granted(world: &World, subject: &Subject, limits: AttemptLimits) -> usize {
    let outcomes = race(world, RACERS, |store, _| {
        let request = ask(subject, limits);
        async move { answered(store.take_attempt(&request).await) }
    });
    let outcomes = outcomes.await;
    let granted = |outcome: &&AttemptOutcome| matches!(outcome, AttemptOutcome::Permitted { .. });
    outcomes.iter().filter(granted).count()
}

/// Lets one racer settle each permit and returns what they were told.
async fn settle_all(
    world: &World,
    subject: &Subject,
    permits: &[portcullis_core::OperationId],
    verification: Verification,
) -> Vec<SettleOutcome> {
    let outcomes = race(world, permits.len(), |store, index| {
        let settlement = Settlement::new(subject.clone(), permits[index], verification);
        async move { answered(store.settle_attempt(&settlement).await) }
    });
    outcomes.await
}

pub(crate) async fn many_takers_get_exactly_the_limit(world: &World) {
    for limit in [1, 5, 63, 64] {
        let user = subject(&world.user(&limit.to_string()).await);
        let sham = sham("acme", u16::try_from(limit).expect("a small number"));
        for subject in [user, sham] {
            let limits = lockout(u32::try_from(limit).expect("a small number"));
            assert_eq!(granted(world, &subject, limits).await, limit);
        }
    }
}

pub(crate) async fn failures_leave_fewer_permits(world: &World) {
    let subject = subject(&world.user("42").await);
    for _ in 0..3 {
        world.fail(&subject).await;
    }
    world.permit(&subject, lockout(10)).await;
    assert_eq!(granted(world, &subject, lockout(10)).await, 6);
}

pub(crate) async fn one_permit_asked_for_by_many_is_one(world: &World) {
    let subject = subject(&world.user("42").await);
    let permit = op();
    let outcomes = race(world, RACERS, |store, _| {
        let request = AttemptRequest::new(subject.clone(), permit, lockout(2));
        async move { answered(store.take_attempt(&request).await) }
    });
    for outcome in outcomes.await {
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    }
    assert_eq!(granted(world, &subject, lockout(2)).await, 1);
}

pub(crate) async fn many_wrong_answers_all_count(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let mut permits = Vec::new();
    for _ in 0..RACERS {
        permits.push(world.permit(&subject, AttemptLimits::default()).await);
    }
    let outcomes = settle_all(world, &subject, &permits, WRONG).await;
    for failures in (1..).take(RACERS) {
        let told = outcomes
            .iter()
            .filter(|one| **one == settled(failures, false));
        assert_eq!(told.count(), 1, "one is told of {failures} failures");
    }
    let events = world.history(&key).await;
    assert_eq!(events.len(), RACERS + 1);
    assert!(events.is_sorted_by_key(|event| event.failures));
}

pub(crate) async fn many_wrong_answers_lock_once(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let mut permits = Vec::new();
    for _ in 0..RACERS {
        permits.push(world.permit(&subject, AttemptLimits::default()).await);
    }
    let locking = Verification::Wrong { lock_at: Some(5) };
    let outcomes = settle_all(world, &subject, &permits, locking).await;
    let locked = outcomes
        .iter()
        .filter(|one| matches!(one, SettleOutcome::Settled { locked, .. } if *locked));
    assert_eq!(locked.count(), 1);
    let record = world.load(&key).await;
    assert_eq!(
        (record.state, record.version),
        (UserState::Locked, Version(1))
    );
    let events = world.history(&key).await;
    let locks = events
        .iter()
        .filter(|event| event.kind == EventKind::Locked);
    assert_eq!(locks.map(|event| event.failures).collect::<Vec<_>>(), [5]);
}

pub(crate) async fn one_permit_settled_by_many_counts_once(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let permit = world.permit(&subject, lockout(3)).await;
    let outcomes = settle_all(world, &subject, &[permit; RACERS], WRONG).await;
    assert!(outcomes.iter().all(|outcome| *outcome == settled(1, false)));
    assert_eq!(world.history(&key).await.len(), 2);
}

pub(crate) async fn a_lease_that_ran_out_is_counted_by_one_of_many(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    world.permit(&subject, lockout(4)).await;
    world.permit(&subject, lockout(4)).await;
    world.advance(Duration::from_secs(3_600)).await;
    assert_eq!(granted(world, &subject, lockout(4)).await, 2);
    assert_eq!(world.load(&key).await.failures, 2);
    assert_eq!(world.history(&key).await.len(), 3);
}

pub(crate) async fn failing_attempts_do_not_stop_a_commit(world: &World) {
    let key = world.user("42").await;
    let version = world.load(&key).await.version;
    let outcomes = race(world, RACERS, |store, index| {
        let (request, change) = (
            ask(&subject(&key), AttemptLimits::default()),
            set_hash(&key, version, 2),
        );
        let wrong = Settlement::new(request.subject.clone(), request.permit, WRONG);
        async move {
            if index == RACERS / 2 {
                return Some(answered(store.commit(&change).await));
            }
            answered(store.take_attempt(&request).await);
            answered(store.settle_attempt(&wrong).await);
            None
        }
    });
    let outcomes: Vec<CommitOutcome> = outcomes.await.into_iter().flatten().collect();
    assert_eq!(committed(outcomes).len(), 1, "the version did not move");
    assert_eq!(world.history(&key).await.len(), RACERS + 1);
}

pub(crate) async fn commits_and_attempts_share_one_gapless_history(world: &World) {
    let key = world.user("42").await;
    let outcomes = race(world, RACERS, |store, index| {
        let (key, request) = (key.clone(), ask(&subject(&key), AttemptLimits::default()));
        let verification = if index % 4 == 0 {
            Verification::Right
        } else {
            WRONG
        };
        let settlement = Settlement::new(request.subject.clone(), request.permit, verification);
        async move {
            if index % 2 == 0 {
                let change = |version| set_hash(&key, version, 2);
                return Some(commit_at_last(&*store, &key, change).await);
            }
            answered(store.take_attempt(&request).await);
            answered(store.settle_attempt(&settlement).await);
            None
        }
    });
    let outcomes: Vec<CommitOutcome> = outcomes.await.into_iter().flatten().collect();
    assert_eq!(committed(outcomes).len(), RACERS / 2);
    let events = world.history(&key).await;
    assert_eq!(events.len(), RACERS + 1);
    assert_eq!(world.outbox().await, events);
}

pub(crate) async fn readers_of_the_outbox_miss_nothing_while_many_write(world: &World) {
    let mut keys = Vec::new();
    for index in 0..8 {
        keys.push(world.user(&index.to_string()).await);
    }
    let writing = Arc::new(AtomicUsize::new(RACERS));
    let seen = race(world, RACERS + 2, |store, index| {
        let (key, writing) = (keys[index % 8].clone(), Arc::clone(&writing));
        async move {
            let mut seen = Vec::new();
            if index < RACERS {
                commit_at_last(&*store, &key, |version| set_hash(&key, version, 2)).await;
                writing.fetch_sub(1, Ordering::SeqCst);
                return seen;
            }
            let mut query = EventQuery::outbox().with_limit(3);
            loop {
                // Asked before the page is read: an empty page after the last write is the end.
                let over = writing.load(Ordering::SeqCst) == 0;
                let page = answered(store.events(&query).await);
                if page.events.is_empty() && over {
                    return seen;
                }
                seen.extend(page.events);
                query.after = page.next;
                tokio::task::yield_now().await;
            }
        }
    });
    let seen = seen.await;
    let outbox = world.outbox().await;
    assert_eq!(outbox.len(), 8 + RACERS);
    for seen in &seen[RACERS..] {
        assert_eq!(*seen, outbox, "every event once, in one order for all");
    }
}

pub(crate) async fn one_id_asked_for_on_many_subjects_is_one_permit(world: &World) {
    let mut subjects = vec![sham("acme", 1), sham("umbrella", 1)];
    for id in ["1", "2"] {
        subjects.push(subject(&world.user(id).await));
    }
    let permit = op();
    let outcomes = race(world, RACERS, |store, index| {
        let subject = subjects[index % subjects.len()].clone();
        let request = AttemptRequest::new(subject, permit, lockout(1));
        async move { answered(store.take_attempt(&request).await) }
    });
    let outcomes = outcomes.await;
    let granted = AttemptOutcome::Permitted { failures: 0 };
    let winner = outcomes.iter().position(|outcome| *outcome == granted);
    let winner = winner.expect("one subject has it") % subjects.len();
    for (index, outcome) in outcomes.into_iter().enumerate() {
        let wins = index % subjects.len() == winner;
        let expected = if wins {
            granted
        } else {
            AttemptOutcome::OperationReused
        };
        assert_eq!(outcome, expected);
    }
}
