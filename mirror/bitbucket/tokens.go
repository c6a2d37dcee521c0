package bitbucket

import "sync"

// TokenSources keeps one TokenSource for each consumer, so that all mirrors of a
// consumer share its token. The zero value is empty.
type TokenSources struct {
	mu sync.Mutex
	m  map[sourceKey]*TokenSource
}

// sourceKey does without the secret: a rotated one replaces the old source
// instead of staying beside it for ever.
type sourceKey struct{ url, id string }

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
	if old := t.m[key]; old != nil && old.consumer.Secret == fresh.consumer.Secret {
		return old, nil
	}
	if t.m == nil {
		t.m = make(map[sourceKey]*TokenSource)
	}
	t.m[key] = fresh
	return fresh, nil
}
