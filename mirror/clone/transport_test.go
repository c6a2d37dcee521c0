package clone_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
)

func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name        string
		status      int
		header      string
		body        string
		code        string
		class       mirror.Class
		says, helps string
	}{
		{"bad token", 401, "", "Invalid credentials", mirror.CodeConnectionFailed, mirror.Permanent, mirror.ConnectionFailedMessage, "client secret"},
		{"bad password", 401, "", "Invalid username or password", mirror.CodeConnectionFailed, mirror.Permanent, mirror.ConnectionFailedMessage, "client secret"},
		{"no access", 401, "", "You may not have access to this repository or it no longer exists in this workspace. If you think", mirror.CodeRepositoryNotFound, mirror.Permanent, "You may not have access", "Workspace"},
		{"scope", 403, "", "Your credentials lack one or more required privilege scopes.\nmore", mirror.CodePermissionDenied, mirror.Permanent, "privilege scopes.", "Repositories: Read and Write"},
		{"allow list", 403, "", "To access this repository, an admin must whitelist your IP.", mirror.CodePermissionDenied, mirror.Permanent, "whitelist your IP", "allow-list"},
		{"two-step", 403, "", "To access this repository, enable two-step authentication.", mirror.CodePermissionDenied, mirror.Permanent, "two-step", "two-step"},
		{"no repository or no access", 403, "", "The requested repository either does not exist or you do not have access. If you believe this repository exists and you have access, make sure you're authenticated.", mirror.CodeRepositoryNotFound, mirror.Permanent, "does not exist or you do not have access", "Workspace"},
		{"forbidden page", 403, "Content-Type: text/html", "<!DOCTYPE html><h1>no</h1>", mirror.CodePermissionDenied, mirror.Permanent, "refuses access", ""},
		{"not found", 404, "", "", mirror.CodeRepositoryNotFound, mirror.Permanent, "does not exist", ""},
		{"gone", 410, "", "App passwords are deprecated and must be replaced with API tokens.", mirror.CodePermissionDenied, mirror.Permanent, "App passwords", "OAuth"},
		{"limited", 429, "Retry-After: 17", "", mirror.CodeRateLimited, mirror.Transient, "fewer requests", ""},
		{"bad gateway", 502, "", "<html>", mirror.CodeNetworkUnreachable, mirror.Transient, "502 Bad Gateway", ""},
		{"unavailable", 503, "Retry-After: 17", "", mirror.CodeNetworkUnreachable, mirror.Transient, "503", ""},
		{"web page", 200, "Content-Type: text/html", "<html>login</html>", mirror.CodeNetworkUnreachable, mirror.Transient, "web page", "check git_url"},
		{"login page", 302, "Location: /login?next=/ws/repo.git", "", mirror.CodeNetworkUnreachable, mirror.Transient, "redirects", "check git_url"},
		{"noise", 200, "Content-Type: application/x-git-upload-pack-advertisement", "zzzzhello", mirror.CodeNetworkUnreachable, mirror.Transient, "makes no sense", ""},
		{"empty", 200, "Content-Type: application/x-git-upload-pack-result", "", mirror.CodeNetworkUnreachable, mirror.Transient, "cut off", "confmirror check"},
		{"redirect for ever", 302, "Location: /ws/repo.git/info/refs?service=git-upload-pack", "", mirror.CodeNetworkUnreachable, mirror.Transient, "redirects", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.around = func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
				rw.Header().Set("Content-Type", "text/plain")
				if k, v, ok := strings.Cut(tc.header, ": "); ok {
					rw.Header().Set(k, v)
				}
				rw.WriteHeader(tc.status)
				rw.Write([]byte(tc.body))
			}
			_, err := w.Remote(ctx)
			f := fault(t, err, tc.code, tc.class)
			if !strings.Contains(f.Message, tc.says) || !strings.Contains(strings.ToLower(f.Remedy), strings.ToLower(tc.helps)) {
				t.Errorf("message %q, remedy %q; want %q, %q", f.Message, f.Remedy, tc.says, tc.helps)
			}
			if strings.HasPrefix(tc.header, "Retry-After") && f.RetryAfter != 17*time.Second {
				t.Errorf("retry after %s", f.RetryAfter)
			}
			head := mirror.Hash(strings.Repeat("1", 40))
			if err := w.Fetch(ctx, head); err == nil {
				t.Error("fetched")
			}
			fault(t, w.Push(ctx, w.build(t, "", files{"toolkits/a.json": "1"})), tc.code, tc.class)
			w.around = nil
			w.sound(t) // and no refusal has thrown the clone away (S7)
		})
	}
}

