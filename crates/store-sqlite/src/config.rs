//! Where the file is and how long to wait for it.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    ConnectOptions,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

/// How a [`SqliteStore`](crate::SqliteStore) is opened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteConfig {
    /// The database file. SQLite keeps two more beside it, with `-wal` and `-shm` appended.
    pub path: PathBuf,
    /// How long a call waits for another process that is writing.
    pub busy_timeout: Duration,
    /// Connections for reading; at least one is kept.
    pub readers: u32,
}

impl SqliteConfig {
    /// A file, five seconds of patience and four readers.
    ///
    /// ```
    /// use portcullis_store_sqlite::SqliteConfig;
    /// let config = SqliteConfig::new("/var/lib/portcullis/users.db").with_readers(8);
    /// assert_eq!(config.busy_timeout.as_secs(), 5);
    /// ```
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            busy_timeout: Duration::from_secs(5),
            readers: 4,
        }
    }

    /// Waits longer or shorter for other processes; at most 24 days.
    #[must_use]
    pub const fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Keeps more or fewer connections for reading.
    #[must_use]
    pub const fn with_readers(mut self, readers: u32) -> Self {
        self.readers = readers;
        self
    }

    /// The path from the root on, so that none is taken for a URI or for `:memory:`.
    pub(crate) fn absolute(&self) -> io::Result<PathBuf> {
        std::path::absolute(&self.path)
    }

    /// Options of a connection that writes. The journal mode is a property of the file.
    pub(crate) fn writing(&self, path: &Path) -> SqliteConnectOptions {
        SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(self.busy_timeout.min(MAX_BUSY_TIMEOUT))
            .foreign_keys(true)
            .synchronous(SqliteSynchronous::Full)
            // What is replaced is overwritten with zeros: hashes do not pile up in free pages.
            .pragma("secure_delete", "ON")
            .disable_statement_logging()
    }

    /// Options of a connection that reads.
    pub(crate) fn reading(&self, path: &Path) -> SqliteConnectOptions {
        self.writing(path).read_only(true)
    }
}

/// SQLite counts milliseconds in 31 bits, and the driver panics beyond them.
const MAX_BUSY_TIMEOUT: Duration = Duration::from_hours(24 * 24);
