-- +goose Up
-- Change capture: see the PostgreSQL side. SQLite knows no rights and no
-- TRUNCATE; whoever writes to the file runs these triggers.
-- A row that is and stays private concerns no mirror (WHEN).

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_insert AFTER INSERT ON toolkits WHEN NEW.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'toolkits', NEW.id, '', NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id, status, least_privilege, integrations, skills, commands
    ON toolkits WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'toolkits', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described)
    VALUES (NEW.organization_id, 'toolkits', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_named AFTER UPDATE OF updated_by ON toolkits WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'toolkits', NEW.id, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_delete AFTER DELETE ON toolkits WHEN OLD.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (OLD.organization_id, 'toolkits', OLD.id, OLD.slug, '', 0);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER commands_confmirror_insert AFTER INSERT ON commands WHEN NEW.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'commands', NEW.id, '', NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER commands_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id, status, prompt, arguments
    ON commands WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'commands', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described)
    VALUES (NEW.organization_id, 'commands', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER commands_confmirror_named AFTER UPDATE OF updated_by ON commands WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'commands', NEW.id, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER commands_confmirror_delete AFTER DELETE ON commands WHEN OLD.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (OLD.organization_id, 'commands', OLD.id, OLD.slug, '', 0);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_servers_confmirror_insert AFTER INSERT ON mcp_servers WHEN NEW.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'mcp-servers', NEW.id, '', NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_servers_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id, status, type, command, args, url, env, headers, tools
    ON mcp_servers WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'mcp-servers', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described)
    VALUES (NEW.organization_id, 'mcp-servers', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_servers_confmirror_named AFTER UPDATE OF updated_by ON mcp_servers WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'mcp-servers', NEW.id, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_servers_confmirror_delete AFTER DELETE ON mcp_servers WHEN OLD.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (OLD.organization_id, 'mcp-servers', OLD.id, OLD.slug, '', 0);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_clients_confmirror_insert AFTER INSERT ON mcp_clients BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'mcp-clients', NEW.id, '', NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_clients_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        enabled, client_uri, logo_uri, redirect_uris, grant_types, response_types,
        token_endpoint_auth_method, scope
    ON mcp_clients BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'mcp-clients', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described)
    VALUES (NEW.organization_id, 'mcp-clients', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_clients_confmirror_named AFTER UPDATE OF updated_by ON mcp_clients BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'mcp-clients', NEW.id, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER mcp_clients_confmirror_delete AFTER DELETE ON mcp_clients BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (OLD.organization_id, 'mcp-clients', OLD.id, OLD.slug, '', 0);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER skills_confmirror_insert AFTER INSERT ON skills WHEN NEW.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'skills', NEW.id, '', NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER skills_confmirror_update AFTER UPDATE OF id, organization_id, slug, name, description, extra, deleted_at,
        owner_id
    ON skills WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT OLD.organization_id, 'skills', OLD.id, OLD.slug, '', 0 WHERE (OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id);
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named, described)
    VALUES (NEW.organization_id, 'skills', NEW.id, iif((OLD.organization_id <> NEW.organization_id OR OLD.id <> NEW.id), '', OLD.slug), NEW.slug, 0, OLD.description IS NOT NEW.description);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER skills_confmirror_named AFTER UPDATE OF updated_by ON skills WHEN (OLD.owner_id IS NULL OR NEW.owner_id IS NULL) BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (NEW.organization_id, 'skills', NEW.id, OLD.slug, NEW.slug, NEW.updated_by IS NOT NULL);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER skills_confmirror_delete AFTER DELETE ON skills WHEN OLD.owner_id IS NULL BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    VALUES (OLD.organization_id, 'skills', OLD.id, OLD.slug, '', 0);
END;
-- +goose StatementEnd

-- A file's change is its skill's. A skill that is being deleted with its files is
-- gone already, and noted by its own trigger.

-- +goose StatementBegin
CREATE TRIGGER skill_files_confmirror_insert AFTER INSERT ON skill_files BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT organization_id, 'skills', id, slug, slug, 0 FROM skills WHERE id = NEW.skill_id;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER skill_files_confmirror_update AFTER UPDATE OF skill_id, path, content, executable ON skill_files BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT organization_id, 'skills', id, slug, slug, 0 FROM skills WHERE id IN (OLD.skill_id, NEW.skill_id);
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER skill_files_confmirror_delete AFTER DELETE ON skill_files BEGIN
    INSERT INTO mirror_changes (organization_id, kind, row_id, slug_before, slug_after, named)
    SELECT organization_id, 'skills', id, slug, slug, 0 FROM skills WHERE id = OLD.skill_id;
END;
-- +goose StatementEnd
