//! Changes by a code.

use std::{collections::HashSet, sync::Arc, time::Duration};

use chrono::TimeDelta;
use portcullis_core::{
    Clock, Engine, ErrorKind, ManualClock, MemoryStore, Operation, OperationId, PasswordService,
    Permission, Policies, Refusal, RequestReset, ResetCodePolicy, ResetRefusal, SystemClock,
    UserStore,
    store::{EventKind, EventQuery, NewUser, UserKind, UserState},
};

use crate::world::{Counting, NEW, RIGHT, WRONG, World, cheap, key, lockout, proof, refusal, user};

#[tokio::test]
async fn a_code_works_once_even_where_the_user_is_locked_out() {
    let world = World::alice(lockout(2)).await;
    world.check("alice", WRONG).await.unwrap_err();
    world.check("alice", WRONG).await.unwrap_err();
    let code = world.code("alice").await;
    world.redeem("alice", &code, NEW).await.unwrap();
    let record = world.record("alice").await;
    assert_eq!((record.failures, record.state), (0, UserState::Locked));
    assert_eq!(
        refusal(world.redeem("alice", &code, RIGHT).await),
        Refusal::CodeInvalid
    );
}

#[tokio::test]
async fn a_refused_new_password_leaves_the_code_alive() {
    let world = World::alice(Policies::default()).await;
    let code = world.code("alice").await;
    let weak = world.redeem("alice", &code, "weak").await.unwrap_err();
    assert!(matches!(weak.kind(), ErrorKind::PolicyViolated(_)));
    world.redeem("alice", &code, NEW).await.unwrap();
    assert!(world.check("alice", NEW).await.is_ok());
}

