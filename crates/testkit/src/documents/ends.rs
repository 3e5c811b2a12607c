//! Documents that end, and clocks that jump.

use std::time::Duration;

use chrono::{SubsecRound, TimeDelta};

use super::world::{World, remove, session, set};

const DAY: Duration = Duration::from_secs(86_400);
const TTL: Duration = Duration::from_micros(3_600_123_457);
const MICROSECOND: Duration = Duration::from_micros(1);

pub(super) async fn a_document_is_there_until_the_microsecond_of_its_end(world: &World) {
    let key = session("17");
    let nanosecond = Duration::from_nanos(1);
    let done = world
        .write(&set(&key, None, "{}").with_ttl(TTL + nanosecond))
        .await;
    let document = world.found(&key).await;
    let end = document.expires.expect("it ends");
    assert_eq!(end.trunc_subsecs(6), end);
    assert_eq!(
        end - done.changed,
        TimeDelta::from_std(TTL).expect("a short time")
    );
    let last_minute = Duration::from_secs(60);
    world.advance(TTL - last_minute).await;
    assert_eq!(world.found(&key).await, document);
    let left = (end - world.now().await).to_std();
    let left = left.expect("it has not ended");
    // Where time passes by itself, nobody can look at the last microsecond.
    if left == last_minute {
        world.advance(left - MICROSECOND).await;
        assert_eq!(world.found(&key).await, document);
        world.advance(MICROSECOND).await;
    } else {
        world.advance(left).await;
    }
    world.absent(&key).await;
}

pub(super) async fn a_document_without_an_end_stays(world: &World) {
    let (key, bounded) = (world.session("17").await, session("18"));
    let document = world.found(&key).await;
    world.write(&set(&bounded, None, "{}").with_ttl(DAY)).await;
    world.write(&set(&bounded, Some(1), "{}")).await;
    world.advance(20_000 * DAY).await;
    assert_eq!(world.found(&key).await, document);
    assert_eq!(world.found(&bounded).await.expires, None);
}

pub(super) async fn a_document_that_ended_is_written_anew(world: &World) {
    let key = world.session("17").await;
    let first = world
        .write(&set(&key, Some(1), "second").with_ttl(TTL))
        .await;
    world.advance(TTL).await;
    for stale in [1, 2] {
        world.refused(&set(&key, Some(stale), "late")).await;
    }
    let anew = world.write(&set(&key, None, "anew")).await;
    assert!(anew.created > first.changed, "it has another beginning");
    assert_eq!(anew.created, anew.changed);
    // A store may have forgotten it by then, and counts from one again.
    assert!([1, 3].contains(&anew.revision), "{}", anew.revision);
    let document = world.found(&key).await;
    assert_eq!((document.text.as_str(), document.expires), ("anew", None));
    assert_eq!(document.created, anew.created);
}

pub(super) async fn a_document_that_ended_cannot_be_removed(world: &World) {
    let key = session("17");
    world.write(&set(&key, None, "{}").with_ttl(TTL)).await;
    world.advance(TTL).await;
    world.refused(&remove(&key, 1)).await;
}

pub(super) async fn each_write_says_when_the_document_ends(world: &World) {
    let key = session("17");
    world.write(&set(&key, None, "{}").with_ttl(TTL)).await;
    for revision in 1..=4 {
        world.advance(TTL / 2).await;
        let prolonged = set(&key, Some(revision), "{}").with_ttl(TTL);
        let done = world.write(&prolonged).await;
        let end = world.found(&key).await.expires;
        assert_eq!(end, Some(done.changed + TTL));
    }
    world
        .write(&set(&key, Some(5), "{}").with_ttl(TTL / 4))
        .await;
    world.advance(TTL / 4).await;
    world.absent(&key).await;
}

pub(super) async fn a_document_that_stands_for_no_time_is_absent(world: &World) {
    let key = session("17");
    let done = world
        .write(&set(&key, None, "{}").with_ttl(Duration::ZERO))
        .await;
    assert_eq!(done.revision, 1);
    world.absent(&key).await;
    world.write(&set(&key, None, "{}")).await;
    world.found(&key).await;
}

