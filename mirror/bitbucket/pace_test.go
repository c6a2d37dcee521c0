package bitbucket_test

import (
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// clock is time that a test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 6, 5, 13, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// paced is a consumer's mirrors of one repository.
type paced struct {
	*bitbuckettest.Server
	clock *clock
	paces *bitbucket.Paces
	key   string
	token *bitbucket.TokenSource
}

func newPaced(t *testing.T) *paced {
	t.Helper()
	p := &paced{clock: newClock()}
	p.paces = &bitbucket.Paces{Now: p.clock.Now}
	p.Server = bitbuckettest.Start(t, bitbuckettest.Options{Now: p.clock.Now})
	k := p.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	for _, slug := range []string{"one", "two"} {
		ok[*bitbuckettest.Repo](t)(p.CreateRepository("acme-corp", slug))
	}
	p.SetTokenLife(1000 * time.Hour)
	p.key, p.token = k.Key, source(t, p.Server, k.Key, k.Secret)
	return p
}

func (p *paced) client(t *testing.T, slug string, tokens bitbucket.Tokens) *bitbucket.Client {
	t.Helper()
	return ok[*bitbucket.Client](t)(bitbucket.NewClient(bitbucket.Target{
		Workspace: "acme-corp", Slug: slug, URL: p.APIURL(), HTTP: client(), Paces: p.paces,
	}, tokens))
}

func (p *paced) rest() int { return p.Count(bitbuckettest.EndpointREST) }

// A thousand requests within any hour, whichever mirror makes them; then an answer at
// once that says when it goes on, and nothing said about git or other consumers.
func TestHourlyBudget(t *testing.T) {
	p := newPaced(t)
	one, two := p.client(t, "one", p.token), p.client(t, "two", p.token)
	// No request is needed to spend a budget: what cannot be sent counts as well.
	dead := ok[*bitbucket.Client](t)(bitbucket.NewClient(bitbucket.Target{
		Workspace: "acme-corp", Slug: "one", URL: p.APIURL(), Paces: p.paces, HTTP: &http.Client{Transport: roundTrip(
			func(*http.Request) (*http.Response, error) {
				return answer(404, "application/json", `{"type":"error","error":{"message":"Resource not found"}}`), nil
			})},
	}, p.token))
	start := p.clock.Now()
	for i := range 1000 {
		if i == 500 {
			p.clock.advance(10 * time.Minute)
		}
		if _, err := dead.PullRequest(t.Context(), 1); !errors.Is(err, mirror.ErrGone) {
			t.Fatal(i, err)
		}
	}
	p.ResetRequests()
	for name, c := range map[string]*bitbucket.Client{"one": one, "two": two} {
		_, err := c.Repository(t.Context())
		f := wantFault(t, err, mirror.CodeRateLimited, mirror.Transient, "later")
		limit, ok := errors.AsType[*mirror.LimitError](err)
		if !ok || !limit.Spent || !limit.FreeAt.Equal(start.Add(time.Hour)) || f.RetryAfter != 50*time.Minute {
			t.Errorf("%s: %v after %s", name, limit, f.RetryAfter)
		}
		if b := c.Budget(); b.Limit != 1000 || b.Used != 1000 || !b.FreeAt.Equal(start.Add(time.Hour)) {
			t.Errorf("%s: %+v", name, b)
		}
	}
	if p.rest() != 0 {
		t.Errorf("%d requests", p.rest())
	}
	// Git gets its credentials, a token of another account has its own budget.
	if _, _, err := p.token.Basic(t.Context(), false); err != nil {
		t.Error(err)
	}
	if _, err := p.client(t, "one", bitbucket.NewStaticToken(mirror.NewSecret(p.AddAccessToken("acme-corp", "one", "repository")))).Repository(t.Context()); err != nil {
		t.Error(err)
	}
	p.clock.advance(50 * time.Minute) // half of them are an hour old
	if _, err := two.Repository(t.Context()); err != nil {
		t.Error(err)
	}
	if b := one.Budget(); b.Used != 501 || !b.FreeAt.IsZero() {
		t.Errorf("%+v", b)
	}
}

// The host's own limit: nobody asks again until it may have gone by.
func TestTooManyRequests(t *testing.T) {
	for name, tt := range map[string]struct {
		header   string
		min, max time.Duration
	}{
		"nothing said":   {"", 15 * time.Second, 30 * time.Second},
		"seconds":        {"90", 90 * time.Second, 90 * time.Second},
		"a date":         {"Fri, 05 Jun 2026 13:02:00 GMT", 2 * time.Minute, 2 * time.Minute},
		"a date gone by": {"Fri, 05 Jun 2026 12:00:00 GMT", 15 * time.Second, 30 * time.Second},
		"nonsense":       {"soon", 15 * time.Second, 30 * time.Second},
		"for ever":       {"9999999", time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPaced(t)
			one, two := p.client(t, "one", p.token), p.client(t, "two", p.token)
			limited := bitbuckettest.TooManyRequests(0)
			limited.Times = 1
			if tt.header != "" {
				limited.Header = http.Header{"Retry-After": {tt.header}}
			}
			defer p.Inject(limited, bitbuckettest.EndpointREST)()
			_, err := one.Repository(t.Context())
			wantFault(t, err, mirror.CodeRateLimited, mirror.Transient, "later")
			_, err = two.Repository(t.Context())
			f := wantFault(t, err, mirror.CodeRateLimited, mirror.Transient, "later")
			limit, ok := errors.AsType[*mirror.LimitError](err)
			if !ok || limit.Spent || f.RetryAfter < tt.min || f.RetryAfter > tt.max || p.rest() != 1 {
				t.Fatalf("%v after %s, %d requests", limit, f.RetryAfter, p.rest())
			}
			if b := two.Budget(); b.Failures != 1 || !b.FreeAt.Equal(limit.FreeAt) {
				t.Errorf("%+v", b)
			}
			p.clock.advance(f.RetryAfter)
			if _, err := two.Repository(t.Context()); err != nil {
				t.Error(err)
			}
			if b := one.Budget(); b.Failures != 0 || !b.FreeAt.IsZero() {
				t.Errorf("%+v", b)
			}
		})
	}
}

