package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// testTimeout bounds a connection test as a whole.
const testTimeout = time.Minute

// connection is a connection as it is shown: no secrets, but which of them there are.
type connection struct {
	Workspace        string          `json:"workspace"`
	Repository       string          `json:"repository"`
	Branch           string          `json:"branch"`
	PathPrefix       string          `json:"path_prefix"`
	ClientID         string          `json:"client_id"`
	ClientSecretSet  bool            `json:"client_secret_set"`
	AccessTokenSet   bool            `json:"access_token_set"`
	WebhookSecretSet bool            `json:"webhook_secret_set"`
	Push             mirror.PushMode `json:"push"`
	Conflict         document.Policy `json:"conflict"`
	APIURL           string          `json:"api_url"`
	OAuthURL         string          `json:"oauth_url"`
	GitURL           string          `json:"git_url"`
	// Source is "api" or "config"; what the configuration file sets is changed there.
	Source string `json:"source"`
	// WebhookURL is what to enter in the repository's settings, where the daemon may not.
	WebhookURL string  `json:"webhook_url"`
	Webhook    webhook `json:"webhook"`
	// ResolvedBranch and RepositoryURL are "" until the repository was first read.
	ResolvedBranch string `json:"resolved_branch"`
	RepositoryURL  string `json:"repository_url"`
	Paused         bool   `json:"paused"`
}

// WebhookURL is where a repository's host delivers to a daemon with that public URL.
func WebhookURL(publicURL string) string { return publicURL + webhookPath }

// WebhookURL is where deliveries to this daemon go.
func (s *Server) WebhookURL() string { return WebhookURL(s.live.Load().publicURL) }

func (s *Server) showConnection(c *call, i *db.ConnectionInfo) (connection, error) {
	known, err := s.db.Webhook(c.Context(), i.OrganizationID)
	return connection{
		Workspace: i.Settings.Workspace, Repository: i.Settings.Repository, Branch: i.Settings.Branch, PathPrefix: i.Settings.PathPrefix,
		ClientID: i.Settings.ClientID, ClientSecretSet: i.HasClientSecret, AccessTokenSet: i.HasAccessToken, WebhookSecretSet: i.HasWebhookSecret,
		Push: i.Settings.Push, Conflict: i.Settings.Conflict,
		APIURL: i.Settings.APIURL, OAuthURL: i.Settings.OAuthURL, GitURL: i.Settings.GitURL,
		Source: i.Source, WebhookURL: s.WebhookURL(), Webhook: showWebhook(known),
		ResolvedBranch: i.Branch, RepositoryURL: i.RepositoryURL, Paused: i.Paused,
	}, err
}

// connected is an organization's connection; nil when it has none now.
func (s *Server) connected(c *call) (*db.ConnectionInfo, error) {
	info, err := s.db.Connection(c.Context(), c.organization.ID)
	if errors.Is(err, mirror.ErrNoMirror) || err == nil && info.DisconnectedAt != nil {
		return nil, nil
	}
	return info, err
}

func (s *Server) getConnection(c *call) error {
	info, err := s.connected(c)
	if err != nil {
		return err
	}
	if info == nil {
		return fail(http.StatusNotFound, "DISCONNECTED", "The organization is not connected to a repository.")
	}
	shown, err := s.showConnection(c, info)
	if err != nil {
		return err
	}
	return c.reply(http.StatusOK, map[string]any{"connection": shown})
}

// putConnection saves, then tests. What fails the test stays saved: its remedy may be
// on Bitbucket's side.
func (s *Server) putConnection(c *call) error {
	info, err := s.editable(c)
	if err != nil {
		return err
	}
	form, err := c.form(connectionFields...)
	if err != nil {
		return err
	}
	write, err := s.readConnection(form, info)
	if err != nil {
		return err
	}
	if write.Paused, err = c.flag("paused"); err != nil {
		return err
	}
	if _, err := s.db.SaveConnection(c.Context(), c.organization.ID, write); err != nil {
		return secretsNeeded(err, write)
	}
	s.engine.Reconnected(c.organization.ID)
	return s.answerTested(c, nil)
}

