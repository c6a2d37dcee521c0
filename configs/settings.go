package configs

import (
	"errors"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// CheckSettings checks a connection, whoever made it, and brings the prefix and the
// URLs into their normal form. The problems' keys are those of the API's form.
func CheckSettings(s *mirror.Settings) []Problem {
	var problems []Problem
	bad := func(key, message string) { problems = append(problems, Problem{Key: key, Message: message}) }

	if !validName(s.Workspace) {
		bad("workspace", quote(s.Workspace)+": expected the workspace's ID as it stands in the repository's URL, such as acme-corp")
	}
	if !validName(s.Repository) {
		bad("repository", quote(s.Repository)+": expected the repository's slug, workspace/slug or URL")
	}
	if err := CheckBranch(s.Branch); s.Branch != "" && err != nil {
		bad("branch", quote(s.Branch)+": "+err.Error())
	}
	if clean, err := CleanPathPrefix(s.PathPrefix); err != nil {
		bad("path_prefix", quote(s.PathPrefix)+": "+err.Error())
	} else {
		s.PathPrefix = clean
	}
	if m := notAWord(s.Push, mirror.PushDirect, mirror.PushPullRequest, mirror.PushAuto); m != "" {
		bad("push", m)
	}
	if m := notAWord(s.Conflict, document.PreferGit, document.PreferDatabase); m != "" {
		bad("conflict", m)
	}
	checkURL := func(key string, at *string) {
		if clean, err := cleanURL(*at, loopbackHTTP); err != nil {
			bad(key, quoteURL(*at)+": "+err.Error())
		} else {
			*at = clean
		}
	}
	if s.APIURL != "" {
		checkURL("api_url", &s.APIURL)
	}
	checkURL("git_url", &s.GitURL)
	if s.ClientID != "" || !s.ClientSecret.IsZero() {
		checkURL("oauth_url", &s.OAuthURL)
	}
	return append(problems, checkCredentials(s)...)
}

func checkCredentials(s *mirror.Settings) []Problem {
	id, secret, token := s.ClientID != "", !s.ClientSecret.IsZero(), !s.AccessToken.IsZero()
	one := func(key, message string) []Problem { return []Problem{{Key: key, Message: message}} }
	switch {
	case token && (id || secret):
		return one("access_token", "client_id or client_secret is given too; expected either an access token or a client")
	case id && !secret:
		return one("client_secret", "missing; expected the secret that belongs to client_id")
	case secret && !id:
		return one("client_id", "missing; expected the ID that belongs to client_secret")
	case !id && !token && s.APIURL != "": // a plain git host may ask for nothing
		return one("client_id", "missing; expected client_id and client_secret, or access_token")
	}
	return nil
}

// validName reports whether s can be one step of a repository's URL: a workspace, a
// project key ("PROJ", "~ada") or a repository's slug.
func validName(s string) bool {
	if s == "" || len(s) > 128 || s == "." || s == ".." {
		return false
	}
	for _, r := range s {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.~", r) {
			return false
		}
	}
	return true
}

// CheckBranch checks a branch's name by the rules of git check-ref-format --branch.
func CheckBranch(name string) error {
	switch {
	case strings.HasPrefix(name, "refs/"):
		return errors.New("expected the branch's name without refs/heads/")
	case name == "" || name == "@" || name == "HEAD" || name[0] == '-' || len(name) > 250 || !utf8.ValidString(name),
		strings.HasSuffix(name, "."), strings.Contains(name, ".."), strings.Contains(name, "@{"),
		strings.ContainsAny(name, " ~^:?*[\\\x7f"), strings.ContainsFunc(name, unicode.IsControl):
		return errBranch
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return errBranch
		}
	}
	return nil
}

var errBranch = errors.New("git allows no branch of this name; expected one such as main")

// CleanPathPrefix gives the normal form of a path prefix: "src" for "src/" and "./src//".
func CleanPathPrefix(prefix string) (string, error) {
	if prefix == "" {
		return "", nil
	}
	if strings.HasPrefix(prefix, "/") {
		return "", errors.New("expected a directory relative to the repository's root, without a slash before it")
	}
	if len(prefix) > 1024 || !utf8.ValidString(prefix) || strings.ContainsRune(prefix, '\\') || strings.ContainsFunc(prefix, unicode.IsControl) {
		return "", errors.New("expected a directory in the repository, such as src or config/ai")
	}
	if slices.Contains(strings.Split(prefix, "/"), "..") {
		return "", errors.New(`expected a directory in the repository, without ".."`)
	}
	clean := path.Clean(prefix)
	if clean == "." {
		return "", nil
	}
	for part := range strings.SplitSeq(clean, "/") {
		// Dot-directories belong to people and to git; the second form is what some file
		// systems take for .git. What they ignore in a name is not let through either.
		if part[0] == '.' || strings.HasPrefix(strings.ToLower(part), "git~") || strings.TrimRight(part, " .") != part || strings.ContainsFunc(part, unportable) {
			return "", errors.New("expected a directory such as src or config/ai, without dot-directories")
		}
	}
	return clean, nil
}

// unportable reports characters that file systems ignore in names, or give a meaning of
// their own.
func unportable(r rune) bool { return unicode.Is(unicode.Cf, r) || strings.ContainsRune(`:*?"<>|`, r) }

type scheme int

const (
	anyHTTP      scheme = iota // http and https
	loopbackHTTP               // https; http on loopback hosts only
)

// cleanURL checks an absolute http(s) URL and takes slashes off its end.
func cleanURL(s string, allowed scheme) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("expected an absolute https:// URL")
	case u.User != nil:
		return "", errors.New("expected a URL without user name and password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(s, "#"):
		return "", errors.New("expected a URL without ? and #")
	case u.Port() != "" && !validPort(u.Port()):
		return "", errors.New("expected a port of at most 65535")
	case allowed == loopbackHTTP && u.Scheme == "http" && !Loopback(u.Hostname()):
		return "", errors.New("expected https://; http:// is allowed on loopback hosts only")
	}
	return strings.TrimRight(s, "/"), nil
}

// quoteURL quotes a URL without a password that it may hold by mistake.
func quoteURL(s string) string { return quote(withoutPassword(s)) }

func withoutPassword(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		scheme, rest = "", s
	} else {
		scheme += "://"
	}
	i := strings.LastIndexByte(rest, '@')
	if i < 0 || !ok && !strings.Contains(rest[:i], ":") { // git@host:... names a user only
		return s
	}
	return scheme + mirror.Redacted + rest[i:]
}

// Loopback reports whether a host name or address (without port) is this machine's own.
func Loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
