//! Documents: one call for each method, as for users.

use async_trait::async_trait;
use portcullis_core::{
    StoreError,
    store::{Document, DocumentKey, DocumentOutcome, DocumentStore, DocumentWrite},
};

use crate::{
    row,
    store::{PostgresStore, unread},
};

#[async_trait]
impl DocumentStore for PostgresStore {
    async fn document(&self, key: &DocumentKey) -> Result<Option<Document>, StoreError> {
        let call = self.queries.document(key, self.now());
        let rows = self.sessions.read(call).await?;
        Ok(rows.first().map(row::document).transpose()?)
    }

    async fn write_document(&self, write: &DocumentWrite) -> Result<DocumentOutcome, StoreError> {
        let call = self.queries.write_document(write, self.now())?;
        let row = self.sessions.write(call).await?;
        let (outcome, replayed) = row::written(&row).map_err(unread)?;
        if replayed {
            self.confirm().await?;
        }
        Ok(outcome)
    }
}