func (s *Server) deleteConnection(c *call) error {
	info, err := s.editable(c)
	if err != nil {
		return err
	}
	if info == nil {
		return disconnected()
	}
	if err := s.db.Disconnect(c.Context(), c.organization.ID); err != nil {
		return err
	}
	s.engine.Reconnected(c.organization.ID)
	return c.nothing()
}

// editable is the connection that a request may change; nil when there is none.
func (s *Server) editable(c *call) (*db.ConnectionInfo, error) {
	info, err := s.connected(c)
	if err == nil && info != nil && info.Source == db.SourceConfig {
		return nil, &failure{
			status: http.StatusConflict, code: "CONFIGURED", message: "This connection comes from the daemon's configuration file and is changed there.",
			remedy: "Edit the organization's entry under mirrors, or remove it to manage the connection here.",
		}
	}
	return info, err
}

// testConnection tests what is stored, or a form that stays unsaved.
func (s *Server) testConnection(c *call) error {
	form, err := c.form(connectionFields...)
	if err != nil {
		return err
	}
	info, err := s.connected(c)
	if err != nil {
		return err
	}
	if len(form) == 0 {
		if info == nil {
			return disconnected()
		}
		return s.answerTested(c, nil)
	}
	write, err := s.readConnection(form, info)
	if err != nil {
		return err
	}
	settings, err := s.unsaved(c, write, info)
	if err != nil {
		return err
	}
	return s.answerTested(c, &settings)
}

// unsaved are the settings that saving a form would store.
func (s *Server) unsaved(c *call, w db.ConnectionWrite, info *db.ConnectionInfo) (mirror.Settings, error) {
	if info == nil {
		return w.Settings, nil
	}
	stored, err := s.db.ConnectionSettings(c.Context(), c.organization.ID)
	if err != nil {
		return w.Settings, err
	}
	settings := w.Settings
	moved := settings.Workspace != stored.Workspace || settings.GitURL != stored.GitURL || settings.APIURL != stored.APIURL || settings.OAuthURL != stored.OAuthURL
	if w.KeepClientSecret && settings.ClientID != "" && settings.ClientSecret.IsZero() {
		settings.ClientSecret = stored.ClientSecret
	}
	if w.KeepAccessToken && settings.ClientID == "" && settings.AccessToken.IsZero() {
		settings.AccessToken = stored.AccessToken
	}
	if moved && (settings.ClientSecret != w.ClientSecret || settings.AccessToken != w.AccessToken) {
		return settings, secretsNeeded(db.ErrSecretsNeeded, w)
	}
	return settings, nil
}

// secretsNeeded names the credentials that have to come with a changed address.
func secretsNeeded(err error, w db.ConnectionWrite) error {
	if !errors.Is(err, db.ErrSecretsNeeded) {
		return err
	}
	name := "client_secret"
	if w.ClientID == "" {
		name = "access_token"
	}
	f := invalidFields(map[string]string{name: "missing; expected it in the same request, because the workspace or an address changes and stored credentials are not sent to another place"})
	f.code = "SECRETS_NEEDED"
	return f
}

// answerTested tests the stored connection, or other settings, and answers with both.
func (s *Server) answerTested(c *call, settings *mirror.Settings) error {
	info, err := s.connected(c)
	if err != nil {
		return err
	}
	body := map[string]any{"connection": nil}
	if info != nil {
		if body["connection"], err = s.showConnection(c, info); err != nil {
			return err
		}
	}
	if settings == nil {
		stored, err := s.db.ConnectionSettings(c.Context(), c.organization.ID)
		if err != nil {
			return err
		}
		settings = &stored
	}
	c.patient()
	ctx, cancel := context.WithTimeout(c.Context(), testTimeout)
	defer cancel()
	result := s.engine.Test(ctx, c.organization, *settings)
	result.Steps = orEmpty(result.Steps)
	body["test"] = result
	return c.reply(http.StatusOK, body)
}
