//! `UserStore::events`.

use std::time::Duration;

use portcullis_core::{
    StoreErrorKind, UserKey, UserStore,
    store::{Cursor, Event, EventKind, EventQuery, UserState, Verification, Version},
};

use crate::{
    build::{hash, key, lockout, new_user, remove_hash, set_hash, set_state, subject, upgrade},
    history::walk,
    world::{World, answered},
};

/// Three users of two organisations with nine events, written in turns.
async fn three_histories(world: &World) -> [UserKey; 3] {
    let keys = [key("acme", "1"), key("acme", "2"), key("umbrella", "1")];
    for key in &keys {
        world.create(&new_user(key)).await;
    }
    for version in 1..=2 {
        for key in &keys {
            world.commit(&set_hash(key, Version(version), 2)).await;
        }
    }
    keys
}

fn of(events: &[Event], key: &UserKey) -> Vec<Event> {
    let own = events.iter().filter(|event| event.key == *key);
    own.cloned().collect()
}

pub(crate) async fn one_users_events_come_by_sequence_all_of_them_once(world: &World) {
    let keys = three_histories(world).await;
    for key in &keys {
        let page = answered(world.store.events(&EventQuery::user(key.clone())).await);
        let sequences: Vec<_> = page.events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [1, 2, 3]);
        world.history(key).await;
    }
}

pub(crate) async fn the_outbox_holds_every_event_of_every_user(world: &World) {
    let keys = three_histories(world).await;
    let outbox = world.outbox().await;
    assert_eq!(outbox.len(), 9);
    for key in &keys {
        let own = of(&outbox, key);
        assert_eq!(own, world.history(key).await, "in their order");
    }
}

pub(crate) async fn events_of_other_users_are_absent(world: &World) {
    three_histories(world).await;
    for (organisation, id) in [
        ("acme", "3"),
        ("umbrella", "2"),
        ("1", "acme"),
        ("acme1", "1"),
    ] {
        let query = EventQuery::user(key(organisation, id));
        let page = answered(world.store.events(&query).await);
        assert!(page.events.is_empty());
    }
}

pub(crate) async fn each_event_says_what_it_left(world: &World) {
    let key = world.user("42").await;
    world.fail(&subject(&key)).await;
    world.lock_by_attempt(&subject(&key), 2).await;
    world.commit(&set_hash(&key, Version(1), 2)).await;
    world.upgraded(&upgrade(&key, 2, 3)).await;
    world
        .commit(&set_state(&key, Version(2), UserState::Active))
        .await;
    world.attempt(&subject(&key), Verification::Right).await;
    world.commit(&remove_hash(&key, Version(3))).await;
    let events = world.history(&key).await;
    let digests = [1, 2, 3].map(|n| Some(hash(n).digest()));
    let [first, second, third] = digests;
    let (active, locked) = (UserState::Active, UserState::Locked);
    let expected = [
        (EventKind::HumanAdded, 1, active, 0, first),
        (EventKind::CheckFailed, 1, active, 1, first),
        (EventKind::CheckFailed, 1, active, 2, first),
        (EventKind::Locked, 1, locked, 2, first),
        (EventKind::PasswordChanged, 2, locked, 0, second),
        (EventKind::HashUpdated, 2, locked, 0, third),
        (EventKind::Reactivated, 3, active, 0, third),
        (EventKind::CheckSucceeded, 3, active, 0, third),
        (EventKind::PasswordRemoved, 4, active, 0, None),
    ];
    // The two events of one step may both show the state that the step left.
    for (event, (kind, version, state, failures, hash)) in events.iter().zip(expected) {
        assert_eq!((event.kind, event.version), (kind, Version(version)));
        assert_eq!((event.failures, event.hash), (failures, hash));
        let one_step = kind == EventKind::CheckFailed && failures == 2;
        assert!(event.state == state || one_step, "the state after {kind}");
    }
    assert_eq!(events.len(), expected.len());
}

pub(crate) async fn reading_one_by_one_repeats_nothing_and_skips_nothing(world: &World) {
    let keys = three_histories(world).await;
    let outbox = world.outbox().await;
    for limit in [1, 2, 4, 8, 9, 10] {
        let query = EventQuery::outbox().with_limit(limit);
        assert_eq!(
            walk(&*world.store, query).await,
            outbox,
            "{limit} at a time"
        );
    }
    for key in &keys {
        let own = world.history(key).await;
        for limit in [1, 2, 3, 4] {
            let query = EventQuery::user(key.clone()).with_limit(limit);
            assert_eq!(walk(&*world.store, query).await, own, "{limit} at a time");
        }
    }
}

pub(crate) async fn a_page_holds_at_most_the_events_asked_for(world: &World) {
    let keys = three_histories(world).await;
    for limit in [0, 1, 2, 3, 8] {
        let query = EventQuery::outbox().with_limit(limit);
        let page = answered(world.store.events(&query).await);
        assert_eq!(page.events.len(), limit as usize);
    }
    let query = EventQuery::user(keys[0].clone()).with_limit(2);
    assert_eq!(answered(world.store.events(&query).await).events.len(), 2);
}

