-- Dates are microseconds since 1970 in UTC. Names are those of the enums in portcullis-core.

-- "Port": says whose database this is before anything is written to it.
PRAGMA application_id = 1349481076;

CREATE TABLE users (
    organisation     TEXT    NOT NULL,
    user             TEXT    NOT NULL,
    username         TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    hash             TEXT,
    must_change      INTEGER NOT NULL CHECK (must_change IN (0, 1)),
    password_changed INTEGER,
    code_digest      BLOB    CHECK (length(code_digest) = 32),
    code_expires     INTEGER CHECK ((code_expires IS NULL) = (code_digest IS NULL)),
    code_guesses     INTEGER NOT NULL,
    version          INTEGER NOT NULL,
    sequence         INTEGER NOT NULL,
    epoch            INTEGER NOT NULL,
    failures         INTEGER NOT NULL,
    last_failure     INTEGER,
    created          INTEGER NOT NULL,
    changed          INTEGER NOT NULL,
    PRIMARY KEY (organisation, user)
) STRICT, WITHOUT ROWID;

-- AUTOINCREMENT never gives a position twice, so a reader of the outbox can rely on it.
CREATE TABLE events (
    position     INTEGER PRIMARY KEY AUTOINCREMENT,
    organisation TEXT    NOT NULL,
    user         TEXT    NOT NULL,
    sequence     INTEGER NOT NULL,
    kind         TEXT    NOT NULL,
    version      INTEGER NOT NULL,
    state        TEXT    NOT NULL,
    failures     INTEGER NOT NULL,
    must_change  INTEGER NOT NULL CHECK (must_change IN (0, 1)),
    hash_sha256  BLOB    CHECK (length(hash_sha256) = 32),
    operation    BLOB    NOT NULL CHECK (length(operation) = 16),
    editor       TEXT,
    date         INTEGER NOT NULL,
    UNIQUE (organisation, user, sequence),
    FOREIGN KEY (organisation, user) REFERENCES users (organisation, user)
) STRICT;

CREATE TABLE operations (
    id               BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    organisation     TEXT    NOT NULL,
    user             TEXT    NOT NULL,
    method           TEXT    NOT NULL,
    sequence         INTEGER NOT NULL,
    changed          INTEGER NOT NULL,
    settled_failures INTEGER,
    settled_locked   INTEGER CHECK ((settled_locked IS NULL) = (settled_failures IS NULL)),
    FOREIGN KEY (organisation, user) REFERENCES users (organisation, user)
) STRICT, WITHOUT ROWID;

-- A permit belongs to a user, with slot -1, or to a sham, with an empty user: ids are never empty.
-- Positions keep the order in which permits were opened.
CREATE TABLE permits (
    position     INTEGER PRIMARY KEY,
    organisation TEXT    NOT NULL,
    user         TEXT    NOT NULL,
    slot         INTEGER NOT NULL CHECK ((slot = -1) <> (user = '')),
    id           BLOB    NOT NULL CHECK (length(id) = 16),
    expires      INTEGER NOT NULL,
    UNIQUE (organisation, user, slot, id)
) STRICT;

CREATE TABLE shams (
    organisation TEXT    NOT NULL,
    slot         INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    last_failure INTEGER,
    PRIMARY KEY (organisation, slot)
) STRICT, WITHOUT ROWID;
