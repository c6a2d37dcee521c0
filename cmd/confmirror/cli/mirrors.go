package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// organizationFlag adds --organization to a command.
func organizationFlag(c *cobra.Command, to *string, usage string) {
	c.Flags().StringVarP(to, "organization", "o", "", usage)
}

// unknownOrganization is the error for a slug that the database does not have.
func unknownOrganization(slug string) error {
	return hint(misuse("there is no organization %q", slug), "`confmirror status` lists the connected ones")
}

// find is the organization with a slug.
func (s *site) find(ctx context.Context, slug string) (*db.Organization, error) {
	o, err := s.db.Organization(ctx, slug)
	if errors.Is(err, db.ErrNotFound) {
		return nil, unknownOrganization(slug)
	}
	return o, err
}

// mirrors are the connected organizations, or the one that was named. What the
// configuration lists is connected first, so that a command works before the
// daemon ever ran.
func (s *site) mirrors(ctx context.Context, organization string) ([]db.MirrorRef, error) {
	return s.connected(ctx, organization, s.config.Mirrors)
}

// lookedAt is mirrors for a command that only looks: a stored connection stays as it
// is where the configuration has another one, which a running daemon would follow at once.
func (s *site) lookedAt(ctx context.Context, organization string) ([]db.MirrorRef, error) {
	refs, err := s.db.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	fresh := slices.DeleteFunc(slices.Clone(s.config.Mirrors), func(m *configs.MirrorConfig) bool {
		return slices.ContainsFunc(refs, func(ref db.MirrorRef) bool { return ref.Organization == m.Organization })
	})
	return s.connected(ctx, organization, fresh)
}

// configured are an organization's settings in the configuration; nil for none.
func (s *site) configured(organization string) *mirror.Settings {
	for _, m := range s.config.Mirrors {
		if m.Organization == organization {
			settings := m.Settings()
			return &settings
		}
	}
	return nil
}

func (s *site) connected(ctx context.Context, organization string, configured []*configs.MirrorConfig) ([]db.MirrorRef, error) {
	var err error
	if s.refused, err = daemon.Connect(ctx, s.db, configured); err != nil {
		return nil, err
	}
	if err := s.refused[organization]; err != nil {
		return nil, err
	}
	refs, err := s.db.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	if organization != "" {
		for _, ref := range refs {
			if ref.Organization == organization {
				return []db.MirrorRef{ref}, nil
			}
		}
		if _, err := s.find(ctx, organization); err != nil {
			return nil, err
		}
		return nil, notConnected(organization)
	}
	if len(refs) == 0 {
		return nil, hint(errors.New("no organization is connected"), "connect one with `confmirror connect`, or list it below mirrors: in the configuration file")
	}
	return refs, nil
}

// explainRefused tells of the configured mirrors that could not be connected, and
// is the status that they give a command for all.
func (p *Program) explainRefused(s *site) int {
	status := exitDone
	for organization, err := range s.refused {
		err = fmt.Errorf("%s: %w", organization, err)
		p.explain(err)
		status = worse(status, exitStatus(err))
	}
	return status
}

func notConnected(organization string) error {
	return hint(fmt.Errorf("organization %s is not connected to a repository", organization), "connect it with `confmirror connect --organization %s ...`", organization)
}

// one is the only connected organization, or the one that was named: for commands
// that decide something.
func (s *site) one(ctx context.Context, organization string) (*db.Organization, error) {
	if organization == "" {
		refs, err := s.db.Mirrors(ctx)
		if err != nil {
			return nil, err
		}
		if len(refs) != 1 {
			return nil, misuse("%s connected: name one with --organization", count(len(refs), "organization is", "organizations are"))
		}
		organization = refs[0].Organization
	}
	return s.find(ctx, organization)
}

// daemon is a daemon that does not serve: it runs, plans and tests for a command.
func (p *Program) daemon(s *site) *daemon.Daemon {
	return daemon.New(daemon.Options{Config: s.config, DB: s.db, Logger: s.log, Version: p.versionInfo().Version})
}

// faultStatus is the exit status of a run's detail.
func faultStatus(state mirror.StateName) int {
	switch state {
	case mirror.StateBlocked, mirror.StateHeld:
		return exitBlocked
	case mirror.StateError:
		return exitFailed
	}
	return exitDone
}
