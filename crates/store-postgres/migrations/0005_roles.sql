-- Who may do what.

-- Lets `p_app` call the store's functions and nothing else, and makes `p_owner` the owner of
-- everything. It runs with its caller's rights.
CREATE FUNCTION guard(p_owner text, p_app text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    home  regnamespace := current_schema()::regnamespace;
    thing text;
BEGIN
    IF (SELECT nspowner FROM pg_namespace WHERE oid = home) <> p_owner::regrole THEN
        EXECUTE format('ALTER SCHEMA %s OWNER TO %I', home, p_owner);
    END IF;
    FOR thing IN
        SELECT format('TABLE %s', oid::regclass) FROM pg_class
        WHERE relnamespace = home AND relkind IN ('r', 'p') AND relowner <> p_owner::regrole
        UNION ALL
        SELECT format('FUNCTION %s', oid::regprocedure) FROM pg_proc
        WHERE pronamespace = home AND proowner <> p_owner::regrole
    LOOP
        EXECUTE format('ALTER %s OWNER TO %I', thing, p_owner);
    END LOOP;
    EXECUTE format('REVOKE ALL ON SCHEMA %s FROM PUBLIC, %I', home, p_app);
    EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %s FROM PUBLIC, %I', home, p_app);
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %s FROM PUBLIC, %I', home, p_app);
    EXECUTE format('GRANT USAGE ON SCHEMA %s TO %I', home, p_app);
    FOR thing IN
        SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = home AND prosecdef
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', thing, p_app);
    END LOOP;
    -- Those that a later release brings.
    EXECUTE format('ALTER DEFAULT PRIVILEGES FOR ROLE %I IN SCHEMA %s '
                   'GRANT EXECUTE ON FUNCTIONS TO %I', p_owner, home, p_app);
END;
$$;

DO $$
BEGIN
    EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC', current_schema());
END;
$$;
