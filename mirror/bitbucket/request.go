package bitbucket

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// wire makes the requests of one repository's REST interface.
type wire struct {
	base      *url.URL
	target    Target
	tokens    Tokens
	http      *http.Client
	userAgent string
	pace      *Pace
	explain   func(*APIError) *mirror.Fault
}

func newWire(t Target, tokens Tokens, hourly int) (wire, error) {
	base, err := checkURL("api_url", t.URL)
	if err != nil {
		return wire{}, err
	}
	if err := checkName(t.Workspace, t.Slug); err != nil {
		return wire{}, err
	}
	return wire{
		base: base, target: t, tokens: tokens, http: sameOrigin(t.HTTP),
		userAgent: cmp.Or(t.UserAgent, defaultUserAgent), pace: t.Paces.of(base.Host, tokens, hourly),
	}, nil
}

// Budget implements [mirror.Budgeted].
func (w *wire) Budget() mirror.Budget { return w.pace.budget() }

// maxAnswer bounds what is read of any answer: a page of fifty pull requests has their
// descriptions twice.
const maxAnswer = 16 << 20

// request is one request.
type request struct {
	method  string // "" is GET
	address string
	query   url.Values    // added to the address
	body    any           // sent as JSON unless nil
	scope   string        // that it needs, for whoever lacks it and is not told
	secret  mirror.Secret // in the body: no answer's echo is shown
}

func (r request) url() string {
	if len(r.query) == 0 {
		return r.address
	}
	return r.address + "?" + r.query.Encode()
}

// do makes a request and reads the JSON of its answer; into is nil, and stays as it is
// when the answer is empty. A refused token is renewed once. Refusals are faults that
// wrap an *APIError.
func (w *wire) do(ctx context.Context, r request, into any) (status int, err error) {
	token, err := w.tokens.Token(ctx, mirror.Secret{})
	if err != nil {
		return 0, err
	}
	status, apiErr, err := w.try(ctx, r, into, token)
	if apiErr != nil && apiErr.Status == http.StatusUnauthorized && !apiErr.unauthorised() {
		fresh, err := w.tokens.Token(ctx, token)
		if err != nil {
			return 0, err
		}
		if fresh != token {
			status, apiErr, err = w.try(ctx, r, into, fresh)
			if err != nil {
				return 0, err
			}
		}
	}
	if apiErr != nil {
		apiErr.scope = r.scope
		return 0, w.explain(apiErr)
	}
	return status, err
}

// try makes one request. A refusal is an *APIError, anything else a fault.
func (w *wire) try(ctx context.Context, r request, into any, token mirror.Secret) (int, *APIError, error) {
	var body io.Reader
	if r.body != nil {
		encoded, err := json.Marshal(r.body)
		if err != nil {
			return 0, nil, err
		}
		body = bytes.NewReader(encoded)
	}
	out, err := http.NewRequestWithContext(ctx, cmp.Or(r.method, http.MethodGet), r.url(), body)
	if err != nil {
		return 0, nil, unreachable("Bitbucket's address is not usable.", nil)
	}
	// Only in the header: tokens in the address are refused since CHANGE-3052.
	out.Header.Set("Authorization", "Bearer "+token.Reveal())
	out.Header.Set("Accept", "application/json")
	out.Header.Set("User-Agent", w.userAgent)
	if body != nil {
		out.Header.Set("Content-Type", "application/json; charset=utf-8")
	}
	if err := w.pace.admit(); err != nil {
		return 0, nil, err
	}
	answer, text, err := w.exchange(out)
	w.pace.settle(ctx, answer, err)
	if err != nil {
		return 0, nil, transportFault("Bitbucket's REST interface", out.URL, err)
	}
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return 0, decodeError(answer, text, time.Now(), token, r.secret), nil
	}
	if into == nil || answer.StatusCode == http.StatusNoContent {
		return answer.StatusCode, nil, nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		// For instance the page of a proxy that wants a login.
		return 0, nil, unexpected(fmt.Errorf("%s: %w", out.URL.Host, err))
	}
	return answer.StatusCode, nil, nil
}

// exchange reads the whole answer.
func (w *wire) exchange(r *http.Request) (*http.Response, []byte, error) {
	answer, err := w.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	return answer, text, err
}

// address is a path below the base; segments are escaped, braces too.
func (w *wire) address(segments ...string) string {
	escaped := make([]string, len(segments))
	for i, s := range segments {
		escaped[i] = url.PathEscape(s)
	}
	return strings.TrimSuffix(w.base.String(), "/") + "/" + strings.Join(escaped, "/")
}

// own reports whether an address is at the interface's own origin: a token is sent nowhere else.
func (w *wire) own(u *url.URL) bool {
	return u.Scheme == w.base.Scheme && strings.EqualFold(u.Host, w.base.Host)
}

func unexpected(err error) *mirror.Fault {
	return somebodyElse("Bitbucket's REST interface answered with something unexpected.", "api_url", mirror.DefaultAPIURL, err)
}
