//! `UserStore::commit`: one-time codes.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};
use portcullis_core::{
    OperationId, Timestamp, UserKey,
    store::{
        AttemptLimits, AttemptOutcome, Code, CodeChange, CommitOutcome, UserState, Verification,
        Version,
    },
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

pub(crate) async fn a_stale_version_meets_a_wrong_code(world: &World) {
    let (key, _) = user_with_code(world).await;
    for stale in [1, 3] {
        let change = redeem(&key, Version(stale), 8, 2);
        world.refused(&change, CommitOutcome::Conflict).await;
    }
    let change = redeem(&key, Version(2), 8, 2);
    world.refused(&change, CommitOutcome::CodeRejected).await;
}

pub(crate) async fn a_guess_that_is_never_settled_counts(world: &World) {
    let (key, _) = user_with_code(world).await;
    for count in 1..=3 {
        guess_permit(world, &key).await;
        assert_eq!(guesses(world, &key).await, Some(count - 1), "it is open");
        world.advance(HOUR / 12).await;
        world.attempt(&subject(&key), Verification::Abandoned).await;
        assert_eq!(guesses(world, &key).await, Some(count));
        assert_eq!(world.load(&key).await.failures, count);
    }
    let change = redeem(&key, Version(2), 7, 2);
    world.refused(&change, CommitOutcome::CodeRejected).await;
    world.history(&key).await;
}

pub(crate) async fn a_guess_that_nobody_came_back_to_counts_when_the_code_is_redeemed(
    world: &World,
) {
    for (left, outcome) in [(2, None), (3, Some(CommitOutcome::CodeRejected))] {
        let key = world.user(&left.to_string()).await;
        let expires = world.now().await + HOUR;
        world.commit(&issue(&key, Version(1), 7, expires)).await;
        for _ in 0..left {
            guess_permit(world, &key).await;
        }
        world.permit(&subject(&key), AttemptLimits::default()).await;
        world.advance(HOUR / 2).await;
        let late = redeem(&key, Version(2), 7, 2);
        match outcome {
            None => {
                world.commit(&late).await;
            }
            Some(refusal) => world.refused(&late, refusal).await,
        }
        world.history(&key).await;
    }
}

pub(crate) async fn a_lease_that_guesses_at_no_code_leaves_it_alone(world: &World) {
    let (key, _) = user_with_code(world).await;
    world.permit(&subject(&key), AttemptLimits::default()).await;
    world.advance(HOUR / 2).await;
    assert_eq!(world.fail(&subject(&key)).await, 2);
    assert_eq!(guesses(world, &key).await, Some(0));
}

pub(crate) async fn the_first_request_says_whether_a_permit_guesses(world: &World) {
    let (key, _) = user_with_code(world).await;
    let plain = ask(&subject(&key), AttemptLimits::default());
    let guess = ask(&subject(&key), AttemptLimits::default()).with_guessed_code();
    let mut changed = guess.clone();
    changed.guessed_code = false;
    for request in [&plain, &guess, &plain.clone().with_guessed_code(), &changed] {
        let outcome = world.take(request).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    }
    world.settle(&subject(&key), plain.permit, WRONG).await;
    assert_eq!(guesses(world, &key).await, Some(0));
    world.settle(&subject(&key), guess.permit, WRONG).await;
    assert_eq!(guesses(world, &key).await, Some(1));
}

pub(crate) async fn guesses_at_a_code_saturate(world: &World) {
    let key = world.user("42").await;
    let mut code = Code::new([7; 32], world.now().await + HOUR);
    code.guesses = u32::MAX - 1;
    let expires = code.expires;
    let issued = issue(&key, Version(1), 7, expires).with_code(CodeChange::Issue(code));
    world.commit(&issued).await;
    guess(world, &key, 2, WRONG).await;
    assert_eq!(guesses(world, &key).await, Some(u32::MAX));
    guess_permit(world, &key).await;
    world.advance(HOUR / 2).await;
    assert_eq!(world.fail(&subject(&key)).await, 4);
    assert_eq!(guesses(world, &key).await, Some(u32::MAX));
}

pub(crate) async fn a_forgotten_lease_is_still_a_guess(world: &World) {
    let (key, _) = user_with_code(world).await;
    guess_permit(world, &key).await;
    world.advance(HOUR / 2).await;
    let change = set_state(&key, Version(2), UserState::Active);
    world.commit(&change).await;
    assert_eq!(world.load(&key).await.failures, 0);
    assert_eq!(guesses(world, &key).await, Some(1));
}

pub(crate) async fn a_lease_that_ran_out_is_no_guess_at_a_code_issued_with_the_change(
    world: &World,
) {
    let (key, expires) = user_with_code(world).await;
    guess_permit(world, &key).await;
    world.advance(HOUR / 2).await;
    let change = set_state(&key, Version(2), UserState::Active)
        .with_code(CodeChange::Issue(Code::new([8; 32], expires)));
    world.commit(&change).await;
    assert_eq!(guesses(world, &key).await, Some(0));
}

pub(crate) async fn a_code_expires_at_a_microsecond(world: &World) {
    let key = world.user("42").await;
    let end = world.now().await.trunc_subsecs(6) + HOUR;
    let code = Code::new([7; 32], end + TimeDelta::nanoseconds(999));
    assert_eq!(code.expires, end);
    let change = issue(&key, Version(1), 7, end + TimeDelta::nanoseconds(999));
    world.commit(&change).await;
    assert_eq!(world.load(&key).await.code, Some(code));
}

pub(crate) async fn a_code_that_is_issued_for_a_time_ends_by_the_stores_clock(world: &World) {
    let key = world.user("42").await;
    let issue_for = |version, ttl| {
        let change = issue(&key, Version(version), 7, Timestamp::MAX_UTC);
        let digest = [7; 32];
        change.with_code(CodeChange::IssueFor { digest, ttl })
    };
    let hour = HOUR;
    let before = world.now().await;
    world.commit(&issue_for(1, hour)).await;
    let after = world.now().await;
    let code = world.load(&key).await.code.expect("a pending code");
    assert!(before + hour <= code.expires && code.expires <= after + hour);
    assert_eq!((code.digest, code.guesses), ([7; 32], 0));
    world.advance(hour / 2).await;
    world.commit(&redeem(&key, Version(2), 7, 2)).await;

    world.commit(&issue_for(3, hour)).await;
    world.advance(hour).await;
    let late = redeem(&key, Version(4), 7, 3);
    world.refused(&late, CommitOutcome::CodeRejected).await;
    world.commit(&issue_for(4, Duration::ZERO)).await;
    let never = redeem(&key, Version(5), 7, 3);
    world.refused(&never, CommitOutcome::CodeRejected).await;
    world.commit(&issue_for(5, Duration::MAX)).await;
    world.advance(20_000 * 24 * hour).await;
    world.commit(&redeem(&key, Version(6), 7, 3)).await;
    world.history(&key).await;
}
