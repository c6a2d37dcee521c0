package clone_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/clone"
	"github.com/confmirror/confmirror/mirror/document"
)

// server is a real git server: git http-backend over a bare repository.
type server struct {
	t    testing.TB
	bare string
	*httptest.Server
	requests atomic.Int64
	busy     sync.RWMutex
	// around wraps the backend of a test that wants a server with moods.
	around func(w http.ResponseWriter, r *http.Request, next http.Handler)
}

func newServer(t testing.TB) *server {
	t.Helper()
	s := &server{t: t, bare: filepath.Join(t.TempDir(), "ws", "repo.git")}
	git(t, "", "init", "-q", "--bare", "-b", "main", s.bare)
	git(t, s.bare, "config", "http.receivepack", "true")
	path, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	backend := &cgi.Handler{
		Path: path, Args: []string{"http-backend"}, Stderr: discard{},
		Env: append(gitEnv, "GIT_PROJECT_ROOT="+filepath.Dir(filepath.Dir(s.bare)), "GIT_HTTP_EXPORT_ALL=1", "REMOTE_USER=x"),
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// git's program spins for ever on a body that ends early, as those of clients
		// that have gone do.
		body, err := wholeBody(r.Body)
		if err != nil {
			return
		}
		defer body.Close()
		r.Body = body
		// CGI knows the header that selects the protocol as a variable of git's own.
		h := *backend
		if p := r.Header.Get("Git-Protocol"); p != "" {
			h.Env = append(h.Env[:len(h.Env):len(h.Env)], "GIT_PROTOCOL="+p)
		}
		h.ServeHTTP(w, r)
	})
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.busy.RLock()
		defer s.busy.RUnlock()
		s.requests.Add(1)
		if s.around != nil {
			s.around(w, r, handler)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// wholeBody reads a request to its end. A large one is kept in a file: the memory that
// benchmarks tell of is the clone's.
func wholeBody(r io.Reader) (io.ReadCloser, error) {
	var small bytes.Buffer
	if _, err := io.CopyN(&small, r, 1<<20); err != nil {
		if err == io.EOF {
			err = nil
		}
		return io.NopCloser(&small), err
	}
	f, err := os.CreateTemp("", "body")
	if err != nil {
		return nil, err
	}
	os.Remove(f.Name())
	if _, err = io.Copy(f, io.MultiReader(&small, r)); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
	}
	return f, err
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// idle waits for requests whose clients have gone.
func (s *server) idle() {
	s.busy.Lock()
	defer s.busy.Unlock()
}

func (s *server) url() string { return s.URL + "/ws/repo.git" }

var gitEnv = []string{
	"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "HOME=/nonexistent", "PATH=" + os.Getenv("PATH"), "LC_ALL=C",
	"GIT_AUTHOR_NAME=Ann", "GIT_AUTHOR_EMAIL=ann@example.com", "GIT_COMMITTER_NAME=Ann", "GIT_COMMITTER_EMAIL=ann@example.com",
	"GIT_AUTHOR_DATE=1700000000 +0000", "GIT_COMMITTER_DATE=1700000000 +0000",
}

func gitInput(t testing.TB, dir string, input []byte, args ...string) (string, error) {
	cmd := exec.Command("git", args...)
	cmd.Dir, cmd.Env, cmd.Stdin = dir, gitEnv, bytes.NewReader(input)
	out, err := cmd.CombinedOutput()
	return strings.TrimRight(string(out), "\n"), err
}

func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	out, err := gitInput(t, dir, nil, args...)
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// files is a commit's content: path to text. "x:" before a path makes it
// executable, "l:" a symbolic link, "m:" a submodule; "" deletes.
type files map[string]string

// commit makes a commit on the server's branch, on top of what is there.
func (s *server) commit(branch string, f files) mirror.Hash {
	s.t.Helper()
	return commitTo(s.t, s.bare, "refs/heads/"+branch, f)
}

func commitTo(t testing.TB, repo, ref string, f files) mirror.Hash {
	t.Helper()
	index := filepath.Join(t.TempDir(), "index")
	run := func(input string, args ...string) string {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env, cmd.Stdin = repo, append(gitEnv, "GIT_INDEX_FILE="+index), strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	parent, err := gitInput(t, repo, nil, "rev-parse", "-q", "--verify", ref)
	if err == nil {
		run("", "read-tree", parent)
	}
	for path, text := range f {
		mode, name := "100644", path
		switch {
		case strings.HasPrefix(path, "x:"):
			mode, name = "100755", path[2:]
		case strings.HasPrefix(path, "l:"):
			mode, name = "120000", path[2:]
		case strings.HasPrefix(path, "m:"):
			mode, name = "160000", path[2:]
		}
		if text == "" {
			run("", "rm", "-q", "--cached", "-r", "--ignore-unmatch", name)
			continue
		}
		id := text
		if mode != "160000" {
			id = run(text, "hash-object", "-w", "--stdin")
		}
		run("", "update-index", "--add", "--replace", "--cacheinfo", mode+","+id+","+name)
	}
	args := []string{"commit-tree", run("", "write-tree"), "-m", "by hand"}
	if err == nil {
		args = append(args, "-p", parent)
	}
	id := run("", args...)
	run("", "update-ref", ref, id)
	return mirror.Hash(id)
}

func (s *server) head(branch string) mirror.Hash {
	s.t.Helper()
	return mirror.Hash(git(s.t, s.bare, "rev-parse", "refs/heads/"+branch))
}

func (s *server) show(branch, path string) string {
	s.t.Helper()
	return git(s.t, s.bare, "show", "refs/heads/"+branch+":"+path)
}

// hook installs a pre-receive hook.
func (s *server) hook(script string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.bare, "hooks", "pre-receive"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		s.t.Fatal(err)
	}
}

// world is a server and a clone of it.
type world struct {
	*server
	*clone.Clone
	dir string
	o   clone.Options
}

var ctx = context.Background()

func newWorld(t testing.TB, change ...func(*clone.Options)) *world {
	t.Helper()
	w := &world{server: newServer(t), dir: filepath.Join(t.TempDir(), "clones", "acme")}
	w.o = clone.Options{
		Dir: w.dir, URL: w.url(), Branch: "main",
		Committer: mirror.Signature{Name: "confmirror", Email: "confmirror@example.com"},
		Client:    w.Client(),
	}
	for _, f := range change {
		f(&w.o)
	}
	w.open(t)
	t.Cleanup(func() { w.Clone.Close() })
	return w
}

func (w *world) open(t testing.TB) {
	t.Helper()
	c, err := clone.Open(ctx, w.o)
	if err != nil {
		t.Fatal(err)
	}
	w.Clone = c
}

func (w *world) reopen(t testing.TB) {
	t.Helper()
	if err := w.Clone.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(t)
}

// pull fetches and checks out the remote's head.
func (w *world) pull(t testing.TB) mirror.Hash {
	t.Helper()
	h, err := w.Remote(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Fetch(ctx, h.Hash); err != nil {
		t.Fatal(err)
	}
	w.checkout(t, h.Hash)
	return h.Hash
}

func (w *world) checkout(t testing.TB, h mirror.Hash) {
	t.Helper()
	if err := w.Checkout(ctx, h); err != nil {
		t.Fatal(err)
	}
}

// build makes one commit for each set of files.
func (w *world) build(t testing.TB, parent mirror.Hash, sets ...files) mirror.Built {
	t.Helper()
	var specs []mirror.CommitSpec
	for i, f := range sets {
		spec := mirror.CommitSpec{
			Message: fmt.Sprintf("Update %d", i),
			Author:  mirror.Signature{Name: "Ben", Email: "ben@example.com", When: time.Unix(1700000000, 0).UTC()},
		}
		for path, text := range f {
			exec := strings.HasPrefix(path, "x:")
			spec.Changes = append(spec.Changes, mirror.FileChange{
				Path: strings.TrimPrefix(path, "x:"), Delete: text == "", Content: []byte(text), Executable: exec,
			})
		}
		specs = append(specs, spec)
	}
	b, err := w.Build(ctx, parent, specs)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// push builds, pushes and checks out.
func (w *world) push(t testing.TB, parent mirror.Hash, sets ...files) mirror.Hash {
	t.Helper()
	b := w.build(t, parent, sets...)
	if err := w.Push(ctx, b); err != nil {
		t.Fatal(err)
	}
	w.checkout(t, b.Head())
	return b.Head()
}

// clean lets real git judge the clone.
func (w *world) clean(t testing.TB) {
	t.Helper()
	if out := git(t, w.dir, "status", "--porcelain"); out != "" {
		t.Errorf("git status:\n%s", out)
	}
	w.sound(t)
}

func (w *world) sound(t testing.TB) {
	t.Helper()
	fsck(t, w.dir)
	if out := git(t, w.dir, "symbolic-ref", "HEAD"); out != "refs/heads/"+w.o.Branch {
		t.Errorf("HEAD is %s", out)
	}
}

func fsck(t testing.TB, dir string) {
	t.Helper()
	out, err := gitInput(t, dir, nil, "fsck", "--strict", "--no-dangling", "--no-progress")
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "notice: ") { // of a branch that is not born yet
			t.Errorf("git fsck (%v): %s", err, line)
		}
	}
	if err != nil {
		t.Errorf("git fsck: %v", err)
	}
}

func (w *world) write(t *testing.T, path, text string) {
	t.Helper()
	full := filepath.Join(w.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (w *world) file(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kept finds what was moved aside.
func (w *world) kept(t *testing.T) files {
	t.Helper()
	out := files{}
	root := filepath.Join(w.dir, ".git", "confmirror", "kept")
	filepath.Walk(root, func(path string, fi os.FileInfo, err error) error {
		if err == nil && fi.Mode().IsRegular() {
			rel, _ := filepath.Rel(root, path)
			_, rel, _ = strings.Cut(filepath.ToSlash(rel), "/")
			b, _ := os.ReadFile(path)
			out[rel] = string(b)
		}
		return nil
	})
	return out
}

// list gives entries as "path=id" with ids cut to what a test cares for.
func list(entries []mirror.Entry) []string {
	var out []string
	for _, e := range entries {
		id := "gone"
		switch mode, _, odd := strings.Cut(e.GitID, ":"); {
		case odd:
			id = mode
		case e.GitID != "":
			id = "here"
		}
		out = append(out, e.Path+"="+id)
	}
	return out
}

func place(k document.Kind, slug string) []mirror.Place { return []mirror.Place{{Kind: k, Slug: slug}} }
