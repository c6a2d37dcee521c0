-- +goose Up
-- The daemons that are there, so that each takes its share of the mirrors.
CREATE TABLE mirror_daemons (
    holder     TEXT PRIMARY KEY NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
