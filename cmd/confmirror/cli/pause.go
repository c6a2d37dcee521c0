package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/mirror"
)

func (p *Program) pauseCommand() *cobra.Command {
	var organization string
	c := &cobra.Command{
		Use:   "pause",
		Short: "Stop mirroring an organization for a while",
		Long: `Stop the runs of an organization's mirror. Nothing is lost: edits on both sides
wait, and the first run after "resume" brings them together.`,
		Example: `  confmirror pause --organization acme`,
		Args:    cobra.NoArgs,
		RunE:    p.work(func(ctx context.Context, _ []string) error { return p.setPaused(ctx, organization, true, false) }),
	}
	organizationFlag(c, &organization, "the organization's `slug` (default: the only one)")
	return c
}

func (p *Program) resumeCommand() *cobra.Command {
	var organization string
	var confirmCopy bool
	c := &cobra.Command{
		Use:   "resume",
		Short: "Let a paused mirror go on",
		Long: `Let a paused mirror go on: a running daemon runs it at once.

A database that was copied, moved or restored mirrors nothing (DATABASE_COPIED) until
--confirm-copy says that this is the one to go on with.`,
		Example: `  confmirror resume --organization acme`,
		Args:    cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error {
			return p.setPaused(ctx, organization, false, confirmCopy)
		}),
	}
	organizationFlag(c, &organization, "the organization's `slug` (default: the only one)")
	c.Flags().BoolVar(&confirmCopy, "confirm-copy", false, "confirm that a copied database may push from now on")
	return c
}

func (p *Program) setPaused(ctx context.Context, organization string, paused, confirmCopy bool) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	o, err := s.one(ctx, organization)
	if err != nil {
		return err
	}
	if confirmCopy {
		err = s.db.ConfirmCopy(ctx, o.ID)
	}
	if err == nil {
		err = s.db.SetPaused(ctx, o.ID, paused)
	}
	if errors.Is(err, mirror.ErrNoMirror) {
		return notConnected(o.Slug)
	}
	if err != nil {
		return err
	}
	if paused {
		fmt.Fprintf(p.Stdout, "%s: paused\n", o.Slug)
		return nil
	}
	if _, err := s.db.Request(ctx, o.ID); err != nil { // what came in meanwhile is looked at now
		return err
	}
	fmt.Fprintf(p.Stdout, "%s: goes on\n", o.Slug)
	return nil
}
