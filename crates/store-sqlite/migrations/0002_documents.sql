-- What is kept beside users. One without a text was removed; its row keeps the revision.
--
-- The text is kept as bytes: it may hold a NUL, where functions of SQLite take a text to end. It
-- may be long, so the rows are apart from their key.
CREATE TABLE documents (
    kind      TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    text      BLOB,
    operation BLOB    NOT NULL CHECK (length(operation) = 16),
    revision  INTEGER NOT NULL,
    created   INTEGER NOT NULL,
    changed   INTEGER NOT NULL,
    expires   INTEGER,
    PRIMARY KEY (kind, name)
) STRICT;

-- For those that ended long ago, which every write deletes a few of.
CREATE INDEX documents_expires ON documents (expires) WHERE expires IS NOT NULL;
