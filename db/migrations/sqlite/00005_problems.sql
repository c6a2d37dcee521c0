-- +goose Up
-- Entities with an error are few among many, and counted whenever somebody looks.
-- Whatever another program writes there must not fail because of an index: CASE.
CREATE INDEX toolkits_errors ON toolkits (organization_id, slug) WHERE CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL;
CREATE INDEX commands_errors ON commands (organization_id, slug) WHERE CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL;
CREATE INDEX mcp_servers_errors ON mcp_servers (organization_id, slug) WHERE CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL;
CREATE INDEX mcp_clients_errors ON mcp_clients (organization_id, slug) WHERE CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL;
CREATE INDEX skills_errors ON skills (organization_id, slug) WHERE CASE WHEN json_valid(git_integration) THEN json_extract(git_integration, '$.error') END IS NOT NULL;
CREATE INDEX conflicts_open ON conflicts (organization_id) WHERE resolved_at IS NULL;
