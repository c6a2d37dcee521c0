package mirror_test

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
)

func TestLocationsOverlap(t *testing.T) {
	base := mirror.Settings{GitURL: "https://bitbucket.org", Workspace: "acme", Repository: "sync", Branch: "main", PathPrefix: "src"}
	for _, test := range []struct {
		name   string
		change func(*mirror.Settings)
		want   bool
	}{
		{"the same", func(s *mirror.Settings) {}, true},
		{"case of names", func(s *mirror.Settings) { s.Workspace, s.Repository = "ACME", "Sync" }, true},
		{"case, port and slash of the host", func(s *mirror.Settings) { s.GitURL = "HTTPS://Bitbucket.org:443/" }, true},
		{"above", func(s *mirror.Settings) { s.PathPrefix = "" }, true},
		{"below", func(s *mirror.Settings) { s.PathPrefix = "src/deeper" }, true},
		{"beside", func(s *mirror.Settings) { s.PathPrefix = "src2" }, false},
		{"elsewhere", func(s *mirror.Settings) { s.PathPrefix = "other" }, false},
		{"other branch", func(s *mirror.Settings) { s.Branch = "Main" }, false},
		{"other repository", func(s *mirror.Settings) { s.Repository = "sync2" }, false},
		{"other workspace", func(s *mirror.Settings) { s.Workspace = "acm" }, false},
		{"other host", func(s *mirror.Settings) { s.GitURL = "https://git.example.com" }, false},
		{"unresolved main branch", func(s *mirror.Settings) { s.Branch = "" }, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			other := base
			test.change(&other)
			a, b := base.Location(""), other.Location("")
			if a.Overlaps(b) != test.want || b.Overlaps(a) != test.want {
				t.Errorf("overlap is not %v", test.want)
			}
		})
	}
	other := base
	other.Branch = ""
	if !base.Location("").Overlaps(other.Location("main")) {
		t.Error("a resolved main branch is not recognised")
	}
}
