//! What a store keeps beside users: policies, sessions, login names.
//!
//! Each is a small text under a name, written only if it is still what the writer has read. So a
//! store implements two operations once, and not a trait for each kind.

use std::{fmt, time::Duration};

use async_trait::async_trait;
use chrono::{SubsecRound, TimeDelta};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::record::named;
use crate::{clock::Timestamp, error::StoreError, id::OperationId};

named! {
    /// What a document is.
    DocumentKind {
        /// A secret that all servers share; one that is of no use to who reads the store.
        Key = "key",
        /// Whose login name it is.
        LoginName = "login_name",
        /// The policies of an organisation, or of the instance.
        Policies = "policies",
        /// A session.
        Session = "session",
    }
}

/// The name of a document: its kind, and any text without NUL of at most 4 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct DocumentKey {
    kind: DocumentKind,
    name: String,
}

impl DocumentKey {
    /// A name.
    ///
    /// ```
    /// use portcullis_core::store::{DocumentKey, DocumentKind};
    /// let key = DocumentKey::new(DocumentKind::Session, "17");
    /// assert_eq!(key.name(), "17");
    /// ```
    #[must_use]
    pub fn new(kind: DocumentKind, name: impl Into<String>) -> Self {
        let name = name.into();
        Self { kind, name }
    }

    /// What it is.
    #[must_use]
    pub const fn kind(&self) -> DocumentKind {
        self.kind
    }

    /// Which one it is.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// A document as it is stored. The text is not printed: a session holds the digest of its token.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Document {
    /// What it says.
    pub text: Zeroizing<String>,
    /// What wrote it last.
    pub operation: OperationId,
    /// How often it was written, which is what a conditional write compares.
    pub revision: u64,
    /// When it was written first, or first after it had been removed or had ended.
    pub created: Timestamp,
    /// When it was written last.
    pub changed: Timestamp,
    /// When it ends, if it does.
    pub expires: Option<Timestamp>,
}

impl Document {
    /// A document, for stores.
    ///
    /// ```
    /// use portcullis_core::{Clock, OperationId, OsRandom, SystemClock, store::Document};
    /// let now = SystemClock::new().now();
    /// let id = OperationId::random(&OsRandom)?;
    /// assert_eq!(Document::new("{}".to_owned(), id, 1, now, now, None).revision, 1);
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    #[must_use]
    pub fn new(
        text: impl Into<Zeroizing<String>>,
        operation: OperationId,
        revision: u64,
        created: Timestamp,
        changed: Timestamp,
        expires: Option<Timestamp>,
    ) -> Self {
        Self {
            text: text.into(),
            operation,
            revision,
            created,
            changed,
            expires,
        }
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("revision", &self.revision)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// One conditional write.
#[derive(Clone)]
#[non_exhaustive]
pub struct DocumentWrite {
    /// Which document.
    pub key: DocumentKey,
    /// Names this write; the same id again returns the first result and writes nothing, until another
    /// write follows or the document ends.
    pub operation: OperationId,
    /// The revision that was read; none if there was no document.
    pub expected: Option<u64>,
    /// What it says from now on; none removes it.
    pub text: Option<Zeroizing<String>>,
    /// How long it stands, measured by the store's clock; for ever if none.
    pub ttl: Option<Duration>,
    /// Whether it ends when the present document does, whatever `ttl` says.
    pub keeps_end: bool,
}

impl DocumentWrite {
    /// Writes a text for ever.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OsRandom, store::{DocumentKey, DocumentKind, DocumentWrite}};
    /// let key = DocumentKey::new(DocumentKind::Policies, "acme");
    /// let write = DocumentWrite::new(key, OperationId::random(&OsRandom)?, None, "{}".to_owned());
    /// assert!(write.text.is_some());
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    #[must_use]
    pub fn new(
        key: DocumentKey,
        operation: OperationId,
        expected: Option<u64>,
        text: impl Into<Zeroizing<String>>,
    ) -> Self {
        let text = Some(text.into());
        Self {
            key,
            operation,
            expected,
            text,
            ttl: None,
            keeps_end: false,
        }
    }

    /// Removes what has this revision.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OsRandom, store::{DocumentKey, DocumentKind, DocumentWrite}};
    /// let key = DocumentKey::new(DocumentKind::Session, "17");
    /// let write = DocumentWrite::removal(key, OperationId::random(&OsRandom)?, 3);
    /// assert_eq!((write.expected, write.text), (Some(3), None));
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    #[must_use]
    pub const fn removal(key: DocumentKey, operation: OperationId, expected: u64) -> Self {
        Self {
            key,
            operation,
            expected: Some(expected),
            text: None,
            ttl: None,
            keeps_end: false,
        }
    }

    /// Lets it end after this time.
    #[must_use]
    pub const fn with_ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// Lets it end when the present document does. No clock is asked, so none can be wrong.
    ///
    /// ```
    /// use portcullis_core::{OperationId, OsRandom, store::{DocumentKey, DocumentKind, DocumentWrite}};
    /// let key = DocumentKey::new(DocumentKind::Session, "17");
    /// let id = OperationId::random(&OsRandom)?;
    /// let write = DocumentWrite::new(key, id, Some(3), "{}".to_owned()).keeping_end();
    /// assert!(write.keeps_end);
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    #[must_use]
    pub const fn keeping_end(mut self) -> Self {
        self.keeps_end = true;
        self
    }

    /// When it ends if it is written now over a document that ends at `present`, for stores that calculate it here: to the microsecond,
    /// and at the last moment there is where it stood for longer.
    ///
    /// ```
    /// use std::time::Duration;
    /// use portcullis_core::{Clock, OperationId, OsRandom, SystemClock};
    /// use portcullis_core::store::{DocumentKey, DocumentKind, DocumentWrite};
    /// let (key, now) = (DocumentKey::new(DocumentKind::Session, "17"), SystemClock::new().now());
    /// let write = DocumentWrite::new(key, OperationId::random(&OsRandom)?, None, "{}".to_owned());
    /// assert_eq!(write.end(None, now), None);
    /// let minute = Duration::from_secs(60);
    /// let write = write.with_ttl(minute);
    /// assert_eq!(write.end(None, now), Some(now + minute));
    /// assert_eq!(write.keeping_end().end(Some(now), now), Some(now));
    /// # Ok::<_, portcullis_core::RandomError>(())
    /// ```
    #[must_use]
    pub fn end(&self, present: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        if self.keeps_end {
            return present;
        }
        let ttl = TimeDelta::from_std(self.ttl?).unwrap_or(TimeDelta::MAX);
        let end = now.checked_add_signed(ttl).unwrap_or(Timestamp::MAX_UTC);
        Some(end.trunc_subsecs(6))
    }
}

impl fmt::Debug for DocumentWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DocumentWrite")
            .field("key", &self.key)
            .field("operation", &self.operation)
            .field("expected", &self.expected)
            .finish_non_exhaustive()
    }
}

