//! A store of documents with one bug, around one without.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use async_trait::async_trait;
use portcullis_core::{
    MemoryStore, OperationId, OsRandom, StoreError,
    store::{Document, DocumentKey, DocumentOutcome, DocumentStore, DocumentWrite},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DocumentBug {
    ChecksThenWrites,
    FoldsCase,
    IgnoresEnd,
    KeepsRevision,
    LosesCondition,
    None,
    TrimsTexts,
    WritesAgain,
}

#[derive(Debug)]
pub(crate) struct BuggyDocuments {
    bug: DocumentBug,
    inner: MemoryStore,
    written: Mutex<HashSet<OperationId>>,
}

impl BuggyDocuments {
    pub(crate) fn new(bug: DocumentBug, inner: MemoryStore) -> Self {
        let written = Mutex::default();
        Self {
            bug,
            inner,
            written,
        }
    }

    fn key(&self, key: &DocumentKey) -> DocumentKey {
        match self.bug {
            DocumentBug::FoldsCase => DocumentKey::new(key.kind(), key.name().to_lowercase()),
            _ => key.clone(),
        }
    }

    /// Whether this operation has not written before.
    fn is_new(&self, operation: OperationId) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.insert(operation)
    }

    async fn revision(&self, key: &DocumentKey) -> Result<Option<u64>, StoreError> {
        let document = self.inner.document(key).await?;
        Ok(document.map(|document| document.revision))
    }

    /// The write as the bug makes it; none if the bug refuses it.
    async fn bent(&self, write: &DocumentWrite) -> Result<Option<DocumentWrite>, StoreError> {
        let mut bent = write.clone();
        bent.key = self.key(&write.key);
        let present = self.revision(&bent.key).await?;
        match self.bug {
            DocumentBug::ChecksThenWrites if self.is_new(write.operation) => {
                if present != write.expected {
                    return Ok(None);
                }
                tokio::task::yield_now().await;
                bent.expected = self.revision(&bent.key).await?;
            }
            DocumentBug::IgnoresEnd => bent.ttl = None,
            DocumentBug::KeepsRevision => {
                bent.expected = write.expected.and(present);
            }
            DocumentBug::LosesCondition => bent.expected = present,
            DocumentBug::TrimsTexts => {
                let text = write.text.as_ref();
                bent.text = text.map(|text| text.trim().to_owned().into());
            }
            DocumentBug::WritesAgain if !self.is_new(write.operation) => {
                bent.operation = OperationId::random(&OsRandom).expect("there are random bytes");
                bent.expected = present;
            }
            _ => {}
        }
        Ok(Some(bent))
    }
}

#[async_trait]
impl DocumentStore for BuggyDocuments {
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        let mut document = self.inner.document(&self.key(key)).await?;
        if let (DocumentBug::KeepsRevision, Some(document)) = (self.bug, &mut document) {
            document.revision = 1;
        }
        Ok(document)
    }

    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError> {
        let Some(bent) = self.bent(write).await? else {
            return Ok(DocumentOutcome::Conflict);
        };
        let mut outcome = self.inner.write_document(&bent).await?;
        if let (DocumentBug::KeepsRevision, DocumentOutcome::Written { revision, .. }) =
            (self.bug, &mut outcome)
        {
            *revision = 1;
        }
        Ok(outcome)
    }
}
