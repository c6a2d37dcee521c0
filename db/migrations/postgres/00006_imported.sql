-- +goose Up
-- Commits that imports were made from since the cursor was settled: a JSON array,
-- empty after every settle. A run that died between its import and its settle leaves
-- bases that the cursor does not know of.
ALTER TABLE bitbucket_connections ADD COLUMN imported_from text NOT NULL DEFAULT '[]';
