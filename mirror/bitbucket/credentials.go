package bitbucket

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"

	"github.com/confmirror/confmirror/mirror"
)

// gitUser stands in for a user name wherever git takes an access token.
const gitUser = "x-token-auth"

// Tokens gives the token for a request; refused is one that was just answered 401.
type Tokens interface {
	Token(ctx context.Context, refused mirror.Secret) (mirror.Secret, error)
}

var (
	_ Tokens             = (*TokenSource)(nil)
	_ Tokens             = (*StaticToken)(nil)
	_ mirror.Credentials = (*TokenSource)(nil)
	_ mirror.Credentials = (*StaticToken)(nil)
)

// account tells consumers apart. The secret is no part of it: Bitbucket counts by consumer.
func (s *TokenSource) account() string { return "consumer " + s.consumer.ID + " at " + s.consumer.URL }

// Basic implements [mirror.Credentials]. With renew the present token counts as refused.
func (s *TokenSource) Basic(ctx context.Context, renew bool) (string, mirror.Secret, error) {
	var refused mirror.Secret
	if renew {
		s.mu.Lock()
		refused = s.token.value
		s.mu.Unlock()
	}
	t, err := s.Token(ctx, refused)
	return gitUser, t, err
}

// StaticToken is an access token made by hand, for a repository, project or
// workspace: nothing can renew it.
type StaticToken struct {
	value mirror.Secret
	user  string // whose password it is in git; "": nobody's, see NewBearerToken
}

// NewStaticToken takes the token as it is but for white space around it.
func NewStaticToken(value mirror.Secret) *StaticToken {
	return &StaticToken{mirror.NewSecret(strings.TrimSpace(value.Reveal())), gitUser}
}

// NewBearerToken takes a token that is nobody's password in git either, but sent as it is. Data
// Center takes HTTP access tokens of projects and repositories in no other way
// (https://confluence.atlassian.com/bitbucketserver/http-access-tokens-939515499.html).
func NewBearerToken(value mirror.Secret) *StaticToken {
	t := NewStaticToken(value)
	t.user = ""
	return t
}

// Token returns the token, or says that it was refused.
func (t *StaticToken) Token(_ context.Context, refused mirror.Secret) (mirror.Secret, error) {
	if t.value.IsZero() {
		return mirror.Secret{}, connectionFailed("The access token is empty.", nil)
	}
	if refused == t.value {
		return mirror.Secret{}, connectionFailed(
			"Bitbucket refused the access token: it is wrong, expired, revoked or of another repository. Make a new one in the repository's settings.", nil)
	}
	return t.value, nil
}

// account tells tokens apart without keeping one.
func (t *StaticToken) account() string {
	return fmt.Sprintf("token %x", sha256.Sum256([]byte(t.value.Reveal())))
}

// Basic implements [mirror.Credentials].
func (t *StaticToken) Basic(ctx context.Context, renew bool) (string, mirror.Secret, error) {
	var refused mirror.Secret
	if renew {
		refused = t.value
	}
	value, err := t.Token(ctx, refused)
	return t.user, value, err
}
