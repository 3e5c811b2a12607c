//! The statements about documents.

use portcullis_core::{Timestamp, store::DocumentKey};
use sqlx::SqliteConnection;

use super::{fetch, run};
use crate::{documents::Stored, error::Error, row};

/// What is stored under a name, whether it still stands or not.
pub(crate) async fn document(
    connection: &mut SqliteConnection,
    key: &DocumentKey,
) -> Result<Option<Stored>, Error> {
    let query = sqlx::query(
        "SELECT text, operation, revision, created, changed, expires FROM documents \
         WHERE kind = ?1 AND name = ?2",
    );
    let query = query.bind(key.kind().as_str()).bind(key.name());
    let row = fetch(connection, query).await?;
    row.as_ref().map(row::document).transpose()
}

/// Writes a document, and deletes a few of those that ended before `forgotten`, in one go.
pub(crate) async fn save_document(
    connection: &mut SqliteConnection,
    key: &DocumentKey,
    document: &Stored,
    forgotten: Timestamp,
) -> Result<(), Error> {
    let text = document.text.as_ref().map(|text| text.as_bytes());
    let query = sqlx::query(SAVE)
        .bind(key.kind().as_str())
        .bind(key.name())
        .bind(text)
        .bind(document.operation.as_bytes().as_slice())
        .bind(row::signed(document.revision)?)
        .bind(document.created.timestamp_micros())
        .bind(document.changed.timestamp_micros())
        .bind(document.expires.map(|end| end.timestamp_micros()))
        .bind(forgotten.timestamp_micros());
    run(connection, query).await
}

const SAVE: &str = "INSERT INTO documents \
     (kind, name, text, operation, revision, created, changed, expires) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?) \
     ON CONFLICT (kind, name) DO UPDATE SET text = excluded.text, \
     operation = excluded.operation, revision = excluded.revision, created = excluded.created, \
     changed = excluded.changed, expires = excluded.expires; \
     DELETE FROM documents WHERE rowid IN \
     (SELECT rowid FROM documents WHERE expires < ? ORDER BY expires LIMIT 8)";
