package bitbuckettest_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

var hookSecret = mirror.NewSecret("hook-secret$")

// receiver keeps what it is sent and answers with the statuses it is given, then 202.
type receiver struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	headers  []http.Header
	bodies   [][]byte
}

func newReceiver(t *testing.T, statuses ...int) *receiver {
	rc := &receiver{statuses: statuses}
	rc.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		rc.mu.Lock()
		defer rc.mu.Unlock()
		rc.headers = append(rc.headers, r.Header)
		rc.bodies = append(rc.bodies, body)
		status := http.StatusAccepted
		if len(rc.statuses) > 0 {
			status, rc.statuses = rc.statuses[0], rc.statuses[1:]
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(rc.Close)
	return rc
}

func (rc *receiver) changes(t *testing.T, i int) []map[string]any {
	t.Helper()
	var body struct {
		Push struct{ Changes []map[string]any }
	}
	if err := json.Unmarshal(rc.bodies[i], &body); err != nil {
		t.Fatal(err)
	}
	return body.Push.Changes
}

func noBackoff(int) time.Duration { return 0 }

func hookWorld(t *testing.T, rc *receiver) (*world, *bitbuckettest.Hook) {
	t.Helper()
	w := newWorld(t, bitbuckettest.Options{HookBackoff: noBackoff})
	return w, w.repo.AddHook(rc.URL, hookSecret)
}

func wait(t *testing.T, h *bitbuckettest.Hook) []bitbuckettest.Delivery {
	t.Helper()
	if err := h.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h.Deliveries()
}

func TestDelivery(t *testing.T) {
	rc := newReceiver(t)
	w, h := hookWorld(t, rc)
	dir := w.clone(t)
	mustGit(t, dir, "", "checkout", "--quiet", "-B", "main")
	edit(t, dir, "a", "1")
	mustGit(t, dir, "x-token-auth:"+w.token(t), "push", "--quiet", w.repo.URL(), "main")
	wait(t, h)

	if len(rc.bodies) != 1 {
		t.Fatalf("%d deliveries", len(rc.bodies))
	}
	header, body := rc.headers[0], rc.bodies[0]
	if !bitbucket.VerifySignature(body, header.Get("X-Hub-Signature"), hookSecret) {
		t.Error("the signature does not verify")
	}
	for name, want := range map[string]string{
		"User-Agent": "Bitbucket-Webhooks/2.0", "Content-Type": "application/json",
		"X-Event-Key": "repo:push", "X-Attempt-Number": "1",
	} {
		if got := header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for _, name := range []string{"X-Hook-UUID", "X-Request-UUID", "X-Event-Time", "Traceparent"} {
		if v := header.Get(name); v == "" || strings.Contains(v, "{") {
			t.Errorf("%s: %q", name, v)
		}
	}
	event, err := bitbucket.ParseEvent(header.Get("X-Event-Key"), body)
	if err != nil || event.UUID != w.repo.UUID() || event.FullName != "acme-corp/webrix-sync" {
		t.Errorf("%+v %v", event, err)
	}
	var sent struct{ Actor map[string]any }
	if err := json.Unmarshal(body, &sent); err != nil || sent.Actor["type"] != "app_user" {
		t.Errorf("actor: %v %v", sent.Actor, err)
	}
}

func TestPushBodies(t *testing.T) {
	rc := newReceiver(t)
	w, h := hookWorld(t, rc)
	dir := w.clone(t)
	mustGit(t, dir, "", "checkout", "--quiet", "-B", "main")
	step := func(args ...string) { mustGit(t, dir, "", args...) }
	edit(t, dir, "f", "0")
	step("push", "--quiet", "origin", "main") // 0 first push
	edit(t, dir, "f", "1")
	step("push", "--quiet", "origin", "main") // 1 update
	for i := range 6 {
		edit(t, dir, "f", strings.Repeat("x", i+2))
	}
	step("push", "--quiet", "origin", "main") // 2 truncated
	step("reset", "--quiet", "--hard", "HEAD~3")
	edit(t, dir, "f", "other")
	step("push", "--quiet", "--force", "origin", "main") // 3 forced
	step("tag", "light")
	step("tag", "-a", "heavy", "-m", "release")
	step("push", "--quiet", "origin", "light", "heavy") // 4 tags created
	step("push", "--quiet", "origin", ":light")         // 5 tag deleted
	step("checkout", "--quiet", "-b", "side")
	step("push", "--quiet", "origin", "side")             // 6 branch without new commits
	step("push", "--quiet", "origin", ":side")            // 7 deleted
	step("push", "--quiet", "origin", "main:a", "main:b") // 8 several refs
	wait(t, h)

	type row struct {
		Old, New                           string // the type; "" is null
		Created, Closed, Forced, Truncated bool
		Links                              string
		Commits                            int // -1: no key
	}
	var got [][]row
	for i := range rc.bodies {
		var rows []row
		for _, c := range rc.changes(t, i) {
			kind := func(key string) string {
				ref, _ := c[key].(map[string]any)
				s, _ := ref["type"].(string)
				return s
			}
			r := row{
				Old: kind("old"), New: kind("new"), Created: c["created"].(bool), Closed: c["closed"].(bool),
				Forced: c["forced"].(bool), Truncated: c["truncated"].(bool), Commits: -1,
			}
			links, _ := c["links"].(map[string]any)
			for _, name := range []string{"commits", "diff", "html"} {
				if links[name] != nil {
					r.Links += name + " "
				}
			}
			if commits, ok := c["commits"].([]any); ok {
				r.Commits = len(commits)
			}
			rows = append(rows, r)
		}
		got = append(got, rows)
	}
	want := [][]row{
		{{New: "branch", Created: true, Links: "commits html ", Commits: 1}},
		{{Old: "branch", New: "branch", Links: "commits diff html ", Commits: 1}},
		{{Old: "branch", New: "branch", Truncated: true, Links: "commits diff html ", Commits: 5}},
		{{Old: "branch", New: "branch", Forced: true, Links: "commits html ", Commits: 1}},
		{
			{New: "tag", Created: true, Links: "commits ", Commits: -1},
			{New: "tag", Created: true, Links: "commits ", Commits: -1},
		},
		{{Old: "tag", Closed: true, Commits: -1}},
		{{New: "branch", Created: true, Links: "commits html ", Commits: 0}},
		{{Old: "branch", Closed: true, Commits: -1}},
		{
			{New: "branch", Created: true, Links: "commits html ", Commits: 0},
			{New: "branch", Created: true, Links: "commits html ", Commits: 0},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	newest := rc.changes(t, 2)[0]
	first := newest["commits"].([]any)[0].(map[string]any)["hash"]
	if target := newest["new"].(map[string]any)["target"].(map[string]any)["hash"]; first != target {
		t.Errorf("the first commit listed is %v, not the newest %v", first, target)
	}
	heavy := rc.changes(t, 4)[0]["new"].(map[string]any)
	if heavy["message"] != "release\n" || heavy["date"] == nil || heavy["tagger"] == nil {
		t.Errorf("annotated tag: %v", heavy)
	}
}

func TestDeliveryAttempts(t *testing.T) {
	for _, tt := range []struct {
		name    string
		answers []int
		want    []int
		state   string
	}{
		{"accepted", nil, []int{202}, bitbuckettest.DeliveryDelivered},
		{"second try", []int{503}, []int{503, 202}, bitbuckettest.DeliveryDelivered},
		{"three in all", []int{500, 502, 503, 200}, []int{500, 502, 503}, bitbuckettest.DeliveryLost},
		{"4xx is final", []int{401}, []int{401}, bitbuckettest.DeliveryDelivered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rc := newReceiver(t, tt.answers...)
			w, h := hookWorld(t, rc)
			commit(t, w.repo, "main", "a", "1")
			d := wait(t, h)[0]
			if diff := cmp.Diff(tt.want, d.Statuses); diff != "" || d.State != tt.state {
				t.Errorf("%s %s", d.State, diff)
			}
			for i, header := range rc.headers {
				if n := header.Get("X-Attempt-Number"); n != string(rune('1'+i)) || header.Get("X-Request-UUID") != d.ID {
					t.Errorf("attempt %d: %s, id %s", i+1, n, header.Get("X-Request-UUID"))
				}
			}
		})
	}
}

func TestDeliveryTimeout(t *testing.T) {
	release := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer slow.Close()
	defer close(release)
	w := newWorld(t, bitbuckettest.Options{HookBackoff: noBackoff, HookTimeout: time.Millisecond})
	h := w.repo.AddHook(slow.URL, hookSecret)
	commit(t, w.repo, "main", "a", "1")
	if d := wait(t, h)[0]; d.State != bitbuckettest.DeliveryLost || !cmp.Equal(d.Statuses, []int{0}) {
		t.Errorf("%s %v", d.State, d.Statuses)
	}
}

func TestHookMoods(t *testing.T) {
	rc := newReceiver(t)
	w, h := hookWorld(t, rc)
	n := 0
	push := func(mood bitbuckettest.HookMood) []bitbuckettest.Delivery {
		t.Helper()
		before := len(h.Deliveries())
		h.Set(mood)
		n++
		commit(t, w.repo, "main", "a", strings.Repeat("x", n))
		return wait(t, h)[before:]
	}
	verifies := func(i int) bool {
		return bitbucket.VerifySignature(rc.bodies[i], rc.headers[i].Get("X-Hub-Signature"), hookSecret)
	}

	if d := push(bitbuckettest.HookMood{Drop: true}); d[0].State != bitbuckettest.DeliveryDropped || len(rc.bodies) != 0 {
		t.Errorf("drop: %s", d[0].State)
	}
	if push(bitbuckettest.HookMood{Copies: 1}); len(rc.bodies) != 2 || string(rc.bodies[0]) != string(rc.bodies[1]) {
		t.Errorf("copies: %d", len(rc.bodies))
	}
	if push(bitbuckettest.HookMood{WrongSignature: true}); verifies(2) || rc.headers[2].Get("X-Hub-Signature") == "" {
		t.Error("wrong signature")
	}
	if push(bitbuckettest.HookMood{Unsigned: true}); rc.headers[3]["X-Hub-Signature"] != nil {
		t.Error("unsigned")
	}
	if push(bitbuckettest.HookMood{EmptyChanges: true}); len(rc.changes(t, 4)) != 0 || !verifies(4) {
		t.Error("empty changes")
	}
	if push(bitbuckettest.HookMood{Truncate: true}); verifies(5) || json.Valid(rc.bodies[5]) {
		t.Error("truncate")
	}
	first := push(bitbuckettest.HookMood{Hold: true})
	second := push(bitbuckettest.HookMood{Hold: true})
	if len(rc.bodies) != 6 || first[0].State != bitbuckettest.DeliveryHeld {
		t.Fatalf("hold: %d %s", len(rc.bodies), first[0].State)
	}
	h.Release(true)
	wait(t, h)
	if string(rc.bodies[6]) != string(second[0].Body) || string(rc.bodies[7]) != string(first[0].Body) {
		t.Error("released in the wrong order")
	}
	h.Replay(first[0])
	wait(t, h)
	if rc.headers[8].Get("X-Request-UUID") != first[0].ID || !verifies(8) {
		t.Error("replay")
	}
}

// W6: a body over 256 KB is never sent.
func TestOversizeDelivery(t *testing.T) {
	rc := newReceiver(t)
	w, h := hookWorld(t, rc)
	if _, err := w.repo.Commit("main", ada, strings.Repeat("long ", 60_000), bitbuckettest.Write("a", "1")); err != nil {
		t.Fatal(err)
	}
	if d := wait(t, h)[0]; d.State != bitbuckettest.DeliveryTooLarge || len(rc.bodies) != 0 {
		t.Errorf("%s, %d sent", d.State, len(rc.bodies))
	}
}
