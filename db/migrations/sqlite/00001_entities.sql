-- +goose Up
-- The tables that other programs write to as well. Everything but what names a
-- row may be left out: a row that lacks something is that entity's problem, never
-- an error for its writer.

CREATE TABLE organizations (
    id         TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    slug       TEXT NOT NULL UNIQUE,
    name       TEXT,
    created_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
);

CREATE TABLE toolkits (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        TEXT,
    slug            TEXT NOT NULL,
    name            TEXT,
    description     TEXT,
    status          TEXT,
    least_privilege BOOLEAN,
    integrations    TEXT,
    skills          TEXT,
    commands        TEXT,
    extra           TEXT,
    git_integration TEXT,
    updated_by      TEXT,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at      TIMESTAMP
);
CREATE UNIQUE INDEX toolkits_live_slug ON toolkits (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX toolkits_slug ON toolkits (organization_id, slug);

CREATE TABLE commands (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        TEXT,
    slug            TEXT NOT NULL,
    name            TEXT,
    description     TEXT,
    status          TEXT,
    prompt          TEXT,
    arguments       TEXT,
    extra           TEXT,
    git_integration TEXT,
    updated_by      TEXT,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at      TIMESTAMP
);
CREATE UNIQUE INDEX commands_live_slug ON commands (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX commands_slug ON commands (organization_id, slug);

CREATE TABLE mcp_servers (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        TEXT,
    slug            TEXT NOT NULL,
    name            TEXT,
    description     TEXT,
    status          TEXT,
    type            TEXT,
    command         TEXT,
    args            TEXT,
    url             TEXT,
    env             TEXT,
    headers         TEXT,
    tools           TEXT,
    auth            TEXT,
    extra           TEXT,
    git_integration TEXT,
    updated_by      TEXT,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at      TIMESTAMP
);
CREATE UNIQUE INDEX mcp_servers_live_slug ON mcp_servers (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX mcp_servers_slug ON mcp_servers (organization_id, slug);

CREATE TABLE mcp_clients (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug            TEXT NOT NULL,
    name            TEXT,
    description     TEXT,
    enabled         BOOLEAN,
    client_uri      TEXT,
    logo_uri        TEXT,
    redirect_uris   TEXT,
    grant_types     TEXT,
    response_types  TEXT,
    token_endpoint_auth_method TEXT,
    scope           TEXT,
    client_id       TEXT,
    client_secret   TEXT,
    extra           TEXT,
    git_integration TEXT,
    updated_by      TEXT,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at      TIMESTAMP
);
CREATE UNIQUE INDEX mcp_clients_live_slug ON mcp_clients (organization_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX mcp_clients_slug ON mcp_clients (organization_id, slug);

CREATE TABLE skills (
    id              TEXT PRIMARY KEY NOT NULL DEFAULT (lower(hex(randomblob(4)) || '-' || hex(randomblob(2)) || '-4' || substr(hex(randomblob(2)), 2) || '-' ||
                    substr('89ab', 1 + (random() & 3), 1) || substr(hex(randomblob(2)), 2) || '-' || hex(randomblob(6)))),
    organization_id TEXT NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        TEXT,
    slug            TEXT NOT NULL,
    name            TEXT,
    description     TEXT,
    status          TEXT,
    extra           TEXT,
    git_integration TEXT,
    updated_by      TEXT,
    created_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    updated_at      TIMESTAMP NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    deleted_at      TIMESTAMP
);
CREATE UNIQUE INDEX skills_live_slug ON skills (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX skills_slug ON skills (organization_id, slug);

CREATE TABLE skill_files (
    skill_id   TEXT NOT NULL REFERENCES skills (id) ON DELETE CASCADE,
    path       TEXT NOT NULL,
    content    BLOB,
    executable BOOLEAN DEFAULT false,
    PRIMARY KEY (skill_id, path)
);
