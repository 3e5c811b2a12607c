//! Logs go to stderr; stdout is for what a script may want to read.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::EnvFilter;

use crate::options::{LogFormat, LogLevel};

/// Installs the subscriber. Below `info`, only our own crates say more, by the beginning of their
/// names: what libraries print about connections would drown it.
pub(crate) fn install(format: LogFormat, level: LogLevel) {
    let directives = match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "info,identity_server=debug,portcullis=debug",
        LogLevel::Trace => "info,identity_server=trace,portcullis=trace",
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(directives))
        .with_writer(stderr)
        .with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Json => subscriber.json().init(),
        LogFormat::Text => subscriber.init(),
    }
}
