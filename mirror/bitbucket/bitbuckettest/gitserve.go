package bitbuckettest

import (
	"fmt"
	"net/http"
	"strings"
)

// Texts of the git endpoint. Git shows them as "remote: ..." because they are text/plain.
const (
	textNoAccess = "You may not have access to this repository or it no longer exists in this workspace. " +
		"If you think this repository exists and you have access, make sure you are authenticated."
	textScopes       = "Your credentials lack one or more required privilege scopes."
	textIPBlocked    = "To access this repository, an admin must whitelist your IP."
	textTwoStep      = "To access this repository, enable two-step authentication."
	textAppPasswords = "App passwords are deprecated and must be replaced with API tokens."
	textRateLimit    = "Rate limit for this resource has been exceeded"
	realm            = `Basic realm="Bitbucket.org HTTP"`
	realmDataCenter  = `Basic realm="Atlassian Bitbucket"`
)

// SetMissingStatus chooses what git gets for a repository that is missing or out
// of reach although the credentials are good: 401, 403 or 404 (at first). Nothing
// public settles which, so a client must take all three for the same.
func (s *Server) SetMissingStatus(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.missingStatus = status
}

func (s *Server) serveGit(w http.ResponseWriter, r *http.Request, name, path, service string) {
	// Bitbucket answered programs that do not look like git with a web page
	// (https://github.com/mirage/ocaml-git/issues/66). "go-git/..." passes.
	if !strings.Contains(strings.ToLower(r.UserAgent()), "git/") {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprint(w, "<!DOCTYPE html>\n<html><head><title>Bitbucket</title></head><body></body></html>\n")
		return
	}
	p := s.gitPrincipal(r)
	if p == nil {
		s.refuseGit(w, http.StatusUnauthorized, textNoAccess)
		return
	}
	repo := s.repository(name)
	if repo == nil || !p.reaches(repo) {
		s.mu.Lock()
		status := s.missingStatus
		s.mu.Unlock()
		s.refuseGit(w, status, textNoAccess)
		return
	}
	push := service == "receive-pack"
	if !p.may(ScopeRepository) || push && !p.may(ScopeRepositoryWrite) {
		s.refuseGit(w, http.StatusForbidden, textScopes)
		return
	}
	call := gitCall{server: s, repo: repo, by: p, request: r, path: path}
	if s.options.Plain {
		call.plain(w)
		return
	}
	if push && r.Method == http.MethodPost {
		call.push(w)
		return
	}
	call.fetch(w)
}

func (s *Server) refuseGit(w http.ResponseWriter, status int, text string) {
	if status == http.StatusUnauthorized {
		// Without this header git does not try again with its credentials.
		w.Header().Set("WWW-Authenticate", realm)
		if s.options.DataCenter {
			w.Header().Set("WWW-Authenticate", realmDataCenter)
		}
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, text)
}
