package web

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestMirrorStates(t *testing.T) {
	each(t, func(w *world) {
		w.organization("bare")
		got := w.do("GET", org("bare", "mirror"), nil).is(200)
		if got.at("state") != "disconnected" || got.at("detail") != nil || got.at("organization") != "bare" || got.at("last_run") != nil {
			w.t.Errorf("%s", got.Body)
		}
		acme := w.connect("acme", nil)
		state := func() any { return w.do("GET", org("acme", "mirror"), nil).is(200).at("state") }
		w.fault(acme, mirror.State{Name: mirror.StateOK}, &mirror.Report{RunID: "run-1", Trigger: "poll", State: mirror.StateOK, Commits: []mirror.Hash{"c1"}, Actions: []mirror.Action{{Slug: "x"}}})
		if got := state(); got != "ok" {
			w.t.Errorf("state %v", got)
		}
		w.engine.running = true
		if got := state(); got != "syncing" {
			w.t.Errorf("state while a run is under way: %v", got)
		}
		w.fault(acme, mirror.State{Name: mirror.StateBlocked, Detail: &mirror.Detail{Code: mirror.CodePushRefused, Message: "no", Remedy: "ask", Since: w.clock}}, nil)
		got = w.do("GET", org("acme", "mirror"), nil).is(200)
		if got.at("state") != "blocked" || got.at("detail", "code") != "PUSH_REFUSED" || got.at("detail", "remedy") != "ask" || got.at("last_run", "run_id") != "run-1" {
			w.t.Errorf("%s", got.Body)
		}

		// Paused comes before blocked; resuming asks for a run.
		w.engine.take()
		if got := w.do("POST", org("acme", "mirror/pause"), nil).is(200); got.at("state") != "paused" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("POST", org("acme", "mirror/sync"), nil).fails(409, "PAUSED", "mirror/resume")
		w.do("POST", org("acme", "mirror/sync?wait=true"), nil).fails(409, "PAUSED")
		w.heard()
		if got := w.do("POST", org("acme", "mirror/resume"), "{}").is(200); got.at("state") != "blocked" {
			w.t.Errorf("%s", got.Body)
		}
		w.heard("request " + acme)
		w.do("POST", org("acme", "mirror/resume"), map[string]any{"confirm_copy": true}).is(200) // there is nothing to confirm
		w.do("POST", org("acme", "mirror/pause"), map[string]any{"confirm_copy": true}).fails(400, "UNKNOWN_FIELD")
		w.do("POST", org("bare", "mirror/pause"), nil).fails(409, "DISCONNECTED")
	})
}

// fault leaves a mirror in a state, as the end of a run does.
func (w *world) fault(organizationID string, state mirror.State, report *mirror.Report) {
	w.t.Helper()
	m, err := w.db.Mirror(w.t.Context(), organizationID)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.db.RecordFault(w.t.Context(), m, state, report); err != nil {
		w.t.Fatal(err)
	}
}

func TestSync(t *testing.T) {
	w := embedded(t, nil)
	acme := w.connect("acme", nil)
	w.organization("bare")
	path := org("acme", "mirror/sync")
	if got := w.do("POST", path, nil).is(202); got.at("status") != "queued" {
		t.Errorf("%s", got.Body)
	}
	w.do("POST", path+"?wait=false", "{}").is(202)
	w.heard("request "+acme, "request "+acme)

	w.engine.report = &mirror.Report{RunID: "r", State: mirror.StateBlocked, Exported: 2, Imported: 1, SyncedCommit: "abc", StartedAt: w.clock, DurationMS: 12}
	got := w.do("POST", path+"?wait=true", nil).is(200)
	for key, want := range map[string]any{"run_id": "r", "state": "blocked", "exported": 2, "imported": 1, "deleted": 0, "merged": 0, "conflicts": 0, "errors": 0, "synced_commit": "abc", "duration_ms": 12} {
		if value := got.at(key); value != want {
			t.Errorf("%s is %v, want %v", key, value, want)
		}
	}
	if !strings.Contains(string(got.Body), `"commits":[]`) {
		t.Errorf("commits: %s", got.Body)
	}
	w.heard("sync " + acme)

	w.do("POST", path+"?wait=maybe", nil).fails(400, "BAD_REQUEST", "wait")
	w.do("POST", org("bare", "mirror/sync"), nil).fails(409, "DISCONNECTED", "mirror/connection")
	w.do("POST", org("nobody", "mirror/sync"), nil).fails(404, "NOT_FOUND")
	w.engine.take()

	for _, test := range []struct {
		err    error
		status int
		code   string
	}{
		{&mirror.Fault{Code: mirror.CodeNetworkUnreachable, Message: "away", Err: errors.New(canary + "x")}, 502, mirror.CodeNetworkUnreachable},
		{&mirror.Fault{Code: mirror.CodeRateLimited, Message: "slow", RetryAfter: 1500 * time.Millisecond}, 502, mirror.CodeRateLimited},
		{mirror.ErrNoMirror, 409, "DISCONNECTED"},
		{errors.New("the innards"), 500, "INTERNAL"},
	} {
		// A fault's cause is logged; this one stands for one that the redactor missed, so it has no canary in the log.
		if f, ok := errors.AsType[*mirror.Fault](test.err); ok {
			f.Err = nil
		}
		w.engine.report, w.engine.err = nil, test.err
		got := w.do("POST", path+"?wait=true", nil).fails(test.status, test.code)
		if strings.Contains(string(got.Body), "innards") {
			t.Errorf("%s", got.Body)
		}
		if test.code == mirror.CodeRateLimited && got.Header.Get("Retry-After") != "2" {
			t.Errorf("Retry-After %q", got.Header.Get("Retry-After"))
		}
	}
}

