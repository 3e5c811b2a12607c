-- A document can be written again and end when it would have ended.

-- As before, but for a negative `p_ttl`, which no release before this one passes: the document ends
-- when the present one does. The end goes by no clock then, and by none that is wrong.
CREATE OR REPLACE FUNCTION write_document(
    p_kind text, p_name text, p_operation bytea, p_expected bigint, p_text bytea, p_ttl bigint,
    p_now timestamptz,
    OUT outcome text, OUT at_revision bigint, OUT at_created timestamptz, OUT at_changed timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    p_digest bytea := sha256(convert_to(p_name, 'UTF8'));
    last     documents;
    present  boolean;
    ended    record;
BEGIN
    PERFORM pg_advisory_xact_lock(
        'documents'::regclass::oid::int, hashtext(p_kind || '/' || p_name));
    p_now := coalesce(p_now, clock_timestamp());
    SELECT * INTO last FROM documents WHERE kind = p_kind AND digest = p_digest;
    present := last.text IS NOT NULL AND coalesce(p_now < last.expires, true);
    IF last.operation = p_operation THEN
        outcome := 'replayed';
    ELSIF (CASE WHEN present THEN last.revision END) IS DISTINCT FROM p_expected THEN
        outcome := 'conflict';
        RETURN;
    ELSE
        outcome := 'written';
        last.revision := coalesce(last.revision, 0) + 1;
        last.changed := greatest(p_now, last.changed);
        last.created := CASE WHEN present THEN last.created ELSE last.changed END;
        -- What is left of a document that had an end may be forgotten when that has come. A driver
        -- that is sent texts reads years of four digits.
        last.expires := CASE
            WHEN p_text IS NULL THEN last.expires
            WHEN p_ttl < 0 THEN CASE WHEN present THEN last.expires END
            WHEN p_ttl IS NOT NULL THEN
                least(p_now + p_ttl * interval '1 microsecond', '9999-12-31 23:59:59.999999+00')
        END;
        INSERT INTO documents
            (kind, digest, name, text, operation, revision, created, changed, expires)
        VALUES (p_kind, p_digest, p_name, p_text, p_operation, last.revision, last.created,
                last.changed, last.expires)
        ON CONFLICT (kind, digest) DO UPDATE SET
            text = excluded.text, operation = excluded.operation, revision = excluded.revision,
            created = excluded.created, changed = excluded.changed, expires = excluded.expires;
        -- Those that another writer is at are left to the next one: nobody waits here, with locks.
        FOR ended IN
            SELECT kind, digest FROM documents WHERE expires < p_now - interval '1 day'
            ORDER BY expires LIMIT 8 FOR UPDATE SKIP LOCKED
        LOOP
            DELETE FROM documents WHERE kind = ended.kind AND digest = ended.digest;
        END LOOP;
    END IF;
    at_revision := last.revision;
    at_created := last.created;
    at_changed := last.changed;
END;
$$;

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END;
$$;
