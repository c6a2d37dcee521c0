-- What a script reads: every file that the rows make, and when its row changed.
CREATE VIEW files AS
SELECT 'toolkits/' || slug || '.json' AS path, updated_at, jsonb_pretty(jsonb_strip_nulls(jsonb_build_object('slug', slug, 'name', name,
	'description', description, 'status', status, 'integrations', integrations, 'skills', skills, 'commands', commands))) || E'\n' AS content
FROM toolkits WHERE owner_id IS NULL AND deleted_at IS NULL
UNION ALL
SELECT 'commands/' || slug || '.json', updated_at, jsonb_pretty(jsonb_strip_nulls(jsonb_build_object('slug', slug, 'name', name,
	'description', description, 'status', status, 'prompt', prompt, 'arguments', arguments))) || E'\n'
FROM commands WHERE owner_id IS NULL AND deleted_at IS NULL
UNION ALL
SELECT 'mcp-servers/' || slug || '.json', updated_at, jsonb_pretty(jsonb_strip_nulls(jsonb_build_object('slug', slug, 'name', name,
	'description', description, 'status', status, 'type', type, 'command', command, 'args', args, 'url', url, 'env', env, 'headers', headers, 'tools', tools))) || E'\n'
FROM mcp_servers WHERE owner_id IS NULL AND deleted_at IS NULL
UNION ALL
SELECT 'mcp-clients/' || slug || '.json', updated_at, jsonb_pretty(jsonb_strip_nulls(jsonb_build_object('slug', slug, 'name', name,
	'description', description, 'enabled', enabled, 'redirect_uris', redirect_uris, 'grant_types', grant_types))) || E'\n'
FROM mcp_clients WHERE deleted_at IS NULL
UNION ALL
SELECT 'skills/' || s.slug || '/' || f.path, s.updated_at, convert_from(f.content, 'UTF8')
FROM skills s JOIN skill_files f ON f.skill_id = s.id WHERE s.owner_id IS NULL AND s.deleted_at IS NULL;

-- An index that a careful author would make; without it each export reads every row.
CREATE INDEX ON toolkits (updated_at);
CREATE INDEX ON commands (updated_at);
CREATE INDEX ON mcp_servers (updated_at);
CREATE INDEX ON mcp_clients (updated_at);
CREATE INDEX ON skills (updated_at);