// The one who asked has gone: the wait ends, whatever the run does.
func TestSyncEndsWithItsClient(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.engine.onSync = func(ctx context.Context) {
		cancel()
		<-ctx.Done()
	}
	w.engine.err = context.Canceled
	w.do("POST", org("acme", "mirror/sync?wait=true"), nil, withContext(ctx)).fails(503, "UNAVAILABLE")
	if strings.Contains(w.log.String(), "level=ERROR") {
		t.Errorf("log: %s", w.log)
	}
}

func TestPlan(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", nil)
	w.organization("bare")
	w.do("GET", org("bare", "mirror/plan"), nil).fails(409, "DISCONNECTED")
	if got := w.do("GET", org("acme", "mirror/plan"), nil).is(200); !strings.Contains(string(got.Body), `"actions":[]`) {
		t.Errorf("%s", got.Body)
	}
	w.engine.plan = []mirror.Action{{Direction: mirror.ToGit, Verb: mirror.VerbCreate, Kind: document.Toolkits, Slug: "a", Path: "toolkits/a.json"}}
	got := w.do("GET", org("acme", "mirror/plan"), nil).is(200)
	if got.at("actions", 0, "direction") != "to_git" || got.at("actions", 0, "action") != "create" || got.at("actions", 0, "detail") != "" {
		t.Errorf("%s", got.Body)
	}
}

func TestRuns(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		for i, id := range []string{"run-1", "run-2", "run-3"} {
			w.fault(acme, mirror.State{Name: mirror.StateOK}, &mirror.Report{RunID: id, Trigger: "request", State: mirror.StateOK, StartedAt: w.clock.Add(time.Duration(i) * time.Second)})
		}
		first := w.do("GET", org("acme", "mirror/runs?limit=2"), nil).is(200)
		next, _ := first.at("next_cursor").(string)
		second := w.do("GET", org("acme", "mirror/runs?limit=2&cursor="+next), nil).is(200)
		if first.at("items", 0, "run_id") != "run-3" || first.at("items", 1, "run_id") != "run-2" || second.at("items", 0, "run_id") != "run-1" || second.at("next_cursor") != "" {
			w.t.Errorf("%s\n%s", first.Body, second.Body)
		}
		if got := w.do("GET", org("acme", "mirror/runs/run-2"), nil).is(200); got.at("run_id") != "run-2" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("GET", org("acme", "mirror/runs/run-9"), nil).fails(404, "NOT_FOUND", "run")
		w.do("GET", org("acme", "mirror/runs/%00"), nil).fails(404, "NOT_FOUND")
	})
}

func TestPagesAreChecked(t *testing.T) {
	w := embedded(t, nil)
	w.connect("acme", nil)
	for _, path := range []string{"/api/v1/organizations", org("acme", "mirror/runs"), org("acme", "conflicts"), org("acme", "skills"), org("acme", "toolkits")} {
		for _, query := range []string{"limit=0", "limit=-1", "limit=1001", "limit=many", "limit=9999999999999999999", "cursor=%00", "cursor=nonsense!", "cursor=eA"} {
			if strings.HasSuffix(path, "organizations") && query == "cursor=eA" {
				continue // a slug like any other
			}
			if got := w.do("GET", path+"?"+query, nil); got.Status != 400 && !(query == "cursor=eA" && got.Status == 200) {
				t.Errorf("%s?%s: %d", path, query, got.Status)
			}
		}
		w.do("GET", path+"?limit=1000", nil).is(200)
	}
}

