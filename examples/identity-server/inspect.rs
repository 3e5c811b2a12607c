//! `identity-server inspect`: one user and its events, and whether they agree.

use std::{
    io::{self, Write},
    process::ExitCode,
    sync::Arc,
};

use portcullis_core::{
    OrgId, Timestamp, UserId, UserKey, UserStore,
    store::{Event, EventQuery, StoredHash, UserRecord},
};
use serde_json::{Value, json};

use crate::{BoxError, options::InspectOptions, stores};

pub(crate) async fn run(options: &InspectOptions) -> Result<ExitCode, BoxError> {
    let key = UserKey::new(
        OrgId::new(options.org.as_str())?,
        UserId::new(options.user.as_str())?,
    );
    let store = stores::open_existing(&options.store).await?;
    let record = store
        .load(&key)
        .await?
        .ok_or("there is no such user in this organisation")?;
    let events = all_events(&store, &key).await?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", record_json(&record, options.show_hash))?;
    for event in &events {
        writeln!(out, "{}", event_json(event))?;
    }
    out.flush()?;
    Ok(match disagreement(&record, &events) {
        None => ExitCode::SUCCESS,
        Some(what) => {
            eprintln!("error: record and events disagree: {what}");
            ExitCode::FAILURE
        }
    })
}

async fn all_events(store: &Arc<dyn UserStore>, key: &UserKey) -> Result<Vec<Event>, BoxError> {
    let mut events = Vec::new();
    let mut query = EventQuery::user(key.clone());
    loop {
        let page = store.events(&query).await?;
        let last = page.events.is_empty();
        events.extend(page.events);
        match page.next {
            Some(next) if !last => query = EventQuery::user(key.clone()).after(next),
            _ => return Ok(events),
        }
    }
}

/// The first thing in which the events do not lead to the record.
fn disagreement(record: &UserRecord, events: &[Event]) -> Option<&'static str> {
    let Some(last) = events.last() else {
        return Some("there are no events");
    };
    let numbered = events
        .iter()
        .zip(1..)
        .all(|(event, number)| event.sequence == number);
    let ordered = events.windows(2).all(|pair| match pair {
        [before, after] => before.date <= after.date && before.version <= after.version,
        _ => true,
    });
    [
        (numbered, "the events' sequence has a gap or a duplicate"),
        (ordered, "a date or a version decreases"),
        (last.sequence == record.sequence, "sequence"),
        (last.version == record.version, "version"),
        (last.state == record.state, "state"),
        (last.date == record.changed, "change date"),
        (last.failures == record.failures, "failures"),
        (
            last.must_change == record.credential.must_change,
            "must change",
        ),
        (last.hash == record.credential.hash.digest(), "hash"),
    ]
    .into_iter()
    .find_map(|(agrees, what)| (!agrees).then_some(what))
}

fn record_json(record: &UserRecord, show_hash: bool) -> Value {
    let hash = &record.credential.hash;
    let (password, text) = match hash {
        StoredHash::Absent => ("absent", None),
        StoredHash::Readable(hash) => ("readable", Some(hash)),
        _ => ("unreadable", None),
    };
    let mut json = json!({
        "organisation": record.key.organisation(),
        "user": record.key.user(),
        "username": record.username,
        "kind": record.kind,
        "state": record.state,
        "version": record.version,
        "sequence": record.sequence,
        "epoch": record.epoch,
        "failures": record.failures,
        "creation_date": date(record.created),
        "change_date": date(record.changed),
        "password": password,
        "must_change": record.credential.must_change,
        "password_changed": record.credential.changed.map(date),
        "hash_suite": text.map(|hash| hash.suite()),
        "hash_sha256": hash.digest().map(|digest| digest.to_string()),
    });
    if let (true, Some(text), Value::Object(members)) = (show_hash, text, &mut json) {
        members.insert("hash".to_owned(), text.as_stored().into());
    }
    json
}

fn event_json(event: &Event) -> Value {
    json!({
        "sequence": event.sequence,
        "version": event.version,
        "state": event.state,
        "change_date": date(event.date),
        "failures": event.failures,
        "type": event.kind,
        "operation_id": event.operation,
        "hash_sha256": event.hash.map(|digest| digest.to_string()),
        "must_change": event.must_change,
        "editor": event.editor,
    })
}

fn date(date: Timestamp) -> String {
    date.to_rfc3339_opts(chrono::SecondsFormat::Micros, true)
}

#[cfg(test)]
mod tests {
    use portcullis_core::{
        Clock, MemoryStore, OsRandom, SystemClock,
        store::{Change, CredentialChange, EventKind, Method, NewUser, UserKind, UserState},
    };

    use super::*;

    /// A user with three events, as a store keeps them.
    async fn user() -> (UserRecord, Vec<Event>) {
        let store: Arc<dyn UserStore> = Arc::new(MemoryStore::new());
        let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new("42").unwrap());
        let id = || portcullis_core::OperationId::random(&OsRandom).unwrap();
        let new = NewUser::new(key.clone(), "alice", UserKind::Human, id());
        store.create(&new).await.unwrap();
        for state in [UserState::Locked, UserState::Active] {
            let version = store.load(&key).await.unwrap().unwrap().version;
            let (method, event) = (Method::ChangeState, EventKind::Locked);
            let change = Change::new(key.clone(), method, id(), version, event).with_state(state);
            let change = match state {
                UserState::Active => change.with_credential(CredentialChange::Remove),
                _ => change,
            };
            store.commit(&change).await.unwrap();
        }
        let events = all_events(&store, &key).await.unwrap();
        (store.load(&key).await.unwrap().unwrap(), events)
    }

    type Damage = fn(&mut UserRecord, &mut Vec<Event>);

    #[tokio::test]
    async fn every_disagreement_is_seen() {
        let (record, events) = user().await;
        assert_eq!(disagreement(&record, &events), None);
        let damages: [(&str, Damage); 13] = [
            ("there are no events", |_, events| events.clear()),
            (
                "the events' sequence has a gap or a duplicate",
                |_, events| {
                    events.remove(1);
                },
            ),
            (
                "the events' sequence has a gap or a duplicate",
                |_, events| {
                    let twice = events.get(1).unwrap().clone();
                    events.insert(1, twice);
                },
            ),
            ("a date or a version decreases", |_, events| {
                events.first_mut().unwrap().date += chrono::TimeDelta::days(1);
            }),
            ("a date or a version decreases", |_, events| {
                events.get_mut(1).unwrap().version = portcullis_core::store::Version(9);
            }),
            ("sequence", |record, _| record.sequence += 1),
            ("sequence", |_, events| drop(events.pop())),
            ("version", |record, _| {
                record.version = record.version.next()
            }),
            ("state", |record, _| record.state = UserState::Inactive),
            ("change date", |record, _| {
                record.changed = SystemClock::new().now()
            }),
            ("failures", |record, _| record.failures += 1),
            ("must change", |record, _| {
                record.credential.must_change ^= true
            }),
            ("hash", |record, _| {
                record.credential.hash = StoredHash::load(Some("$argon2id$damaged"));
            }),
        ];
        for (what, damage) in damages {
            let (mut record, mut events) = user().await;
            damage(&mut record, &mut events);
            assert_eq!(disagreement(&record, &events), Some(what));
        }
    }
}
