package db

import (
	"errors"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestPrepareFillsIn(t *testing.T) {
	s := mirror.Settings{Workspace: "acme", Repository: "sync", PathPrefix: "./src/"}
	if err := prepare(&s); err != nil {
		t.Fatal(err)
	}
	if s.Push != mirror.PushDirect || s.Conflict != document.PreferGit || s.GitURL != mirror.DefaultGitURL || s.OAuthURL != mirror.DefaultOAuthURL || s.APIURL != "" || s.PathPrefix != "src" {
		t.Errorf("settings %+v", s)
	}
}

func TestPrepareRefuses(t *testing.T) {
	secret := mirror.NewSecret("hunter2")
	for _, test := range []struct {
		name   string
		change func(*mirror.Settings)
		wrong  string // the key; "" is right
	}{
		{"as it is", func(s *mirror.Settings) {}, ""},
		{"a personal project", func(s *mirror.Settings) { s.Workspace = "~jane" }, ""},
		{"a nested prefix", func(s *mirror.Settings) { s.PathPrefix = "config/ai" }, ""},
		{"a branch with a slash", func(s *mirror.Settings) { s.Branch = "release/1.0" }, ""},
		{"http on this machine", func(s *mirror.Settings) { s.GitURL = "http://127.0.0.1:8080/scm" }, ""},
		{"http on this machine, v6", func(s *mirror.Settings) { s.APIURL = "http://[::1]:8080" }, ""},
		{"an access token", func(s *mirror.Settings) { s.AccessToken = secret }, ""},
		{"client credentials", func(s *mirror.Settings) { s.ClientID, s.ClientSecret = "id", secret }, ""},

		{"no workspace", func(s *mirror.Settings) { s.Workspace = "" }, "workspace"},
		{"workspace upwards", func(s *mirror.Settings) { s.Workspace = ".." }, "workspace"},
		{"repository with a path", func(s *mirror.Settings) { s.Repository = "acme/sync" }, "repository"},
		{"repository as a file", func(s *mirror.Settings) { s.Repository = "sync.git" }, "repository"},
		{"branch as an option", func(s *mirror.Settings) { s.Branch = "--upload-pack" }, "branch"},
		{"branch with two dots", func(s *mirror.Settings) { s.Branch = "a..b" }, "branch"},
		{"branch with an empty part", func(s *mirror.Settings) { s.Branch = "a//b" }, "branch"},
		{"branch with a space", func(s *mirror.Settings) { s.Branch = "a b" }, "branch"},
		{"branch ending in .lock", func(s *mirror.Settings) { s.Branch = "a.lock/b" }, "branch"},
		{"prefix upwards", func(s *mirror.Settings) { s.PathPrefix = "../x" }, "path_prefix"},
		{"prefix absolute", func(s *mirror.Settings) { s.PathPrefix = "/src" }, "path_prefix"},
		{"prefix in an ignored form of .git", func(s *mirror.Settings) { s.PathPrefix = ".g\u200cit" }, "path_prefix"},
		{"prefix in .git", func(s *mirror.Settings) { s.PathPrefix = "src/.Git" }, "path_prefix"},
		{"prefix in an alias of .git", func(s *mirror.Settings) { s.PathPrefix = "GIT~1" }, "path_prefix"},
		{"plain http", func(s *mirror.Settings) { s.GitURL = "http://git.example.com" }, "git_url"},
		{"another scheme", func(s *mirror.Settings) { s.GitURL = "file:///etc" }, "git_url"},
		{"ssh", func(s *mirror.Settings) { s.GitURL = "ssh://git@bitbucket.org" }, "git_url"},
		{"credentials in a URL", func(s *mirror.Settings) { s.APIURL = "https://me:hunter2@bitbucket.org" }, "api_url"},
		{"a query", func(s *mirror.Settings) { s.OAuthURL = "https://bitbucket.org/?x=hunter2" }, "oauth_url"},
		{"push", func(s *mirror.Settings) { s.Push = "force" }, "push"},
		{"conflict", func(s *mirror.Settings) { s.Conflict = "newest" }, "conflict"},
		{"both credentials", func(s *mirror.Settings) { s.AccessToken, s.ClientID, s.ClientSecret = secret, "id", secret }, "access_token"},
		{"half of the credentials", func(s *mirror.Settings) { s.ClientID = "id" }, "client_secret"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := mirror.Settings{Workspace: "acme-corp", Repository: "webrix.sync", Branch: "main", APIURL: mirror.DefaultAPIURL}
			test.change(&s)
			err := prepare(&s)
			wrong, _ := errors.AsType[*mirror.SettingsError](err)
			if test.wrong == "" && err != nil || test.wrong != "" && (wrong == nil || wrong.Key != test.wrong) {
				t.Errorf("error %v, want one of %q", err, test.wrong)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error repeats a secret: %v", err)
			}
		})
	}
}
