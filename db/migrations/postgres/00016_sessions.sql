-- +goose Up
-- Browsers that are signed in. What they hold is not here: id is its SHA-256, in hexadecimal.
CREATE TABLE panel_sessions (
    id         text PRIMARY KEY,
    who        text NOT NULL,
    -- A digest of what let them in: where it is another one now, the session counts no more.
    proof      text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
