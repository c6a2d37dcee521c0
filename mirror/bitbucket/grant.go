package bitbucket

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// maxTokenAnswer bounds what is read of an answer, maxToken what is taken for a token.
const (
	maxTokenAnswer = 64 << 10
	maxToken       = 16 << 10
)

// grantAnswer is either generation's answer, or an error.
type grantAnswer struct {
	AccessToken string  `json:"access_token"`
	ExpiresIn   seconds `json:"expires_in"`
	Scope       string  `json:"scope"`  // since CHANGE-3052
	Scopes      string  `json:"scopes"` // before
	Error       string  `json:"error"`
	Description string  `json:"error_description"`
}

// seconds reads a number, also one in quotes as some OAuth servers write it.
type seconds time.Duration

func (d *seconds) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("expires_in: want a number of seconds")
	}
	const year = 365 * 24 * 3600
	*d = seconds(time.Duration(max(0, min(n, year))) * time.Second)
	return nil
}

// fetch makes the client-credentials request. golang.org/x/oauth2 would escape
// key and secret before the Basic encoding, which Bitbucket does not undo, and
// puts answers into its error texts.
func (s *TokenSource) fetch(ctx context.Context) (token, error) {
	asked := s.now() // a token's life counts from before the request
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.consumer.URL,
		strings.NewReader("grant_type=client_credentials"))
	if err != nil {
		return token{}, unreachable("The token endpoint's address is not usable.", nil)
	}
	r.SetBasicAuth(s.consumer.ID, s.consumer.Secret.Reveal())
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", cmp.Or(s.consumer.UserAgent, defaultUserAgent))
	answer, err := s.http.Do(r)
	if err != nil {
		return token{}, transportFault("Bitbucket's token endpoint", r.URL, err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxTokenAnswer))
	if err != nil {
		return token{}, transportFault("Bitbucket's token endpoint", r.URL, err)
	}
	var g grantAnswer
	isJSON := json.Unmarshal(body, &g) == nil
	if answer.StatusCode != http.StatusOK || !isJSON || g.AccessToken == "" {
		return token{}, s.grantFault(answer, g, isJSON)
	}
	if len(g.AccessToken) > maxToken || strings.ContainsFunc(g.AccessToken, func(c rune) bool { return c <= ' ' || c == 0x7f }) {
		return token{}, somebodyElse("Bitbucket's token endpoint answered with something that is no token.", "oauth_url", mirror.DefaultOAuthURL, nil)
	}
	return newToken(g, asked), nil
}

func newToken(g grantAnswer, asked time.Time) token {
	t := token{value: mirror.NewSecret(g.AccessToken), scopes: strings.Fields(cmp.Or(g.Scope, g.Scopes))}
	if life := time.Duration(g.ExpiresIn); life > 0 {
		t.expiry = asked.Add(life)
		t.renew = t.expiry.Add(-min(maxMargin, life/4))
	}
	return t
}
