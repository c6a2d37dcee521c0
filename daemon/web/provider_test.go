package web

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A provider that answers slowly is asked once for all who wait, and who leaves does not
// wait any longer.
func TestSignInsDoNotQueueForTheirProvider(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int32
		answer := make(chan struct{})
		p := newProvider(OIDC{Issuer: "https://login.example.com", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			asked.Add(1)
			select {
			case <-answer:
				return nil, errors.New("down")
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		})}, "https://confmirror.example.com", time.Now)
		leaving, leave := context.WithCancel(t.Context())
		left := make(chan error, 1)
		go func() {
			_, err := p.discover(leaving)
			left <- err
		}()
		synctest.Wait()
		failed := make(chan error, 3)
		for range cap(failed) {
			go func() {
				_, err := p.discover(t.Context())
				failed <- err
			}()
		}
		synctest.Wait()
		if n := asked.Load(); n != 1 {
			t.Errorf("it was asked %d times", n)
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("who left: %v", err)
		}
		close(answer)
		for range cap(failed) {
			if err := <-failed; err == nil || errors.Is(err, context.Canceled) {
				t.Errorf("who stayed: %v", err)
			}
		}
		if _, err := p.discover(t.Context()); err == nil || asked.Load() != 2 {
			t.Errorf("it is not asked again: %v", err)
		}
	})
}
