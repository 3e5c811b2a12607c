//! Bounds that upstream leaves open (contract 11.14).

use std::time::Duration;

/// How long a call may take. Sizes are fixed by the contract.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Limits {
    /// Time for a call that names no deadline: 10 seconds.
    pub default_deadline: Duration,
    /// The longest deadline that a caller may name: 60 seconds.
    pub max_deadline: Duration,
}

impl Limits {
    /// Largest body, and largest message after decompression: 64 KiB.
    pub const MAX_BODY_BYTES: usize = 64 * 1024;

    /// Another default for calls that name no deadline.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_zitadel_api::Limits;
    /// let limits = Limits::default().with_default_deadline(Duration::from_secs(5));
    /// assert_eq!(limits.default_deadline.as_secs(), 5);
    /// ```
    #[must_use]
    pub const fn with_default_deadline(mut self, deadline: Duration) -> Self {
        self.default_deadline = deadline;
        self
    }

    /// The time that a call has, given what its caller asked for.
    pub(crate) fn deadline(&self, asked: Option<Duration>) -> Duration {
        asked
            .unwrap_or(self.default_deadline)
            .min(self.max_deadline)
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            default_deadline: Duration::from_secs(10),
            max_deadline: Duration::from_secs(60),
        }
    }
}
