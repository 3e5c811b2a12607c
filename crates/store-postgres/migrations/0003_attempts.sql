-- The guess budget. The order of the checks is the one of `portcullis_core::MemoryStore`, the
-- arithmetic the one of `portcullis_core::store::AttemptState`.
--
-- A subject is (organisation, user_id, slot): a user has slot -1, a sham's user_id is its slot.
-- Counters stop at 4294967295, the largest that callers can count to.

-- At any other level a statement would not see what its transaction has waited for, and permits
-- would be granted beyond the limit. A change fails there by itself.
CREATE FUNCTION require_read_committed() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'portcullis needs the isolation level read committed'
            USING ERRCODE = 'invalid_transaction_state';
    END IF;
END;
$$;

-- How long after the newest failure the next attempt may come, in nanoseconds.
CREATE FUNCTION wait_after(p_failures bigint, p_after bigint, p_first numeric, p_max numeric)
RETURNS numeric LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN p_failures < greatest(p_after, 1) THEN 0
        ELSE least(p_max, p_first * least(
            4294967295, 1::bigint << least(p_failures - greatest(p_after, 1), 32)::int))
    END;
$$;

-- A user after the leases that ran out have been counted, each with its event. NULL where there
-- is no user, or none any more: nothing comes after the event of a removal.
CREATE FUNCTION open_user(p_organisation text, p_user_id text, p_now timestamptz) RETURNS users
LANGUAGE plpgsql AS $$
DECLARE
    person users;
    permit permits;
BEGIN
    SELECT * INTO person FROM users
    WHERE organisation = p_organisation AND user_id = p_user_id AND state <> 'removed';
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    FOR permit IN
        SELECT * FROM permits
        WHERE organisation = p_organisation AND user_id = p_user_id AND slot = -1
          AND expires <= p_now
        ORDER BY expires, position
    LOOP
        person := failed(person, permit.guesses_code, permit.expires);
        person.sequence := person.sequence + 1;
        person.changed := greatest(p_now, person.changed);
        PERFORM append(person, 'user.human.password.check.failed', permit.id, NULL);
    END LOOP;
    IF FOUND THEN
        DELETE FROM permits
        WHERE organisation = p_organisation AND user_id = p_user_id AND slot = -1
          AND expires <= p_now;
        PERFORM save(person);
    END IF;
    RETURN person;
END;
$$;

-- One more failure.
CREATE FUNCTION failed(p_user users, p_guessed_code boolean, p_at timestamptz) RETURNS users
LANGUAGE plpgsql STABLE AS $$
BEGIN
    p_user.failures := least(p_user.failures + 1, 4294967295);
    p_user.last_failure := greatest(p_user.last_failure, p_at);
    IF p_guessed_code AND p_user.code_digest IS NOT NULL THEN
        p_user.code_guesses := least(p_user.code_guesses + 1, 4294967295);
    END IF;
    RETURN p_user;
END;
$$;

-- Writes what an attempt can change of a user.
CREATE FUNCTION save(p_user users) RETURNS void LANGUAGE sql AS $$
    UPDATE users SET
        state = p_user.state,
        code_guesses = p_user.code_guesses,
        failures = p_user.failures,
        last_failure = p_user.last_failure,
        sequence = p_user.sequence,
        changed = p_user.changed
    WHERE organisation = p_user.organisation AND user_id = p_user.user_id;
$$;

-- A sham after the leases that ran out have been counted.
CREATE FUNCTION open_sham(p_organisation text, p_user_id text, p_slot int, p_now timestamptz)
RETURNS shams LANGUAGE plpgsql AS $$
DECLARE
    sham  shams;
    ended bigint;
    last  timestamptz;
BEGIN
    SELECT * INTO sham FROM shams
    WHERE organisation = p_organisation AND user_id = p_user_id AND slot = p_slot;
    IF NOT FOUND THEN
        sham := ROW (p_organisation, p_user_id, p_slot, 0, NULL);
    END IF;
    WITH gone AS (
        DELETE FROM permits
        WHERE organisation = p_organisation AND user_id = p_user_id AND slot = p_slot
          AND expires <= p_now
        RETURNING expires
    )
    SELECT count(*), max(expires) INTO ended, last FROM gone;
    IF ended > 0 THEN
        sham.failures := least(sham.failures + ended, 4294967295);
        sham.last_failure := greatest(sham.last_failure, last);
        PERFORM save(sham);
    END IF;
    RETURN sham;
END;
$$;

