package configs_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/confmirror/confmirror/configs"
)

// FuzzLoad looks for panics, for errors of another type, and for a valid
// configuration that its own users could not work with.
func FuzzLoad(f *testing.F) {
	names, _ := filepath.Glob("testdata/bad/*.txt")
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		var yaml, environ string
		for _, file := range archive.Files {
			switch file.Name {
			case "confmirror.yaml":
				yaml = string(file.Data)
			case "env":
				environ = string(file.Data)
			}
		}
		f.Add(yaml, environ)
	}
	example, err := os.ReadFile("confmirror.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(example), "CONFMIRROR_MIRRORS_0_ORGANIZATION=a\nCONFMIRROR_MIRRORS_0_REPOSITORY=w/r\nCONFMIRROR_MIRRORS_0_ACCESS_TOKEN=t")
	f.Add("mirrors:\n- &a {organization: a, repository: w/r, access_token: t}\n- {<<: [*a, *a], organization: b, branch: x}\n", "")
	f.Add("a: &a\n  <<: *a\nsync: *a\n", "")
	path := filepath.Join(f.TempDir(), "c.yaml")
	f.Fuzz(func(t *testing.T, yaml, environ string) {
		if strings.Contains(yaml+environ, "_file") || strings.Contains(environ, "_FILE") {
			return // names any file of this machine
		}
		if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := configs.Load(path, strings.Split(environ, "\n"))
		if err != nil {
			if _, ok := errors.AsType[*configs.Error](err); !ok || c != nil {
				t.Errorf("%T %v, %v", err, err, c)
			}
			_ = err.Error()
			return
		}
		if _, err := configs.ParseSchedule(c.Sync.Poll); err != nil {
			t.Error(err)
		}
		for _, m := range c.Mirrors {
			s := m.Settings()
			if problems := s.Check(); len(problems) > 0 {
				t.Error(problems)
			}
		}
	})
}
