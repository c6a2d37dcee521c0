package bitbucket_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestTokenFromTheStandIn(t *testing.T) {
	for _, legacy := range []bool{false, true} {
		s, c, _ := standIn(t)
		s.SetLegacyTokens(legacy)
		// C5: a mounted secret ends in a newline.
		tokens := source(t, s, c.Key+"\n", c.Secret+"\r\n")
		user, first, err := tokens.Basic(t.Context(), false)
		if err != nil || user != "x-token-auth" || first.IsZero() {
			t.Fatalf("legacy %v: %q %v", legacy, user, err)
		}
		if _, again, _ := tokens.Basic(t.Context(), false); again != first {
			t.Error("a live token was replaced")
		}
		if _, fresh, err := tokens.Basic(t.Context(), true); err != nil || fresh == first {
			t.Errorf("a refused token came back: %v", err)
		}
		if n := s.Count(bitbuckettest.EndpointToken); n != 2 {
			t.Errorf("%d token requests", n)
		}
	}
}

func TestTokenRefusedOnce(t *testing.T) {
	s, c, _ := standIn(t)
	tokens := source(t, s, c.Key, c.Secret)
	first, err := tokens.Token(t.Context(), mirror.Secret{})
	if err != nil {
		t.Fatal(err)
	}
	// Many find out about the same token, one request is made.
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if fresh, err := tokens.Token(t.Context(), first); err != nil || fresh == first {
				t.Errorf("%v", err)
			}
		})
	}
	wg.Wait()
	if n := s.Count(bitbuckettest.EndpointToken); n != 2 {
		t.Errorf("%d token requests, want 2", n)
	}
}

// A missing repository answers 401 whatever the token: the endpoint is spared.
func TestRenewalBudget(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	n := 0
	tokens := scripted(t, &now, func() *http.Response {
		n++
		return answer(200, "application/json", fmt.Sprintf(`{"access_token":"t%d","expires_in":7200}`, n))
	})
	refuse := func(times int) {
		for range times {
			if _, _, err := tokens.Basic(t.Context(), true); err != nil {
				t.Fatal(err)
			}
		}
	}
	refuse(1000)
	if n != 11 { // the first one, and ten renewals
		t.Errorf("%d token requests", n)
	}
	now = now.Add(time.Minute)
	refuse(1)
	if n != 12 {
		t.Errorf("%d token requests after a minute", n)
	}
}

// scripted is a source whose endpoint answers as told.
func scripted(t *testing.T, now *time.Time, next func() *http.Response) *bitbucket.TokenSource {
	t.Helper()
	tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
		ID: "key", Secret: mirror.NewSecret("s3cr3t"), URL: "https://bitbucket.example/token",
		HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) { return next(), nil })},
		Now:  func() time.Time { return *now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func TestTokenRequest(t *testing.T) {
	var got *http.Request
	var body string
	// Neither part is escaped before the Basic encoding, nor is a length expected.
	const secret = "a+b/c%20=&:" + "d"
	tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
		ID: "kéy", Secret: mirror.NewSecret(secret), UserAgent: "confmirror/1.2.3",
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			got = r
			b := make([]byte, 100)
			n, _ := r.Body.Read(b)
			body = string(b[:n])
			return answer(200, "application/json", `{"access_token":"t","expires_in":"7200"}`), nil
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Token(t.Context(), mirror.Secret{}); err != nil {
		t.Fatal(err)
	}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("kéy:"+secret))
	if got.Method != "POST" || got.URL.String() != mirror.DefaultOAuthURL || body != "grant_type=client_credentials" ||
		got.Header.Get("Authorization") != basic || got.UserAgent() != "confmirror/1.2.3" ||
		got.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || got.Header.Get("Accept") != "application/json" {
		t.Errorf("%s %s %q %v", got.Method, got.URL, body, got.Header)
	}
}

