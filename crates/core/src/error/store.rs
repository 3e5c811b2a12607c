//! What a store reports.

use super::BoxError;

/// What a store reports when it cannot answer. Refusals are outcomes, not errors.
#[derive(Debug, thiserror::Error)]
#[error("{}", kind.text())]
pub struct StoreError {
    kind: StoreErrorKind,
    source: Option<BoxError>,
}

/// The kinds of [`StoreError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// A stored record cannot be read, other than its hash string. Not applied.
    Corrupt,
    /// The store refused for a reason that a retry will not mend. Not applied.
    Internal,
    /// An argument that no caller of this library can produce lawfully. Not applied.
    Misuse,
    /// The commit was sent and its answer was lost. May be applied.
    OutcomeUnknown,
    /// The store cannot be reached or is busy. Not applied; safe to retry.
    Unavailable,
}

impl StoreErrorKind {
    const fn text(self) -> &'static str {
        match self {
            Self::Corrupt => "a stored record cannot be read",
            Self::Internal => "the store failed",
            Self::Misuse => "the store was used wrongly",
            Self::OutcomeUnknown => "the store did not confirm the commit",
            Self::Unavailable => "the store cannot be reached",
        }
    }
}

impl StoreError {
    /// An error of this kind without a cause.
    ///
    /// ```
    /// use portcullis_core::{StoreError, StoreErrorKind};
    /// assert!(StoreError::new(StoreErrorKind::Unavailable).is_retryable());
    /// assert!(!StoreError::new(StoreErrorKind::Corrupt).is_retryable());
    /// ```
    #[must_use]
    pub fn new(kind: StoreErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Keeps what caused it.
    ///
    /// ```
    /// use portcullis_core::{StoreError, StoreErrorKind};
    /// let error = StoreError::new(StoreErrorKind::Internal).with_source("disk gone");
    /// assert_eq!(error.to_string(), "the store failed");
    /// ```
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What happened.
    #[must_use]
    pub const fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    /// Whether nothing was written and the same call can succeed later.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self.kind, StoreErrorKind::Unavailable)
    }
}
