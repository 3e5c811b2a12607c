//! What a copy has, against what it was taken from.

use std::{
    collections::{HashMap, HashSet},
    path::Path,
};

use portcullis_core::{
    UserKey, UserStore,
    store::{Cursor, Event, EventQuery},
};
use portcullis_tests::run;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tokio::process::Command;

use crate::people::try_set;

/// What there was before a copy was taken.
pub(super) struct Source {
    events: Vec<Event>,
    pub(super) cursor: Option<Cursor>,
}

/// What is wrong with a copy.
#[derive(Debug)]
pub(super) struct Copied {
    pub(super) events: usize,
    /// Events that there were before the copy was begun.
    pub(super) missing: usize,
    /// Users whose events are not the first ones of the original.
    pub(super) changed: usize,
    /// Events that a reader of the outbox sees twice, or not at all, if it goes on with the copy.
    pub(super) repeated_or_skipped: usize,
}

impl Copied {
    pub(super) fn assert_sound(&self) {
        let wrong = self.missing + self.changed + self.repeated_or_skipped;
        assert!(self.events > 0 && wrong == 0, "{self:?}");
    }
}

impl Source {
    /// Everything in the outbox.
    pub(super) async fn read(store: &dyn UserStore) -> Self {
        let (events, cursor) = outbox(store, None).await;
        Self { events, cursor }
    }

    /// Compares a copy with what this has become since.
    pub(super) async fn compare(&self, original: &dyn UserStore, copy: &dyn UserStore) -> Copied {
        let (events, _) = outbox(copy, None).await;
        let names = names(&events);
        let missing = self
            .events
            .iter()
            .filter(|event| !names.contains(&name(event)));
        let mut changed = 0;
        for user in users(&events) {
            let (copied, original) = (of_user(copy, &user).await, of_user(original, &user).await);
            changed += usize::from(!original.starts_with(&copied));
            changed += usize::from(copied.iter().any(|event| !names.contains(&name(event))));
        }
        let (rest, _) = outbox(copy, self.cursor.clone()).await;
        let mut times = HashMap::new();
        for event in self.events.iter().chain(&rest) {
            *times.entry(name(event)).or_insert(0) += 1;
        }
        let once = events
            .iter()
            .filter(|event| times.get(&name(event)) == Some(&1));
        Copied {
            events: events.len(),
            missing: missing.count(),
            changed,
            repeated_or_skipped: events.len() - once.count() + events.len() - names.len(),
        }
    }
}

/// The restored store takes new changes, and readers of the outbox see each of them once.
pub(super) async fn goes_on<const N: usize>(store: &dyn UserStore, readers: [Option<Cursor>; N]) {
    let (events, end) = outbox(store, None).await;
    let users = users(&events);
    for _ in 0..5 {
        for user in &users {
            assert!(try_set(store, user).await, "it takes changes");
        }
    }
    let (added, _) = outbox(store, end).await;
    assert_eq!(
        added.len(),
        5 * users.len(),
        "nothing is repeated or skipped"
    );
    assert_eq!(names(&added).len(), added.len());
    assert!(names(&added).is_disjoint(&names(&events)));
    for reader in readers {
        let (seen, _) = outbox(store, reader).await;
        assert!(
            seen.ends_with(&added),
            "a reader of the original goes on with the copy"
        );
    }
}

/// Every user passes `identity-server inspect`.
pub(super) async fn is_inspected(url: &str, store: &dyn UserStore) {
    assert_eq!(refused_by_inspect(url, store).await, 0);
}

/// How many users do not.
pub(super) async fn refused_by_inspect(url: &str, store: &dyn UserStore) -> usize {
    let directory = tempfile::tempdir().unwrap();
    let mut refused = 0;
    for user in users(&outbox(store, None).await.0) {
        let (organisation, id) = (user.organisation().as_str(), user.user().as_str());
        let arguments = [
            "inspect",
            "--store",
            url,
            "--org",
            organisation,
            "--user",
            id,
        ];
        let output = run(directory.path(), &arguments).await;
        print!("{}", String::from_utf8_lossy(&output.stderr));
        refused += usize::from(!output.status.success());
    }
    refused
}

pub(super) async fn vacuum_into(path: &Path, copy: &Path) {
    let options = SqliteConnectOptions::new().filename(path);
    let mut raw = options.connect().await.unwrap();
    let vacuum = sqlx::query("VACUUM INTO ?").bind(copy.to_str().unwrap());
    vacuum.execute(&mut raw).await.unwrap();
}

/// Runs a program to its end.
pub(super) async fn program(name: &str, arguments: &[&str]) {
    let output = Command::new(name).args(arguments).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {said}");
}

async fn outbox(store: &dyn UserStore, after: Option<Cursor>) -> (Vec<Event>, Option<Cursor>) {
    let mut query = EventQuery::outbox();
    query.after = after;
    all(store, query).await
}

async fn of_user(store: &dyn UserStore, user: &UserKey) -> Vec<Event> {
    all(store, EventQuery::user(user.clone())).await.0
}

/// Up to the first page that is not full: writers may be faster than a reader of small pages.
async fn all(store: &dyn UserStore, mut query: EventQuery) -> (Vec<Event>, Option<Cursor>) {
    let mut events = Vec::new();
    loop {
        let page = store.events(&query).await.unwrap();
        query.after = page.next;
        let is_last = page.events.len() < query.limit as usize;
        events.extend(page.events);
        if is_last {
            return (events, query.after);
        }
    }
}

fn users(events: &[Event]) -> Vec<UserKey> {
    let users: HashSet<_> = events.iter().map(|event| event.key.clone()).collect();
    users.into_iter().collect()
}

type Name = (UserKey, u64);

fn name(event: &Event) -> Name {
    (event.key.clone(), event.sequence)
}

fn names(events: &[Event]) -> HashSet<Name> {
    events.iter().map(name).collect()
}
