//! Administrators' changes of a user's state, initial passwords and read-outs.

use portcullis_core::{
    Caller, ChangeState, ErrorKind, IssueInitialPassword, Operation, OperationId, OrgId,
    PasswordService, Permission, Policies, Refusal, StateChange, StateRefusal, danger,
    store::UserState,
};

use crate::world::{RIGHT, WRONG, World, lockout, proof, refusal, user};

async fn change(world: &World, id: &str, change: StateChange) -> Result<u64, StateRefusal> {
    let permission = match change {
        StateChange::Remove => Permission::UserDelete,
        _ => Permission::UserWrite,
    };
    let request = ChangeState::new(user(id), change);
    match world
        .service
        .change_state(&proof(permission, id), request)
        .await
    {
        Ok(details) => Ok(details.sequence),
        Err(error) => match error.kind() {
            ErrorKind::StateRefused(refusal) => Err(*refusal),
            other => panic!("{other:?}"),
        },
    }
}

#[tokio::test]
async fn states_change_as_zitadel_allows() {
    use StateChange::{Deactivate, Lock, Reactivate, Remove, Unlock};
    let world = World::alice(lockout(2)).await;
    assert_eq!(
        change(&world, "alice", Unlock).await,
        Err(StateRefusal::NotLocked)
    );
    assert_eq!(
        change(&world, "alice", Reactivate).await,
        Err(StateRefusal::NotInactive)
    );
    change(&world, "alice", Lock).await.unwrap();
    assert_eq!(
        change(&world, "alice", Lock).await,
        Err(StateRefusal::NotActive)
    );
    assert_eq!(
        refusal(world.check("alice", RIGHT).await),
        Refusal::Locked { failures: 1 }
    );
    change(&world, "alice", Unlock).await.unwrap();
    assert_eq!(world.record("alice").await.failures, 0);
    assert!(world.check("alice", RIGHT).await.is_ok());
    change(&world, "alice", Deactivate).await.unwrap();
    assert_eq!(
        change(&world, "alice", Deactivate).await,
        Err(StateRefusal::AlreadyInactive)
    );
    assert_eq!(
        refusal(world.check("alice", RIGHT).await),
        Refusal::UserInactive
    );
    change(&world, "alice", Reactivate).await.unwrap();

    world.code("alice").await;
    change(&world, "alice", Remove).await.unwrap();
    let record = world.record("alice").await;
    assert!(record.credential.hash.digest().is_none() && record.code.is_none());
    assert_eq!(
        refusal(world.check("alice", RIGHT).await),
        Refusal::UserNotFound
    );
    assert_eq!(
        change(&world, "alice", Remove).await,
        Err(StateRefusal::UserNotFound)
    );
    assert_eq!(
        change(&world, "nobody", Lock).await,
        Err(StateRefusal::UserNotFound)
    );
}

#[tokio::test]
async fn a_removal_needs_its_own_permission() {
    let world = World::alice(Policies::default()).await;
    let request = ChangeState::new(user("alice"), StateChange::Remove);
    let writer = proof(Permission::UserWrite, "alice");
    let error = world
        .service
        .change_state(&writer, request)
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Misuse);
    assert_eq!(world.record("alice").await.state, UserState::Active);
}

#[tokio::test]
async fn an_initial_password_meets_the_policy_and_must_be_changed() {
    let world = World::alice(Policies::default()).await;
    let admin = proof(Permission::UserWrite, "alice");
    let operation = Operation::Given(OperationId::from_bytes([1; 16]));
    let request = || IssueInitialPassword::new(user("alice")).with_operation(operation);
    let issued = world
        .service
        .issue_initial_password(&admin, request())
        .await
        .unwrap();
    let password = issued.password.unwrap();
    let text = std::str::from_utf8(password.expose()).unwrap();
    assert_eq!(text.len(), 16);
    assert!(world.check("alice", text).await.unwrap().must_change);
    let again = world
        .service
        .issue_initial_password(&admin, request())
        .await
        .unwrap();
    assert!(again.password.is_none() && again.details == issued.details);
    world.check("alice", WRONG).await.unwrap_err();
}

#[tokio::test]
async fn policies_are_read_by_those_who_may() {
    let world = World::new(lockout(7));
    let reader = proof(Permission::PolicyRead, "");
    assert_eq!(
        world
            .service
            .lockout_policy(&reader)
            .await
            .unwrap()
            .max_attempts,
        7
    );
    assert_eq!(
        world
            .service
            .age_policy(&reader)
            .await
            .unwrap()
            .initial_max_hours,
        72
    );
    let acme = OrgId::new("acme").unwrap();
    let own = |home| {
        let caller = Caller::new(user("alice"), home);
        danger::assume(caller, acme.clone(), Permission::Authenticated, "")
    };
    let complexity = world
        .service
        .complexity_policy(&own(Some(acme.clone())))
        .await;
    assert_eq!(complexity.unwrap().min_length, 8);
    let error = world
        .service
        .complexity_policy(&own(None))
        .await
        .unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::PermissionDenied);
    let writer = proof(Permission::UserWrite, "");
    let error = world.service.age_policy(&writer).await.unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::Misuse);
}
