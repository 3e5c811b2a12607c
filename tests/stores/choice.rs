//! A URL is all that a server needs to be told of its store.

use portcullis_core::{HashString, Password, PasswordHasher};
use portcullis_tests::{ADMIN, Ask, Door, ORG, OTHER_ORG, Options, Server, get, rig};

use crate::store::Store;

on_stores! {
    a_url_is_enough: sqlite postgres redis cluster sentinel;
    the_environment_is_enough: sqlite postgres redis cluster sentinel;
}

async fn a_url_is_enough(store: Store) {
    works(&store.serve().await).await;
}

async fn the_environment_is_enough(store: Store) {
    let options = Options {
        store: store.url().await,
        by_environment: true,
        ..Options::default()
    };
    works(&Server::with(options).await).await;
}

async fn works(server: &Server) {
    assert_eq!(get(server.address, "/readyz", &[]).await.status, 200);
    let mut last = String::new();
    for (sequence, door) in (2..).zip(Door::ALL) {
        last = format!("Secret-{sequence}");
        let answer = Ask::new("42", ADMIN).password(&last);
        let answer = answer.through(door, server.address).await;
        let told = (answer.code, answer.sequence, answer.owner.as_deref());
        assert_eq!(told, (0, Some(sequence), Some(ORG)), "{door:?}: {answer:?}");
    }
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 2 + Door::ALL.len()));
    let hash = HashString::parse(lines[0]["hash"].as_str().unwrap()).unwrap();
    let last = Password::new(last).unwrap();
    assert!(rig::cheap().verify(&last, &hash).unwrap());
    let (exit, lines) = server.inspect(OTHER_ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 2), "another user of this id");

    let second = server.beside().await;
    let answer = Ask::new("42", ADMIN);
    let answer = answer.through(Door::Grpc, second.address).await;
    let next = 2 + Door::ALL.len() as u64;
    assert_eq!(
        (answer.code, answer.sequence),
        (0, Some(next)),
        "{answer:?}"
    );
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}
