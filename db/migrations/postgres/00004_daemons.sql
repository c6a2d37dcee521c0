-- +goose Up
-- The daemons that are there, so that each takes its share of the mirrors.
CREATE TABLE mirror_daemons (
    holder     text PRIMARY KEY,
    expires_at timestamptz NOT NULL
);
