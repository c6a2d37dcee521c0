package web

import (
	"strings"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
)

var connectionFields = []string{
	"workspace", "repository", "client_id", "client_secret", "access_token", "webhook_secret", "branch", "path_prefix",
	"push", "conflict", "api_url", "oauth_url", "git_url",
}

// readConnection is what a form makes of the stored connection (nil for none).
// What is left out stays; of a new connection it has its default.
func (s *Server) readConnection(f form, stored *db.ConnectionInfo) (db.ConnectionWrite, error) {
	live := s.live.Load()
	w := db.ConnectionWrite{
		Source: db.SourceAPI,
		Settings: mirror.Settings{
			Push: live.push, Conflict: live.conflict,
			APIURL: mirror.DefaultAPIURL, OAuthURL: mirror.DefaultOAuthURL, GitURL: mirror.DefaultGitURL,
		},
	}
	if stored != nil {
		w.Settings = stored.Settings
	}
	r := fieldReader{form: f, problems: map[string]string{}}
	w.Workspace, w.Repository = r.named(w.Workspace, w.Repository)
	r.text("branch", &w.Branch, "")
	r.text("path_prefix", &w.PathPrefix, "")
	r.text("push", (*string)(&w.Push), string(live.push))
	r.text("conflict", (*string)(&w.Conflict), string(live.conflict))
	// "" is a plain git host without REST; the other two are always somewhere.
	r.text("api_url", &w.APIURL, "")
	r.text("oauth_url", &w.OAuthURL, mirror.DefaultOAuthURL)
	r.text("git_url", &w.GitURL, mirror.DefaultGitURL)
	r.text("client_id", &w.ClientID, "")
	w.KeepClientSecret = r.secret("client_secret", &w.ClientSecret)
	w.KeepAccessToken = r.secret("access_token", &w.AccessToken)
	w.KeepWebhookSecret = r.secret("webhook_secret", &w.WebhookSecret)
	if r.err != nil {
		return w, r.err
	}
	// A credential of one kind takes the place of the other kind.
	if _, given := f["client_id"]; !given && !w.AccessToken.IsZero() {
		w.ClientID = ""
	}
	checked := w.Settings
	if stored != nil { // what is kept counts as there
		fillKept(&checked, w, stored)
	}
	_, noWorkspace := r.problems["workspace"]
	_, noRepository := r.problems["repository"]
	for _, p := range checked.Check() {
		if named := p.Key == "workspace" || p.Key == "repository"; named && (noWorkspace || noRepository) {
			continue // said already, and without the password that an address may hold
		}
		r.problem(p.Key, p.Message)
	}
	w.PathPrefix, w.APIURL, w.OAuthURL, w.GitURL = checked.PathPrefix, checked.APIURL, checked.OAuthURL, checked.GitURL
	for key, address := range map[string]string{"api_url": w.APIURL, "oauth_url": w.OAuthURL, "git_url": w.GitURL} {
		if message := refusedHost(address, live.allowedHosts); message != "" {
			r.problem(key, message)
		}
	}
	if repository, _, _ := f.text("repository"); bitbucket.Elsewhere(repository, w.GitURL) {
		r.problem("repository", "git_url is on another host; expected git_url, api_url and oauth_url of the repository's host")
	}
	if len(r.problems) > 0 {
		return w, invalidFields(r.problems)
	}
	return w, nil
}

// fillKept puts a stand-in where a stored credential stays, for checks that ask whether there is one.
func fillKept(s *mirror.Settings, w db.ConnectionWrite, stored *db.ConnectionInfo) {
	kept := mirror.NewSecret("kept")
	if w.KeepClientSecret && stored.HasClientSecret && s.ClientID != "" && s.AccessToken.IsZero() {
		s.ClientSecret = kept
	}
	if w.KeepAccessToken && stored.HasAccessToken && s.ClientID == "" && s.ClientSecret.IsZero() {
		s.AccessToken = kept
	}
}

// fieldReader reads a form's fields into settings.
type fieldReader struct {
	form     form
	problems map[string]string // by field
	err      error             // a field of a wrong type
}

// text sets a field that is given; "" and null are empty.
func (r *fieldReader) text(name string, at *string, empty string) {
	text, given := r.value(name)
	if !given {
		return
	}
	if *at = strings.TrimSpace(text); *at == "" {
		*at = empty
	}
}

// secret sets a secret that is given. keep is true where the stored one stays: the
// field is left out, or "" as a form sends what nobody typed; null removes it.
func (r *fieldReader) secret(name string, at *mirror.Secret) (keep bool) {
	text, given := r.value(name)
	text = strings.TrimRight(text, "\r\n") // of a file
	*at = mirror.NewSecret(text)
	if strings.ContainsFunc(text, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		r.problem(name, "holds a line break or another control character; expected one line of text")
	}
	return !given || r.form[name] == ""
}

// problem notes what is wrong with a field; what was found first explains it best.
func (r *fieldReader) problem(name, message string) {
	if _, noted := r.problems[name]; !noted {
		r.problems[name] = message
	}
}

// value reads a field's text; the first wrong type stops everything.
func (r *fieldReader) value(name string) (text string, given bool) {
	text, given, err := r.form.text(name)
	if err != nil && r.err == nil {
		r.err = err
	}
	return text, given
}

// named reads workspace and repository, the latter in any form that people have it in.
func (r *fieldReader) named(workspace, repository string) (string, string) {
	asked, asking := r.value("repository")
	given, giving := r.value("workspace")
	if !asking {
		asked = repository
	}
	if giving {
		workspace = given
	}
	owner, slug, err := bitbucket.ParseRepositoryName(asked, workspace)
	if err != nil && !giving { // the address may say which workspace
		if other, named, err := bitbucket.ParseRepositoryName(asked, ""); err == nil {
			return other, named
		}
	}
	if err == nil {
		return owner, slug
	}
	key, message, found := strings.Cut(err.Error(), ": ")
	switch {
	case strings.TrimSpace(workspace) == "" && strings.TrimSpace(asked) != "":
		key = "workspace"
	case !found || key != "workspace" && key != "repository":
		key, message = "repository", err.Error()
	}
	r.problem(key, message)
	return workspace, asked
}
