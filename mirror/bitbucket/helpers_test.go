package bitbucket_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// client makes no connection outlive its test.
func client() *http.Client {
	return &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
}

// standIn is a stand-in with one consumer and one repository.
func standIn(t *testing.T) (*bitbuckettest.Server, bitbuckettest.Consumer, *bitbuckettest.Repo) {
	t.Helper()
	s := bitbuckettest.Start(t, bitbuckettest.Options{})
	c := s.AddConsumer(bitbuckettest.Consumer{Workspace: "acme-corp"})
	r, err := s.CreateRepository("acme-corp", "webrix-sync")
	if err != nil {
		t.Fatal(err)
	}
	return s, c, r
}

func source(t *testing.T, s *bitbuckettest.Server, key, secret string) *bitbucket.TokenSource {
	t.Helper()
	tokens, err := bitbucket.NewTokenSource(bitbucket.Consumer{
		ID: key, Secret: mirror.NewSecret(secret), URL: s.OAuthURL(), HTTP: client(),
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// cloud is a client of the stand-in's repository, whose main branch has a file.
func cloud(t *testing.T) (*bitbuckettest.Server, *bitbuckettest.Repo, *bitbucket.Client) {
	t.Helper()
	s, consumer, repo := standIn(t)
	write(t, repo, "main", "a", "1")
	return s, repo, newClient(t, s, "webrix-sync", source(t, s, consumer.Key, consumer.Secret))
}

var ada = mirror.Signature{Name: "Ada", Email: "ada@example.com"}

func write(t *testing.T, r *bitbuckettest.Repo, branch, path, content string) mirror.Hash {
	t.Helper()
	hash, err := r.Commit(branch, ada, "Write "+path, bitbuckettest.Write(path, content))
	if err != nil {
		t.Fatal(err)
	}
	return hash
}

// branch makes a branch beside main with a commit of its own.
func branch(t *testing.T, r *bitbuckettest.Repo, name string) mirror.Hash {
	t.Helper()
	if err := r.CreateBranch(name, "main"); err != nil {
		t.Fatal(err)
	}
	return write(t, r, name, name, "1")
}

// ok fails the test on an error.
func ok[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// wantRoutes checks how many requests each resource got since the last ResetRequests,
// and forgets them.
func wantRoutes(t *testing.T, s *bitbuckettest.Server, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, s.CountRoutes()); diff != "" {
		t.Error(diff)
	}
	s.ResetRequests()
}

// roundTrip is a transport made of a function.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answer(status int, contentType, body string) *http.Response {
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {contentType}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

// wantFault checks a fault's code and class, and that its remedy contains a text.
func wantFault(t *testing.T, err error, code string, class mirror.Class, remedy string) *mirror.Fault {
	t.Helper()
	f := mirror.AsFault(err)
	if err == nil || f.Code != code || f.Class != class {
		t.Fatalf("got %v (class %v), want %s (class %v)", err, f.Class, code, class)
	}
	if f.Message == "" || f.Remedy == "" {
		t.Errorf("message %q, remedy %q", f.Message, f.Remedy)
	}
	if code == mirror.CodeConnectionFailed && f.Message != mirror.ConnectionFailedMessage {
		t.Errorf("message: %q", f.Message)
	}
	if !strings.Contains(strings.ToLower(f.Remedy), strings.ToLower(remedy)) {
		t.Errorf("remedy %q does not say %q", f.Remedy, remedy)
	}
	return f
}
