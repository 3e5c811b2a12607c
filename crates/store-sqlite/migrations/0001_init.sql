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

-- An attempt has its row from the moment its permit is taken, which reserves the id. It has no
-- result while it is open, nor if its lease runs out; a sequence comes with a right or wrong answer
-- of a user. Where a user is NULL, a sham has the slot.
CREATE TABLE operations (
    id               BLOB    PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    organisation     TEXT    NOT NULL,
    user             TEXT,
    slot             INTEGER CHECK ((slot IS NULL) <> (user IS NULL)),
    method           TEXT    NOT NULL,
    sequence         INTEGER CHECK (sequence IS NOT NULL OR method = 'attempt'),
    changed          INTEGER CHECK ((changed IS NULL) = (sequence IS NULL)),
    settled_failures INTEGER CHECK (settled_failures IS NULL OR method = 'attempt'),
    settled_locked   INTEGER CHECK ((settled_locked IS NULL) = (settled_failures IS NULL)),
    CHECK (slot IS NULL OR method = 'attempt'),
    FOREIGN KEY (organisation, user) REFERENCES users (organisation, user)
) STRICT, WITHOUT ROWID;

-- A permit belongs to a user, with slot -1, or to a sham, with an empty user: ids are never empty.
-- Positions keep the order in which permits were opened.
CREATE TABLE permits (
    position     INTEGER PRIMARY KEY,
    organisation TEXT    NOT NULL,
    user         TEXT    NOT NULL,
    slot         INTEGER NOT NULL CHECK ((slot = -1) <> (user = '')),
    id           BLOB    NOT NULL REFERENCES operations (id),
    expires      INTEGER NOT NULL,
    guesses_code INTEGER NOT NULL CHECK (guesses_code IN (0, 1)),
    UNIQUE (organisation, user, slot, id)
) STRICT;

CREATE TABLE shams (
    organisation TEXT    NOT NULL,
    slot         INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    last_failure INTEGER,
    PRIMARY KEY (organisation, slot)
) STRICT, WITHOUT ROWID;