func TestTokenLife(t *testing.T) {
	for _, tt := range []struct {
		expires string
		fresh   time.Duration // still the first token
		renewed time.Duration // replaced by then
	}{
		{`,"expires_in":7200`, 110*time.Minute - time.Second, 110 * time.Minute},
		{`,"expires_in":3600`, 50*time.Minute - time.Second, 50 * time.Minute},
		{`,"expires_in":60`, 44 * time.Second, 45 * time.Second},
		{`,"expires_in":"60"`, 44 * time.Second, 45 * time.Second},
		{`,"expires_in":1`, 0, time.Second},
		{`,"expires_in":1e300`, 300 * 24 * time.Hour, 366 * 24 * time.Hour},
		{`,"expires_in":null`, 1000 * time.Hour, -1}, // kept until it is refused
		{``, 1000 * time.Hour, -1},
	} {
		start := time.Unix(1_800_000_000, 0)
		now, n := start, 0
		tokens := scripted(t, &now, func() *http.Response {
			n++
			return answer(200, "application/json", fmt.Sprintf(`{"access_token":"t%d"%s}`, n, tt.expires))
		})
		at := func(d time.Duration) int {
			now = start.Add(d)
			if _, err := tokens.Token(t.Context(), mirror.Secret{}); err != nil {
				t.Fatalf("%s: %v", tt.expires, err)
			}
			return n
		}
		if at(0); at(tt.fresh) != 1 {
			t.Errorf("%s: replaced after %v", tt.expires, tt.fresh)
		}
		if tt.renewed >= 0 && at(tt.renewed) != 2 {
			t.Errorf("%s: not replaced after %v", tt.expires, tt.renewed)
		}
	}
}

// An endpoint that is down does not stop work while the old token lives.
func TestEarlyRenewalFails(t *testing.T) {
	start := time.Unix(1_800_000_000, 0)
	now, n, down := start, 0, false
	tokens := scripted(t, &now, func() *http.Response {
		n++
		if down {
			return answer(503, "text/html", "<html>")
		}
		return answer(200, "application/json", fmt.Sprintf(`{"access_token":"t%d","expires_in":7200}`, n))
	})
	get := func(after time.Duration) error {
		now = start.Add(after)
		_, err := tokens.Token(t.Context(), mirror.Secret{})
		return err
	}
	if err := get(0); err != nil {
		t.Fatal(err)
	}
	down = true
	for _, after := range []time.Duration{111 * time.Minute, 111*time.Minute + 29*time.Second, 112 * time.Minute} {
		if err := get(after); err != nil {
			t.Errorf("after %v: %v", after, err)
		}
	}
	if n != 3 { // not at each call
		t.Errorf("%d requests", n)
	}
	wantFault(t, get(2*time.Hour), mirror.CodeNetworkUnreachable, mirror.Transient, "again")
	down = false
	if err := get(2*time.Hour + time.Second); err != nil {
		t.Error(err)
	}
}

func TestSingleFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		requests, cancelled := 0, 0
		tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
			ID: "key", Secret: mirror.NewSecret("secret"),
			HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				requests++
				select {
				case <-release:
					return answer(200, "application/json", `{"access_token":"t","expires_in":7200}`), nil
				case <-r.Context().Done():
					cancelled++
					return nil, r.Context().Err()
				}
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		// The one that starts the fetch gives up; the others get the token.
		ctx, cancel := context.WithCancel(t.Context())
		gaveUp := make(chan error, 1)
		go func() { _, err := tokens.Token(ctx, mirror.Secret{}); gaveUp <- err }()
		synctest.Wait()
		results := make(chan error, 9)
		for range cap(results) {
			go func() { _, err := tokens.Token(t.Context(), mirror.Secret{}); results <- err }()
		}
		synctest.Wait()
		cancel()
		if err := <-gaveUp; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		close(release)
		for range cap(results) {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if requests != 1 || cancelled != 0 {
			t.Errorf("%d requests, %d cancelled", requests, cancelled)
		}
	})
}

