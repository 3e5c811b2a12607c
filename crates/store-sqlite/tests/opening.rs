//! How a file becomes a store, and which files do not.

#![expect(clippy::unwrap_used, reason = "a test reports by panicking")]

use std::{
    path::Path,
    pin::pin,
    process::{Command, Stdio},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use portcullis_core::store::{CreateOutcome, EventQuery, NewUser, UserKind};
use portcullis_core::{
    OperationId, OrgId, OsRandom, StoreErrorKind, StoreHealth, SystemClock, UserId, UserKey,
    UserStore,
};
use portcullis_store_sqlite::{SqliteConfig, SqliteStore};
use sqlx::{Connection, SqliteConnection, sqlite::SqliteConnectOptions};

const OPENERS: usize = 16;

async fn open(path: &Path) -> SqliteStore {
    let config = SqliteConfig::new(path);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    store.await.unwrap()
}

async fn open_error(path: &Path) -> StoreErrorKind {
    let config = SqliteConfig::new(path);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    store.await.unwrap_err().kind()
}

async fn open_existing_error(path: &Path) -> StoreErrorKind {
    let config = SqliteConfig::new(path);
    let store = SqliteStore::open_existing(&config, Arc::new(SystemClock::new()));
    store.await.unwrap_err().kind()
}

async fn raw(path: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path);
    let options = options.create_if_missing(true);
    SqliteConnection::connect_with(&options).await.unwrap()
}

fn new_user(id: &str) -> NewUser {
    let key = UserKey::new(OrgId::new("acme").unwrap(), UserId::new(id).unwrap());
    let operation = OperationId::random(&OsRandom).unwrap();
    NewUser::new(key, "alice", UserKind::Human, operation)
}

async fn create(store: &SqliteStore, id: &str) {
    let outcome = store.create(&new_user(id)).await.unwrap();
    assert!(matches!(outcome, CreateOutcome::Created(_)), "{outcome:?}");
}

async fn created(store: &SqliteStore) -> usize {
    let page = store.events(&EventQuery::outbox()).await.unwrap();
    page.events.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_stores_open_one_new_file_at_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let openers: Vec<_> = (0..OPENERS)
        .map(|opener| {
            let path = path.clone();
            tokio::spawn(async move {
                let store = open(&path).await;
                create(&store, &opener.to_string()).await;
                store
            })
        })
        .collect();
    for opener in openers {
        let store = opener.await.unwrap();
        assert!(created(&store).await >= 1);
    }
    assert_eq!(created(&open(&path).await).await, OPENERS);
}

/// Runs itself in processes of their own, which find the file in the environment.
#[test]
fn processes_open_one_new_file_at_once() {
    const FILE: &str = "PORTCULLIS_TEST_FILE";
    let runtime = tokio::runtime::Runtime::new().unwrap();
    if let Some(path) = std::env::var_os(FILE) {
        runtime.block_on(async {
            let store = open(Path::new(&path)).await;
            create(&store, &std::process::id().to_string()).await;
            store.close().await;
        });
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let children: Vec<_> = (0..OPENERS)
        .map(|_| {
            let mut child = Command::new(std::env::current_exe().unwrap());
            child.args(["--exact", "processes_open_one_new_file_at_once"]);
            child
                .env(FILE, &path)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    runtime.block_on(async { assert_eq!(created(&open(&path).await).await, OPENERS) });
}

#[tokio::test]
async fn a_failing_migration_says_so_each_time_and_leaves_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let obstacle = "PRAGMA application_id = 1349481076; CREATE TABLE users (in_the_way INT)";
    let mut raw = raw(&path).await;
    sqlx::raw_sql(obstacle).execute(&mut raw).await.unwrap();
    for _ in 0..2 {
        let started = Instant::now();
        assert_eq!(open_error(&path).await, StoreErrorKind::Internal);
        assert!(started.elapsed() < Duration::from_secs(10));
        let tables = "SELECT count(*) FROM sqlite_schema WHERE type = 'table'";
        let tables: i64 = sqlx::query_scalar(tables)
            .fetch_one(&mut raw)
            .await
            .unwrap();
        assert_eq!(tables, 1, "all or nothing");
    }
    // No lock is left: what was in the way can be taken away at once.
    sqlx::raw_sql("DROP TABLE users")
        .execute(&mut raw)
        .await
        .unwrap();
    create(&open(&path).await, "42").await;
}

/// SQLite does not wait by itself when it is to switch to a write-ahead log and another writes.
#[tokio::test]
async fn an_open_waits_for_whoever_is_writing_to_the_new_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let mut other = raw(&path).await;
    let writing = other.begin_with("BEGIN IMMEDIATE").await.unwrap();

    let config = SqliteConfig::new(&path).with_busy_timeout(Duration::ZERO);
    let store = SqliteStore::open(&config, Arc::new(SystemClock::new()));
    let error = store.await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);

    let config = SqliteConfig::new(&path).with_busy_timeout(Duration::from_secs(60));
    let mut store = pin!(SqliteStore::open(&config, Arc::new(SystemClock::new())));
    // More steps than it takes without waiting: it has been turned away, and tries again.
    let mut steps = 0;
    std::future::poll_fn(|context| {
        steps += 1;
        assert!(store.as_mut().poll(context).is_pending());
        if steps < 60 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
    writing.rollback().await.unwrap();
    let store = store.await.unwrap();
    create(&store, "42").await;
}

#[tokio::test]
async fn a_store_that_was_closed_or_dropped_keeps_everything() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let store = open(&path).await;
    create(&store, "closed").await;
    store.close().await;
    let error = store.check().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);

    let store = open(&path).await;
    create(&store, "dropped").await;
    drop(store);

    let store = open(&path).await;
    assert_eq!(created(&store).await, 2);
    assert!(store.load(&new_user("closed").key).await.unwrap().is_some());
    assert!(
        store
            .load(&new_user("dropped").key)
            .await
            .unwrap()
            .is_some()
    );
}

