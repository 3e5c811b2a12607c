//! Clients that hang up in the middle of a call hold nobody up.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use portcullis_testkit::servers::Postgres;
use portcullis_tests::{ADMIN, Ask, Door, ORG, Server, request};
use tokio::{io::AsyncWriteExt, net::TcpStream, task::JoinSet, time::sleep};

use crate::store::{Store, unique};

on_stores! {
    a_thousand_hang_up: sqlite redis cluster;
}

const CLIENTS: usize = 1000;
const AT_ONCE: usize = 50;

async fn a_thousand_hang_up(store: Store) {
    let server = store.serve().await;
    hang_up(&server).await;
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_hang_up_on_postgres() {
    let postgres = Postgres::shared().await;
    let schema = unique();
    let url = postgres.url("postgres");
    let url = format!("{url}?schema={schema}&pool=4&application_name={schema}");
    let server = Server::on(url).await;
    hang_up(&server).await;
    let open = format!(
        "select count(*) from pg_stat_activity \
         where application_name = '{schema}' and state like 'idle in transaction%'"
    );
    let ended = Instant::now();
    while postgres.query("postgres", &open).await != "0" {
        assert!(
            ended.elapsed() < Duration::from_secs(5),
            "a transaction is open"
        );
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
}

/// Resets a thousand connections, each some time into its call, and makes a call.
async fn hang_up(server: &Server) {
    let authorization = format!("Bearer {ADMIN}");
    let headers = [("authorization", authorization.as_str())];
    let body = br#"{"password":"Secret-1234"}"#;
    let request = request("POST", "/management/v1/users/42/password", &headers, body);
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        if clients.len() == AT_ONCE {
            clients.join_next().await.unwrap().unwrap();
        }
        let patience = Duration::from_micros(250 * (client as u64 % 20));
        clients.spawn(one(server.address, request.clone(), patience));
    }
    clients.join_all().await;
    let asked = Instant::now();
    let answer = Ask::new("42", ADMIN)
        .through(Door::Rest, server.address)
        .await;
    assert_eq!(answer.code, 0, "{answer:?}");
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(2), "served after {took:?}");
}

async fn one(address: SocketAddr, request: Vec<u8>, patience: Duration) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // Closing it sends a reset and not an end.
    stream.set_zero_linger().unwrap();
    stream.write_all(&request).await.unwrap();
    sleep(patience).await;
}
