package bitbucket

import (
	"slices"
	"strings"
)

// Scopes that requests need.
const (
	scopeRepository      = "repository"
	scopeRepositoryWrite = "repository:write"
	scopeRepositoryAdmin = "repository:admin"
	scopePullRequest     = "pullrequest"
	scopePullWrite       = "pullrequest:write"
	scopeWebhook         = "webhook"
)

// setupScopes are what the setup asks for. The others are for what is optional.
var setupScopes = []string{scopeRepository, scopeRepositoryWrite, scopePullRequest, scopePullWrite}

// scopeTitles are the names of scopes in the form where a consumer is edited.
var scopeTitles = map[string]string{
	scopeRepository:      "Repositories: Read",
	scopeRepositoryWrite: "Repositories: Write",
	scopeRepositoryAdmin: "Repositories: Admin",
	scopePullRequest:     "Pull requests: Read",
	scopePullWrite:       "Pull requests: Write",
	scopeWebhook:         "Webhooks: Read and write",
}

// impliedScopes are what comes with a scope.
var impliedScopes = map[string][]string{
	scopeRepositoryWrite: {scopeRepository},
	scopePullRequest:     {scopeRepository},
	scopePullWrite:       {scopePullRequest, scopeRepositoryWrite, scopeRepository},
}

// scopeNames names scopes as people tick them; those that confmirror needs when none are given.
func scopeNames(scopes []string) string {
	if len(scopes) == 0 {
		scopes = setupScopes
	}
	names := make([]string, 0, len(scopes))
	for _, s := range scopes {
		if title := scopeTitles[s]; title != "" {
			s = title + " (" + s + ")"
		}
		names = append(names, s)
	}
	return strings.Join(names, ", ")
}

// Lacking names the permissions that the setup asks for and that the present token was not
// given, as people tick them; "" if there are none, or the host has not told.
func (s *TokenSource) Lacking() string {
	s.mu.Lock()
	told := s.token.scopes
	s.mu.Unlock()
	granted := slices.Clone(told)
	for _, scope := range told {
		granted = append(granted, impliedScopes[scope]...)
	}
	lacking := slices.DeleteFunc(slices.Clone(setupScopes), func(scope string) bool { return slices.Contains(granted, scope) })
	if len(granted) == 0 || len(lacking) == 0 {
		return ""
	}
	return scopeNames(lacking)
}