func TestUnreachable_S3(t *testing.T) {
	w := newWorld(t)
	w.Server.Close()
	_, err := w.Remote(ctx)
	f := fault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient)
	if strings.Contains(f.Err.Error(), "/ws/repo.git") {
		t.Errorf("the cause repeats the address: %v", f.Err)
	}
	_, err = clone.ListRefs(ctx, "https://no-such-host.invalid/x.git", nil, nil)
	fault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient)
}

func TestTokenIsRenewedOnce_C1(t *testing.T) {
	for _, tc := range []struct {
		give    []string
		renewed int
		code    string
	}{
		{[]string{"good"}, 0, ""},
		{[]string{"old", "good"}, 1, ""},
		{[]string{"old", "older", "good"}, 1, mirror.CodeConnectionFailed},
	} {
		creds := &tokens{good: "good", give: tc.give}
		w := newWorld(t, func(o *clone.Options) { o.Credentials = creds })
		w.around = creds.guard
		_, err := w.Remote(ctx)
		if tc.code == "" && err != nil {
			t.Error(err)
		} else if tc.code != "" {
			fault(t, err, tc.code, mirror.Permanent)
		}
		if creds.renewed != tc.renewed {
			t.Errorf("%v: renewed %d times", tc.give, creds.renewed)
		}
	}
}

type brokenCredentials struct{ err error }

func (b brokenCredentials) Basic(context.Context, bool) (string, mirror.Secret, error) {
	return "", mirror.Secret{}, b.err
}

func TestCredentialsThatFailKeepTheirFault(t *testing.T) {
	want := &mirror.Fault{Code: mirror.CodeConnectionFailed, Message: "m", Class: mirror.Permanent}
	w := newWorld(t, func(o *clone.Options) { o.Credentials = brokenCredentials{want} })
	if _, err := w.Remote(ctx); mirror.AsFault(err) != want {
		t.Errorf("got %v", err)
	}
	if w.requests.Load() != 0 {
		t.Error("asked without credentials")
	}
}

func TestTokenIsNowhere_C2(t *testing.T) {
	const token = "s3cr3t-t0ken"
	var logged bytes.Buffer
	creds := &tokens{good: token, give: []string{token}}
	w := newWorld(t, func(o *clone.Options) {
		o.Credentials = creds
		o.Logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	})
	w.around = creds.guard
	head := w.push(t, "", files{"toolkits/a.json": "1"})
	w.commit("main", files{"toolkits/a.json": "2"})
	w.pull(t)
	var texts []string
	for _, status := range []int{401, 403, 500, 302} {
		w.around = func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			rw.Header().Set("Location", "http://127.0.0.1:1/x")
			http.Error(rw, "no", status)
		}
		_, err := w.Remote(ctx)
		texts = append(texts, err.Error())
		texts = append(texts, w.Push(ctx, w.build(t, head, files{"toolkits/a.json": "3"})).Error())
	}
	w.around = nil
	w.Server.Close()
	_, err := w.Remote(ctx)
	texts = append(texts, err.Error(), logged.String())
	filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			b, _ := os.ReadFile(path)
			texts = append(texts, string(b))
		}
		return nil
	})
	for _, text := range texts {
		if strings.Contains(text, token) {
			t.Errorf("the token is in %q", text)
		}
	}
}