/// What a write came to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DocumentOutcome {
    /// The document is not the one that was read. Nothing was written.
    Conflict,
    /// It was written now, or by the same operation before.
    Written {
        /// Its revision since.
        revision: u64,
        /// When it was written first.
        created: Timestamp,
        /// When this was written.
        changed: Timestamp,
    },
}

/// Keeps documents. Each store crate implements it on the database that has the users.
///
/// # Behavior
///
/// Each line is a case of the conformance suite.
///
/// - What was never written is absent; what was written is found by every handle.
/// - The first revision is 1, and each write moves it by one. A write of another revision than the
///   present one is a conflict and leaves no trace; of N writers of one revision one wins.
/// - A removed document is absent, and so is one whose time has come. Writing it anew expects none
///   and goes on with the revision after its last, as long as the store remembers that one: for
///   ever after a removal of a document that had no end.
/// - A document that is written with the end of the present one ends when that would have.
/// - A change date is never before the one before it, whatever clocks do.
/// - The same operation again returns what it came to the first time, until another write follows or
///   the document ends.
/// - Names of any form, of any kind, read back only themselves.
#[async_trait]
pub trait DocumentStore: fmt::Debug + Send + Sync + 'static {
    /// The document of this name.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{MemoryStore, store::{DocumentKey, DocumentKind, DocumentStore}};
    /// let key = DocumentKey::new(DocumentKind::Policies, "acme");
    /// assert!(MemoryStore::new().document(&key).await?.is_none());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer.
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError>;

    /// Writes a document if it is still the one that was read.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use portcullis_core::{MemoryStore, OperationId, OsRandom};
    /// use portcullis_core::store::{DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite};
    /// let store = MemoryStore::new();
    /// let key = DocumentKey::new(DocumentKind::Policies, "acme");
    /// let write = DocumentWrite::new(key, OperationId::random(&OsRandom)?, None, "{}".to_owned());
    /// let outcome = store.write_document(&write).await?;
    /// assert!(matches!(outcome, DocumentOutcome::Written { revision: 1, .. }));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When the store cannot answer; [`OutcomeUnknown`](crate::StoreErrorKind::OutcomeUnknown) if it
    /// may have been written.
    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError>;
}
