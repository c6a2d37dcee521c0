package daemon

import (
	"testing"
	"time"

	"github.com/confmirror/confmirror/daemon/web"
	"github.com/confmirror/confmirror/db"
)

// W9: a flood of deliveries is one write a minute for each mirror, and the last one of it is
// written in the end.
func TestDeliveriesAreWrittenOnceAMinute(t *testing.T) {
	l := newDeliveries()
	begin := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	writes := 0
	var last db.WebhookDeliveries
	for i := range 180 { // a second each
		now := begin.Add(time.Duration(i) * time.Second)
		l.note([]string{"acme"}, web.Delivery{Event: "repo:push"}, now)
		l.note([]string{"acme"}, web.Delivery{Event: "pullrequest:created", Refused: db.RefusedSignature}, now)
		due, wait := l.due(now, false)
		if d, ok := due["acme"]; ok {
			writes++
			last = d
		} else if wait > time.Minute {
			t.Errorf("second %d: the next write is in %s", i, wait)
		}
	}
	if writes != 3 || !last.PushedAt.Equal(begin.Add(2*time.Minute)) {
		t.Errorf("%d writes, the last one of %s", writes, last.PushedAt)
	}
	end := begin.Add(179 * time.Second)
	due, _ := l.due(end, true)
	want := db.WebhookDeliveries{
		DeliveredAt: end, DeliveredEvent: "repo:push", PushedAt: end,
		RefusedAt: end, RefusedEvent: "pullrequest:created", RefusedWhy: db.RefusedSignature,
	}
	if due["acme"] != want {
		t.Errorf("at the end %+v", due)
	}
	if due, wait := l.due(end.Add(time.Hour), true); len(due) > 0 || wait != time.Hour {
		t.Errorf("nothing new: %v, again in %s", due, wait)
	}
}
