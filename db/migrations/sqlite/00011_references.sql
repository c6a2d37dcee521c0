-- +goose Up
-- Which toolkits name an MCP server, a command or a skill: asked in every run that
-- changes one. No index of SQLite's reaches into JSON, so triggers keep a table. They
-- must not fail their writer, whatever the columns hold: nothing but text is taken from
-- valid JSON, each once, after what was there before.
CREATE TABLE mirror_references (
    organization_id text NOT NULL,
    kind            text NOT NULL,
    slug            text NOT NULL,
    toolkit_id      text NOT NULL,
    PRIMARY KEY (organization_id, kind, slug, toolkit_id)
) WITHOUT ROWID;
CREATE INDEX mirror_references_toolkit ON mirror_references (toolkit_id);

INSERT INTO mirror_references SELECT * FROM (
        SELECT t.organization_id AS organization_id, 'mcp-servers' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, t.id AS toolkit_id
        FROM toolkits AS t, json_each(CASE WHEN json_valid(t.integrations) THEN t.integrations ELSE '[]' END) AS j
        UNION SELECT t.organization_id AS organization_id, 'commands' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, t.id AS toolkit_id
        FROM toolkits AS t, json_each(CASE WHEN json_valid(t.commands) THEN t.commands ELSE '[]' END) AS j
        UNION SELECT t.organization_id AS organization_id, 'skills' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, t.id AS toolkit_id
        FROM toolkits AS t, json_each(CASE WHEN json_valid(t.skills) THEN t.skills ELSE '[]' END) AS j
    ) WHERE typeof(slug) = 'text';

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_names_insert AFTER INSERT ON toolkits BEGIN
    DELETE FROM mirror_references WHERE toolkit_id = NEW.id;
    INSERT INTO mirror_references SELECT * FROM (
            SELECT NEW.organization_id AS organization_id, 'mcp-servers' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, NEW.id AS toolkit_id
            FROM json_each(CASE WHEN json_valid(NEW.integrations) THEN NEW.integrations ELSE '[]' END) AS j
            UNION SELECT NEW.organization_id AS organization_id, 'commands' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, NEW.id AS toolkit_id
            FROM json_each(CASE WHEN json_valid(NEW.commands) THEN NEW.commands ELSE '[]' END) AS j
            UNION SELECT NEW.organization_id AS organization_id, 'skills' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, NEW.id AS toolkit_id
            FROM json_each(CASE WHEN json_valid(NEW.skills) THEN NEW.skills ELSE '[]' END) AS j
        ) WHERE typeof(slug) = 'text';
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_names_update AFTER UPDATE OF id, organization_id, integrations, commands, skills ON toolkits BEGIN
    DELETE FROM mirror_references WHERE toolkit_id IN (OLD.id, NEW.id);
    INSERT INTO mirror_references SELECT * FROM (
            SELECT NEW.organization_id AS organization_id, 'mcp-servers' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, NEW.id AS toolkit_id
            FROM json_each(CASE WHEN json_valid(NEW.integrations) THEN NEW.integrations ELSE '[]' END) AS j
            UNION SELECT NEW.organization_id AS organization_id, 'commands' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, NEW.id AS toolkit_id
            FROM json_each(CASE WHEN json_valid(NEW.commands) THEN NEW.commands ELSE '[]' END) AS j
            UNION SELECT NEW.organization_id AS organization_id, 'skills' AS kind, CASE WHEN typeof(j.key) = 'text' THEN j.key ELSE j.value END AS slug, NEW.id AS toolkit_id
            FROM json_each(CASE WHEN json_valid(NEW.skills) THEN NEW.skills ELSE '[]' END) AS j
        ) WHERE typeof(slug) = 'text';
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER toolkits_confmirror_names_delete AFTER DELETE ON toolkits BEGIN
    DELETE FROM mirror_references WHERE toolkit_id = OLD.id;
END;
-- +goose StatementEnd
