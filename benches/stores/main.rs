//! What a store adds to the least that its database needs for the same write and the same read.
//!
//! ```text
//! cargo bench -p portcullis-benches --bench stores [-- sqlite postgres redis]
//! cargo bench -p portcullis-benches --bench stores -- --sizes[=USERS] [sqlite postgres redis]
//! ```
//!
//! Each store is compared with what one would write by hand for this alone: replace the hash if
//! the version is still the one that was read and append the event, in the same tables, with the
//! same indexes and the same durability; once with the row that remembers the operation id, which
//! is the bar, and once without, which is the price of the id. A read is one by the primary key.
//! The contenders take turns on one server. Ratios are made round by round, and of those of the
//! quieter half of the rounds the median and the quartiles are reported.
//!
//! With `--sizes` it fills each store instead, and reports what a user, a change and a login take
//! in bytes and in CPU time.
#![expect(clippy::unwrap_used, reason = "a bench reports by panicking")]
#![expect(clippy::indexing_slicing, reason = "a bench reports by panicking")]

mod contest;
mod postgres;
mod redis;
mod sizes;
mod sqlite;

use std::{
    io::{Write, stdout},
    process::ExitCode,
};

fn main() -> ExitCode {
    let (options, wanted): (Vec<_>, Vec<_>) = std::env::args()
        .skip(1)
        .partition(|argument| argument.starts_with('-'));
    let sizes = options.iter().find_map(|option| {
        let users = option.strip_prefix("--sizes")?;
        Some(
            users
                .strip_prefix('=')
                .map_or(100_000, |users| users.parse().unwrap()),
        )
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let mut held = true;
        for store in ["sqlite", "postgres", "redis"] {
            if !wanted.is_empty() && !wanted.iter().any(|name| name == store) {
                continue;
            }
            match sizes {
                Some(users) => sizes::run(store, users).await,
                None => held &= contest::run(store, ring(store).await).await,
            }
        }
        if sizes.is_none() {
            let verdict = if held { "held" } else { "MISSED" };
            let mut out = stdout();
            writeln!(out, "\nat least 0.9 of what is written by hand: {verdict}").unwrap();
        }
        if held {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    })
}

async fn ring(store: &str) -> contest::Ring {
    match store {
        "postgres" => postgres::ring().await,
        "redis" => redis::ring().await,
        _ => sqlite::ring().await,
    }
}
