//! Attempts on ids that do not exist.

use std::time::Duration;

use portcullis_core::store::{AttemptLimits, AttemptOutcome, Subject, Verification, WaitSchedule};

use crate::{
    build::{WRONG, ask, lockout, settled, sham, subject},
    world::World,
};

async fn stopped(world: &World, subject: &Subject) -> bool {
    let outcome = world.take(&ask(subject, lockout(1))).await;
    matches!(outcome, AttemptOutcome::Stopped { .. })
}

pub(crate) async fn shams_count_like_users(world: &World) {
    let user = subject(&world.user("42").await);
    for subject in [user, sham("acme", 7)] {
        assert_eq!(world.fail(&subject).await, 1);
        let open = world.permit(&subject, lockout(3)).await;
        let last = world.permit(&subject, lockout(3)).await;
        let outcome = world.take(&ask(&subject, lockout(3))).await;
        assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
        assert_eq!(world.settle(&subject, open, WRONG).await, settled(2, false));
        assert_eq!(world.settle(&subject, last, WRONG).await, settled(3, false));
        let outcome = world.take(&ask(&subject, lockout(3))).await;
        assert_eq!(outcome, AttemptOutcome::Stopped { failures: 3 });
        world.attempt(&subject, Verification::Right).await;
        world.permit(&subject, lockout(1)).await;
    }
}

pub(crate) async fn shams_write_no_events(world: &World) {
    let before = world.snapshot().await;
    let sham = sham("acme", 7);
    for verification in [WRONG, Verification::Right, Verification::Abandoned] {
        world.attempt(&sham, verification).await;
    }
    world.permit(&sham, lockout(3)).await;
    world.advance(Duration::from_secs(3_600)).await;
    assert_eq!(world.fail(&sham).await, 2);
    world.unchanged(&before).await;
    assert!(before.events.is_empty());
}

pub(crate) async fn every_slot_has_a_budget_of_its_own(world: &World) {
    world.fail(&sham("acme", 7)).await;
    assert!(stopped(world, &sham("acme", 7)).await);
    for slot in [0, 6, 8, 70, 0x0700, u16::MAX] {
        assert!(!stopped(world, &sham("acme", slot)).await);
    }
}

pub(crate) async fn every_organisation_has_slots_of_its_own(world: &World) {
    world.fail(&sham("acme", 7)).await;
    for organisation in ["umbrella", "acme7", "ACME", "acme:7", "acm", "acme "] {
        assert!(!stopped(world, &sham(organisation, 7)).await);
    }
    assert!(stopped(world, &sham("acme", 7)).await);
}

pub(crate) async fn shams_are_apart_from_users(world: &World) {
    // Whatever id a store derives for a sham, a user's budget is another.
    for id in ["7", "sham", "sham:7", "sham-7", "0007"] {
        world.user(id).await;
    }
    world.fail(&sham("acme", 7)).await;
    for id in ["7", "sham", "sham:7", "sham-7", "0007"] {
        let key = crate::build::key("acme", id);
        assert_eq!(world.load(&key).await.failures, 0);
        assert!(!stopped(world, &subject(&key)).await);
    }
}

pub(crate) async fn the_same_operation_again_is_the_same_permit(world: &World) {
    let sham = sham("acme", 7);
    let request = ask(&sham, lockout(2));
    for _ in 0..3 {
        let outcome = world.take(&request).await;
        assert_eq!(outcome, AttemptOutcome::Permitted { failures: 0 });
    }
    world.permit(&sham, lockout(2)).await;
    let outcome = world.take(&ask(&sham, lockout(2))).await;
    assert!(matches!(outcome, AttemptOutcome::Busy { .. }));
}

pub(crate) async fn a_settled_permit_counts_once(world: &World) {
    let sham = sham("acme", 7);
    let permit = world.permit(&sham, AttemptLimits::default()).await;
    assert_eq!(world.settle(&sham, permit, WRONG).await, settled(1, false));
    for verification in [WRONG, Verification::Right, Verification::Abandoned] {
        world.settle(&sham, permit, verification).await;
    }
    assert_eq!(world.fail(&sham).await, 2);
}

pub(crate) async fn a_lease_that_ran_out_is_a_failure(world: &World) {
    let sham = sham("acme", 7);
    world.permit(&sham, lockout(2)).await;
    world.advance(Duration::from_secs(3_600)).await;
    let outcome = world.take(&ask(&sham, lockout(2))).await;
    assert_eq!(outcome, AttemptOutcome::Permitted { failures: 1 });
}

pub(crate) async fn shams_wait_like_users(world: &World) {
    let minute = Duration::from_secs(60);
    let limits = AttemptLimits::default().with_waits(WaitSchedule::new(1, minute, minute));
    let user = subject(&world.user("42").await);
    for subject in [user, sham("acme", 7)] {
        world.fail(&subject).await;
        let outcome = world.take(&ask(&subject, limits)).await;
        assert!(matches!(outcome, AttemptOutcome::Wait { .. }));
        world.advance(minute).await;
        world.permit(&subject, limits).await;
    }
}

pub(crate) async fn no_sham_is_ever_locked(world: &World) {
    let wrong = Verification::Wrong { lock_at: Some(1) };
    for failures in 1..=3 {
        let outcome = world.attempt(&sham("acme", 7), wrong).await;
        assert_eq!(outcome, settled(failures, false));
    }
}
