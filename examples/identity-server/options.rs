//! The command line. Every option can be a `PORTCULLIS_…` variable as well.

use std::{net::SocketAddr, num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand, ValueEnum};
use portcullis_core::{Argon2Params, Argon2ParamsError, HashPoolConfig};

use crate::BoxError;

/// Serves ZITADEL's password API: REST/JSON, gRPC, gRPC-Web and Connect on one port.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    #[command(flatten)]
    pub(crate) serve: ServeOptions,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Prints one user and its events as JSON lines; exits 1 if they disagree
    Inspect(InspectOptions),
}

#[derive(Debug, Args)]
pub(crate) struct ServeOptions {
    /// Where to listen; port 0 picks a free one
    #[arg(
        long,
        value_name = "ADDR:PORT",
        env = "PORTCULLIS_LISTEN",
        default_value = "127.0.0.1:8080"
    )]
    pub(crate) listen: SocketAddr,

    /// Where users are kept: memory:, sqlite:PATH, postgres://…, redis://…, redis+sentinel://… or
    /// redis+cluster://…
    #[arg(
        long,
        value_name = "URL",
        env = "PORTCULLIS_STORE",
        hide_env_values = true,
        default_value = "sqlite:portcullis.db"
    )]
    pub(crate) store: StoreUrl,

    /// Organisations, users, members and tokens to start with [default: ./portcullis.toml, which
    /// the first start writes]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_BOOTSTRAP")]
    pub(crate) bootstrap: Option<PathBuf>,

    /// Cost of new hashes: memory in KiB, passes, lanes. The variable may name a kernel instead:
    /// portable, avx2 or avx512
    #[arg(
        long,
        value_name = "PARAMS",
        env = "PORTCULLIS_ARGON2",
        value_parser = cost,
        default_value_t
    )]
    pub(crate) argon2: Argon2Params,

    #[command(flatten)]
    pub(crate) hashing: Hashing,

    /// How logs are written, to stderr
    #[arg(
        long,
        value_name = "FORMAT",
        env = "PORTCULLIS_LOG_FORMAT",
        default_value = "text"
    )]
    pub(crate) log_format: LogFormat,

    /// How much is logged
    #[arg(
        long,
        value_name = "LEVEL",
        env = "PORTCULLIS_LOG_LEVEL",
        default_value = "info"
    )]
    pub(crate) log_level: LogLevel,
}

/// How much hashing is done at once. What is absent is the library's default.
#[derive(Debug, Args)]
pub(crate) struct Hashing {
    /// Threads that hash [default: one for each core]
    #[arg(
        long,
        value_name = "N",
        env = "PORTCULLIS_HASH_WORKERS",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    hash_workers: Option<u16>,

    /// Memory that all hashes together may take, in MiB [default: half of the control group's
    /// limit or of the machine's memory]
    #[arg(
        long,
        value_name = "MIB",
        env = "PORTCULLIS_HASH_MEMORY",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    hash_memory: Option<u32>,

    /// Requests that may wait for a hashing thread [default: 512]
    #[arg(
        long,
        value_name = "N",
        env = "PORTCULLIS_HASH_QUEUE",
        value_parser = clap::value_parser!(u32).range(..=1_000_000)
    )]
    hash_queue: Option<u32>,

    /// Milliseconds after which a waiting hash is given up [default: 5000]
    #[arg(
        long,
        value_name = "MS",
        env = "PORTCULLIS_HASH_WAIT",
        value_parser = clap::value_parser!(u32).range(1..=600_000)
    )]
    hash_wait: Option<u32>,
}

impl Hashing {
    /// The pool's size, if hashes at this cost fit into it.
    pub(crate) fn config(&self, argon2: Argon2Params) -> Result<HashPoolConfig, BadOption> {
        let mut config = HashPoolConfig::default();
        if let Some(workers) = self.hash_workers.and_then(|n| NonZeroUsize::new(n.into())) {
            config = config.with_workers(workers);
        }
        if let Some(mebibytes) = self.hash_memory {
            config = config.with_memory(u64::from(mebibytes) * 1024 * 1024);
        }
        if let Some(queue) = self.hash_queue {
            config = config.with_queue(usize::try_from(queue).unwrap_or(usize::MAX));
        }
        if let Some(millis) = self.hash_wait {
            config = config.with_wait(Duration::from_millis(millis.into()));
        }
        if u64::from(argon2.memory_kib()) * 1024 > config.memory {
            return Err(BadOption::new(
                "one hash at the cost of --argon2 needs more memory than --hash-memory allows",
            ));
        }
        Ok(config)
    }
}

#[derive(Debug, Args)]
pub(crate) struct InspectOptions {
    /// Where the user is kept: sqlite:PATH, postgres://… or redis://…
    #[arg(
        long,
        value_name = "URL",
        env = "PORTCULLIS_STORE",
        hide_env_values = true
    )]
    pub(crate) store: StoreUrl,

    /// The organisation's id
    #[arg(long)]
    pub(crate) org: String,

    /// The user's id
    #[arg(long)]
    pub(crate) user: String,

    /// Print the stored hash too; it is a secret
    #[arg(long)]
    pub(crate) show_hash: bool,
}

/// A store's URL. It may hold a password, so nothing prints it and clap does not check it.
#[derive(Clone)]
pub(crate) struct StoreUrl(String);

impl StoreUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for StoreUrl {
    fn from(url: String) -> Self {
        Self(url)
    }
}

impl std::fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoreUrl(..)")
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// One JSON object a line
    Json,
    /// For people
    Text,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

/// An option that clap could not see through.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub(crate) struct BadOption {
    text: &'static str,
    source: Option<BoxError>,
}

impl BadOption {
    pub(crate) const fn new(text: &'static str) -> Self {
        Self { text, source: None }
    }

    pub(crate) fn because(text: &'static str, source: impl Into<BoxError>) -> Self {
        let source = Some(source.into());
        Self { text, source }
    }
}

/// The hashing crate has a variable of the same name, for the kernel that it uses.
fn cost(text: &str) -> Result<Argon2Params, Argon2ParamsError> {
    match text {
        "portable" | "avx2" | "avx512" => Ok(Argon2Params::default()),
        params => params.parse(),
    }
}