CREATE FUNCTION save(p_sham shams) RETURNS void LANGUAGE sql AS $$
    INSERT INTO shams (organisation, user_id, slot, failures, last_failure)
    VALUES (p_sham.organisation, p_sham.user_id, p_sham.slot, p_sham.failures,
            p_sham.last_failure)
    ON CONFLICT (organisation, user_id, slot)
    DO UPDATE SET failures = excluded.failures, last_failure = excluded.last_failure;
$$;

-- What stands between an attempt and its permit: nothing ('permitted'), or what.
CREATE FUNCTION decide(
    p_organisation text, p_user_id text, p_slot int, p_failures bigint,
    p_last_failure timestamptz, p_limit bigint, p_after bigint, p_first numeric, p_max numeric,
    p_now timestamptz, OUT outcome text, OUT retry_in numeric
) LANGUAGE plpgsql STABLE AS $$
DECLARE
    held     bigint;
    next_end timestamptz;
    left_    numeric;
    busy     boolean;
BEGIN
    IF p_failures >= p_limit THEN
        outcome := 'stopped';
        RETURN;
    END IF;
    SELECT count(*), min(expires) INTO held, next_end FROM permits
    WHERE organisation = p_organisation AND user_id = p_user_id AND slot = p_slot;
    busy := p_failures + held >= p_limit;
    IF p_after IS NOT NULL THEN
        -- A clock set back makes the wait longer, not shorter.
        left_ := wait_after(p_failures, p_after, p_first, p_max)
            - extract(epoch FROM p_now - p_last_failure) * 1000000000;
        IF left_ > 0 THEN
            outcome := 'wait';
            retry_in := least(left_, p_max);
            RETURN;
        END IF;
        -- Where waits apply, guesses go one at a time, or parallel ones would skip the wait.
        busy := busy OR (held > 0
            AND wait_after(p_failures + held, p_after, p_first, p_max) > 0);
    END IF;
    outcome := CASE WHEN busy THEN 'busy' ELSE 'permitted' END;
    retry_in := extract(epoch FROM next_end - p_now) * 1000000000;
END;
$$;

