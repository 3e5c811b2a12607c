//! A store that is not there yet, and one that goes away.

use std::time::{Duration, Instant};

use portcullis_tests::{ADMIN, Ask, Detail, ORG, Server, get, post};
use tokio::time::sleep;

use crate::{own::Own, store::Store};

on_stores! {
    the_server_may_start_first: postgres redis cluster;
    the_server_outlives_its_store: postgres redis cluster;
}

/// From the store's return until the server serves.
const RETURN: Duration = Duration::from_secs(5);
/// For an answer that there is no store.
const REFUSAL: Duration = Duration::from_secs(5);

async fn the_server_may_start_first(store: Store) {
    let own = Own::start(store).await;
    own.kill().await;
    let started = Instant::now();
    let server = Server::on(own.url()).await;
    let started = started.elapsed();
    assert!(
        started < Duration::from_secs(10),
        "listens after {started:?}"
    );
    refuses(&server).await;
    own.start_again().await;
    serves_again(&server).await;
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

async fn the_server_outlives_its_store(store: Store) {
    let own = Own::start(store).await;
    let server = Server::on(own.url()).await;
    for _ in 0..2 {
        serves_again(&server).await;
        own.kill().await;
        refuses(&server).await;
        own.start_again().await;
    }
    serves_again(&server).await;
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

/// Alive, not ready, and honest to clients without letting them wait for long.
async fn refuses(server: &Server) {
    let asked = Instant::now();
    let alive = get(server.address, "/healthz", &[]).await;
    assert_eq!(alive.status, 200);
    assert!(
        asked.elapsed() < Duration::from_secs(1),
        "{:?}",
        asked.elapsed()
    );
    let ready = get(server.address, "/readyz", &[]).await;
    assert_eq!(ready.status, 503, "{}", ready.text());
    assert!(!ready.json()["reason"].as_str().unwrap().is_empty());
    assert!(
        asked.elapsed() < Duration::from_secs(3),
        "{:?}",
        asked.elapsed()
    );

    let asked = Instant::now();
    for (door, answer) in Ask::new("42", ADMIN).everywhere(server.address).await {
        assert_eq!(answer.code, 14, "{door:?}: {answer:?}");
        let hint = Detail::Other("google.rpc.RetryInfo".to_owned());
        assert!(answer.details.contains(&hint), "{door:?}: {answer:?}");
    }
    assert!(asked.elapsed() < REFUSAL, "{:?}", asked.elapsed());
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str())];
    let path = "/management/v1/users/42/password";
    let reply = post(
        server.address,
        path,
        &headers,
        r#"{"password":"Secret-1234"}"#,
    )
    .await;
    assert_eq!(reply.status, 503, "{}", reply.text());
    let seconds: u64 = reply.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=5).contains(&seconds));
}

/// Ready without a restart, and open through every door.
async fn serves_again(server: &Server) {
    let back = Instant::now();
    while get(server.address, "/readyz", &[]).await.status != 200 {
        assert!(back.elapsed() < RETURN, "not ready: {}", server.log());
        sleep(Duration::from_millis(20)).await;
    }
    for (door, answer) in Ask::new("42", ADMIN).everywhere(server.address).await {
        assert_eq!(answer.code, 0, "{door:?}: {answer:?}");
    }
    assert!(back.elapsed() < RETURN, "{:?}", back.elapsed());
}
