//! A write of another revision than the present one.

use portcullis_core::store::DocumentKey;

use super::world::{World, remove, session, set};

/// Checks that each of these expectations is refused and the right one is not.
async fn only(world: &World, key: &DocumentKey, right: Option<u64>, wrong: &[Option<u64>]) {
    for expected in wrong {
        world.refused(&set(key, *expected, "refused")).await;
    }
    let last = world.read(key).await.map(|document| document.revision);
    assert_eq!(last, right);
    world.write(&set(key, right, "right")).await;
}

pub(super) async fn another_revision_than_the_present_one_is_a_conflict(world: &World) {
    let key = world.session("17").await;
    for revision in 1..=3_u64 {
        let others = [0, revision.wrapping_sub(1), revision + 1, 1 << 53, u64::MAX];
        only(world, &key, Some(revision), &others.map(Some)).await;
    }
    assert_eq!(world.found(&key).await.revision, 4);
}

pub(super) async fn none_is_expected_where_there_is_one(world: &World) {
    let key = world.session("17").await;
    only(world, &key, Some(1), &[None]).await;
    only(world, &key, Some(2), &[None]).await;
}

pub(super) async fn one_is_expected_where_there_is_none(world: &World) {
    let key = session("17");
    only(world, &key, None, &[0, 1, 2, u64::MAX].map(Some)).await;
    assert_eq!(world.found(&key).await.revision, 1, "no revision is lost");
}

pub(super) async fn one_is_expected_where_there_was_one(world: &World) {
    let key = world.session("17").await;
    world.write(&remove(&key, 1)).await;
    only(world, &key, None, &[0, 1, 2, 3].map(Some)).await;
    assert_eq!(world.found(&key).await.revision, 3, "no revision is lost");
}

pub(super) async fn a_removal_of_another_revision_is_a_conflict(world: &World) {
    let key = world.session("17").await;
    for revision in [0, 2, u64::MAX] {
        world.refused(&remove(&key, revision)).await;
    }
    world.write(&remove(&key, 1)).await;
    for revision in [1, 2, 3] {
        world.refused(&remove(&key, revision)).await;
    }
    world.refused(&remove(&session("18"), 1)).await;
}

pub(super) async fn a_refused_write_leaves_its_operation_free(world: &World) {
    let key = world.session("17").await;
    let mut write = set(&key, None, "second");
    world.refused(&write).await;
    write.expected = Some(1);
    assert_eq!(world.write(&write).await.revision, 2);
    assert_eq!(world.found(&key).await.text.as_str(), "second");
}
