package daemon

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// A daemon sees many mirrors come and go: it must not remember them for ever.
func TestQueueForgetsWhatIsNotItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		results := map[string]error{"held": nil, "lost": errNotHolder, "gone": mirror.ErrNoMirror}
		q := NewQueue(func() time.Duration { return time.Second }, func(_ context.Context, id string, _ Nudge) (Result, time.Duration) {
			return Result{Err: results[id]}, 0
		})
		ctx, stop := context.WithCancel(t.Context())
		go q.Run(ctx, t.Context(), 2)
		for id, want := range results {
			if r := q.Wait(ctx, id, Nudge{Trigger: "request", Person: true}); r.Err != want {
				t.Errorf("%s: %v", id, r.Err)
			}
		}
		synctest.Wait()
		q.mu.Lock()
		if len(q.mirrors) != 1 || q.mirrors["held"] == nil {
			t.Errorf("the queue remembers %v", q.mirrors)
		}
		q.mu.Unlock()
		stop()
		synctest.Wait()
	})
}

// However many nudges come while a mirror runs, one more run answers them all, and
// what they ask for adds up.
func TestQueueCoalesces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran []Nudge
		first := make(chan struct{})
		q := NewQueue(func() time.Duration { return time.Second }, func(_ context.Context, _ string, n Nudge) (Result, time.Duration) {
			if ran = append(ran, n); len(ran) == 1 {
				<-first
			}
			return Result{}, 0
		})
		ctx, stop := context.WithCancel(t.Context())
		go q.Run(ctx, t.Context(), 4)
		q.Nudge("a", Nudge{Trigger: "start", Look: true})
		synctest.Wait()
		for range 100 {
			q.Nudge("a", Nudge{Trigger: "database"})
			q.Nudge("a", Nudge{Trigger: "webhook", Look: true})
			q.Nudge("a", Nudge{Trigger: "audit", Full: true})
		}
		close(first)
		<-time.After(time.Minute) // of the bubble's clock
		synctest.Wait()
		if want := (Nudge{Trigger: "database", Look: true, Full: true}); len(ran) != 2 || ran[1] != want {
			t.Errorf("ran %+v", ran)
		}
		stop()
		synctest.Wait()
	})
}

// What nobody waits for comes last, but it comes; and it is in the background no more as soon
// as somebody waits for it.
func TestQueueBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ran []string
		first := make(chan struct{})
		q := NewQueue(func() time.Duration { return 0 }, func(_ context.Context, id string, _ Nudge) (Result, time.Duration) {
			if ran = append(ran, id); len(ran) == 1 {
				<-first
			}
			return Result{}, 0
		})
		ctx, stop := context.WithCancel(t.Context())
		go q.Run(ctx, t.Context(), 1)
		q.Nudge("first", Nudge{Trigger: "database"})
		synctest.Wait()
		for _, id := range []string{"p1", "p2", "p3", "e4"} {
			q.Nudge(id, Nudge{Trigger: "poll", Look: true, Background: true})
		}
		for _, id := range []string{"e1", "e2", "e3", "e4", "e5", "e6"} {
			q.Nudge(id, Nudge{Trigger: "database"})
		}
		q.Nudge("e1", Nudge{Trigger: "poll", Background: true})
		if depth := q.Depth(); depth != 9 {
			t.Errorf("%d wait", depth)
		}
		close(first)
		synctest.Wait()
		if want := []string{"first", "e1", "e2", "e3", "p1", "e4", "e5", "e6", "p2", "p3"}; !slices.Equal(ran, want) {
			t.Errorf("ran %v, want %v", ran, want)
		}
		stop()
		synctest.Wait()
	})
}

// An errand is done once, however often it is given.
func TestErrandsAreOneForEachMirror(t *testing.T) {
	e := newErrands()
	for range 100 {
		e.add("a")
		e.add("b")
	}
	<-e.more
	if ids := e.take(); len(ids) != 2 {
		t.Errorf("errands %v", ids)
	}
	if ids := e.take(); len(ids) != 0 || len(e.more) != 0 {
		t.Errorf("errands left: %v", ids)
	}
}
