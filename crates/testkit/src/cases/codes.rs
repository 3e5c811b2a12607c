//! `UserStore::commit`: one-time codes.

use std::time::Duration;

use chrono::TimeDelta;
use portcullis_core::{
    OperationId, Timestamp, UserKey,
    store::{AttemptLimits, AttemptOutcome, CommitOutcome, UserState, Verification, Version},
};

use crate::{
    build::{WRONG, ask, hash, issue, key, new_user, redeem, set_hash, set_state, subject},
    world::World,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A user at version 2 with a code of digest 7 that is good for an hour.
async fn user_with_code(world: &World) -> (UserKey, Timestamp) {
    let key = world.user("42").await;
    let expires = world.now().await + HOUR;
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    (key, expires)
}

/// Takes a permit to guess at the code, which must be granted.
async fn guess_permit(world: &World, key: &UserKey) -> OperationId {
    let request = ask(&subject(key), AttemptLimits::default()).with_guessed_code();
    let outcome = world.take(&request).await;
    assert!(matches!(outcome, AttemptOutcome::Permitted { .. }));
    request.permit
}

/// Guesses at the code, each of which came to this.
async fn guess(world: &World, key: &UserKey, guesses: u32, verification: Verification) {
    for _ in 0..guesses {
        let permit = guess_permit(world, key).await;
        world.settle(&subject(key), permit, verification).await;
    }
}

async fn guesses(world: &World, key: &UserKey) -> Option<u32> {
    world.load(key).await.code.map(|code| code.guesses)
}

pub(crate) async fn the_right_code_is_consumed_with_the_write(world: &World) {
    let (key, _) = user_with_code(world).await;
    world.commit(&redeem(&key, Version(2), 7, 2)).await;
    let record = world.load(&key).await;
    assert!(record.code.is_none());
    assert_eq!(record.credential.hash.digest(), Some(hash(2).digest()));
    world.history(&key).await;
}

pub(crate) async fn a_code_works_once(world: &World) {
    let (key, _) = user_with_code(world).await;
    world.commit(&redeem(&key, Version(2), 7, 2)).await;
    let again = redeem(&key, Version(3), 7, 3);
    world.refused(&again, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_code_is_consumed_by_a_change_that_keeps_the_credential(world: &World) {
    let (key, _) = user_with_code(world).await;
    let redeemed = redeem(&key, Version(2), 7, 2).code;
    let change = set_state(&key, Version(2), UserState::Active).with_code(redeemed.clone());
    world.commit(&change).await;
    assert!(world.load(&key).await.code.is_none());
    let again = set_state(&key, Version(3), UserState::Active).with_code(redeemed);
    world.refused(&again, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_wrong_code_is_rejected_and_the_pending_one_lives(world: &World) {
    let (key, _) = user_with_code(world).await;
    for digest in [0, 6, 8, 255] {
        let wrong = redeem(&key, Version(2), digest, 2);
        world.refused(&wrong, CommitOutcome::CodeRejected).await;
    }
    world.commit(&redeem(&key, Version(2), 7, 2)).await;
}

pub(crate) async fn without_a_pending_code_none_is_right(world: &World) {
    let key = world.user("42").await;
    for digest in [0, 7] {
        let change = redeem(&key, Version(1), digest, 2);
        world.refused(&change, CommitOutcome::CodeRejected).await;
    }
}

pub(crate) async fn an_expired_code_is_rejected(world: &World) {
    let (key, expires) = user_with_code(world).await;
    let left = (expires - world.now().await)
        .to_std()
        .expect("an hour is left");
    world.advance(left).await;
    let change = redeem(&key, Version(2), 7, 2);
    world.refused(&change, CommitOutcome::CodeRejected).await;
    world.advance(HOUR).await;
    world.refused(&change, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_code_works_until_it_expires(world: &World) {
    let (key, expires) = user_with_code(world).await;
    // A minute before and not a microsecond: a database's clock runs on.
    let left = expires - world.now().await - TimeDelta::minutes(1);
    world.advance(left.to_std().expect("an hour is left")).await;
    world.commit(&redeem(&key, Version(2), 7, 2)).await;
}

pub(crate) async fn a_code_that_was_issued_expired_is_rejected(world: &World) {
    let key = world.user("42").await;
    let past = world.now().await - TimeDelta::days(1);
    world.commit(&issue(&key, Version(1), 7, past)).await;
    let change = redeem(&key, Version(2), 7, 2);
    world.refused(&change, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_code_guessed_at_too_often_is_rejected(world: &World) {
    let (key, _) = user_with_code(world).await;
    guess(world, &key, 3, WRONG).await;
    assert_eq!(guesses(world, &key).await, Some(3));
    let change = redeem(&key, Version(2), 7, 2);
    world.refused(&change, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_code_guessed_at_less_often_works(world: &World) {
    let (key, _) = user_with_code(world).await;
    guess(world, &key, 2, WRONG).await;
    assert_eq!(guesses(world, &key).await, Some(2));
    world.commit(&redeem(&key, Version(2), 7, 2)).await;
}

pub(crate) async fn only_wrong_guesses_at_the_code_count_against_it(world: &World) {
    let (key, _) = user_with_code(world).await;
    guess(world, &key, 2, Verification::Right).await;
    guess(world, &key, 2, Verification::Abandoned).await;
    world.fail(&subject(&key)).await;
    assert_eq!(guesses(world, &key).await, Some(0));
}

pub(crate) async fn a_guess_without_a_pending_code_is_a_plain_failure(world: &World) {
    let key = world.user("42").await;
    guess(world, &key, 2, WRONG).await;
    let record = world.load(&key).await;
    assert_eq!(record.failures, 2);
    assert!(record.code.is_none());
    world.history(&key).await;
}

pub(crate) async fn a_new_code_voids_the_older_one(world: &World) {
    let (key, expires) = user_with_code(world).await;
    guess(world, &key, 3, WRONG).await;
    world.commit(&issue(&key, Version(2), 8, expires)).await;
    let code = world.load(&key).await.code.expect("a code is pending");
    assert_eq!((code.digest, code.guesses), ([8; 32], 0));
    let older = redeem(&key, Version(3), 7, 2);
    world.refused(&older, CommitOutcome::CodeRejected).await;
    world.commit(&redeem(&key, Version(3), 8, 2)).await;
}

pub(crate) async fn a_refused_commit_leaves_the_code_alive(world: &World) {
    let (key, _) = user_with_code(world).await;
    let stale = redeem(&key, Version(1), 7, 2);
    world.refused(&stale, CommitOutcome::Conflict).await;
    let first = set_state(&key, Version(2), UserState::Inactive);
    world.commit(&first).await;
    let mut reused = redeem(&key, Version(3), 7, 2);
    reused.operation = first.operation;
    world.refused(&reused, CommitOutcome::OperationReused).await;
    world.commit(&redeem(&key, Version(3), 7, 2)).await;
}

pub(crate) async fn a_change_that_does_not_name_the_code_keeps_it(world: &World) {
    let (key, _) = user_with_code(world).await;
    let before = world.load(&key).await.code;
    world
        .commit(&set_state(&key, Version(2), UserState::Locked))
        .await;
    world.upgraded(&crate::build::upgrade(&key, 1, 2)).await;
    assert_eq!(world.load(&key).await.code, before);
}

pub(crate) async fn a_code_belongs_to_one_user(world: &World) {
    user_with_code(world).await;
    let (neighbour, namesake) = (world.user("43").await, key("umbrella", "42"));
    world.create(&new_user(&namesake)).await;
    for other in [neighbour, namesake] {
        let change = redeem(&other, Version(1), 7, 2);
        world.refused(&change, CommitOutcome::CodeRejected).await;
        world.commit(&set_hash(&other, Version(1), 2)).await;
    }
}