pub(super) async fn the_longest_time_is_no_failure(world: &World) {
    for (name, ttl) in [
        ("seconds", Duration::from_secs(u64::MAX)),
        ("all", Duration::MAX),
        ("milliseconds", Duration::from_millis(u64::MAX)),
        (
            "microseconds",
            Duration::from_micros(i64::MAX.unsigned_abs()),
        ),
        ("signed", Duration::from_secs(i64::MAX.unsigned_abs())),
        ("long", Duration::from_secs(1 << 32)),
    ] {
        let key = session(name);
        world.write(&set(&key, None, "{}").with_ttl(ttl)).await;
        let document = world.found(&key).await;
        let century = TimeDelta::days(36_500);
        assert!(
            document
                .expires
                .is_some_and(|end| end - document.changed > century)
        );
        let done = world.write(&set(&key, Some(1), "{}").with_ttl(TTL)).await;
        assert_eq!(world.found(&key).await.expires, Some(done.changed + TTL));
    }
}

pub(super) async fn a_clock_set_back_does_not_set_dates_back(world: &World) {
    let key = world.session("17").await;
    let first = world.found(&key).await.changed;
    for (revision, expected) in [(2, Some(1)), (3, Some(2))] {
        world.set_back(DAY).await;
        let done = world.write(&set(&key, expected, "{}")).await;
        assert_eq!(done.revision, revision);
        assert_eq!((done.created, done.changed), (first, first));
    }
    world.set_back(DAY).await;
    assert_eq!(world.write(&remove(&key, 3)).await.changed, first);
    world.set_back(DAY).await;
    let anew = world.write(&set(&key, None, "{}")).await;
    assert_eq!((anew.created, anew.changed), (first, first));
    // Others have the time that it is.
    assert!(world.write(&set(&session("18"), None, "{}")).await.created < first);
}

pub(super) async fn a_clock_set_back_does_not_end_a_document(world: &World) {
    let key = session("17");
    world.write(&set(&key, None, "{}").with_ttl(TTL)).await;
    world.set_back(DAY).await;
    world.found(&key).await;
    world.write(&set(&key, Some(1), "{}").with_ttl(TTL)).await;
    world.found(&key).await;
}

pub(super) async fn an_end_is_counted_from_the_clock_and_not_from_the_date(world: &World) {
    let key = world.session("17").await;
    world.set_back(DAY).await;
    let before = world.now().await;
    let done = world.write(&set(&key, Some(1), "{}").with_ttl(TTL)).await;
    let after = world.now().await;
    assert!(done.changed > after);
    let end = world.found(&key).await.expires.expect("it ends");
    assert!(before + TTL <= end && end <= after + TTL);
    world.advance(TTL).await;
    world.absent(&key).await;
}

pub(super) async fn what_ended_long_ago_is_in_nobodys_way(world: &World) {
    for name in 0..20 {
        let key = session(&name.to_string());
        world.write(&set(&key, None, "{}").with_ttl(TTL)).await;
    }
    let (lasting, late) = (session("lasting"), session("late"));
    world.write(&set(&lasting, None, "lasting")).await;
    world
        .write(&set(&late, None, "late").with_ttl(100 * DAY))
        .await;
    world.advance(50 * DAY).await;
    // A store may forget some of those that ended with each of these, and nothing else.
    for name in 0..20 {
        let key = session(&name.to_string());
        let done = world.write(&set(&key, None, "anew")).await;
        assert!([1, 2].contains(&done.revision), "{}", done.revision);
        assert_eq!(world.found(&key).await.text.as_str(), "anew");
    }
    assert_eq!(world.found(&lasting).await.text.as_str(), "lasting");
    assert_eq!(world.found(&late).await.text.as_str(), "late");
}

pub(super) async fn a_write_can_keep_the_end(world: &World) {
    let (key, forever) = (session("17"), world.session("18").await);
    world.write(&set(&key, None, "{}").with_ttl(TTL)).await;
    let end = world.found(&key).await.expires;
    world.advance(TTL / 2).await;
    // Whatever it says of a time of its own.
    for (revision, ttl) in [(1, None), (2, Some(DAY)), (3, Some(Duration::ZERO))] {
        let mut write = set(&key, Some(revision), "kept").keeping_end();
        write.ttl = ttl;
        world.write(&write).await;
        assert_eq!(world.found(&key).await.expires, end);
    }
    world
        .write(&set(&forever, Some(1), "kept").keeping_end().with_ttl(TTL))
        .await;
    world.advance(TTL / 2 + MICROSECOND).await;
    world.absent(&key).await;
    assert_eq!(world.found(&forever).await.expires, None);
    // There is no end to keep of one that has ended.
    world.write(&set(&key, None, "anew").keeping_end()).await;
    assert_eq!(world.found(&key).await.expires, None);
}
