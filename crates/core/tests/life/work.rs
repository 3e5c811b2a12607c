//! Every refusal costs the same, in hashes and in calls of the store.

use std::time::Duration;

use portcullis_core::{
    AnswerMode, Caller, ErrorStatus, HashString, OrgId, PasswordHasher, PasswordService,
    Permission, Policies, RequestReset, UserStore, danger,
    store::{NewUser, UserKind, UserState},
};

use crate::world::{Counting, NEW, RIGHT, WRONG, World, cheap, key, secret, user};

const CLASSES: [&str; 8] = [
    "wrong", "nobody", "machine", "unset", "inactive", "locked", "damaged", "initial",
];

/// One user for each class, in a store with three suites.
async fn classes() -> World {
    let costly: HashString = cheap(512).hash(&secret(RIGHT)).unwrap();
    let world = World::with(Policies::default(), Counting::new(64), |builder, _| {
        builder.with_suites([costly.parameters()])
    });
    for (id, state, password) in [
        ("wrong", UserState::Active, true),
        ("unset", UserState::Active, false),
        ("inactive", UserState::Inactive, true),
        ("locked", UserState::Locked, true),
        ("initial", UserState::Initial, false),
        ("damaged", UserState::Active, true),
        ("weak", UserState::Active, true),
        ("strong", UserState::Active, true),
    ] {
        world.person(id, state, password).await;
    }
    let id = portcullis_core::OperationId::from_bytes([9; 16]);
    let machine = NewUser::new(key("machine"), "machine", UserKind::Machine, id);
    world.memory.create(&machine).await.unwrap();
    world
        .memory
        .damage_hash(&key("damaged"), "$argon2id$damaged");
    let weak = cheap(8).hash(&secret(RIGHT)).unwrap();
    world.memory.damage_hash(&key("weak"), weak.as_stored());
    world.memory.damage_hash(&key("strong"), costly.as_stored());
    world
}

#[tokio::test]
async fn a_refused_check_costs_the_same_for_everybody() {
    let world = classes().await;
    for id in CLASSES.into_iter().chain(["weak", "strong"]) {
        world.hasher.take();
        world.store.take();
        world.check(id, WRONG).await.unwrap_err();
        let (hashes, _, work) = world.hasher.take();
        assert_eq!((hashes, work), (0, 512), "{id}");
        assert_eq!(world.store.take(), ["load", "take", "settle"], "{id}");
    }
}

#[tokio::test]
async fn a_refused_change_costs_the_same_for_everybody() {
    let world = classes().await;
    for id in CLASSES {
        world.hasher.take();
        world.store.take();
        world.change(id, WRONG, NEW).await.unwrap_err();
        assert_eq!(world.hasher.take().2, 512, "{id}");
        assert_eq!(world.store.take(), ["load", "take", "settle"], "{id}");
    }
}

#[tokio::test]
async fn a_refused_code_costs_the_same_for_everybody() {
    let world = classes().await;
    world.code("wrong").await;
    for id in CLASSES {
        world.hasher.take();
        world.store.take();
        world.redeem(id, "K7MPQ2RSTA", NEW).await.unwrap_err();
        assert_eq!(world.hasher.take().2, 0, "{id}");
        assert_eq!(world.store.take(), ["load", "take", "settle"], "{id}");
    }
}

#[tokio::test]
async fn a_costlier_hash_that_is_met_raises_the_cost_of_all() {
    let world = World::alice(Policies::default()).await;
    let costly = cheap(256).hash(&secret(RIGHT)).unwrap();
    world.check("nobody", WRONG).await.unwrap_err();
    assert_eq!(world.hasher.take().2, 8);
    world.memory.damage_hash(&key("alice"), costly.as_stored());
    world.check("alice", WRONG).await.unwrap_err();
    world.hasher.take();
    world.check("nobody", WRONG).await.unwrap_err();
    assert_eq!(world.hasher.take().2, 256);
}

#[tokio::test]
async fn uniform_answers_are_the_same_for_everybody() {
    let world = classes().await;
    world.code("wrong").await;
    let expected = serde_json::json!({
        "code": "InvalidArgument",
        "message": "Password is invalid (COMMAND-3M0fs)",
        "details": [{"Error": {"id": "COMMAND-3M0fs", "message": "Password is invalid"}}],
    });
    for id in CLASSES {
        let failures = [
            world.check(id, WRONG).await.map(drop).unwrap_err(),
            world.change(id, WRONG, NEW).await.map(drop).unwrap_err(),
        ];
        world.clock.advance(Duration::from_millis(1));
        for error in failures.into_iter().chain([world
            .redeem(id, "K7MPQ2RSTA", NEW)
            .await
            .map(drop)
            .unwrap_err()])
        {
            let status = ErrorStatus::of(&error, AnswerMode::Uniform);
            assert_eq!(serde_json::to_value(status).unwrap(), expected, "{id}");
        }
    }
}

#[tokio::test]
async fn a_uniform_reset_is_answered_as_for_somebody() {
    let world = World::with(Policies::default(), Counting::new(8), |builder, _| {
        builder.with_answers(AnswerMode::Uniform)
    });
    world.person("alice", UserState::Active, true).await;
    world.person("initial", UserState::Initial, false).await;
    let mut answers = Vec::new();
    for id in ["alice", "initial", "nobody"] {
        let admin = Caller::new(user("1"), None);
        let proof = danger::assume(
            admin,
            OrgId::new("acme").unwrap(),
            Permission::UserWrite,
            id,
        );
        let request = RequestReset::new(user(id)).with_return_code(true);
        world.store.take();
        let answer = world.service.request_reset(&proof, request).await.unwrap();
        assert_eq!(world.store.take(), ["load", "commit"], "{id}");
        assert_eq!(answer.code.unwrap().expose().len(), 10);
        answers.push(answer.details);
    }
    assert!(answers.iter().all(|details| *details == answers[0]));
    assert_eq!(
        world.record("initial").await.sequence,
        1,
        "nothing was written"
    );
}
