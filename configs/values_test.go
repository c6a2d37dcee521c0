package configs_test

import (
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]configs.Size{"0": 0, "1048576": 1 << 20, "1MiB": 1 << 20, " 2 KiB ": 2048, "1GiB": 1 << 30, "5kB": 5000, "5KB": 5000, "3MB": 3e6, "7B": 7} {
		if got, err := configs.ParseSize(s); err != nil || got != want {
			t.Errorf("ParseSize(%q) = %d, %v; want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MiB", "-1", "1.5MiB", "1M", "9223372036854775807KiB", "1 MiB MiB", "0x10"} {
		if got, err := configs.ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, got)
		}
	}
	for size, want := range map[configs.Size]string{0: "0B", 1: "1B", 1000: "1000B", 1024: "1KiB", 1536: "1536B", 1 << 20: "1MiB", 3 << 30: "3GiB"} {
		if got := size.String(); got != want {
			t.Errorf("Size(%d) = %s, want %s", size, got, want)
		}
	}
}

func TestParseSchedule(t *testing.T) {
	start := time.Date(2026, 11, 22, 12, 30, 0, 0, time.UTC)
	for expr, want := range map[string]time.Time{
		"@every 1m":                            start.Add(time.Minute),
		"@every 1h30m":                         start.Add(90 * time.Minute),
		"0 3 * * *":                            time.Date(2026, 11, 23, 3, 0, 0, 0, time.UTC),
		"CRON_TZ=America/New_York 30 8 * *  *": time.Date(2026, 11, 22, 13, 30, 0, 0, time.UTC),
		"TZ=Asia/Tokyo @daily":                 time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC),
		"0 0 29 feb ?":                         time.Date(2028, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		s, err := configs.ParseSchedule(expr)
		if err != nil {
			t.Errorf("%q: %v", expr, err)
		} else if got := s.Next(start); !got.Equal(want) {
			t.Errorf("%q: next is %v, want %v", expr, got, want)
		}
	}
	for _, expr := range []string{"", "TZ=0", "CRON_TZ=", "TZ=Mars/Olympus @daily", "* * * *", "* * * * * *", "60 * * * *", "0 0 30 2 *", ", * * * *",
		"@every", "@every x", "@every -1m", "@every 0s", "@every 500ms", "@every 1500ms", "@reboot", "@EVERY 1m"} {
		if _, err := configs.ParseSchedule(expr); err == nil {
			t.Errorf("%q is taken", expr)
		}
	}
}

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
	if got := configs.CheckBranch(name) == nil; got != want {
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
	if configs.CheckBranch("refs/heads/main") == nil || configs.CheckBranch("\xff") == nil {
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
		if got, err := configs.CleanPathPrefix(prefix); err != nil || got != want {
			t.Errorf("CleanPathPrefix(%q) = %q, %v; want %q", prefix, got, err, want)
		}
	}
	for _, prefix := range []string{"/", "/src", "..", "../x", "a/..", "a/../b", ".github", "a/.x", "x.", "a:b", ".git", "a/.git/b", ".GIT", ".git.", ".git ", "a/git~1", ".g\u200cit", ".git::$INDEX_ALLOCATION", `a\b`, "a\x00", "a\nb", "\xff"} {
		if got, err := configs.CleanPathPrefix(prefix); err == nil {
			t.Errorf("CleanPathPrefix(%q) = %q, want an error", prefix, got)
		}
	}
}

func FuzzCleanPathPrefix(f *testing.F) {
	f.Add("src/")
	f.Add("a/../.git")
	f.Fuzz(func(t *testing.T, prefix string) {
		clean, err := configs.CleanPathPrefix(prefix)
		if err != nil {
			return
		}
		if again, err := configs.CleanPathPrefix(clean); err != nil || again != clean {
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

// checkTwice is CheckSettings, which must not change its mind on what it cleaned.
func checkTwice(t *testing.T, s *mirror.Settings) []configs.Problem {
	t.Helper()
	problems := configs.CheckSettings(s)
	again := *s
	if configs.CheckSettings(&again); again != *s {
		t.Errorf("checked again %+v became %+v", *s, again)
	}
	return problems
}

func FuzzParseSchedule(f *testing.F) {
	for _, expr := range []string{"TZ=0", "@every 1m", "0 3 * * *", "CRON_TZ=Europe/Berlin */5 1-3 1,15 jan ?", "TZ= ", "1/9223372036854775807 * * * *", ", * * * *"} {
		f.Add(expr, int64(1795000000))
	}
	f.Fuzz(func(t *testing.T, expr string, unix int64) {
		s, err := configs.ParseSchedule(expr)
		if err != nil {
			return
		}
		now := time.Unix(unix%4e9, 0)
		if next := s.Next(now); !next.After(now) && !next.IsZero() {
			t.Errorf("%q: after %v comes %v", expr, now, next)
		}
	})
}
