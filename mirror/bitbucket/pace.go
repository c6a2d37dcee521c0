package bitbucket

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// cloudHourly is how many requests a consumer may make within any hour
// (https://support.atlassian.com/bitbucket-cloud/docs/api-request-limits/). No header
// tells a consumer how many are left. Git has a budget of its own, sixty times as
// large, and is not counted here.
const (
	cloudHourly = 1000
	paceWindow  = time.Hour
)

// Rests that a host is given. They double with each failure in a row.
const (
	// A host that does not work is asked again at once a few times: most troubles pass.
	patience    = 3
	firstRest   = 2 * time.Second
	longestRest = 5 * time.Minute
	// One that has had enough is not, and what it says of the time counts, if it does.
	firstLimitedRest   = 30 * time.Second
	longestLimitedRest = 30 * time.Minute
)

// Pace holds back the requests of one consumer to one host's REST interface. It
// never waits: what may not be asked now is refused with the time when it may.
//
//	open      requests are made, at most the limit within any hour
//	spent     the limit is reached: refused until the oldest request is an hour old
//	resting   after a 429, or a few failures in a row: refused until the rest is over;
//	          then one request goes ahead, and the others follow if it is answered
type Pace struct {
	limit int // 0: none is known
	now   func() time.Time

	mu       sync.Mutex
	spent    []time.Time // of the last hour, oldest first
	failures int
	limited  bool // the last failure was a 429
	resting  time.Time
}

// admit counts a request, or says why it may not be made.
func (p *Pace) admit() error {
	if p == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if now.Before(p.resting) {
		return p.refuse(now, &mirror.LimitError{FreeAt: p.resting})
	}
	p.forget(now)
	if p.limit > 0 && len(p.spent) >= p.limit {
		return p.refuse(now, &mirror.LimitError{FreeAt: p.spent[0].Add(paceWindow), Spent: true})
	}
	if !p.resting.IsZero() { // the one that goes ahead
		p.resting = now.Add(p.rest())
	}
	p.spent = append(p.spent, now)
	return nil
}

func (p *Pace) refuse(now time.Time, cause *mirror.LimitError) error {
	after := cause.FreeAt.Sub(now)
	if cause.Spent || p.limited {
		return rateLimited(after, cause)
	}
	f := unreachable(fmt.Sprintf("Bitbucket's REST interface failed %d times in a row, and is given a rest.", p.failures), cause)
	f.RetryAfter = after
	return f
}

// settle tells what became of an admitted request.
func (p *Pace) settle(ctx context.Context, answer *http.Response, err error) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	var asked time.Duration
	if answer != nil {
		asked = retryAfter(answer.Header.Get("Retry-After"), now)
	}
	switch {
	case err != nil && ctx.Err() != nil: // given up: says nothing, and another may go ahead
		if !p.resting.IsZero() {
			p.resting = now
		}
	case err == nil && answer.StatusCode == http.StatusTooManyRequests:
		p.fail(now, true, asked)
	case err != nil || answer.StatusCode >= 500:
		p.fail(now, false, asked)
	default:
		p.failures, p.limited, p.resting = 0, false, time.Time{}
	}
}

func (p *Pace) fail(now time.Time, limited bool, asked time.Duration) {
	p.failures++
	p.limited = limited
	rest := p.rest()
	if asked > 0 {
		rest = asked
	}
	if rest > 0 {
		p.resting = now.Add(rest)
	}
}

// rest is how long the host is left alone after so many failures. Half of it is by
// chance: several daemons that failed together do not come back together.
func (p *Pace) rest() time.Duration {
	first, longest, n := firstLimitedRest, longestLimitedRest, p.failures-1
	if !p.limited {
		first, longest, n = firstRest, longestRest, p.failures-patience
	}
	if n < 0 {
		return 0
	}
	return backOff(first, longest, n)
}

// backOff doubles from first to longest; half of it is by chance.
func backOff(first, longest time.Duration, doublings int) time.Duration {
	whole := min(first<<min(doublings, 20), longest)
	return whole/2 + rand.N(whole/2)
}

// forget drops what is older than an hour.
func (p *Pace) forget(now time.Time) {
	n := 0
	for n < len(p.spent) && now.Sub(p.spent[n]) >= paceWindow {
		n++
	}
	p.spent = p.spent[n:]
}

func (p *Pace) budget() mirror.Budget {
	if p == nil {
		return mirror.Budget{}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	p.forget(now)
	b := mirror.Budget{Limit: p.limit, Used: len(p.spent), Failures: p.failures}
	if now.Before(p.resting) {
		b.FreeAt = p.resting
	}
	if p.limit > 0 && len(p.spent) >= p.limit && p.spent[0].Add(paceWindow).After(b.FreeAt) {
		b.FreeAt = p.spent[0].Add(paceWindow)
	}
	return b
}

// Paces keeps one [Pace] for each consumer and host, so that all mirrors of a consumer
// share its budget. The zero value is empty.
type Paces struct {
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	mu sync.Mutex
	m  map[paceKey]*Pace
}

type paceKey struct{ host, consumer string }

// of finds the pace of who has these tokens.
func (ps *Paces) of(host string, tokens Tokens, limit int) *Pace {
	if ps == nil {
		return nil
	}
	key := paceKey{host: host}
	if t, ok := tokens.(interface{ account() string }); ok {
		key.consumer = t.account()
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.m[key]; p != nil {
		return p
	}
	if ps.m == nil {
		ps.m = make(map[paceKey]*Pace)
	}
	if len(ps.m) >= maxSources {
		ps.sweep()
	}
	p := &Pace{limit: limit, now: ps.Now}
	if p.now == nil {
		p.now = time.Now
	}
	ps.m[key] = p
	return p
}

// sweep forgets those that hold nothing back.
func (ps *Paces) sweep() {
	for key, p := range ps.m {
		if b := p.budget(); b.Used == 0 && b.Failures == 0 {
			delete(ps.m, key)
		}
	}
}