-- The lease is in microseconds, the waits are in nanoseconds; they are NULL where none apply.
CREATE FUNCTION take_attempt(
    p_organisation text, p_user_id text, p_slot int, p_permit bytea, p_guesses_code boolean,
    p_limit bigint, p_lease bigint, p_after bigint, p_first text, p_max text, p_now timestamptz,
    OUT outcome text, OUT settled bigint, OUT retry_in text
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    done  operations;
    taken boolean;
    last  timestamptz;
    wait  numeric;
BEGIN
    PERFORM require_read_committed();
    p_now := turn(p_organisation, p_user_id, p_now);
    SELECT * INTO done FROM operations WHERE id = p_permit;
    taken := FOUND;
    IF taken AND (done.organisation, done.user_id, done.slot, done.method)
        <> (p_organisation, p_user_id, p_slot, 'attempt') THEN
        outcome := 'reused';
        RETURN;
    ELSIF done.failures IS NOT NULL THEN
        outcome := 'spent';
        RETURN;
    ELSIF p_slot = -1 THEN
        SELECT failures, last_failure INTO settled, last
        FROM open_user(p_organisation, p_user_id, p_now);
    ELSE
        SELECT failures, last_failure INTO settled, last
        FROM open_sham(p_organisation, p_user_id, p_slot, p_now);
    END IF;
    IF settled IS NULL THEN
        outcome := 'not_found';
    ELSIF taken THEN
        outcome := CASE WHEN EXISTS (
            SELECT FROM permits
            WHERE organisation = p_organisation AND user_id = p_user_id AND slot = p_slot
              AND id = p_permit
        ) THEN 'permitted' ELSE 'spent' END;
    ELSE
        SELECT * INTO outcome, wait FROM decide(
            p_organisation, p_user_id, p_slot, settled, last, p_limit, p_after,
            p_first::numeric, p_max::numeric, p_now);
        retry_in := trunc(greatest(wait, 0))::text;
        IF outcome = 'permitted' THEN
            PERFORM open_permit(
                p_organisation, p_user_id, p_slot, p_permit, p_guesses_code, p_lease, p_now);
        END IF;
    END IF;
END;
$$;

CREATE FUNCTION open_permit(
    p_organisation text, p_user_id text, p_slot int, p_permit bytea, p_guesses_code boolean,
    p_lease bigint, p_now timestamptz
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO operations (id, organisation, user_id, slot, method)
    VALUES (p_permit, p_organisation, p_user_id, p_slot, 'attempt');
    INSERT INTO permits (organisation, user_id, slot, id, position, expires, guesses_code)
    SELECT p_organisation, p_user_id, p_slot, p_permit, coalesce(max(position), 0) + 1,
           -- The last moment that callers can tell.
           least(p_now + p_lease * interval '1 microsecond', '262142-12-31 23:59:59.999999+00'),
           p_guesses_code
    FROM permits
    WHERE organisation = p_organisation AND user_id = p_user_id AND slot = p_slot;
$$;

CREATE FUNCTION settle_attempt(
    p_organisation text, p_user_id text, p_slot int, p_permit bytea,
    -- 'abandoned', 'right' or 'wrong', which locks a user at so many failures
    p_verification text, p_lock_at bigint, p_now timestamptz,
    OUT outcome text, OUT settled bigint, OUT was_locked boolean
) LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    done operations;
BEGIN
    PERFORM require_read_committed();
    p_now := turn(p_organisation, p_user_id, p_now);
    outcome := 'expired';
    SELECT * INTO done FROM operations
    WHERE id = p_permit AND organisation = p_organisation AND user_id = p_user_id
      AND slot = p_slot AND method = 'attempt';
    IF NOT FOUND THEN
        RETURN;
    ELSIF done.failures IS NOT NULL THEN
        settled := done.failures;
        was_locked := done.locked;
    ELSIF p_slot = -1 THEN
        SELECT * INTO settled, was_locked FROM settle_user(
            p_organisation, p_user_id, p_permit, p_verification, p_lock_at, p_now);
    ELSE
        SELECT * INTO settled, was_locked FROM settle_sham(
            p_organisation, p_user_id, p_slot, p_permit, p_verification, p_now);
    END IF;
    IF settled IS NOT NULL THEN
        outcome := 'settled';
    END IF;
END;
$$;

-- The failures are NULL where the permit is not open.
CREATE FUNCTION settle_user(
    p_organisation text, p_user_id text, p_permit bytea, p_verification text, p_lock_at bigint,
    p_now timestamptz, OUT settled bigint, OUT was_locked boolean
) LANGUAGE plpgsql AS $$
DECLARE
    person  users;
    guessed boolean;
BEGIN
    person := open_user(p_organisation, p_user_id, p_now);
    DELETE FROM permits
    WHERE organisation = person.organisation AND user_id = person.user_id AND slot = -1
      AND id = p_permit
    RETURNING guesses_code INTO guessed;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    was_locked := false;
    IF p_verification = 'abandoned' THEN
        UPDATE operations SET failures = person.failures, locked = false WHERE id = p_permit;
        settled := person.failures;
        RETURN;
    END IF;
    person.sequence := person.sequence + 1;
    person.changed := greatest(p_now, person.changed);
    IF p_verification = 'right' THEN
        person.failures := 0;
        person.last_failure := NULL;
        PERFORM append(person, 'user.human.password.check.succeeded', p_permit, NULL);
    ELSE
        person := failed(person, guessed, p_now);
        PERFORM append(person, 'user.human.password.check.failed', p_permit, NULL);
        was_locked := person.state = 'active' AND coalesce(person.failures >= p_lock_at, false);
    END IF;
    IF was_locked THEN
        person.state := 'locked';
        person.sequence := person.sequence + 1;
        PERFORM append(person, 'user.locked', p_permit, NULL);
    END IF;
    PERFORM save(person);
    UPDATE operations SET
        sequence = person.sequence,
        changed = person.changed,
        failures = person.failures,
        locked = was_locked
    WHERE id = p_permit;
    settled := person.failures;
END;
$$;

CREATE FUNCTION settle_sham(
    p_organisation text, p_user_id text, p_slot int, p_permit bytea, p_verification text,
    p_now timestamptz, OUT settled bigint, OUT was_locked boolean
) LANGUAGE plpgsql AS $$
DECLARE
    sham shams := open_sham(p_organisation, p_user_id, p_slot, p_now);
BEGIN
    DELETE FROM permits
    WHERE organisation = p_organisation AND user_id = p_user_id AND slot = p_slot
      AND id = p_permit;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF p_verification = 'right' THEN
        sham.failures := 0;
        sham.last_failure := NULL;
    ELSIF p_verification = 'wrong' THEN
        sham.failures := least(sham.failures + 1, 4294967295);
        sham.last_failure := greatest(sham.last_failure, p_now);
    END IF;
    PERFORM save(sham);
    settled := sham.failures;
    was_locked := false;
    UPDATE operations SET failures = settled, locked = was_locked WHERE id = p_permit;
END;
$$;
