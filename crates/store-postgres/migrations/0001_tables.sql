-- Every statement here runs with the store's schema as its search path.
--
-- Keys and indexes begin with (organisation, user_id), so that the tables can be partitioned by
-- user. Two do not, and say why. Ids compare byte by byte: an upgrade of the operating system's
-- collations cannot damage an index over them.
--
-- There are no foreign keys. Only the functions of this schema write, each in one transaction
-- under the lock of its user, and a foreign key would add a query and a row lock to each insert.

-- Which database of which cluster this is.
CREATE FUNCTION home() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%s/%s', system_identifier, database.oid)
    FROM pg_control_system(), pg_database AS database WHERE datname = current_database();
$$;

-- Transaction ids order the outbox within an era. A new era begins when they are counted by
-- another cluster, or have started over.
CREATE TABLE eras (
    era   int         PRIMARY KEY,
    home  text        NOT NULL DEFAULT home(),
    began timestamptz NOT NULL DEFAULT clock_timestamp()
);

INSERT INTO eras (era) VALUES (1);

CREATE TABLE users (
    organisation     text COLLATE "C" NOT NULL,
    user_id          text COLLATE "C" NOT NULL,
    username         text        NOT NULL,
    kind             text        NOT NULL,
    state            text        NOT NULL,
    hash             text,
    must_change      boolean     NOT NULL,
    password_changed timestamptz,
    code_digest      bytea       CHECK (octet_length(code_digest) = 32),
    code_expires     timestamptz CHECK ((code_expires IS NULL) = (code_digest IS NULL)),
    code_guesses     bigint      NOT NULL,
    version          bigint      NOT NULL,
    sequence         bigint      NOT NULL,
    epoch            bigint      NOT NULL,
    failures         bigint      NOT NULL,
    last_failure     timestamptz,
    created          timestamptz NOT NULL,
    changed          timestamptz NOT NULL,
    PRIMARY KEY (organisation, user_id)
) WITH (fillfactor = 80);  -- No index holds what changes: a new version of a row fits its page.

CREATE TABLE events (
    organisation text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    sequence     bigint      NOT NULL,
    kind         text        NOT NULL,
    version      bigint      NOT NULL,
    state        text        NOT NULL,
    failures     bigint      NOT NULL,
    must_change  boolean     NOT NULL,
    hash_sha256  bytea       CHECK (octet_length(hash_sha256) = 32),
    operation    bytea       NOT NULL CHECK (octet_length(operation) = 16),
    editor       text,
    date         timestamptz NOT NULL,
    era          int         NOT NULL DEFAULT 1,
    tx           xid8        NOT NULL DEFAULT pg_current_xact_id(),
    PRIMARY KEY (organisation, user_id, sequence)
);

-- The outbox is about everybody. A transaction is about one user, so this names every event.
CREATE INDEX events_outbox ON events (era, tx, sequence);

-- What an operation id was used for. It has one use in the whole store, so the id alone is the
-- key; the table can be partitioned by it.
--
-- An attempt has its row from the moment its permit is taken. It has no result while it is open,
-- nor if its lease runs out; a sequence comes with a right or wrong answer of a user. The slot is
-- that of a sham, whose user is the slot in decimal, or -1.
CREATE TABLE operations (
    id           bytea   PRIMARY KEY CHECK (octet_length(id) = 16),
    organisation text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    slot         int     NOT NULL DEFAULT -1,
    method       text    NOT NULL,
    sequence     bigint  CHECK (sequence IS NOT NULL OR method = 'attempt'),
    changed      timestamptz CHECK ((changed IS NULL) = (sequence IS NULL)),
    failures     bigint  CHECK (failures IS NULL OR method = 'attempt'),
    locked       boolean CHECK ((locked IS NULL) = (failures IS NULL)),
    CHECK (slot = -1 OR (method = 'attempt' AND user_id = slot::text))
);

-- Open permits. Positions keep the order in which those of one subject were opened.
CREATE TABLE permits (
    organisation text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    slot         int         NOT NULL CHECK (slot = -1 OR user_id = slot::text),
    id           bytea       NOT NULL CHECK (octet_length(id) = 16),
    position     bigint      NOT NULL,
    expires      timestamptz NOT NULL,
    guesses_code boolean     NOT NULL,
    PRIMARY KEY (organisation, user_id, slot, id)
);

CREATE TABLE shams (
    organisation text COLLATE "C" NOT NULL,
    user_id      text COLLATE "C" NOT NULL,
    slot         int         NOT NULL CHECK (user_id = slot::text),
    failures     bigint      NOT NULL,
    last_failure timestamptz,
    PRIMARY KEY (organisation, user_id, slot)
) WITH (fillfactor = 80);
