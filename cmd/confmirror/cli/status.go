package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

func (p *Program) statusCommand() *cobra.Command {
	var organization string
	var asJSON bool
	c := &cobra.Command{
		Use:   "status",
		Short: "Show how each mirror is",
		Long: `Show each mirror's state, how far it is behind, what has errors and which conflicts
are open. It reads the database only: the repository is not contacted.

Exit status: 0 all is well; 1 a mirror's last run failed and is tried again, or edits
have not arrived for several polls (STALLED); 3
entities have errors or conflicts are open; 4 a mirror is blocked, or deletions are
held.`,
		Example: `  confmirror status
  confmirror status --json | jq '.mirrors[].state'`,
		Args: cobra.NoArgs,
		RunE: p.work(func(ctx context.Context, _ []string) error { return p.status(ctx, organization, asJSON) }),
	}
	organizationFlag(c, &organization, "only this organization (`slug`)")
	c.Flags().BoolVar(&asJSON, "json", false, `print JSON: {"mirrors": [...]}`)
	return c
}

// mirrorStatus is a mirror as `status --json` prints it: what the API says of it,
// and its errors by name.
type mirrorStatus struct {
	web.MirrorStatus
	Failures []failure `json:"failures"`
}

// failure is an entity, or a file without one, that has an error.
type failure struct {
	Kind     string             `json:"kind"`
	Slug     string             `json:"slug"`
	Path     string             `json:"path"`
	Rejected bool               `json:"rejected"` // a file without an entity
	Error    mirror.EntityError `json:"error"`
}

func (p *Program) status(ctx context.Context, organization string, asJSON bool) error {
	s, err := p.look(ctx)
	if err != nil {
		return err
	}
	list := []mirrorStatus{}
	status := exitDone
	if s != nil {
		defer s.close()
		if list, status, err = s.statuses(ctx, organization); err != nil {
			return err
		}
	} else if organization != "" {
		return unknownOrganization(organization)
	}
	if asJSON {
		if err := p.printJSON(map[string]any{"mirrors": list}); err != nil {
			return err
		}
		return result(status)
	}
	if len(list) == 0 {
		fmt.Fprintln(p.Stdout, "no organization is connected yet: see `confmirror connect --help`")
		return nil
	}
	for i, m := range list {
		if i > 0 {
			fmt.Fprintln(p.Stdout)
		}
		p.printStatus(m)
	}
	return result(status)
}

func (s *site) statuses(ctx context.Context, organization string) (list []mirrorStatus, status int, err error) {
	list = []mirrorStatus{}
	refs, err := s.db.Mirrors(ctx)
	if organization != "" && err == nil {
		var o *db.Organization
		if o, err = s.find(ctx, organization); err == nil {
			refs = []db.MirrorRef{{OrganizationID: o.ID, Organization: o.Slug}}
		}
	}
	if err != nil {
		return nil, exitFailed, err
	}
	for _, ref := range refs {
		now, err := s.db.Status(ctx, ref.OrganizationID)
		if errors.Is(err, db.ErrNotFound) {
			continue // deleted meanwhile
		}
		if err != nil {
			return nil, exitFailed, err
		}
		failures, err := s.db.Errors(ctx, ref.OrganizationID, 0)
		if err != nil {
			return nil, exitFailed, err
		}
		at := time.Now()
		if stalled := now.Stalled(s.config.Sync.Patience(at), at); stalled != nil {
			now.State.Conditions = append(now.State.Conditions, *stalled)
			status = worse(status, exitFailed)
		}
		list = append(list, newMirrorStatus(now, failures))
		status = worse(status, faultStatus(now.State.Name))
		if now.Held > 0 {
			status = worse(status, exitBlocked)
		}
		if now.Errors > 0 || now.Conflicts > 0 {
			status = worse(status, exitProblems)
		}
	}
	return list, status, nil
}

func newMirrorStatus(s *db.Status, failures []db.Failure) mirrorStatus {
	m := mirrorStatus{MirrorStatus: web.NewMirrorStatus(s), Failures: []failure{}}
	for _, f := range failures {
		m.Failures = append(m.Failures, failure{string(f.Kind), f.Slug, f.Path, f.Rejected, f.Error})
	}
	return m
}

func (p *Program) printStatus(m mirrorStatus) {
	fmt.Fprintf(p.Stdout, "%s: %s\n", m.Organization, m.State)
	printDetail(p.Stdout, "  ", m.Detail)
	w := table(p.Stdout)
	fmt.Fprintf(w, "  synced commit\t%s\n", short(m.SyncedCommit))
	if m.RemoteCommit != m.SyncedCommit {
		fmt.Fprintf(w, "  remote commit\t%s, not imported yet\n", short(m.RemoteCommit))
	}
	fmt.Fprintf(w, "  pending changes\t%d\n  errors\t%d\n  open conflicts\t%d\n", m.PendingChanges, m.Errors, m.Conflicts)
	if m.Held > 0 {
		fmt.Fprintf(w, "  held changes\t%d: see `confmirror approve --help`\n", m.Held)
	}
	fmt.Fprintf(w, "  run by\t%s\n", cmp.Or(m.Holder, "nobody: no daemon is running"))
	if r := m.LastRun; r != nil {
		fmt.Fprintf(w, "  last run\t%s, %s, by %s\n", r.StartedAt.Local().Format(time.DateTime), r.State, r.Trigger)
	}
	w.Flush()
	for _, c := range m.Conditions {
		fmt.Fprintf(p.Stdout, "  note %s: %s\n", c.Code, c.Message)
	}
	for _, f := range m.Failures {
		fmt.Fprintf(p.Stdout, "  %s %s %s\n", cmp.Or(f.Path, f.Kind+"/"+f.Slug), f.Error.Code, f.Error.Message)
	}
}
