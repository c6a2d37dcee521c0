package daemon

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
)

// When pull requests are looked at, and that nothing is looked at again and again.
func TestReviewsAreDue(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(minutes float64) time.Time { return start.Add(time.Duration(minutes * float64(time.Minute))) }
	r := newReviews()
	m := &mirror.Mirror{OrganizationID: "1", Organization: "acme"}
	// took takes what is due and ends it; last is what the database has then.
	took := func(minutes float64, last db.Reviews, listed bool, err error) bool {
		id, known, _ := r.next(at(minutes))
		if id != "" {
			r.ended(id, &reviewRound{known: known, mirror: m, last: last, listed: listed, log: slog.New(slog.DiscardHandler)}, err, at(minutes))
			if again, _, wait := r.next(at(minutes)); again != "" || wait <= 0 {
				t.Errorf("after %v minutes it is due again at once", minutes)
			}
		}
		return id != ""
	}
	want := func(what string, got, want bool) {
		t.Helper()
		if got != want {
			t.Errorf("%s: looked %v, want %v", what, got, want)
		}
	}
	known := func(minutes float64, head mirror.Hash, open int) db.Reviews {
		return db.Reviews{ReviewRound: db.ReviewRound{ListedAt: at(minutes), Head: head}, Reviews: make([]db.Review, open)}
	}
	nothing := db.Reviews{}

	r.told([]string{"1"}) // not ours
	r.ran(m, "a", false, at(0))
	want("what is remembered is read once", took(0, nothing, false, nil), true)
	r.ran(m, "a", false, at(9))
	want("before the host is asked", took(9, nothing, false, nil), false)
	want("a paused mirror", took(10, nothing, false, nil), true)
	want("a paused mirror", took(19, nothing, false, nil), false)
	want("time to ask", took(20, known(20, "a", 1), true, nil), true)
	r.told([]string{"1"})
	want("a delivery that comes at once", took(20.1, nothing, false, nil), false)
	want("a delivery", took(20.3, known(20.3, "a", 1), true, nil), true)
	r.ran(m, "b", false, at(20.5))
	want("the branch moved just after", took(21, nothing, false, nil), false)
	want("the branch moved", took(21.5, known(20.3, "b", 1), false, nil), true)
	r.ran(m, "b", true, at(22))
	want("asked for by somebody else, perhaps", took(22, known(20.3, "b", 1), false, nil), true)

	r.told([]string{"1"})
	want("a host that fails", took(23, known(20.3, "b", 1), false, errors.New("no")), true)
	want("a host that fails", took(23.5, nothing, false, nil), false)
	want("it is tried again", took(24, known(24, "b", 0), true, nil), true)
	r.ran(m, "c", false, at(24.5))
	want("the branch moved without pull requests", took(33, nothing, false, nil), false)

	heard := known(34, "c", 0)
	heard.HeardAt = at(34)
	want("time to ask again", took(34, heard, true, nil), true)
	want("deliveries tell of pull requests", took(93, nothing, false, nil), false)
	heard.ListedAt = at(94)
	want("time to ask all the same", took(94, heard, true, nil), true)
	r.forget("1")
	if left := r.takeLeft(); len(left) != 1 || left[0] != "acme" || took(300, nothing, false, nil) {
		t.Errorf("forgotten: %v", left)
	}
}
