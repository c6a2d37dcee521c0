-- +goose Up
-- The rules that the last settled run planned by: when they are others, everything is
-- looked at once more, for what was refused may not be now.
ALTER TABLE bitbucket_connections ADD COLUMN planned_by text NOT NULL DEFAULT '';
