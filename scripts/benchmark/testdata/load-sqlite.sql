-- From the table incoming(path, content) into the tables of the kinds.
INSERT INTO toolkits (organization_id, slug, name, description, status, integrations, skills, commands)
SELECT o.id, d->>'slug', d->>'name', d->>'description', d->>'status', d->'integrations', d->'skills', d->'commands'
FROM (SELECT content AS d FROM incoming WHERE path LIKE 'toolkits/%') x, organizations o WHERE true
ON CONFLICT (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name,
	description = excluded.description, status = excluded.status, integrations = excluded.integrations, skills = excluded.skills, commands = excluded.commands;
INSERT INTO commands (organization_id, slug, name, description, status, prompt, arguments)
SELECT o.id, d->>'slug', d->>'name', d->>'description', d->>'status', d->>'prompt', d->'arguments'
FROM (SELECT content AS d FROM incoming WHERE path LIKE 'commands/%') x, organizations o WHERE true
ON CONFLICT (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name,
	description = excluded.description, status = excluded.status, prompt = excluded.prompt, arguments = excluded.arguments;
INSERT INTO mcp_servers (organization_id, slug, name, description, status, type, command, args, url, env, headers, tools)
SELECT o.id, d->>'slug', d->>'name', d->>'description', d->>'status', d->>'type', d->>'command', d->'args', d->>'url', d->'env', d->'headers', d->'tools'
FROM (SELECT content AS d FROM incoming WHERE path LIKE 'mcp-servers/%') x, organizations o WHERE true
ON CONFLICT (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name,
	description = excluded.description, status = excluded.status, type = excluded.type, command = excluded.command, args = excluded.args,
	url = excluded.url, env = excluded.env, headers = excluded.headers, tools = excluded.tools;
INSERT INTO mcp_clients (organization_id, slug, name, description, enabled, redirect_uris, grant_types)
SELECT o.id, d->>'slug', d->>'name', d->>'description', d->>'enabled', d->'redirect_uris', d->'grant_types'
FROM (SELECT content AS d FROM incoming WHERE path LIKE 'mcp-clients/%') x, organizations o WHERE true
ON CONFLICT (organization_id, slug) WHERE deleted_at IS NULL DO UPDATE SET name = excluded.name,
	description = excluded.description, enabled = excluded.enabled, redirect_uris = excluded.redirect_uris, grant_types = excluded.grant_types;
INSERT INTO skills (organization_id, slug)
SELECT DISTINCT o.id, substr(path, 8, instr(substr(path, 8), '/') - 1) FROM incoming, organizations o WHERE path LIKE 'skills/%'
ON CONFLICT (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL DO NOTHING;
INSERT INTO skill_files (skill_id, path, content)
SELECT s.id, substr(path, length('skills/' || s.slug || '/') + 1), CAST(content AS BLOB)
FROM incoming JOIN skills s ON s.slug = substr(path, 8, instr(substr(path, 8), '/') - 1) AND s.deleted_at IS NULL WHERE path LIKE 'skills/%'
ON CONFLICT (skill_id, path) DO UPDATE SET content = excluded.content;
