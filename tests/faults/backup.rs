//! A copy that is taken while writers are at it is a consistent past of every user, and the
//! restored store goes on from there.

mod copy;

use std::sync::Arc;

use portcullis_core::UserStore;
use portcullis_testkit::{
    load::{Load, Running},
    servers::{Postgres, Redis},
};

use crate::handles::{postgres, redis, sqlite};
use copy::{Copied, Source, goes_on, is_inspected, program};

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_postgres_goes_on_in_a_new_cluster() {
    restore_dump("SELECT 1").await;
}

/// Transaction ids of the other cluster lie between those in the dump and those that a reader of
/// the original has seen since.
#[tokio::test(flavor = "multi_thread")]
async fn a_dump_of_postgres_goes_on_in_an_older_cluster() {
    restore_dump(
        "DO $$ BEGIN
            WHILE pg_current_xact_id() <= (SELECT tx FROM portcullis.events ORDER BY tx DESC LIMIT 1) LOOP
                COMMIT;
            END LOOP;
        END $$",
    )
    .await;
}

/// Takes a dump under load and restores it in another cluster, which does this before it serves.
async fn restore_dump(first: &str) {
    let server = Postgres::start().await;
    let store = postgres(&server.url("postgres")).await;
    let load = start(&store).await;
    let source = Source::read(&*store).await;
    let directory = tempfile::tempdir().unwrap();
    let dump = directory.path().join("dump.sql").display().to_string();
    program("pg_dump", &["--file", &dump, &server.url("postgres")]).await;
    load.wait_for_more(300).await;
    drop(load.stop().await);

    let target = Postgres::start().await;
    let url = target.url("postgres");
    let quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"];
    program("psql", &[&quiet[..], &["--file", &dump, &url]].concat()).await;
    target.query("postgres", first).await;
    let restored = postgres(&url).await;
    let copied = source.compare(&*store, &*restored).await;
    println!("PostgreSQL, pg_dump: {copied:?}");
    copied.assert_sound();
    is_inspected(&url, &*restored).await;
    // Whoever has read the original to its end has seen more than the copy has.
    let ahead = Source::read(&*store).await.cursor;
    goes_on(&*restored, [source.cursor, ahead]).await;
}

/// The control: tables that are dumped one after the other are of different times.
#[tokio::test(flavor = "multi_thread")]
async fn two_dumps_of_postgres_are_no_copy() {
    let server = Postgres::start().await;
    let store = postgres(&server.url("postgres")).await;
    let load = start(&store).await;
    let source = Source::read(&*store).await;
    let directory = tempfile::tempdir().unwrap();
    let place = |name: &str| directory.path().join(name).display().to_string();
    let (url, events) = (server.url("postgres"), "portcullis.events");
    let all_but = ["--exclude-table-data", events, "--file"];
    program("pg_dump", &[&all_but[..], &[&place("most"), &url]].concat()).await;
    load.wait_for_more(100).await;
    let only = ["--data-only", "--table", events, "--file"];
    program("pg_dump", &[&only[..], &[&place("events"), &url]].concat()).await;
    drop(load.stop().await);

    let target = Postgres::start().await;
    let url = target.url("postgres");
    let quiet = ["--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1"];
    for dump in ["most", "events"] {
        program(
            "psql",
            &[&quiet[..], &["--file", &place(dump), &url]].concat(),
        )
        .await;
    }
    let restored = postgres(&url).await;
    let copied = source.compare(&*store, &*restored).await;
    let refused = copy::refused_by_inspect(&url, &*restored).await;
    println!("PostgreSQL, two dumps: {copied:?}, {refused} users are inconsistent");
    assert!(refused > 0);
}

/// The control: half a log is an older past than the one that was there before the copy.
#[tokio::test(flavor = "multi_thread")]
async fn half_a_log_of_redis_lacks_what_was_acknowledged() {
    let server = Redis::start().await;
    let store = redis(&server.url()).await;
    let load = start(&store).await;
    drop(load.stop().await);
    let source = Source::read(&*store).await;
    server.stop().await;
    let files = server.directory().join("redis/appendonlydir");
    let log = std::fs::read_dir(files).unwrap().flatten();
    let mut log = log.filter(|file| file.file_name().to_string_lossy().ends_with("incr.aof"));
    let log = std::fs::File::options()
        .write(true)
        .open(log.next().unwrap().path());
    let log = log.unwrap();
    log.set_len(log.metadata().unwrap().len() / 2).unwrap();
    server.start_again().await;
    let Copied { missing, .. } = source.compare(&*store, &*redis(&server.url()).await).await;
    println!("Redis, half a log: {missing} events are missing");
    assert!(missing > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_of_redis_files_is_consistent() {
    let server = Redis::start().await;
    let store = redis(&server.url()).await;
    let load = start(&store).await;
    let source = Source::read(&*store).await;
    // The files must not be exchanged while they are copied.
    server
        .cli(&["config", "set", "auto-aof-rewrite-percentage", "0"])
        .await;
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("copy").display().to_string();
    let files = server.directory().join("redis/appendonlydir");
    program("cp", &["-r", &files.display().to_string(), &copy]).await;
    load.wait_for_more(100).await;
    drop(load.stop().await);

    let target = Redis::start().await;
    target.stop().await;
    let place = target.directory().join("redis/appendonlydir");
    let place = place.display().to_string();
    program("rm", &["-r", &place]).await;
    program("cp", &["-r", &copy, &place]).await;
    target.start_again().await;
    let restored = redis(&target.url()).await;
    let copied = source.compare(&*store, &*restored).await;
    println!("Redis, copied files: {copied:?}");
    copied.assert_sound();
    is_inspected(&target.url(), &*restored).await;
    goes_on(&*restored, [source.cursor]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn vacuum_into_makes_a_consistent_copy_of_sqlite() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (
        directory.path().join("users.db"),
        directory.path().join("copy.db"),
    );
    let store = sqlite(&path).await;
    let load = start(&store).await;
    let source = Source::read(&*store).await;
    copy::vacuum_into(&path, &copy).await;
    load.wait_for_more(100).await;
    drop(load.stop().await);

    let restored = sqlite(&copy).await;
    let copied = source.compare(&*store, &*restored).await;
    println!("SQLite, VACUUM INTO: {copied:?}");
    copied.assert_sound();
    is_inspected(&format!("sqlite:{}", copy.display()), &*restored).await;
    goes_on(&*restored, [source.cursor]).await;
}

/// The control: the file alone is not the database.
#[tokio::test(flavor = "multi_thread")]
async fn a_plain_copy_of_the_sqlite_file_lacks_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let (path, copy) = (
        directory.path().join("users.db"),
        directory.path().join("copy.db"),
    );
    let store = sqlite(&path).await;
    let load = start(&store).await;
    let source = Source::read(&*store).await;
    std::fs::copy(&path, &copy).unwrap();
    drop(load.stop().await);
    let Copied { missing, .. } = source.compare(&*store, &*sqlite(&copy).await).await;
    println!("SQLite, plain copy: {missing} events are missing");
    assert!(missing > 0);
}

async fn start(store: &Arc<dyn UserStore>) -> Running {
    let load = Load::on(&[Arc::clone(store)]).writers(16).start().await;
    let load = load.unwrap();
    load.wait_for(300).await;
    load
}
