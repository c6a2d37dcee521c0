-- +goose Up
-- Where this database is, so that a copy of it is told from the original; one row.
CREATE TABLE mirror_whereabouts (place TEXT NOT NULL);
-- Mirrors that came here with a copy, and push nothing until a person says so.
ALTER TABLE bitbucket_connections ADD COLUMN copied BOOLEAN NOT NULL DEFAULT FALSE;
