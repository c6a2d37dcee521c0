-- +goose Up
-- Since when the branch has had commits that are not imported; NULL when there are none.
ALTER TABLE bitbucket_connections ADD COLUMN behind_since TIMESTAMP;
