-- Reading through functions, for a role that may not read the tables.

CREATE FUNCTION load_user(p_organisation text, p_user_id text) RETURNS SETOF users
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT * FROM users WHERE organisation = p_organisation AND user_id = p_user_id;
$$;

-- What an operation id did to a user, if it did.
CREATE FUNCTION load_operation(p_organisation text, p_user_id text, p_operation bytea)
RETURNS SETOF operations
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT * FROM operations
    WHERE id = p_operation AND organisation = p_organisation AND user_id = p_user_id
      AND slot = -1 AND sequence IS NOT NULL;
$$;

CREATE FUNCTION user_events(
    p_organisation text, p_user_id text, p_after bigint, p_limit bigint
) RETURNS SETOF events
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT * FROM events
    WHERE organisation = p_organisation AND user_id = p_user_id AND sequence > p_after
    ORDER BY sequence LIMIT p_limit;
$$;

-- The first transaction id from which on not everything has been committed.
--
-- The transactions of this store that are at work hold the lock of their user. What comes after
-- this snapshot is later than all of them, and so is what one of them would write that has no id
-- yet; one that is just getting its id shows the lock without it. Transactions of others, which
-- may take hours, do not count.
CREATE FUNCTION first_unsettled() RETURNS xid8
LANGUAGE sql VOLATILE AS $$
    WITH locks AS MATERIALIZED (
        SELECT locktype, database, classid, objsubid, virtualtransaction, transactionid, mode
        FROM pg_locks WHERE granted
    ), writers AS (
        SELECT id.transactionid
        FROM locks AS turn LEFT JOIN locks AS id
          ON id.virtualtransaction = turn.virtualtransaction
         AND id.locktype = 'transactionid' AND id.mode = 'ExclusiveLock'
        WHERE turn.locktype = 'advisory' AND turn.objsubid = 2
          AND turn.classid = 'users'::regclass
          AND turn.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ), running AS (
        SELECT tx FROM pg_snapshot_xip(pg_current_snapshot()) AS tx
        WHERE EXISTS (
            SELECT FROM writers
            WHERE transactionid IS NULL OR transactionid = tx::xid)
    )
    SELECT coalesce((SELECT tx FROM running ORDER BY tx LIMIT 1),
                    pg_snapshot_xmax(pg_current_snapshot()));
$$;

-- Events after a position. Two statements, because what was running when the first began must
-- have become visible to the second.
CREATE FUNCTION outbox(p_era int, p_tx text, p_sequence bigint, p_limit bigint)
RETURNS SETOF events
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    unsettled xid8 := first_unsettled();
BEGIN
    RETURN QUERY
        SELECT * FROM events
        WHERE (era, tx, sequence) > (p_era, p_tx::xid8, p_sequence)
          AND (era, tx) < ((SELECT max(eras.era) FROM eras), unsettled)
        ORDER BY era, tx, sequence LIMIT p_limit;
END;
$$;

CREATE FUNCTION is_writable() RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT NOT pg_is_in_recovery() AND EXISTS (SELECT FROM eras);
$$;

-- Begins a new era where the data was restored into another database, or the newest events are of
-- transactions that are still to come here. The copy's transaction ids need not be behind: a reader
-- of the original may have read on after the copy was taken, and must not miss what comes next.
CREATE FUNCTION renew_era() RETURNS boolean
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    latest int := (SELECT max(era) FROM eras);
    newest xid8 := (
        SELECT tx FROM events WHERE era = latest ORDER BY era DESC, tx DESC LIMIT 1);
BEGIN
    IF home() = (SELECT home FROM eras WHERE era = latest)
        AND (newest IS NULL OR newest < pg_snapshot_xmax(pg_current_snapshot())) THEN
        RETURN false;
    END IF;
    INSERT INTO eras (era) VALUES (latest + 1);
    EXECUTE format('ALTER TABLE events ALTER COLUMN era SET DEFAULT %s', latest + 1);
    RETURN true;
END;
$$;
