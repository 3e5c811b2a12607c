//! `UserStore::load`.

use chrono::{SubsecRound, TimeDelta};
use portcullis_core::{
    HashDigest,
    store::{StoredHash, UserState, Version},
};

use crate::{
    build::{
        WRONG, hash, issue, key, new_user, remove_hash, set_hash, set_state, subject, upgrade,
    },
    history::{Facts, check_history},
    world::{World, answered},
};

/// Texts that a damaged or hostile database may hold instead of a hash string.
const DAMAGED: [&str; 9] = [
    "",
    " ",
    "plain text",
    "$argon2id$damaged",
    "$argon2id$v=19$m=4294967296,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW",
    "$argon2id$v=19$m=064,t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW",
    "$2y$10$abcdefghijklmnopqrstuv",
    "'; DELETE FROM users; --",
    "\u{202e}🔑\r\n",
];

pub(crate) async fn an_unknown_user_is_absent(world: &World) {
    assert!(answered(world.store.load(&key("acme", "42")).await).is_none());
    world.user("42").await;
    for id in ["4", "43", "420", "042"] {
        assert!(answered(world.store.load(&key("acme", id)).await).is_none());
    }
}

pub(crate) async fn a_user_of_another_organisation_is_absent(world: &World) {
    world.user("42").await;
    for (organisation, id) in [("umbrella", "42"), ("42", "acme"), ("acm", "e42")] {
        let other = key(organisation, id);
        assert!(answered(world.store.load(&other).await).is_none());
        let events = answered(
            world
                .store
                .events(&portcullis_core::store::EventQuery::user(other))
                .await,
        );
        assert!(events.events.is_empty());
    }
}

pub(crate) async fn an_acknowledged_user_is_seen_by_another_handle(world: &World) {
    let other = world.fixture.reopen().await;
    let key = world.user("42").await;
    let seen = answered(other.load(&key).await).expect("the user exists");
    assert_eq!(Facts::from(seen), world.facts(&key).await);
    let late = world.fixture.reopen().await;
    assert!(answered(late.load(&key).await).is_some());
}

pub(crate) async fn every_acknowledged_change_is_seen_by_another_handle(world: &World) {
    let other = world.fixture.reopen().await;
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    // The other handle reads in between, so that whatever it caches is old.
    check_history(&*other, &key).await;
    world.commit(&set_hash(&key, Version(1), 2)).await;
    assert_eq!(check_history(&*other, &key).await.len(), 2);
    world.commit(&issue(&key, Version(2), 7, expires)).await;
    assert_eq!(check_history(&*other, &key).await.len(), 3);
    world.fail(&subject(&key)).await;
    assert_eq!(check_history(&*other, &key).await.len(), 4);
    world.upgraded(&upgrade(&key, 2, 3)).await;
    assert_eq!(check_history(&*other, &key).await.len(), 5);
    let seen = answered(other.load(&key).await).map(Facts::from);
    assert_eq!(seen, Some(world.facts(&key).await));
}

pub(crate) async fn what_another_handle_wrote_is_seen(world: &World) {
    let other = world.fixture.reopen().await;
    let key = world.user("42").await;
    world.load(&key).await;
    answered(other.commit(&set_hash(&key, Version(1), 2)).await);
    let record = world.load(&key).await;
    assert_eq!(record.version, Version(2));
    assert_eq!(record.credential.hash.digest(), Some(hash(2).digest()));
    let stale = set_hash(&key, Version(1), 3);
    world
        .refused(&stale, portcullis_core::store::CommitOutcome::Conflict)
        .await;
}

pub(crate) async fn a_hash_that_does_not_parse_is_unreadable(world: &World) {
    let key = world.user("42").await;
    let too_long = "$".repeat(4_096);
    for text in DAMAGED.into_iter().chain([too_long.as_str()]) {
        world.fixture.damage_hash(&key, text).await;
        let record = world.load(&key).await;
        assert!(matches!(record.credential.hash, StoredHash::Unreadable(_)));
        let digest = record.credential.hash.digest();
        assert_eq!(digest, Some(HashDigest::of(text)), "the digest of {text:?}");
    }
}

