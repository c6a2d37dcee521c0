package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

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
	var err error
	if s.refused, err = daemon.Connect(ctx, s.db, s.config.Mirrors); err != nil {
		return nil, err
	}
	if err := s.refused[organization]; err != nil {
		return nil, err
	}
	refs, err := s.db.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	return s.named(ctx, refs, organization)
}

// lookedAt is mirrors for a command that only looks: stored connections stay as they
// are, and what only the configuration knows is not connected, since a running
// daemon would take either up at once.
func (s *site) lookedAt(ctx context.Context, organization string) ([]db.MirrorRef, error) {
	refs, err := s.db.Mirrors(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range s.config.Mirrors {
		if slices.ContainsFunc(refs, func(ref db.MirrorRef) bool { return ref.Organization == m.Organization }) {
			continue
		}
		fresh := db.MirrorRef{OrganizationID: uuid.Nil.String(), Organization: m.Organization, Source: db.SourceConfig}
		switch o, err := s.db.Organization(ctx, m.Organization); {
		case err == nil:
			fresh.OrganizationID = o.ID
		case !errors.Is(err, db.ErrNotFound):
			return nil, err
		}
		refs = append(refs, fresh)
	}
	return s.named(ctx, refs, organization)
}

// named narrows mirrors to the one that was named, if one was.
func (s *site) named(ctx context.Context, refs []db.MirrorRef, organization string) ([]db.MirrorRef, error) {
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
