-- +goose Up
-- The tables that other programs write to as well. Everything but what names a
-- row may be left out: a row that lacks something is that entity's problem, never
-- an error for its writer.

CREATE TABLE organizations (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    slug       text NOT NULL UNIQUE,
    name       text,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE toolkits (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        text,
    slug            text NOT NULL,
    name            text,
    description     text,
    status          text,
    least_privilege boolean,
    integrations    jsonb,
    skills          jsonb,
    commands        jsonb,
    extra           jsonb,
    git_integration jsonb,
    updated_by      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX toolkits_live_slug ON toolkits (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX toolkits_slug ON toolkits (organization_id, slug);

CREATE TABLE commands (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        text,
    slug            text NOT NULL,
    name            text,
    description     text,
    status          text,
    prompt          text,
    arguments       jsonb,
    extra           jsonb,
    git_integration jsonb,
    updated_by      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX commands_live_slug ON commands (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX commands_slug ON commands (organization_id, slug);

CREATE TABLE mcp_servers (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        text,
    slug            text NOT NULL,
    name            text,
    description     text,
    status          text,
    type            text,
    command         text,
    args            jsonb,
    url             text,
    env             jsonb,
    headers         jsonb,
    tools           jsonb,
    auth            jsonb,
    extra           jsonb,
    git_integration jsonb,
    updated_by      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX mcp_servers_live_slug ON mcp_servers (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX mcp_servers_slug ON mcp_servers (organization_id, slug);

CREATE TABLE mcp_clients (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    slug            text NOT NULL,
    name            text,
    description     text,
    enabled         boolean,
    client_uri      text,
    logo_uri        text,
    redirect_uris   jsonb,
    grant_types     jsonb,
    response_types  jsonb,
    token_endpoint_auth_method text,
    scope           text,
    client_id       text,
    client_secret   text,
    extra           jsonb,
    git_integration jsonb,
    updated_by      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX mcp_clients_live_slug ON mcp_clients (organization_id, slug) WHERE deleted_at IS NULL;
CREATE INDEX mcp_clients_slug ON mcp_clients (organization_id, slug);

CREATE TABLE skills (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    organization_id uuid NOT NULL REFERENCES organizations (id) ON DELETE CASCADE,
    owner_id        text,
    slug            text NOT NULL,
    name            text,
    description     text,
    status          text,
    extra           jsonb,
    git_integration jsonb,
    updated_by      text,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    deleted_at      timestamptz
);
CREATE UNIQUE INDEX skills_live_slug ON skills (organization_id, coalesce(owner_id, ''), slug) WHERE deleted_at IS NULL;
CREATE INDEX skills_slug ON skills (organization_id, slug);

CREATE TABLE skill_files (
    skill_id   uuid NOT NULL REFERENCES skills (id) ON DELETE CASCADE,
    path       text NOT NULL,
    content    bytea,
    executable boolean DEFAULT false,
    PRIMARY KEY (skill_id, path)
);
