//! The budget of guesses, and that nothing stretches it.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    CheckPassword, Engine, EngineBuilder, ErrorKind, LockoutPolicy, MemoryStore, PasswordHasher,
    PasswordService, Permission, Policies, PolicyStore, Refusal, StaticPolicies, UserStore,
    store::{Subject, UserState},
};
use proptest::prelude::{ProptestConfig, Strategy, prop_assert, proptest};

use crate::world::{NEW, Passing, RIGHT, WRONG, World, lockout, proof, refusal, secret, user};

async fn flood(
    world: World,
    id: &'static str,
    password: &'static str,
    racers: usize,
) -> (World, usize) {
    let world = Arc::new(world);
    let tasks: Vec<_> = (0..racers)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.check(id, password).await.is_ok() })
        })
        .collect();
    let mut right = 0;
    for task in tasks {
        right += usize::from(task.await.unwrap());
    }
    (Arc::into_inner(world).unwrap(), right)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_wrong_guesses_cost_no_more_hashes_than_the_limit() {
    for id in ["alice", "nobody"] {
        let world = World::alice(lockout(5)).await;
        let (world, right) = flood(world, id, WRONG, 1_000).await;
        let (hashes, compares, _) = world.hasher.take();
        assert_eq!((right, hashes, compares), (0, 0, 5), "{id}");
        assert!(world.check(id, RIGHT).await.is_err(), "{id}");
        assert_eq!(world.hasher.take().1, 0, "the right one comes too late");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_holds_over_all_doors() {
    let world = Arc::new(World::alice(lockout(5)).await);
    let tasks: Vec<_> = (0..600)
        .map(|number| {
            let world = Arc::clone(&world);
            tokio::spawn(async move {
                match number % 3 {
                    0 => drop(world.check("alice", WRONG).await),
                    1 => drop(world.change("alice", WRONG, NEW).await),
                    _ => drop(world.redeem("alice", "K7MPQ2RSTA", NEW).await),
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let (hashes, compares, _) = world.hasher.take();
    assert_eq!((hashes, compares), (0, 5));
    assert_eq!(world.record("alice").await.state, UserState::Locked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_right_logins_at_once_lock_nobody_out() {
    let world = World::alice(lockout(5)).await;
    let (world, right) = flood(world, "alice", RIGHT, 100).await;
    assert_eq!(right, 100);
    let record = world.record("alice").await;
    assert_eq!((record.failures, record.state), (0, UserState::Active));
}

/// Two servers on one store, by two services that are given the key of the sham counters.
#[tokio::test]
async fn several_servers_have_one_budget() {
    several_servers(|builder, _| builder.with_sham_key([7; 32])).await;
}

/// The same without being given any: they find it where they keep everything else.
#[tokio::test]
async fn several_servers_agree_on_a_key() {
    several_servers(|builder, store| builder.with_documents(Arc::new(store.clone()))).await;
}

async fn several_servers(shared: fn(EngineBuilder, &MemoryStore) -> EngineBuilder) {
    let world = World::new(lockout(5));
    world.person("alice", UserState::Active, true).await;
    let server = || {
        let builder = Engine::builder(Arc::clone(&world.store) as Arc<dyn UserStore>)
            .with_policies(Arc::new(StaticPolicies::new(lockout(5))))
            .with_hasher(Arc::clone(&world.hasher) as Arc<dyn PasswordHasher>)
            .with_timer(Arc::new(crate::world::Still));
        shared(builder, &world.memory).build().unwrap()
    };
    for id in ["alice", "nobody"] {
        world.hasher.take();
        // As many as are killed and started again.
        for _ in 0..10 {
            let guess = || CheckPassword::new(user(id), secret(WRONG));
            let proof = proof(Permission::SessionWrite, id);
            let service = server();
            service.check_password(&proof, guess()).await.unwrap_err();
            service.check_password(&proof, guess()).await.unwrap_err();
        }
        assert_eq!(world.hasher.take().1, 5, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_few_wrong_among_many_right_lock_nobody_out() {
    let world = Arc::new(World::alice(lockout(5)).await);
    let tasks: Vec<_> = (0..100)
        .map(|number| {
            let world = Arc::clone(&world);
            let password = if number % 25 == 0 { WRONG } else { RIGHT };
            tokio::spawn(async move { world.check("alice", password).await.is_ok() })
        })
        .collect();
    let mut right = 0;
    for task in tasks {
        right += usize::from(task.await.unwrap());
    }
    assert_eq!(right, 96);
    assert_eq!(world.record("alice").await.state, UserState::Active);
}

#[tokio::test]
async fn a_wrong_answer_locks_and_only_an_administrator_unlocks() {
    let world = World::alice(lockout(3)).await;
    let version = world.record("alice").await.version;
    for failures in 1..=3 {
        let answer = refusal(world.check("alice", WRONG).await);
        assert_eq!(answer, Refusal::WrongPassword { failures });
    }
    let record = world.record("alice").await;
    assert_eq!((record.state, record.version), (UserState::Locked, version));
    assert_eq!(
        refusal(world.check("alice", RIGHT).await),
        Refusal::Locked { failures: 3 }
    );

    world.set("alice", NEW).await.unwrap();
    let record = world.record("alice").await;
    assert_eq!((record.state, record.failures), (UserState::Locked, 0));
    // Permitted again, but a locked user is not compared.
    assert_eq!(
        refusal(world.check("alice", NEW).await),
        Refusal::Locked { failures: 1 }
    );
}

#[tokio::test]
async fn zero_does_not_switch_off_the_hard_stop() {
    for id in ["alice", "nobody"] {
        let world = World::alice(lockout(0)).await;
        for _ in 0..100 {
            world.check(id, WRONG).await.unwrap_err();
        }
        world.hasher.take();
        world.check(id, RIGHT).await.unwrap_err();
        assert_eq!(world.hasher.take().1, 0);
    }
}

#[tokio::test]
async fn waits_grow_alike_for_users_and_for_nobody() {
    let policy = LockoutPolicy::default().with_waits(2, 10, 900);
    for id in ["alice", "nobody"] {
        let world = World::alice(Policies::default().with_lockout(policy)).await;
        for wait in [0, 0, 10, 20, 40] {
            if wait > 0 {
                let error = world.check(id, RIGHT).await.unwrap_err();
                let retry_after = Duration::from_secs(wait);
                assert_eq!(*error.kind(), ErrorKind::TooManyAttempts { retry_after });
                world.clock.advance(retry_after);
            }
            assert!(matches!(
                world.check(id, WRONG).await.unwrap_err().kind(),
                ErrorKind::Refused(_)
            ));
        }
    }
}

#[tokio::test]
async fn an_attempt_waits_five_seconds_for_permits_that_never_end() {
    let world = World::with(
        lockout(1),
        crate::world::Counting::new(8),
        |builder, clock| builder.with_timer(Arc::new(Passing(Arc::clone(clock)))),
    );
    world.person("alice", UserState::Active, true).await;
    let limits = LockoutPolicy::new(1).limits();
    let permit = portcullis_core::OperationId::from_bytes([1; 16]);
    let request = portcullis_core::store::AttemptRequest::new(
        Subject::User(crate::world::key("alice")),
        permit,
        limits,
    );
    world.memory.take_attempt(&request).await.unwrap();
    let error = world.check("alice", RIGHT).await.unwrap_err();
    let ErrorKind::TooManyAttempts { retry_after } = error.kind() else {
        panic!("{error:?}");
    };
    assert!(*retry_after <= Duration::from_secs(25) && *retry_after > Duration::from_secs(24));
    // The lease ends as a failure, and a failure alone does not lock.
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(
        refusal(world.check("alice", RIGHT).await),
        Refusal::Locked { failures: 1 }
    );
    assert_eq!(world.record("alice").await.state, UserState::Active);
}

#[tokio::test]
async fn whoever_hangs_up_has_used_the_attempt() {
    let world = World::alice(lockout(5)).await;
    for _ in 0..20 {
        let check = world.check("alice", WRONG);
        tokio::pin!(check);
        // One poll takes the permit and hands the work to the pool.
        std::future::poll_fn(|context| {
            let _ = check.as_mut().poll(context);
            std::task::Poll::Ready(())
        })
        .await;
    }
    assert!(world.hasher.take().1 <= 5);
    world.clock.advance(Duration::from_secs(30));
    assert_eq!(
        refusal(world.check("alice", RIGHT).await),
        Refusal::Locked { failures: 5 }
    );
}

fn extreme() -> impl Strategy<Value = u64> {
    proptest::sample::select(vec![
        0,
        1,
        (1 << 31) - 1,
        1 << 31,
        (1 << 31) + 1,
        (1 << 63) - 1,
        u64::MAX,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn extreme_limits_never_panic_and_never_unlock_early(
        attempts in extreme(), after in extreme(), first in extreme(), max in extreme(),
        days in extreme(), hours in extreme(), ttl in extreme(), guesses in extreme(),
    ) {
        let policies = Policies::default()
            .with_lockout(LockoutPolicy::new(attempts).with_waits(after, first, max))
            .with_age(
                portcullis_core::AgePolicy::new(days, days)
                    .with_min_hours(hours)
                    .with_initial_max_hours(hours),
            )
            .with_reset_code(portcullis_core::ResetCodePolicy::new(ttl, guesses));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let world = World::alice(policies).await;
            let _ = world.check("alice", WRONG).await;
            let early = world.check("alice", RIGHT).await;
            if attempts == 1 || (after == 1 && first > 0 && max > 0) {
                prop_assert!(early.is_err());
            }
            let code = world.code("alice").await;
            let done = world.redeem("alice", &code, NEW).await;
            prop_assert!(done.is_ok() == (ttl > 0 && guesses > 0));
            let _ = world.change("alice", NEW, RIGHT).await;
            Ok(())
        })?;
        let policy = StaticPolicies::new(policies);
        let lockout = runtime.block_on(policy.lockout(crate::world::key("alice").organisation()));
        prop_assert!(lockout.unwrap().limits().limit() <= 100);
    }
}
