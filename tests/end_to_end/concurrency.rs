//! Many callers, one user.

use std::collections::BTreeMap;

use portcullis_core::{HashString, Password, PasswordHasher};
use portcullis_tests::{ADMIN, Ask, Door, ORG, Server, get, rig};
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn sixty_four_callers_all_succeed_and_the_last_one_counts() {
    let server = Server::start().await;
    let mut callers = JoinSet::new();
    for number in 0..64 {
        let address = server.address;
        let door = Door::ALL[number % Door::ALL.len()];
        callers.spawn(async move {
            let password = format!("Secret-{number}");
            let ask = Ask::new("42", ADMIN).password(&password);
            (ask.through(door, address).await, password)
        });
    }
    let mut by_sequence = BTreeMap::new();
    while let Some(done) = callers.join_next().await {
        let (answer, password) = done.unwrap();
        assert_eq!(answer.code, 0, "{answer:?}");
        let twice = by_sequence.insert(answer.sequence.unwrap(), password);
        assert!(twice.is_none(), "every sequence is unique");
    }
    assert!(
        by_sequence.keys().copied().eq(2..66),
        "gapless: {:?}",
        by_sequence.keys()
    );
    let metrics = get(server.address, "/metrics", &[]).await.text();
    let hashes = "portcullis_hash_operations_total{kind=\"set\"} 64";
    assert!(
        metrics.contains(hashes),
        "no race costs a second hash: {metrics}"
    );
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!((exit, lines.len()), (0, 66));
    let hash = HashString::parse(lines[0]["hash"].as_str().unwrap()).unwrap();
    let last = Password::new(by_sequence[&65].clone()).unwrap();
    assert!(
        rig::cheap().verify(&last, &hash).unwrap(),
        "the stored hash is the last one's"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_on_one_file_share_one_sequence() {
    let first = Server::start().await;
    let second = first.beside().await;
    let mut callers = JoinSet::new();
    for number in 0..32 {
        let address = if number % 2 == 0 {
            first.address
        } else {
            second.address
        };
        callers.spawn(async move { Ask::new("42", ADMIN).through(Door::Rest, address).await });
    }
    let mut sequences = Vec::new();
    while let Some(done) = callers.join_next().await {
        let answer = done.unwrap();
        assert_eq!(answer.code, 0, "{answer:?}");
        sequences.push(answer.sequence.unwrap());
    }
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(2..34));
    assert_eq!(first.inspect(ORG, "42").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_that_hang_up_leave_nothing_behind() {
    use tokio::io::AsyncWriteExt;
    let server = Server::start().await;
    let body = br#"{"password":"Secret-1234"}"#;
    let headers = [("authorization", "Bearer token-admin")];
    let request =
        portcullis_tests::request("POST", "/management/v1/users/42/password", &headers, body);
    for _ in 0..200 {
        let mut stream = tokio::net::TcpStream::connect(server.address)
            .await
            .unwrap();
        stream.write_all(&request).await.unwrap();
        drop(stream);
    }
    let answer = Ask::new("42", ADMIN)
        .through(Door::Rest, server.address)
        .await;
    assert_eq!(answer.code, 0, "{answer:?}");
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}
