//! Ids are opaque: whatever is in one, it reads back itself and only itself.

use portcullis_core::{
    OrgId, UserId, UserKey,
    store::{EventQuery, Subject, Version},
};

use crate::{
    build::{WRONG, key, lockout, new_user, set_hash, subject},
    history::walk,
    world::{World, answered},
};

/// Ids that some query language, protocol, separator or normalisation would take for others.
const HOSTILE: [&str; 44] = [
    "a",
    "A",
    "ä",
    "a\u{308}",
    "Ä",
    "ª",
    "ａ",
    "ß",
    "ss",
    "ſ",
    "s",
    "İ",
    "i",
    "ı",
    "a ",
    " a",
    "a  ",
    "\ta",
    "a\n",
    "\r\n*3\r\n$3\r\nDEL\r\n",
    "*",
    "?",
    "[a]",
    "a*",
    "%",
    "_",
    "a%",
    "__",
    "'",
    "''",
    "\"",
    "\\",
    "\\'",
    "'; DROP TABLE users; --",
    "{}",
    "}{",
    "{a}",
    "$1",
    ":a",
    "\u{1}",
    "\u{202e}a",
    "👩‍🚀",
    "👩",
    "1e1",
];

/// Pairs that would be one if organisation and user were joined by a separator.
const JOINED: [(&str, &str); 16] = [
    ("a:b", "c"),
    ("a", "b:c"),
    ("a/b", "c"),
    ("a", "b/c"),
    ("a|b", "c"),
    ("a", "b|c"),
    ("ab", "c"),
    ("a", "bc"),
    ("a\u{1f}b", "c"),
    ("a", "b\u{1f}c"),
    ("a}{b", "c"),
    ("a", "}{bc"),
    ("a,b", "c"),
    ("a", "b,c"),
    ("a' || 'b", "c"),
    ("c", "a:b"),
];

/// Gives every user a hash of its own and checks that nobody has another's.
async fn each_reads_back_itself(world: &World, keys: &[UserKey]) {
    for (n, key) in (2..).zip(keys) {
        world.create(&new_user(key)).await;
        world.commit(&set_hash(key, Version(1), n)).await;
        world.fail(&subject(key)).await;
    }
    for (n, key) in (2..).zip(keys) {
        let record = world.load(key).await;
        assert_eq!(record.key, *key);
        let digest = crate::build::hash(n).digest();
        assert_eq!(record.credential.hash.digest(), Some(digest), "of {key:?}");
        assert_eq!(record.failures, 1);
        assert_eq!(world.history(key).await.len(), 3, "of {key:?}");
    }
    assert_eq!(world.outbox().await.len(), 3 * keys.len());
}

pub(crate) async fn hostile_user_ids_are_apart(world: &World) {
    let keys = HOSTILE.map(|id| key("acme", id));
    each_reads_back_itself(world, &keys).await;
}

pub(crate) async fn hostile_organisation_ids_are_apart(world: &World) {
    let keys = HOSTILE.map(|id| key(id, "42"));
    each_reads_back_itself(world, &keys).await;
}

pub(crate) async fn organisation_and_user_are_not_joined(world: &World) {
    let keys = JOINED.map(|(organisation, user)| key(organisation, user));
    each_reads_back_itself(world, &keys).await;
}

pub(crate) async fn numbers_are_texts(world: &World) {
    let keys = [
        "1",
        "01",
        "1.0",
        "+1",
        "-1",
        "1e0",
        "0x1",
        "١",
        "9223372036854775808",
        "NULL",
    ]
    .map(|id| key("acme", id));
    each_reads_back_itself(world, &keys).await;
}

pub(crate) async fn ids_of_every_length_are_apart(world: &World) {
    let longest = "x".repeat(1_024);
    let almost = "x".repeat(1_023);
    let other = format!("{almost}y");
    let wide = "ü".repeat(512);
    let ids = ["x", &longest, &almost, &other, &wide];
    let pairs = ids.iter().flat_map(|organisation| {
        let pair = |user: &&str| key(organisation, user);
        ids.iter().map(pair).collect::<Vec<_>>()
    });
    each_reads_back_itself(world, &pairs.collect::<Vec<_>>()).await;
}

pub(crate) async fn unknown_hostile_ids_are_absent(world: &World) {
    let present = world.user("alice").await;
    let before = world.snapshot().await;
    for id in HOSTILE
        .into_iter()
        .chain(["alice ", "Alice", "alic_", "ali%", "alice' OR '1'='1"])
    {
        for absent in [key("acme", id), key(id, "alice")] {
            assert!(answered(world.store.load(&absent).await).is_none());
            let query = EventQuery::user(absent.clone());
            assert!(walk(&*world.store, query).await.is_empty());
            let first = before.events[0].operation;
            assert!(world.operation(&absent, first).await.is_none());
        }
    }
    world.unchanged(&before).await;
    assert_eq!(world.history(&present).await.len(), 1);
}

pub(crate) async fn budgets_of_hostile_subjects_are_apart(world: &World) {
    let users = HOSTILE.map(|id| key("acme", id));
    for key in &users {
        world.create(&new_user(key)).await;
    }
    let shams = HOSTILE.map(|id| Subject::Sham {
        organisation: OrgId::new(id).expect("a valid id"),
        slot: 7,
    });
    for subject in users.iter().map(subject).chain(shams) {
        // A limit of one: a budget that is shared with an earlier subject is used up.
        let permit = world.permit(&subject, lockout(1)).await;
        world.settle(&subject, permit, WRONG).await;
    }
}

pub(crate) async fn hostile_editors_are_kept(world: &World) {
    let key = world.user("42").await;
    for (version, id) in (1..).zip(HOSTILE) {
        let editor = UserId::new(id).expect("a valid id");
        let change = set_hash(&key, Version(version), 2).with_editor(editor);
        world.commit(&change).await;
    }
    let events = world.history(&key).await;
    let editors = events[1..].iter().map(|event| event.editor.as_ref());
    assert!(
        editors
            .map(|editor| editor.map(UserId::as_str))
            .eq(HOSTILE.map(Some))
    );
}
