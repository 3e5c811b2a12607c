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
