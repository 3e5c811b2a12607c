//! What is written is read.

use std::time::Duration;

use portcullis_core::store::{DocumentKey, DocumentKind};

use super::world::{World, remove, session, set, written};
use crate::world::answered;

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) async fn what_was_never_written_is_absent(world: &World) {
    world.absent(&session("17")).await;
    world.session("17").await;
    for name in ["1", "7", "170", "017", ""] {
        world.absent(&session(name)).await;
    }
}

pub(super) async fn what_was_written_is_found_by_every_handle(world: &World) {
    let other = world.fixture.reopen_documents().await;
    let key = world.session("17").await;
    let late = world.fixture.reopen_documents().await;
    let document = world.found(&key).await;
    assert_eq!(document.text.as_str(), "first");
    for handle in [other, late] {
        assert_eq!(
            answered(handle.document(&key).await),
            Some(document.clone())
        );
    }
}

pub(super) async fn every_write_is_seen_by_another_handle(world: &World) {
    let [one, other] = world.handles().await;
    let key = world.session("17").await;
    for revision in 1..=6 {
        // They write by turns, and the one that did not write reads.
        let (writer, reader) = if revision % 2 == 0 {
            (&one, &other)
        } else {
            (&other, &one)
        };
        let text = revision.to_string();
        let write = set(&key, Some(revision), &text);
        let done = written(answered(writer.write_document(&write).await));
        let seen = answered(reader.document(&key).await).expect("the document is there");
        assert_eq!(
            (seen.revision, seen.text.as_str()),
            (done.revision, text.as_str())
        );
        assert_eq!((seen.created, seen.changed), (done.created, done.changed));
    }
}

pub(super) async fn the_first_revision_is_one_and_each_write_moves_it_by_one(world: &World) {
    let key = session("17");
    let mut expected = None;
    for revision in 1..=5 {
        let done = world.write(&set(&key, expected, "{}")).await;
        assert_eq!(done.revision, revision);
        assert_eq!(world.found(&key).await.revision, revision);
        expected = Some(revision);
    }
}

pub(super) async fn the_first_date_stays_and_the_last_one_moves(world: &World) {
    let key = session("17");
    let before = world.now().await;
    let first = world.write(&set(&key, None, "1")).await;
    assert!(before <= first.created && first.created <= world.now().await);
    assert_eq!(first.created, first.changed);
    world.advance(Duration::from_micros(1_234_567)).await;
    let second = world.write(&set(&key, Some(1), "2")).await;
    assert_eq!(second.created, first.created);
    assert!(second.changed - first.changed >= chrono::TimeDelta::microseconds(1_234_567));
    let document = world.found(&key).await;
    assert_eq!(
        (document.created, document.changed),
        (second.created, second.changed)
    );
    assert_eq!(document.expires, None);
}

pub(super) async fn a_removed_document_is_absent(world: &World) {
    let (key, neighbour) = (world.session("17").await, world.session("18").await);
    let done = world.write(&remove(&key, 1)).await;
    assert_eq!(done.revision, 2);
    world.absent(&key).await;
    let other = world.fixture.reopen_documents().await;
    assert!(answered(other.document(&key).await).is_none());
    assert!(world.read(&neighbour).await.is_some());
}

pub(super) async fn a_removed_document_is_written_anew(world: &World) {
    let key = world.session("17").await;
    let first = world.found(&key).await;
    world.write(&remove(&key, 1)).await;
    // However long it is gone: a document that had no end is remembered for ever.
    world.advance(1_000 * 24 * HOUR).await;
    world.session("18").await;
    let anew = world.write(&set(&key, None, "anew")).await;
    assert_eq!(anew.revision, 3);
    assert_eq!(anew.created, anew.changed);
    assert!(anew.created > first.created);
    let document = world.found(&key).await;
    assert_eq!((document.text.as_str(), document.revision), ("anew", 3));
    world.write(&set(&key, Some(3), "and so on")).await;
}

pub(super) async fn reading_writes_nothing(world: &World) {
    let key = world.session("17").await;
    let first = world.found(&key).await;
    world.advance(HOUR).await;
    for kind in [DocumentKind::LoginName, DocumentKind::Policies] {
        world.absent(&DocumentKey::new(kind, "17")).await;
    }
    assert_eq!(world.found(&key).await, first);
    world.write(&set(&key, Some(1), "second")).await;
}
