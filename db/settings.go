package db

import (
	"fmt"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// SettingsError says which setting of a connection is wrong, and why.
type SettingsError struct{ Key, Message string }

func (e *SettingsError) Error() string { return e.Key + ": " + e.Message }

// CheckSettings fills in what absent settings mean and refuses what cannot be a
// connection. Whether the places may be contacted is the caller's to know.
func CheckSettings(s mirror.Settings) (mirror.Settings, error) {
	if s.Push == "" {
		s.Push = mirror.PushDirect
	}
	if s.Conflict == "" {
		s.Conflict = document.PreferGit
	}
	if s.GitURL == "" {
		s.GitURL = mirror.DefaultGitURL
	}
	for _, check := range []struct{ key, message string }{
		{"workspace", wrongName(s.Workspace)},
		{"repository", wrongName(s.Repository)},
		{"branch", wrongBranch(s.Branch)},
		{"path_prefix", wrongPrefix(s.PathPrefix)},
		{"git_url", wrongURL(s.GitURL)},
		{"api_url", wrongURL(s.APIURL)},
		{"oauth_url", wrongURL(s.OAuthURL)},
		{"push", wrongChoice(s.Push, mirror.PushDirect, mirror.PushPullRequest, mirror.PushAuto)},
		{"conflict", wrongChoice(s.Conflict, document.PreferGit, document.PreferDatabase)},
	} {
		if check.message != "" {
			return s, &SettingsError{check.key, check.message}
		}
	}
	if !s.AccessToken.IsZero() && (s.ClientID != "" || !s.ClientSecret.IsZero()) {
		return s, &SettingsError{"access_token", "stands instead of client_id and client_secret, not beside them"}
	}
	if (s.ClientID == "") != s.ClientSecret.IsZero() {
		return s, &SettingsError{"client_id", "and client_secret belong together"}
	}
	return s, nil
}

// namePattern: what Bitbucket Cloud and Data Center ("~user") allow in a workspace's or a
// repository's name, and one segment of a path in any case.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9_~][A-Za-z0-9_.~-]{0,199}$`)

func wrongName(name string) string {
	switch {
	case name == "":
		return "is required"
	case !namePattern.MatchString(name) || strings.HasSuffix(name, ".git"):
		return "is no name: letters, digits, hyphens, dots and underscores"
	}
	return ""
}

// wrongBranch applies git's own rules (git help check-ref-format).
func wrongBranch(branch string) string {
	if branch == "" {
		return ""
	}
	bad := strings.ContainsFunc(branch, func(r rune) bool { return r <= ' ' || r == 0x7f || strings.ContainsRune(`~^:?*[\`, r) }) ||
		strings.Contains(branch, "..") || strings.Contains(branch, "@{") || strings.HasPrefix(branch, "-") ||
		strings.HasSuffix(branch, ".") || branch == "@" || branch == "HEAD" || len(branch) > 250
	for segment := range strings.SplitSeq(branch, "/") {
		bad = bad || segment == "" || strings.HasPrefix(segment, ".") || strings.HasSuffix(segment, ".lock")
	}
	if bad {
		return "is no name that git allows for a branch"
	}
	return ""
}

func wrongPrefix(prefix string) string {
	if prefix == "" {
		return ""
	}
	bad := path.Clean(prefix) != prefix || path.IsAbs(prefix) || len(prefix) > 500 ||
		strings.ContainsFunc(prefix, func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune(`\:*?"<>|`, r) })
	for segment := range strings.SplitSeq(prefix, "/") {
		bad = bad || strings.HasPrefix(segment, ".") || strings.HasSuffix(segment, ".") || strings.HasPrefix(strings.ToLower(segment), "git~")
	}
	if bad {
		return `has to be a relative directory such as "src" or "config/ai", without dot-directories`
	}
	return ""
}

func wrongURL(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.Scheme != "https" && u.Scheme != "http":
		return "is no https address"
	case u.User != nil:
		return "must not hold a user name or password"
	case u.RawQuery != "" || u.Fragment != "":
		return "must not hold a query or a fragment"
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return "has to be https: plain http is allowed on loopback hosts only"
	}
	return ""
}

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") || strings.HasSuffix(strings.ToLower(host), ".localhost") {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

func wrongChoice[T ~string](value T, choices ...T) string {
	for _, choice := range choices {
		if value == choice {
			return ""
		}
	}
	return fmt.Sprintf("has to be one of %q", choices)
}
