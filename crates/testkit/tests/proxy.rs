//! The proxy hands on, and misbehaves when it is told to.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a test reports by panicking"
)]

use std::{
    io::ErrorKind,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use portcullis_testkit::{
    proxy::Proxy,
    servers::{Postgres, Redis},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
    time::timeout,
};

/// Long enough for bytes that come, short enough to wait for bytes that do not.
const MOMENT: Duration = Duration::from_millis(100);

/// A server that answers with what it gets, and remembers it.
struct Echo {
    address: SocketAddr,
    got: Arc<Mutex<Vec<u8>>>,
    resets: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Echo {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (got, resets) = (
            Arc::<Mutex<Vec<u8>>>::default(),
            Arc::<Mutex<usize>>::default(),
        );
        let (all, broken) = (Arc::clone(&got), Arc::clone(&resets));
        Self {
            address: listener.local_addr().unwrap(),
            got,
            resets,
            task: tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(echo(stream, Arc::clone(&all), Arc::clone(&broken)));
                }
            }),
        }
    }

    fn got(&self) -> String {
        String::from_utf8(self.got.lock().unwrap().clone()).unwrap()
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn echo(mut stream: TcpStream, got: Arc<Mutex<Vec<u8>>>, resets: Arc<Mutex<usize>>) {
    let mut piece = [0; 4096];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) => return,
            Ok(size) => {
                got.lock().unwrap().extend_from_slice(&piece[..size]);
                if stream.write_all(&piece[..size]).await.is_err() {
                    return;
                }
            }
            Err(_) => {
                *resets.lock().unwrap() += 1;
                return;
            }
        }
    }
}

async fn client(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

async fn ask(stream: &mut TcpStream, text: &str) -> std::io::Result<()> {
    stream.write_all(text.as_bytes()).await?;
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).await?;
    assert_eq!(answer, text.as_bytes());
    Ok(())
}

#[tokio::test]
async fn it_hands_on_in_both_directions_until_the_end() {
    let (echo, text) = (Echo::start().await, "x".repeat(300_000));
    let proxy = Proxy::to(echo.address).await;
    let mut stream = client(&proxy).await;
    let (mut from, mut to) = stream.split();
    let send = async {
        to.write_all(text.as_bytes()).await.unwrap();
        to.shutdown().await.unwrap();
    };
    let mut answer = String::new();
    let (read, ()) = tokio::join!(from.read_to_string(&mut answer), send);
    assert_eq!(read.unwrap(), text.len());
    assert_eq!(answer, text);
    assert_eq!(*echo.resets.lock().unwrap(), 0);
}

#[tokio::test]
async fn it_delays_each_direction() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut stream = client(&proxy).await;
    let (short, long) = (MOMENT / 2, MOMENT);
    proxy.delay_requests(long);
    let started = Instant::now();
    stream.write_all(b"1").await.unwrap();
    let reply = timeout(short, stream.read_u8()).await;
    assert!(
        reply.is_err() && echo.got().is_empty(),
        "held before the server"
    );
    assert_eq!(stream.read_u8().await.unwrap(), b'1');
    assert!(started.elapsed() >= long);
    proxy.delay_requests(Duration::ZERO);
    proxy.delay_replies(long);
    let started = Instant::now();
    stream.write_all(b"2").await.unwrap();
    let reply = timeout(short, stream.read_u8()).await;
    assert!(
        reply.is_err() && echo.got() == "12",
        "held behind the server"
    );
    assert_eq!(stream.read_u8().await.unwrap(), b'2');
    assert!(started.elapsed() >= long);
}

#[tokio::test]
async fn a_cut_resets_both_sides() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut streams = [client(&proxy).await, client(&proxy).await];
    for stream in &mut streams {
        ask(stream, "before").await.unwrap();
    }
    proxy.cut().await;
    for stream in &mut streams {
        let error = stream.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    }
    while *echo.resets.lock().unwrap() < 2 {
        tokio::task::yield_now().await;
    }
    ask(&mut client(&proxy).await, "after").await.unwrap();
}

#[tokio::test]
async fn it_refuses_and_accepts_again() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut open = client(&proxy).await;
    ask(&mut open, "before").await.unwrap();
    proxy.refuse().await;
    let refused = TcpStream::connect(proxy.address()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    ask(&mut open, "open ones stay").await.unwrap();
    proxy.accept().await;
    ask(&mut client(&proxy).await, "after").await.unwrap();
}

