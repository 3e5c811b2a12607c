//! A store that is not there yet, and one that goes away.

use std::time::{Duration, Instant};

use portcullis_testkit::proxy::Proxy;
use portcullis_tests::{ADMIN, Ask, Detail, ORG, Server, get, post};
use tokio::time::sleep;

use crate::{own::Own, store::Store};

on_stores! {
    the_server_waits_for_its_store: postgres redis cluster sentinel;
    the_server_waits_for_a_silent_store: postgres redis;
}

/// From the store's return until the server serves.
const RETURN: Duration = Duration::from_secs(5);
/// For an answer that there is no store.
const REFUSAL: Duration = Duration::from_secs(5);

async fn the_server_waits_for_its_store(store: Store) {
    let own = Own::start(store).await;
    own.kill().await;
    let server = starts(&own.url()).await;
    refuses(&server).await;
    own.start_again().await;
    serves_again(&server).await;
    own.kill().await;
    refuses(&server).await;
    own.start_again().await;
    serves_again(&server).await;
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

/// A store that takes connections and says nothing, as behind a broken network.
async fn the_server_waits_for_a_silent_store(store: Store) {
    let own = Own::start(store).await;
    let proxy = Proxy::to(own.address()).await;
    proxy.black_hole(true);
    let (there, proxied) = (own.address().to_string(), proxy.address().to_string());
    let server = starts(&own.url().replace(&there, &proxied)).await;
    refuses(&server).await;
    proxy.heal().await;
    serves_again(&server).await;
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

/// Starts without its store, and not much later than with it.
async fn starts(url: &str) -> Server {
    let started = Instant::now();
    let server = Server::on(url).await;
    let started = started.elapsed();
    println!("listens after {started:?}");
    assert!(started < Duration::from_secs(10), "{started:?}");
    server
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
        let hint = answer.details.last();
        let in_time = |wait: &Duration| (1..=5).contains(&wait.as_secs());
        assert!(
            matches!(hint, Some(Detail::Retry(wait)) if in_time(wait)),
            "{door:?}: {answer:?}"
        );
    }
    let refused = asked.elapsed();
    println!("unavailable after {refused:?}");
    assert!(refused < REFUSAL, "{refused:?}");
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
    let back = back.elapsed();
    println!("serves after {back:?}");
    assert!(back < RETURN, "{back:?}");
}
