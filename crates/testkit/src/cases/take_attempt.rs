//! `UserStore::take_attempt`: permits and their leases.

use std::time::Duration;

use portcullis_core::store::{
    AttemptLimits, AttemptOutcome, AttemptRequest, EventKind, UserState, Verification, Version,
};

use crate::{
    build::{
        WRONG, ask, key, lockout, new_user, set_hash, set_state, settled, sham, subject, upgrade,
    },
    world::World,
};

/// Longer than the lease of any permit here.
const LONG: Duration = Duration::from_secs(3_600);

pub(crate) async fn permits_are_granted_below_the_limit(world: &World) {
    let subject = subject(&world.user("42").await);
    for _ in 0..3 {
        let outcome = world.take(&ask(&subject, lockout(3))).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    }
    let outcome = world.take(&ask(&subject, lockout(3))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
}

pub(crate) async fn settled_failures_at_the_limit_stop(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    for failures in 0..3 {
        let request = ask(&subject, lockout(3));
        let outcome = world.take(&request).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures });
        world.settle(&subject, request.permit, WRONG).await;
    }
    for limit in [3, 2, 1] {
        let outcome = world.take(&ask(&subject, lockout(limit))).await;
        assert_eq!(outcome, AttemptOutcome::Stopped { failures: 3 });
    }
    assert_eq!(world.history(&key).await.len(), 4);
}

