package daemon

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confmirror/confmirror/configs"
)

func TestTicksWhileTheClockIsSet(t *testing.T) {
	for _, c := range []struct {
		name, schedule string
		set            time.Duration // of the wall clock, after the first minute
		within         time.Duration
		least, most    int64
	}{
		{"steady", "@every 1m", 0, 10 * time.Minute, 9, 10},
		{"set back by two hours", "@every 1m", -2 * time.Hour, 10 * time.Minute, 9, 10},
		{"set forward by two hours", "@every 1m", 2 * time.Hour, 10 * time.Minute, 9, 10},
		{"daily", "0 3 * * *", 0, 72 * time.Hour, 3, 3},
		{"daily, set forward over it", "0 3 * * *", 5 * time.Hour, 12 * time.Hour, 1, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				when, err := configs.ParseSchedule(c.schedule)
				if err != nil {
					t.Fatal(err)
				}
				var offset, n atomic.Int64
				now := func() time.Time { return time.Now().UTC().Add(time.Duration(offset.Load())) }
				ctx, stop := context.WithCancel(t.Context())
				go ticks(ctx, when, now, func() { n.Add(1) })
				<-time.After(time.Minute + time.Second)
				offset.Store(int64(c.set))
				<-time.After(c.within - time.Minute)
				if got := n.Load(); got < c.least || got > c.most {
					t.Errorf("%d ticks, want %d to %d", got, c.least, c.most)
				}
				stop()
			})
		})
	}
}
