//! The same operation again.

use std::time::Duration;

use portcullis_core::store::{DocumentKey, DocumentWrite};

use super::world::{World, remove, session, set, written};
use crate::world::answered;

const DAY: Duration = Duration::from_secs(86_400);

/// Checks that a write returns what it came to before, and writes nothing.
async fn replayed(world: &World, write: &DocumentWrite, first: super::world::Written) {
    let before = world.read(&write.key).await;
    assert_eq!(world.write(write).await, first);
    assert_eq!(world.read(&write.key).await, before, "nothing is written");
}

async fn revision(world: &World, key: &DocumentKey) -> u64 {
    world.found(key).await.revision
}

pub(super) async fn a_write_again_is_one_write(world: &World) {
    let key = session("17");
    let write = set(&key, None, "first");
    let first = world.write(&write).await;
    replayed(world, &write, first).await;
    let write = set(&key, Some(1), "second").with_ttl(DAY);
    let second = world.write(&write).await;
    assert_eq!(second.revision, 2);
    for _ in 0..3 {
        replayed(world, &write, second).await;
    }
    // A refusal in between is not another write.
    world.refused(&set(&key, Some(1), "refused")).await;
    replayed(world, &write, second).await;
    assert_eq!(revision(world, &key).await, 2);
}

pub(super) async fn a_write_again_keeps_the_first_text(world: &World) {
    let key = session("17");
    let mut write = set(&key, None, "first");
    let first = world.write(&write).await;
    write.text = Some("other".to_owned().into());
    write.ttl = Some(DAY);
    for expected in [None, Some(1), Some(7)] {
        write.expected = expected;
        replayed(world, &write, first).await;
    }
    let document = world.found(&key).await;
    assert_eq!((document.text.as_str(), document.expires), ("first", None));
}

pub(super) async fn a_removal_again_is_one_removal(world: &World) {
    let key = world.session("17").await;
    let removal = remove(&key, 1);
    let removed = world.write(&removal).await;
    for _ in 0..2 {
        replayed(world, &removal, removed).await;
    }
    assert_eq!(world.write(&set(&key, None, "anew")).await.revision, 3);
    world.refused(&removal).await;
}

pub(super) async fn a_replay_is_answered_by_another_handle(world: &World) {
    let key = session("17");
    for write in [set(&key, None, "first"), remove(&key, 1)] {
        let first = world.write(&write).await;
        let other = world.fixture.reopen_documents().await;
        let again = answered(other.write_document(&write).await);
        assert_eq!(written(again), first);
    }
    world.absent(&key).await;
}

pub(super) async fn a_replay_keeps_its_dates_whatever_the_clock_does(world: &World) {
    let key = world.session("17").await;
    world.advance(DAY).await;
    let write = set(&key, Some(1), "second");
    let second = world.write(&write).await;
    world.advance(3_650 * DAY).await;
    replayed(world, &write, second).await;
    world.set_back(7_300 * DAY).await;
    replayed(world, &write, second).await;
}

pub(super) async fn a_replay_after_another_write_is_judged_as_any_write(world: &World) {
    let key = session("17");
    let mut write = set(&key, None, "first");
    world.write(&write).await;
    world.write(&set(&key, Some(1), "second")).await;
    world.refused(&write).await;
    write.expected = Some(2);
    assert_eq!(world.write(&write).await.revision, 3);
    assert_eq!(world.found(&key).await.text.as_str(), "first");
}

pub(super) async fn one_operation_on_two_documents_is_two_writes(world: &World) {
    let (one, two) = (session("17"), session("18"));
    let first = set(&one, None, "one");
    let mut second = set(&two, None, "two");
    second.operation = first.operation;
    for write in [&first, &second] {
        let done = world.write(write).await;
        assert_eq!(done.revision, 1);
        replayed(world, write, done).await;
    }
    assert_eq!(world.found(&one).await.text.as_str(), "one");
    assert_eq!(world.found(&two).await.text.as_str(), "two");
}
