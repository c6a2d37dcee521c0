package db

import (
	"net/url"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// target is the place that a connection mirrors to, in the form that places are
// compared in: two connections must not write to the same files of a branch.
type target struct {
	repository string // clone address, without case
	branch     string // "" while a connection to "the main branch" is not resolved
	prefix     string
}

func targetOf(s mirror.Settings, resolvedBranch string) target {
	t := target{
		repository: repositoryOf(s.GitURL, s.Workspace, s.Repository),
		branch:     s.Branch,
		prefix:     s.PathPrefix,
	}
	if t.branch == "" {
		t.branch = resolvedBranch
	}
	return t
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

// overlaps reports whether two targets have files in common.
func (t target) overlaps(o target) bool {
	return t.repository == o.repository && t.branch == o.branch && nested(t.prefix, o.prefix)
}

// nested reports whether one prefix is the other or lies below it.
func nested(a, b string) bool {
	a, b = a+"/", b+"/"
	return a == "/" || b == "/" || strings.HasPrefix(a, b) || strings.HasPrefix(b, a)
}
