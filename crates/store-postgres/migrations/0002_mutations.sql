-- One function for each mutation of a user. A call is one statement and so one transaction.
--
-- The order of the checks is the one of `portcullis_core::MemoryStore`. Functions that callers
-- use run with their owner's rights, so that a role can be allowed to call them and nothing else.
-- `p_now` is the time to go by; NULL, which is what production passes, is that of this server.

-- Makes the transactions of one subject take turns, and says what time it is then.
--
-- The lock comes before the transaction has an id, so that ids are in the order of the events.
-- Its first half is the table, which tells a reader of the outbox whose writers are at work.
CREATE FUNCTION turn(p_organisation text, p_user_id text, p_now timestamptz) RETURNS timestamptz
LANGUAGE sql AS $$
    SELECT CASE WHEN pg_advisory_xact_lock(
        'users'::regclass::oid::int, hashtext(p_organisation || '/' || p_user_id)) IS NOT NULL
    THEN coalesce(p_now, clock_timestamp()) END;
$$;

-- What an operation id was used for before: 'replayed', 'reused', or NULL if for nothing.
CREATE FUNCTION seen(
    p_organisation text, p_user_id text, p_operation bytea, p_method text,
    OUT outcome text, OUT at_sequence bigint, OUT at_date timestamptz
) LANGUAGE sql STABLE SECURITY DEFINER SET search_path FROM CURRENT AS $$
    SELECT CASE WHEN (organisation, user_id, slot, method)
                   = (p_organisation, p_user_id, -1, p_method)
                THEN 'replayed' ELSE 'reused' END,
           sequence, changed
    FROM operations WHERE id = p_operation;
$$;

-- Appends the event that leaves a user as it is now.
CREATE FUNCTION append(p_user users, p_kind text, p_operation bytea, p_editor text) RETURNS void
LANGUAGE sql AS $$
    INSERT INTO events (organisation, user_id, sequence, kind, version, state, failures,
                        must_change, hash_sha256, operation, editor, date)
    VALUES (p_user.organisation, p_user.user_id, p_user.sequence, p_kind, p_user.version,
            p_user.state, p_user.failures, p_user.must_change,
            sha256(convert_to(p_user.hash, 'UTF8')), p_operation, p_editor, p_user.changed);
$$;

