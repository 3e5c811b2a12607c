//! Ids that something on the way could take for more than a name.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test reports by panicking"
)]

#[path = "common/shared.rs"]
mod shared;

use std::{collections::BTreeSet, future::Future};

use portcullis_core::{
    HashString, OperationId, OrgId, OsRandom, UserId, UserKey, UserStore,
    store::{EventQuery, NewUser, UserKind},
};
use portcullis_store_redis::RedisStore;
use portcullis_testkit::Fixture;
use shared::Shared;
use tokio::task::JoinSet;

const PAIRS: usize = 2_000;
const AT_ONCE: usize = 32;

/// What is put around a number to make an id.
const FORMS: [(&str, &str); 24] = [
    ("", ""),
    ("'; DROP TABLE users; --", ""),
    ("' OR '", "'='"),
    ("\" .. redis.call('FLUSHALL') .. \"", ""),
    ("]] redis.call('FLUSHALL') --[[", ""),
    ("KEYS[1]", ""),
    ("\\", "\\\""),
    ("{p0}u:", ""),
    ("}{", "}"),
    ("{", "}"),
    ("portcullis:{p", "}out"),
    ("\r\n*1\r\n$8\r\nFLUSHALL\r\n", ""),
    ("$-1\r\n", "\r\n"),
    ("*", "?"),
    ("[a-z]*", "^"),
    (".", "."),
    ("/", "="),
    ("-", "_"),
    ("\u{202e}", "\u{202c}"),
    ("ä", "a\u{308}"),
    ("\u{1}\u{7f}", "\u{85}"),
    ("{\"user\":\"", "\"}"),
    ("👩‍🚀", "👩"),
    (" ", "\t"),
];

/// The n-th pair; all are different, and many differ only in where the organisation ends.
fn pair(n: usize) -> UserKey {
    let (before, after) = FORMS[n % FORMS.len()];
    let number = n / FORMS.len();
    let text = format!("{before}{number}{after}");
    let (organisation, user) = match n % 5 {
        0 => (text, "u".to_owned()),
        1 => ("o".to_owned(), text),
        2 => (text.clone(), text),
        // As long as an id may be.
        3 => (fill(&text), text),
        _ => (format!("{text}u"), fill(&text)),
    };
    let (organisation, user) = (OrgId::new(organisation), UserId::new(user));
    UserKey::new(organisation.unwrap(), user.unwrap())
}

fn fill(text: &str) -> String {
    let rest = 1_024 - text.len();
    format!("{text}{}", "x".repeat(rest))
}

fn hash(n: usize) -> HashString {
    let memory = 64 + n;
    let text =
        format!("$argon2id$v=19$m={memory},t=1,p=1$c29tZXNhbHQ$QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW");
    HashString::parse(&text).unwrap()
}

async fn create(store: RedisStore, n: usize) {
    let operation = OperationId::random(&OsRandom).unwrap();
    let user = NewUser::new(pair(n), n.to_string(), UserKind::Human, operation);
    store.create(&user.with_hash(hash(n), false)).await.unwrap();
}

async fn reads_back_itself(store: RedisStore, n: usize) {
    let key = pair(n);
    let record = store.load(&key).await.unwrap().unwrap();
    assert_eq!((record.username, &record.key), (n.to_string(), &key));
    let digest = record.credential.hash.digest();
    assert_eq!(digest, Some(hash(n).digest()), "of {key:?}");
    let page = store.events(&EventQuery::user(key.clone())).await.unwrap();
    assert_eq!(page.events.len(), 1);
    assert_eq!((&page.events[0].key, page.events[0].hash), (&key, digest));
}

async fn all<F>(store: &RedisStore, work: impl Fn(RedisStore, usize) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for n in 0..PAIRS {
        if tasks.len() == AT_ONCE {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(work(store.clone(), n));
    }
    while let Some(task) = tasks.join_next().await {
        task.unwrap();
    }
}

async fn each_reads_back_itself<const CLUSTER: bool>() {
    let keys: BTreeSet<_> = (0..PAIRS).map(pair).collect();
    assert_eq!(keys.len(), PAIRS, "the pairs are different");
    let shared = Shared::<CLUSTER>::open().await;
    all(&shared.store, create).await;
    all(&shared.store, reads_back_itself).await;
    let mut query = EventQuery::outbox();
    let mut told = BTreeSet::new();
    loop {
        let page = shared.store.events(&query).await.unwrap();
        if page.events.is_empty() {
            break;
        }
        told.extend(page.events.into_iter().map(|event| event.key));
        query.after = page.next;
    }
    assert_eq!(told, keys, "the outbox names the same users");
}

#[tokio::test]
async fn on_one_server() {
    each_reads_back_itself::<false>().await;
}

#[tokio::test]
async fn in_a_cluster() {
    each_reads_back_itself::<true>().await;
}
