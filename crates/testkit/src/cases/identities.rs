//! `UserStore::create` over the id of a user that was removed.

use portcullis_core::{
    HashString, UserKey,
    store::{
        AttemptLimits, AttemptOutcome, AttemptRequest, Change, Code, CodeChange, CommitOutcome,
        CreateOutcome, CredentialChange, EventKind, Method, NewUser, SettleOutcome, StoredHash,
        UpgradeOutcome, UserKind, UserRecord, UserState, Verification, Version,
    },
};

use crate::{
    build::{
        WRONG, ask, hash, key, lockout, new_user, op, redeem, set_hash, set_state, settled,
        subject, upgrade,
    },
    race::{RACERS, race},
    world::{World, answered},
};

/// A user with everything that a user can have, who was removed in that state.
async fn removed(world: &World, id: &str) -> UserKey {
    let key = key("acme", id);
    let user = new_user(&key).with_hash(hash(1), true);
    world.create(&user).await;
    let expires = world.now().await + chrono::TimeDelta::hours(1);
    let code = CodeChange::Issue(Code::new([7; 32], expires));
    let event = EventKind::PasswordChanged;
    let change = Change::new(key.clone(), Method::SetPassword, op(), Version(1), event);
    let credential = CredentialChange::Replace {
        hash: hash(2),
        must_change: true,
    };
    let change = change.with_credential(credential).with_code(code);
    world.commit(&change).await;
    for _ in 0..3 {
        world.fail(&subject(&key)).await;
    }
    remove(world, &key).await;
    key
}

/// Removes a user, who may keep everything but the state.
async fn remove(world: &World, key: &UserKey) -> UserRecord {
    let version = world.load(key).await.version;
    let removal = set_state(key, version, UserState::Removed);
    world.commit(&removal).await;
    world.load(key).await
}

pub(crate) async fn a_removed_users_id_starts_a_new_identity(world: &World) {
    let key = removed(world, "42").await;
    let before = world.history(&key).await;
    let user = NewUser::new(key.clone(), "bob", UserKind::Machine, op());
    let user = user.with_state(UserState::Inactive);
    let details = world.create(&user).await;
    let record = world.load(&key).await;
    assert_eq!(
        (record.username.as_str(), record.kind, record.state),
        ("bob", UserKind::Machine, UserState::Inactive)
    );
    assert_eq!(
        (details.sequence, details.change_date),
        (record.sequence, Some(record.changed))
    );
    assert_eq!(record.created, record.changed);
    let after = world.history(&key).await;
    assert_eq!(after[..before.len()], before, "the old events stay");
    assert_eq!(after.len(), before.len() + 1);
    let first = after.last().expect("the event of the creation");
    assert_eq!(
        (first.kind, first.operation),
        (EventKind::MachineAdded, user.operation)
    );
    let done = world.operation(&key, user.operation).await;
    let done = done.map(|done| (done.method, done.details));
    assert_eq!(done, Some((Method::Create, details)));
}

pub(crate) async fn the_counters_go_on_after_those_of_the_removed_user(world: &World) {
    let key = removed(world, "42").await;
    let last = world.load(&key).await;
    let details = world.create(&new_user(&key)).await;
    let record = world.load(&key).await;
    assert_eq!(details.sequence, last.sequence + 1);
    assert_eq!(record.sequence, last.sequence + 1);
    assert_eq!(record.version, last.version.next());
    assert_eq!(record.epoch, last.epoch + 1);
}

pub(crate) async fn nothing_of_the_removed_user_stays(world: &World) {
    let key = removed(world, "42").await;
    let user = NewUser::new(key.clone(), "bob", UserKind::Human, op());
    world.create(&user).await;
    let record = world.load(&key).await;
    assert_eq!((record.state, record.failures), (UserState::Active, 0));
    assert!(matches!(record.credential.hash, StoredHash::Absent));
    assert!(!record.credential.must_change);
    assert_eq!((record.credential.changed, record.code), (None, None));
    let code = redeem(&key, record.version, 7, 3);
    world.refused(&code, CommitOutcome::CodeRejected).await;
    world.history(&key).await;
}

pub(crate) async fn a_new_identity_has_a_budget_of_its_own(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    world.fail(&subject).await;
    world.fail(&subject).await;
    let open = world.permit(&subject, lockout(3)).await;
    remove(world, &key).await;
    world.create(&new_user(&key)).await;
    for _ in 0..3 {
        world.permit(&subject, lockout(3)).await;
    }
    let fourth = world.take(&ask(&subject, lockout(3))).await;
    assert!(
        matches!(fourth, AttemptOutcome::Busy { .. }),
        "{fourth:?} and not more"
    );
    // What was left open does not become a failure of the new one, however late.
    world.advance(AttemptLimits::default().lease * 2).await;
    let stopped = world.take(&ask(&subject, lockout(3))).await;
    assert_eq!(stopped, AttemptOutcome::Stopped { failures: 3 });
    let events = world.history(&key).await;
    assert!(events.iter().all(|event| event.operation != open));
}

