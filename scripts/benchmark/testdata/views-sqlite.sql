-- What a script reads: every file that the rows make, and when its row changed.
CREATE VIEW files AS
SELECT 'toolkits/' || slug || '.json' AS path, updated_at, json_object('slug', slug, 'name', name, 'description', description, 'status', status,
	'integrations', json(integrations), 'skills', json(skills), 'commands', json(commands)) || char(10) AS content
FROM toolkits WHERE owner_id IS NULL AND deleted_at IS NULL
UNION ALL
SELECT 'commands/' || slug || '.json', updated_at, json_object('slug', slug, 'name', name, 'description', description, 'status', status,
	'prompt', prompt, 'arguments', json(arguments)) || char(10)
FROM commands WHERE owner_id IS NULL AND deleted_at IS NULL
UNION ALL
SELECT 'mcp-servers/' || slug || '.json', updated_at, json_object('slug', slug, 'name', name, 'description', description, 'status', status,
	'type', type, 'command', command, 'args', json(args), 'url', url, 'env', json(env), 'headers', json(headers), 'tools', json(tools)) || char(10)
FROM mcp_servers WHERE owner_id IS NULL AND deleted_at IS NULL
UNION ALL
SELECT 'mcp-clients/' || slug || '.json', updated_at, json_object('slug', slug, 'name', name, 'description', description,
	'enabled', enabled, 'redirect_uris', json(redirect_uris), 'grant_types', json(grant_types)) || char(10)
FROM mcp_clients WHERE deleted_at IS NULL
UNION ALL
SELECT 'skills/' || s.slug || '/' || f.path, s.updated_at, CAST(f.content AS TEXT)
FROM skills s JOIN skill_files f ON f.skill_id = s.id WHERE s.owner_id IS NULL AND s.deleted_at IS NULL;

CREATE INDEX toolkits_updated ON toolkits (updated_at);
CREATE INDEX commands_updated ON commands (updated_at);
CREATE INDEX mcp_servers_updated ON mcp_servers (updated_at);
CREATE INDEX mcp_clients_updated ON mcp_clients (updated_at);
CREATE INDEX skills_updated ON skills (updated_at);
