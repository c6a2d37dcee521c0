-- +goose Up
-- Which captured changes of a burst must not be told apart is found without reading the
-- burst. What a write did to its row says so, once the capture notes one thing more:
-- whether the row was left deleted or private.
ALTER TABLE mirror_changes ADD COLUMN gone boolean NOT NULL DEFAULT false;

UPDATE mirror_changes SET gone = true WHERE kind = 'toolkits' AND row_id IN (SELECT id::text FROM toolkits WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'commands' AND row_id IN (SELECT id::text FROM commands WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'mcp-servers' AND row_id IN (SELECT id::text FROM mcp_servers WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'mcp-clients' AND row_id IN (SELECT id::text FROM mcp_clients WHERE deleted_at IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'skills' AND row_id IN (SELECT id::text FROM skills WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);

-- The oldest of one organization's, whatever waits of the others'.
CREATE INDEX mirror_changes_order ON mirror_changes (organization_id, id) WHERE id > 0;
CREATE INDEX mirror_changes_together ON mirror_changes (organization_id, id)
    WHERE gone OR take <> '' OR row_id = '' OR slug_after = '' OR (slug_before <> '' AND slug_before <> slug_after);

-- +goose StatementBegin
CREATE FUNCTION confmirror_note(organization uuid, kind text, row_id text, slug_before text, slug_after text, named boolean, described boolean, gone boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described, gone)
    VALUES (organization, kind, row_id, coalesce(slug_before, ''), coalesce(slug_after, ''), named, described, gone);
    PERFORM pg_notify('confmirror', organization::text);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION confmirror_note(organization uuid, kind text, row_id text, slug_before text, slug_after text, named boolean, described boolean)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM confmirror_note(organization, kind, row_id, slug_before, slug_after, named, described, false);
END $$;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE OR REPLACE FUNCTION confmirror_capture() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    gone boolean := false;
BEGIN
    BEGIN
        IF TG_OP = 'INSERT' THEN
            PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, '', NEW.slug, NEW.updated_by IS NOT NULL, false);
        ELSIF TG_OP = 'DELETE' THEN
            PERFORM confmirror_note(OLD.organization_id, TG_ARGV[0], OLD.id::text, OLD.slug, '', false, false);
        ELSIF TG_ARGV[1] = 'named' THEN
            PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL, false);
        ELSE
            gone := NEW.deleted_at IS NOT NULL;
            IF TG_ARGV[0] <> 'mcp-clients' THEN -- which have no owner
                gone := gone OR NEW.owner_id IS NOT NULL;
            END IF;
            IF OLD.organization_id = NEW.organization_id AND OLD.id = NEW.id THEN
                PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, OLD.slug, NEW.slug, false,
                    OLD.description IS DISTINCT FROM NEW.description, gone);
            ELSE
                PERFORM confmirror_note(OLD.organization_id, TG_ARGV[0], OLD.id::text, OLD.slug, '', false, false);
                PERFORM confmirror_note(NEW.organization_id, TG_ARGV[0], NEW.id::text, '', NEW.slug, false, false, gone);
            END IF;
        END IF;
    EXCEPTION WHEN OTHERS THEN
        RAISE WARNING 'confmirror: a change of % was not captured: %', TG_TABLE_NAME, SQLERRM;
    END;
    RETURN NULL;
END $$;
-- +goose StatementEnd

-- A replaced function keeps its rights, but not its settings.
-- +goose StatementBegin
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION confmirror_capture() SET search_path = pg_catalog, %I, pg_temp', current_schema());
    REVOKE EXECUTE ON FUNCTION confmirror_note(uuid, text, text, text, text, boolean, boolean, boolean) FROM PUBLIC;
END $$;
-- +goose StatementEnd
