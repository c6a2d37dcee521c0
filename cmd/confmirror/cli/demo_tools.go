package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// What a person and another program do in the script.

// git runs the git program as the person at the keyboard, without the machine's
// own configuration.
func (s *script) git(ctx context.Context, args ...string) (string, error) {
	c := exec.CommandContext(ctx, "git", args...)
	c.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=You", "GIT_AUTHOR_EMAIL=you@example.com", "GIT_COMMITTER_NAME=You", "GIT_COMMITTER_EMAIL=you@example.com")
	var out, trouble bytes.Buffer
	c.Stdout, c.Stderr = &out, &trouble
	if err := c.Run(); err != nil {
		return "", fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(trouble.String()))
	}
	return out.String(), nil
}

// push changes files in the person's clone and pushes them as one commit.
func (s *script) push(ctx context.Context, message string, edits map[string]func(string) string) error {
	if s.work == "" {
		s.work = filepath.Join(s.dir, "work")
		if _, err := s.git(ctx, "clone", "--quiet", s.repo.CloneURL(), s.work); err != nil {
			return err
		}
	}
	if _, err := s.git(ctx, "-C", s.work, "pull", "--quiet", "--ff-only"); err != nil {
		return err
	}
	for name, edit := range edits {
		file := filepath.Join(s.work, filepath.FromSlash(name))
		before, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		after := edit(string(before))
		if after == string(before) {
			return fmt.Errorf("%s does not hold what the script wants to edit:\n%s", name, before)
		}
		if err := os.WriteFile(file, []byte(after), 0o644); err != nil {
			return err
		}
	}
	if _, err := s.git(ctx, "-C", s.work, "commit", "--quiet", "--all", "--message", message); err != nil {
		return err
	}
	_, err := s.git(ctx, "-C", s.work, "push", "--quiet")
	return err
}

// replace is an edit of one place.
func replace(before, after string) func(string) string {
	return func(content string) string { return strings.Replace(content, before, after, 1) }
}

// exec writes to the database as another program does.
func (s *script) exec(ctx context.Context, statement string, args ...any) error {
	_, err := s.sql.ExecContext(ctx, statement, args...)
	return err
}

// value reads one value of an organization's row; "" for NULL.
func (s *script) value(ctx context.Context, table, slug, column string) (string, error) {
	var value *string
	err := s.sql.QueryRowContext(ctx, "SELECT CAST("+column+" AS TEXT) FROM "+table+" WHERE organization_id = ? AND slug = ? AND deleted_at IS NULL",
		s.orgID, slug).Scan(&value)
	if err != nil || value == nil {
		return "", err
	}
	return *value, nil
}

// arrives waits until a row's column has a value.
func (s *script) arrives(ctx context.Context, table, slug, column, want string) error {
	return until(ctx, func(ctx context.Context) error {
		got, err := s.value(ctx, table, slug, column)
		if err == nil && got != want {
			return notYet("%s %s: %s is %q, not %q", table, slug, column, got, want)
		}
		return err
	})
}

// entityError is the error in a row's git_integration; nil for none.
func (s *script) entityError(ctx context.Context, table, slug string) (*mirror.EntityError, error) {
	text, err := s.value(ctx, table, slug, "git_integration")
	if err != nil || text == "" {
		return nil, err
	}
	var integration mirror.GitIntegration
	err = json.Unmarshal([]byte(text), &integration)
	return integration.Error, err
}

// api calls the daemon's API and decodes the answer into to, if it is not nil.
func (s *script) api(ctx context.Context, method, path string, to any) error {
	request, err := http.NewRequestWithContext(ctx, method, s.url()+"/api/v1/organizations/"+demoOrganization+path, http.NoBody)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+s.token.Reveal())
	client := &http.Client{Transport: &http.Transport{}} // no proxy
	defer client.CloseIdleConnections()
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, answer.Status, bytes.TrimSpace(body))
	}
	if err == nil && to != nil {
		err = json.Unmarshal(body, to)
	}
	return err
}

// sync runs the mirror now, and waits for the end.
func (s *script) sync(ctx context.Context) (*mirror.Report, error) {
	var r mirror.Report
	if err := s.api(ctx, http.MethodPost, "/mirror/sync?wait=true", &r); err != nil {
		return nil, err
	}
	if r.Detail != nil {
		return &r, errors.New(r.Detail.Code + ": " + r.Detail.Message)
	}
	return &r, nil
}
