package bitbucket_test

import (
	"errors"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A consumer that was refused for good is refused again without a request, for a time that
// grows up to twenty minutes, and that whoever asks is told.
func TestRefusedConsumerIsNotAskedFor(t *testing.T) {
	s, consumer, _ := standIn(t)
	now := time.Now()
	tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
		ID: consumer.Key, Secret: mirror.NewSecret("wrong"), URL: s.OAuthURL(), HTTP: client(), Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	var pauses []time.Duration
	for begin := now; now.Sub(begin) < 3*time.Hour; now = now.Add(10 * time.Second) {
		before := s.Count()
		_, err := tokens.Token(t.Context(), mirror.Secret{})
		f := wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "client secret is wrong")
		if !errors.Is(err, mirror.ErrGrant) || f.RetryAfter <= 0 || tokens.Granted() {
			t.Fatalf("%+v", f)
		}
		if s.Count() > before {
			pauses = append(pauses, f.RetryAfter)
		}
	}
	if len(pauses) < 10 || len(pauses) > 24 {
		t.Errorf("%d requests in three hours", len(pauses))
	}
	for n, pause := range pauses {
		longest := min(2*time.Minute<<n, 20*time.Minute)
		if pause < longest/2 || pause > longest {
			t.Errorf("pause %d: %s", n, pause)
		}
	}

	before := s.Count()
	for range 2 {
		tokens.Insist()
		if _, err := tokens.Token(t.Context(), mirror.Secret{}); err == nil {
			t.Error("a wrong secret got a token")
		}
	}
	if n := s.Count() - before; n != 2 {
		t.Errorf("%d requests for two who insist", n)
	}

	s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Key: consumer.Key, Secret: "wrong"})
	if _, err := tokens.Token(t.Context(), mirror.Secret{}); err == nil {
		t.Error("it was asked for before the pause was over")
	}
	now = now.Add(20 * time.Minute)
	ok[mirror.Secret](t)(tokens.Token(t.Context(), mirror.Secret{}))
	if !tokens.Granted() {
		t.Error("the token is not known of")
	}
}

// What passes by itself has the pauses of whoever asks.
func TestTokenEndpointThatIsDownIsAskedAgain(t *testing.T) {
	s, consumer, _ := standIn(t)
	tokens := source(t, s, consumer.Key, consumer.Secret)
	s.Inject(bitbuckettest.Fault{Times: 2, Status: 503, Body: "<html>down</html>"}, bitbuckettest.EndpointToken)
	for range 2 {
		_, err := tokens.Token(t.Context(), mirror.Secret{})
		wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "")
	}
	ok[mirror.Secret](t)(tokens.Token(t.Context(), mirror.Secret{}))
}

// A token endpoint that wants fewer requests gets fewer, whoever shares the consumer.
func TestLimitedTokenEndpoint(t *testing.T) {
	for name, tt := range map[string]struct {
		seconds  int
		min, max time.Duration
	}{
		"nothing said": {0, 15 * time.Second, 30 * time.Second},
		"seconds":      {90, 90 * time.Second, 90 * time.Second},
		"for ever":     {99999999, time.Hour, time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s, consumer, _ := standIn(t)
			now := time.Now()
			tokens := ok[*bitbucket.TokenSource](t)(bitbucket.NewTokenSource(bitbucket.Consumer{
				ID: consumer.Key, Secret: mirror.NewSecret(consumer.Secret), URL: s.OAuthURL(), HTTP: client(), Now: func() time.Time { return now },
			}))
			limited := bitbuckettest.TooManyRequests(tt.seconds)
			limited.Times = 1
			s.Inject(limited, bitbuckettest.EndpointToken)
			var pause time.Duration
			for range 3 {
				_, err := tokens.Token(t.Context(), mirror.Secret{})
				pause = wantFault(t, err, mirror.CodeRateLimited, mirror.Transient, "later").RetryAfter
				if pause < tt.min || pause > tt.max || errors.Is(err, mirror.ErrGrant) {
					t.Errorf("%v after %s", err, pause)
				}
			}
			if n := s.Count(); n != 1 {
				t.Errorf("%d requests", n)
			}
			now = now.Add(pause)
			ok[mirror.Secret](t)(tokens.Token(t.Context(), mirror.Secret{}))
		})
	}
}
