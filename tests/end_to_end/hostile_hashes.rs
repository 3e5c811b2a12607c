//! Stored strings that ask for too much or mean two things.

use std::{io::Read, path::Path, process::Stdio, time::Duration};

use portcullis_tests::{ADMIN, Ask, BOOTSTRAP, Door, ORG, Options, Server, binary};
use wait4::Wait4;

const SALT: &str = "c29tZXNhbHQ";
const TAG: &str = "QjcIk5wH3vJiKZL5CKZ5+WsYnYTgmYHW";

fn hostile() -> Vec<String> {
    let argon2id = |rest: &str| format!("$argon2id$v=19${rest}${SALT}${TAG}");
    vec![
        argon2id("m=4294967295,t=1,p=1"),
        argon2id("m=67108864,t=1,p=1"),
        argon2id("m=524289,t=1,p=1"),
        argon2id("m=7,t=1,p=1"),
        argon2id("m=64,t=4294967295,p=1"),
        argon2id("m=64,t=11,p=1"),
        argon2id("m=64,t=0,p=1"),
        argon2id("m=64,t=1,p=4294967295"),
        argon2id("m=64,t=1,p=17"),
        argon2id("m=64,t=1,p=0"),
        argon2id("m=64,m=1048576,t=1,p=1"),
        argon2id("m=64,t=1,t=9,p=1"),
        argon2id("t=1,m=64,p=1"),
        argon2id("t=1,p=1"),
        argon2id("m=64,t=1"),
        argon2id("m=064,t=1,p=1"),
        argon2id("m=+64,t=1,p=1"),
        argon2id("m=64,t=1,p=1,keyid=aGVsbG8="),
        format!("$argon2id$m=64,t=1,p=1${SALT}${TAG}"),
        format!("$argon2id$v=19$m=64,t=1,p=1${SALT}=${TAG}"),
        format!("$argon2id$v=19$m=64,t=1,p=1$c29t${TAG}"),
        format!("$argon2id$v=19$m=64,t=1,p=1${SALT}${}", "A".repeat(300)),
        format!(
            "$argon2id$v=19$m=64,t=1,p=1${SALT}${}",
            TAG.replace('+', "-")
        ),
        format!("$argon2x$v=19$m=64,t=1,p=1${SALT}${TAG}\n"),
    ]
}

/// Starts the server on the file in this directory, to its end.
fn start(directory: &Path) -> (wait4::ResUse, String) {
    start_with(directory, &[])
}

fn start_with(directory: &Path, arguments: &[&str]) -> (wait4::ResUse, String) {
    let mut child = std::process::Command::new(binary())
        .args(["--listen", "127.0.0.1:0", "--bootstrap", "bootstrap.toml"])
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut error = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut error)
        .unwrap();
    (child.wait4().unwrap(), error)
}

fn cheapest(directory: &Path, first: &wait4::ResUse) -> Duration {
    let cpu = |start: &wait4::ResUse| start.rusage.utime + start.rusage.stime;
    let others = (0..2).map(|_| cpu(&start(directory).0));
    others.fold(cpu(first), Duration::min)
}

