//! Names are opaque: whatever is in one, it reads back itself and only itself.

use portcullis_core::store::{DocumentKey, DocumentKind};

use super::world::{World, remove, session, set};

/// Names that some language, protocol, separator or normalisation would take for others.
const HOSTILE: [&str; 54] = [
    "",
    " ",
    "a",
    "A",
    "a ",
    " a",
    "ä",
    "a\u{308}",
    "ª",
    "ａ",
    "ß",
    "ss",
    "ı",
    "i",
    "\ta",
    "a\n",
    "\r\n",
    "\r\n*3\r\n$3\r\nDEL\r\n",
    "$-1\r\n",
    "*",
    "?",
    "[a]",
    "[^a]*",
    "a*",
    "%",
    "_",
    "a%",
    "%s%d",
    "'",
    "''",
    "\"",
    "\\",
    "\\'",
    "$$",
    "$1",
    "'; DROP TABLE documents; --",
    "a' OR '1'='1",
    "\\x61",
    "{}",
    "}{",
    "{a}",
    "{p0}d:session:",
    "]]..redis.call('FLUSHALL')--[[",
    "return 1",
    ":a",
    "a:a",
    "a.a",
    "a/a",
    "\u{1}",
    "\u{202e}a",
    "\u{feff}a",
    "👩‍🚀",
    "1e1",
    "NULL",
];

const KINDS: [DocumentKind; 4] = [
    DocumentKind::Key,
    DocumentKind::LoginName,
    DocumentKind::Policies,
    DocumentKind::Session,
];

/// Gives each a text of its own and a revision of its own, and checks that none has another's.
async fn each_reads_back_itself(world: &World, keys: &[DocumentKey]) {
    let text = |key: &DocumentKey, place| format!("{place}: {} of {}", key.name(), key.kind());
    for (place, key) in (0..).zip(keys) {
        world.write(&set(key, None, &text(key, place))).await;
        if place % 2 == 0 {
            world.write(&set(key, Some(1), &text(key, place))).await;
        }
    }
    for (place, key) in (0..).zip(keys) {
        let document = world.found(key).await;
        assert_eq!(*document.text, text(key, place), "of {key:?}");
        assert_eq!(document.revision, 2 - place % 2, "of {key:?}");
    }
    for (place, key) in (0..).zip(keys) {
        world.write(&remove(key, 2 - place % 2)).await;
        world.absent(key).await;
        if let Some(next) = keys.get(usize::try_from(place + 1).expect("a small number")) {
            world.found(next).await;
        }
    }
}

pub(super) async fn hostile_names_are_apart(world: &World) {
    each_reads_back_itself(world, &HOSTILE.map(session)).await;
}

pub(super) async fn kinds_are_apart(world: &World) {
    let names = ["", "a", "session", "policies:a", "login_name.a"];
    let keys = names
        .into_iter()
        .flat_map(|name| KINDS.map(|kind| DocumentKey::new(kind, name)));
    each_reads_back_itself(world, &keys.collect::<Vec<_>>()).await;
}

pub(super) async fn names_of_every_length_are_apart(world: &World) {
    let longest = "x".repeat(4_096);
    let almost = "x".repeat(4_095);
    let other = format!("{almost}y");
    let wide = "ü".repeat(2_048);
    // What can be made shorter may fit where this does not.
    let dense = dense(4_096);
    let dense_too = format!("{}~", &dense[1..]);
    let names = ["x", &longest, &almost, &other, &wide, &dense, &dense_too];
    each_reads_back_itself(world, &names.map(session)).await;
}

pub(super) async fn unknown_hostile_names_are_absent(world: &World) {
    let present = DocumentKey::new(DocumentKind::LoginName, "alice");
    world.write(&set(&present, None, "42")).await;
    let near = ["alice ", "Alice", "alic_", "ali%", "alice' OR '1'='1"];
    for name in HOSTILE.into_iter().chain(near) {
        for kind in KINDS {
            let absent = DocumentKey::new(kind, name);
            world.absent(&absent).await;
            world.refused(&set(&absent, Some(1), "nobody's")).await;
        }
    }
    let document = world.found(&present).await;
    assert_eq!((document.text.as_str(), document.revision), ("42", 1));
}

/// As many printed characters, in which no pattern repeats.
fn dense(length: usize) -> String {
    let mut state = 1_u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [high, ..] = state.to_be_bytes();
        char::from(b'!' + high % 94)
    };
    std::iter::repeat_with(next).take(length).collect()
}
