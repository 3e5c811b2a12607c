//! Changes by the current password.

use std::time::Duration;

use portcullis_core::{
    AgePolicy, Caller, ChangePassword, ErrorKind, Evidence, Operation, OperationId, OrgId,
    PasswordService, Permission, Policies, Refusal, danger, store::UserState,
};

use crate::world::{NEW, RIGHT, WRONG, World, proof, refusal, secret, user};

#[tokio::test]
async fn a_change_moves_the_epoch_once_and_clears_must_change() {
    let world = World::alice(Policies::default()).await;
    let before = world.record("alice").await;
    world.check("alice", WRONG).await.unwrap_err();
    world.change("alice", RIGHT, NEW).await.unwrap();
    let after = world.record("alice").await;
    assert_eq!(after.epoch, before.epoch + 1);
    assert_eq!((after.failures, after.credential.must_change), (0, false));
    assert!(world.check("alice", RIGHT).await.is_err());
    assert!(world.check("alice", NEW).await.is_ok());

    let evidence = Evidence::Password(secret(NEW));
    let request =
        ChangePassword::new(user("alice"), evidence, secret(RIGHT)).with_must_change(true);
    let admin = proof(Permission::UserWrite, "alice");
    world
        .service
        .change_password(&admin, request)
        .await
        .unwrap();
    assert!(world.record("alice").await.credential.must_change);
}

#[tokio::test]
async fn what_needs_no_user_is_refused_before_one_is_read() {
    let world = World::alice(Policies::default()).await;
    for id in ["alice", "nobody"] {
        let same = world.change(id, RIGHT, RIGHT).await.unwrap_err();
        assert_eq!(*same.kind(), ErrorKind::PasswordUnchanged);
        let weak = world.change(id, RIGHT, "weak").await.unwrap_err();
        assert!(matches!(weak.kind(), ErrorKind::PolicyViolated(_)));
    }
    assert!(world.store.take().is_empty() && world.hasher.take() == (0, 0, 0));
}

#[tokio::test]
async fn users_change_their_own_password_and_nobody_elses() {
    let world = World::alice(Policies::default()).await;
    world.person("bob", UserState::Active, true).await;
    let acme = || OrgId::new("acme").unwrap();
    let attempt = async |caller: &str, home: Option<OrgId>, target: &str| {
        let caller = Caller::new(user(caller), home);
        let proof = danger::assume(caller, acme(), Permission::Authenticated, target);
        let evidence = Evidence::Password(secret(RIGHT));
        let request = ChangePassword::new(user(target), evidence, secret(NEW));
        world.service.change_password(&proof, request).await
    };
    for (caller, home, target) in [
        ("bob", Some(acme()), "alice"),
        ("alice", None, "alice"),
        ("alice", Some(OrgId::new("other").unwrap()), "alice"),
    ] {
        let error = attempt(caller, home, target).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::PermissionDenied);
    }
    attempt("alice", Some(acme()), "alice").await.unwrap();
}

#[tokio::test]
async fn a_young_password_stays_unless_it_must_be_changed() {
    let age = AgePolicy::default().with_min_hours(24);
    let world = World::alice(Policies::default().with_age(age)).await;
    world.set("alice", NEW).await.unwrap();
    let error = world.change("alice", NEW, RIGHT).await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::PasswordTooYoung { .. }));
    world.clock.advance(Duration::from_secs(24 * 3_600));
    world.change("alice", NEW, RIGHT).await.unwrap();
    world.set("alice", NEW).await.unwrap();
    let initial = portcullis_core::SetPassword::new(user("alice"), secret(RIGHT));
    let admin = proof(Permission::UserWrite, "alice");
    world.service.set_password(&admin, initial).await.unwrap();
    world.change("alice", RIGHT, NEW).await.unwrap();
}

#[tokio::test]
async fn the_same_operation_again_returns_the_first_result() {
    let world = World::alice(Policies::default()).await;
    let admin = proof(Permission::UserWrite, "alice");
    let request = || {
        let evidence = Evidence::Password(secret(RIGHT));
        ChangePassword::new(user("alice"), evidence, secret(NEW))
            .with_operation(Operation::Given(OperationId::from_bytes([7; 16])))
    };
    let first = world
        .service
        .change_password(&admin, request())
        .await
        .unwrap();
    let again = world
        .service
        .change_password(&admin, request())
        .await
        .unwrap();
    assert_eq!(first, again);
}

#[tokio::test]
async fn no_password_to_change_has_an_answer_of_its_own() {
    let world = World::new(Policies::default());
    world.person("unset", UserState::Active, false).await;
    let answer = refusal(world.change("unset", RIGHT, NEW).await);
    assert_eq!(answer, Refusal::PasswordNotSetToChange);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_changes_by_one_password_one_wins() {
    let world = std::sync::Arc::new(World::alice(Policies::default()).await);
    let tasks: Vec<_> = (0..20)
        .map(|number| {
            let world = std::sync::Arc::clone(&world);
            tokio::spawn(async move {
                let new = format!("Secret-new-{number}");
                world
                    .change("alice", RIGHT, &new)
                    .await
                    .is_ok()
                    .then_some(new)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        winners.extend(task.await.unwrap());
    }
    assert_eq!(winners.len(), 1);
    assert!(world.check("alice", &winners[0]).await.is_ok());
}
