-- +goose Up
-- Change capture: whatever a transaction commits to an entity is noted in
-- mirror_changes by the same transaction, whoever writes.
--
-- The functions run with their owner's rights, so a writer needs none on our
-- tables, and with a fixed search_path, so nothing of the writer's is called.
-- They never raise: a failed capture is a warning and the nightly audit's work.

-- +goose StatementBegin
CREATE FUNCTION confmirror_note(organization uuid, kind text, row_id text, slug_before text, slug_after text, named boolean, described boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described)
    VALUES (organization, kind, row_id, coalesce(slug_before, ''), coalesce(slug_after, ''), named, described);
    PERFORM pg_notify('confmirror', organization::text);
END $$;
-- +goose StatementEnd

-- Row trigger of an entity's table. Arguments: the kind; 'named' for the trigger
-- on updated_by.
-- +goose StatementBegin
CREATE FUNCTION confmirror_capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    BEGIN
        IF TG_OP = 'INSERT' THEN
            PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, '', NEW.slug, NEW.updated_by IS NOT NULL, false);
        ELSIF TG_OP = 'DELETE' THEN
            PERFORM confmirror_note(OLD.organization_id, TG_ARGV[0], OLD.id::text, OLD.slug, '', false, false);
        ELSIF TG_ARGV[1] = 'named' THEN
            PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL, false);
        ELSIF OLD.organization_id = NEW.organization_id AND OLD.id = NEW.id THEN
            PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, OLD.slug, NEW.slug, false,
                OLD.description IS DISTINCT FROM NEW.description);
        ELSE
            PERFORM confmirror_note(OLD.organization_id, TG_ARGV[0], OLD.id::text, OLD.slug, '', false, false);
            PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, '', NEW.slug, false, false);
        END IF;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'confmirror: a change of % was not captured: %', TG_TABLE_NAME, SQLERRM;
    END;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Row trigger of skill_files: the change is the skill's. A skill that is being
-- deleted with its files is gone already, and noted by its own trigger.
-- +goose StatementBegin
CREATE FUNCTION confmirror_capture_file() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    BEGIN
        IF TG_OP <> 'INSERT' THEN
            PERFORM confmirror_note(s.organization_id, 'skills', s.id::text, s.slug, s.slug, false, false)
            FROM skills s WHERE s.id = OLD.skill_id;
        END IF;
        IF TG_OP = 'INSERT' OR TG_OP = 'UPDATE' AND NEW.skill_id <> OLD.skill_id THEN
            PERFORM confmirror_note(s.organization_id, 'skills', s.id::text, s.slug, s.slug, false, false)
            FROM skills s WHERE s.id = NEW.skill_id;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'confmirror: a change of % was not captured: %', TG_TABLE_NAME, SQLERRM;
    END;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- Statement trigger: TRUNCATE concerns the whole kind of everyone.
-- +goose StatementBegin
CREATE FUNCTION confmirror_capture_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    BEGIN
        PERFORM confmirror_note(c.organization_id, TG_ARGV[0], '', '', '', false, false) FROM bitbucket_connections c;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'confmirror: the truncation of % was not captured: %', TG_TABLE_NAME, SQLERRM;
    END;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- A row that is and stays private concerns no mirror (WHEN).
-- +goose StatementBegin
DO $$
DECLARE
    entity record;
    private_insert text;
    private_update text;
    private_delete text;
    f text;
BEGIN
    FOREACH f IN ARRAY ARRAY['confmirror_capture', 'confmirror_capture_file', 'confmirror_capture_truncate'] LOOP
        EXECUTE format('ALTER FUNCTION %I() SET search_path = pg_catalog, %I, pg_temp', f, current_schema());
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %I() FROM PUBLIC', f);
    END LOOP;
    REVOKE EXECUTE ON FUNCTION confmirror_note FROM PUBLIC;

    FOR entity IN SELECT * FROM (VALUES
        ('toolkits', 'toolkits', 'owner_id, status, least_privilege, integrations, skills, commands'),
        ('commands', 'commands', 'owner_id, status, prompt, arguments'),
        ('mcp_servers', 'mcp-servers', 'owner_id, status, type, command, args, url, env, headers, tools'),
        ('mcp_clients', 'mcp-clients', 'enabled, client_uri, logo_uri, redirect_uris, grant_types, response_types, token_endpoint_auth_method, scope'),
        ('skills', 'skills', 'owner_id')
    ) AS t (table_name, kind, columns) LOOP
        private_insert := ''; private_update := ''; private_delete := '';
        IF entity.table_name <> 'mcp_clients' THEN
            private_insert := 'WHEN (NEW.owner_id IS NULL)';
            private_update := 'WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL)';
            private_delete := 'WHEN (OLD.owner_id IS NULL)';
        END IF;
        EXECUTE format('CREATE TRIGGER confmirror_insert AFTER INSERT ON %I FOR EACH ROW %s EXECUTE FUNCTION confmirror_capture(%L)',
            entity.table_name, private_insert, entity.kind);
        EXECUTE format('CREATE TRIGGER confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at, %s ON %I FOR EACH ROW %s EXECUTE FUNCTION confmirror_capture(%L)',
            entity.columns, entity.table_name, private_update, entity.kind);
        EXECUTE format('CREATE TRIGGER confmirror_named AFTER UPDATE OF updated_by ON %I FOR EACH ROW %s EXECUTE FUNCTION confmirror_capture(%L, ''named'')',
            entity.table_name, private_update, entity.kind);
        EXECUTE format('CREATE TRIGGER confmirror_delete AFTER DELETE ON %I FOR EACH ROW %s EXECUTE FUNCTION confmirror_capture(%L)',
            entity.table_name, private_delete, entity.kind);
        EXECUTE format('CREATE TRIGGER confmirror_truncate AFTER TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION confmirror_capture_truncate(%L)',
            entity.table_name, entity.kind);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER confmirror_insert, ENABLE ALWAYS TRIGGER confmirror_update, ENABLE ALWAYS TRIGGER confmirror_named, ENABLE ALWAYS TRIGGER confmirror_delete, ENABLE ALWAYS TRIGGER confmirror_truncate',
            entity.table_name);
    END LOOP;
END $$;
-- +goose StatementEnd

CREATE TRIGGER confmirror_insert AFTER INSERT ON skill_files FOR EACH ROW EXECUTE FUNCTION confmirror_capture_file();
CREATE TRIGGER confmirror_update AFTER UPDATE OF skill_id, path, content, executable ON skill_files FOR EACH ROW EXECUTE FUNCTION confmirror_capture_file();
CREATE TRIGGER confmirror_delete AFTER DELETE ON skill_files FOR EACH ROW EXECUTE FUNCTION confmirror_capture_file();
CREATE TRIGGER confmirror_truncate AFTER TRUNCATE ON skill_files FOR EACH STATEMENT EXECUTE FUNCTION confmirror_capture_truncate('skills');
ALTER TABLE skill_files ENABLE ALWAYS TRIGGER confmirror_insert, ENABLE ALWAYS TRIGGER confmirror_update,
    ENABLE ALWAYS TRIGGER confmirror_delete, ENABLE ALWAYS TRIGGER confmirror_truncate;
