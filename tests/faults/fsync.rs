//! A disk that fails to keep what it was given: `fsync` returns EIO.
//!
//! `strace` lets it fail in a running server. Where `strace` is missing or may not attach to a
//! process, the tests say so and do nothing, and fail if everything has to run.

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, OnceLock},
    time::Duration,
};

use portcullis_core::UserStore;
use portcullis_testkit::{
    load::{Load, Running},
    servers::{Postgres, Redis, Settings},
};
use portcullis_tests::{ADMIN, Ask, Door, ORG, Server};
use sqlx::{
    ConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};
use tokio::time::{sleep, timeout};

use crate::{
    halves,
    handles::{postgres, redis, sqlite},
    scale::not_run,
};

/// Writers, and so acknowledgements that may be under way when the disk begins to fail.
const WRITERS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn postgres_acknowledges_nothing_that_it_could_not_sync() {
    if !can_trace() {
        return not_run("fsync of PostgreSQL", NEEDS);
    }
    let meanwhile = fail_under_postgres(Settings::new()).await;
    assert!(meanwhile <= WRITERS, "{meanwhile}");
}

/// The control: a server that does not sync acknowledges all the same.
#[tokio::test(flavor = "multi_thread")]
async fn postgres_without_sync_goes_on_acknowledging() {
    if !can_trace() {
        return not_run("fsync of PostgreSQL, the control", NEEDS);
    }
    let meanwhile = fail_under_postgres(Settings::new().with("fsync", "off")).await;
    assert!(meanwhile > WRITERS, "{meanwhile}");
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_acknowledges_nothing_that_it_could_not_sync() {
    if !can_trace() {
        return not_run("fsync of Redis", NEEDS);
    }
    let server = Redis::start().await;
    let store = redis(&server.url()).await;
    let load = start(&store).await;
    let meanwhile = fail_under(&[server.pid()], &load).await;
    server.kill().await;
    server.start_again().await;
    load.wait_for_more(100).await;
    let audit = load.stop().await.audit(&*store).await.unwrap();
    println!("Redis, fsync fails: {meanwhile} acknowledged meanwhile, {audit}");
    assert!(
        audit.is_sound() && meanwhile <= WRITERS,
        "{meanwhile} {audit}"
    );
}

/// How many writes a PostgreSQL server acknowledges while no sync succeeds. Nothing is lost, since
/// the operating system lives on.
async fn fail_under_postgres(settings: Settings) -> usize {
    let server = Postgres::start_with(settings).await;
    let store = postgres(&server.url("postgres")).await;
    let load = start(&store).await;
    let pids = working_in(&server.directory().join("postgres"));
    let meanwhile = fail_under(&pids, &load).await;
    server.kill().await;
    server.start_again().await;
    load.wait_for_more(100).await;
    let audit = load.stop().await.audit(&*store).await.unwrap();
    println!("PostgreSQL, fsync fails: {meanwhile} acknowledged meanwhile, {audit}");
    assert!(audit.is_sound(), "{audit}");
    meanwhile
}

async fn start(store: &Arc<dyn UserStore>) -> Running {
    let load = Load::on(&[Arc::clone(store)]).writers(WRITERS).start();
    let load = load.await.unwrap();
    load.wait_for(200).await;
    load
}

/// How many writes are acknowledged while the disk fails.
async fn fail_under(pids: &[u32], load: &Running) -> usize {
    let failing = FailingDisk::under(pids).await;
    let before = load.acknowledged();
    sleep(FAILING).await;
    let after = load.acknowledged();
    failing.mend().await;
    after - before
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_acknowledges_nothing_that_it_could_not_sync() {
    if !can_trace() {
        return not_run("fsync of SQLite", NEEDS);
    }
    let mut server = Server::start().await;
    let ask = Ask::new("42", ADMIN);
    let before = ask.through(Door::Rest, server.address).await;
    let failing = FailingDisk::under(&[server.pid()]).await;
    for _ in 0..20 {
        let answer = ask.through(Door::Rest, server.address).await;
        assert!([2, 14].contains(&answer.code), "{answer:?}");
    }
    failing.mend().await;
    let after = ask.through(Door::Rest, server.address).await;
    assert_eq!(after.code, 0, "it recovers without a restart: {after:?}");
    assert!(after.sequence > before.sequence);
    server.kill_and_restart().await;
    let (exit, lines) = server.inspect(ORG, "42").await;
    assert_eq!(exit, 0, "gapless, and every hash has its event");
    let stored: Vec<_> = lines[1..]
        .iter()
        .map(|event| &event["operation_id"])
        .collect();
    for acknowledged in [before, after] {
        assert!(stored.contains(&&acknowledged.operation.unwrap().into()));
    }
}

/// The control: a connection that does not sync goes on.
#[tokio::test(flavor = "multi_thread")]
async fn sqlite_without_sync_goes_on_acknowledging() {
    if !can_trace() {
        return not_run("fsync of SQLite, the control", NEEDS);
    }
    let directory = tempfile::tempdir().unwrap();
    let (child, counted) = halves::start("fsync::unsynced_half", directory.path());
    let written = || {
        fs::read_to_string(&counted)
            .unwrap_or_default()
            .lines()
            .count()
    };
    while written() < 10 {
        sleep(Duration::from_millis(5)).await;
    }
    let failing = FailingDisk::under(&[child.id()]).await;
    let before = written();
    sleep(FAILING).await;
    let meanwhile = written() - before;
    failing.mend().await;
    drop(child);
    println!("SQLite without sync, fsync fails: {meanwhile} acknowledged meanwhile");
    assert!(meanwhile > WRITERS, "{meanwhile}");
}

/// Writes without end, and says so in a file after each time.
#[tokio::test]
#[ignore = "the other half of a test"]
async fn unsynced_half() {
    let (path, mut counted) = halves::here();
    drop(sqlite(&path).await);
    let off = SqliteConnectOptions::new().filename(&path);
    let mut off = off
        .synchronous(SqliteSynchronous::Off)
        .connect()
        .await
        .unwrap();
    loop {
        let write = "PRAGMA user_version = 1; BEGIN; \
                     UPDATE users SET failures = failures + 1; \
                     INSERT INTO shams SELECT 'x', coalesce(max(slot) + 1, 0), 0, NULL FROM shams; \
                     COMMIT";
        sqlx::raw_sql(write).execute(&mut off).await.unwrap();
        counted.write_all(b"one\n").unwrap();
    }
}

/// Whether `strace` is there and may attach to a process that it did not start.
fn can_trace() -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let mut sleeper = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = sleeper.id().to_string();
        let mut strace = Command::new("strace");
        strace.args(["-qq", "-o", "/dev/null", "-p", &pid]);
        let Ok(mut strace) = strace.stderr(Stdio::null()).spawn() else {
            sleeper.kill().unwrap();
            sleeper.wait().unwrap();
            return false;
        };
        // It ends when it may not attach.
        let attached = loop {
            if tracer(sleeper.id()).is_some_and(|tracer| tracer != 0) {
                break true;
            } else if strace.try_wait().unwrap().is_some() {
                break false;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        sleeper.kill().unwrap();
        sleeper.wait().unwrap();
        drop(strace.kill());
        strace.wait().unwrap();
        attached
    })
}

const NEEDS: &str = "`strace`, and leave to attach it to a process";
/// How long the disk fails.
const FAILING: Duration = Duration::from_secs(1);

/// Processes for which every sync fails.
struct FailingDisk {
    strace: Child,
    pids: Vec<u32>,
}

impl FailingDisk {
    async fn under(pids: &[u32]) -> Self {
        // It counts calls by thread, so the first of each has to fail.
        let mut command = Command::new("strace");
        command.args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=fsync,fdatasync",
        ]);
        command.args(["-e", "inject=fsync,fdatasync:error=EIO:when=1+"]);
        for pid in pids {
            command.args(["-p", &pid.to_string()]);
        }
        let strace = command.stderr(Stdio::null()).spawn();
        let this = Self {
            strace: strace.expect("strace is installed"),
            pids: pids.to_vec(),
        };
        let attached = async {
            while !this.pids.iter().all(|pid| tracer(*pid) != Some(0)) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        let attached = timeout(Duration::from_secs(20), attached).await;
        attached.expect("strace may attach to processes");
        this
    }

    async fn mend(mut self) {
        let pid = self.strace.id().to_string();
        let told = Command::new("kill").args(["-s", "INT", &pid]).status();
        // It may have ended with the last of its processes.
        drop(told);
        self.strace.wait().unwrap();
        while self
            .pids
            .iter()
            .any(|pid| tracer(*pid).is_some_and(|tracer| tracer != 0))
        {
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for FailingDisk {
    fn drop(&mut self) {
        drop(self.strace.kill());
    }
}

/// Who traces a process; nothing if it has ended.
fn tracer(pid: u32) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let field = |name| status.lines().find_map(|line| line.strip_prefix(name));
    let has_ended = field("State:")?.trim().starts_with('Z');
    (!has_ended).then_some(field("TracerPid:")?.trim().parse().ok()?)
}

/// The processes that work in a directory.
fn working_in(directory: &Path) -> Vec<u32> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let inside = processes.filter(|process| {
        fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == directory)
    });
    let names = inside.map(|process| process.file_name());
    names
        .filter_map(|name| name.to_str()?.parse().ok())
        .collect()
}
