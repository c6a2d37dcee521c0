package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/mirror"
)

func (p *Program) checkCommand() *cobra.Command {
	var organization string
	var asJSON bool
	c := &cobra.Command{
		Use:   "check",
		Short: "Test the connection to the repository, step by step",
		Long: `Test each connection step by step: names, connections and certificates of the
hosts, the clock, credentials, repository, reading over git, branch and its rules,
the right to push, the webhook and its delivery. Nothing is changed in the
repository: the push that is tried cannot succeed, and tells what the branch's
rules and hooks say all the same. A step that fails is shown with its remedy, and
stops only those that need it; "note" is what works and should be mended all the
same.

Exit status: 0 every connection works; 1 one does not.`,
		Example: `  confmirror check
  confmirror check --organization acme --json`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.check(ctx, organization, asJSON) }),
	}
	organizationFlag(c, &organization, "only this organization (`slug`)")
	c.Flags().BoolVar(&asJSON, "json", false, `print JSON: {"checks": [...]}`)
	return c
}

// checked is one connection's test as --json prints it.
type checked struct {
	Organization string `json:"organization"`
	web.TestResult
}

func (p *Program) check(ctx context.Context, organization string, asJSON bool) error {
	c, err := p.load()
	if err != nil {
		return err
	}
	targets, err := p.checkTargets(ctx, c, organization)
	if err != nil {
		return err
	}
	known, done := p.known(ctx, c)
	defer done()
	connector := p.connector()
	list := []checked{}
	status := exitDone
	for _, t := range targets {
		if ctx.Err() != nil {
			break
		}
		webhook, apart := known(t.organization)
		tested := connector.Test(ctx, t.settings, webhook, apart)
		if !tested.OK {
			status = exitFailed
		}
		list = append(list, checked{t.organization, tested})
		if !asJSON {
			fmt.Fprintf(p.Stdout, "%s: %s\n", t.organization, t.settings.CloneURL())
			p.printTest(tested)
		}
	}
	if asJSON {
		if err := p.printJSON(map[string]any{"checks": list}); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return result(status)
}

func (p *Program) connector() *daemon.Connector {
	return daemon.NewConnector(p.versionInfo().Version)
}

type checkTarget struct {
	organization string
	settings     mirror.Settings
}

// checkTargets are the connections to test. Those of the configuration need no
// database: they can be tested before anything is set up.
func (p *Program) checkTargets(ctx context.Context, c *configs.Config, organization string) (targets []checkTarget, err error) {
	configured := map[string]bool{}
	for _, m := range c.Mirrors {
		configured[m.Organization] = true
		if organization == "" || organization == m.Organization {
			targets = append(targets, checkTarget{m.Organization, m.Settings()})
		}
	}
	if configured[organization] {
		return targets, nil
	}
	there, err := databaseExists(c)
	if err != nil || !there {
		if len(targets) == 0 && err == nil {
			err = hint(errors.New("there is no connection to test"), "connect an organization with `confmirror connect`, or list it below mirrors: in the configuration file")
		}
		return targets, err
	}
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	refs, err := s.lookedAt(ctx, organization)
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		if configured[ref.Organization] {
			continue
		}
		settings, err := s.db.ConnectionSettings(ctx, ref.OrganizationID)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", ref.Organization, err)
		}
		targets = append(targets, checkTarget{ref.Organization, settings})
	}
	return targets, nil
}

// databaseLimit bounds how long a check waits for a database that it can do without.
const databaseLimit = 5 * time.Second

// known tells what the database knows of organizations' webhooks, and of who else mirrors
// what they do, where there is one: deliveries come to the daemon, not to this command.
func (p *Program) known(ctx context.Context, c *configs.Config) (of func(organization string) (daemon.Webhook, daemon.Apart), done func()) {
	unknown := func(organization string) (daemon.Webhook, daemon.Apart) {
		return daemon.Webhook{URL: webhookURL(c), Organization: organization}, nil
	}
	limited, cancel := context.WithTimeout(ctx, databaseLimit)
	defer cancel()
	s, err := p.look(limited)
	if err != nil || s == nil {
		return unknown, func() {}
	}
	return func(organization string) (daemon.Webhook, daemon.Apart) {
		o, err := s.db.Organization(ctx, organization)
		if err != nil { // it comes with the first start
			webhook, _ := unknown(organization)
			return webhook, daemon.ApartOf(s.db, "")
		}
		return daemon.KnownWebhook(ctx, s.db, webhookURL(c), o), daemon.ApartOf(s.db, o.ID)
	}, s.close
}

func (p *Program) printTest(t web.TestResult) {
	for _, step := range t.Steps {
		mark, message := "FAIL", step.Code+": "+step.Message
		switch {
		case step.Skipped:
			mark, message = "-", step.Message
		case step.OK && step.Remedy != "":
			mark, message = "note", step.Message
		case step.OK:
			mark, message = "ok", step.Message
		}
		fmt.Fprintf(p.Stdout, "  %-4s  %-10s %s\n", mark, step.Name, message)
		if step.Remedy != "" {
			fmt.Fprintf(p.Stdout, "        hint: %s\n", step.Remedy)
		}
	}
}
