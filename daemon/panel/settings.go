package panel

import (
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

type settingsBody struct {
	Connection *db.ConnectionInfo // nil: there is none now
	// Configured: the configuration file has it, and it is changed there.
	Configured bool
	WebhookURL string
	Webhook    db.Webhook
	Pushes     []mirror.PushMode
	Policies   []document.Policy
}

// settings is the connection: its form, its webhook and its test.
func (p *Panel) settings(v *visit) (*page, error) {
	body := settingsBody{
		WebhookURL: p.server.WebhookURL(),
		Pushes:     []mirror.PushMode{mirror.PushDirect, mirror.PushPullRequest, mirror.PushAuto},
		Policies:   []document.Policy{document.PreferGit, document.PreferDatabase},
	}
	if c := v.connected(); c != nil {
		body.Connection, body.Configured = c, c.Source == db.SourceConfig
	}
	var err error
	if body.Webhook, err = p.db.Webhook(v.Context(), v.organization.ID); err != nil {
		return nil, err
	}
	return &page{name: "settings", Title: v.organization.Slug + " settings", Tab: "settings", Body: body}, nil
}

// field is an input of the settings' form.
type field struct {
	Name, Label, Value, Help string
	// Secret is never shown; Set tells that there is one.
	Secret, Set, Required bool
}

// Usual are the form's inputs for Bitbucket Cloud.
func (b settingsBody) Usual() []field {
	s, c := b.stored()
	return []field{
		{Name: "workspace", Label: "Workspace", Value: s.Workspace, Required: true, Help: "As it stands in the repository's address."},
		{Name: "repository", Label: "Repository", Value: s.Repository, Required: true, Help: "Its slug, or its address."},
		{Name: "client_id", Label: "OAuth consumer: key", Value: s.ClientID, Help: "Of a private consumer of the workspace, with the permission to write repositories."},
		{Name: "client_secret", Label: "OAuth consumer: secret", Secret: true, Set: c.HasClientSecret},
		{Name: "webhook_secret", Label: "Webhook secret", Secret: true, Set: c.HasWebhookSecret, Help: "Signs the webhook's deliveries."},
		{Name: "branch", Label: "Branch", Value: s.Branch, Help: "Empty: the repository's main branch."},
		{Name: "path_prefix", Label: "Directory", Value: s.PathPrefix, Help: "Empty: the repository's root."},
	}
}

// Others are those for other hosts and other credentials.
func (b settingsBody) Others() []field {
	s, c := b.stored()
	return []field{
		{Name: "access_token", Label: "Access token", Secret: true, Set: c.HasAccessToken, Help: "Instead of a consumer."},
		{Name: "api_url", Label: "REST address", Value: s.APIURL},
		{Name: "oauth_url", Label: "OAuth address", Value: s.OAuthURL},
		{Name: "git_url", Label: "Git address", Value: s.GitURL},
	}
}

// stored is what the form begins with.
func (b settingsBody) stored() (mirror.Settings, db.ConnectionInfo) {
	if b.Connection == nil {
		return mirror.Settings{APIURL: mirror.DefaultAPIURL, OAuthURL: mirror.DefaultOAuthURL, GitURL: mirror.DefaultGitURL}, db.ConnectionInfo{}
	}
	return b.Connection.Settings, *b.Connection
}

// IsPush reports whether that way to push is chosen.
func (b settingsBody) IsPush(m mirror.PushMode) bool {
	return b.Connection != nil && b.Connection.Settings.Push == m
}

// IsPolicy reports whether that policy is chosen.
func (b settingsBody) IsPolicy(p document.Policy) bool {
	return b.Connection != nil && b.Connection.Settings.Conflict == p
}
