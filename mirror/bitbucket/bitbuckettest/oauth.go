package bitbuckettest

import (
	"crypto/rand"
	"crypto/subtle"
	"net/http"
	"slices"
	"strings"
	"time"
)

// Consumer is an OAuth consumer of a workspace.
type Consumer struct {
	Workspace string // a consumer reaches its own workspace only (CHANGE-3052)
	Name      string
	Key       string
	Secret    string
	// Public: "This is a private consumer" was not ticked; such a consumer gets no token.
	Public bool
	// Scopes; none means those of the setup guide: repositories and pull requests, read and write.
	Scopes []string
}

type accessToken struct {
	principal
	consumer string    // its key; "" for a repository access token
	expires  time.Time // zero: never
}

// AddConsumer registers a consumer; key and secret are made up when empty.
// Registering a key again replaces the consumer, for instance by one with another secret.
func (s *Server) AddConsumer(c Consumer) Consumer {
	if c.Key == "" {
		c.Key = rand.Text() + rand.Text()[:6] // 32 characters; older keys have 18
	}
	if c.Secret == "" {
		c.Secret = randomText("") + rand.Text()[:22] // 76 characters
	}
	if c.Name == "" {
		c.Name = "confmirror"
	}
	if c.Scopes == nil {
		c.Scopes = []string{ScopePullRequestWrite, ScopeRepositoryWrite}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumers[c.Key] = &c
	return c
}

// AddAccessToken makes a repository access token: it does not expire. On a Data Center it
// is an HTTP access token, and its scopes are read, write and admin, each with those before.
func (s *Server) AddAccessToken(workspace, slug string, scopes ...string) string {
	if s.options.DataCenter && slices.Contains(scopes, ScopeRepositoryAdmin) {
		scopes = append(slices.Clone(scopes), ScopeRepositoryWrite)
	}
	token := randomText("ATCTT3x")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[token] = &accessToken{principal: principal{
		name: slug + " access token", account: token, workspace: workspace,
		repo: repoKey(workspace, slug), scopes: scopes,
	}}
	return token
}

// RevokeTokens ends every token handed out so far. New ones can be had.
func (s *Server) RevokeTokens() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.tokens)
}

// SetTokenLife sets how long tokens handed out from now on live; 2 hours at first.
func (s *Server) SetTokenLife(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokenLife = d
}

// SetLegacyTokens switches to the answers of before 4 May 2026, with `scopes`
// and a refresh token.
func (s *Server) SetLegacyTokens(legacy bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.legacyTokens = legacy
}

func (s *Server) tokenPrincipal(token string) *principal {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[token]
	if t == nil || !t.expires.IsZero() && !s.options.Now().Before(t.expires) {
		return nil
	}
	p := t.principal
	return &p
}

// Texts of the token endpoint. All come with 400, none with RFC 6749's 401.
const (
	textBadClient    = "Invalid OAuth client credentials"
	textNoClient     = "Requests must be authenticated using OAuth client credentials"
	textPublicClient = `Cannot use client_credentials with a consumer marked as "public". ` +
		"Calls for auto generated consumers should use urn:bitbucket:oauth2:jwt instead."
)

// maxForm bounds a token request's body.
const maxForm = 64 << 10

func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		http.Error(w, "Method not allowed", http.StatusMethodNotAllowed)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	key, secret, ok := r.BasicAuth()
	if !ok {
		tokenError(w, "unauthorized_client", textNoClient)
		return
	}
	s.mu.Lock()
	c := s.consumers[key]
	s.mu.Unlock()
	if c == nil || subtle.ConstantTimeCompare([]byte(secret), []byte(c.Secret)) != 1 {
		tokenError(w, "unauthorized_client", textBadClient)
		return
	}
	// Only the form counts: a grant in the query is as good as none.
	grant := "None"
	if err := r.ParseForm(); err == nil && r.PostForm.Has("grant_type") {
		grant = r.PostForm.Get("grant_type")
	}
	switch {
	case grant != "client_credentials":
		tokenError(w, "invalid_grant", "Unsupported grant type: "+grant)
	case c.Public:
		tokenError(w, "invalid_grant", textPublicClient)
	default:
		s.grant(w, c)
	}
}

func (s *Server) grant(w http.ResponseWriter, c *Consumer) {
	token := randomText("")
	s.mu.Lock()
	life, legacy := s.tokenLife, s.legacyTokens
	s.tokens[token] = &accessToken{
		principal: principal{name: c.Name, account: c.Key, workspace: c.Workspace, scopes: c.Scopes},
		consumer:  c.Key,
		expires:   s.options.Now().Add(life),
	}
	s.mu.Unlock()
	answer := object{"access_token": token, "expires_in": int(life / time.Second), "token_type": "bearer"}
	scopes := strings.Join(c.Scopes, " ")
	if legacy {
		answer["scopes"] = scopes
		answer["state"] = "client_credentials"
		answer["refresh_token"] = rand.Text()
	} else {
		answer["scope"] = scopes
	}
	writeJSON(w, http.StatusOK, answer)
}

func tokenError(w http.ResponseWriter, code, description string) {
	writeJSON(w, http.StatusBadRequest, object{"error_description": description, "error": code})
}
