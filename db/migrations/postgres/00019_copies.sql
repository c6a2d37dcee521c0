-- +goose Up
-- Where this database is, so that a copy of it is told from the original; one row.
CREATE TABLE mirror_whereabouts (place text NOT NULL);
-- Mirrors that came here with a copy, and push nothing until a person says so.
ALTER TABLE bitbucket_connections ADD COLUMN copied boolean NOT NULL DEFAULT false;
