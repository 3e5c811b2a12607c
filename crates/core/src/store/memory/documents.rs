//! Documents in memory.

use async_trait::async_trait;
use chrono::SubsecRound;
use zeroize::Zeroizing;

use super::MemoryStore;
use crate::{
    clock::{Timestamp, not_before},
    error::StoreError,
    id::OperationId,
    store::{Document, DocumentKey, DocumentOutcome, DocumentStore, DocumentWrite},
};

/// The last thing that was written under a name. One without a text was removed.
pub(super) struct Stored {
    text: Option<Zeroizing<String>>,
    operation: OperationId,
    revision: u64,
    created: Timestamp,
    changed: Timestamp,
    expires: Option<Timestamp>,
}

impl Stored {
    fn outcome(&self) -> DocumentOutcome {
        DocumentOutcome::Written {
            revision: self.revision,
            created: self.created,
            changed: self.changed,
        }
    }

    fn is_there(&self, now: Timestamp) -> bool {
        self.text.is_some() && self.expires.is_none_or(|end| now < end)
    }
}

#[async_trait]
impl DocumentStore for MemoryStore {
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        let now = self.clock.now();
        let state = self.lock();
        let stored = state.documents.get(key);
        let stored = stored.filter(|stored| stored.is_there(now));
        Ok(stored.and_then(|stored| {
            let text = stored.text.clone()?;
            let (created, changed) = (stored.created, stored.changed);
            Some(Document::new(
                text,
                stored.operation,
                stored.revision,
                created,
                changed,
                stored.expires,
            ))
        }))
    }

    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError> {
        let now = self.clock.now().trunc_subsecs(6);
        let mut state = self.lock();
        let stored = state.documents.get(&write.key);
        if let Some(stored) = stored.filter(|stored| stored.operation == write.operation) {
            return Ok(stored.outcome());
        }
        let present = stored.filter(|stored| stored.is_there(now));
        if present.map(|stored| stored.revision) != write.expected {
            return Ok(DocumentOutcome::Conflict);
        }
        let changed = stored.map_or(now, |stored| not_before(now, stored.changed));
        let written = Stored {
            text: write.text.clone(),
            operation: write.operation,
            revision: stored.map_or(1, |stored| stored.revision.saturating_add(1)),
            created: present.map_or(changed, |stored| stored.created),
            changed,
            expires: write.end(present.and_then(|stored| stored.expires), now),
        };
        let outcome = written.outcome();
        state.documents.insert(write.key.clone(), written);
        Ok(outcome)
    }
}
