package mirror_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

var branches = []string{
	"main", "feature/x", "a.b", "ä", "Release-1.0", "x@y", "@x", "a{b",
	"", "@", "HEAD", "-x", "a..b", ".a", "a/.b", "a/", "/a", "a//b", "a.lock", "a.lock/b", "a.", "a b", "a~b", "a^", "a:b", "a?", "a*", "a[b", `a\b`, "a@{b", "a\x7f", "a\n",
}

// git itself is the judge, but for refs/..., which it allows and we take for a mistake.
func checkBranch(t *testing.T, name string) {
	t.Helper()
	if strings.HasPrefix(name, "refs/") || strings.Contains(name, "\x00") || len(name) > 200 || strings.HasPrefix(name, "@{") || !isText(name) {
		return
	}
	want := exec.Command("git", "check-ref-format", "refs/heads/"+name).Run() == nil && !strings.HasPrefix(name, "-") && name != "HEAD" && name != "@"
	if got := mirror.CheckBranch(name) == nil; got != want {
		t.Errorf("CheckBranch(%q): allowed is %v, git says %v", name, got, want)
	}
}

func isText(s string) bool {
	return strings.ToValidUTF8(s, "") == s && strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 && r < 0xa0 }) < 0
}

func TestCheckBranch(t *testing.T) {
	for _, name := range branches {
		checkBranch(t, name)
	}
	if mirror.CheckBranch("refs/heads/main") == nil || mirror.CheckBranch("\xff") == nil {
		t.Error("a full ref's name or broken text is taken for a branch")
	}
}

func FuzzCheckBranch(f *testing.F) {
	for _, name := range branches {
		f.Add(name)
	}
	f.Fuzz(checkBranch)
}

func TestCleanPathPrefix(t *testing.T) {
	for prefix, want := range map[string]string{"": "", "src": "src", "src/": "src", "./src//": "src", "config/ai/": "config/ai", ".": "", "./": "", "a/./b": "a/b", "a b/ä": "a b/ä", "a.b": "a.b"} {
		if got, err := mirror.CleanPathPrefix(prefix); err != nil || got != want {
			t.Errorf("CleanPathPrefix(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
	for _, prefix := range []string{"/", "/src", "..", "../x", "a/..", "a/../b", ".github", "a/.x", "x.", "a:b", ".git", "a/.git/b", ".GIT", ".git.", ".git ", "a/git~1", ".g\u200cit", ".git::$INDEX_ALLOCATION", `a\b`, "a\x00", "a\nb", "\xff"} {
		if got, err := mirror.CleanPathPrefix(prefix); err == nil {
			t.Errorf("CleanPathPrefix(%q) = %q, want an error", prefix, got)
		}
	}
}

func FuzzCleanPathPrefix(f *testing.F) {
	f.Add("src/")
	f.Add("a/../.git")
	f.Fuzz(func(t *testing.T, prefix string) {
		clean, err := mirror.CleanPathPrefix(prefix)
		if err != nil {
			return
		}
		if again, err := mirror.CleanPathPrefix(clean); err != nil || again != clean {
			t.Errorf("%q gives %q, and that %q, %v", prefix, clean, again, err)
		}
		if strings.HasPrefix(clean, "/") || strings.HasSuffix(clean, "/") || strings.Contains("/"+clean+"/", "/../") || strings.Contains("/"+strings.ToLower(clean)+"/", "/.git/") {
			t.Errorf("%q gives %q", prefix, clean)
		}
	})
}

func TestCheckSettingsURLs(t *testing.T) {
	good := func() mirror.Settings {
		return mirror.Settings{Workspace: "w", Repository: "r", AccessToken: mirror.NewSecret("t"), Push: mirror.PushDirect, Conflict: document.PreferGit, GitURL: mirror.DefaultGitURL}
	}
	for _, u := range []string{"https://git.example.com", "https://git.example.com:8443/scm/", "http://localhost:3000", "http://127.0.0.2", "http://[::1]:80/x", "http://a.localhost"} {
		s := good()
		s.GitURL, s.APIURL = u, u
		if p := checkTwice(t, &s); len(p) != 0 || strings.HasSuffix(s.GitURL, "/") || strings.HasSuffix(s.APIURL, "/") {
			t.Errorf("%s: %v, %q", u, p, s.GitURL)
		}
	}
	for _, u := range []string{"", "git.example.com", "//x", "ftp://x", "https://", "https:x", "http://git.example.com", "http://127.0.0.1.example.com", "http://[::2]",
		"https://u@x", "https://x/?a", "https://x?", "https://x/#", "https://x:99999", "file:///etc", " https://x", "https://x/\n", "http://10.0.0.1", "http://0.0.0.0"} {
		s := good()
		s.GitURL = u
		if p := checkTwice(t, &s); len(p) != 1 || p[0].Key != "git_url" {
			t.Errorf("%q: %v", u, p)
		}
	}
}

// checkTwice is Settings.Check, which must not change its mind on what it cleaned.
func checkTwice(t *testing.T, s *mirror.Settings) []*mirror.SettingsError {
	t.Helper()
	problems := s.Check()
	again := *s
	if again.Check(); again != *s {
		t.Errorf("checked again %+v became %+v", *s, again)
	}
	return problems
}

func TestRedactURL(t *testing.T) {
	for address, want := range map[string]string{
		"https://bitbucket.org/a":           "https://bitbucket.org/a",
		"https://me:p4ss@bitbucket.org/a":   "https://[redacted]@bitbucket.org/a",
		"https://me:p4?ss@bitbucket.org/a":  "https://[redacted]@bitbucket.org/a",
		"https://x/?token=p4ss":             "https://x/?[redacted]",
		"https://x/?":                       "https://x/?",
		"me:p4ss@bitbucket.org/a":           "[redacted]@bitbucket.org/a",
		"git@bitbucket.org:a/b.git":         "git@bitbucket.org:a/b.git",
		"https://me:p4ss@x/?by=ada@x.org#p": "https://[redacted]@x.org#p",
	} {
		if got := mirror.RedactURL(address); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}

func TestCheckShowsNoPassword(t *testing.T) {
	s := mirror.Settings{Workspace: "https://me:p4ss@bitbucket.org/a", Repository: "https://me:p4ss@bitbucket.org/a/b"}
	wrong := s.Check()
	if len(wrong) == 0 {
		t.Fatal("nothing is wrong")
	}
	for _, w := range wrong {
		if strings.Contains(w.Error(), "p4ss") {
			t.Error(w)
		}
	}
}
