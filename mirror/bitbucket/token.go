package bitbucket

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Consumer is an OAuth consumer, and where its tokens come from.
type Consumer struct {
	// ID is the consumer's key. Neither it nor the secret has a fixed length.
	ID     string
	Secret mirror.Secret
	// URL is the token endpoint; "" is mirror.DefaultOAuthURL.
	URL string
	// HTTP makes the requests; nil is a client with sane timeouts. Its redirect
	// policy is replaced.
	HTTP *http.Client
	// UserAgent is sent, as "confmirror/1.2.3"; "" is "confmirror".
	UserAgent string
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Token lifetimes. Margins keep a token from expiring in the middle of a long transfer.
const (
	maxMargin  = 10 * time.Minute
	fetchLimit = 30 * time.Second // for one fetch
	retryEarly = 30 * time.Second // between attempts to replace a token that still lives
)

// Renewals of refused tokens, for one consumer.
const (
	renewalBudget = 10
	renewalWindow = time.Minute
)

// TokenSource keeps one consumer's access token. It is safe for concurrent use.
type TokenSource struct {
	consumer Consumer
	http     *http.Client
	now      func() time.Time

	mu       sync.Mutex
	token    token
	tryAgain time.Time // no early renewal before this
	flight   *flight   // the fetch under way
	renewals int       // in the window that started at renewedAt
	started  time.Time
	noGrant  noGrant
}

type token struct {
	value  mirror.Secret
	scopes []string  // none: not told
	renew  time.Time // from here on it should be replaced; zero: when refused
	expiry time.Time
}

// flight is one fetch and those who wait for it.
type flight struct {
	done    chan struct{}
	waiters int
	cancel  context.CancelFunc
	token   token
	err     error
}

// NewTokenSource checks the endpoint's URL. It makes no request.
func NewTokenSource(c Consumer) (*TokenSource, error) {
	c.URL = cmp.Or(c.URL, mirror.DefaultOAuthURL)
	if _, err := checkURL("oauth_url", c.URL); err != nil {
		return nil, err
	}
	// A secret mounted as a file ends in a newline.
	c.ID = strings.TrimSpace(c.ID)
	c.Secret = mirror.NewSecret(strings.TrimSpace(c.Secret.Reveal()))
	s := &TokenSource{consumer: c, http: sameOrigin(c.HTTP), now: c.Now}
	if s.now == nil {
		s.now = time.Now
	}
	return s, nil
}

// Token returns a live token. refused is a token that the remote has just
// answered 401 to, zero when there is none: the same token is not returned
// again unless the budget of renewals is spent. A consumer that was refused for
// good is told so again, without a request, for a while that grows.
func (s *TokenSource) Token(ctx context.Context, refused mirror.Secret) (mirror.Secret, error) {
	s.mu.Lock()
	s.refuse(refused)
	if !s.due() {
		defer s.mu.Unlock()
		return s.token.value, nil
	}
	if err := s.noGrant.lasts(s.now()); err != nil && s.flight == nil {
		s.mu.Unlock()
		return mirror.Secret{}, err
	}
	f := s.join(ctx)
	s.mu.Unlock()
	select {
	case <-f.done:
		return f.token.value, f.err
	case <-ctx.Done():
		s.leave(f)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return mirror.Secret{}, unreachable("Bitbucket's token endpoint did not answer in time.", ctx.Err())
		}
		return mirror.Secret{}, unreachable("The request for an access token was given up.", ctx.Err())
	}
}

// refuse forgets the token when it is the refused one and may be renewed now.
func (s *TokenSource) refuse(refused mirror.Secret) {
	if refused.IsZero() || refused != s.token.value {
		return
	}
	now := s.now()
	if now.Sub(s.started) >= renewalWindow {
		s.started, s.renewals = now, 0
	}
	if s.renewals < renewalBudget {
		s.renewals++
		s.token = token{}
	}
}

// due reports whether a fetch is wanted.
func (s *TokenSource) due() bool {
	switch now := s.now(); {
	case s.token.value.IsZero():
		return true
	case s.token.expiry.IsZero() || now.Before(s.token.renew):
		return false
	default:
		return !now.Before(s.token.expiry) || !now.Before(s.tryAgain)
	}
}

// join waits for the fetch under way or starts one, with s.mu held.
func (s *TokenSource) join(ctx context.Context) *flight {
	if s.flight == nil {
		// The fetch outlives the caller that started it as long as others wait.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), fetchLimit)
		s.flight = &flight{done: make(chan struct{}), cancel: cancel}
		go s.fly(ctx, s.flight)
	}
	s.flight.waiters++
	return s.flight
}

// leave gives up waiting; the last one cancels the fetch.
func (s *TokenSource) leave(f *flight) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		if s.flight == f {
			s.flight = nil // who comes now starts afresh
		}
	}
}

func (s *TokenSource) fly(ctx context.Context, f *flight) {
	defer f.cancel()
	t, err := s.fetch(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	if err != nil && !refusedForGood(err) && now.Before(s.token.expiry) {
		t, err = s.token, nil
		s.tryAgain = now.Add(retryEarly)
	}
	if err == nil {
		s.token = t
	}
	err = s.noGrant.note(err, now)
	f.token, f.err = t, err
	if s.flight == f {
		s.flight = nil
	}
	close(f.done)
}