CREATE FUNCTION create_user(
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
    INSERT INTO users (organisation, user_id, username, kind, state, hash, must_change,
                       password_changed, code_guesses, version, sequence, epoch, failures,
                       created, changed)
    VALUES (p_organisation, p_user_id, p_username, p_kind, p_state, p_hash, p_must_change,
            CASE WHEN p_hash IS NOT NULL THEN p_now END, 0, 1, 1, 1, 0, p_now, p_now)
    ON CONFLICT DO NOTHING
    RETURNING * INTO person;
    IF NOT FOUND THEN
        outcome := 'exists';
        RETURN;
    END IF;
    PERFORM append(person, p_event, p_operation, p_editor);
    INSERT INTO operations (id, organisation, user_id, method, sequence, changed)
    VALUES (p_operation, p_organisation, p_user_id, 'create', person.sequence, person.changed);
    outcome := 'created';
    at_sequence := person.sequence;
    at_date := person.changed;
END;
$$;

-- Says why a change was not made.
CREATE FUNCTION refusal(
    p_organisation text, p_user_id text, p_operation bytea, p_method text, p_expected bigint,
    OUT outcome text, OUT at_sequence bigint, OUT at_date timestamptz
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT * INTO outcome, at_sequence, at_date
    FROM seen(p_organisation, p_user_id, p_operation, p_method);
    IF outcome IS NULL THEN
        SELECT CASE WHEN state = 'removed' THEN 'not_found'
                    WHEN version <> p_expected THEN 'conflict'
                    ELSE 'code_rejected' END INTO outcome
        FROM users WHERE organisation = p_organisation AND user_id = p_user_id;
        outcome := coalesce(outcome, 'not_found');
    END IF;
END;
$$;

-- What goes well is one statement; why something does not is asked afterwards. An operation id
-- that was used before fails as a violation of its key, and the caller asks `seen`.
CREATE FUNCTION commit_change(
    p_organisation text, p_user_id text, p_operation bytea, p_method text, p_expected bigint,
    -- 'keep', 'remove' or 'replace'
    p_credential text, p_hash text, p_must_change boolean,
    p_state text,
    -- 'keep', 'consume' a digest with fewer guesses, or 'issue' one with so many guesses
    p_code text, p_digest bytea, p_code_expires timestamptz, p_guesses bigint,
    p_editor text, p_events text[], p_now timestamptz,
    OUT outcome text, OUT at_sequence bigint, OUT at_date timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    keeps   boolean := p_credential = 'keep';
    clears  boolean := NOT keeps OR p_state IS NOT DISTINCT FROM 'active';
    guessed bigint := 0;
BEGIN
    p_now := turn(p_organisation, p_user_id, p_now);
    IF p_code = 'consume' OR (keeps AND clears) THEN
        guessed := ended_guesses(p_organisation, p_user_id, p_now);
    END IF;
    WITH saved AS (
        UPDATE users SET
            hash = CASE WHEN keeps THEN hash ELSE p_hash END,
            must_change = CASE WHEN keeps THEN must_change ELSE p_must_change END,
            password_changed = CASE WHEN keeps THEN password_changed
                                    WHEN p_hash IS NOT NULL THEN greatest(p_now, changed) END,
            epoch = epoch + (NOT keeps)::int,
            state = coalesce(p_state, state),
            code_digest = CASE WHEN p_code = 'issue' THEN p_digest
                               WHEN p_code = 'keep' AND keeps THEN code_digest END,
            code_expires = CASE WHEN p_code = 'issue' THEN p_code_expires
                                WHEN p_code = 'keep' AND keeps THEN code_expires END,
            code_guesses = CASE WHEN p_code = 'issue' THEN p_guesses
                                WHEN p_code = 'consume' OR NOT keeps OR code_digest IS NULL THEN 0
                                ELSE least(code_guesses + guessed, 4294967295) END,
            failures = CASE WHEN clears THEN 0 ELSE failures END,
            last_failure = CASE WHEN NOT clears THEN last_failure END,
            version = version + 1,
            sequence = sequence + cardinality(p_events),
            changed = greatest(p_now, changed)
        WHERE organisation = p_organisation AND user_id = p_user_id
          AND version = p_expected AND state <> 'removed'
          AND (p_code <> 'consume' OR (code_digest = p_digest AND p_now < code_expires
                                       AND code_guesses + guessed < p_guesses))
        RETURNING version, state, failures, must_change, hash, sequence, changed
    ), remembered AS (
        INSERT INTO operations (id, organisation, user_id, method, sequence, changed)
        SELECT p_operation, p_organisation, p_user_id, p_method, sequence, changed FROM saved
    ), appended AS (
        INSERT INTO events (organisation, user_id, sequence, kind, version, state, failures,
                            must_change, hash_sha256, operation, editor, date)
        SELECT p_organisation, p_user_id, sequence - cardinality(p_events) + position, kind,
               version, state, failures, must_change, sha256(convert_to(hash, 'UTF8')),
               p_operation, p_editor, changed
        FROM saved, unnest(p_events) WITH ORDINALITY AS event (kind, position)
    )
    SELECT 'committed', sequence, changed INTO outcome, at_sequence, at_date FROM saved;
    IF NOT FOUND THEN
        SELECT * INTO outcome, at_sequence, at_date
        FROM refusal(p_organisation, p_user_id, p_operation, p_method, p_expected);
    ELSIF clears THEN
        DELETE FROM permits
        WHERE organisation = p_organisation AND user_id = p_user_id AND slot = -1
          AND expires <= p_now;
    END IF;
END;
$$;

-- Guesses at the pending code whose lease ran out, and which no attempt has counted yet.
CREATE FUNCTION ended_guesses(p_organisation text, p_user_id text, p_now timestamptz)
RETURNS bigint LANGUAGE sql STABLE AS $$
    SELECT count(*) FROM permits
    WHERE organisation = p_organisation AND user_id = p_user_id AND slot = -1
      AND guesses_code AND expires <= p_now;
$$;

CREATE FUNCTION upgrade_hash(
    p_organisation text, p_user_id text, p_operation bytea, p_verified text, p_replacement text,
    p_now timestamptz,
    OUT outcome text, OUT at_sequence bigint, OUT at_date timestamptz
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    person users;
BEGIN
    p_now := turn(p_organisation, p_user_id, p_now);
    SELECT * INTO outcome, at_sequence, at_date
    FROM seen(p_organisation, p_user_id, p_operation, 'upgrade_hash');
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    UPDATE users SET
        hash = p_replacement,
        sequence = sequence + 1,
        changed = greatest(p_now, changed)
    WHERE organisation = p_organisation AND user_id = p_user_id
      AND state <> 'removed' AND hash = p_verified
    RETURNING * INTO person;
    IF NOT FOUND THEN
        outcome := 'superseded';
        RETURN;
    END IF;
    PERFORM append(person, 'user.human.password.hash.updated', p_operation, NULL);
    INSERT INTO operations (id, organisation, user_id, method, sequence, changed)
    VALUES (p_operation, p_organisation, p_user_id, 'upgrade_hash', person.sequence,
            person.changed);
    outcome := 'upgraded';
    at_sequence := person.sequence;
    at_date := person.changed;
END;
$$;
