package configs

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/document"
)

// Settings are the connection that the entry describes, with defaults for what an
// entry made by hand leaves out. Of a valid entry they are in normal form.
func (m *MirrorConfig) Settings() mirror.Settings {
	workspace, repository, err := bitbucket.ParseRepositoryName(m.Repository, m.Workspace)
	if err != nil {
		workspace, repository = m.Workspace, m.Repository
	}
	s := mirror.Settings{
		Workspace:     workspace,
		Repository:    repository,
		Branch:        m.Branch,
		PathPrefix:    m.PathPrefix,
		ClientID:      m.ClientID,
		ClientSecret:  m.ClientSecret,
		AccessToken:   m.AccessToken,
		WebhookSecret: m.WebhookSecret,
		Push:          cmp.Or(m.Push, mirror.PushDirect),
		Conflict:      cmp.Or(m.Conflict, document.PreferGit),
		APIURL:        mirror.DefaultAPIURL,
		OAuthURL:      cmp.Or(m.OAuthURL, mirror.DefaultOAuthURL),
		GitURL:        cmp.Or(m.GitURL, mirror.DefaultGitURL),
	}
	if m.APIURL != nil {
		s.APIURL = *m.APIURL
	}
	s.Normalize() // validateMirrors says what is wrong
	return s
}

// validateMirrors checks each entry, then that no two get in each other's way.
func (l *loader) validateMirrors() {
	settings := make([]mirror.Settings, len(l.config.Mirrors))
	for i, m := range l.config.Mirrors {
		key := indexed("mirrors", i)
		if !document.ValidSlug(document.Toolkits, m.Organization) {
			l.invalid(join(key, "organization"), "%q: expected a slug of small letters and digits, joined by single - _ or . (such as acme-corp)", m.Organization)
		}
		s := m.Settings()
		if _, _, err := bitbucket.ParseRepositoryName(m.Repository, m.Workspace); err != nil {
			name, message, _ := strings.Cut(err.Error(), ": ") // the error begins with the key
			l.invalid(join(key, name), "%s", message)
			s.Workspace, s.Repository = "unknown", fmt.Sprintf("unknown-%d", i) // reported, and nobody's twin
		}
		for _, wrong := range s.Check() {
			l.invalid(join(key, wrong.Key), "%s", wrong.Message)
		}
		l.sameHost(key, m)
		settings[i] = s
		for j, other := range l.config.Mirrors[:i] {
			if m.Organization == other.Organization && m.Organization != "" {
				l.invalid(join(key, "organization"), "%q: mirrors[%d] is of the same organization; expected one mirror for each", m.Organization, j)
			} else if s.Location("").Overlaps(settings[j].Location("")) { // a branch left open shows when the host was asked
				l.invalid(join(key, "repository"), "%s: mirrors[%d] has the same repository and branch, and a path_prefix that is the same, contains this one or is in it; expected branches or directories apart", quote(mirror.RedactURL(m.Repository)), j)
			}
		}
	}
}

// sameHost refuses a repository's URL on another host than the one that git asks:
// its workspace and slug alone would be looked for at the wrong place.
func (l *loader) sameHost(key string, m *MirrorConfig) {
	if git, err := url.Parse(m.GitURL); err == nil && bitbucket.Elsewhere(m.Repository, m.GitURL) {
		l.invalid(join(key, "repository"), `%s: git_url is on another host, %s; expected git_url, api_url and oauth_url of the repository's host (api_url: "" for a plain git host)`, quote(mirror.RedactURL(m.Repository)), git.Host)
	}
}