#[cfg(unix)]
#[tokio::test]
async fn only_the_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let store = open(&path).await;
    create(&store, "42").await;
    let mut files = 0;
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let mode = file.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        files += 1;
    }
    assert_eq!(files, 3, "the database, its log and its index");
}

#[tokio::test]
async fn the_file_is_configured_to_be_durable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    open(&path).await.close().await;
    let mut raw = raw(&path).await;
    let mode = sqlx::query_scalar("PRAGMA journal_mode");
    let mode: String = mode.fetch_one(&mut raw).await.unwrap();
    assert_eq!(mode, "wal");
    let check = sqlx::query_scalar("PRAGMA integrity_check");
    let check: String = check.fetch_one(&mut raw).await.unwrap();
    assert_eq!(check, "ok");
}

#[tokio::test]
async fn a_path_is_a_file_whatever_it_looks_like() {
    let directory = tempfile::tempdir().unwrap();
    for name in [":memory:", "file:users.db?mode=memory", "Benutzer ä.db"] {
        let path = directory.path().join(name);
        open(&path).await.close().await;
        assert!(path.exists());
    }
}

#[tokio::test]
async fn a_file_that_is_no_database_is_corrupt() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let text = "no database, but long enough to be taken for one at first sight\n".repeat(100);
    std::fs::write(&path, &text).unwrap();
    assert_eq!(open_error(&path).await, StoreErrorKind::Corrupt);
    assert_eq!(open_existing_error(&path).await, StoreErrorKind::Corrupt);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
}

#[tokio::test]
async fn the_database_of_another_application_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    let mut other = raw(&path).await;
    let table = sqlx::query("CREATE TABLE users (name TEXT)");
    table.execute(&mut other).await.unwrap();
    other.close().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_eq!(open_error(&path).await, StoreErrorKind::Misuse);
    assert_eq!(open_existing_error(&path).await, StoreErrorKind::Misuse);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn open_existing_makes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    assert_eq!(
        open_existing_error(&path).await,
        StoreErrorKind::Unavailable
    );
    assert!(!path.exists());

    std::fs::write(&path, "").unwrap();
    assert_eq!(
        open_existing_error(&path).await,
        StoreErrorKind::Unavailable
    );
    assert!(std::fs::read(&path).unwrap().is_empty());

    create(&open(&path).await, "42").await;
    let config = SqliteConfig::new(&path);
    let store = SqliteStore::open_existing(&config, Arc::new(SystemClock::new()));
    assert_eq!(created(&store.await.unwrap()).await, 1);
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_unavailable() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("absent").join("users.db");
    assert_eq!(open_error(&path).await, StoreErrorKind::Unavailable);
    assert_eq!(
        open_error(directory.path()).await,
        StoreErrorKind::Unavailable
    );
}

#[tokio::test]
async fn a_newer_schema_is_no_obstacle_and_an_edited_one_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("users.db");
    open(&path).await.close().await;
    let mut raw = raw(&path).await;
    let newer = sqlx::query(
        "INSERT INTO portcullis_migrations (version, description, success, checksum, \
         execution_time) VALUES (9999, 'newer', TRUE, x'00', 0)",
    );
    newer.execute(&mut raw).await.unwrap();
    create(&open(&path).await, "42").await;

    let edit = sqlx::query("UPDATE portcullis_migrations SET checksum = x'00' WHERE version = 1");
    edit.execute(&mut raw).await.unwrap();
    assert_eq!(open_error(&path).await, StoreErrorKind::Internal);
}
