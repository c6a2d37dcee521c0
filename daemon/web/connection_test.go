package web

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// form is a complete connection; changes replace fields, nil leaves one out.
func connectionForm(changes map[string]any) map[string]any {
	f := map[string]any{
		"workspace": "acme-corp", "repository": "webrix-sync", "client_id": "consumer",
		"client_secret": canary + "client-secret", "webhook_secret": canary + "webhook-secret",
	}
	maps.Copy(f, changes)
	for name, value := range f {
		if value == nil {
			delete(f, name)
		}
	}
	return f
}

// null is JSON's null in a form, which nil leaves out.
var null = (*string)(nil)

func TestConnect(t *testing.T) {
	each(t, func(w *world) {
		id := w.organization("acme")
		w.engine.result = TestResult{Code: mirror.CodeConnectionFailed, Message: mirror.ConnectionFailedMessage, Steps: []TestStep{
			{Name: "token", Code: mirror.CodeConnectionFailed, Message: "refused", Remedy: "another"},
			{Name: "git", Skipped: true, Message: "not tried"},
			{Name: "webhook", OK: true, Message: "works", Remedy: "could be better"},
		}}
		path := org("acme", "mirror/connection")
		w.do("GET", path, nil).fails(404, "DISCONNECTED")

		// Saved although the test fails.
		got := w.do("PUT", path, connectionForm(map[string]any{"path_prefix": "src/"})).is(200)
		for key, want := range map[string]any{
			"workspace": "acme-corp", "repository": "webrix-sync", "client_id": "consumer", "branch": "", "path_prefix": "src",
			"client_secret_set": true, "webhook_secret_set": true, "access_token_set": false, "push": "direct", "conflict": "git",
			"api_url": mirror.DefaultAPIURL, "oauth_url": mirror.DefaultOAuthURL, "git_url": mirror.DefaultGitURL, "source": "api",
			"webhook_url": "https://confmirror.example.com/api/bitbucket/webhook",
		} {
			if value := got.at("connection", key); value != want {
				w.t.Errorf("%s is %v, want %v", key, value, want)
			}
		}
		if got.at("test", "ok") != false || got.at("test", "code") != "CONNECTION_FAILED" || got.at("test", "steps", 0, "name") != "token" ||
			got.at("test", "steps", 1, "skipped") != true || got.at("test", "steps", 2, "remedy") != "could be better" {
			w.t.Errorf("test: %s", got.Body)
		}
		w.heard("reconnected " + id)
		if s := w.engine.tested[0]; s.ClientSecret.Reveal() != canary+"client-secret" || s.Workspace != "acme-corp" {
			w.t.Errorf("tested %+v", s)
		}
		if got := w.do("GET", path, nil).is(200); got.at("connection", "path_prefix") != "src" {
			w.t.Errorf("%s", got.Body)
		}

		// What is left out stays, secrets too; "" is what a form sends that nobody filled in.
		w.do("PUT", path, map[string]any{"branch": "release", "client_secret": ""}).is(200)
		stored := w.stored(id)
		if stored.Branch != "release" || stored.PathPrefix != "src" || stored.ClientSecret.Reveal() != canary+"client-secret" || stored.WebhookSecret.IsZero() {
			w.t.Errorf("stored %+v", stored)
		}
		// null removes, and a token takes a client's place.
		w.do("PUT", path, map[string]any{"webhook_secret": null, "access_token": canary + "token"}).is(200)
		stored = w.stored(id)
		if !stored.WebhookSecret.IsZero() || stored.ClientID != "" || !stored.ClientSecret.IsZero() || stored.AccessToken.Reveal() != canary+"token" {
			w.t.Errorf("stored %+v", stored)
		}
		w.do("PUT", path, map[string]any{"client_id": "consumer", "client_secret": canary + "again\n"}).is(200)
		stored = w.stored(id)
		if stored.ClientSecret.Reveal() != canary+"again" || !stored.AccessToken.IsZero() {
			w.t.Errorf("stored %+v", stored)
		}

		w.engine.take()
		w.do("DELETE", path, nil).is(204)
		w.heard("reconnected " + id)
		w.do("DELETE", path, nil).fails(409, "DISCONNECTED")
		w.do("GET", path, nil).fails(404, "DISCONNECTED")
		w.do("POST", path+"/test", nil).fails(409, "DISCONNECTED")
	})
}

