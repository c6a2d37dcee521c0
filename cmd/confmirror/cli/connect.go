package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/document"
)

// connection is what the flags of connect say.
type connection struct {
	organization, workspace, repository, branch, prefix string
	clientID, clientSecretFile                          string
	accessTokenFile, webhookSecretFile                  string
	push, conflict, apiURL, oauthURL, gitURL            string

	given func(flag string) bool
}

func (p *Program) connectCommand() *cobra.Command {
	var o connection
	c := &cobra.Command{
		Use:   "connect",
		Short: "Connect an organization to a repository",
		Long: `Connect an organization to a branch of a Bitbucket repository, or change its
connection: the organization is made when absent, the settings are stored with the
secrets sealed, and the connection is tested. A running daemon takes it up at once.

Make an OAuth consumer in the workspace's settings (tick "This is a private
consumer", give it write permission on repositories) and pass its key and secret.
Secrets are read from files, or from standard input with "-"; they are never
arguments, which other users of the machine can see. What is left out of a second
call stays as it is.

The first run copies what stands on one side only to the other, and deletes nothing.`,
		Example: `  confmirror connect --organization acme --workspace acme-corp --repository webrix-sync \
      --client-id KEY --client-secret-file secret.txt --webhook-secret-file webhook.txt
  pass bitbucket/consumer | confmirror connect -o acme --repository acme-corp/webrix-sync \
      --client-id KEY --client-secret-file -`,
		Args: cobra.NoArgs,
	}
	f := c.Flags()
	organizationFlag(c, &o.organization, "the organization's `slug` (required)")
	_ = c.MarkFlagRequired("organization")
	f.StringVar(&o.workspace, "workspace", "", "the workspace's ID, as in the repository's URL")
	f.StringVar(&o.repository, "repository", "", "the repository's slug, workspace/slug or URL")
	f.StringVar(&o.branch, "branch", "", "branch to mirror (default: the repository's main branch)")
	f.StringVar(&o.prefix, "path-prefix", "", "`directory` in the repository that holds the five kinds' directories")
	f.StringVar(&o.clientID, "client-id", "", "the OAuth consumer's `key`")
	f.StringVar(&o.clientSecretFile, "client-secret-file", "", "`file` with the OAuth consumer's secret (- reads standard input)")
	f.StringVar(&o.accessTokenFile, "access-token-file", "", "`file` with an access token, instead of an OAuth consumer")
	f.StringVar(&o.webhookSecretFile, "webhook-secret-file", "", "`file` with the webhook's secret")
	f.StringVar(&o.push, "push", "", "how changes reach the branch: direct, pull-request or auto")
	f.StringVar(&o.conflict, "conflict", "", "which side wins a place that both changed: git or database")
	f.StringVar(&o.apiURL, "api-url", "", `base of Bitbucket's REST API; "" is a plain git host`)
	f.StringVar(&o.oauthURL, "oauth-url", "", "where tokens are handed out")
	f.StringVar(&o.gitURL, "git-url", "", "base of clone URLs")
	for _, name := range []string{"client-secret-file", "access-token-file", "webhook-secret-file"} {
		_ = c.MarkFlagFilename(name)
	}
	c.MarkFlagsMutuallyExclusive("client-secret-file", "access-token-file")
	o.given = f.Changed
	c.RunE = p.work(func(ctx context.Context, _ []string) error { return p.connect(ctx, &o) })
	return c
}

func (p *Program) connect(ctx context.Context, o *connection) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	for _, m := range s.config.Mirrors {
		if m.Organization == o.organization {
			return hint(misuse("the connection of organization %s stands in the configuration file", o.organization), "change it there: %s", cmp.Or(s.config.Path, "the environment"))
		}
	}
	write, err := p.connectionWrite(ctx, s, o)
	if err != nil {
		return err
	}
	organization, created, err := s.db.EnsureOrganization(ctx, o.organization)
	if err != nil {
		return fmt.Errorf("--organization %s: %w", o.organization, err)
	}
	changed, err := s.db.SaveConnection(ctx, organization.ID, write)
	if err != nil {
		if errors.Is(err, db.ErrSecretsNeeded) {
			err = hint(err, "name the files with the secrets again: stored ones are not sent to another place")
		}
		return err
	}
	if created {
		fmt.Fprintf(p.Stdout, "made the organization %s\n", organization.Slug)
	}
	if changed {
		fmt.Fprintf(p.Stdout, "saved the connection of %s to %s\n", organization.Slug, write.CloneURL())
	} else {
		fmt.Fprintf(p.Stdout, "the connection of %s is as it was\n", organization.Slug)
	}
	return p.afterConnect(ctx, s, organization)
}

