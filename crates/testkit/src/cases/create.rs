//! `UserStore::create`.

use portcullis_core::{
    HashString, UserId,
    store::{
        CommitOutcome, CreateOutcome, EventKind, Method, NewUser, StoredHash, UserKind, UserState,
        Version,
    },
};

use crate::{
    build::{hash, issue, key, new_user, op, set_hash, set_hash_as, subject},
    world::{World, answered},
};

pub(crate) async fn a_new_user_has_version_one_sequence_one_and_one_event(world: &World) {
    let key = key("acme", "42");
    let before = world.now().await;
    let details = world.create(&new_user(&key)).await;
    let after = world.now().await;
    let record = world.load(&key).await;
    assert_eq!((record.version, record.sequence), (Version::FIRST, 1));
    assert_eq!((record.state, record.failures), (UserState::Active, 0));
    assert_eq!(details.sequence, 1);
    assert_eq!(details.change_date, Some(record.changed));
    assert_eq!(details.creation_date, None);
    assert_eq!(details.resource_owner, *key.organisation());
    assert!(before <= record.created && record.created <= after);
    assert_eq!(record.created, record.changed);
    let events = world.history(&key).await;
    assert_eq!(events[0].kind, EventKind::HumanAdded);
    assert_eq!(world.outbox().await, events);
}

pub(crate) async fn an_existing_user_is_never_touched(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + chrono::TimeDelta::hours(1);
    world.fail(&subject(&key)).await;
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    let other = NewUser::new(key.clone(), "mallory", UserKind::Machine, op())
        .with_state(UserState::Initial)
        .with_hash(hash(2), true);
    world.not_created(&other, CreateOutcome::Exists).await;
    world.history(&key).await;
}

pub(crate) async fn a_user_without_a_password_has_none(world: &World) {
    let key = key("acme", "42");
    let user = NewUser::new(key.clone(), "alice", UserKind::Human, op());
    world.create(&user).await;
    let record = world.load(&key).await;
    assert!(matches!(record.credential.hash, StoredHash::Absent));
    assert!(!record.credential.must_change);
    assert_eq!(record.credential.changed, None);
    assert!(record.code.is_none());
    assert_eq!(world.history(&key).await[0].hash, None);
}

pub(crate) async fn an_imported_hash_is_kept_to_the_byte(world: &World) {
    // 48 bytes of salt and 64 of tag: the longest string that the parser admits.
    let (salt, tag) = ("c2FsdHNhbHQ".repeat(6), "dGFndGFndGFn".repeat(7));
    let text = format!(
        "$argon2id$v=19$m=524288,t=10,p=16${}${}",
        &salt[..64],
        &tag[..84]
    );
    let key = key("acme", "42");
    let longest = HashString::parse(&text).expect("a canonical hash string");
    world.create(&new_user(&key).with_hash(longest, true)).await;
    let record = world.load(&key).await;
    let StoredHash::Readable(stored) = &record.credential.hash else {
        panic!("the hash is readable");
    };
    assert_eq!(stored.as_stored(), text);
    assert!(record.credential.must_change);
    assert_eq!(record.credential.changed, Some(record.created));
    world.history(&key).await;
}

pub(crate) async fn every_kind_and_state_is_kept(world: &World) {
    let states = [
        UserState::Active,
        UserState::Inactive,
        UserState::Initial,
        UserState::Locked,
        UserState::Removed,
    ];
    let kinds = [
        (UserKind::Human, EventKind::HumanAdded),
        (UserKind::Machine, EventKind::MachineAdded),
    ];
    for (kind, event) in kinds {
        for state in states {
            let key = key(kind.as_str(), state.as_str());
            let user = NewUser::new(key.clone(), "alice", kind, op()).with_state(state);
            world.create(&user).await;
            let record = world.load(&key).await;
            assert_eq!((record.kind, record.state), (kind, state));
            assert_eq!(world.history(&key).await[0].kind, event);
        }
    }
}

