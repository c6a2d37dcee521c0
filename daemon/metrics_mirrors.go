package daemon

import (
	"context"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/confmirror/confmirror/db"
)

// mirrorMetrics show how each mirror that this daemon has is at the time of the scrape. Ages go
// on growing while nothing works any more.
type mirrorMetrics struct{ d *Daemon }

var mirrorsUnheld = prometheus.NewDesc("confmirror_mirrors_unheld", "Connected mirrors that no daemon has, of all daemons of the database.", nil, nil)

var (
	perMirror     = []string{"organization"}
	mirrorState   = mirrorMetric("state", "1, with the state that the mirror is in.", "state")
	mirrorPending = mirrorMetric("pending_changes", "Entities whose edits in the database are not exported yet; 1000 stands for more.")
	// The lag, in both directions.
	mirrorToGit      = mirrorMetric("unexported_age_seconds", "Age of the oldest edit of the database that is not exported; 0: there is none.")
	mirrorToDatabase = mirrorMetric("unimported_age_seconds", "For how long the branch has had a commit that is not imported; 0: there is none.")
	mirrorSucceeded  = mirrorMetric("last_success_timestamp_seconds", "When a run of this daemon last ended well, or could first have begun.")
	mirrorStalled    = mirrorMetric("stalled", "1 while edits do not arrive, whatever the reason (the condition STALLED).")
	mirrorErrors     = mirrorMetric("errors", "Entities and files with an error.")
	mirrorConflicts  = mirrorMetric("conflicts", "Open conflicts.")
	mirrorHeld       = mirrorMetric("held", "Changes that wait for a person to approve or discard them.")
	mirrorToken      = mirrorMetric("token_expiry_timestamp_seconds", "When the access token that the mirror uses now ends; it is renewed before.")
)

func mirrorMetric(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("confmirror_mirror_"+name, help, append(perMirror[:1:1], labels...), nil)
}

// Describe tells nothing: which mirrors there are changes.
func (m mirrorMetrics) Describe(chan<- *prometheus.Desc) {}

// Collect examines the mirrors.
func (m mirrorMetrics) Collect(to chan<- prometheus.Metric) {
	found := m.d.examine(context.Background())
	to <- prometheus.MustNewConstMetric(mirrorsUnheld, prometheus.GaugeValue, float64(found.unheld))
	for _, st := range found.statuses {
		m.collect(to, st)
	}
}

func (m mirrorMetrics) collect(to chan<- prometheus.Metric, st *db.Status) {
	now := m.d.now()
	number := func(desc *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value, append([]string{st.Organization}, labels...)...)
	}
	number(mirrorState, 1, string(st.State.Name))
	number(mirrorPending, float64(st.Pending))
	toGit, toDatabase := 0.0, 0.0
	if st.PendingSince != nil {
		toGit = max(0, now.Sub(*st.PendingSince).Seconds())
	}
	if st.BehindSince != nil {
		toDatabase = max(0, now.Sub(*st.BehindSince).Seconds())
	}
	number(mirrorToGit, toGit)
	number(mirrorToDatabase, toDatabase)
	stalled := 0.0
	if m.d.stalled(st) != nil {
		stalled = 1
	}
	number(mirrorStalled, stalled)
	if st.Succeeded != nil {
		number(mirrorSucceeded, float64(st.Succeeded.UnixMilli())/1000)
	}
	number(mirrorErrors, float64(st.Errors))
	number(mirrorConflicts, float64(st.Conflicts))
	number(mirrorHeld, float64(st.Held))
	if expiry := m.d.sessions.tokenExpiry(st.OrganizationID); !expiry.IsZero() {
		number(mirrorToken, float64(expiry.Unix()))
	}
}
