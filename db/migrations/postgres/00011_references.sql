-- +goose Up
-- Which toolkits name an MCP server (a command, a skill): asked in every run that
-- changes one. The index says so as soon as the table has statistics; see statistics.go.
CREATE INDEX toolkits_references ON toolkits USING gin (integrations, commands, skills);

-- These two are queues: empty most of the time, and full of dead rows after a burst
-- until they are vacuumed, whatever their size on average.
ALTER TABLE mirror_changes SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
ALTER TABLE mirror_intents SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