func TestRedirects(t *testing.T) {
	creds := &tokens{good: "t", give: []string{"t"}}
	target := newServer(t)
	want := target.commit("main", files{"toolkits/a.json": "1"})
	var seen []string
	target.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		seen = append(seen, r.Header.Get("Authorization"))
		next.ServeHTTP(rw, r)
	}
	w := newWorld(t, func(o *clone.Options) { o.Credentials = creds })
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		http.Redirect(rw, r, target.URL+r.URL.RequestURI(), http.StatusMovedPermanently)
	}
	if h, err := w.Remote(ctx); err != nil || h.Hash != want {
		t.Fatalf("%+v, %v", h, err)
	}
	for _, auth := range seen {
		if auth != "" {
			t.Error("credentials followed a redirect to another origin")
		}
	}
	// Within the origin (a renamed repository) they do.
	w = newWorld(t, func(o *clone.Options) { o.Credentials = creds })
	want = w.commit("main", files{"toolkits/a.json": "1"})
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasPrefix(r.URL.Path, "/old/") {
			http.Redirect(rw, r, "/ws/"+strings.TrimPrefix(r.URL.RequestURI(), "/old/"), http.StatusFound)
			return
		}
		creds.guard(rw, r, next)
	}
	w.Clone.Close()
	w.o.URL = w.URL + "/old/repo.git"
	w.open(t)
	w.pull(t)
	w.push(t, want, files{"toolkits/a.json": "2"})
	w.clean(t)
	// Away from the service they are refused.
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		http.Redirect(rw, r, "/login?next="+r.URL.Path, http.StatusFound)
	}
	_, err := w.Remote(ctx)
	fault(t, err, mirror.CodeNetworkUnreachable, mirror.Transient)
}

// Credentials stay where they belong, and the fault says that this is why: nobody looks for
// a redirect when told to check a client secret.
func TestRedirectToAServerThatWantsCredentials(t *testing.T) {
	for _, status := range []int{401, 403, 404} {
		target := newServer(t)
		target.around = func(rw http.ResponseWriter, r *http.Request, _ http.Handler) {
			rw.Header().Set("WWW-Authenticate", `Basic realm="other"`)
			http.Error(rw, "Invalid credentials", status)
		}
		creds := &tokens{good: "t", give: []string{"t"}}
		w := newWorld(t, func(o *clone.Options) { o.Credentials = creds })
		w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			http.Redirect(rw, r, target.URL+r.URL.RequestURI(), http.StatusFound)
		}
		_, err := w.Remote(ctx)
		f := fault(t, err, mirror.CodeConnectionFailed, mirror.Permanent)
		if !strings.Contains(f.Message, "redirects to "+target.URL+",") || !strings.Contains(f.Remedy, "git_url to "+target.URL+" ") || strings.Contains(f.Message, "repo.git") {
			t.Errorf("%d: message %q, remedy %q", status, f.Message, f.Remedy)
		}
		if creds.renewed != 0 {
			t.Errorf("%d: the token was renewed for a server that never saw it", status)
		}
	}
}

func TestUserAgentLooksLikeGit(t *testing.T) {
	w := newWorld(t)
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if !strings.HasPrefix(r.UserAgent(), "git/") {
			t.Errorf("User-Agent %q", r.UserAgent())
		}
		next.ServeHTTP(rw, r)
	}
	w.push(t, "", files{"toolkits/a.json": "1"})
}

func TestListRefs(t *testing.T) {
	s := newServer(t)
	refs, err := clone.ListRefs(ctx, s.url(), nil, s.Client())
	if err != nil || !refs.Empty || len(refs.Branches) != 0 {
		t.Fatalf("%+v, %v", refs, err)
	}
	a, b := s.commit("main", files{"a": "1"}), s.commit("rel/1", files{"a": "2"})
	git(t, s.bare, "tag", "v1", "main")
	git(t, s.bare, "symbolic-ref", "HEAD", "refs/heads/rel/1")
	for _, v2 := range []bool{true, false} {
		s.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
			if !v2 {
				r.Header.Del("Git-Protocol")
			}
			next.ServeHTTP(rw, r)
		}
		refs, err = clone.ListRefs(ctx, s.url(), nil, s.Client())
		if err != nil || refs.HEAD != "rel/1" || len(refs.Branches) != 2 || refs.Branches["main"] != a || refs.Branches["rel/1"] != b || refs.Empty {
			t.Errorf("%+v, %v", refs, err)
		}
	}
}

