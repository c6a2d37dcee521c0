-- +goose Up
-- What the mirrors remember. Only confmirror reads and writes these tables.

CREATE TABLE bitbucket_connections (
    id                            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id               uuid NOT NULL UNIQUE REFERENCES organizations (id) ON DELETE CASCADE,
    source                        text NOT NULL DEFAULT 'api',     -- config | api
    workspace                     text NOT NULL DEFAULT '',
    repository                    text NOT NULL DEFAULT '',
    branch                        text NOT NULL DEFAULT '',
    path_prefix                   text NOT NULL DEFAULT '',
    client_id                     text NOT NULL DEFAULT '',
    client_secret                 text NOT NULL DEFAULT '',        -- sealed, as the three below
    access_token                  text NOT NULL DEFAULT '',
    webhook_secret                text NOT NULL DEFAULT '',
    previous_webhook_secret       text NOT NULL DEFAULT '',
    previous_webhook_secret_until timestamptz,
    push                          text NOT NULL DEFAULT 'direct',
    conflict                      text NOT NULL DEFAULT 'git',
    api_url                       text NOT NULL DEFAULT '',
    oauth_url                     text NOT NULL DEFAULT '',
    git_url                       text NOT NULL DEFAULT '',
    repository_uuid               text NOT NULL DEFAULT '',
    repository_full_name          text NOT NULL DEFAULT '',
    repository_url                text NOT NULL DEFAULT '',
    identity                      text NOT NULL DEFAULT '',        -- '' = not resolved yet
    resolved_branch               text NOT NULL DEFAULT '',
    cursor_commit                 text NOT NULL DEFAULT '',
    remote_seen                   text NOT NULL DEFAULT '',
    state                         text NOT NULL DEFAULT '',
    detail                        jsonb,
    conditions                    jsonb,
    paused                        boolean NOT NULL DEFAULT false,
    disconnected_at               timestamptz,
    requested                     bigint NOT NULL DEFAULT 0,
    covered                       bigint NOT NULL DEFAULT 0,
    last_run_id                   text NOT NULL DEFAULT '',
    holder                        text NOT NULL DEFAULT '',
    lease_epoch                   bigint NOT NULL DEFAULT 0,
    lease_expires_at              timestamptz,
    created_at                    timestamptz NOT NULL DEFAULT now(),
    updated_at                    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX bitbucket_connections_repository ON bitbucket_connections (repository_uuid);
CREATE INDEX bitbucket_connections_full_name ON bitbucket_connections (lower(repository_full_name));
CREATE INDEX bitbucket_connections_lease ON bitbucket_connections (lease_expires_at);

CREATE TABLE rejected_files (
    organization_id uuid NOT NULL,
    kind            text NOT NULL,
    path            text NOT NULL,
    slug            text NOT NULL DEFAULT '',
    git_id          text NOT NULL DEFAULT '',
    error           jsonb NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, kind, path)
);

-- The documents are json, not jsonb: they are kept as they were, escapes included.
CREATE TABLE conflicts (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL,
    run_id          text NOT NULL DEFAULT '',
    kind            text NOT NULL,
    path            text NOT NULL,
    row_id          text NOT NULL DEFAULT '',
    slug            text NOT NULL,
    reason          text NOT NULL,
    base            json,
    database        json,
    git             json,
    decided         text NOT NULL DEFAULT '',
    places          jsonb,
    base_git_id     text NOT NULL DEFAULT '',
    database_digest text NOT NULL DEFAULT '',
    git_id          text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    resolved_at     timestamptz,
    resolution      text NOT NULL DEFAULT '',
    UNIQUE (organization_id, kind, path, row_id, base_git_id, database_digest, git_id)
);
CREATE INDEX conflicts_created ON conflicts (organization_id, created_at);

