-- +goose Up
-- What is known of a mirror's webhook. Not columns of the connection: deliveries come
-- while a run settles. No foreign key: what is left here is swept.
CREATE TABLE mirror_webhooks (
    organization_id uuid PRIMARY KEY,
    repository      text NOT NULL DEFAULT '', -- the last attempt's, as in the mirror's identity
    url             text NOT NULL DEFAULT '', -- where it was to deliver
    tried           text NOT NULL DEFAULT '', -- digest of all that this attempt went by; '' = it is due
    tried_at        timestamptz,
    given           text NOT NULL DEFAULT '', -- digest of repository, url and secret as the host got them; '' = never
    problem         jsonb,                   -- why there is no webhook of ours
    delivered_at    timestamptz,             -- the last delivery that was accepted
    delivered_event text NOT NULL DEFAULT '',
    pushed_at       timestamptz,             -- the last one of a push
    refused_at      timestamptz,             -- the last one that was refused
    refused_event   text NOT NULL DEFAULT '',
    refused_why     text NOT NULL DEFAULT '', -- unsigned | signature
    unheard         integer NOT NULL DEFAULT 0, -- pushes in a row of which no delivery told
    unheard_since   timestamptz
);
