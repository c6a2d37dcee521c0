-- +goose Up
-- What waits on the proposal branch, and the pull request for it: JSON. Null while there is none.
ALTER TABLE bitbucket_connections ADD COLUMN proposed jsonb;