CREATE TABLE sync_runs (
    run_id          text PRIMARY KEY,
    organization_id uuid NOT NULL,
    trigger         text NOT NULL DEFAULT '',
    state           text NOT NULL DEFAULT '',
    exported        bigint NOT NULL DEFAULT 0,
    imported        bigint NOT NULL DEFAULT 0,
    deleted         bigint NOT NULL DEFAULT 0,
    merged          bigint NOT NULL DEFAULT 0,
    conflicts       bigint NOT NULL DEFAULT 0,
    errors          bigint NOT NULL DEFAULT 0,
    commits         jsonb,
    synced_commit   text NOT NULL DEFAULT '',
    detail          jsonb,
    actions         jsonb,
    duration_ms     bigint NOT NULL DEFAULT 0,
    started_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX sync_runs_started ON sync_runs (organization_id, started_at);

-- Captured writes; consumed by id. No foreign keys: a writer must never wait or fail here.
CREATE TABLE mirror_changes (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    kind            text NOT NULL,
    row_id          text NOT NULL,          -- '' = the whole kind (TRUNCATE)
    slug_before     text NOT NULL DEFAULT '',
    slug_after      text NOT NULL DEFAULT '',
    named           boolean NOT NULL DEFAULT false,
    described       boolean NOT NULL DEFAULT false, -- the column description got another value
    captured_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mirror_changes_row ON mirror_changes (organization_id, kind, row_id);

CREATE TABLE mirror_bases (
    organization_id uuid NOT NULL,
    identity        text NOT NULL,
    kind            text NOT NULL,
    path            text NOT NULL,
    row_id          text NOT NULL,
    slug            text NOT NULL,
    git_id          text NOT NULL,
    digest          text NOT NULL,
    unknown_keys    jsonb,
    content_id      text NOT NULL DEFAULT '',
    parted          boolean NOT NULL DEFAULT false,
    PRIMARY KEY (organization_id, identity, kind, path)
);
CREATE INDEX mirror_bases_row ON mirror_bases (organization_id, row_id);

-- Contents by SHA-256: a file, or the list of a skill's files.
CREATE TABLE mirror_contents (
    organization_id uuid NOT NULL,
    id              text NOT NULL,
    encoding        text NOT NULL,          -- raw | deflate
    data            bytea NOT NULL,
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE mirror_intents (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    identity        text NOT NULL,
    run_id          text NOT NULL,
    ref             text NOT NULL,
    commit_hash     text NOT NULL,
    deleted         boolean NOT NULL DEFAULT false,
    kind            text NOT NULL,
    path            text NOT NULL,
    row_id          text NOT NULL,
    slug            text NOT NULL,
    git_id          text NOT NULL,
    digest          text NOT NULL,
    unknown_keys    jsonb,
    content_id      text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mirror_intents_identity ON mirror_intents (organization_id, identity, id);

CREATE TABLE mirror_unsettled (
    organization_id uuid NOT NULL,
    identity        text NOT NULL,
    kind            text NOT NULL,
    path            text NOT NULL,
    row_id          text NOT NULL DEFAULT '',
    slug            text NOT NULL DEFAULT '',
    reason          text NOT NULL,
    waits_for       jsonb,
    due             boolean NOT NULL DEFAULT false,
    digest          text NOT NULL DEFAULT '',
    git_id          text NOT NULL DEFAULT '',
    direction       text NOT NULL DEFAULT '',
    verdict         text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, identity, kind, path)
);

CREATE TABLE mirror_events (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    run_id          text NOT NULL DEFAULT '',
    code            text NOT NULL,
    message         text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX mirror_events_created ON mirror_events (organization_id, created_at);

-- Settled deletions: what the brake remembers of the last hour.
CREATE TABLE mirror_deletions (
    id              bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
    organization_id uuid NOT NULL,
    identity        text NOT NULL,
    direction       text NOT NULL,
    deleted         bigint NOT NULL,
    mirrored        bigint NOT NULL,        -- before these deletions
    settled_at      timestamptz NOT NULL
);
CREATE INDEX mirror_deletions_settled ON mirror_deletions (organization_id, settled_at);

CREATE TABLE mirror_settings (
    key   text PRIMARY KEY,
    value text NOT NULL
);
