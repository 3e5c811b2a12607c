//! `UserStore::take_attempt`: waits that grow with the failures.

use std::time::Duration;

use portcullis_core::store::{AttemptLimits, AttemptOutcome, Subject, Verification, WaitSchedule};

use crate::{
    build::{WRONG, ask, subject},
    world::World,
};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Waits of 1, 2, 4, then always 6 minutes, from the second failure on.
fn limits() -> AttemptLimits {
    AttemptLimits::default().with_waits(WaitSchedule::new(2, MINUTE, 6 * MINUTE))
}

/// How long a new attempt must wait, which it must.
async fn wait(world: &World, subject: &Subject) -> Duration {
    match world.take(&ask(subject, limits())).await {
        AttemptOutcome::Wait { retry_in } => retry_in,
        other => panic!("the attempt has to wait, not {other:?}"),
    }
}

/// Checks a wait that a database's clock may have shortened a little since the failure.
fn about(wait: Duration, full: Duration) {
    assert!(wait <= full, "{wait:?} is no more than {full:?}");
    assert!(
        wait > full.saturating_sub(MINUTE / 2),
        "{wait:?} is almost {full:?}"
    );
}

pub(crate) async fn no_attempt_waits_before_the_schedule_begins(world: &World) {
    let subject = subject(&world.user("42").await);
    world.permit(&subject, limits()).await;
    let subject = crate::build::subject(&world.user("43").await);
    world.fail(&subject).await;
    world.permit(&subject, limits()).await;
}

pub(crate) async fn waits_double_up_to_the_longest(world: &World) {
    let subject = subject(&world.user("42").await);
    world.fail(&subject).await;
    for minutes in [1, 2, 4, 6, 6, 6] {
        world.fail(&subject).await;
        about(wait(world, &subject).await, minutes * MINUTE);
    }
}

pub(crate) async fn an_attempt_after_the_wait_is_granted(world: &World) {
    let subject = subject(&world.user("42").await);
    world.fail(&subject).await;
    world.fail(&subject).await;
    let left = wait(world, &subject).await;
    world.advance(left / 2).await;
    assert!(wait(world, &subject).await <= left / 2);
    world.advance(left - left / 2).await;
    let outcome = world.take(&ask(&subject, limits())).await;
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 2 });
}

pub(crate) async fn a_request_without_waits_does_not_wait(world: &World) {
    let subject = subject(&world.user("42").await);
    for _ in 0..5 {
        world.fail(&subject).await;
    }
    wait(world, &subject).await;
    world.permit(&subject, AttemptLimits::default()).await;
}

pub(crate) async fn a_right_answer_ends_the_waits(world: &World) {
    let subject = subject(&world.user("42").await);
    for _ in 0..5 {
        world.fail(&subject).await;
    }
    world.attempt(&subject, Verification::Right).await;
    world.permit(&subject, limits()).await;
}

pub(crate) async fn an_attempt_that_waits_counts_nothing(world: &World) {
    let subject = subject(&world.user("42").await);
    world.fail(&subject).await;
    world.fail(&subject).await;
    let before = world.snapshot().await;
    for _ in 0..5 {
        wait(world, &subject).await;
    }
    world.unchanged(&before).await;
    assert_eq!(world.fail(&subject).await, 3);
}

pub(crate) async fn guesses_go_one_at_a_time_where_waits_apply(world: &World) {
    let subject = subject(&world.user("42").await);
    world.fail(&subject).await;
    let open = world.permit(&subject, limits()).await;
    // If the open one fails there is a wait, and a second guess must not skip it.
    let outcome = world.take(&ask(&subject, limits())).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    world.settle(&subject, open, WRONG).await;
    about(wait(world, &subject).await, MINUTE);
}

pub(crate) async fn a_lease_that_ran_out_is_waited_for(world: &World) {
    let subject = subject(&world.user("42").await);
    world.fail(&subject).await;
    let mut long = limits();
    long.lease = 10 * MINUTE;
    world.permit(&subject, long).await;
    // The wait of one minute begins at the end of the lease, of which half a minute is gone.
    world.advance(10 * MINUTE + MINUTE / 2).await;
    assert!(wait(world, &subject).await <= MINUTE / 2);
    assert_eq!(world.load_failures(&subject).await, 2);
}

pub(crate) async fn a_clock_set_back_does_not_shorten_a_wait(world: &World) {
    let subject = subject(&world.user("42").await);
    for _ in 0..3 {
        world.fail(&subject).await;
    }
    world.fixture.set_back(DAY).await;
    let left = wait(world, &subject).await;
    assert!(
        left >= 2 * MINUTE,
        "{left:?} is no less than the whole wait"
    );
    assert!(
        left <= 6 * MINUTE,
        "{left:?} is no more than the longest wait"
    );
    world.fixture.advance(DAY + 2 * MINUTE).await;
    world.permit(&subject, limits()).await;
}

pub(crate) async fn a_clock_set_forward_ends_a_wait(world: &World) {
    let subject = subject(&world.user("42").await);
    for _ in 0..5 {
        world.fail(&subject).await;
    }
    world.advance(3_650 * DAY).await;
    world.permit(&subject, limits()).await;
    assert_eq!(world.load_failures(&subject).await, 5);
}
