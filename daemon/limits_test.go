package daemon_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/confmirror/confmirror/daemon"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// Git has a limit of its own: a mirror that meets it comes back more and more rarely, not
// before it is asked to, and not at the same instant as all the others.
func TestGitIsLimited(t *testing.T) {
	for name, c := range map[string]struct {
		header   string
		min, max []time.Duration // of the pauses in a row
	}{
		"nothing said": {"", []time.Duration{24 * time.Second, 48 * time.Second, 96 * time.Second}, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute}},
		"seconds":      {"90", []time.Duration{90 * time.Second}, []time.Duration{99 * time.Second}},
		"a date":       {time.Now().Add(10 * time.Minute).UTC().Format(http.TimeFormat), []time.Duration{9 * time.Minute}, []time.Duration{11 * time.Minute}},
		"for ever":     {"99999999", []time.Duration{time.Hour}, []time.Duration{66 * time.Minute}},
	} {
		t.Run(name, func(t *testing.T) {
			eachStepped(t, nil, func(s *stepped) {
				s.must(s.step(s.orgID, starts))
				limited := bitbuckettest.TooManyRequests(0)
				if c.header != "" {
					limited.Header = http.Header{"Retry-After": {c.header}}
				}
				undo := s.standIn.Inject(limited, bitbuckettest.GitEndpoints...)
				for i := range c.min {
					n := s.asked(func() {
						r, again := s.daemon.Step(t.Context(), s.orgID, daemon.Nudge{Trigger: "retry", Look: true})
						if mirror.AsFault(r.Err).Code != mirror.CodeRateLimited || again < c.min[i] || again > c.max[i] {
							t.Errorf("%v, again after %s", r.Err, again)
						}
					})
					if n != 1 {
						t.Errorf("%d requests", n)
					}
				}
				s.wants("error", mirror.CodeRateLimited)
				undo()
				s.must(s.step(s.orgID, polls))
				s.wants("ok", "")
			})
		})
	}
}

// Limited or down, REST keeps no mirror from being mirrored, and all mirrors of a consumer
// together ask it no more often than one.
func TestGitGoesOnWithoutREST(t *testing.T) {
	for name, fault := range map[string]bitbuckettest.Fault{
		"429": bitbuckettest.TooManyRequests(0), "429 for long": bitbuckettest.TooManyRequests(3600),
		"502": bitbuckettest.Down(502), "555": {Status: 555, Body: "Timeout"}, "a login page": {Status: 200, Header: http.Header{"Content-Type": {"text/html"}}, Body: "<html>Log in</html>"},
	} {
		t.Run(name, func(t *testing.T) {
			eachStepped(t, func(w *world) {
				more := *w.config.Mirrors[0]
				more.Organization, more.Repository = "acme-2", "webrix-2"
				_, err := w.standIn.CreateRepository("acme-corp", more.Repository)
				w.must(err)
				w.config.Mirrors = append(w.config.Mirrors, &more)
			}, func(s *stepped) {
				ids := s.organizations(s.config.Mirrors)
				for _, id := range ids {
					s.must(s.step(id, starts))
				}
				s.standIn.Inject(fault, bitbuckettest.EndpointREST)
				s.restart() // who forgot everything asks for the repository's facts
				s.standIn.ResetRequests()
				for n := range 10 {
					s.orgID = ids[n%2]
					s.insert("toolkits", "slug", quote(fmt.Sprint("t", n)), "name", "'T'")
					s.clock.advance(time.Minute)
					for _, id := range ids {
						s.must(s.step(id, changes))
						s.must(s.step(id, polls))
					}
				}
				if n := len(s.files()); n != 5 {
					t.Errorf("%d files", n)
				}
				for _, id := range ids {
					s.orgID = id
					s.wants("ok", "")
				}
				if n := s.standIn.Count(bitbuckettest.EndpointREST); n > 2 {
					t.Errorf("%d requests to REST", n)
				}
			})
		})
	}
}

// A day of an ordinary mirror: a poll is one request to git, a change two, and REST is not asked.
func TestOrdinaryRunsDoWithoutREST(t *testing.T) {
	eachStepped(t, nil, func(s *stepped) {
		s.insert("toolkits", "slug", "'a'", "name", "'A'")
		s.must(s.step(s.orgID, starts))
		s.standIn.ResetRequests()
		for n := range 60 {
			s.clock.advance(time.Minute)
			s.must(s.step(s.orgID, polls))
			if n%10 == 0 {
				s.exec("UPDATE toolkits SET name = 'A%d' WHERE slug = 'a'", n)
				s.must(s.step(s.orgID, changes))
			}
		}
		if n := s.standIn.Count(bitbuckettest.EndpointREST); n != 0 {
			t.Errorf("%d requests to REST: %v", n, s.standIn.CountRoutes())
		}
		if n := s.standIn.Count(bitbuckettest.GitEndpoints...); n != 60+6 {
			t.Errorf("%d requests to git", n)
		}
		if n := s.standIn.Count(bitbuckettest.EndpointToken); n > 1 {
			t.Errorf("%d tokens", n)
		}
	})
}