// A limit that lasts is asked about more and more rarely: a few times in an hour.
func TestLastingLimit(t *testing.T) {
	p := newPaced(t)
	c := p.client(t, "one", p.token)
	p.SetRateLimit(0)
	defer p.Inject(bitbuckettest.TooManyRequests(0), bitbuckettest.EndpointREST)()
	for range 60 {
		if _, err := c.Repository(t.Context()); err == nil {
			t.Fatal("no fault")
		}
		p.clock.advance(time.Minute)
	}
	if n := p.rest(); n < 3 || n > 9 {
		t.Errorf("%d requests in an hour", n)
	}
}

// A host that does not work is asked again at once twice, then it is given a rest that grows.
func TestFailingHost(t *testing.T) {
	p := newPaced(t)
	c := p.client(t, "one", p.token)
	undo := p.Inject(bitbuckettest.Down(502), bitbuckettest.EndpointREST)
	for range 3 {
		_, err := c.Repository(t.Context())
		wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "again")
	}
	var last time.Duration
	for i := range 12 {
		before := p.rest()
		_, err := c.Repository(t.Context())
		f := wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "again")
		if _, ok := errors.AsType[*mirror.LimitError](err); !ok || p.rest() != before {
			t.Fatalf("%d: %v, %d requests", i, err, p.rest()-before)
		}
		if whole := min(2*time.Second<<i, 5*time.Minute); f.RetryAfter < whole/2 || f.RetryAfter > whole {
			t.Errorf("%d: rests %s", i, f.RetryAfter)
		}
		last = f.RetryAfter
		p.clock.advance(f.RetryAfter)
		if _, err := c.Repository(t.Context()); err == nil || p.rest() != before+1 {
			t.Fatalf("%d: %v", i, err)
		}
	}
	if last < 2*time.Minute {
		t.Errorf("the longest rest is %s", last)
	}
	undo()
	p.clock.advance(5 * time.Minute)
	if _, err := c.Repository(t.Context()); err != nil {
		t.Error(err)
	}
	if b := c.Budget(); b.Failures != 0 || !b.FreeAt.IsZero() {
		t.Errorf("%+v", b)
	}
}

// After a rest one request goes ahead; the others wait for what becomes of it.
func TestOneGoesAhead(t *testing.T) {
	p := newPaced(t)
	one, two := p.client(t, "one", p.token), p.client(t, "two", p.token)
	undo := p.Inject(bitbuckettest.TooManyRequests(30), bitbuckettest.EndpointREST)
	if _, err := one.Repository(t.Context()); err == nil {
		t.Fatal("no fault")
	}
	undo()
	p.clock.advance(30 * time.Second)
	var inside error
	defer p.Inject(bitbuckettest.Fault{Times: 1, Do: func() { _, inside = two.Repository(t.Context()) }}, bitbuckettest.EndpointREST)()
	if _, err := one.Repository(t.Context()); err != nil {
		t.Error(err)
	}
	wantFault(t, inside, mirror.CodeRateLimited, mirror.Transient, "later")
	if _, err := two.Repository(t.Context()); err != nil {
		t.Error(err)
	}
}

// The stand-in counts by consumer, as Bitbucket does.
func TestServersLimit(t *testing.T) {
	p := newPaced(t)
	c := p.client(t, "one", p.token)
	p.SetRateLimit(3)
	for i := range 4 {
		_, err := c.Repository(t.Context())
		if (err != nil) != (i == 3) {
			t.Fatal(i, err)
		}
	}
	p.clock.advance(time.Hour)
	if _, err := c.Repository(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who names many consumers when connections are tested does not fill the memory, and
// nobody's budget is forgotten for it.
func TestManyPaces(t *testing.T) {
	p := newPaced(t)
	c := p.client(t, "one", p.token)
	if _, err := c.Repository(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 10_001 {
		p.client(t, "one", bitbucket.NewStaticToken(mirror.NewSecret(fmt.Sprint("token ", i))))
	}
	if b := p.client(t, "two", p.token).Budget(); b.Used != 1 {
		t.Errorf("%+v", b)
	}
}
