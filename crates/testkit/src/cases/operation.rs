//! `UserStore::operation`.

use std::time::Duration;

use chrono::TimeDelta;
use portcullis_core::store::{
    AttemptLimits, CommitOutcome, CreateOutcome, Method, OperationRecord, UpgradeOutcome,
    UserState, Verification, Version,
};

use crate::{
    build::{
        WRONG, issue, key, lockout, new_user, op, redeem, remove_hash, set_hash, set_state,
        subject, upgrade,
    },
    world::{World, answered},
};

pub(crate) async fn an_applied_mutation_is_found_with_method_and_details(world: &World) {
    let key = key("acme", "42");
    let expires = world.now().await + TimeDelta::hours(1);
    let user = new_user(&key);
    let mut applied = vec![(user.operation, Method::Create, world.create(&user).await)];
    for (change, method) in [
        (set_hash(&key, Version(1), 2), Method::SetPassword),
        (issue(&key, Version(2), 7, expires), Method::IssueCode),
        (remove_hash(&key, Version(3)), Method::RemovePassword),
        (
            set_state(&key, Version(4), UserState::Locked),
            Method::ChangeState,
        ),
        (set_hash(&key, Version(5), 3), Method::SetPassword),
    ] {
        world.advance(Duration::from_secs(1)).await;
        applied.push((change.operation, method, world.commit(&change).await));
    }
    let rehash = upgrade(&key, 3, 4);
    let details = world.upgraded(&rehash).await;
    applied.push((rehash.operation, Method::UpgradeHash, details));
    for (id, method, details) in applied {
        let found = world.operation(&key, id).await;
        assert_eq!(found, Some(OperationRecord::new(method, details)));
    }
}

pub(crate) async fn a_settled_attempt_is_found(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let locking = Verification::Wrong { lock_at: Some(1) };
    for verification in [WRONG, Verification::Right, locking] {
        let permit = world.permit(&subject, AttemptLimits::default()).await;
        assert!(
            world.operation(&key, permit).await.is_none(),
            "it is only open"
        );
        world.settle(&subject, permit, verification).await;
        let found = world.operation(&key, permit).await.expect("it is settled");
        let record = world.load(&key).await;
        assert_eq!(found.method, Method::Attempt);
        assert_eq!(found.details.sequence, record.sequence);
        assert_eq!(found.details.change_date, Some(record.changed));
    }
}

pub(crate) async fn the_details_stay_the_first(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    let details = world.commit(&change).await;
    world.advance(Duration::from_secs(3_600)).await;
    world.commit(&remove_hash(&key, Version(2))).await;
    world
        .commit(&set_state(&key, Version(3), UserState::Removed))
        .await;
    let found = world.operation(&key, change.operation).await;
    assert_eq!(found.map(|done| done.details), Some(details));
}

pub(crate) async fn a_refused_mutation_is_absent(world: &World) {
    let key = world.user("42").await;
    let user = new_user(&key);
    world.not_created(&user, CreateOutcome::Exists).await;
    let stale = set_hash(&key, Version(9), 2);
    world.refused(&stale, CommitOutcome::Conflict).await;
    let code = redeem(&key, Version(1), 7, 2);
    world.refused(&code, CommitOutcome::CodeRejected).await;
    let rehash = upgrade(&key, 5, 6);
    world
        .not_upgraded(&rehash, UpgradeOutcome::Superseded)
        .await;
    for id in [
        user.operation,
        stale.operation,
        code.operation,
        rehash.operation,
    ] {
        assert!(world.operation(&key, id).await.is_none());
    }
}

pub(crate) async fn a_refused_attempt_is_absent(world: &World) {
    let key = world.user("42").await;
    let request = crate::build::ask(&subject(&key), lockout(0));
    world.take(&request).await;
    world.settle(&subject(&key), request.permit, WRONG).await;
    assert!(world.operation(&key, request.permit).await.is_none());
}

pub(crate) async fn one_that_never_came_is_absent(world: &World) {
    let key = world.user("42").await;
    assert!(world.operation(&key, op()).await.is_none());
    for bytes in [[0; 16], [0xff; 16]] {
        let id = portcullis_core::OperationId::from_bytes(bytes);
        assert!(world.operation(&key, id).await.is_none());
    }
}

pub(crate) async fn every_bit_of_an_operation_id_counts(world: &World) {
    let key = key("acme", "42");
    let mut user = new_user(&key);
    // Zero bytes, a NUL at the end and the top bit, which a text or a signed number would lose.
    let bytes = *b"\x80\0'\\\xff\xfe\r\n%_{}*$\0\0";
    user.operation = portcullis_core::OperationId::from_bytes(bytes);
    world.create(&user).await;
    assert!(world.operation(&key, user.operation).await.is_some());
    assert_eq!(world.history(&key).await[0].operation, user.operation);
    for bit in 0..128 {
        let mut other = bytes;
        other[bit / 8] ^= 1 << (bit % 8);
        let id = portcullis_core::OperationId::from_bytes(other);
        assert!(world.operation(&key, id).await.is_none());
    }
}

pub(crate) async fn another_users_is_absent(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let namesake = crate::build::key("umbrella", "42");
    world.create(&new_user(&namesake)).await;
    let change = set_hash(&key, Version(1), 2);
    world.commit(&change).await;
    for other in [neighbour, namesake, crate::build::key("acme", "nobody")] {
        assert!(world.operation(&other, change.operation).await.is_none());
    }
}

pub(crate) async fn another_handle_finds_it(world: &World) {
    let key = world.user("42").await;
    let other = world.fixture.reopen().await;
    let change = set_hash(&key, Version(1), 2);
    assert!(answered(other.operation(&key, change.operation).await).is_none());
    let details = world.commit(&change).await;
    let found = answered(other.operation(&key, change.operation).await);
    assert_eq!(found.map(|done| done.details), Some(details));
}
