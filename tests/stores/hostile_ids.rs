//! Ids mean nothing to a store, whatever they look like.

use portcullis_core::{HashString, Password, PasswordHasher};
use portcullis_tests::{Ask, Door, Options, Server, get, operation_id, rig};

use crate::store::Store;

on_stores! {
    every_pair_reads_back_only_itself: sqlite postgres redis cluster sentinel;
    nul_is_refused: sqlite postgres redis cluster sentinel;
}

/// What ids look like. Some end where another one goes on.
const SHAPES: [&str; 40] = [
    "42",
    "042",
    "4",
    "2",
    "a",
    "A",
    "a ",
    " ",
    "a:b",
    "b:a",
    "' OR '1'='1",
    "'; DROP SCHEMA portcullis CASCADE; --",
    "$1",
    "$$",
    "\\x3432",
    "\\",
    "\"",
    "%",
    "_",
    "%00",
    "null",
    "-1",
    "--help",
    "{42}",
    "}{",
    "{}",
    "portcullis:{p1}u:42",
    "*",
    "?",
    "[a-z]*",
    "*1\r\n$8\r\nFLUSHALL\r\n",
    "\n",
    "redis.call('FLUSHALL')",
    "]] return redis.call('FLUSHALL') --",
    "../../etc/passwd",
    "é",
    "e\u{301}",
    "\u{202e}24",
    "שלום",
    "\u{feff}42\u{10ffff}",
];

/// How many pairs of organisation and user there are; `./test --long` asks for more.
fn pairs() -> usize {
    let asked = std::env::var("PORTCULLIS_PAIRS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(200)
}

/// So many ids, no two equal: the shapes, the longest one, and then shapes with a number.
fn ids(count: usize) -> Vec<String> {
    let longest = "x".repeat(1024);
    let plain = SHAPES.iter().map(|shape| (*shape).to_owned());
    let numbered = (1..).flat_map(|number| {
        let shapes = SHAPES.iter();
        shapes.map(move |shape| format!("{shape}#{number}"))
    });
    let all = [longest].into_iter().chain(plain).chain(numbered);
    all.take(count).collect()
}

/// A pair and what was done to it.
struct Pair {
    organisation: String,
    user: String,
    token: String,
    password: String,
    operation: String,
}

fn all_pairs() -> Vec<Pair> {
    let users = pairs().isqrt() + 6;
    let organisations = pairs().div_ceil(users);
    let pairs = ids(organisations).into_iter().enumerate();
    let pairs = pairs.flat_map(|(number, organisation)| {
        ids(users).into_iter().map(move |user| Pair {
            organisation: organisation.clone(),
            user,
            token: format!("token-{number}"),
            password: format!("Secret-{}", operation_id()),
            operation: operation_id(),
        })
    });
    pairs.collect()
}

/// A token for each organisation, since not every id fits into a header.
fn bootstrap(pairs: &[Pair]) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut text = "[[member]]\nuser = \"1\"\norg = \"*\"\nroles = [\"IAM_OWNER\"]\n".to_owned();
    let mut last = None;
    for pair in pairs {
        let (organisation, user) = (quoted(&pair.organisation), quoted(&pair.user));
        if last != Some(&pair.organisation) {
            last = Some(&pair.organisation);
            text += &format!("[[org]]\nid = {organisation}\n[[token]]\nuser = \"1\"\n");
            text += &format!("org = {organisation}\ntoken = \"{}\"\n", pair.token);
        }
        text += &format!("[[user]]\norg = {organisation}\nid = {user}\n");
    }
    text
}

async fn every_pair_reads_back_only_itself(store: Store) {
    let pairs = all_pairs();
    let options = Options {
        store: store.url().await,
        bootstrap: Some(bootstrap(&pairs)),
        log_level: "info",
        ..Options::default()
    };
    let server = Server::with(options).await;
    let mut doors = Door::ALL.into_iter().cycle();
    for pair in &pairs {
        let ask = Ask::new(&pair.user, &pair.token).operation(&pair.operation);
        let ask = ask.password(&pair.password);
        let answer = ask.through(doors.next().unwrap(), server.address).await;
        // A pair that had something of another one would not be at its second event.
        let told = (answer.code, answer.sequence, answer.owner.as_deref());
        let expected = (0, Some(2), Some(&*pair.organisation));
        assert_eq!(told, expected, "{:?}: {answer:?}", pair.user);
    }
    for (number, pair) in pairs.iter().enumerate() {
        let other = &pairs[(number + 1) % pairs.len()];
        assert!(has(&server, pair, &pair.operation).await, "{:?}", pair.user);
        assert!(
            !has(&server, pair, &other.operation).await,
            "{:?}",
            pair.user
        );
    }
    for number in (0..pairs.len()).step_by(pairs.len() / 40) {
        let other = &pairs[(number + 1) % pairs.len()];
        is_itself(&server, &pairs[number], other).await;
    }
}

/// Whether an operation is this pair's.
async fn has(server: &Server, pair: &Pair, operation: &str) -> bool {
    let encoded = |text: &str| -> String {
        let bytes = text.bytes();
        bytes.map(|byte| format!("%{byte:02X}")).collect()
    };
    let (organisation, user) = (encoded(&pair.organisation), encoded(&pair.user));
    let path = format!("/portcullis/v1/operations/{organisation}/{user}/{operation}");
    let authorization = format!("Bearer {}", pair.token);
    let headers = [("authorization", authorization.as_str())];
    let reply = get(server.address, &path, &headers).await;
    assert_eq!(reply.status, 200, "{:?}: {}", pair.user, reply.text());
    reply.json()["state"] == "applied"
}

async fn is_itself(server: &Server, pair: &Pair, other: &Pair) {
    let (exit, lines) = server.inspect(&pair.organisation, &pair.user).await;
    assert_eq!((exit, lines.len()), (0, 3), "{:?}", pair.user);
    let record = &lines[0];
    assert_eq!(record["organisation"], pair.organisation);
    assert_eq!(record["user"], pair.user);
    assert_eq!(record["username"], pair.user);
    assert_eq!(lines[2]["operation_id"], pair.operation);
    let hash = HashString::parse(record["hash"].as_str().unwrap()).unwrap();
    let fits = |pair: &Pair| {
        let password = Password::new(pair.password.clone()).unwrap();
        rig::cheap().verify(&password, &hash).unwrap()
    };
    assert!(fits(pair) && !fits(other), "{:?}", pair.user);
}

async fn nul_is_refused(store: Store) {
    let server = store.serve().await;
    for door in Door::ALL {
        for user in ["\0", "42\0", "\u{0}42", "4\u{0}2"] {
            let answer = Ask::new(user, portcullis_tests::ADMIN);
            let answer = answer.through(door, server.address).await;
            assert_eq!(answer.code, 3, "{door:?} {user:?}: {answer:?}");
        }
    }
    // No header can hold one, so an organisation is named by a path.
    let authorization = format!("Bearer {}", portcullis_tests::ADMIN);
    let headers = [("authorization", authorization.as_str())];
    for pair in ["%00/42", "69629023906488334%00/42", "69629023906488334/%00"] {
        let path = format!("/portcullis/v1/operations/{pair}/{}", operation_id());
        let reply = get(server.address, &path, &headers).await;
        let told = (reply.status, reply.json()["code"].as_i64());
        assert_eq!(told, (400, Some(3)), "{path}: {}", reply.text());
    }
}