pub(crate) async fn failures_and_open_permits_count_together(world: &World) {
    let subject = subject(&world.user("42").await);
    world.fail(&subject).await;
    world.permit(&subject, lockout(3)).await;
    let last = world.permit(&subject, lockout(3)).await;
    let outcome = world.take(&ask(&subject, lockout(3))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    world.settle(&subject, last, Verification::Abandoned).await;
    world.permit(&subject, lockout(3)).await;
}

pub(crate) async fn the_limits_are_those_of_each_request(world: &World) {
    let subject = subject(&world.user("42").await);
    world.permit(&subject, lockout(1)).await;
    let outcome = world.take(&ask(&subject, lockout(1))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    world.permit(&subject, lockout(2)).await;
    world.permit(&subject, AttemptLimits::default()).await;
}

pub(crate) async fn a_limit_of_zero_grants_nothing(world: &World) {
    let subject = subject(&world.user("42").await);
    let mut none = AttemptLimits::default();
    none.hard_stop = 0;
    for limits in [lockout(0), none] {
        let outcome = world.take(&ask(&subject, limits)).await;
        assert_eq!(outcome, AttemptOutcome::Stopped { failures: 0 });
    }
}

pub(crate) async fn the_largest_limits_are_limits(world: &World) {
    let subject = subject(&world.user("42").await);
    let mut limits = lockout(u32::MAX);
    limits.hard_stop = u32::MAX;
    for _ in 0..3 {
        world.permit(&subject, limits).await;
    }
    let wrong = Verification::Wrong {
        lock_at: Some(u32::MAX),
    };
    let permit = world.permit(&subject, limits).await;
    assert_eq!(
        world.settle(&subject, permit, wrong).await,
        settled(1, false)
    );
}

pub(crate) async fn a_hundred_failures_stop_even_without_lockout(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    for failures in 1..=100 {
        assert_eq!(world.fail(&subject).await, failures);
    }
    for limits in [AttemptLimits::default(), lockout(1_000), lockout(u32::MAX)] {
        let outcome = world.take(&ask(&subject, limits)).await;
        assert_eq!(outcome, AttemptOutcome::Stopped { failures: 100 });
    }
    assert_eq!(world.history(&key).await.len(), 101);
    world.commit(&set_hash(&key, Version(1), 2)).await;
    world.permit(&subject, AttemptLimits::default()).await;
}

pub(crate) async fn the_same_operation_again_is_the_same_permit(world: &World) {
    let subject = subject(&world.user("42").await);
    let request = ask(&subject, lockout(2));
    for _ in 0..5 {
        let outcome = world.take(&request).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    }
    // It takes up one place of the two.
    let second = ask(&subject, lockout(2));
    let outcome = world.take(&second).await;
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    let outcome = world.take(&request).await;
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    assert_eq!(
        world.settle(&subject, request.permit, WRONG).await,
        settled(1, false)
    );
    assert_eq!(
        world.settle(&subject, second.permit, WRONG).await,
        settled(2, false)
    );
}

pub(crate) async fn a_settled_permit_is_spent(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    for verification in [WRONG, Verification::Right] {
        let request = ask(&subject, lockout(3));
        world.take(&request).await;
        world.settle(&subject, request.permit, verification).await;
        let before = world.snapshot().await;
        assert_eq!(world.take(&request).await, AttemptOutcome::Spent);
        world.unchanged(&before).await;
    }
}

pub(crate) async fn an_operation_of_another_method_is_reused(world: &World) {
    let key = key("acme", "42");
    let user = new_user(&key);
    world.create(&user).await;
    let change = set_hash(&key, Version(1), 2);
    world.commit(&change).await;
    let rehash = upgrade(&key, 2, 3);
    world.upgraded(&rehash).await;
    for used in [user.operation, change.operation, rehash.operation] {
        let request = AttemptRequest::new(subject(&key), used, lockout(3));
        assert_eq!(world.take(&request).await, AttemptOutcome::OperationReused);
    }
    world.permit(&subject(&key), lockout(1)).await;
}

pub(crate) async fn a_permit_that_another_user_spent_is_reused(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let request = ask(&subject(&key), lockout(3));
    world.take(&request).await;
    world.settle(&subject(&key), request.permit, WRONG).await;
    let other = AttemptRequest::new(subject(&neighbour), request.permit, lockout(1));
    assert_eq!(world.take(&other).await, AttemptOutcome::OperationReused);
    world.permit(&subject(&neighbour), lockout(1)).await;
}

pub(crate) async fn an_unknown_user_is_not_found(world: &World) {
    world.user("42").await;
    let before = world.snapshot().await;
    for (organisation, id) in [("acme", "43"), ("umbrella", "42"), ("42", "acme")] {
        let nobody = subject(&key(organisation, id));
        let outcome = world.take(&ask(&nobody, lockout(3))).await;
        assert_eq!(outcome, AttemptOutcome::NotFound);
    }
    world.unchanged(&before).await;
}

pub(crate) async fn taking_a_permit_appends_no_event(world: &World) {
    let key = world.user("42").await;
    let before = world.snapshot().await;
    world.permit(&subject(&key), lockout(1)).await;
    world.take(&ask(&subject(&key), lockout(1))).await;
    world.take(&ask(&subject(&key), lockout(0))).await;
    world.unchanged(&before).await;
}

pub(crate) async fn users_have_budgets_of_their_own(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let namesake = crate::build::key("umbrella", "42");
    world.create(&new_user(&namesake)).await;
    world.fail(&subject(&key)).await;
    world.permit(&subject(&key), lockout(2)).await;
    for other in [neighbour, namesake] {
        world.permit(&subject(&other), lockout(1)).await;
        assert_eq!(world.load(&other).await.failures, 0);
    }
}

pub(crate) async fn a_permit_counts_on_every_handle(world: &World) {
    let subject = subject(&world.user("42").await);
    let other = world.fixture.reopen().await;
    let permit = world.permit(&subject, lockout(1)).await;
    let request = ask(&subject, lockout(1));
    let outcome = crate::world::answered(other.take_attempt(&request).await);
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    let settlement = portcullis_core::store::Settlement::new(subject.clone(), permit, WRONG);
    let outcome = crate::world::answered(other.settle_attempt(&settlement).await);
    assert_eq!(outcome, settled(1, false));
    let outcome = world.take(&ask(&subject, lockout(1))).await;
    assert_eq!(outcome, AttemptOutcome::Stopped { failures: 1 });
}

pub(crate) async fn a_permit_whose_lease_ran_out_is_a_failure_with_its_event(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let permit = world.permit(&subject, lockout(3)).await;
    world.advance(LONG).await;
    let outcome = world.take(&ask(&subject, lockout(3))).await;
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 1 });
    let events = world.history(&key).await;
    assert_eq!(events.len(), 2);
    assert_eq!(events[1].kind, EventKind::CheckFailed);
    assert_eq!((events[1].operation, events[1].failures), (permit, 1));
    assert_eq!(events[1].version, Version(1));
}