pub(crate) async fn the_first_event_names_its_operation_and_editor(world: &World) {
    let (anonymous, known) = (key("acme", "1"), key("acme", "2"));
    let editor = UserId::new("admin").expect("a valid id");
    let users = [
        new_user(&anonymous),
        new_user(&known).with_editor(editor.clone()),
    ];
    for user in &users {
        world.create(user).await;
        let event = &world.history(&user.key).await[0];
        assert_eq!(
            (event.operation, &event.editor),
            (user.operation, &user.editor)
        );
    }
    assert_eq!(users[1].editor, Some(editor));
}

pub(crate) async fn usernames_are_kept_whatever_they_are(world: &World) {
    let long = "ü".repeat(2_048);
    let names = [
        "",
        " ",
        "alice",
        "'; DROP TABLE users; --",
        "\r\n",
        "👩‍🚀",
        long.as_str(),
    ];
    for (index, name) in names.into_iter().enumerate() {
        let key = key("acme", &index.to_string());
        let user = NewUser::new(key.clone(), name, UserKind::Human, op());
        world.create(&user).await;
        assert_eq!(world.load(&key).await.username, name);
    }
}

pub(crate) async fn two_users_may_have_one_username(world: &World) {
    let (first, second) = (world.user("1").await, world.user("2").await);
    let names = [world.load(&first).await, world.load(&second).await].map(|user| user.username);
    assert_eq!(names[0], names[1]);
}

pub(crate) async fn one_user_id_in_two_organisations_is_two_users(world: &World) {
    let (here, there) = (key("acme", "42"), key("umbrella", "42"));
    world.create(&new_user(&here)).await;
    world
        .create(&new_user(&there).with_hash(hash(2), true))
        .await;
    let before = world.facts(&there).await;
    world.commit(&set_hash(&here, Version(1), 3)).await;
    assert_eq!(world.facts(&there).await, before);
    assert_eq!(world.history(&here).await.len(), 2);
    assert_eq!(world.history(&there).await.len(), 1);
}

pub(crate) async fn the_same_operation_again_returns_the_first_details(world: &World) {
    let user = new_user(&key("acme", "42"));
    let first = world.create(&user).await;
    let replayed = CreateOutcome::Replayed(first);
    world.not_created(&user, replayed.clone()).await;
    world.commit(&set_hash(&user.key, Version(1), 2)).await;
    world.not_created(&user, replayed.clone()).await;
    let other = NewUser::new(user.key, "mallory", UserKind::Machine, user.operation);
    world.not_created(&other, replayed).await;
}

pub(crate) async fn an_operation_of_another_user_is_reused(world: &World) {
    let user = new_user(&key("acme", "42"));
    world.create(&user).await;
    for (organisation, id) in [("acme", "43"), ("umbrella", "42")] {
        let key = key(organisation, id);
        let other = NewUser::new(key.clone(), "bob", UserKind::Human, user.operation);
        world
            .not_created(&other, CreateOutcome::OperationReused)
            .await;
        assert!(answered(world.store.load(&key).await).is_none());
    }
}

pub(crate) async fn an_operation_of_another_method_is_reused(world: &World) {
    let key = world.user("42").await;
    let change = set_hash(&key, Version(1), 2);
    world.commit(&change).await;
    let user = NewUser::new(key, "bob", UserKind::Human, change.operation);
    world
        .not_created(&user, CreateOutcome::OperationReused)
        .await;
}

pub(crate) async fn a_refused_user_leaves_the_operation_free(world: &World) {
    let taken = world.user("42").await;
    let user = new_user(&taken);
    world.not_created(&user, CreateOutcome::Exists).await;
    let change = set_hash_as(user.operation, &taken, Version(1), 2);
    let outcome = answered(world.store.commit(&change).await);
    assert!(matches!(outcome, CommitOutcome::Committed(_)));
    let found = world.operation(&taken, user.operation).await;
    assert_eq!(found.map(|done| done.method), Some(Method::SetPassword));
}
