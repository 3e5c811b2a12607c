//! `UserStore::take_attempt`: numbers and times at the ends of what can be asked for.

use std::time::Duration;

use portcullis_core::store::{AttemptLimits, AttemptOutcome, Verification, WaitSchedule};

use crate::{
    build::{WRONG, ask, lockout, settled, subject},
    world::World,
};

/// Where counters of 32 bits change their sign or end.
const COUNTS: [u32; 6] = [0, 1, (1 << 31) - 1, 1 << 31, (1 << 31) + 1, u32::MAX];
/// The same of seconds, which have 64 bits.
const SECONDS: [u64; 7] = [
    0,
    1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 31) + 1,
    (1 << 63) - 1,
    u64::MAX,
];
const YEAR: Duration = Duration::from_secs(365 * 86_400);

pub(crate) async fn limits_of_any_size_are_limits(world: &World) {
    for (index, limit) in COUNTS.into_iter().enumerate() {
        let key = world.user(&index.to_string()).await;
        let subject = subject(&key);
        let mut limits = lockout(limit);
        limits.hard_stop = u32::MAX;
        let first = ask(&subject, limits);
        if limit == 0 {
            let outcome = world.take(&first).await;
            assert_eq!(outcome, AttemptOutcome::Stopped { failures: 0 });
            continue;
        }
        let outcome = world.take(&first).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
        let wrong = Verification::Wrong {
            lock_at: Some(limit),
        };
        let outcome = world.settle(&subject, first.permit, wrong).await;
        assert_eq!(outcome, settled(1, limit == 1), "{limit}");
        let outcome = world.take(&ask(&subject, limits)).await;
        let expected = match limit {
            1 => AttemptOutcome::Stopped { failures: 1 },
            _ => AttemptOutcome::Permitted { failures: 1 },
        };
        assert_eq!(outcome, expected, "{limit}");
        world.history(&key).await;
    }
}

pub(crate) async fn leases_of_any_length_are_kept(world: &World) {
    let mut open = Vec::new();
    for (index, seconds) in SECONDS.into_iter().enumerate() {
        let subject = subject(&world.user(&index.to_string()).await);
        let mut limits = AttemptLimits::default();
        limits.lease = Duration::from_secs(seconds);
        open.push((world.permit(&subject, limits).await, subject, seconds));
    }
    world.advance(10 * YEAR).await;
    for (permit, subject, seconds) in open {
        let outcome = world
            .settle(&subject, permit, Verification::Abandoned)
            .await;
        let is_open = outcome == settled(0, false);
        assert_eq!(is_open, seconds > 1, "{seconds} seconds: {outcome:?}");
    }
}

pub(crate) async fn waits_of_any_length_are_waited_for(world: &World) {
    let mut waiting = Vec::new();
    for (index, seconds) in SECONDS.into_iter().enumerate() {
        let subject = subject(&world.user(&index.to_string()).await);
        let wait = Duration::from_secs(seconds);
        let schedule = WaitSchedule::new(1, wait, wait);
        let limits = AttemptLimits::default().with_waits(schedule);
        let permit = world.permit(&subject, limits).await;
        assert_eq!(
            world.settle(&subject, permit, WRONG).await,
            settled(1, false)
        );
        waiting.push((subject, limits, seconds));
    }
    for passed in [Duration::ZERO, 10 * YEAR] {
        world.advance(passed).await;
        for (subject, limits, seconds) in &waiting {
            let outcome = world.take(&ask(subject, *limits)).await;
            match outcome {
                AttemptOutcome::Wait { retry_in } => {
                    let long = YEAR.as_secs() * 50 < retry_in.as_secs();
                    assert!(long || (*seconds == 1 && passed.is_zero()), "{retry_in:?}");
                }
                AttemptOutcome::Busy { .. } | AttemptOutcome::Permitted { .. } => {
                    assert!(*seconds < 2, "{seconds} seconds have not passed");
                }
                other => panic!("{seconds} seconds: {other:?}"),
            }
        }
    }
}

pub(crate) async fn waits_that_begin_at_any_count_begin_there(world: &World) {
    for (index, after) in COUNTS.into_iter().enumerate() {
        let subject = subject(&world.user(&index.to_string()).await);
        let schedule = WaitSchedule::new(after, YEAR, YEAR);
        let limits = AttemptLimits::default().with_waits(schedule);
        let permit = world.permit(&subject, limits).await;
        world.settle(&subject, permit, WRONG).await;
        let outcome = world.take(&ask(&subject, limits)).await;
        let waits = matches!(outcome, AttemptOutcome::Wait { .. });
        assert_eq!(waits, after < 2, "{after}: {outcome:?}");
    }
}
