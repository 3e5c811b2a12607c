//! `kill -9` at any moment loses nothing that was acknowledged.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use portcullis_tests::{ORG, Server, send_raw};
use tokio::task::JoinSet;

const USERS: [&str; 3] = ["42", "locked", "inactive"];

/// How often the server is killed; `./test --long` asks for more.
fn cycles() -> usize {
    std::env::var("PORTCULLIS_KILLS")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(5)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost() {
    let mut server = Server::start().await;
    let mut acknowledged = Vec::new();
    for cycle in 0..cycles() {
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for client in 0..16 {
            clients.spawn(load(server.address, client, Arc::clone(&stop)));
        }
        // How far the load gets before the kill differs each time: that is the point of it.
        tokio::time::sleep(Duration::from_millis(150 + 70 * (cycle as u64 % 5))).await;
        let killed = Instant::now();
        server.kill_and_restart().await;
        assert!(
            killed.elapsed() < Duration::from_secs(2),
            "ready again after {:?}",
            killed.elapsed()
        );
        stop.store(true, Ordering::Relaxed);
        while let Some(done) = clients.join_next().await {
            acknowledged.extend(done.unwrap());
        }
    }
    assert!(
        acknowledged.len() > 10 * cycles(),
        "{} acknowledged is no load",
        acknowledged.len()
    );
    for user in USERS {
        let (exit, lines) = server.inspect(ORG, user).await;
        assert_eq!(exit, 0, "gapless, and every hash has its event");
        let stored: std::collections::HashMap<_, _> = lines[1..]
            .iter()
            .map(|event| {
                (
                    event["operation_id"].as_str().unwrap(),
                    event["sequence"].as_u64(),
                )
            })
            .collect();
        for (_, operation, sequence) in acknowledged.iter().filter(|(of, ..)| *of == user) {
            let found = stored.get(operation.as_str()).copied().flatten();
            assert_eq!(found, Some(*sequence), "acknowledged and lost: {operation}");
        }
    }
    println!(
        "{} acknowledged over {} kills, none lost",
        acknowledged.len(),
        cycles()
    );
}

/// Sets passwords until it is told to stop; what was acknowledged comes back.
async fn load(
    address: std::net::SocketAddr,
    client: usize,
    stop: Arc<AtomicBool>,
) -> Vec<(&'static str, String, u64)> {
    let mut acknowledged = Vec::new();
    let user = USERS[client % USERS.len()];
    let path = format!("/management/v1/users/{user}/password");
    let headers = [("authorization", "Bearer token-admin")];
    let body = br#"{"password":"Secret-1234"}"#;
    let request = portcullis_tests::request("POST", &path, &headers, body);
    while !stop.load(Ordering::Relaxed) {
        let request = request.clone();
        // A connection that dies with the server has no answer: the task ends in a panic.
        let Ok(reply) = tokio::spawn(async move { send_raw(address, &request).await }).await else {
            break;
        };
        if reply.status == 200 {
            let operation = reply
                .header("x-portcullis-operation-id")
                .unwrap()
                .to_owned();
            let sequence = reply.json()["details"]["sequence"]
                .as_str()
                .unwrap()
                .parse()
                .unwrap();
            acknowledged.push((user, operation, sequence));
        }
    }
    acknowledged
}