// afterConnect tests the stored connection and says what is left to do.
func (p *Program) afterConnect(ctx context.Context, s *site, o *db.Organization) error {
	settings, err := s.db.ConnectionSettings(ctx, o.ID)
	if err != nil {
		return err
	}
	tested := p.connector().Test(ctx, settings, daemon.KnownWebhook(ctx, s.db, webhookURL(s.config), o), daemon.ApartOf(s.db, o.ID))
	p.printTest(tested)
	const triggers = "the triggers \"Push\" and \"Pull request\""
	if settings.WebhookSecret.IsZero() {
		fmt.Fprintf(p.Stdout, "\nAdd this webhook to the repository's settings, with %s (unsigned: no webhook secret is set):\n  %s\n", triggers, webhookURL(s.config))
	} else {
		fmt.Fprintf(p.Stdout, "\nA running daemon makes the webhook if the credentials allow it. Else add it to the repository's settings,\nwith the webhook secret and %s:\n  %s\n", triggers, webhookURL(s.config))
	}
	if !tested.OK {
		return outcome(exitFailed)
	}
	fmt.Fprintln(p.Stdout, "\nA running daemon takes it up now. Without one, `confmirror sync` runs it once, `confmirror serve` from now on.")
	return nil
}

// connectionWrite is what the flags make of the stored connection, or of none.
func (p *Program) connectionWrite(ctx context.Context, s *site, o *connection) (db.ConnectionWrite, error) {
	w := db.ConnectionWrite{
		Source: db.SourceAPI,
		Settings: mirror.Settings{
			Push: s.config.Sync.Push, Conflict: s.config.Sync.Conflict,
			APIURL: mirror.DefaultAPIURL, OAuthURL: mirror.DefaultOAuthURL, GitURL: mirror.DefaultGitURL,
		},
	}
	if stored := s.stored(ctx, o.organization); stored != nil {
		w.Settings = stored.Settings
		w.KeepClientSecret = stored.HasClientSecret && o.clientSecretFile == ""
		w.KeepAccessToken = stored.HasAccessToken && o.accessTokenFile == ""
		w.KeepWebhookSecret = stored.HasWebhookSecret && o.webhookSecretFile == ""
	}
	for flag, set := range map[string]func(){
		"branch":      func() { w.Branch = o.branch },
		"path-prefix": func() { w.PathPrefix = o.prefix },
		"client-id":   func() { w.ClientID = o.clientID },
		"push":        func() { w.Push = mirror.PushMode(o.push) },
		"conflict":    func() { w.Conflict = document.Policy(o.conflict) },
		"api-url":     func() { w.APIURL = o.apiURL },
		"oauth-url":   func() { w.OAuthURL = o.oauthURL },
		"git-url":     func() { w.GitURL = o.gitURL },
	} {
		if o.given(flag) {
			set()
		}
	}
	workspace, repository, err := bitbucket.ParseRepositoryName(cmp.Or(o.repository, w.Repository), cmp.Or(o.workspace, w.Workspace))
	if err != nil {
		return w, &usageError{err}
	}
	w.Workspace, w.Repository = workspace, repository
	if bitbucket.Elsewhere(o.repository, w.GitURL) {
		return w, hint(misuse("--repository %s: git_url is on another host, %s", mirror.RedactURL(o.repository), w.GitURL),
			`name that host with --git-url and --api-url (and --oauth-url), --api-url "" for a plain git host`)
	}
	return w, p.readConnectionSecrets(&w, o)
}

// stored is the organization's connection, a disconnected one too; nil for none.
func (s *site) stored(ctx context.Context, organization string) *db.ConnectionInfo {
	o, err := s.db.Organization(ctx, organization)
	if err != nil {
		return nil
	}
	info, err := s.db.Connection(ctx, o.ID)
	if err != nil {
		return nil
	}
	return info
}

// readConnectionSecrets reads the secrets' files, then checks the whole.
func (p *Program) readConnectionSecrets(w *db.ConnectionWrite, o *connection) error {
	stdin := false
	for _, secret := range []struct {
		flag, file string
		to         *mirror.Secret
	}{
		{"client-secret-file", o.clientSecretFile, &w.ClientSecret},
		{"access-token-file", o.accessTokenFile, &w.AccessToken},
		{"webhook-secret-file", o.webhookSecretFile, &w.WebhookSecret},
	} {
		if secret.file == "" {
			continue
		}
		if secret.file == "-" {
			if stdin {
				return misuse("--%s: standard input holds one secret, not two", secret.flag)
			}
			stdin = true
		}
		value, err := p.readSecret(secret.file)
		if err != nil {
			return misuse("--%s %s: %w", secret.flag, secret.file, err)
		}
		*secret.to = value
	}
	if !w.AccessToken.IsZero() {
		w.ClientID = "" // one kind of credential replaces the other
	}
	checked := w.Settings
	kept := mirror.NewSecret("kept")
	if w.KeepClientSecret && checked.ClientID != "" && checked.ClientSecret.IsZero() {
		checked.ClientSecret = kept
	}
	if w.KeepAccessToken && checked.ClientID == "" && checked.AccessToken.IsZero() {
		checked.AccessToken = kept
	}
	var problems []string
	for _, problem := range checked.Check() {
		problems = append(problems, "--"+strings.ReplaceAll(problem.Key, "_", "-")+": "+problem.Message)
	}
	if len(problems) > 0 {
		return misuse("%s", strings.Join(problems, "\n  "))
	}
	w.PathPrefix, w.APIURL, w.OAuthURL, w.GitURL = checked.PathPrefix, checked.APIURL, checked.OAuthURL, checked.GitURL
	return nil
}