func TestProbePush(t *testing.T) {
	s := newServer(t)
	if err := clone.ProbePush(ctx, s.url(), nil, s.Client()); err != nil {
		t.Error(err)
	}
	s.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.Contains(r.URL.RawQuery, "receive-pack") {
			http.Error(rw, "Your credentials lack one or more required privilege scopes.", http.StatusForbidden)
			return
		}
		next.ServeHTTP(rw, r)
	}
	fault(t, clone.ProbePush(ctx, s.url(), nil, s.Client()), mirror.CodePermissionDenied, mirror.Permanent)
}

// A push that only tries is judged by the branch's rules, and leaves nothing behind.
func TestTryPush(t *testing.T) {
	for name, tt := range map[string]struct{ hook, code, config string }{
		"may":        {"exit 0\n", "", ""},
		"restricted": {"echo 'Permission denied to update branch main.'; exit 1\n", mirror.CodeBranchRestricted, ""},
		"full":       {"echo 'Repository is over the size limit (4 GB) and will not accept further additions.'; exit 1\n", mirror.CodeRepositoryFull, ""},
		"a ticket":   {"echo 'ABC-1: every commit needs a ticket'; exit 1\n", mirror.CodePushRefused, ""},
		// Where it is looked up what the push starts from.
		"no rewrites": {"exit 0\n", "", "receive.denyNonFastForwards"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			head := s.commit("main", files{"a": "1"})
			if tt.config != "" {
				git(t, s.bare, "config", tt.config, "true")
			}
			s.hook(tt.hook)
			before := git(t, s.bare, "for-each-ref") + git(t, s.bare, "count-objects", "-v")
			err := clone.TryPush(ctx, s.url(), "main", head, nil, s.Client())
			if tt.code == "" && err != nil {
				t.Error(err)
			} else if tt.code != "" {
				fault(t, err, tt.code, mirror.Permanent)
			}
			if after := git(t, s.bare, "for-each-ref") + git(t, s.bare, "count-objects", "-v"); after != before {
				t.Errorf("it was\n%s\nand is\n%s", before, after)
			}
		})
	}
	s := newServer(t)
	s.Close()
	fault(t, clone.TryPush(ctx, s.url(), "main", mirror.Hash(strings.Repeat("1", 40)), nil, s.Client()), mirror.CodeNetworkUnreachable, mirror.Transient)
}

func TestCancelReturnsAtOnce_H16(t *testing.T) {
	w := newWorld(t)
	first := w.push(t, "", files{"toolkits/a.json": "1"})
	entered := make(chan struct{}, 9)
	w.around = func(rw http.ResponseWriter, r *http.Request, next http.Handler) {
		entered <- struct{}{}
		next.ServeHTTP(httptest.NewRecorder(), r)
		<-r.Context().Done()
	}
	b := w.build(t, first, files{"toolkits/a.json": "2"})
	for name, f := range map[string]func(context.Context) error{
		"Remote": func(c context.Context) error { _, err := w.Remote(c); return err },
		"Fetch":  func(c context.Context) error { return w.Fetch(c, mirror.Hash(strings.Repeat("1", 40))) },
		"Push":   func(c context.Context) error { return w.Push(c, b) },
	} {
		c, cancel := context.WithCancel(ctx)
		go func() { <-entered; cancel() }()
		if err := f(c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v, want Canceled", name, err)
		}
		cancel()
		if err := f(c); !errors.Is(err, context.Canceled) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
	}
	w.idle()
	w.around = nil
	w.pull(t)
	w.clean(t)
}
