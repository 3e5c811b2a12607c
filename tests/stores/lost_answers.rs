//! An answer that does not arrive is asked for again, under the same operation id.

use std::{collections::HashSet, net::SocketAddr};

use portcullis_testkit::proxy::Proxy;
use portcullis_tests::{ADMIN, Answer, Ask, Door, ORG, operation_id};
use tokio::task::JoinSet;

use crate::store::Store;

on_stores! {
    every_id_has_one_event: sqlite postgres redis cluster;
    without_an_id_every_attempt_has_one: sqlite postgres redis cluster;
}

/// How often in a row answers are lost, and whose.
const LOSSES: [(&str, usize); 3] = [("42", 1), ("locked", 3), ("inactive", 10)];
/// The proxy knows requests by their passwords, which this one encodes.
const WITHOUT: Door = Door::GrpcWebText;

/// How many ids there are in all; `./test --long` asks for more.
fn ids() -> usize {
    let asked = std::env::var("PORTCULLIS_LOST_ANSWERS").ok();
    asked.and_then(|text| text.parse().ok()).unwrap_or(60)
}

async fn every_id_has_one_event(store: Store) {
    let server = store.serve().await;
    let each = ids() / LOSSES.len();
    let mut users = JoinSet::new();
    for (user, losses) in LOSSES {
        users.spawn(lose(server.address, user, losses, each));
    }
    while let Some(done) = users.join_next().await {
        let (user, told) = done.unwrap();
        let (exit, lines) = server.inspect(ORG, user).await;
        assert_eq!((exit, lines.len()), (0, 2 + each), "{user}: one event each");
        let stored = lines[2..].iter().map(|event| {
            let operation = event["operation_id"].as_str().unwrap().to_owned();
            (operation, event["sequence"].as_u64().unwrap())
        });
        assert_eq!(stored.collect::<HashSet<_>>(), told, "{user}");
    }
}

/// The control: who asks again without an id gets an event for each time that the server heard it.
async fn without_an_id_every_attempt_has_one(store: Store) {
    let server = store.serve().await;
    let proxy = Proxy::to(server.address).await;
    let password = "Secret-1234-canary";
    let ask = Ask::new("42", ADMIN).password(password);
    for _ in 0..3 {
        proxy.drop_replies(password.as_bytes(), 1);
        assert!(try_ask(&ask, Door::Rest, proxy.address()).await.is_none());
        let answer = ask.through(Door::Rest, proxy.address()).await;
        assert_eq!(answer.code, 0, "{answer:?}");
    }
    let (_, lines) = server.inspect(ORG, "42").await;
    assert_eq!(
        lines.len(),
        2 + 2 * 3,
        "two for each change that was wanted"
    );
}

/// Asks for one password after the other until the answer arrives; what was answered to each id.
async fn lose(
    server: SocketAddr,
    user: &'static str,
    losses: usize,
    ids: usize,
) -> (&'static str, HashSet<(String, u64)>) {
    let proxy = Proxy::to(server).await;
    let mut doors = Door::ALL
        .into_iter()
        .filter(|door| *door != WITHOUT)
        .cycle();
    let mut told = HashSet::new();
    for number in 0..ids {
        let password = format!("Secret-{user}-{number}-");
        proxy.drop_replies(password.as_bytes(), losses);
        let (id, door) = (operation_id(), doors.next().unwrap());
        let ask = Ask::new(user, ADMIN).password(password).operation(&id);
        for _ in 0..losses {
            let answer = try_ask(&ask, door, proxy.address()).await;
            assert!(answer.is_none_or(|answer| answer.code != 0), "{door:?}");
        }
        let answer = try_ask(&ask, door, proxy.address()).await;
        let answer = answer.expect("no more answers are lost");
        assert_eq!(answer.code, 0, "{door:?}: {answer:?}");
        told.insert((id, answer.sequence.unwrap()));
    }
    assert_eq!(proxy.dropped(), losses * ids, "that many were lost");
    (user, told)
}

/// A connection that ends without an answer ends the task in a panic.
async fn try_ask(ask: &Ask, door: Door, address: SocketAddr) -> Option<Answer> {
    let ask = ask.clone();
    let asking = tokio::spawn(async move { ask.through(door, address).await });
    asking.await.ok()
}