// A fetch that nobody waits for ends at once.
func TestLastWaiterCancels(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ended := make(chan struct{})
		tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
			ID: "key", Secret: mirror.NewSecret("secret"),
			HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				close(ended)
				return nil, r.Context().Err()
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() { synctest.Wait(); cancel() }()
		_, err = tokens.Token(ctx, mirror.Secret{})
		wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "again")
		<-ended
	})
}

func TestTokenTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
			ID: "key", Secret: mirror.NewSecret("secret"),
			HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				<-r.Context().Done()
				return nil, r.Context().Err()
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = tokens.Token(t.Context(), mirror.Secret{})
		f := wantFault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient, "bitbucket.org")
		if !strings.Contains(f.Message, "in time") {
			t.Error(f.Message)
		}
	})
}

func TestStaticToken(t *testing.T) {
	tokens := bitbucket.NewStaticToken(mirror.NewSecret("ATCTT3x=\n"))
	user, value, err := tokens.Basic(t.Context(), false)
	if err != nil || user != "x-token-auth" || value.Reveal() != "ATCTT3x=" {
		t.Errorf("%q %v", user, err)
	}
	_, _, err = tokens.Basic(t.Context(), true)
	wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "refused the access token")
	user, value, err = bitbucket.NewBearerToken(mirror.NewSecret("ATCTT3x=\n")).Basic(t.Context(), false)
	if err != nil || user != "" || value.Reveal() != "ATCTT3x=" {
		t.Errorf("a bearer's: %q %v", user, err)
	}
	_, _, err = bitbucket.NewStaticToken(mirror.NewSecret("\n")).Basic(t.Context(), false)
	wantFault(t, err, mirror.CodeConnectionFailed, mirror.Permanent, "empty")
}

// A consumer's token is never another's (Backstage once mixed them).
func TestTokenSources(t *testing.T) {
	var sources bitbucket.TokenSources
	get := func(url, id, secret string) *bitbucket.TokenSource {
		t.Helper()
		s, err := sources.Source(bitbucket.Consumer{ID: id, Secret: mirror.NewSecret(secret), URL: url})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := get("", "key", "secret")
	if get(mirror.DefaultOAuthURL, "key\n", "secret\n") != first {
		t.Error("one consumer has two sources")
	}
	for _, other := range []*bitbucket.TokenSource{
		get("https://other.example/token", "key", "secret"), get("", "other", "secret"), get("", "key", "guess"),
	} {
		if other == first {
			t.Error("two consumers share a source")
		}
	}
	if _, err := sources.Source(bitbucket.Consumer{URL: "http://bitbucket.example"}); err == nil {
		t.Error("http is accepted")
	}
}

// Connections are tested with consumers that exist or not: no list of them may grow for ever.
func TestTokenSourcesAreBounded(t *testing.T) {
	var sources bitbucket.TokenSources
	get := func(id int) *bitbucket.TokenSource {
		t.Helper()
		s, err := sources.Source(bitbucket.Consumer{ID: strconv.Itoa(id), Secret: mirror.NewSecret("secret")})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const many = 10_000
	first := get(0)
	for id := range many {
		get(id)
	}
	if get(0) != first {
		t.Error("a source was forgotten before its time")
	}
	get(many)
	if get(0) == first {
		t.Error("a source that never had a token is kept for ever")
	}
}

func TestTokenURL(t *testing.T) {
	for url, ok := range map[string]bool{
		"":                                true,
		"https://bitbucket.example/token": true,
		"http://127.0.0.1:8080/token":     true,
		"http://[::1]:8080/token":         true,
		"http://localhost/token":          true,
		"http://bitbucket.example/token":  false,
		"https://u:p4ss@host/token":       false,
		"ftp://host/token":                false,
		"bitbucket.org":                   false,
	} {
		_, err := bitbucket.NewTokenSource(bitbucket.Consumer{URL: url})
		if (err == nil) != ok {
			t.Errorf("%q: %v", url, err)
		}
		if err != nil && (!strings.Contains(err.Error(), "oauth_url") || strings.Contains(err.Error(), "p4ss")) {
			t.Error(err)
		}
	}
}
