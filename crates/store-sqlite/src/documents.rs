//! What a document's write reads, decides and writes within its transaction.
//!
//! The order of the checks is the one of `portcullis_core::MemoryStore`.

use async_trait::async_trait;
use chrono::{SubsecRound, TimeDelta};
use portcullis_core::{
    OperationId, StoreError, Timestamp, not_before,
    store::{Document, DocumentKey, DocumentOutcome, DocumentStore, DocumentWrite},
};
use sqlx::SqliteConnection;
use zeroize::Zeroizing;

use crate::{error::Error, queries, store::SqliteStore};

/// The last thing that was written under a name. One without a text was removed.
pub(crate) struct Stored {
    pub(crate) text: Option<Zeroizing<String>>,
    pub(crate) operation: OperationId,
    pub(crate) revision: u64,
    pub(crate) created: Timestamp,
    pub(crate) changed: Timestamp,
    pub(crate) expires: Option<Timestamp>,
}

impl Stored {
    fn after(stored: Option<&Self>, write: &DocumentWrite, now: Timestamp) -> Self {
        let present = stored.filter(|stored| stored.is_there(now));
        let changed = stored.map_or(now, |stored| not_before(now, stored.changed));
        Self {
            text: write.text.clone(),
            operation: write.operation,
            revision: stored.map_or(1, |stored| stored.revision.saturating_add(1)),
            created: present.map_or(changed, |stored| stored.created),
            changed,
            // What is left of a document that had an end may be forgotten when that has come.
            expires: match write.text {
                Some(_) => write.end(present.and_then(|stored| stored.expires), now),
                None => stored.and_then(|stored| stored.expires),
            },
        }
    }

    fn is_there(&self, now: Timestamp) -> bool {
        self.text.is_some() && self.expires.is_none_or(|end| now < end)
    }

    fn outcome(&self) -> DocumentOutcome {
        DocumentOutcome::Written {
            revision: self.revision,
            created: self.created,
            changed: self.changed,
        }
    }

    fn load(self) -> Option<Document> {
        let (created, changed) = (self.created, self.changed);
        let text = self.text?;
        Some(Document::new(
            text,
            self.operation,
            self.revision,
            created,
            changed,
            self.expires,
        ))
    }
}

#[async_trait]
impl DocumentStore for SqliteStore {
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        let mut reader = self.reader().await?;
        let now = self.clock.now();
        let stored = queries::document(&mut reader, key).await;
        let present = reader.done(stored)?.filter(|stored| stored.is_there(now));
        Ok(present.and_then(Stored::load))
    }

    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError> {
        let mut transaction = queries::begin(&self.writer).await?;
        let now = self.clock.now().trunc_subsecs(6);
        let outcome = decide(&mut transaction, write, now).await?;
        queries::commit(transaction).await?;
        Ok(outcome)
    }
}

async fn decide(
    connection: &mut SqliteConnection,
    write: &DocumentWrite,
    now: Timestamp,
) -> Result<DocumentOutcome, Error> {
    let stored = queries::document(connection, &write.key).await?;
    if let Some(stored) = stored
        .as_ref()
        .filter(|stored| stored.operation == write.operation)
    {
        return Ok(stored.outcome());
    }
    let present = stored.as_ref().filter(|stored| stored.is_there(now));
    if present.map(|stored| stored.revision) != write.expected {
        return Ok(DocumentOutcome::Conflict);
    }
    let written = Stored::after(stored.as_ref(), write, now);
    let forgotten = now.checked_sub_signed(REMEMBERED).unwrap_or(now);
    queries::save_document(connection, &write.key, &written, forgotten).await?;
    Ok(written.outcome())
}

/// How long a document is remembered that has ended: its writer may still ask what became of it.
const REMEMBERED: TimeDelta = TimeDelta::days(1);
