package daemon_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A token may end at any request, also when all of a large push has been sent: it is
// replaced once, and the request is made once more.
func TestTokenExpires_C1(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint bitbuckettest.Endpoint
		requests int // to it, with the one that was refused
		work     func(w *world)
	}{
		"at a look": {bitbuckettest.EndpointFetch, 2, func(w *world) {}},
		"at a fetch": {bitbuckettest.EndpointFetch, 3, func(w *world) {
			w.commit(bitbuckettest.Write("toolkits/b.json", `{"slug":"b","name":"B"}`))
		}},
		"at a small push":                  {bitbuckettest.EndpointPush, 2, func(w *world) { w.insert("toolkits", "slug", "'b'", "name", "'B'") }},
		"at the probe before a large push": {bitbuckettest.EndpointPushRefs, 2, func(w *world) { w.largePush() }},
		"after a large push was sent":      {bitbuckettest.EndpointPush, 2, func(w *world) { w.largePush() }},
	} {
		t.Run(name, func(t *testing.T) {
			eachStepped(t, nil, func(s *stepped) {
				s.insert("toolkits", "slug", "'a'", "name", "'A'")
				s.must(s.step(s.orgID, starts))
				c.work(s.world)
				s.standIn.ResetRequests()
				s.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: s.standIn.RevokeTokens}, c.endpoint)
				s.must(s.step(s.orgID, person))
				s.wants("ok", "")
				if n := s.standIn.Count(c.endpoint); n != c.requests {
					t.Errorf("%d requests", n)
				}
				if n := s.standIn.Count(bitbuckettest.EndpointToken); n != 1 {
					t.Errorf("%d tokens", n)
				}
				s.checkClone()
			})
		})
	}
}

// largePush changes more than is sent without a question before.
func (w *world) largePush() {
	for n := range 8 {
		w.command(fmt.Sprint("large", n), 600<<10)
	}
}

// Tokens that are no good whatever is done are replaced once in a run, not again and again.
func TestTokensThatExpireAtOnce_C1(t *testing.T) {
	for _, endpoint := range []bitbuckettest.Endpoint{bitbuckettest.EndpointFetch, bitbuckettest.EndpointPush, bitbuckettest.EndpointPushRefs} {
		t.Run(string(endpoint), func(t *testing.T) {
			eachStepped(t, nil, func(s *stepped) {
				s.insert("toolkits", "slug", "'a'", "name", "'A'")
				s.must(s.step(s.orgID, starts))
				s.largePush()
				undo := s.standIn.Inject(bitbuckettest.Fault{Do: s.standIn.RevokeTokens}, endpoint)
				s.standIn.ResetRequests()
				if err := s.step(s.orgID, person); err == nil {
					t.Fatal("no fault")
				}
				if n := s.standIn.Count(); n > 10 { // with a look whether the server is an old one
					t.Errorf("%d requests", n)
				}
				undo()
				s.must(s.step(s.orgID, person))
				s.wants("ok", "")
			})
		})
	}
}

// A token is replaced before it ends, so that a long transfer does not outlive it; and at
// REST as at git.
func TestTokenIsReplacedInTime(t *testing.T) {
	eachStepped(t, nil, func(s *stepped) {
		s.must(s.step(s.orgID, starts))
		s.standIn.ResetRequests()
		for range 3 * 24 {
			s.clock.advance(5 * time.Minute)
			s.must(s.step(s.orgID, polls))
		}
		// Six hours of tokens that live for two.
		if n := s.standIn.Count(bitbuckettest.EndpointToken); n < 3 || n > 4 {
			t.Errorf("%d tokens", n)
		}
		for _, r := range s.standIn.Requests() {
			if r.Status == 401 {
				t.Errorf("a request was made with a token that had ended: %+v", r)
			}
		}
		s.standIn.Inject(bitbuckettest.Fault{Times: 1, Do: s.standIn.RevokeTokens}, bitbuckettest.EndpointREST)
		s.restart()
		s.standIn.ResetRequests()
		s.must(s.step(s.orgID, starts))
		if rest, tokens := s.standIn.Count(bitbuckettest.EndpointREST), s.standIn.Count(bitbuckettest.EndpointToken); rest != 2 || tokens != 2 {
			t.Errorf("%d requests to REST, %d tokens", rest, tokens)
		}
		s.wants(mirror.StateOK, "")
	})
}
