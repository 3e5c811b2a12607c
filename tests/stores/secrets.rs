//! The password in a store's URL shows nowhere.

use std::{process::Stdio, time::Duration};

use portcullis_testkit::servers::{Postgres, Redis, RedisCluster, RedisSentinel, Settings};
use portcullis_tests::{ADMIN, Ask, BOOTSTRAP, ORG, Options, Server, binary, get};
use tempfile::TempDir;
use tokio::process::Command;

use crate::store::{cluster_url, sentinel_url};

const CANARY: &str = "c4nary";
const RIGHT: &str = "c4nary-right";
const WRONG: &str = "c4nary-wrong";

#[tokio::test(flavor = "multi_thread")]
async fn of_postgres() {
    let postgres = with_a_password().await;
    let url = |password: &str| format!("postgres://app:{password}@{}/app", postgres.address());
    let server = serve(url(RIGHT), &["sslmode=c4nary", "c4nary=1"]).await;
    refused(&url(WRONG), "password authentication failed").await;
    postgres.kill().await;
    says_nothing(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_redis() {
    let settings = Settings::new().with("requirepass", RIGHT);
    let redis = Redis::start_with(settings).await;
    let url = |password: &str| format!("redis://:{password}@{}/0", redis.address());
    let server = serve(url(RIGHT), &["c4nary=1", "wait=c4nary"]).await;
    refused(&url(WRONG), "WRONGPASS").await;
    refused(&format!("redis://{}/0", redis.address()), "NOAUTH").await;
    redis.kill().await;
    says_nothing(&server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_cluster() {
    let cluster = RedisCluster::start().await;
    for setting in ["masterauth", "requirepass"] {
        for node in 0..RedisCluster::SIZE {
            let command = ["config", "set", setting, RIGHT];
            assert_eq!(cluster.ask(node, &command).await, "OK");
        }
    }
    let bare = cluster_url(&cluster);
    let url = |password: &str| bare.replace("://", &format!("://:{password}@"));
    let server = serve(url(RIGHT), &["c4nary=1", "wait_ms=c4nary"]).await;
    refused(&url(WRONG), "WRONGPASS").await;
    refused(&bare, "NOAUTH").await;
    for node in 0..RedisCluster::SIZE {
        cluster.kill(node).await;
    }
    says_nothing(&server).await;
}

/// The password is that of the servers of data; Sentinels have none.
#[tokio::test(flavor = "multi_thread")]
async fn of_sentinel() {
    let sentinel = RedisSentinel::start(3).await;
    for setting in ["masterauth", "requirepass"] {
        for node in 0..2 {
            let command = ["config", "set", setting, RIGHT];
            assert_eq!(sentinel.cli(node, &command).await, "OK");
        }
    }
    let bare = sentinel_url(&sentinel);
    let url = |password: &str| bare.replace("://", &format!("://:{password}@"));
    let server = serve(url(RIGHT), &["c4nary=1", "wait_ms=c4nary"]).await;
    refused(&url(WRONG), "WRONGPASS").await;
    for node in 0..2 {
        sentinel.kill(node).await;
    }
    says_nothing(&server).await;
}

/// A database and a role that has to say its password.
async fn with_a_password() -> Postgres {
    let postgres = Postgres::start().await;
    let rules = "local all all trust\n\
                 host all app 127.0.0.1/32 scram-sha-256\n\
                 host all all 127.0.0.1/32 trust\n";
    std::fs::write(postgres.directory().join("postgres/pg_hba.conf"), rules).unwrap();
    let role = format!("create role app login password '{RIGHT}'");
    for statement in [
        &*role,
        "create database app owner app",
        "select pg_reload_conf()",
    ] {
        postgres.query("postgres", statement).await;
    }
    postgres
}

/// A server that tells all it can, on a store that works; bad parameters are refused.
async fn serve(url: String, bad: &[&str]) -> Server {
    assert!(url.contains(CANARY));
    let options = Options {
        store: url.clone(),
        by_environment: true,
        log_level: "trace",
        ..Options::default()
    };
    let server = Server::with(options).await;
    for (door, answer) in Ask::new("42", ADMIN).everywhere(server.address).await {
        assert_eq!(answer.code, 0, "{door:?}: {answer:?}");
    }
    says_nothing(&server).await;
    assert_eq!(server.inspect(ORG, "42").await.0, 0);
    let help = program(&["--help"], &url).await;
    assert_eq!(help.0, 0, "{}", help.1);
    for parameter in bad {
        let (exit, text) =
            program(&["--listen", "127.0.0.1:0"], &format!("{url}?{parameter}")).await;
        assert_eq!(exit, 2, "{text}");
    }
    // A host that is not there may come: the server starts without it.
    let (credentials, place) = url.rsplit_once('@').unwrap();
    let path = place.find('/').map_or("", |at| &place[at..]);
    let elsewhere = Server::with(Options {
        store: format!("{credentials}@nowhere.invalid:1{path}"),
        by_environment: true,
        log_level: "trace",
        ..Options::default()
    });
    says_nothing(&elsewhere.await).await;
    server
}

/// Everything that the server says, while its store works and while it does not.
async fn says_nothing(server: &Server) {
    let mut said = server.printed.clone();
    for path in ["/readyz", "/metrics", "/healthz", "/openapi.json"] {
        said += &get(server.address, path, &[]).await.text();
    }
    let answers = Ask::new("42", ADMIN).everywhere(server.address).await;
    said += &format!("{answers:?}");
    said += &server.log();
    assert!(said.contains("portcullis"), "there is a log");
    assert!(!said.contains(CANARY), "{said}");
}

/// A start that the store's server refuses ends with a word of why.
async fn refused(url: &str, why: &str) {
    let (exit, text) = program(&["--listen", "127.0.0.1:0"], url).await;
    assert_eq!(exit, 1, "{text}");
    assert!(text.contains(why), "{text}");
    let inspect = ["inspect", "--org=x", "--user=x"];
    let (exit, text) = program(&inspect, url).await;
    assert_eq!(exit, 1, "{text}");
}

/// Runs the program to its end on the store of its environment, in ten seconds: how it ended and
/// what it printed, without the canary.
async fn program(arguments: &[&str], url: &str) -> (i32, String) {
    let directory = TempDir::new().unwrap();
    std::fs::write(directory.path().join("portcullis.toml"), BOOTSTRAP).unwrap();
    let mut command = Command::new(binary());
    command.args(arguments).env("PORTCULLIS_STORE", url);
    if arguments[0] != "inspect" {
        command.args(["--log-level", "trace"]);
    }
    command
        .current_dir(directory.path())
        .kill_on_drop(true)
        .stdin(Stdio::null());
    let ended = tokio::time::timeout(Duration::from_secs(10), command.output());
    let output = ended.await.expect("it ends in ten seconds").unwrap();
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains(CANARY), "{text}");
    (output.status.code().unwrap(), text)
}