#[tokio::test]
async fn nothing_leaves_a_black_hole_until_it_ends() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut stream = client(&proxy).await;
    ask(&mut stream, "before").await.unwrap();
    proxy.black_hole(true);
    stream.write_all(b"held").await.unwrap();
    let reply = timeout(MOMENT, stream.read_u8()).await;
    assert!(reply.is_err(), "nothing comes back");
    assert_eq!(echo.got(), "before");
    proxy.black_hole(false);
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"held");
}

#[tokio::test]
async fn slices_are_smaller_than_what_was_sent() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut stream = client(&proxy).await;
    proxy.slice(true);
    let text = "x".repeat(2_000);
    stream.write_all(text.as_bytes()).await.unwrap();
    let (mut answer, mut pieces) = (vec![0; text.len()], 0);
    let mut size = 0;
    while size < text.len() {
        size += stream.read(&mut answer[size..]).await.unwrap();
        pieces += 1;
    }
    assert_eq!(answer, text.as_bytes());
    assert!(pieces > 10, "in only {pieces} pieces");
}

#[tokio::test]
async fn replies_are_lost_after_the_server_had_the_request() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut before = client(&proxy).await;
    ask(&mut before, "COMMIT 0;").await.unwrap();
    proxy.drop_replies(b"COMMIT", 2);
    ask(&mut before, "BEGIN;").await.unwrap();
    for number in [1, 2] {
        let mut stream = client(&proxy).await;
        ask(&mut stream, "BEGIN;").await.unwrap();
        let lost = ask(&mut stream, &format!("COMMIT {number};")).await;
        assert_eq!(lost.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    }
    ask(&mut before, "COMMIT 3;").await.unwrap();
    let expected = "COMMIT 0;BEGIN;BEGIN;COMMIT 1;BEGIN;COMMIT 2;COMMIT 3;";
    assert_eq!(echo.got(), expected);
    assert_eq!(proxy.dropped(), 2);
}

#[tokio::test]
async fn a_request_in_two_pieces_is_recognised() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let mut stream = client(&proxy).await;
    proxy.drop_replies(b"COMMIT", 1);
    ask(&mut stream, "COM").await.unwrap();
    let lost = ask(&mut stream, "MIT").await;
    assert_eq!(lost.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    assert_eq!(echo.got(), "COMMIT");
}

#[tokio::test]
async fn it_points_at_another_server() {
    let (first, second) = (Echo::start().await, Echo::start().await);
    let proxy = Proxy::to(first.address).await;
    ask(&mut client(&proxy).await, "first").await.unwrap();
    proxy.point_at(second.address);
    ask(&mut client(&proxy).await, "second").await.unwrap();
    assert_eq!(
        (first.got().as_str(), second.got().as_str()),
        ("first", "second")
    );
}

#[tokio::test]
async fn all_faults_end_at_once() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    proxy.black_hole(true);
    proxy.delay_replies(Duration::from_secs(3600));
    proxy.drop_replies(b"x", 9);
    proxy.refuse().await;
    proxy.heal().await;
    ask(&mut client(&proxy).await, "x").await.unwrap();
}

#[tokio::test]
async fn it_ends_with_its_value() {
    let echo = Echo::start().await;
    let proxy = Proxy::to(echo.address).await;
    let (mut stream, address) = (client(&proxy).await, proxy.address());
    ask(&mut stream, "before").await.unwrap();
    drop(proxy);
    assert!(stream.read_u8().await.is_err());
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_applies_what_loses_its_reply() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.address()).await;
    for lost in 1..=10 {
        proxy.drop_replies(b"INCR", 1);
        let mut stream = client(&proxy).await;
        stream.write_all(b"INCR counter\r\n").await.unwrap();
        assert_eq!(stream.read(&mut [0; 16]).await.unwrap(), 0, "closed");
        assert_eq!(proxy.dropped(), lost);
        let counter = redis.cli(&["get", "counter"]).await;
        assert_eq!(counter, lost.to_string());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn postgres_applies_what_loses_its_reply() {
    let postgres = Postgres::start().await;
    postgres.query("postgres", "create table t (n int)").await;
    let proxy = Proxy::to(postgres.address()).await;
    proxy.drop_replies(b"commit", 3);
    let url = format!("postgres://postgres@{}/postgres", proxy.address());
    for tried in 1..=4 {
        let mut psql = tokio::process::Command::new("psql");
        psql.args(["-Xq", &url, "-c", "begin", "-c", "insert into t values (1)"]);
        let output = psql.args(["-c", "commit"]).output().await.unwrap();
        assert_eq!(output.status.success(), tried > 3, "{output:?}");
        let count = postgres.query("postgres", "select count(*) from t").await;
        assert_eq!(count, tried.to_string());
    }
}
