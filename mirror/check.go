package mirror

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/confmirror/confmirror/mirror/document"
)

// SettingsError says which setting of a connection is wrong, and why. Key is the
// setting's name in the configuration and in the API ("path_prefix"); no secret is told.
type SettingsError struct{ Key, Message string }

func (e *SettingsError) Error() string { return e.Key + ": " + e.Message }

// Check checks settings that have to work as they are: what Normalize finds, and
// credentials that are missing. Whether the places may be contacted is the caller's to know.
func (s *Settings) Check() []*SettingsError {
	wrong := s.Normalize()
	// A plain git host may ask for nothing.
	if s.ClientID == "" && s.ClientSecret.IsZero() && s.AccessToken.IsZero() && s.APIURL != "" {
		wrong = append(wrong, &SettingsError{"client_id", "missing; expected client_id and client_secret, or access_token"})
	}
	return wrong
}

// Normalize brings the prefix and the URLs into their normal form, and lists
// everything that cannot be a connection whatever else is set.
func (s *Settings) Normalize() []*SettingsError {
	var wrong []*SettingsError
	bad := func(key, message string) { wrong = append(wrong, &SettingsError{key, message}) }

	if !ValidName(s.Workspace) {
		bad("workspace", fmt.Sprintf("%q: expected the workspace's ID as it stands in the repository's URL, such as acme-corp", RedactURL(s.Workspace)))
	}
	if !ValidName(s.Repository) || strings.HasSuffix(s.Repository, ".git") {
		bad("repository", fmt.Sprintf("%q: expected the repository's slug, workspace/slug or URL", RedactURL(s.Repository)))
	}
	if err := CheckBranch(s.Branch); s.Branch != "" && err != nil {
		bad("branch", fmt.Sprintf("%q: %v", s.Branch, err))
	}
	if clean, err := CleanPathPrefix(s.PathPrefix); err != nil {
		bad("path_prefix", fmt.Sprintf("%q: %v", s.PathPrefix, err))
	} else {
		s.PathPrefix = clean
	}
	if modes := []PushMode{PushDirect, PushPullRequest, PushAuto}; !slices.Contains(modes, s.Push) {
		bad("push", fmt.Sprintf("%q: expected %s, %s or %s", s.Push, modes[0], modes[1], modes[2]))
	}
	if s.Conflict != document.PreferGit && s.Conflict != document.PreferDatabase {
		bad("conflict", fmt.Sprintf("%q: expected %s or %s", s.Conflict, document.PreferGit, document.PreferDatabase))
	}
	address := func(key string, at *string) {
		if clean, err := CleanURL(*at); err != nil {
			bad(key, fmt.Sprintf("%q: %v", RedactURL(*at), err))
		} else {
			*at = clean
		}
	}
	if s.APIURL != "" {
		address("api_url", &s.APIURL)
	}
	address("git_url", &s.GitURL)
	if s.OAuthURL != "" || s.ClientID != "" || !s.ClientSecret.IsZero() {
		address("oauth_url", &s.OAuthURL)
	}
	switch id, secret, token := s.ClientID != "", !s.ClientSecret.IsZero(), !s.AccessToken.IsZero(); {
	case token && (id || secret):
		bad("access_token", "client_id or client_secret is given too; expected either an access token or a client")
	case id && !secret:
		bad("client_secret", "missing; expected the secret that belongs to client_id")
	case secret && !id:
		bad("client_id", "missing; expected the ID that belongs to client_secret")
	}
	return wrong
}

// namePattern is generous: what it lets through cannot leave its path segment.
// "~user" is a personal project of Data Center.
var namePattern = regexp.MustCompile(`^~?[A-Za-z0-9_.-]{1,128}$`)

// ValidName reports whether name can be one step of a repository's URL: a workspace,
// a project's key ("PROJ", "~ada") or a repository's slug.
func ValidName(name string) bool {
	return namePattern.MatchString(name) && strings.Trim(name, ".") != ""
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

// CleanURL checks an address that credentials may be sent to, https or http on a
// loopback host, and takes slashes off its end. The error does not repeat it.
func CleanURL(address string) (string, error) {
	clean, err := CleanWebURL(address)
	if err != nil {
		return "", err
	}
	if u, err := url.Parse(clean); err != nil || u.Scheme == "http" && !document.Loopback(u.Hostname()) {
		return "", errors.New("expected https://; http:// is allowed on loopback hosts only")
	}
	return clean, nil
}

// CleanWebURL checks an absolute http or https URL and takes slashes off its end.
func CleanWebURL(address string) (string, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "" || u.Scheme != "http" && u.Scheme != "https":
		return "", errors.New("expected an absolute https:// URL")
	case u.User != nil:
		return "", errors.New("expected a URL without user name and password")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(address, "#"):
		return "", errors.New("expected a URL without ? and #")
	}
	if port := u.Port(); port != "" {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return "", errors.New("expected a port of at most 65535")
		}
	}
	return strings.TrimRight(address, "/"), nil
}

// RedactURL is an address to show, without the password or the query that it may
// hold by mistake.
func RedactURL(address string) string {
	scheme, rest, ok := strings.Cut(address, "://")
	if !ok {
		scheme, rest = "", address
	} else {
		scheme += "://"
	}
	// Without a scheme a user's name alone is no secret: git@host:...
	if i := strings.LastIndexByte(rest, '@'); i >= 0 && (ok || strings.Contains(rest[:i], ":")) {
		rest = Redacted + rest[i:]
	}
	if i := strings.IndexByte(rest, '?'); i >= 0 && i+1 < len(rest) {
		rest = rest[:i+1] + Redacted
	}
	return scheme + rest
}
