package db

import (
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Stalled is the condition of a mirror whose edits have not arrived for longer than patience,
// whatever the reason; nil while they do. It goes by the age of what waits, not by errors
// alone: a worker that stands still reports none.
func (s *Status) Stalled(patience time.Duration, now time.Time) *mirror.Detail {
	switch s.State.Name {
	case mirror.StateDisconnected, mirror.StatePaused:
		return nil
	case mirror.StateBlocked, mirror.StateError:
		if failed := s.State.Detail; failed != nil && now.Sub(failed.Since) > patience {
			return &mirror.Detail{
				Code: mirror.CodeStalled, Message: "Every run fails, for longer than several polls take: " + failed.Code + ".",
				Remedy: failed.Remedy, Since: failed.Since,
			}
		}
	}
	remedy := "Look at the log of the daemon that runs the mirror, " + s.Holder + ". If it stands still, restart it: nothing is lost."
	if s.Holder == "" {
		remedy = "No daemon runs the mirror: start one, or look in the logs why none takes it. Nothing is lost."
	}
	for _, waits := range []struct {
		since *time.Time
		what  string
	}{
		{s.BehindSince, "The branch has commits that are not imported"},
		{s.PendingSince, "The database has edits that are not exported"},
		{s.Succeeded, "No run has ended well"},
	} {
		if waits.since != nil && now.Sub(*waits.since) > patience {
			return &mirror.Detail{Code: mirror.CodeStalled, Message: waits.what + ", for longer than several polls take.", Remedy: remedy, Since: waits.since.UTC()}
		}
	}
	return nil
}
