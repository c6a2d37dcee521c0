package bitbuckettest_test

import (
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

var plainClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// A client that stands still in the middle of its request does not hold up Close.
func TestCloseCutsClients(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	arrived := make(chan struct{})
	w.Inject(bitbuckettest.Fault{Do: func() { close(arrived) }, Times: 1}, bitbuckettest.EndpointPush)
	body, write := io.Pipe()
	r, err := http.NewRequest(http.MethodPost, w.repo.URL()+"/git-receive-pack", body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("User-Agent", "git/2.50")
	r.SetBasicAuth("you", "you")
	var wg sync.WaitGroup
	wg.Go(func() {
		answer, err := plainClient.Do(r)
		if err == nil {
			answer.Body.Close()
			t.Error("answered")
		}
	})
	if _, err := io.WriteString(write, "00"); err != nil {
		t.Fatal(err)
	}
	<-arrived
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	write.Close() // the client's transport waits for the body it is sending
	wg.Wait()
}

// Nothing that waits holds up Close: a stalled request, a delivery before its time.
func TestCloseEndsWaiting(t *testing.T) {
	rc := newReceiver(t)
	w, h := hookWorld(t, rc)
	h.Set(bitbuckettest.HookMood{Delay: time.Hour})
	commit(t, w.repo, "main", "a", "1")
	arrived := make(chan struct{})
	w.Inject(bitbuckettest.Fault{Stall: true, Do: func() { close(arrived) }, Times: 1}, bitbuckettest.EndpointToken)
	var wg sync.WaitGroup
	wg.Go(func() {
		answer, err := plainClient.Post(w.OAuthURL(), "", nil)
		if err == nil {
			answer.Body.Close()
			t.Error("answered")
		}
	})
	<-arrived
	if err := w.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if len(rc.bodies) != 0 {
		t.Error("delivered before its time")
	}
	if _, err := w.CreateRepository("a", "b"); err == nil {
		t.Error("a closed server makes repositories")
	}
}

func TestAdoptsOldRepositories(t *testing.T) {
	dir := t.TempDir()
	var id string
	for i := range 2 {
		s, err := bitbuckettest.New(bitbuckettest.Options{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.CreateRepository("acme-corp", "webrix-sync")
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			commit(t, r, "trunk", "a", "1")
			id = r.UUID()
		} else if r.MainBranch() != "trunk" || r.UUID() != id {
			t.Errorf("main branch %q, uuid %s, was %s", r.MainBranch(), r.UUID(), id)
		}
		if _, err := s.CreateRepository("Acme-Corp", "webrix-sync"); err == nil {
			t.Error("created twice")
		}
		if _, err := s.CreateRepository("..", "x"); err == nil {
			t.Error("created outside")
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNoGit(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := bitbuckettest.New(bitbuckettest.Options{})
	if err == nil || !strings.Contains(err.Error(), "git program, which is not installed") {
		t.Error(err)
	}
}

func TestDirectCommits(t *testing.T) {
	w := newWorld(t, bitbuckettest.Options{})
	r := w.repo
	first := must[mirror.Hash](t)(r.Commit("main", ada, "First\n\nbody", []bitbuckettest.Change{
		bitbuckettest.Write("dir/a b.json", "{}\n"),
		bitbuckettest.Write(`dir/"quoted"\ü☃.md`, "ü"),
		{Path: "run.sh", Mode: bitbuckettest.ModeExecutable, Content: []byte("#!/bin/sh\n")},
		{Path: "link", Mode: bitbuckettest.ModeSymlink, Content: []byte("../etc/passwd")},
		{Path: "bin", Content: []byte{0, 1, '\n', 0xff}},
		{Path: "empty"},
	}...))
	if _, err := r.Commit("main", ada, "Sub", bitbuckettest.Change{Path: "sub", Mode: bitbuckettest.ModeSubmodule, Content: []byte(first)}); err != nil {
		t.Fatal(err)
	}
	modes := make(map[string]string)
	for _, f := range must[[]bitbuckettest.File](t)(r.Tree("main")) {
		modes[f.Path] = f.Mode + " " + string(f.Content)
	}
	want := map[string]string{
		"dir/a b.json": "100644 {}\n", `dir/"quoted"\ü☃.md`: "100644 ü", "run.sh": "100755 #!/bin/sh\n",
		"link": "120000 ../etc/passwd", "bin": "100644 \x00\x01\n\xff", "empty": "100644 ", "sub": "160000 ",
	}
	if diff := cmp.Diff(want, modes); diff != "" {
		t.Error(diff)
	}
	if _, err := r.Commit("main", ada, "Clear", bitbuckettest.Remove("dir"), bitbuckettest.Remove("")); err != nil {
		t.Fatal(err)
	}
	if files := must[map[string]string](t)(r.Files("main")); len(files) != 0 {
		t.Errorf("%v", files)
	}
	if err := r.ForcePush("main", string(first)); err != nil || head(t, r, "main") != first {
		t.Errorf("%v", err)
	}
	if err := r.CreateBranch("side", "main"); err != nil {
		t.Error(err)
	}
	if err := r.DeleteBranch("main"); err != nil {
		t.Error(err)
	}
	if h := head(t, r, "main"); h != "" {
		t.Errorf("main is at %s", h)
	}
	log := must[[]bitbuckettest.Commit](t)(r.Log("side"))
	if len(log) != 1 || log[0].Message != "First\n\nbody" || log[0].Hash != first || len(log[0].Parents) != 0 {
		t.Errorf("%+v", log)
	}
	if _, err := r.Files("main"); err == nil {
		t.Error("files of no branch")
	}
	if out, err := r.Git("fsck", "--strict"); err != nil {
		t.Error(out, err)
	}
}
