//! What a store adds to the least that its database needs for the same write and the same read.
//!
//! `cargo bench -p portcullis-benches --bench stores [-- postgres redis sqlite]`
//!
//! Each store is compared with statements written by hand: one that replaces the hash if the
//! version is still the one that was read and appends the event, on the same tables, indexes and
//! durability; once without and once with the row that remembers the operation id. The contenders
//! take turns on one server, round by round, and the median of the rounds' ratios is reported.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]

mod contest;
mod postgres;
mod redis;
mod sqlite;

use std::io::{Write, stdout};

fn main() {
    let wanted: Vec<_> = std::env::args()
        .skip(1)
        .filter(|arg| !arg.starts_with('-'))
        .collect();
    let wants = |store: &str| wanted.is_empty() || wanted.iter().any(|name| name == store);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let held = runtime.block_on(async {
        let mut held = true;
        if wants("sqlite") {
            held &= contest::run("SQLite", sqlite::ring().await).await;
        }
        if wants("postgres") {
            held &= contest::run("PostgreSQL", postgres::ring().await).await;
        }
        if wants("redis") {
            held &= contest::run("Redis", redis::ring().await).await;
        }
        held
    });
    let verdict = if held { "held" } else { "MISSED" };
    writeln!(
        stdout(),
        "\nat least 0.9 of the hand-written statement everywhere: {verdict}"
    )
    .unwrap();
}
