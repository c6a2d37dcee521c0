package bitbucket

import (
	"sync"
	"time"
)

// TokenSources keeps one TokenSource for each consumer, so that all mirrors of a
// consumer share its token. The zero value is empty.
type TokenSources struct {
	mu sync.Mutex
	m  map[sourceKey]*TokenSource
}

// sourceKey does without the secret: a rotated one replaces the old source
// instead of staying beside it for ever.
type sourceKey struct{ url, id string }

// maxSources bounds what is kept: connections are tested with any consumer that
// somebody names. Whoever uses a source keeps it, whether it is here or not.
const maxSources = 10_000

// Source returns the consumer's source. A token is shared only by those who
// know the same secret; with another secret the source is made anew.
func (t *TokenSources) Source(c Consumer) (*TokenSource, error) {
	fresh, err := NewTokenSource(c)
	if err != nil {
		return nil, err
	}
	key := sourceKey{fresh.consumer.URL, fresh.consumer.ID}
	t.mu.Lock()
	defer t.mu.Unlock()
	old := t.m[key]
	if old != nil && old.consumer.Secret == fresh.consumer.Secret {
		return old, nil
	}
	if t.m == nil {
		t.m = make(map[sourceKey]*TokenSource)
	}
	if old == nil && len(t.m) >= maxSources {
		t.sweep(fresh.now())
	}
	t.m[key] = fresh
	return fresh, nil
}

// sweep forgets sources without a live token; if that are too few, all of them.
func (t *TokenSources) sweep(now time.Time) {
	for key, s := range t.m {
		if !s.live(now) {
			delete(t.m, key)
		}
	}
	if len(t.m) >= maxSources {
		clear(t.m)
	}
}

// Granted reports whether the consumer has a live token.
func (s *TokenSource) Granted() bool { return s.live(s.now()) }

// live reports whether the source holds a token that is worth sharing.
func (s *TokenSource) live(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.token.value.IsZero() && (s.token.expiry.IsZero() || now.Before(s.token.expiry))
}

// Expiry is when the consumer's live token ends; zero without one, or if it does not end.
func (s *TokenSource) Expiry() time.Time {
	if !s.live(s.now()) {
		return time.Time{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.token.expiry
}
