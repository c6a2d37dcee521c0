package mirror

import (
	"cmp"
	"net/url"
	"strings"
)

// Location is where a connection mirrors to, in the form that locations are
// compared in: no two connections may write to the same files of a branch.
type Location struct {
	Repository string // clone address, without case
	Branch     string // "" while a connection to "the main branch" is not resolved
	Prefix     string
}

// Location is where the settings lead. resolved is what a branch that they leave
// open was found to be, "" while it was not looked for.
func (s Settings) Location(resolved string) Location {
	return Location{
		Repository: repositoryOf(s.GitURL, s.Workspace, s.Repository),
		Branch:     cmp.Or(s.Branch, resolved),
		Prefix:     s.PathPrefix,
	}
}

// repositoryOf joins a repository's address into one string that equal
// repositories share: hosts and Bitbucket's names have no case, a default port
// and a trailing slash say nothing.
func repositoryOf(gitURL, workspace, repository string) string {
	base := strings.TrimSuffix(gitURL, "/")
	if u, err := url.Parse(base); err == nil && u.Host != "" {
		host := strings.ToLower(u.Host)
		switch u.Scheme {
		case "https":
			host = strings.TrimSuffix(host, ":443")
		case "http":
			host = strings.TrimSuffix(host, ":80")
		}
		base = strings.ToLower(u.Scheme) + "://" + host + u.EscapedPath()
	}
	return base + "/" + strings.ToLower(workspace) + "/" + strings.ToLower(repository)
}

// Overlaps reports whether two locations have files in common.
func (l Location) Overlaps(o Location) bool {
	return l.Repository == o.Repository && l.Branch == o.Branch && nested(l.Prefix, o.Prefix)
}

// nested reports whether one prefix is the other or lies below it.
func nested(a, b string) bool {
	a, b = a+"/", b+"/"
	return a == "/" || b == "/" || strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
