package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/document"
)

// Bounds of a verdict's delivery.
const (
	verdictTimeout = 20 * time.Second
	verdictPause   = time.Minute // before another attempt; it doubles
	verdictTries   = 5
)

// verdict is a build status on its way to a commit that somebody pushed.
type verdict struct {
	host         mirror.Statuses
	organization string
	commit       mirror.Hash
	status       mirror.Status
	tries        int
	due          time.Time
}

// verdicts are delivered beside the runs: no mirror waits for its host's REST interface. A
// mirror has one at most, the latest; what is not delivered when the daemon ends is lost,
// and the next push gets another one.
type verdicts struct {
	mu      sync.Mutex
	waiting map[string]*verdict // by organization's id
	unable  map[string]bool     // mirrors whose credentials lack the scope, which was said
	more    chan struct{}       // of capacity 1
}

func newVerdicts() *verdicts {
	return &verdicts{waiting: map[string]*verdict{}, unable: map[string]bool{}, more: make(chan struct{}, 1)}
}

// judge notes what became of a commit.
func (d *Daemon) judge(m *mirror.Mirror, host mirror.Statuses, report *mirror.Report) {
	if !report.Settled || report.Judged == "" {
		return
	}
	v := &verdict{host: host, organization: m.Organization, commit: report.Judged, status: statusOf(report)}
	v.status.Branch = m.Branch()
	v.status.URL = d.pageOf(m, report.Judged)
	d.verdicts.mu.Lock()
	defer d.verdicts.mu.Unlock()
	d.verdicts.waiting[m.OrganizationID] = v
	select {
	case d.verdicts.more <- struct{}{}:
	default:
	}
}

// statusOf is a run's verdict on the commit that it imported from.
func statusOf(report *mirror.Report) mirror.Status {
	s := mirror.Status{Name: "confmirror", State: mirror.StatusSuccessful}
	done := map[mirror.Verb]int{}
	var bad []string
	for _, a := range report.Actions {
		if a.Direction != mirror.ToDatabase {
			continue
		}
		if a.Verb == mirror.VerbError {
			bad = append(bad, fmt.Sprintf("%s: %s", a.Path, a.Detail))
		} else {
			done[a.Verb]++
		}
	}
	var parts []string
	if report.State == mirror.StateHeld {
		s.State = mirror.StatusFailed
		parts = append(parts, "held until somebody approves: "+report.Detail.Message)
	}
	if len(bad) > 0 {
		s.State = mirror.StatusFailed
		parts = append(parts, refused(bad))
	}
	parts = append(parts, counted(done)...)
	if report.ActionsLeftOut > 0 {
		parts = append(parts, fmt.Sprintf("%d more", report.ActionsLeftOut))
	}
	if len(parts) == 0 {
		parts = []string{"nothing that is mirrored changed"}
	}
	s.Description = strings.Join(parts, ", ")
	return s
}

// refused counts bad files, and names the first.
func refused(bad []string) string {
	files := "1 file is refused"
	if len(bad) > 1 {
		files = fmt.Sprintf("%d files are refused", len(bad))
	}
	return files + ": " + strings.Join(bad[:min(len(bad), 3)], "; ")
}

// counted says how much of what was done.
func counted(done map[mirror.Verb]int) (parts []string) {
	for _, verb := range []mirror.Verb{mirror.VerbCreate, mirror.VerbUpdate, mirror.VerbRename, mirror.VerbMerge, mirror.VerbConflict, mirror.VerbDelete} {
		if n := done[verb]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, passive[verb]))
		}
	}
	return parts
}

var passive = map[mirror.Verb]string{
	mirror.VerbCreate: "created", mirror.VerbUpdate: "updated", mirror.VerbRename: "renamed",
	mirror.VerbMerge: "merged", mirror.VerbConflict: "in conflict", mirror.VerbDelete: "deleted",
}

// pageOf is where a verdict leads to: this daemon, or where only this machine reaches it
// the commit itself.
func (d *Daemon) pageOf(m *mirror.Mirror, commit mirror.Hash) string {
	if own, err := url.Parse(d.config().HTTP.PublicURL); err == nil && !document.Loopback(own.Hostname()) {
		return own.String() + "/"
	}
	return bitbucket.CommitURL(m.Settings, commit)
}

// deliverVerdicts works until ctx ends.
func (d *Daemon) deliverVerdicts(ctx context.Context) {
	again := time.NewTimer(verdictPause)
	defer again.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.verdicts.more:
		case <-again.C:
		}
		again.Reset(d.verdicts.deliver(ctx, d))
	}
}

// deliver tries what is due, and returns when to look again.
func (v *verdicts) deliver(ctx context.Context, d *Daemon) time.Duration {
	for {
		id, next := v.next(time.Now())
		if next == nil {
			break
		}
		limited, cancel := context.WithTimeout(ctx, verdictTimeout)
		err := next.host.SetStatus(limited, next.commit, next.status)
		cancel()
		if ctx.Err() != nil {
			return verdictPause
		}
		v.delivered(d, id, next, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	wait := time.Hour
	for _, w := range v.waiting {
		wait = min(wait, max(time.Until(w.due), 0))
	}
	return wait
}

func (v *verdicts) next(now time.Time) (id string, due *verdict) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for id, w := range v.waiting {
		if !w.due.After(now) {
			return id, w
		}
	}
	return "", nil
}

// delivered takes a verdict off the list, or leaves it for another attempt.
func (v *verdicts) delivered(d *Daemon, id string, w *verdict, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	w.tries++
	log := d.log.With("organization", w.organization, "commit", w.commit)
	lacks := new(*mirror.ScopeError)
	switch f := mirror.AsFault(err); {
	case err == nil:
		delete(v.unable, id)
		log.Debug("commit has its status", "state", w.status.State)
	case errors.As(err, lacks):
		if !v.unable[id] {
			log.Warn("commits get no build status: the credentials lack a permission; everything else works", "needed", (*lacks).Required, "code", f.Code, "remedy", f.Remedy)
		}
		v.unable[id] = true
	case f.Class == mirror.Transient && w.tries < verdictTries:
		w.due = time.Now().Add(max(f.RetryAfter, verdictPause<<(w.tries-1)))
		log.Debug("commit gets its status later", "code", f.Code, "error", err)
		return
	default:
		log.Info("commit got no build status", "code", f.Code, "message", f.Message, "error", err)
	}
	if v.waiting[id] == w { // else a later commit took its place
		delete(v.waiting, id)
	}
}