func (w *world) stored(organizationID string) mirror.Settings {
	w.t.Helper()
	s, err := w.db.ConnectionSettings(w.t.Context(), organizationID)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func TestRepositoriesAsPeopleWriteThem(t *testing.T) {
	w := embedded(t, nil)
	id := w.organization("acme")
	for _, f := range []map[string]any{
		{},
		{"repository": "acme-corp/webrix-sync"},
		{"repository": "acme-corp/webrix-sync", "workspace": nil},
		{"repository": "https://bitbucket.org/acme-corp/webrix-sync/src/main/", "workspace": nil},
		{"repository": "https://you:" + canary + "x@bitbucket.org/acme-corp/webrix-sync.git", "workspace": nil},
		{"repository": "git@bitbucket.org:acme-corp/webrix-sync.git", "workspace": ""},
	} {
		w.do("PUT", org("acme", "mirror/connection"), connectionForm(f)).is(200)
		if s := w.stored(id); s.Workspace != "acme-corp" || s.Repository != "webrix-sync" {
			t.Errorf("%v: %+v", f, s)
		}
	}
}

func TestConnectionsThatCannotBe(t *testing.T) {
	for name, test := range map[string]struct {
		change map[string]any
		status int
		field  string
		says   string
	}{
		"no workspace":             {map[string]any{"workspace": nil}, 422, "workspace", "workspace"},
		"an empty workspace":       {map[string]any{"workspace": " "}, 422, "workspace", "workspace"},
		"no repository":            {map[string]any{"repository": nil}, 422, "repository", "slug"},
		"a repository with ..":     {map[string]any{"repository": "../x"}, 422, "", ""},
		"half an address":          {map[string]any{"repository": "https://u:" + canary + "p@bitbucket.org/only", "workspace": nil}, 422, "workspace", ""},
		"another workspace":        {map[string]any{"repository": "other/x"}, 422, "repository", "other"},
		"no client":                {map[string]any{"client_id": nil, "client_secret": nil}, 422, "client_id", "access_token"},
		"no client secret":         {map[string]any{"client_secret": nil}, 422, "client_secret", "missing"},
		"no client id":             {map[string]any{"client_id": nil}, 422, "client_id", "missing"},
		"client and token":         {map[string]any{"access_token": canary + "t"}, 422, "access_token", "either"},
		"two lines":                {map[string]any{"client_secret": canary + "a\nb"}, 422, "client_secret", "one line"},
		"a branch":                 {map[string]any{"branch": "a..b"}, 422, "branch", "a..b"},
		"a prefix":                 {map[string]any{"path_prefix": "../x"}, 422, "path_prefix", ".."},
		"a push mode":              {map[string]any{"push": "force"}, 422, "push", "direct"},
		"a policy":                 {map[string]any{"conflict": "mine"}, 422, "conflict", "database"},
		"a field of another type":  {map[string]any{"branch": 5}, 400, "branch", "string"},
		"an unknown field":         {map[string]any{"brnch": "main"}, 400, "brnch", "brnch"},
		"another host":             {map[string]any{"api_url": "https://evil.example/2.0"}, 422, "api_url", "evil.example"},
		"a host that ends alike":   {map[string]any{"git_url": "https://evilbitbucket.org"}, 422, "git_url", "allowed_hosts"},
		"a host that begins alike": {map[string]any{"git_url": "https://bitbucket.org.evil.example"}, 422, "git_url", "allowed_hosts"},
		"plain http":               {map[string]any{"git_url": "http://bitbucket.org"}, 422, "git_url", "https"},
		"plain http, allowed host": {map[string]any{"git_url": "http://git.example.com"}, 422, "git_url", "https"},
		"a loopback not allowed":   {map[string]any{"git_url": "http://localhost:7990"}, 422, "git_url", "allowed_hosts"},
		"link-local, allowed":      {map[string]any{"oauth_url": "https://169.254.169.254/latest"}, 422, "oauth_url", "link-local"},
		"link-local, IPv6":         {map[string]any{"oauth_url": "https://[fe80::1]/"}, 422, "oauth_url", "link-local"},
		"link-local with a zone":   {map[string]any{"oauth_url": "https://[fe80::1%25eth0]/"}, 422, "oauth_url", ""},
		"link-local, mapped":       {map[string]any{"oauth_url": "https://[::ffff:169.254.169.254]/"}, 422, "oauth_url", "link-local"},
		"metadata by name":         {map[string]any{"oauth_url": "https://metadata.google.internal./"}, 422, "oauth_url", "metadata"},
		"userinfo":                 {map[string]any{"git_url": "https://u:" + canary + "p@bitbucket.org"}, 422, "git_url", "password"},
		"a query":                  {map[string]any{"git_url": "https://bitbucket.org/?x=1"}, 422, "git_url", "?"},
		"another scheme":           {map[string]any{"git_url": "file:///etc"}, 422, "git_url", "https"},
		"no address":               {map[string]any{"oauth_url": "::"}, 422, "oauth_url", "https"},
		"a repository elsewhere":   {map[string]any{"repository": "https://git.example.com/acme-corp/webrix-sync"}, 422, "repository", "git_url"},
	} {
		t.Run(name, func(t *testing.T) {
			w := embedded(t, nil)
			id := w.organization("acme")
			code := "VALIDATION_FAILED"
			if test.status == 400 {
				code = "BAD_REQUEST"
			}
			if name == "an unknown field" {
				code = "UNKNOWN_FIELD"
			}
			for _, send := range []struct{ method, path string }{{"PUT", "mirror/connection"}, {"POST", "mirror/connection/test"}} {
				got := w.do(send.method, org("acme", send.path), connectionForm(test.change)).fails(test.status, code, test.says)
				if fields := got.at("error", "fields").(map[string]any); test.field != "" && fields[test.field] == nil {
					t.Errorf("no word about %s: %s", test.field, got.Body)
				}
			}
			if _, err := w.db.Connection(t.Context(), id); !errors.Is(err, mirror.ErrNoMirror) {
				t.Errorf("something was saved: %v", err)
			}
			if len(w.engine.tested) > 0 {
				t.Error("something was contacted")
			}
		})
	}
}

func TestHostsThatMayBeNamed(t *testing.T) {
	for name, change := range map[string]map[string]any{
		"a subdomain":       {"api_url": "https://api.eu.bitbucket.org/2.0/"},
		"upper case, dot":   {"git_url": "https://BitBucket.ORG."},
		"an allowed host":   {"git_url": "https://git.example.com:8443/scm", "api_url": "", "oauth_url": "https://git.example.com/token"},
		"allowed loopback":  {"git_url": "http://127.0.0.1:7990"},
		"allowed, in IPv6":  {"git_url": "http://[::1]:7990"},
		"the same, mapped":  {"git_url": "http://[::ffff:127.0.0.1]:7990"},
		"no REST interface": {"api_url": ""},
	} {
		w := embedded(t, nil)
		w.organization("acme")
		if got := w.do("PUT", org("acme", "mirror/connection"), connectionForm(change)); got.Status != 200 {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
}

// Stored credentials are not sent to a place that whoever sent the request chose.
func TestMovingNeedsTheSecrets(t *testing.T) {
	each(t, func(w *world) {
		id := w.organization("acme")
		path := org("acme", "mirror/connection")
		w.do("PUT", path, connectionForm(nil)).is(200)
		for _, change := range []map[string]any{
			{"workspace": "other"}, {"repository": "other/webrix-sync"}, {"git_url": "https://git.example.com"},
			{"api_url": "https://git.example.com"}, {"oauth_url": "https://git.example.com"},
		} {
			w.engine.tested = nil
			for _, send := range []struct{ method, path string }{{"PUT", path}, {"POST", path + "/test"}} {
				w.do(send.method, send.path, change).fails(422, "SECRETS_NEEDED", "client_secret")
			}
			if len(w.engine.tested) > 0 {
				w.t.Errorf("%v: something was contacted", change)
			}
		}
		if s := w.stored(id); s.Workspace != "acme-corp" || s.GitURL != mirror.DefaultGitURL {
			w.t.Errorf("stored %+v", s)
		}
		w.do("PUT", path, map[string]any{"workspace": "other", "client_secret": canary + "theirs"}).is(200)
		w.do("PUT", path, connectionForm(map[string]any{"client_id": nil, "client_secret": nil, "access_token": canary + "t"})).is(200)
		w.do("PUT", path, map[string]any{"workspace": "other"}).fails(422, "SECRETS_NEEDED", "access_token")
		// The same place again, and another repository in it, need nothing.
		w.do("PUT", path, map[string]any{"repository": "another", "git_url": mirror.DefaultGitURL + "/"}).is(200)
	})
}

func TestTestingAFormSavesNothing(t *testing.T) {
	w := embedded(t, nil)
	id := w.organization("acme")
	w.engine.result = TestResult{OK: true}
	path := org("acme", "mirror/connection/test")
	got := w.do("POST", path, connectionForm(nil)).is(200)
	if got.at("connection") != nil || got.at("test", "ok") != true {
		t.Errorf("%s", got.Body)
	}
	if _, err := w.db.Connection(t.Context(), id); !errors.Is(err, mirror.ErrNoMirror) {
		t.Errorf("saved: %v", err)
	}
	w.do("PUT", org("acme", "mirror/connection"), connectionForm(nil)).is(200)
	w.engine.tested = nil
	w.do("POST", path, nil).is(200)
	w.do("POST", path, map[string]any{"branch": "other"}).is(200)
	for i, branch := range []string{"", "other"} {
		if s := w.engine.tested[i]; s.Branch != branch || s.ClientSecret.Reveal() != canary+"client-secret" {
			t.Errorf("tested %+v", s)
		}
	}
	if s := w.stored(id); s.Branch != "" {
		t.Errorf("stored %+v", s)
	}
}

func TestConnectionOfTheConfiguration(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", func(c *db.ConnectionWrite) { c.Source = db.SourceConfig })
	path := org("acme", "mirror/connection")
	if got := w.do("GET", path, nil).is(200); got.at("connection", "source") != "config" {
		t.Errorf("%s", got.Body)
	}
	w.do("PUT", path, connectionForm(nil)).fails(409, "CONFIGURED", "configuration file")
	w.do("DELETE", path, nil).fails(409, "CONFIGURED")
	w.do("POST", path+"/test", nil).is(200)
	w.heard()
}

func TestAlreadyConnected(t *testing.T) {
	each(t, func(w *world) {
		w.connect("acme", nil)
		w.organization("beta")
		path := org("beta", "mirror/connection")
		w.do("PUT", path, connectionForm(map[string]any{"branch": "main", "path_prefix": "acme/below"})).fails(409, mirror.CodeAlreadyConnected, "path_prefix")
		w.do("PUT", path, connectionForm(map[string]any{"branch": "main", "path_prefix": "beside"})).is(200)
	})
}

func TestDefaultsOfNewConnections(t *testing.T) {
	w := embedded(t, func(o *Options) { o.Push, o.Conflict = mirror.PushAuto, document.PreferDatabase })
	w.organization("acme")
	got := w.do("PUT", org("acme", "mirror/connection"), connectionForm(nil)).is(200)
	if got.at("connection", "push") != "auto" || got.at("connection", "conflict") != "database" {
		t.Errorf("%s", got.Body)
	}
}

func TestFormsAreStrict(t *testing.T) {
	w := embedded(t, nil)
	w.organization("acme")
	path := org("acme", "mirror/connection")
	w.do("PUT", path, `{"branch": "a", "branch": "b"}`).fails(400, "INVALID_JSON", "branch")
	w.do("PUT", path, `{"branch": `).fails(400, "INVALID_JSON", "line 1")
	w.do("PUT", path, `[]`).fails(400, "BAD_REQUEST", "object")
	w.do("PUT", path, "\xff").fails(400, "INVALID_JSON")
	w.do("PUT", path, strings.Repeat(" ", maxForm+1)).fails(413, "BODY_TOO_LARGE")
	w.do("PUT", path, `{"`+strings.Repeat("x", 5000)+`": 1}`).fails(400, "UNKNOWN_FIELD", "xxx...")
}
