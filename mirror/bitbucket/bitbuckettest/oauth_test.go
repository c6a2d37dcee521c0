package bitbuckettest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestTokenAnswers(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	c := w.consumer
	public := w.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp", Public: true})
	for _, tt := range []struct{ name, key, secret, grant, code, description string }{
		{"wrong secret", c.Key, "x", "client_credentials", "unauthorized_client", "Invalid OAuth client credentials"},
		{"wrong key", "x", c.Secret, "client_credentials", "unauthorized_client", "Invalid OAuth client credentials"},
		{"no basic", "", "", "client_credentials", "unauthorized_client", "Requests must be authenticated using OAuth client credentials"},
		{"no grant", c.Key, c.Secret, "", "invalid_grant", "Unsupported grant type: None"},
		{"unknown grant", c.Key, c.Secret, "password", "invalid_grant", "Unsupported grant type: password"},
		{"public", public.Key, public.Secret, "client_credentials", "invalid_grant", `Cannot use client_credentials with a consumer marked as "public". Calls for auto generated consumers should use urn:bitbucket:oauth2:jwt instead.`},
	} {
		status, body := w.requestToken(t, tt.key, tt.secret, tt.grant)
		want := map[string]any{"error": tt.code, "error_description": tt.description}
		if diff := cmp.Diff(want, body); diff != "" || status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", tt.name, status, diff)
		}
	}

	keys := func(body map[string]any) string {
		var k []string
		for _, name := range []string{"access_token", "expires_in", "token_type", "scope", "scopes", "refresh_token", "state"} {
			if body[name] != nil {
				k = append(k, name)
			}
		}
		return strings.Join(k, " ")
	}
	w.SetTokenLife(90 * time.Second)
	_, body := w.requestToken(t, c.Key, c.Secret, "client_credentials")
	if got := keys(body); got != "access_token expires_in token_type scope" || body["expires_in"] != 90.0 ||
		body["scope"] != "pullrequest:write repository:write" {
		t.Errorf("%v", body)
	}
	w.SetLegacyTokens(true)
	_, body = w.requestToken(t, c.Key, c.Secret, "client_credentials")
	if got := keys(body); got != "access_token expires_in token_type scopes refresh_token state" {
		t.Errorf("before May 2026: %s", got)
	}
	if len(c.Key) != 32 || len(c.Secret) != 76 {
		t.Errorf("key %d, secret %d characters", len(c.Key), len(c.Secret))
	}
}

func TestTokenEndpointMoods(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	for _, f := range []bitbuckettest.Fault{bitbuckettest.TooManyRequests(30), bitbuckettest.Down(503)} {
		undo := w.Inject(f, bitbuckettest.EndpointToken)
		r, _ := http.NewRequest(http.MethodPost, w.OAuthURL(), nil)
		answer := must[*http.Response](t)(plainClient.Do(r))
		answer.Body.Close()
		if answer.StatusCode != f.Status || strings.HasPrefix(answer.Header.Get("Content-Type"), "application/json") {
			t.Errorf("%d %v", answer.StatusCode, answer.Header)
		}
		undo()
	}
	w.token(t)
}

func TestTokenExpires(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	w := newWorld(t, bitbuckettest.Options{Now: func() time.Time { return now }})
	token := w.token(t)
	for _, tt := range []struct {
		after time.Duration
		want  int
	}{{0, 200}, {2*time.Hour - time.Second, 200}, {2 * time.Hour, 401}} {
		now = time.Unix(1_800_000_000, 0).Add(tt.after)
		if status, _ := w.rest(t, "repositories/acme-corp/webrix-sync", token); status != tt.want {
			t.Errorf("after %v: %d", tt.after, status)
		}
	}
}
