-- +goose Up
-- What the mirrors remember. Only confmirror reads and writes these tables.

CREATE TABLE bitbucket_connections (
    id                            TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id               TEXT NOT NULL UNIQUE REFERENCES organizations (id) ON DELETE CASCADE,
    source                        TEXT NOT NULL DEFAULT 'api',     -- config | api
    workspace                     TEXT NOT NULL DEFAULT '',
    repository                    TEXT NOT NULL DEFAULT '',
    branch                        TEXT NOT NULL DEFAULT '',
    path_prefix                   TEXT NOT NULL DEFAULT '',
    client_id                     TEXT NOT NULL DEFAULT '',
    client_secret                 TEXT NOT NULL DEFAULT '',        -- sealed, as the three below
    access_token                  TEXT NOT NULL DEFAULT '',
    webhook_secret                TEXT NOT NULL DEFAULT '',
    previous_webhook_secret       TEXT NOT NULL DEFAULT '',
    previous_webhook_secret_until TIMESTAMP,
    push                          TEXT NOT NULL DEFAULT 'direct',
    conflict                      TEXT NOT NULL DEFAULT 'git',
    api_url                       TEXT NOT NULL DEFAULT '',
    oauth_url                     TEXT NOT NULL DEFAULT '',
    git_url                       TEXT NOT NULL DEFAULT '',
    repository_uuid               TEXT NOT NULL DEFAULT '',
    repository_full_name          TEXT NOT NULL DEFAULT '',
    repository_url                TEXT NOT NULL DEFAULT '',
    identity                      TEXT NOT NULL DEFAULT '',        -- '' = not resolved yet
    resolved_branch               TEXT NOT NULL DEFAULT '',
    cursor_commit                 TEXT NOT NULL DEFAULT '',
    remote_seen                   TEXT NOT NULL DEFAULT '',
    state                         TEXT NOT NULL DEFAULT '',
    detail                        TEXT,
    conditions                    TEXT,
    paused                        BOOLEAN NOT NULL DEFAULT false,
    disconnected_at               TIMESTAMP,
    requested                     INTEGER NOT NULL DEFAULT 0,
    covered                       INTEGER NOT NULL DEFAULT 0,
    last_run_id                   TEXT NOT NULL DEFAULT '',
    holder                        TEXT NOT NULL DEFAULT '',
    lease_epoch                   INTEGER NOT NULL DEFAULT 0,
    lease_expires_at              TIMESTAMP,
    created_at                    TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at                    TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX bitbucket_connections_repository ON bitbucket_connections (repository_uuid);
CREATE INDEX bitbucket_connections_full_name ON bitbucket_connections (lower(repository_full_name));
CREATE INDEX bitbucket_connections_lease ON bitbucket_connections (lease_expires_at);

CREATE TABLE rejected_files (
    organization_id TEXT NOT NULL,
    kind            TEXT NOT NULL,
    path            TEXT NOT NULL,
    slug            TEXT NOT NULL DEFAULT '',
    git_id          TEXT NOT NULL DEFAULT '',
    error           TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (organization_id, kind, path)
);

CREATE TABLE conflicts (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id TEXT NOT NULL,
    run_id          TEXT NOT NULL DEFAULT '',
    kind            TEXT NOT NULL,
    path            TEXT NOT NULL,
    row_id          TEXT NOT NULL DEFAULT '',
    slug            TEXT NOT NULL,
    reason          TEXT NOT NULL,
    base            TEXT,
    database        TEXT,
    git             TEXT,
    decided         TEXT NOT NULL DEFAULT '',
    places          TEXT,
    base_git_id     TEXT NOT NULL DEFAULT '',
    database_digest TEXT NOT NULL DEFAULT '',
    git_id          TEXT NOT NULL DEFAULT '',
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    resolved_at     TIMESTAMP,
    resolution      TEXT NOT NULL DEFAULT '',
    UNIQUE (organization_id, kind, path, row_id, base_git_id, database_digest, git_id)
);
CREATE INDEX conflicts_created ON conflicts (organization_id, created_at);

CREATE TABLE sync_runs (
    run_id          TEXT PRIMARY KEY,
    organization_id TEXT NOT NULL,
    trigger         TEXT NOT NULL DEFAULT '',
    state           TEXT NOT NULL DEFAULT '',
    exported        INTEGER NOT NULL DEFAULT 0,
    imported        INTEGER NOT NULL DEFAULT 0,
    deleted         INTEGER NOT NULL DEFAULT 0,
    merged          INTEGER NOT NULL DEFAULT 0,
    conflicts       INTEGER NOT NULL DEFAULT 0,
    errors          INTEGER NOT NULL DEFAULT 0,
    commits         TEXT,
    synced_commit   TEXT NOT NULL DEFAULT '',
    detail          TEXT,
    actions         TEXT,
    duration_ms     INTEGER NOT NULL DEFAULT 0,
    started_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    ended_at        TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX sync_runs_started ON sync_runs (organization_id, started_at);

-- Captured writes; consumed by id. No foreign keys: a writer must never wait or fail here.
CREATE TABLE mirror_changes (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    kind            TEXT NOT NULL,
    row_id          TEXT NOT NULL,          -- '' = the whole kind (TRUNCATE)
    slug_before     TEXT NOT NULL DEFAULT '',
    slug_after      TEXT NOT NULL DEFAULT '',
    named           BOOLEAN NOT NULL DEFAULT false,
    described       BOOLEAN NOT NULL DEFAULT false, -- the column description got another value
    captured_at     TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX mirror_changes_row ON mirror_changes (organization_id, kind, row_id);

CREATE TABLE mirror_bases (
    organization_id TEXT NOT NULL,
    identity        TEXT NOT NULL,
    kind            TEXT NOT NULL,
    path            TEXT NOT NULL,
    row_id          TEXT NOT NULL,
    slug            TEXT NOT NULL,
    git_id          TEXT NOT NULL,
    digest          TEXT NOT NULL,
    unknown_keys    TEXT,
    content_id      TEXT NOT NULL DEFAULT '',
    parted          BOOLEAN NOT NULL DEFAULT false,
    PRIMARY KEY (organization_id, identity, kind, path)
);
CREATE INDEX mirror_bases_row ON mirror_bases (organization_id, row_id);

-- Contents by SHA-256: a file, or the list of a skill's files.
CREATE TABLE mirror_contents (
    organization_id TEXT NOT NULL,
    id              TEXT NOT NULL,
    encoding        TEXT NOT NULL,          -- raw | deflate
    data            BLOB NOT NULL,
    PRIMARY KEY (organization_id, id)
);

CREATE TABLE mirror_intents (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    identity        TEXT NOT NULL,
    run_id          TEXT NOT NULL,
    ref             TEXT NOT NULL,
    commit_hash     TEXT NOT NULL,
    deleted         BOOLEAN NOT NULL DEFAULT false,
    kind            TEXT NOT NULL,
    path            TEXT NOT NULL,
    row_id          TEXT NOT NULL,
    slug            TEXT NOT NULL,
    git_id          TEXT NOT NULL,
    digest          TEXT NOT NULL,
    unknown_keys    TEXT,
    content_id      TEXT NOT NULL DEFAULT '',
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX mirror_intents_identity ON mirror_intents (organization_id, identity, id);

CREATE TABLE mirror_unsettled (
    organization_id TEXT NOT NULL,
    identity        TEXT NOT NULL,
    kind            TEXT NOT NULL,
    path            TEXT NOT NULL,
    row_id          TEXT NOT NULL DEFAULT '',
    slug            TEXT NOT NULL DEFAULT '',
    reason          TEXT NOT NULL,
    waits_for       TEXT,
    due             BOOLEAN NOT NULL DEFAULT false,
    digest          TEXT NOT NULL DEFAULT '',
    git_id          TEXT NOT NULL DEFAULT '',
    direction       TEXT NOT NULL DEFAULT '',
    verdict         TEXT NOT NULL DEFAULT '',
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    PRIMARY KEY (organization_id, identity, kind, path)
);

CREATE TABLE mirror_events (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    run_id          TEXT NOT NULL DEFAULT '',
    code            TEXT NOT NULL,
    message         TEXT NOT NULL,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);
CREATE INDEX mirror_events_created ON mirror_events (organization_id, created_at);

-- Settled deletions: what the brake remembers of the last hour.
CREATE TABLE mirror_deletions (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    organization_id TEXT NOT NULL,
    identity        TEXT NOT NULL,
    direction       TEXT NOT NULL,
    deleted         INTEGER NOT NULL,
    mirrored        INTEGER NOT NULL,        -- before these deletions
    settled_at      TIMESTAMP NOT NULL
);
CREATE INDEX mirror_deletions_settled ON mirror_deletions (organization_id, settled_at);

CREATE TABLE mirror_settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
