-- +goose Up
-- Browsers that are signed in. What they hold is not here: id is its SHA-256, in hexadecimal.
CREATE TABLE panel_sessions (
    id         TEXT PRIMARY KEY,
    who        TEXT NOT NULL,
    -- A digest of what let them in: where it is another one now, the session counts no more.
    proof      TEXT NOT NULL,
    created_at TEXT NOT NULL,
    expires_at TEXT NOT NULL
);
