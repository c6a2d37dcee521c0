-- +goose Up
-- What is known of a mirror's webhook. Not columns of the connection: deliveries come
-- while a run settles. No foreign key: what is left here is swept.
CREATE TABLE mirror_webhooks (
    organization_id TEXT PRIMARY KEY NOT NULL,
    repository      TEXT NOT NULL DEFAULT '', -- the last attempt's, as in the mirror's identity
    url             TEXT NOT NULL DEFAULT '', -- where it was to deliver
    tried           TEXT NOT NULL DEFAULT '', -- digest of all that this attempt went by; '' = it is due
    tried_at        TIMESTAMP,
    given           TEXT NOT NULL DEFAULT '', -- digest of repository, url and secret as the host got them; '' = never
    problem         TEXT,                    -- why there is no webhook of ours
    delivered_at    TIMESTAMP,               -- the last delivery that was accepted
    delivered_event TEXT NOT NULL DEFAULT '',
    pushed_at       TIMESTAMP,               -- the last one of a push
    refused_at      TIMESTAMP,               -- the last one that was refused
    refused_event   TEXT NOT NULL DEFAULT '',
    refused_why     TEXT NOT NULL DEFAULT '', -- unsigned | signature
    unheard         INTEGER NOT NULL DEFAULT 0, -- pushes in a row of which no delivery told
    unheard_since   TIMESTAMP
);