#[test]
fn are_refused_at_import_by_line() {
    assert_eq!(hostile().len(), 24);
    let directory = tempfile::TempDir::new().unwrap();
    // What a start costs that ends at another mistake in the same place.
    let other = tempfile::TempDir::new().unwrap();
    std::fs::write(
        other.path().join("bootstrap.toml"),
        BOOTSTRAP.replacen("kind = \"human\"", "kind = \"robot\"", 1),
    )
    .unwrap();
    let (plain, error) = start(other.path());
    let plain_cpu = cheapest(other.path(), &plain);
    let mut plain_memory = plain.rusage.maxrss;
    assert!(error.contains("human or machine"), "{error}");
    for hash in hostile() {
        let entry = format!("username = \"alice\"\npassword_hash = {hash:?}");
        let text = BOOTSTRAP.replacen("username = \"alice\"", &entry, 1);
        let line = text
            .lines()
            .position(|line| line.starts_with("password_hash"))
            .unwrap()
            + 1;
        std::fs::write(directory.path().join("bootstrap.toml"), text).unwrap();
        let (refused, error) = start(directory.path());
        assert_eq!(refused.status.code(), Some(1), "{hash}: {error}");
        // What else runs makes the same work cost more, never less: the cheapest of several counts.
        let cpu = cheapest(directory.path(), &refused);
        let beyond = cpu.saturating_sub(plain_cpu);
        assert!(beyond <= Duration::from_millis(50), "{hash}: {beyond:?}");
        if refused.rusage.maxrss > plain_memory {
            // What this process has used counts as its child's, and other tests run in it.
            plain_memory = start(other.path()).0.rusage.maxrss;
        }
        let memory = refused.rusage.maxrss.saturating_sub(plain_memory);
        assert!(memory <= 16 << 20, "{hash}: {memory} bytes");
        assert!(
            error.contains(&format!("bootstrap.toml:{line}: password_hash")),
            "{error}"
        );
        assert!(
            !error.contains(TAG) && !error.contains(hash.trim()),
            "no hash in: {error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn are_never_tried_at_load_and_a_set_repairs_them() {
    let server = Server::start().await;
    let database = server.directory().join("portcullis.db");
    for hash in hostile() {
        let before = usage(server.pid());
        damage(&database, &hash).await;
        let (exit, lines) = server.inspect(ORG, "42").await;
        assert_eq!(exit, 1, "record and events disagree: {lines:?}");
        assert_eq!(lines[0]["password"], "unreadable", "{hash}");

        let answer = Ask::new("42", ADMIN)
            .through(Door::Rest, server.address)
            .await;
        assert_eq!(answer.code, 0, "{hash}: {answer:?}");
        let (exit, lines) = server.inspect(ORG, "42").await;
        assert_eq!(
            (exit, &lines[0]["password"]),
            (0, &"readable".into()),
            "{hash}"
        );
        let after = usage(server.pid());
        assert!(
            after.cpu_ms - before.cpu_ms <= 50,
            "{hash}: {} ms",
            after.cpu_ms - before.cpu_ms
        );
        assert!(after.peak_kib - before.peak_kib <= 16 * 1024, "{hash}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_hash_is_imported() {
    let hash = format!("$argon2id$v=19$m=64,t=1,p=1${SALT}${TAG}");
    let entry = format!("username = \"alice\"\npassword_hash = {hash:?}");
    let text = BOOTSTRAP.replacen("username = \"alice\"", &entry, 1);
    let server = Server::with(Options {
        bootstrap: Some(text),
        ..Default::default()
    })
    .await;
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!((exit, &lines[0]["hash"]), (0, &hash.into()));
}

/// Each would be an error at every login.
#[test]
fn what_could_never_be_compared_is_refused_by_line() {
    let directory = tempfile::TempDir::new().unwrap();
    let hash = |rest: &str| format!("$argon2id$v=19${rest}${SALT}${TAG}");
    for hash in [hash("m=64,t=1,p=1,keyid=aGVsbG8"), hash("m=65537,t=1,p=1")] {
        let entry = format!("username = \"alice\"\npassword_hash = {hash:?}");
        let text = BOOTSTRAP.replacen("username = \"alice\"", &entry, 1);
        let before = text.split("password_hash").next().unwrap();
        let line = before.lines().count() + 1;
        std::fs::write(directory.path().join("bootstrap.toml"), &text).unwrap();
        let (refused, error) = start_with(directory.path(), &["--hash-memory", "64"]);
        assert_eq!(refused.status.code(), Some(1), "{hash}: {error}");
        let place = format!("bootstrap.toml:{line}: password_hash is refused");
        assert!(error.contains(&place), "{error}");
        assert!(!error.contains(TAG), "no hash in: {error}");
    }
}

/// Writes a hash past every check, as somebody with access to the file could.
async fn damage(database: &Path, hash: &str) {
    use sqlx::{Connection, SqliteConnection};
    let url = format!("sqlite:{}", database.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let query = sqlx::query("UPDATE users SET hash = ? WHERE organisation = ? AND user = '42'");
    let done = query
        .bind(hash)
        .bind(ORG)
        .execute(&mut connection)
        .await
        .unwrap();
    assert_eq!(done.rows_affected(), 1);
    connection.close().await.unwrap();
}

struct Usage {
    cpu_ms: u64,
    peak_kib: u64,
}

/// What the server's process has used so far. The kernel counts in hundredths of a second.
fn usage(pid: u32) -> Usage {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    let peak_kib = peak.trim().trim_end_matches(" kB").parse().unwrap();
    Usage {
        cpu_ms: ticks * 10,
        peak_kib,
    }
}
