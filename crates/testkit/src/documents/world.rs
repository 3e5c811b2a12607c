//! A store of documents under test and short names for what cases do with it.

use std::{sync::Arc, time::Duration};

use portcullis_core::{
    Timestamp,
    store::{Document, DocumentKey, DocumentKind, DocumentOutcome, DocumentStore, DocumentWrite},
};

use crate::{build::op, fixture::DocumentFixture, world::answered};

/// A store of one case.
pub(super) struct World {
    /// Dropped with the case: it keeps the store alive.
    pub(super) fixture: Box<dyn DocumentFixture>,
    pub(super) store: Arc<dyn DocumentStore>,
}

/// What a write came to that was no conflict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) revision: u64,
    pub(super) created: Timestamp,
    pub(super) changed: Timestamp,
}

impl World {
    pub(super) fn new(fixture: impl DocumentFixture) -> Self {
        let store = fixture.documents();
        Self {
            fixture: Box::new(fixture),
            store,
        }
    }

    pub(super) async fn now(&self) -> Timestamp {
        self.fixture.now().await
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.fixture.advance(by).await;
    }

    pub(super) async fn set_back(&self, by: Duration) {
        self.fixture.set_back(by).await;
    }

    /// Both handles of the store, as two processes would have.
    pub(super) async fn handles(&self) -> [Arc<dyn DocumentStore>; 2] {
        let other = self.fixture.reopen_documents().await;
        [Arc::clone(&self.store), other]
    }

    pub(super) async fn read(&self, key: &DocumentKey) -> Option<Document> {
        answered(self.store.document(key).await)
    }

    pub(super) async fn found(&self, key: &DocumentKey) -> Document {
        let document = self.read(key).await;
        document.expect("the document is there")
    }

    pub(super) async fn absent(&self, key: &DocumentKey) {
        let found = self.read(key).await;
        assert!(found.is_none(), "{key:?} is absent, not {found:?}");
    }

    pub(super) async fn write(&self, write: &DocumentWrite) -> Written {
        written(answered(self.store.write_document(write).await))
    }

    /// Writes what must be refused and checks that it left no trace.
    pub(super) async fn refused(&self, write: &DocumentWrite) {
        let before = self.read(&write.key).await;
        let outcome = answered(self.store.write_document(write).await);
        assert_eq!(outcome, DocumentOutcome::Conflict);
        assert_eq!(self.read(&write.key).await, before, "nothing is written");
    }

    /// A first text under a name that has none yet.
    pub(super) async fn session(&self, name: &str) -> DocumentKey {
        let key = session(name);
        self.write(&set(&key, None, "first")).await;
        key
    }
}

pub(super) fn written(outcome: DocumentOutcome) -> Written {
    match outcome {
        DocumentOutcome::Written {
            revision,
            created,
            changed,
        } => Written {
            revision,
            created,
            changed,
        },
        other => panic!("the document is not written: {other:?}"),
    }
}

pub(super) fn session(name: &str) -> DocumentKey {
    DocumentKey::new(DocumentKind::Session, name)
}

/// Writes a text under a fresh id.
pub(super) fn set(key: &DocumentKey, expected: Option<u64>, text: &str) -> DocumentWrite {
    DocumentWrite::new(key.clone(), op(), expected, text.to_owned())
}

/// Removes a document under a fresh id.
pub(super) fn remove(key: &DocumentKey, expected: u64) -> DocumentWrite {
    DocumentWrite::removal(key.clone(), op(), expected)
}