pub(crate) async fn a_damaged_hash_leaves_the_rest_of_the_record(world: &World) {
    let (key, expires) = (key("acme", "42"), world.now().await + TimeDelta::hours(1));
    world.create(&new_user(&key).with_hash(hash(1), true)).await;
    world.commit(&issue(&key, Version(1), 7, expires)).await;
    world.fail(&subject(&key)).await;
    let before = world.load(&key).await;
    world.fixture.damage_hash(&key, "damaged").await;
    let after = world.load(&key).await;
    assert!(after.credential.must_change);
    assert_eq!(after.credential.changed, before.credential.changed);
    assert_eq!(after.code, before.code);
    assert_eq!(
        (after.version, after.sequence),
        (before.version, before.sequence)
    );
    assert_eq!(
        (after.epoch, after.failures),
        (before.epoch, before.failures)
    );
}

pub(crate) async fn an_unreadable_hash_is_replaced_by_a_new_one(world: &World) {
    for (index, text) in DAMAGED.into_iter().enumerate() {
        let key = world.user(&index.to_string()).await;
        world.fixture.damage_hash(&key, text).await;
        world.commit(&set_hash(&key, Version(1), 2)).await;
        let record = world.load(&key).await;
        assert!(matches!(record.credential.hash, StoredHash::Readable(_)));
        assert_eq!(record.credential.hash.digest(), Some(hash(2).digest()));
        world.history(&key).await;
    }
}

pub(crate) async fn an_unreadable_hash_can_be_removed(world: &World) {
    for (index, text) in DAMAGED.into_iter().enumerate() {
        let key = world.user(&index.to_string()).await;
        world.fixture.damage_hash(&key, text).await;
        world.commit(&remove_hash(&key, Version(1))).await;
        let record = world.load(&key).await;
        assert!(matches!(record.credential.hash, StoredHash::Absent));
        world.history(&key).await;
    }
}

pub(crate) async fn an_unreadable_hash_stays_through_other_writes(world: &World) {
    let key = world.user("42").await;
    world.fixture.damage_hash(&key, "damaged").await;
    world
        .commit(&set_state(&key, Version(1), UserState::Inactive))
        .await;
    let permit = world.permit(&subject(&key), Default::default()).await;
    world.settle(&subject(&key), permit, WRONG).await;
    // The digest in the newest events is that of the damaged text as well.
    for event in &world.history(&key).await[1..] {
        assert_eq!(event.hash, Some(HashDigest::of("damaged")));
    }
}

pub(crate) async fn loading_writes_nothing(world: &World) {
    let key = world.user("42").await;
    world.fail(&subject(&key)).await;
    let before = world.snapshot().await;
    world.advance(std::time::Duration::from_secs(3_600)).await;
    world.load(&key).await;
    answered(world.store.load(&key_of_nobody()).await);
    world.unchanged(&before).await;
}

pub(crate) async fn a_removed_user_stays_as_a_tombstone(world: &World) {
    let key = world.user("42").await;
    let removal = set_state(&key, Version(1), UserState::Removed);
    world.commit(&removal).await;
    let record = world.load(&key).await;
    assert_eq!((record.state, record.sequence), (UserState::Removed, 2));
    assert_eq!(world.history(&key).await.len(), 2);
}

pub(crate) async fn times_are_kept_to_the_microsecond(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await.trunc_subsecs(0) + TimeDelta::microseconds(3_600_123_457);
    world
        .advance(std::time::Duration::from_micros(1_234_567))
        .await;
    let details = world.commit(&issue(&key, Version(1), 7, expires)).await;
    let record = world.load(&key).await;
    assert_eq!(record.code.map(|code| code.expires), Some(expires));
    assert_eq!(details.change_date, Some(record.changed));
    assert!(record.changed - record.created >= TimeDelta::microseconds(1_234_567));
    for time in [record.created, record.changed] {
        assert_eq!(time.trunc_subsecs(6), time);
    }
}

pub(crate) async fn a_pending_code_is_loaded(world: &World) {
    let key = world.user("42").await;
    let expires = world.now().await + TimeDelta::hours(1);
    world.commit(&issue(&key, Version(1), 0xff, expires)).await;
    let code = world.load(&key).await.code.expect("a code is pending");
    assert_eq!(
        (code.digest, code.expires, code.guesses),
        ([0xff; 32], expires, 0)
    );
}

fn key_of_nobody() -> portcullis_core::UserKey {
    key("acme", "nobody")
}