func TestHold(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		w.organization("bare")
		path := func(rest string) string { return org("acme", "mirror/"+rest) }
		w.do("GET", path("hold"), nil).fails(404, "NO_HOLD")
		w.do("POST", path("approve"), nil).fails(404, "NO_HOLD")
		w.do("POST", org("bare", "mirror/approve"), nil).fails(409, "DISCONNECTED")
		w.hold(acme, "toolkits/a.json", "toolkits/b.json")
		got := w.do("GET", path("hold"), nil).is(200)
		id, _ := got.at("id").(string)
		if id == "" || got.at("items", 1, "path") != "toolkits/b.json" || got.at("items", 0, "direction") != "to_database" || got.at("items", 0, "slug") != "a" {
			w.t.Errorf("%s", got.Body)
		}
		for _, body := range []any{map[string]any{"hold": 5}, map[string]any{"hold": ""}, map[string]any{"holds": id}} {
			if got := w.do("POST", path("approve"), body); got.Status != 400 {
				w.t.Errorf("%v: %d", body, got.Status)
			}
		}
		w.do("POST", path("discard"), map[string]any{"hold": "another"}).fails(409, "HOLD_CHANGED")
		w.heard()
		w.do("POST", path("approve"), map[string]any{"hold": id}).is(202)
		w.heard("request " + acme)
		w.do("POST", path("discard"), map[string]any{"hold": id}).fails(409, "HOLD_CHANGED")
		w.hold(acme, "toolkits/c.json")
		w.do("POST", path("discard"), nil).is(202)
	})
}

// hold leaves deletions to a person, as a run with the brake on does.
func (w *world) hold(organizationID string, paths ...string) {
	w.t.Helper()
	ctx := w.t.Context()
	m, err := w.db.Mirror(ctx, organizationID)
	if err != nil {
		w.t.Fatal(err)
	}
	m.Identity = mirror.Identity{Repository: repositoryUUID, Branch: "main", Prefix: "acme"}
	if err := w.db.Identify(ctx, m, m.Identity, mirror.Repository{UUID: repositoryUUID}); err != nil {
		w.t.Fatal(err)
	}
	s := &mirror.Settlement{State: mirror.State{Name: mirror.StateHeld}}
	for _, path := range paths {
		s.Unsettled = append(s.Unsettled, &mirror.Unsettled{
			Key:  mirror.Key{Kind: document.Toolkits, Path: path},
			Slug: strings.TrimSuffix(strings.TrimPrefix(path, "toolkits/"), ".json"), Reason: mirror.ReasonHeld, Direction: mirror.ToDatabase,
		})
	}
	if err := w.db.Settle(ctx, m, s); err != nil {
		w.t.Fatal(err)
	}
}

func TestOrganizations(t *testing.T) {
	each(t, func(w *world) {
		path := "/api/v1/organizations"
		if got := w.do("GET", path, nil).is(200); string(got.Body) != `{"items":[],"next_cursor":""}`+"\n" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("GET", path+"/acme", nil).fails(404, "NOT_FOUND")
		if got := w.do("PUT", path+"/acme", map[string]any{"name": "Acme & Söhne"}).is(201); got.at("name") != "Acme & Söhne" || got.at("slug") != "acme" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("PUT", path+"/acme", nil).is(200)
		if got := w.do("GET", path+"/acme", nil).is(200); got.at("name") != "Acme & Söhne" {
			w.t.Errorf("%s", got.Body)
		}
		if got := w.do("PUT", path+"/acme", map[string]any{"slug": "acme", "name": nil}).is(200); got.at("name") != "" {
			w.t.Errorf("%s", got.Body)
		}
		w.do("PUT", path+"/acme", map[string]any{"slug": "other"}).fails(422, "VALIDATION_FAILED", "renamed")
		w.do("PUT", path+"/acme", map[string]any{"name": strings.Repeat("x", 501)}).fails(422, "VALIDATION_FAILED", "name")
		w.do("PUT", path+"/acme", map[string]any{"nmae": "x"}).fails(400, "UNKNOWN_FIELD", "nmae")
		for _, slug := range []string{"Acme", "a--b", "..%2Fetc", "%00"} {
			if got := w.do("PUT", path+"/"+slug, nil); got.Status != 400 {
				w.t.Errorf("%s: %d %s", slug, got.Status, got.Body)
			}
			if got := w.do("GET", path+"/"+slug+"/mirror", nil); got.Status != 404 {
				w.t.Errorf("%s: %d %s", slug, got.Status, got.Body)
			}
		}
		w.do("PUT", path+"/beta", nil).is(201)
		first := w.do("GET", path+"?limit=1", nil).is(200)
		next, _ := first.at("next_cursor").(string)
		if second := w.do("GET", path+"?limit=1&cursor="+next, nil).is(200); first.at("items", 0, "slug") != "acme" || second.at("items", 0, "slug") != "beta" || second.at("next_cursor") != "" {
			w.t.Errorf("%s\n%s", first.Body, second.Body)
		}
	})
}
