//! The control of the tests that kill a server on SQLite: whoever writes a hash and its event one
//! after the other is halved by a kill.

use std::{fs, io::Write, time::Duration};

use portcullis_core::UserStore;
use sqlx::{ConnectOptions, sqlite::SqliteConnectOptions};
use tokio::time::sleep;

use crate::{
    halves,
    handles::sqlite,
    people::{create, set},
};

/// How often it is killed at most. One kill in two finds it between the writes.
const KILLS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn two_writes_are_halved_by_a_kill() {
    for kills in 1..=KILLS {
        let directory = tempfile::tempdir().unwrap();
        let (child, report) = halves::start("two_writes::two_writes_half", directory.path());
        while fs::read_to_string(&report)
            .unwrap_or_default()
            .lines()
            .count()
            < 10
        {
            sleep(Duration::from_millis(1)).await;
        }
        drop(child);
        let path = directory.path().join(halves::DATA).join("users.db");
        drop(sqlite(&path).await);
        let raw = SqliteConnectOptions::new().filename(&path);
        let halved = "SELECT count(*) FROM users AS u WHERE sequence <> \
            (SELECT max(sequence) FROM events AS e WHERE e.user = u.user)";
        let halved: i64 = sqlx::query_scalar(halved)
            .fetch_one(&mut raw.connect().await.unwrap())
            .await
            .unwrap();
        if halved > 0 {
            println!("SQLite, two writes: halved by kill {kills}");
            return;
        }
    }
    panic!("no kill came between two writes");
}

#[tokio::test]
#[ignore = "the other half of a test"]
async fn two_writes_half() {
    let (path, mut report) = halves::here();
    let store = sqlite(&path).await;
    let user = create(&*store).await;
    let record = store.load(&user).await.unwrap().unwrap();
    store.commit(&set(&user, record.version)).await.unwrap();
    drop(store);
    let raw = SqliteConnectOptions::new().filename(&path);
    let mut raw = raw.connect().await.unwrap();
    loop {
        for write in [
            "UPDATE users SET version = version + 1, sequence = sequence + 1",
            "INSERT INTO events (organisation, user, sequence, kind, version, state, failures, \
                must_change, hash_sha256, operation, editor, date) \
             SELECT organisation, user, sequence + 1, kind, version + 1, state, failures, \
                must_change, hash_sha256, randomblob(16), editor, date \
             FROM events ORDER BY position DESC LIMIT 1",
        ] {
            sqlx::query(write).execute(&mut raw).await.unwrap();
        }
        report.write_all(b"both\n").unwrap();
    }
}
