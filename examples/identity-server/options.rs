//! The command line. Every option can be a `PORTCULLIS_…` variable as well.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use portcullis_core::Argon2Params;

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

    /// Cost of new hashes: memory in KiB, passes, lanes
    #[arg(
        long,
        value_name = "PARAMS",
        env = "PORTCULLIS_ARGON2",
        default_value_t
    )]
    pub(crate) argon2: Argon2Params,

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
