//! An identity server's password API, complete: ZITADEL's clients work against it.
//!
//! `cargo run --release --example identity-server` starts it on 127.0.0.1:8080 with SQLite in
//! `./portcullis.db`; `--help` lists the rest.

mod bootstrap;
mod demo;
mod directory;
mod inspect;
mod logging;
mod operator;
mod options;
mod prepare;
mod serve;
mod stores;

use std::process::ExitCode;

use clap::Parser;

use crate::options::{Cli, Command};

/// An error on its way to the operator.
type BoxError = Box<dyn std::error::Error + Send + Sync>;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let result = runtime.block_on(async {
        match cli.command {
            Some(Command::Inspect(options)) => inspect::run(&options).await,
            None => serve::run(cli.serve).await.map(|()| ExitCode::SUCCESS),
        }
    });
    // Hashing threads and blocked clients must not hold the process up.
    runtime.shutdown_background();
    result.unwrap_or_else(|error| fail(&error))
}

/// Says what happened and why, on one line each. A bad option is 2, everything else 1.
fn fail(error: &BoxError) -> ExitCode {
    eprintln!("error: {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        eprintln!("  because: {error}");
        cause = error.source();
    }
    if error.is::<options::BadOption>() {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}
