//! Clocks that jump.

use std::time::Duration;

use chrono::TimeDelta;
use portcullis_core::store::{
    AttemptOutcome, CommitOutcome, SettleOutcome, UserState, Verification, Version,
};

use crate::{
    build::{WRONG, ask, issue, lockout, redeem, set_hash, set_state, settled, subject, upgrade},
    world::World,
};

const DAY: Duration = Duration::from_secs(86_400);

pub(crate) async fn the_change_date_is_the_time_of_the_commit(world: &World) {
    let key = world.user("42").await;
    world.advance(DAY).await;
    let before = world.now().await;
    let details = world.commit(&set_hash(&key, Version(1), 2)).await;
    let after = world.now().await;
    let date = details.change_date.expect("a write has a change date");
    assert!(before <= date && date <= after);
    let record = world.load(&key).await;
    assert!(record.changed - record.created >= TimeDelta::days(1));
}

pub(crate) async fn a_clock_set_back_does_not_set_dates_back(world: &World) {
    let key = world.user("42").await;
    let first = world.load(&key).await.changed;
    world.fixture.set_back(DAY).await;
    let details = world.commit(&set_hash(&key, Version(1), 2)).await;
    assert_eq!(
        details.change_date,
        Some(first),
        "the previous date is the later one"
    );
    let record = world.load(&key).await;
    assert_eq!((record.created, record.changed), (first, first));
    assert_eq!(record.credential.changed, Some(first));
    world.history(&key).await;
}

pub(crate) async fn every_mutation_keeps_dates_in_order(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let mut last = world.load(&key).await.changed;
    for step in 0..6 {
        world.fixture.set_back(DAY).await;
        match step {
            0 => drop(world.commit(&set_hash(&key, Version(1), 2)).await),
            1 => drop(world.upgraded(&upgrade(&key, 2, 3)).await),
            2 => drop(world.fail(&subject).await),
            3 => drop(world.attempt(&subject, Verification::Right).await),
            4 => world.lock_by_attempt(&subject, 1).await,
            _ => drop(
                world
                    .commit(&set_state(&key, Version(2), UserState::Active))
                    .await,
            ),
        }
        let changed = world.load(&key).await.changed;
        assert!(changed >= last, "in step {step}");
        last = changed;
        world.history(&key).await;
    }
}

pub(crate) async fn a_clock_set_forward_ten_years_and_back_keeps_order(world: &World) {
    let key = world.user("42").await;
    let created = world.load(&key).await.created;
    world.advance(3_650 * DAY).await;
    let far = world.commit(&set_hash(&key, Version(1), 2)).await;
    world.fixture.set_back(3_650 * DAY).await;
    let near = world.commit(&set_hash(&key, Version(2), 3)).await;
    assert_eq!(near.change_date, far.change_date);
    assert_eq!(world.load(&key).await.created, created);
    let fresh = world.user("43").await;
    let record = world.load(&fresh).await;
    assert!(
        record.created < far.change_date.expect("a date"),
        "others keep the real time"
    );
    world.history(&key).await;
}

pub(crate) async fn a_lease_does_not_end_early_when_the_clock_is_set_back(world: &World) {
    let subject = subject(&world.user("42").await);
    let permit = world.permit(&subject, lockout(1)).await;
    world.fixture.set_back(DAY).await;
    let outcome = world.take(&ask(&subject, lockout(1))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    assert_eq!(
        world.settle(&subject, permit, WRONG).await,
        settled(1, false)
    );
}

pub(crate) async fn a_lease_ends_when_the_clock_is_set_forward(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let permit = world.permit(&subject, lockout(2)).await;
    world.advance(3_650 * DAY).await;
    let outcome = world.settle(&subject, permit, Verification::Right).await;
    assert_eq!(outcome, SettleOutcome::Expired);
    assert_eq!(world.load(&key).await.failures, 1);
    world.history(&key).await;
}

pub(crate) async fn a_code_does_not_outlive_ten_years(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    world.advance(3_650 * DAY).await;
    let late = redeem(&key, Version(2), 7, 2);
    world.refused(&late, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_code_still_works_when_the_clock_is_set_back(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    world.fixture.set_back(DAY).await;
    world.commit(&redeem(&key, Version(2), 7, 2)).await;
    world.history(&key).await;
}

pub(crate) async fn a_replay_keeps_its_date_whatever_the_clock_does(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    let replayed = CommitOutcome::Replayed(world.commit(&change).await);
    world.advance(3_650 * DAY).await;
    world.refused(&change, replayed.clone()).await;
    world.fixture.set_back(7_300 * DAY).await;
    world.refused(&change, replayed).await;
}
