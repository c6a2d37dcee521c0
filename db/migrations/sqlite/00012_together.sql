-- +goose Up
-- Which captured changes of a burst must not be told apart is found without reading the
-- burst: see the PostgreSQL side.
ALTER TABLE mirror_changes ADD COLUMN gone BOOLEAN NOT NULL DEFAULT false; -- the write left the row deleted or private

UPDATE mirror_changes SET gone = true WHERE kind = 'toolkits' AND row_id IN (SELECT id FROM toolkits WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'commands' AND row_id IN (SELECT id FROM commands WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'mcp-servers' AND row_id IN (SELECT id FROM mcp_servers WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'mcp-clients' AND row_id IN (SELECT id FROM mcp_clients WHERE deleted_at IS NOT NULL);
UPDATE mirror_changes SET gone = true WHERE kind = 'skills' AND row_id IN (SELECT id FROM skills WHERE deleted_at IS NOT NULL OR owner_id IS NOT NULL);

CREATE INDEX mirror_changes_order ON mirror_changes (organization_id, id) WHERE id > 0;
CREATE INDEX mirror_changes_together ON mirror_changes (organization_id, id)
    WHERE gone OR take <> '' OR row_id = '' OR slug_after = '' OR (slug_before <> '' AND slug_before <> slug_after);

DROP TRIGGER toolkits_confmirror_update;
-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id, status, least_privilege, integrations, skills, commands
    ON toolkits WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'toolkits', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described, gone)
    VALUES (NEW.organization_id, 'toolkits', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description,
        NEW.deleted_at IS NOT NULL OR NEW.owner_id IS NOT NULL);
END;
-- +goose StatementEnd

DROP TRIGGER commands_confmirror_update;
-- +goose StatementBegin
CREATE TRIGGER commands_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id, status, prompt, arguments
    ON commands WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'commands', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described, gone)
    VALUES (NEW.organization_id, 'commands', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description,
        NEW.deleted_at IS NOT NULL OR NEW.owner_id IS NOT NULL);
END;
-- +goose StatementEnd

DROP TRIGGER mcp_servers_confmirror_update;
-- +goose StatementBegin
CREATE TRIGGER mcp_servers_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id, status, type, command, args, url, env, headers, tools
    ON mcp_servers WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'mcp-servers', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described, gone)
    VALUES (NEW.organization_id, 'mcp-servers', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description,
        NEW.deleted_at IS NOT NULL OR NEW.owner_id IS NOT NULL);
END;
-- +goose StatementEnd

DROP TRIGGER mcp_clients_confmirror_update;
-- +goose StatementBegin
CREATE TRIGGER mcp_clients_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        enabled, client_uri, logo_uri, redirect_uris, grant_types, response_types,
        token_endpoint_auth_method, scope
    ON mcp_clients BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'mcp-clients', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described, gone)
    VALUES (NEW.organization_id, 'mcp-clients', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description,
        NEW.deleted_at IS NOT NULL);
END;
-- +goose StatementEnd

DROP TRIGGER skills_confmirror_update;
-- +goose StatementBegin
CREATE TRIGGER skills_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id
    ON skills WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'skills', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described, gone)
    VALUES (NEW.organization_id, 'skills', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description,
        NEW.deleted_at IS NOT NULL OR NEW.owner_id IS NOT NULL);
END;
-- +goose StatementEnd
