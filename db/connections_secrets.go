package db

import (
	"errors"
	"fmt"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// The sealed columns of bitbucket_connections.
const (
	columnClientSecret          = "client_secret"
	columnAccessToken           = "access_token"
	columnWebhookSecret         = "webhook_secret"
	columnPreviousWebhookSecret = "previous_webhook_secret"
)

// sealed points at a row's sealed columns by name.
func (r *connectionRow) sealed() map[string]*string {
	return map[string]*string{
		columnClientSecret:          &r.ClientSecret,
		columnAccessToken:           &r.AccessToken,
		columnWebhookSecret:         &r.WebhookSecret,
		columnPreviousWebhookSecret: &r.PreviousWebhookSecret,
	}
}

// connectionAAD names the place of a connection's sealed column.
func connectionAAD(organizationID, column string) string {
	return "bitbucket_connections/" + organizationID + "/" + column
}

func (d *DB) sealConnection(organizationID, column string, secret mirror.Secret) (string, error) {
	if d.sealer == nil {
		return "", errors.New("db: opened without a sealer")
	}
	return d.sealer.Seal(secret, connectionAAD(organizationID, column))
}

func (d *DB) openConnection(r *connectionRow, column string) (mirror.Secret, error) {
	sealed := *r.sealed()[column]
	if sealed == "" {
		return mirror.Secret{}, nil
	}
	if d.sealer == nil {
		return mirror.Secret{}, errors.New("db: opened without a sealer")
	}
	secret, err := d.sealer.Open(sealed, connectionAAD(r.OrganizationID, column))
	if err != nil {
		return mirror.Secret{}, &mirror.Fault{
			Code:    mirror.CodeConnectionFailed,
			Message: mirror.ConnectionFailedMessage,
			Remedy:  "The stored credentials cannot be opened with the encryption key: put the key that sealed them into encryption.previous_keys, or save the connection with its credentials again.",
			Class:   mirror.Permanent,
			Err:     fmt.Errorf("%s: %w", column, err),
		}
	}
	return secret, nil
}

// publicSettings are a connection's settings without its credentials.
func (r *connectionRow) publicSettings() mirror.Settings {
	return mirror.Settings{
		Workspace:  r.Workspace,
		Repository: r.Repository,
		Branch:     r.Branch,
		PathPrefix: r.PathPrefix,
		ClientID:   r.ClientID,
		Push:       mirror.PushMode(r.Push),
		Conflict:   document.Policy(r.Conflict),
		APIURL:     r.APIURL,
		OAuthURL:   r.OAuthURL,
		GitURL:     r.GitURL,
	}
}

// settingsOf are a connection's settings with its credentials opened.
func (d *DB) settingsOf(r *connectionRow) (mirror.Settings, error) {
	s := r.publicSettings()
	var err1, err2, err3 error
	s.ClientSecret, err1 = d.openConnection(r, columnClientSecret)
	s.AccessToken, err2 = d.openConnection(r, columnAccessToken)
	s.WebhookSecret, err3 = d.openConnection(r, columnWebhookSecret)
	return s, errors.Join(err1, err2, err3)
}

// setSettings writes settings into the row, credentials sealed. Of a webhook
// secret that is replaced the row keeps the previous one for a while: see webhookGrace.
func (d *DB) setSettings(r *connectionRow, s, before mirror.Settings) error {
	r.Workspace, r.Repository, r.Branch, r.PathPrefix = s.Workspace, s.Repository, s.Branch, s.PathPrefix
	r.ClientID, r.Push, r.Conflict = s.ClientID, string(s.Push), string(s.Conflict)
	r.APIURL, r.OAuthURL, r.GitURL = s.APIURL, s.OAuthURL, s.GitURL
	var err1, err2, err3, err4 error
	if s.WebhookSecret != before.WebhookSecret {
		r.PreviousWebhookSecret, r.PreviousWebhookSecretUntil = "", timestamp{}
		if !before.WebhookSecret.IsZero() && !s.WebhookSecret.IsZero() {
			r.PreviousWebhookSecret, err1 = d.sealConnection(r.OrganizationID, columnPreviousWebhookSecret, before.WebhookSecret)
			r.PreviousWebhookSecretUntil = at(d.now().Add(webhookGrace))
		}
	}
	r.ClientSecret, err2 = d.sealConnection(r.OrganizationID, columnClientSecret, s.ClientSecret)
	r.AccessToken, err3 = d.sealConnection(r.OrganizationID, columnAccessToken, s.AccessToken)
	r.WebhookSecret, err4 = d.sealConnection(r.OrganizationID, columnWebhookSecret, s.WebhookSecret)
	return errors.Join(err1, err2, err3, err4)
}
