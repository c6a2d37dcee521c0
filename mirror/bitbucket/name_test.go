package bitbucket_test

import (
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
)

func TestParseRepositoryName(t *testing.T) {
	for _, tt := range []struct{ repository, workspace, want string }{
		{"webrix-sync", "acme-corp", "acme-corp/webrix-sync"},
		{" webrix-sync\n", " acme-corp ", "acme-corp/webrix-sync"},
		{"webrix-sync.git", "acme-corp", "acme-corp/webrix-sync"},
		{"acme-corp/webrix-sync", "", "acme-corp/webrix-sync"},
		{"acme-corp/webrix-sync", "acme-corp", "acme-corp/webrix-sync"},
		{"Acme-Corp/webrix-sync", "acme-corp", "Acme-Corp/webrix-sync"},
		{"acme-corp/webrix.sync/", "", "acme-corp/webrix.sync"},
		{"https://bitbucket.org/acme-corp/webrix-sync", "", "acme-corp/webrix-sync"},
		{"https://bitbucket.org/acme-corp/webrix-sync.git", "acme-corp", "acme-corp/webrix-sync"},
		{"https://you@bitbucket.org/acme-corp/webrix-sync.git", "", "acme-corp/webrix-sync"},
		{"https://x-token-auth:p4ss@bitbucket.org/acme-corp/webrix-sync.git", "", "acme-corp/webrix-sync"},
		{"https://bitbucket.org/acme-corp/webrix-sync/src/main/", "", "acme-corp/webrix-sync"},
		{"https://bitbucket.org/acme-corp/webrix-sync/src/main/toolkits/a.json?at=main#lines-3", "", "acme-corp/webrix-sync"},
		{"http://127.0.0.1:7990/acme-corp/webrix-sync.git", "", "acme-corp/webrix-sync"},
		{"bitbucket.org/acme-corp/webrix-sync", "", "acme-corp/webrix-sync"},
		{"git@bitbucket.org:acme-corp/webrix-sync.git", "", "acme-corp/webrix-sync"},
		{"bitbucket.org:acme-corp/webrix-sync", "", "acme-corp/webrix-sync"},
		{"ssh://git@bitbucket.org/acme-corp/webrix-sync.git", "", "acme-corp/webrix-sync"},
		{"ssh://git@host:7999/PROJ/repo.git", "", "PROJ/repo"},
		{"https://host/scm/PROJ/repo.git", "", "PROJ/repo"},
		{"https://host/bitbucket/scm/~ada/repo.git", "", "~ada/repo"},
		{"https://host/projects/PROJ/repos/repo/browse", "PROJ", "PROJ/repo"},
		{"https://bitbucket.org/scm/repo/src", "", "scm/repo"},
	} {
		workspace, slug, err := bitbucket.ParseRepositoryName(tt.repository, tt.workspace)
		if got := workspace + "/" + slug; err != nil || got != tt.want {
			t.Errorf("%q, %q: %s %v, want %s", tt.repository, tt.workspace, got, err, tt.want)
		}
	}
}

func TestParseRepositoryNameErrors(t *testing.T) {
	for _, tt := range []struct{ repository, workspace, says string }{
		{"", "acme", "is empty"},
		{"webrix-sync", "", "names no workspace"},
		{"a/b/c", "", "want a slug"},
		{"https://bitbucket.org/acme-corp", "acme-corp", "want a slug"},
		{"https://bitbucket.org", "", "want a slug"},
		{"other/repo", "acme", `in the workspace "other"`},
		{"acme/..", "", "letters, digits"},
		{"..", "acme", "letters, digits"},
		{"web rix", "acme", "web rix"},
		{"repo", "ac/me", "ac/me"},
		{".git", "acme", "letters, digits"},
		{"https://you:p4ss@bitbucket.org/acme/web%20rix", "", "web rix"},
		{"https://you:p4ss@bitbucket.org/acme", "", "want a slug"},
		{"you:p4ss@bitbucket.org/a b/c/d", "", "letters, digits"},
		{"file:///srv/repo.git", "", "want a slug"},
		{"https://you:p4ss@%zz/", "", "want a slug"},
		{"webrix-sync", "https://you:p4ss@bitbucket.org/acme", "letters, digits"},
		{"acme/webrix-sync", "https://you:p4ss@bitbucket.org/acme", "but workspace is"},
	} {
		_, _, err := bitbucket.ParseRepositoryName(tt.repository, tt.workspace)
		if err == nil || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q, %q: %v, want %q", tt.repository, tt.workspace, err, tt.says)
			continue
		}
		if strings.Contains(err.Error(), "p4ss") {
			t.Errorf("leaks: %v", err)
		}
	}
}

func TestElsewhere(t *testing.T) {
	const cloud, own = "https://bitbucket.org", "https://git.example.com:7990/scm"
	for name, hosts := range map[string]string{
		"webrix-sync": "", "acme-corp/webrix-sync": "", "acme.corp/webrix.sync": "", "work:acme-corp/webrix-sync": "",
		"https://Bitbucket.org/acme-corp/webrix-sync.git": cloud, "https://www.bitbucket.org/a/b": cloud,
		"git@bitbucket.org:acme-corp/webrix-sync.git": cloud, "bitbucket.org/acme-corp/webrix-sync": cloud,
		"ssh://git@altssh.bitbucket.org:443/acme-corp/webrix-sync.git": cloud, " https://you:p4ss@bitbucket.org/a/b\n": cloud,
		"https://git.example.com/scm/CONF/webrix-sync.git": own, "ssh://git@git.example.com:7999/CONF/webrix-sync.git": own,
		"git.example.com/scm/CONF/webrix-sync": own, "you:p4ss@git.example.com:7990/scm/CONF/webrix-sync": own,
		"git@git.example.com:CONF/webrix-sync.git": own,
	} {
		for _, gitURL := range []string{cloud, own} {
			if got, want := bitbucket.Elsewhere(name, gitURL), hosts != "" && hosts != gitURL; got != want {
				t.Errorf("%q, %s: %v", name, gitURL, got)
			}
		}
	}
}

// What is accepted is one plain path segment each, and reads the same again.
func FuzzParseRepositoryName(f *testing.F) {
	for _, s := range []string{"a", "a/b", "https://u:p@h/a/b.git", "git@h:a/b", "h.x/scm/a/b", "~a/b", "a/.git.git"} {
		f.Add(s, "")
		f.Add(s, "a")
	}
	f.Fuzz(func(t *testing.T, repository, workspace string) {
		w, s, err := bitbucket.ParseRepositoryName(repository, workspace)
		if err != nil {
			return
		}
		if strings.ContainsAny(w+s, "/\\%?#@: \n\x00") || w == ".." || s == ".." || w == "" || s == "" {
			t.Fatalf("%q, %q: %q/%q", repository, workspace, w, s)
		}
		if !mirror.ValidName(w) || !mirror.ValidName(s) {
			t.Fatalf("%q, %q: %q/%q are no names", repository, workspace, w, s)
		}
	})
}
