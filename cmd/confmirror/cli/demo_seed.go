package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
)

// The sample organization, written as the admin application would: plain SQL on
// the tables, with nothing but what it has to say.

// Secrets of the sample: none of them may ever be found in the repository.
var demoSecrets = []string{
	"ghp_demoTokenThatMustNotLeave", "demo-database-password", "demo-refresh-token",
	"demo-client-id", "demo-client-secret",
}

var demoRows = []struct {
	sql  string
	args []any
}{
	{`INSERT INTO mcp_servers (organization_id, slug, name, description, type, url, headers, tools, auth, updated_by) VALUES (?, 'github', 'GitHub',
		'Issues and pull requests', 'http', 'https://mcp.github.example/mcp', ?, ?, ?, 'Ada Lovelace <ada@example.com>')`, []any{
		`{"Authorization": {"value": "Bearer ghp_demoTokenThatMustNotLeave", "secret": true, "required": true, "description": "A token of the bot account"},
		  "X-Client": {"value": "acme", "secret": false}}`,
		`{"create_issue": {"enabled": true, "description": "Open an issue"}, "list_issues": {"enabled": true}, "merge_pull_request": {"enabled": false}}`,
		`{"type": "oauth2", "refresh_token": "demo-refresh-token"}`,
	}},
	{`INSERT INTO mcp_servers (organization_id, slug, name, type, command, args, env) VALUES (?, 'warehouse', 'Data warehouse', 'stdio', 'npx', ?, ?)`, []any{
		`["-y", "@example/postgres-mcp"]`,
		`{"PGPASSWORD": {"value": "demo-database-password", "secret": true}, "PGSSLMODE": {"value": "require", "secret": false}}`,
	}},
	{`INSERT INTO mcp_clients (organization_id, slug, name, enabled, redirect_uris, grant_types, client_id, client_secret) VALUES (?, 'desktop', 'Desktop app', true, ?, ?,
		'demo-client-id', 'demo-client-secret')`, []any{`["http://127.0.0.1:33418/callback", "acme://oauth"]`, `["authorization_code", "refresh_token"]`}},
	{`INSERT INTO commands (organization_id, slug, name, description, status, prompt, arguments, updated_by) VALUES (?, 'triage-issue', 'Triage issues',
		'Sort what came in overnight', 'active', ?, ?, 'Grace Hopper <grace@example.com>')`, []any{
		"Read issue {{number}} and decide who should look at it.\nSay why, in one sentence.",
		`[{"name": "number", "description": "The issue's number", "required": true}]`,
	}},
	{`INSERT INTO commands (organization_id, slug, name, prompt) VALUES (?, 'release-notes', 'Release notes', 'List what changed since {{tag}}.')`, nil},
	{`INSERT INTO toolkits (organization_id, slug, name, description, status, least_privilege, integrations, skills, commands) VALUES (?, 'github-triage', 'GitHub triage',
		'Keeps the issue list short', 'active', true, ?, ?, ?)`, []any{
		`{"github": {"tools": ["create_issue", "list_issues"], "prompts": []}}`, `["code-review"]`, `["triage-issue"]`,
	}},
	{`INSERT INTO toolkits (organization_id, slug, name, description, integrations) VALUES (?, 'data-analyst', 'Data analyst', 'Asks the warehouse', ?)`, []any{
		`{"warehouse": {"tools": "*"}}`,
	}},
	{`INSERT INTO toolkits (organization_id, owner_id, slug, name) VALUES (?, 'ada', 'adas-experiments', 'Ada''s own: private, stays in the database')`, nil},
}

const demoSkill = `---
name: code-review
description: Reviews a change the way Acme does it. Use it on every pull request.
license: Apache-2.0
---

# Code review

1. Run scripts/check.sh on the working tree.
2. Read the change twice; ask about what you do not understand.
3. Say what is good about it.
`

const demoScript = "#!/bin/sh\n# Prints what a reviewer should look at first.\nexec git diff --stat \"${1:-HEAD~1}\"\n"

// demoPicture is a PNG of one pixel: bytes that are no text.
var demoPicture = must(base64.StdEncoding.DecodeString(
	"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="))

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return bytes.Clone(b)
}

// seed writes the organization and all five kinds.
func (w *world) seed(ctx context.Context) error {
	tx, err := w.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	err = tx.QueryRowContext(ctx, "INSERT INTO organizations (slug, name) VALUES (?, 'Acme Corporation') RETURNING id", demoOrganization).Scan(&w.orgID)
	if err != nil {
		return err
	}
	for _, row := range demoRows {
		if _, err := tx.ExecContext(ctx, row.sql, append([]any{w.orgID}, row.args...)...); err != nil {
			return fmt.Errorf("%.40s...: %w", row.sql, err)
		}
	}
	var skill string
	if err := tx.QueryRowContext(ctx, "INSERT INTO skills (organization_id, slug) VALUES (?, 'code-review') RETURNING id", w.orgID).Scan(&skill); err != nil {
		return err
	}
	for _, file := range []struct {
		path       string
		content    []byte
		executable bool
	}{
		{"SKILL.md", []byte(demoSkill), false},
		{"scripts/check.sh", []byte(demoScript), true},
		{"assets/dot.png", demoPicture, false},
	} {
		if _, err := tx.ExecContext(ctx, "INSERT INTO skill_files (skill_id, path, content, executable) VALUES (?, ?, ?, ?)",
			skill, file.path, file.content, file.executable); err != nil {
			return err
		}
	}
	return tx.Commit()
}
