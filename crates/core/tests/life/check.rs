//! What a check answers.

use std::time::Duration;

use portcullis_core::{
    AgePolicy, Argon2Params, Argon2id, ErrorKind, Expiry, HashError, HashString, KeyId,
    PasswordHasher, PasswordService, Pepper, Permission, Policies, Refusal, SetPassword, UserStore,
    store::{EventKind, EventQuery, UserState},
};

use crate::world::{Counting, NEW, RIGHT, WRONG, World, key, proof, refusal, secret, user};

#[tokio::test]
async fn every_outcome_has_its_refusal() {
    let world = World::alice(Policies::default()).await;
    world.person("locked", UserState::Locked, true).await;
    world.person("inactive", UserState::Inactive, true).await;
    world.person("initial", UserState::Initial, true).await;
    world.person("unset", UserState::Active, false).await;
    world.person("damaged", UserState::Active, true).await;
    world
        .memory
        .damage_hash(&key("damaged"), "$argon2id$damaged");

    assert!(world.check("alice", RIGHT).await.is_ok());
    for (id, expected) in [
        ("alice", Refusal::WrongPassword { failures: 1 }),
        ("locked", Refusal::Locked { failures: 1 }),
        ("inactive", Refusal::UserInactive),
        ("initial", Refusal::UserNotInitialised),
        ("unset", Refusal::PasswordNotSet),
        ("damaged", Refusal::HashUnreadable),
        ("nobody", Refusal::UserNotFound),
    ] {
        assert_eq!(refusal(world.check(id, WRONG).await), expected);
        if id != "alice" && id != "nobody" {
            // Not even the right password: what cannot log in is not compared.
            assert_ne!(world.record(id).await.failures, 0);
            assert!(world.check(id, RIGHT).await.is_err(), "{id}");
        }
    }
}

#[tokio::test]
async fn the_proof_must_be_about_this_user_and_this_permission() {
    let world = World::alice(Policies::default()).await;
    let request = || portcullis_core::CheckPassword::new(user("alice"), secret(RIGHT));
    for proof in [
        proof(Permission::UserWrite, "alice"),
        proof(Permission::Authenticated, "alice"),
        proof(Permission::SessionWrite, "bob"),
    ] {
        let error = world.service.check_password(&proof, request()).await;
        assert_eq!(*error.unwrap_err().kind(), ErrorKind::Misuse);
    }
    assert!(world.store.take().is_empty());
}

#[tokio::test]
async fn ages_are_told_and_a_void_initial_password_is_refused() {
    let world = World::new(Policies::default().with_age(AgePolicy::new(90, 14)));
    world.person("alice", UserState::Active, false).await;
    let initial = SetPassword::new(user("alice"), secret(RIGHT));
    let admin = proof(Permission::UserWrite, "alice");
    world.service.set_password(&admin, initial).await.unwrap();
    let verified = world.check("alice", RIGHT).await.unwrap();
    assert!(verified.must_change && matches!(verified.expiry, Expiry::At(_)));

    world.clock.advance(Duration::from_secs(72 * 3_600));
    let void = world.check("alice", RIGHT).await;
    assert_eq!(refusal(void), Refusal::InitialPasswordVoid);
    assert_eq!(
        world.record("alice").await.failures,
        1,
        "it counts as a wrong one"
    );

    world.set("alice", NEW).await.unwrap();
    world.clock.advance(Duration::from_secs(80 * 86_400));
    let verified = world.check("alice", NEW).await.unwrap();
    assert!(!verified.must_change && matches!(verified.expiry, Expiry::Soon(_)));
    world.clock.advance(Duration::from_secs(10 * 86_400));
    assert_eq!(
        world.check("alice", NEW).await.unwrap().expiry,
        Expiry::Expired
    );
}

#[tokio::test]
async fn a_weak_hash_is_made_anew_and_that_is_no_change() {
    let world = World::with(Policies::default(), Counting::new(64), |builder, _| builder);
    world.person("alice", UserState::Active, false).await;
    let weak = crate::world::cheap(8).hash(&secret(RIGHT)).unwrap();
    world.memory.damage_hash(&key("alice"), weak.as_stored());
    let before = world.record("alice").await;

    let verified = world.check("alice", RIGHT).await.unwrap();
    assert!(verified.rehashed);
    let after = world.record("alice").await;
    assert_eq!((after.epoch, after.version), (before.epoch, before.version));
    assert!(!world.check("alice", RIGHT).await.unwrap().rehashed);
    let events = world
        .memory
        .events(&EventQuery::user(key("alice")))
        .await
        .unwrap();
    let updates = events
        .events
        .iter()
        .filter(|event| event.kind == EventKind::HashUpdated);
    assert_eq!(updates.count(), 1);
}

#[tokio::test]
async fn an_upgrade_that_fails_does_not_fail_the_login() {
    let world = World::with(Policies::default(), Counting::new(64), |builder, _| builder);
    world.person("alice", UserState::Active, false).await;
    let weak = crate::world::cheap(8).hash(&secret(RIGHT)).unwrap();
    world.memory.damage_hash(&key("alice"), weak.as_stored());
    let retry_after = Duration::from_secs(1);
    *world.hasher.upgrade_fault.lock().unwrap() = Some(HashError::Overloaded { retry_after });
    assert!(!world.check("alice", RIGHT).await.unwrap().rehashed);
    assert!(
        world.check("alice", RIGHT).await.unwrap().rehashed,
        "the next login tries again"
    );

    let faults = &world.hasher.faults;
    faults
        .lock()
        .unwrap()
        .push_back(HashError::Overloaded { retry_after });
    let overloaded = world.check("alice", RIGHT).await.unwrap_err();
    assert_eq!(*overloaded.kind(), ErrorKind::Overloaded { retry_after });
    assert_eq!(
        world.record("alice").await.failures,
        0,
        "nothing was compared"
    );
}

#[tokio::test]
async fn peppers_rotate_and_a_missing_one_is_never_a_wrong_password() {
    let pepper = |id: &[u8]| Pepper::new(KeyId::new(id).unwrap(), vec![id[0]; 32]).unwrap();
    let hasher = || Argon2id::new(Argon2Params::new(8, 1, 1).unwrap());
    let old = hasher().with_pepper(pepper(b"a"), None);
    let hash = old.hash(&secret(RIGHT)).unwrap();
    assert!(hash.as_stored().contains(",keyid=YQ$"));
    assert!(
        old.verify(
            &secret(RIGHT),
            &HashString::parse(hash.as_stored()).unwrap()
        )
        .unwrap()
    );

    let both = Counting::over(hasher().with_pepper(pepper(b"b"), Some(pepper(b"a"))));
    let world = World::with(Policies::default(), both, |builder, _| builder);
    world.person("alice", UserState::Active, false).await;
    world.memory.damage_hash(&key("alice"), hash.as_stored());
    assert!(refusal(world.check("alice", WRONG).await) == Refusal::WrongPassword { failures: 1 });
    assert!(world.check("alice", RIGHT).await.unwrap().rehashed);
    assert!(!world.check("alice", RIGHT).await.unwrap().rehashed);

    let dropped = Counting::over(hasher().with_pepper(pepper(b"c"), Some(pepper(b"b"))));
    let world = World::with(crate::world::lockout(1), dropped, |builder, _| builder);
    world.person("alice", UserState::Active, false).await;
    world.memory.damage_hash(&key("alice"), hash.as_stored());
    for password in [RIGHT, WRONG] {
        let error = world.check("alice", password).await.unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::Hashing);
    }
    assert_eq!(world.record("alice").await.failures, 0);
}
