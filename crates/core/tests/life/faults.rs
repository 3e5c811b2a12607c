//! The k-th call of the store fails, for every k, on every path.

use portcullis_core::{Error, ErrorKind, Policies, StoreErrorKind, UserStore, store::UserState};
use portcullis_testkit::{Fault, FaultyStore};

use crate::world::{Counting, NEW, RIGHT, WRONG, World};

#[derive(Debug, Clone, Copy, PartialEq)]
enum Path {
    CheckRight,
    CheckWrong,
    Change,
    Redeem,
    RedeemWrong,
}

async fn walk(world: &World, path: Path, code: &str) -> Result<(), Error> {
    match path {
        Path::CheckRight => world.check("alice", RIGHT).await.map(drop),
        Path::CheckWrong => world.check("alice", WRONG).await.map(drop),
        Path::Change => world.change("alice", RIGHT, NEW).await.map(drop),
        Path::Redeem => world.redeem("alice", code, NEW).await.map(drop),
        Path::RedeemWrong => world.redeem("alice", "K7MPQ2RSTA", NEW).await.map(drop),
    }
}

#[tokio::test]
async fn a_hash_means_a_failure_or_a_success_and_nothing_is_half_written() {
    for path in [
        Path::CheckRight,
        Path::CheckWrong,
        Path::Change,
        Path::Redeem,
        Path::RedeemWrong,
    ] {
        for fault in [
            Fault::Before(StoreErrorKind::Unavailable),
            Fault::After(StoreErrorKind::OutcomeUnknown),
        ] {
            for call in 0.. {
                if !fail_at(path, fault, call).await {
                    assert!(call >= 3, "{path:?} makes at least three calls");
                    break;
                }
            }
        }
    }
}

/// Whether the fault was met.
async fn fail_at(path: Path, fault: Fault, call: u64) -> bool {
    let mut faulty = None;
    let world = World::over(
        Policies::default(),
        Counting::new(8),
        |builder, _| builder,
        |inner| {
            let store = FaultyStore::new(inner);
            faulty = Some(store.clone());
            std::sync::Arc::new(store)
        },
    );
    let faulty = faulty.unwrap();
    world.person("alice", UserState::Active, true).await;
    let code = world.code("alice").await;
    let before = world.record("alice").await;
    world.hasher.take();
    faulty.fail_after(call, fault);
    let result = walk(&world, path, &code).await;
    if faulty.planned() > 0 {
        return false;
    }
    let place = format!("{path:?}, {fault:?}, call {call}");
    if let Err(error) = &result {
        // A store that fails is never a wrong password.
        let refused = matches!(error.kind(), ErrorKind::Refused(_));
        assert!(!refused, "{place}: {error:?}");
    }
    let (_, compares, _) = world.hasher.take();
    // What was left open has become a failure.
    world.clock.advance(std::time::Duration::from_secs(31));
    let attempt = portcullis_core::store::AttemptRequest::new(
        portcullis_core::store::Subject::User(crate::world::key("alice")),
        portcullis_core::OperationId::from_bytes([8; 16]),
        portcullis_core::store::AttemptLimits::default(),
    );
    world.memory.take_attempt(&attempt).await.unwrap();
    let after = world.record("alice").await;
    let changed = after.epoch != before.epoch;
    if compares > 0 && result.is_err() && !changed {
        let right = after.sequence > before.sequence && path != Path::CheckWrong;
        assert!(after.failures > before.failures || right, "{place}");
    }
    if result.is_ok() && matches!(path, Path::Change | Path::Redeem) {
        assert!(changed, "{place}");
    }
    assert_eq!(after.code.is_none(), changed, "{place}");
    world.clock.advance(std::time::Duration::from_secs(31));
    let password = if changed { NEW } else { RIGHT };
    assert!(world.check("alice", password).await.is_ok(), "{place}");
    true
}
