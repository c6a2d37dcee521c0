-- +goose Up
-- What entries of env and headers held that left their rows: sealed, until the entry
-- returns or the value is too old. No foreign key: the row's program may delete or
-- truncate as it likes, and what is left here is swept.
CREATE TABLE kept_secrets (
    organization_id TEXT NOT NULL,
    kind            TEXT NOT NULL,
    row_id          TEXT NOT NULL,
    key             TEXT NOT NULL,          -- env | headers
    name            TEXT NOT NULL,          -- the entry's
    value           TEXT NOT NULL,          -- sealed
    target          TEXT NOT NULL,          -- who got the value; it returns for nobody else
    kept_at         TIMESTAMP NOT NULL,
    PRIMARY KEY (row_id, key, name)
);