#[tokio::test]
async fn only_the_newest_code_of_this_user_in_this_epoch_and_in_time_is_right() {
    let world = World::alice(Policies::default()).await;
    world.person("bob", UserState::Active, true).await;
    let old = world.code("alice").await;
    let new = world.code("alice").await;
    let bobs = world.code("bob").await;
    let mut wrong = vec![
        old,
        bobs,
        new.to_lowercase(),
        new[..9].to_owned(),
        format!("{new}A"),
    ];
    wrong.retain(|code| *code != new);
    for code in wrong.iter().take(4) {
        assert_eq!(
            refusal(world.redeem("alice", code, NEW).await),
            Refusal::CodeInvalid
        );
    }
    world.clock.advance(Duration::from_secs(3_599));
    world.redeem("alice", &new, NEW).await.unwrap();

    let late = world.code("alice").await;
    world.clock.advance(Duration::from_secs(3_600));
    assert_eq!(
        refusal(world.redeem("alice", &late, RIGHT).await),
        Refusal::CodeInvalid
    );
    let stale = world.code("alice").await;
    world.set("alice", RIGHT).await.unwrap();
    assert_eq!(
        refusal(world.redeem("alice", &stale, NEW).await),
        Refusal::CodeInvalid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_guesses_void_the_code() {
    let policies = Policies::default().with_reset_code(ResetCodePolicy::new(3_600, 5));
    let world = Arc::new(World::alice(policies).await);
    let code = world.code("alice").await;
    let tasks: Vec<_> = (0..1_000)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.redeem("alice", "K7MPQ2RSTA", NEW).await.is_ok() })
        })
        .collect();
    for task in tasks {
        assert!(!task.await.unwrap());
    }
    let record = world.record("alice").await;
    assert_eq!(record.code.unwrap().guesses, 5);
    assert_eq!(
        record.failures, 5,
        "where there is nothing to guess, nothing counts"
    );
    assert_eq!(
        refusal(world.redeem("alice", &code, NEW).await),
        Refusal::CodeInvalid
    );
    assert_eq!(world.hasher.take(), (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_hundred_racers_on_one_code_one_wins() {
    let world = Arc::new(World::alice(lockout(5)).await);
    let code = world.code("alice").await;
    let tasks: Vec<_> = (0..200)
        .map(|number| {
            let (world, code) = (Arc::clone(&world), code.clone());
            tokio::spawn(async move {
                let new = format!("Secret-new-{number}");
                world
                    .redeem("alice", &code, &new)
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
    assert!(
        world.check("alice", &winners[0]).await.is_ok(),
        "the losers did no harm"
    );
    let events = world
        .memory
        .events(&EventQuery::user(key("alice")))
        .await
        .unwrap();
    let changes = events
        .events
        .iter()
        .filter(|event| event.kind == EventKind::PasswordChanged);
    assert_eq!(changes.count(), 1);
}

#[tokio::test]
async fn whoever_reads_the_outbox_can_make_the_code_again() {
    let shared = |world: &World| Arc::clone(&world.service);
    let world = World::with(Policies::default(), Counting::new(8), |builder, _| {
        builder.with_code_key([3; 32])
    });
    world.person("alice", UserState::Active, true).await;
    let admin = proof(Permission::UserWrite, "alice");
    let request = RequestReset::new(user("alice"));
    let answer = world.service.request_reset(&admin, request).await.unwrap();
    assert!(answer.code.is_none());
    let outbox = world.memory.events(&EventQuery::outbox()).await.unwrap();
    let event = outbox.events.last().unwrap();
    assert_eq!(event.kind, EventKind::CodeAdded);
    let service = shared(&world);
    let code = service
        .reset_code(&admin, event.key.user(), event.operation)
        .await
        .unwrap();
    world.redeem("alice", code.expose(), NEW).await.unwrap();
    let gone = service
        .reset_code(&admin, event.key.user(), event.operation)
        .await;
    assert_eq!(refusal(gone), Refusal::CodeInvalid);
}

#[tokio::test]
async fn repeated_requests_return_the_same_code_and_others_another() {
    let world = World::alice(Policies::default()).await;
    let admin = proof(Permission::UserWrite, "alice");
    let request = || {
        RequestReset::new(user("alice"))
            .with_return_code(true)
            .with_operation(Operation::Given(OperationId::from_bytes([5; 16])))
    };
    let first = world
        .service
        .request_reset(&admin, request())
        .await
        .unwrap();
    let again = world
        .service
        .request_reset(&admin, request())
        .await
        .unwrap();
    assert_eq!(first.code.unwrap().expose(), again.code.unwrap().expose());
    let mut codes = HashSet::new();
    for _ in 0..1_000 {
        assert!(codes.insert(world.code("alice").await));
    }
    let letters: HashSet<char> = codes.iter().flat_map(|code| code.chars()).collect();
    assert_eq!(letters.len(), 32);
    assert!(!letters.contains(&'O') && !letters.contains(&'1'));
}

#[tokio::test]
async fn who_has_nothing_to_reset_gets_no_code() {
    let world = World::new(Policies::default());
    world.person("initial", UserState::Initial, false).await;
    for (id, expected) in [
        ("nobody", ResetRefusal::UserNotFound),
        ("initial", ResetRefusal::UserNotInitialised),
    ] {
        let request = RequestReset::new(user(id));
        let admin = proof(Permission::UserWrite, id);
        let error = world
            .service
            .request_reset(&admin, request)
            .await
            .unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ResetRefused(expected));
    }
}

#[tokio::test]
async fn a_deactivated_user_cannot_reset() {
    let world = World::new(Policies::default());
    world.person("inactive", UserState::Inactive, true).await;
    let code = world.code("inactive").await;
    assert_eq!(
        refusal(world.redeem("inactive", &code, NEW).await),
        Refusal::UserInactive
    );
}

#[tokio::test]
async fn nothing_prints_a_secret() {
    let pepper = portcullis_core::KeyId::new(b"a").unwrap();
    let pepper = portcullis_core::Pepper::new(pepper, b"canary-canary-canary".to_vec()).unwrap();
    let code = portcullis_core::ResetCode::new("canary".to_owned()).unwrap();
    let evidence = portcullis_core::Evidence::Code(code);
    let password = crate::world::secret("canary-1A");
    let change = portcullis_core::ChangePassword::new(user("alice"), evidence, password);
    let key = *b"canary-canary-canary-canary-cana";
    let world = World::with(Policies::default(), Counting::new(8), |builder, _| {
        builder.with_code_key(key).with_sham_key(key)
    });
    world.person("alice", UserState::Active, true).await;
    let request = RequestReset::new(user("alice")).with_return_code(true);
    let admin = proof(Permission::UserWrite, "alice");
    let answer = world.service.request_reset(&admin, request).await.unwrap();
    let text = format!("{pepper:?} {change:?} {:?} {answer:?}", world.service);
    assert!(!text.contains("canary") && !text.contains(&format!("{:?}", &key[..3])));
    assert!(!text.contains(answer.code.unwrap().expose()));
}

/// The store has one clock for all servers; what this one thinks makes no code live longer.
#[tokio::test]
async fn a_servers_clock_makes_no_code_live_longer_or_shorter() {
    for years in [-1_i32, 10] {
        let store = Arc::new(ManualClock::at(SystemClock::new().now()));
        let memory = MemoryStore::with_clock(store.clone());
        let off = store.now() + TimeDelta::days(i64::from(years) * 365);
        let world = World::with(Policies::default(), Counting::new(8), |_, _| {
            Engine::builder(Arc::new(memory.clone()))
                .with_hasher(Arc::new(cheap(8)))
                .with_clock(Arc::new(ManualClock::at(off)))
        });
        let alice = NewUser::new(
            key("alice"),
            "alice",
            UserKind::Human,
            OperationId::from_bytes([1; 16]),
        );
        memory.create(&alice).await.unwrap();
        let code = world.code("alice").await;
        store.advance(Duration::from_secs(3_599));
        world.redeem("alice", &code, NEW).await.unwrap();
        let code = world.code("alice").await;
        store.advance(Duration::from_secs(3_600));
        let late = world.redeem("alice", &code, RIGHT).await;
        assert_eq!(refusal(late), Refusal::CodeInvalid, "{years} years");
    }
}