pub(crate) async fn leases_that_ran_out_count_one_by_one(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(world.permit(&subject, lockout(3)).await);
        world.advance(Duration::from_secs(5)).await;
    }
    world.advance(LONG).await;
    let outcome = world.take(&ask(&subject, lockout(3))).await;
    assert_eq!(outcome, AttemptOutcome::Stopped { failures: 3 });
    let events = world.history(&key).await;
    let counted: Vec<_> = events[1..].iter().map(|event| event.failures).collect();
    assert_eq!(counted, [1, 2, 3]);
    let named: Vec<_> = events[1..].iter().map(|event| event.operation).collect();
    assert_eq!(named, permits, "the oldest lease ends first");
}

pub(crate) async fn a_lease_that_ran_out_counts_once(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let permit = world.permit(&subject, lockout(3)).await;
    world.advance(LONG).await;
    for _ in 0..3 {
        let request = ask(&subject, lockout(3));
        let outcome = world.take(&request).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 1 });
        world
            .settle(&subject, request.permit, Verification::Abandoned)
            .await;
        world.settle(&subject, permit, WRONG).await;
    }
    assert_eq!(world.history(&key).await.len(), 2);
}

pub(crate) async fn a_lease_lasts_as_long_as_the_request_said(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let mut limits = lockout(2);
    limits.lease = LONG;
    let long = world.permit(&subject, limits).await;
    world.permit(&subject, lockout(2)).await;
    // Past the short lease of half a minute, far from the end of the long one.
    world.advance(LONG / 2).await;
    let outcome = world.take(&ask(&subject, lockout(2))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
    assert_eq!(world.settle(&subject, long, WRONG).await, settled(2, false));
    assert_eq!(world.history(&key).await.len(), 3);
}

pub(crate) async fn busy_says_when_the_next_lease_ends(world: &World) {
    let subject = subject(&world.user("42").await);
    let mut limits = lockout(2);
    limits.lease = LONG;
    world.permit(&subject, limits).await;
    world.advance(LONG / 2).await;
    world.permit(&subject, limits).await;
    let AttemptOutcome::Busy { retry_in } = world.take(&ask(&subject, limits)).await else {
        panic!("no place is free");
    };
    assert!(
        retry_in <= LONG / 2,
        "the oldest lease has half an hour left"
    );
    assert!(retry_in > LONG / 4, "and not nothing");
    world.advance(retry_in).await;
    let outcome = world.take(&ask(&subject, limits)).await;
    assert!(
        matches!(outcome, AttemptOutcome::Busy { .. }),
        "it became a failure"
    );
    assert_eq!(world.load_failures(&subject).await, 1);
}

pub(crate) async fn leases_are_kept_to_the_microsecond(world: &World) {
    let mut limits = lockout(1);
    limits.lease = LONG + Duration::from_nanos(999);
    for owner in [subject(&world.user("42").await), sham("acme", 42)] {
        world.permit(&owner, limits).await;
        let AttemptOutcome::Busy { retry_in } = world.take(&ask(&owner, limits)).await else {
            panic!("no place is free");
        };
        assert_eq!(retry_in.subsec_nanos() % 1_000, 0);
        assert!(retry_in <= LONG);
    }
}

pub(crate) async fn a_removed_user_is_not_found(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let (open, spent) = (ask(&subject, lockout(3)), ask(&subject, lockout(3)));
    world.take(&open).await;
    world.take(&spent).await;
    world.settle(&subject, spent.permit, WRONG).await;
    world
        .commit(&set_state(&key, Version(1), UserState::Removed))
        .await;
    let before = world.snapshot().await;
    for _ in 0..2 {
        for request in [&open, &ask(&subject, lockout(3))] {
            assert_eq!(world.take(request).await, AttemptOutcome::NotFound);
        }
        // What an id has come to is told first, as by every other mutation.
        assert_eq!(world.take(&spent).await, AttemptOutcome::Spent);
        world.advance(LONG).await;
    }
    world.unchanged(&before).await;
    let events = world.history(&key).await;
    assert_eq!(
        events.last().map(|event| event.kind),
        Some(EventKind::Removed)
    );
}
