package web

import (
	"context"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func toolkit(fields map[string]any) *document.Document {
	fields["slug"] = "a"
	return (&document.Document{Kind: document.Toolkits, Slug: "a", Fields: fields}).Normalize()
}

func TestConflicts(t *testing.T) {
	each(t, func(w *world) {
		acme := w.connect("acme", nil)
		m, err := w.db.Mirror(w.t.Context(), acme)
		if err != nil {
			w.t.Fatal(err)
		}
		m.Identity = mirror.Identity{Repository: repositoryUUID, Branch: "main", Prefix: "acme"}
		put := func(slug string, body map[string]any) string {
			return w.do("PUT", org("acme", "toolkits/"+slug), body).at("id").(string)
		}
		gone := put("gone", map[string]any{"slug": "gone", "name": "theirs"})
		there := put("a", map[string]any{"slug": "a", "name": "theirs", "x-n": 1})
		w.do("DELETE", org("acme", "toolkits/gone"), nil).is(204)
		for path, row := range map[string]string{"toolkits/gone.json": gone, "toolkits/a.json": there} {
			err = w.db.Intend(w.t.Context(), m, "run", nil, []*mirror.Conflict{{
				Key: mirror.Key{Kind: document.Toolkits, Path: path}, Slug: "a", RowID: row, Reason: mirror.ConflictBothChanged,
				Database: toolkit(map[string]any{"name": "ours"}), Git: toolkit(map[string]any{"name": "theirs"}), Decided: document.PreferGit, Places: []string{"/name"},
			}})
			if err != nil {
				w.t.Fatal(err)
			}
		}
		got := w.do("GET", org("acme", "conflicts"), nil).is(200)
		ids := map[string]string{}
		for i := range 2 {
			if got.at("items", i, "git", "name") != "theirs" || got.at("items", i, "database", "name") != "ours" || got.at("items", i, "base") != nil ||
				got.at("items", i, "decided") != "git" || got.at("items", i, "resolved_at") != nil {
				w.t.Errorf("%s", got.Body)
			}
			ids[got.at("items", i, "path").(string)] = got.at("items", i, "id").(string)
		}
		w.do("GET", org("acme", "conflicts?all=true"), nil).is(200)
		w.do("GET", org("acme", "conflicts?all=some"), nil).fails(400, "BAD_REQUEST", "all")
		w.do("POST", org("acme", "conflicts/nope/resolve"), map[string]any{"take": "git"}).fails(404, "NOT_FOUND", "conflict")
		w.do("POST", org("acme", "conflicts/1/resolve"), map[string]any{"take": "git"}).fails(404, "NOT_FOUND")

		// Nobody is left to give the places to; the conflict can be put away.
		resolve := org("acme", "conflicts/"+ids["toolkits/gone.json"]+"/resolve")
		w.do("POST", resolve, map[string]any{"take": "mine"}).fails(400, "BAD_REQUEST", "take")
		w.do("POST", resolve, nil).fails(400, "BAD_REQUEST", "take")
		w.do("POST", resolve, map[string]any{"take": "git", "who": "me"}).fails(400, "UNKNOWN_FIELD", "who")
		w.do("POST", resolve, map[string]any{"take": "git", "updated_by": 1}).fails(400, "BAD_REQUEST", "updated_by")
		w.do("POST", resolve, map[string]any{"take": "database"}).fails(410, "GONE", "Restore it first")
		for range 2 { // twice is once
			if got := w.do("POST", resolve, map[string]any{"take": "git"}).is(200); got.at("resolved_at") == nil || got.at("resolution") != "git" {
				w.t.Errorf("%s", got.Body)
			}
		}

		// The new difference, and nothing changed by it.
		resolve = org("acme", "conflicts/"+ids["toolkits/a.json"]+"/resolve")
		put("a", map[string]any{"slug": "a", "name": "third", "x-n": 1})
		refused := w.do("POST", resolve, map[string]any{"take": "database"}).fails(409, "PLACES_CHANGED", "/name")
		if refused.at("error", "difference", 0, "place") != "/name" || refused.at("error", "difference", 0, "decided") != "theirs" ||
			refused.at("error", "difference", 0, "now") != "third" || refused.at("error", "difference", 0, "wanted") != "ours" {
			w.t.Errorf("%s", refused.Body)
		}
		if got := w.do("GET", org("acme", "conflicts"), nil).is(200); got.at("items", 0, "resolved_at") != nil {
			w.t.Errorf("%s", got.Body)
		}
		put("a", map[string]any{"slug": "a", "name": "theirs", "x-n": 2})
		w.engine.take()
		w.do("POST", resolve, map[string]any{"take": "database", "updated_by": "Jane <jane@example.com>"}).is(200)
		w.heard("api " + acme)
		if got := w.do("GET", org("acme", "toolkits/a"), nil).is(200); got.at("name") != "ours" || got.at("x-n") != 2 || got.at("updated_by") != "Jane <jane@example.com>" {
			w.t.Errorf("%s", got.Body)
		}
		// And the other way round.
		w.do("POST", resolve, map[string]any{"take": "git"}).is(200)
		if got := w.do("GET", org("acme", "toolkits/a"), nil).is(200); got.at("name") != "theirs" || got.at("updated_by") != nil {
			w.t.Errorf("%s", got.Body)
		}
		w.do("POST", org("acme", "mirror/propose"), nil).fails(409, "NO_PULL_REQUESTS")
	})
}

func TestSyncEntity(t *testing.T) {
	each(t, func(w *world) {
		w.organization("bare")
		w.do("PUT", org("bare", "toolkits/a"), map[string]any{"slug": "a", "name": "A"}).is(201)
		w.do("POST", org("bare", "toolkits/a/sync"), nil).fails(409, "DISCONNECTED")
		acme := w.connect("acme", nil)
		w.do("PUT", org("acme", "toolkits/a"), map[string]any{"slug": "a", "name": "A"}).is(201)
		w.engine.take()
		path := org("acme", "toolkits/a/sync")
		for _, body := range []any{map[string]any{"take": "both"}, map[string]any{"take": nil}, map[string]any{"take": ""}, map[string]any{"take": 1}} {
			w.do("POST", path, body).fails(400, "BAD_REQUEST", "take")
		}
		w.do("POST", path, map[string]any{"side": "git"}).fails(400, "UNKNOWN_FIELD")
		w.do("POST", org("acme", "toolkits/nobody/sync"), map[string]any{"take": "git"}).fails(404, "NOT_FOUND", "toolkit")
		w.heard()

		// Without a side it is a run, and the entity after that.
		w.engine.report = &mirror.Report{State: mirror.StateOK}
		w.engine.onSync = func(ctx context.Context) {
			fields := map[string]any{"slug": "late", "name": "Came with the run"}
			_, _, err := w.db.PutEntity(ctx, acme, document.Toolkits, "late", db.EntityWrite{Document: &document.Document{Kind: document.Toolkits, Slug: "late", Fields: fields}})
			if err != nil {
				w.t.Error(err)
			}
		}
		for _, body := range []any{nil, map[string]any{}} {
			if got := w.do("POST", org("acme", "toolkits/late/sync"), body).is(200); got.at("name") != "Came with the run" || got.Header.Get("ETag") == "" {
				w.t.Errorf("%s", got.Body)
			}
		}
		w.do("POST", org("acme", "toolkits/nobody/sync"), nil).fails(404, "NOT_FOUND", "toolkit")
		w.heard("sync "+acme, "sync "+acme, "sync "+acme)

		// A run that left it undecided says so, and why.
		w.do("POST", path, map[string]any{"take": "git"}).fails(409, "OVERTAKEN", "The decision is kept")
		w.engine.report = &mirror.Report{State: mirror.StateBlocked, Detail: &mirror.Detail{Code: mirror.CodePushRefused, Message: "No.", Remedy: "Ask nicely."}}
		if got := w.do("POST", path, map[string]any{"take": "database"}).fails(502, mirror.CodePushRefused, "The decision is kept"); !strings.Contains(string(got.Body), "Ask nicely.") {
			w.t.Errorf("%s", got.Body)
		}
		w.do("POST", org("acme", "mirror/pause"), nil).is(200)
		w.do("POST", path, map[string]any{"take": "git"}).fails(409, "PAUSED", "mirror/resume")
	})
}
