-- A user id can be used again after its user was removed.

-- The same as `create_user`, which releases before this one call and which never touches an id that
-- was used: there a tombstone is a user that exists. Of a removed user the new identity takes up
-- the counters, so that no sequence is used twice and nothing of the old one fits.
CREATE FUNCTION create_identity(
    p_organisation text, p_user_id text, p_operation bytea, p_username text, p_kind text,
    p_state text, p_hash text, p_must_change boolean, p_event text, p_editor text,
    p_now timestamptz,
    OUT outcome text, OUT at_sequence bigint, OUT at_date timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    person users;
BEGIN
    p_now := turn(p_organisation, p_user_id, p_now);
    SELECT * INTO outcome, at_sequence, at_date
    FROM seen(p_organisation, p_user_id, p_operation, 'create');
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    INSERT INTO users AS last (
        organisation, user_id, username, kind, state, hash, must_change, password_changed,
        code_guesses, version, sequence, epoch, failures, created, changed)
    VALUES (p_organisation, p_user_id, p_username, p_kind, p_state, p_hash, p_must_change,
            CASE WHEN p_hash IS NOT NULL THEN p_now END, 0, 1, 1, 1, 0, p_now, p_now)
    ON CONFLICT (organisation, user_id) DO UPDATE SET
        username = excluded.username,
        kind = excluded.kind,
        state = excluded.state,
        hash = excluded.hash,
        must_change = excluded.must_change,
        password_changed = greatest(excluded.password_changed,
                                    CASE WHEN p_hash IS NOT NULL THEN last.changed END),
        code_digest = NULL,
        code_expires = NULL,
        code_guesses = 0,
        version = last.version + 1,
        sequence = last.sequence + 1,
        epoch = last.epoch + 1,
        failures = 0,
        last_failure = NULL,
        created = greatest(excluded.created, last.changed),
        changed = greatest(excluded.changed, last.changed)
    WHERE last.state = 'removed'
    RETURNING last.* INTO person;
    IF NOT FOUND THEN
        outcome := 'exists';
        RETURN;
    ELSIF person.sequence > 1 THEN
        -- What the removed user left open is not the new one's.
        DELETE FROM permits
        WHERE organisation = p_organisation AND user_id = p_user_id AND slot = -1;
    END IF;
    PERFORM append(person, p_event, p_operation, p_editor);
    INSERT INTO operations (id, organisation, user_id, method, sequence, changed)
    VALUES (p_operation, p_organisation, p_user_id, 'create', person.sequence, person.changed);
    outcome := 'created';
    at_sequence := person.sequence;
    at_date := person.changed;
END;
$$;

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END;
$$;
