package bitbucket

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

var scpPattern = regexp.MustCompile(`^(?:[^@/:]+@)?([A-Za-z0-9.-]+):([^/@][^@]*)$`)

// wanted is what a repository may be given as.
const wanted = "want a slug, workspace/slug, or the repository's URL such as https://bitbucket.org/acme-corp/webrix-sync"

// ParseRepositoryName reads a repository's name as people write it: its slug (then
// the workspace must be given), workspace/slug, or its address in any form
// that Bitbucket shows:
//
//	https://you@bitbucket.org/acme-corp/webrix-sync.git
//	https://bitbucket.org/acme-corp/webrix-sync/src/main/
//	git@bitbucket.org:acme-corp/webrix-sync.git
//	ssh://git@bitbucket.org/acme-corp/webrix-sync.git
//	https://host/scm/PROJ/webrix-sync.git           Data Center
//	https://host/projects/PROJ/repos/webrix-sync    Data Center
//
// A workspace that is named twice must be the same. Errors show no credentials.
func ParseRepositoryName(repository, workspace string) (string, string, error) {
	repository, workspace = strings.TrimSpace(repository), strings.Trim(strings.TrimSpace(workspace), "/")
	if repository == "" {
		return "", "", fmt.Errorf("repository: is empty: %s", wanted)
	}
	segments, shown, err := nameSegments(repository)
	if err != nil {
		return "", "", err
	}
	var owner, slug string
	switch len(segments) {
	case 1:
		if owner, slug = workspace, segments[0]; owner == "" {
			return "", "", fmt.Errorf("repository: %q: names no workspace, and workspace is empty: %s", shown, wanted)
		}
	case 2:
		owner, slug = segments[0], segments[1]
	default:
		return "", "", fmt.Errorf("repository: %q: %s", shown, wanted)
	}
	if workspace != "" && !strings.EqualFold(workspace, owner) {
		return "", "", fmt.Errorf("repository: %q is in the workspace %q, but workspace is %q", shown, owner, mirror.RedactURL(workspace))
	}
	slug = strings.TrimSuffix(slug, ".git")
	if err := checkName(owner, slug); err != nil {
		return "", "", err
	}
	return owner, slug, nil
}

// nameSegments splits a name into workspace and slug, or slug alone. shown is the
// name without credentials.
func nameSegments(name string) (segments []string, shown string, err error) {
	if strings.Contains(name, "://") {
		u, err := url.Parse(name)
		if err != nil || u.Host == "" || !slices.Contains([]string{"https", "http", "ssh"}, u.Scheme) {
			return nil, "", fmt.Errorf("repository: not an address of a repository: %s", wanted)
		}
		u.User, u.RawQuery, u.Fragment = nil, "", ""
		return urlSegments(u), u.String(), nil
	}
	if m := scpPattern.FindStringSubmatch(name); m != nil {
		return split(m[2]), m[1] + ":" + m[2], nil
	}
	if at := strings.LastIndex(name, "@"); at >= 0 {
		name = name[at+1:] // user:password@host/... without a scheme
	}
	segments = split(name)
	// An address without its scheme: a host has a dot, and more than a slug follows.
	if len(segments) > 2 && strings.Contains(segments[0], ".") {
		u := &url.URL{Scheme: "https", Host: segments[0], Path: "/" + strings.Join(segments[1:], "/")}
		return urlSegments(u), name, nil
	}
	return segments, name, nil
}

// Elsewhere reports whether a repository's name tells of another host than gitURL: its
// workspace and slug alone would be looked for at the wrong place. Names without a host are
// nowhere else.
func Elsewhere(repository, gitURL string) bool {
	git, err := url.Parse(gitURL)
	host := hostOf(strings.TrimSpace(repository))
	return err == nil && host != "" && !strings.EqualFold(git.Hostname(), host)
}

// hostOf is the host in a repository's name, "" if there is none.
func hostOf(name string) string {
	host := ""
	if strings.Contains(name, "://") {
		if u, err := url.Parse(name); err == nil {
			host = u.Hostname()
		}
	} else if m := scpPattern.FindStringSubmatch(name); m != nil {
		host = m[1]
	} else if s := split(name[strings.LastIndex(name, "@")+1:]); len(s) > 2 {
		host, _, _ = strings.Cut(s[0], ":")
	}
	switch host = strings.ToLower(host); {
	case host == "www.bitbucket.org" || host == "altssh.bitbucket.org": // the same by other names
		return "bitbucket.org"
	case !strings.Contains(host, ".") && !strings.Contains(name, "://"):
		return "" // a name out of somebody's settings of ssh
	}
	return host
}

// urlSegments finds workspace and slug in an address; what follows them is a page of it.
func urlSegments(u *url.URL) []string {
	s := split(u.Path)
	if !strings.EqualFold(u.Hostname(), "bitbucket.org") {
		if i := slices.Index(s, "scm"); i >= 0 && len(s) >= i+3 {
			return s[i+1 : i+3]
		}
		if i := slices.Index(s, "repos"); i >= 2 && s[i-2] == "projects" && len(s) > i+1 {
			return []string{s[i-1], s[i+1]}
		}
	}
	if len(s) < 2 {
		return nil // an address names the workspace
	}
	return s[:2]
}

func split(path string) []string {
	return strings.FieldsFunc(path, func(c rune) bool { return c == '/' })
}

// checkName refuses what is no single path segment. Braces are not accepted: git knows no uuids.
func checkName(workspace, slug string) error {
	for _, n := range []struct{ key, value string }{{"workspace", workspace}, {"repository", slug}} {
		if !mirror.ValidName(n.value) {
			return fmt.Errorf("%s: %q: want letters, digits and _ . - only, as in https://bitbucket.org/{workspace}/{repository}", n.key, mirror.RedactURL(n.value))
		}
	}
	return nil
}
