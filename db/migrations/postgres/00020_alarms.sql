-- +goose Up
-- Why people were last told to look at a mirror; '': all was well.
ALTER TABLE bitbucket_connections ADD COLUMN alarm text NOT NULL DEFAULT '';