pub(crate) async fn a_page_holds_at_most_a_thousand_events(world: &World) {
    let key = world.user("42").await;
    let mut change = set_hash(&key, Version(1), 2);
    for _ in 0..1_100 {
        change = change.with_event(EventKind::PasswordChanged);
    }
    world.commit(&change).await;
    let mut queries = [EventQuery::outbox(), EventQuery::user(key.clone())];
    for query in &mut queries {
        for limit in [EventQuery::MAX_PAGE, 1_050, u32::MAX] {
            query.limit = limit;
            let page = answered(world.store.events(query).await);
            assert_eq!(page.events.len(), 1_000);
        }
        assert_eq!(walk(&*world.store, query.clone()).await.len(), 1_102);
    }
    world.history(&key).await;
}

pub(crate) async fn the_end_is_where_later_events_are_read_on(world: &World) {
    let key = world.user("42").await;
    for query in [EventQuery::outbox(), EventQuery::user(key.clone())] {
        let version = world.load(&key).await.version;
        let page = answered(world.store.events(&query).await);
        let end = page.next.expect("a page with events has an end");
        let query = query.after(end.clone());
        let page = answered(world.store.events(&query).await);
        assert_eq!((page.events.len(), page.next), (0, Some(end)));
        let details = world.commit(&set_hash(&key, version, 2)).await;
        let page = answered(world.store.events(&query).await);
        let sequences: Vec<_> = page.events.iter().map(|event| event.sequence).collect();
        assert_eq!(sequences, [details.sequence]);
    }
}

pub(crate) async fn an_empty_store_has_no_events(world: &World) {
    for query in [EventQuery::outbox(), EventQuery::user(key("acme", "42"))] {
        let page = answered(world.store.events(&query).await);
        assert_eq!((page.events.len(), page.next), (0, None));
    }
}

pub(crate) async fn reading_goes_on_while_others_write(world: &World) {
    let key = world.user("42").await;
    let neighbour = world.user("43").await;
    let mut seen = Vec::new();
    let mut query = EventQuery::outbox().with_limit(2);
    for version in 1..=8 {
        world.commit(&set_hash(&key, Version(version), 2)).await;
        world
            .commit(&set_hash(&neighbour, Version(version), 2))
            .await;
        let page = answered(world.store.events(&query).await);
        query.after = page.next;
        seen.extend(page.events);
    }
    seen.extend(walk(&*world.store, query).await);
    assert_eq!(seen, world.outbox().await);
    assert_eq!(seen.len(), 18);
}

pub(crate) async fn a_cursor_is_good_on_another_handle(world: &World) {
    let key = world.user("42").await;
    world.commit(&set_hash(&key, Version(1), 2)).await;
    let query = EventQuery::outbox().with_limit(1);
    let page = answered(world.store.events(&query).await);
    let other = world.fixture.reopen().await;
    let rest = EventQuery::outbox().after(page.next.expect("one event is left"));
    let page = answered(other.events(&rest).await);
    assert_eq!(page.events, world.history(&key).await[1..]);
}

pub(crate) async fn a_users_cursor_is_a_sequence(world: &World) {
    for key in &three_histories(world).await {
        let own = world.history(key).await;
        for after in 0..=3 {
            let query = EventQuery::user(key.clone()).after(Cursor::sequence(after));
            let page = answered(world.store.events(&query).await);
            let rest = own.iter().filter(|event| event.sequence > after);
            assert_eq!(page.events, rest.cloned().collect::<Vec<_>>());
            assert_eq!(page.next, Some(Cursor::sequence(3)));
        }
        let query = EventQuery::user(key.clone()).with_limit(1);
        let page = answered(world.store.events(&query).await);
        assert_eq!(page.next, Some(Cursor::sequence(1)));
    }
}

pub(crate) async fn a_foreign_cursor_is_misuse(world: &World) {
    let key = world.user("42").await;
    for position in [
        "",
        " ",
        "not a cursor",
        "'; DROP TABLE events; --",
        "\u{202e}*",
        "-",
        "$",
    ] {
        for query in [EventQuery::outbox(), EventQuery::user(key.clone())] {
            let query = query.after(Cursor::new(position));
            let error = world.store.events(&query).await.expect_err(position);
            assert_eq!(error.kind(), StoreErrorKind::Misuse, "cursor {position:?}");
        }
    }
    assert_eq!(world.outbox().await.len(), 1);
}

pub(crate) async fn a_lease_that_ran_out_is_in_the_outbox(world: &World) {
    let (key, neighbour) = (world.user("42").await, world.user("43").await);
    let permit = world.permit(&subject(&key), lockout(3)).await;
    world.advance(Duration::from_secs(3_600)).await;
    world.commit(&set_hash(&neighbour, Version(1), 2)).await;
    world.permit(&subject(&key), lockout(3)).await;
    let outbox = world.outbox().await;
    assert_eq!(of(&outbox, &key), world.history(&key).await);
    assert_eq!(outbox.last().map(|event| event.operation), Some(permit));
}
