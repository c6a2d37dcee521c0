//go:build unix

package dbtest

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Template is a prepared database that tests get copies of: preparing (migrating)
// takes several times as long as copying. The zero Template with Prepare is ready
// for use; it is a package's global.
type Template struct {
	// Prepare fills an empty database and lets go of it.
	Prepare func(Target) error

	postgres, sqlite prepared
}

type prepared struct {
	once   sync.Once
	target Target
	name   string // of PostgreSQL's database
	err    error
}

// Each is Each with copies of the template.
func (p *Template) Each(t *testing.T, test func(t *testing.T, target Target)) {
	t.Helper()
	t.Run("postgres", func(t *testing.T) { test(t, p.Postgres(t)) })
	t.Run("sqlite", func(t *testing.T) { test(t, p.SQLite(t)) })
}

// Postgres is a copy of the template in PostgreSQL.
func (p *Template) Postgres(t testing.TB) Target {
	t.Helper()
	s, err := running()
	if err != nil {
		t.Fatalf("dbtest: %v", err)
	}
	made := &p.postgres
	made.once.Do(func() {
		made.name = "template_" + strings.ToLower(rand.Text())
		made.target = Target{Dialect: "postgres", URL: s.url(made.name)}
		if made.err = s.execute("CREATE DATABASE " + made.name); made.err != nil {
			return
		}
		if made.target.DataDir, made.err = os.MkdirTemp(s.dir, "prepare-"); made.err == nil {
			made.err = p.Prepare(made.target)
		}
	})
	if made.err != nil {
		t.Fatalf("dbtest: prepare a template: %v", made.err)
	}
	return Target{Dialect: "postgres", URL: create(t, s, " TEMPLATE "+made.name), DataDir: t.TempDir()}
}

// SQLite is a copy of the template in SQLite.
func (p *Template) SQLite(t testing.TB) Target {
	t.Helper()
	made := &p.sqlite
	made.once.Do(func() {
		made.target.Dialect = "sqlite"
		if made.target.DataDir, made.err = os.MkdirTemp("", "confmirror-sqlite-"); made.err != nil {
			return
		}
		atExit(func() error { return os.RemoveAll(made.target.DataDir) })
		made.err = p.Prepare(made.target)
	})
	if made.err != nil {
		t.Fatalf("dbtest: prepare a template: %v", made.err)
	}
	dir := SQLite(t)
	if err := copyFiles(dir, made.target.DataDir); err != nil {
		t.Fatalf("dbtest: copy a template: %v", err)
	}
	return Target{Dialect: "sqlite", DataDir: dir}
}

func copyFiles(to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			return fmt.Errorf("%s is no file", entry.Name())
		}
		content, err := os.ReadFile(filepath.Join(from, entry.Name()))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(to, entry.Name()), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}
