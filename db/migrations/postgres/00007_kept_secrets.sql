-- +goose Up
-- What entries of env and headers held that left their rows: sealed, until the entry
-- returns or the value is too old. No foreign key: the row's program may delete or
-- truncate as it likes, and what is left here is swept.
CREATE TABLE kept_secrets (
    organization_id uuid NOT NULL,
    kind            text NOT NULL,
    row_id          uuid NOT NULL,
    key             text NOT NULL,          -- env | headers
    name            text NOT NULL,          -- the entry's
    value           text NOT NULL,          -- sealed
    target          text NOT NULL,          -- who got the value; it returns for nobody else
    kept_at         timestamptz NOT NULL,
    PRIMARY KEY (row_id, key, name)
);