pub(crate) async fn permits_of_the_removed_user_have_ended(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let wrong = world.permit(&subject, AttemptLimits::default()).await;
    let right = world.permit(&subject, AttemptLimits::default()).await;
    remove(world, &key).await;
    world.create(&new_user(&key)).await;
    world.fail(&subject).await;
    let before = world.snapshot().await;
    let again = AttemptRequest::new(subject.clone(), wrong, AttemptLimits::default());
    assert_eq!(world.take(&again).await, AttemptOutcome::Spent);
    for (permit, verification) in [(wrong, WRONG), (right, Verification::Right)] {
        let outcome = world.settle(&subject, permit, verification).await;
        assert_eq!(outcome, SettleOutcome::Expired);
    }
    world.unchanged(&before).await;
}

pub(crate) async fn writes_against_the_removed_user_do_not_fit(world: &World) {
    let key = world.user("42").await;
    let tombstone = remove(world, &key).await;
    // The same password and hash as before: the version alone tells the two apart.
    world.create(&new_user(&key)).await;
    for version in 1..=tombstone.version.0 {
        let change = set_hash(&key, Version(version), 2);
        world.refused(&change, CommitOutcome::Conflict).await;
    }
    let other = NewUser::new(key.clone(), "bob", UserKind::Human, op());
    world.not_created(&other, CreateOutcome::Exists).await;
    remove(world, &key).await;
    let user = new_user(&key).with_hash(hash(3), false);
    world.create(&user).await;
    let stale = upgrade(&key, 1, 2);
    world.not_upgraded(&stale, UpgradeOutcome::Superseded).await;
}

pub(crate) async fn operations_of_the_removed_user_keep_their_answers(world: &World) {
    let key = world.user("42").await;
    let subject = subject(&key);
    let change = set_hash(&key, Version(1), 2);
    let committed = world.commit(&change).await;
    let permit = world.permit(&subject, AttemptLimits::default()).await;
    world.settle(&subject, permit, WRONG).await;
    remove(world, &key).await;
    world.create(&new_user(&key)).await;
    let replayed = CommitOutcome::Replayed(committed);
    world.refused(&change, replayed).await;
    let again = world.settle(&subject, permit, Verification::Right).await;
    assert_eq!(again, settled(1, false));
    let reused = NewUser::new(key.clone(), "bob", UserKind::Human, change.operation);
    world
        .not_created(&reused, CreateOutcome::OperationReused)
        .await;
}

pub(crate) async fn the_old_creation_is_repeated_and_not_made_again(world: &World) {
    let user = new_user(&key("acme", "42"));
    let first = world.create(&user).await;
    remove(world, &user.key).await;
    let replayed = CreateOutcome::Replayed(first);
    world.not_created(&user, replayed.clone()).await;
    let anew = new_user(&user.key);
    let second = world.create(&anew).await;
    world.not_created(&user, replayed).await;
    let replayed = CreateOutcome::Replayed(second);
    world.not_created(&anew, replayed).await;
}

pub(crate) async fn an_id_can_be_used_any_number_of_times(world: &World) {
    let key = world.user("42").await;
    for round in 1..=4 {
        let tombstone = remove(world, &key).await;
        let user = new_user(&key).with_hash(hash(10 + round), round % 2 == 0);
        world.create(&user).await;
        let record = world.load(&key).await;
        assert_eq!(record.epoch, tombstone.epoch + 1);
        assert_eq!(record.credential.must_change, round % 2 == 0);
        let stored = record.credential.hash.digest();
        let given = user.hash.as_ref().map(HashString::digest);
        assert_eq!(stored, given);
    }
    assert_eq!(world.history(&key).await.len(), 9);
}

pub(crate) async fn the_clock_set_back_moves_no_date_back(world: &World) {
    let key = world.user("42").await;
    let tombstone = remove(world, &key).await;
    let day = std::time::Duration::from_secs(86_400);
    world.fixture.set_back(day).await;
    let details = world.create(&new_user(&key)).await;
    assert_eq!(details.change_date, Some(tombstone.changed));
    let record = world.load(&key).await;
    assert_eq!(
        (record.created, record.credential.changed),
        (tombstone.changed, Some(tombstone.changed))
    );
    world.history(&key).await;
}

pub(crate) async fn of_n_racers_over_a_removed_user_one_wins(world: &World) {
    for round in 0..8 {
        let key = world.user(&round.to_string()).await;
        remove(world, &key).await;
        let outcomes = race(world, RACERS, |store, _| {
            let user = new_user(&key);
            async move { answered(store.create(&user).await) }
        });
        let outcomes = outcomes.await;
        let exists = outcomes.iter().filter(|one| **one == CreateOutcome::Exists);
        assert_eq!(exists.count(), RACERS - 1);
        assert_eq!(world.history(&key).await.len(), 3);
    }
}
