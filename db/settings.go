package db

import (
	"cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// prepare fills in what absent settings mean, brings them into their normal form and
// refuses what cannot be a connection. Credentials may be missing still: the run says so.
func prepare(s *mirror.Settings) error {
	s.Push = cmp.Or(s.Push, mirror.PushDirect)
	s.Conflict = cmp.Or(s.Conflict, document.PreferGit)
	s.GitURL = cmp.Or(s.GitURL, mirror.DefaultGitURL)
	s.OAuthURL = cmp.Or(s.OAuthURL, mirror.DefaultOAuthURL)
	if wrong := s.Normalize(); len(wrong) > 0 {
		return wrong[0]
	}
	return nil
}
