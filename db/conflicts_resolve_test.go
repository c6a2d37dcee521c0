package db

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// kept writes a conflict as a run would, and returns its id.
func kept(t *testing.T, d *DB, row conflictRow) string {
	t.Helper()
	row.ID, row.CreatedAt, row.Path = uuid.NewString(), at(d.now()), row.Kind+"/"+row.Slug
	row.DatabaseDigest = row.ID // unique
	if err := d.gorm.Create(&row).Error; err != nil {
		t.Fatal(err)
	}
	return row.ID
}

func TestResolveConflict(t *testing.T) {
	const (
		base     = `{"slug":"a","name":"A","description":"old","skills":["s"]}`
		database = `{"slug":"a","name":"DB","description":"new","skills":["s"]}`
		git      = `{"slug":"a","name":"GIT","description":"old","skills":["s","t"]}`
		merged   = `{"slug":"a","name":"GIT","description":"new","skills":["s","t"]}` // decided for git
		taken    = `{"slug":"a","name":"DB","description":"new","skills":["s","t"]}`
		joined   = `{"slug":"a","name":"DB","description":"new","status":"draft"}` // a row with the key status met git's file
		met      = `{"slug":"a","name":"GIT","description":"new","status":"draft"}`

		skill     = `{"slug":"a","files":[{"path":"SKILL.md","content":"---\nname: a\ndescription: d\n---\n%s\nmiddle\nlast\n","executable":false},{"path":"bin","content_base64":"%s","executable":true}]}`
		command   = `{"slug":"a","name":"A","prompt":"%s","arguments":[{"name":"x","title":"%s"},{"name":"y"}]}`
		serverDoc = `{"slug":"a","name":"A","type":"http","url":"https://%s.example","headers":{"H":"%s"}}`
		clientDoc = `{"slug":"a","name":"%s","scope":"%s"}`
	)
	places := func(list ...string) []string { return list }
	tests := []struct {
		name                string
		kind                document.Kind // "": toolkits, and the documents above
		reason              mirror.ConflictReason
		base, database, git string // "none": no document
		decided             document.Policy
		places              []string
		today               string // "": deleted
		owner               string // of the row today
		take                document.Policy
		want                string // "": no entity
		err                 error
		edited              []string // a *PlacesChangedError with these places
		problem             string   // a *document.Problem that says this
	}{
		{name: "the losing side", today: merged, take: document.PreferDatabase, want: taken},
		{name: "the winning side changes nothing", today: merged, take: document.PreferGit, want: merged},
		{name: "git lost", decided: document.PreferDatabase, today: taken, take: document.PreferGit, want: merged},
		{name: "edits elsewhere stay", today: `{"slug":"a","name":"GIT","description":"newer","skills":["t"]}`, take: document.PreferDatabase, want: `{"slug":"a","name":"DB","description":"newer","skills":["t"]}`},
		{name: "a renamed entity", today: `{"slug":"b","name":"GIT","description":"new","skills":["s","t"]}`, take: document.PreferDatabase, want: `{"slug":"b","name":"DB","description":"new","skills":["s","t"]}`},
		{name: "the place was edited", today: `{"slug":"a","name":"THIRD","description":"new"}`, take: document.PreferDatabase, want: `{"slug":"a","name":"THIRD","description":"new"}`, edited: places("/name")},
		{name: "the place is so already", today: taken, take: document.PreferDatabase, want: taken},
		{name: "keys that may not leave stay", today: `{"slug":"a","name":"GIT","description":"new","internal":1}`, take: document.PreferDatabase, want: `{"slug":"a","name":"DB","description":"new","internal":1}`},
		{name: "deleted", take: document.PreferDatabase, err: ErrGone},
		{name: "deleted, the winning side", take: document.PreferGit},
		{name: "private since", today: merged, owner: "jane", take: document.PreferDatabase, want: merged, err: ErrGone},
		{name: "no side", today: merged, take: "newest", want: merged, problem: "take: has to be git or database"},
		{name: "no base", base: "none", today: `{"slug":"a","name":"GIT","description":"old","skills":["s","t"]}`, places: places("/name", "/description"),
			take: document.PreferDatabase, want: `{"slug":"a","name":"DB","description":"new","skills":["s","t"]}`},

		{name: "a renamed row met a file", reason: mirror.ConflictReplaced, database: joined, git: `{"slug":"a","name":"GIT","description":"new"}`, today: met, take: document.PreferDatabase, want: joined},
		{name: "another row took the slug", reason: mirror.ConflictReplaced, base: "none", places: places(""), today: git, take: document.PreferDatabase, want: database},
		{name: "an invalid merge", reason: mirror.ConflictInvalidMerge, places: places(""), today: git, take: document.PreferDatabase, want: database},
		{name: "an invalid merge, edited elsewhere", reason: mirror.ConflictInvalidMerge, places: places(""), today: `{"slug":"a","name":"GIT","description":"old","skills":["s","t"],"commands":["c"]}`,
			take: document.PreferDatabase, want: `{"slug":"a","name":"DB","description":"new","skills":["s"],"commands":["c"]}`},
		{name: "a person's decision, undone", reason: mirror.ConflictTaken, places: places(""), today: git, take: document.PreferDatabase, want: database},

		{name: "history was rewritten", reason: mirror.ConflictHistoryRewritten, places: places(), today: git, take: document.PreferDatabase, want: database},
		{name: "history lost the file", reason: mirror.ConflictHistoryRewritten, git: "none", places: places(), take: document.PreferDatabase, want: database},
		{name: "history lost the file, restored", reason: mirror.ConflictHistoryRewritten, git: "none", places: places(), today: database, take: document.PreferDatabase, want: database},
		{name: "history lost the file, restored and edited", reason: mirror.ConflictHistoryRewritten, git: "none", places: places(), today: merged, take: document.PreferDatabase, want: merged, edited: places("/name", "/skills")},
		{name: "no row", reason: mirror.ConflictHistoryRewritten, database: "none", places: places(), today: git, take: document.PreferDatabase},
		{name: "no row, edited", reason: mirror.ConflictHistoryRewritten, database: "none", places: places(), today: merged, take: document.PreferDatabase, want: merged, edited: places("/description")},

		{name: "private, git's newer", reason: mirror.ConflictPrivate, decided: document.PreferDatabase, places: places(), today: database, owner: "jane", take: document.PreferGit, want: merged},
		{name: "private, edited elsewhere", reason: mirror.ConflictPrivate, decided: document.PreferDatabase, places: places(), today: `{"slug":"a","name":"DB","description":"mine","skills":["s"]}`, owner: "jane",
			take: document.PreferGit, want: `{"slug":"a","name":"GIT","description":"mine","skills":["s","t"]}`},
		{name: "private, edited there", reason: mirror.ConflictPrivate, decided: document.PreferDatabase, places: places(), today: `{"slug":"a","name":"MINE","description":"new","skills":["s"]}`, owner: "jane",
			take: document.PreferGit, want: `{"slug":"a","name":"MINE","description":"new","skills":["s"]}`, edited: places("/name")},
		{name: "private once", reason: mirror.ConflictPrivate, decided: document.PreferDatabase, places: places(), today: database, take: document.PreferGit, want: merged},
		{name: "private, the row's own", reason: mirror.ConflictPrivate, decided: document.PreferDatabase, places: places(), today: database, owner: "jane", take: document.PreferDatabase, want: database},

		{name: "lines and a binary", kind: document.Skills, base: fmt.Sprintf(skill, "first", "AAA="), database: fmt.Sprintf(skill, "ours", "AAE="), git: fmt.Sprintf(skill, "theirs", "AAI="),
			places: places("SKILL.md:5", "bin"), today: fmt.Sprintf(skill, "theirs", "AAI="), take: document.PreferDatabase, want: fmt.Sprintf(skill, "ours", "AAE=")},
		{name: "a binary, edited", kind: document.Skills, base: fmt.Sprintf(skill, "first", "AAA="), database: fmt.Sprintf(skill, "first", "AAE="), git: fmt.Sprintf(skill, "first", "AAI="),
			places: places("bin"), today: fmt.Sprintf(skill, "first", "AAM="), take: document.PreferDatabase, want: fmt.Sprintf(skill, "first", "AAM="), edited: places("bin")},
		{name: "lines, edited elsewhere", kind: document.Skills, base: fmt.Sprintf(skill, "first", "AAA="), database: fmt.Sprintf(skill, "ours", "AAA="), git: fmt.Sprintf(skill, "theirs", "AAA="),
			places: places("SKILL.md:5"), today: strings.Replace(fmt.Sprintf(skill, "theirs", "AAI="), "last", "the end", 1), take: document.PreferDatabase,
			want: strings.Replace(fmt.Sprintf(skill, "ours", "AAI="), "last", "the end", 1)},
		{name: "an argument", kind: document.Commands, base: fmt.Sprintf(command, "p", "T"), database: fmt.Sprintf(command, "p", "D"), git: fmt.Sprintf(command, "q", "G"),
			places: places("/arguments/x/title"), today: fmt.Sprintf(command, "q", "G"), take: document.PreferDatabase, want: fmt.Sprintf(command, "q", "D")},
		{name: "a header", kind: document.MCPServers, base: fmt.Sprintf(serverDoc, "x", "1"), database: fmt.Sprintf(serverDoc, "y", "2"), git: fmt.Sprintf(serverDoc, "x", "3"),
			places: places("/headers/H/value"), today: fmt.Sprintf(serverDoc, "y", "3"), take: document.PreferDatabase, want: fmt.Sprintf(serverDoc, "y", "2")},
		{name: "a client", kind: document.MCPClients, base: fmt.Sprintf(clientDoc, "N", "s"), database: fmt.Sprintf(clientDoc, "D", "d"), git: fmt.Sprintf(clientDoc, "G", "s"),
			places: places("/name"), today: fmt.Sprintf(clientDoc, "G", "d"), take: document.PreferDatabase, want: fmt.Sprintf(clientDoc, "D", "d")},
		{name: "a result that breaks a rule", kind: document.Commands, reason: mirror.ConflictInvalidMerge, base: "none", database: `{"slug":"a","name":"A"}`, git: fmt.Sprintf(command, "p", "T"), places: places(""),
			today: fmt.Sprintf(command, "p", "T"), take: document.PreferDatabase, want: fmt.Sprintf(command, "p", "T"), problem: "taking database would leave it so that it is refused: prompt: "},
	}
	each(t, func(t *testing.T, d *DB) {
		for i, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				ctx := t.Context()
				kind := cmp.Or(test.kind, document.Toolkits)
				id := newOrganization(t, d, fmt.Sprint("organization-", i))
				column := func(text, usual string) jsonColumn {
					if text == "none" {
						return ""
					}
					return jsonColumn(cmp.Or(text, usual))
				}
				row := conflictRow{
					OrganizationID: id, Kind: string(kind), Slug: "a", Reason: string(cmp.Or(test.reason, mirror.ConflictBothChanged)),
					Base: column(test.base, base), Database: column(test.database, database), Git: column(test.git, git),
					Decided: string(cmp.Or(test.decided, document.PreferGit)), Places: jsonStrings(test.places),
				}
				stands := test.today
				if stands == "" {
					stands = string(cmp.Or(row.Database, row.Git))
				}
				write := writeDoc(t, kind, stands)
				if test.owner != "" {
					write.OwnerID = Some(test.owner)
				}
				entity, _, err := d.PutEntity(ctx, id, kind, write.Document.Slug, write)
				if err == nil && test.today == "" {
					err = d.DeleteEntity(ctx, id, kind, "a", EntityEdit{})
				}
				if err != nil {
					t.Fatal(err)
				}
				row.RowID = entity.ID
				key := kept(t, d, row)

				foreseen, foreseenErr := d.PreviewTaking(ctx, id, key, test.take)
				author := "Jane"
				taking, err := d.ResolveConflict(ctx, id, key, test.take, &author)
				if diff := gocmp.Diff(foreseen, taking); diff != "" || fmt.Sprint(foreseenErr) != fmt.Sprint(err) {
					t.Errorf("foreseen was something else: %v, %v: %s", foreseenErr, err, diff)
				}
				changed, _ := errors.AsType[*PlacesChangedError](err)
				problem, _ := errors.AsType[*document.Problem](err)
				switch {
				case test.edited != nil:
					var names []string
					for i := 0; changed != nil && i < len(changed.Places); i++ {
						names = append(names, changed.Places[i].Place)
					}
					if !gocmp.Equal(names, test.edited) {
						t.Errorf("error %v", err)
					}
				case test.problem != "":
					if problem == nil || !strings.HasPrefix(problem.Message, test.problem) {
						t.Errorf("error %v", err)
					}
				case !errors.Is(err, test.err):
					t.Errorf("error %v, want %v", err, test.err)
				}
				items, _, _, _ := d.ListEntities(ctx, id, kind, EntityFilter{AllOwners: true})
				got := ""
				if len(items) > 0 {
					got = text2(items[0].Document)
				}
				if diff := gocmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				conflict := must(d.Conflict(ctx, id, key))(t)
				if resolved := conflict.ResolvedAt != nil; resolved != (err == nil) || resolved && conflict.Resolution != string(test.take) {
					t.Errorf("conflict %+v after %v", conflict, err)
				}
				if err != nil {
					return
				}
				if len(taking.Changes()) > 0 && (len(items) > 0 && items[0].UpdatedBy != author) {
					t.Errorf("edited by %q", items[0].UpdatedBy)
				}
				if again, err := d.ResolveConflict(ctx, id, key, test.take, nil); err != nil || len(again.Changes()) > 0 {
					t.Errorf("twice: %+v, %v", again, err)
				}
				if again := must(d.Conflict(ctx, id, key))(t); !again.ResolvedAt.Equal(*conflict.ResolvedAt) {
					t.Error("twice is not once")
				}
			})
		}
	})
}

// TestResolveConflictBackAndForth: taking a side and then the other one again is where
// it began.
func TestResolveConflictBackAndForth(t *testing.T) {
	const database, git = `{"slug":"a","name":"DB","description":"d"}`, `{"slug":"a","name":"GIT","skills":["s"]}`
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		for i, c := range []struct {
			reason        mirror.ConflictReason
			git           jsonColumn
			decided, then string // "": no entity
		}{
			{mirror.ConflictBothChanged, git, `{"slug":"a","name":"GIT","description":"d","skills":["s"]}`, `{"slug":"a","name":"DB","description":"d","skills":["s"]}`},
			{mirror.ConflictInvalidMerge, git, git, database},
			{mirror.ConflictHistoryRewritten, "", "", database},
		} {
			id := newOrganization(t, d, fmt.Sprint("organization-", i))
			entity, _, err := d.PutEntity(ctx, id, document.Toolkits, "a", writeDoc(t, document.Toolkits, cmp.Or(c.decided, c.then)))
			if err == nil && c.decided == "" {
				err = d.DeleteEntity(ctx, id, document.Toolkits, "a", EntityEdit{})
			}
			if err != nil {
				t.Fatal(err)
			}
			key := kept(t, d, conflictRow{OrganizationID: id, Kind: "toolkits", Slug: "a", RowID: entity.ID, Reason: string(c.reason), Database: database, Git: c.git, Decided: "git"})
			for _, step := range []struct {
				take document.Policy
				want string
			}{{document.PreferDatabase, c.then}, {document.PreferGit, c.decided}, {document.PreferGit, c.decided}, {document.PreferDatabase, c.then}} {
				if _, err := d.ResolveConflict(ctx, id, key, step.take, nil); err != nil {
					t.Fatalf("%s, %s: %v", c.reason, step.take, err)
				}
				got := ""
				if e, err := d.GetEntity(ctx, id, document.Toolkits, "a", ""); err == nil {
					got = text2(e.Document)
				}
				if got != step.want {
					t.Errorf("%s, %s: %s", c.reason, step.take, got)
				}
			}
		}
	})
}

// TestTakeWhatIsSoAlready: the conflict remembers who has won, and nothing is written.
func TestTakeWhatIsSoAlready(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		const database, git = `{"slug":"a","name":"DB"}`, `{"slug":"a","name":"GIT"}`
		for i, c := range []conflictRow{
			{Reason: string(mirror.ConflictBothChanged), Git: git},
			{Reason: string(mirror.ConflictHistoryRewritten)}, // restored by hand
		} {
			slug := fmt.Sprint("a", i)
			named := func(text jsonColumn) jsonColumn {
				return jsonColumn(strings.ReplaceAll(string(text), `"a"`, `"`+slug+`"`))
			}
			entity, _, err := d.PutEntity(ctx, id, document.Toolkits, slug, writeDoc(t, document.Toolkits, string(named(database))))
			if err != nil {
				t.Fatal(err)
			}
			c.OrganizationID, c.Kind, c.Slug, c.RowID, c.Decided = id, "toolkits", slug, entity.ID, "git"
			c.Database, c.Git, c.Resolution, c.ResolvedAt = named(database), named(c.Git), "git", at(d.now())
			key := kept(t, d, c)
			author := "Jane"
			if taking, err := d.ResolveConflict(ctx, id, key, document.PreferDatabase, &author); err != nil || len(taking.Changes()) > 0 {
				t.Errorf("%s: %+v, %v", c.Reason, taking, err)
			}
			if winner := must(d.Conflict(ctx, id, key))(t).Winner(); winner != document.PreferDatabase {
				t.Errorf("%s: %s has won", c.Reason, winner)
			}
			if e := must(d.GetEntity(ctx, id, document.Toolkits, slug, ""))(t); e.UpdatedBy != "" || e.ETag != entity.ETag {
				t.Errorf("%s: written by %q", c.Reason, e.UpdatedBy)
			}
		}
	})
}

// TestChangedPlacesSayWhat: whoever is told that a place was edited wants to see how.
func TestChangedPlacesSayWhat(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		entity, _, err := d.PutEntity(ctx, id, document.Toolkits, "a", writeDoc(t, document.Toolkits, `{"slug":"a","name":"Third"}`))
		if err != nil {
			t.Fatal(err)
		}
		key := kept(t, d, conflictRow{
			OrganizationID: id, Kind: "toolkits", Slug: "a", RowID: entity.ID, Reason: string(mirror.ConflictBothChanged), Decided: "git", Places: `["/name","/description"]`,
			Base: `{"slug":"a","name":"A"}`, Database: `{"slug":"a","name":"DB","description":"d"}`, Git: `{"slug":"a","name":"GIT","description":"g"}`,
		})
		_, err = d.ResolveConflict(ctx, id, key, document.PreferDatabase, nil)
		changed, ok := errors.AsType[*PlacesChangedError](err)
		want := []ChangedPlace{{"/name", "GIT", "Third", "DB"}, {"/description", "g", nil, "d"}}
		if !ok || changed.Take != document.PreferDatabase || !gocmp.Equal(changed.Places, want) {
			t.Errorf("%v: %+v", err, changed)
		}
	})
}

func TestConflictsLike(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id, other := newOrganization(t, d, "acme"), newOrganization(t, d, "other")
		first := kept(t, d, conflictRow{OrganizationID: id, Kind: "toolkits", Slug: "a", Reason: "both_changed", Decided: "git"})
		second := kept(t, d, conflictRow{OrganizationID: other, Kind: "toolkits", Slug: "a", Reason: "both_changed", Decided: "git"})
		for prefix, want := range map[string][]string{first: {first}, first[:30]: {first}, second[:30]: {second}, "": nil, "%": nil, "_": nil, first + "0": nil} {
			var got []string
			for _, ref := range must(d.ConflictsLike(ctx, "", prefix))(t) {
				got = append(got, ref.ID)
			}
			if !gocmp.Equal(got, want) {
				t.Errorf("%q: %v", prefix, got)
			}
		}
		if refs := must(d.ConflictsLike(ctx, other, first[:30]))(t); len(refs) != 0 {
			t.Errorf("another organization's: %v", refs)
		}
		if refs := must(d.ConflictsLike(ctx, other, second))(t); len(refs) != 1 || refs[0] != (ConflictRef{other, second}) {
			t.Errorf("%v", refs)
		}
	})
}

// TestResolveConflictKeepsSecrets: a side's document has no secrets to lose, and may not publish any.
func TestResolveConflictKeepsSecrets(t *testing.T) {
	each(t, func(t *testing.T, d *DB) {
		ctx := t.Context()
		id := newOrganization(t, d, "acme")
		server := func(name, env string) string {
			return `{"slug":"a","name":"` + name + `","type":"stdio","command":"c","env":` + env + `}`
		}
		entity, _, err := d.PutEntity(ctx, id, document.MCPServers, "a", writeDoc(t, document.MCPServers, server("GIT", `{"T":{"secret":true,"value":"hunter2"}}`)))
		if err != nil {
			t.Fatal(err)
		}
		resolve := func(database string) error {
			row := conflictRow{
				ID: uuid.NewString(), OrganizationID: id, Kind: "mcp-servers", Path: "p", Slug: "a", RowID: entity.ID, DatabaseDigest: database,
				Reason: string(mirror.ConflictInvalidMerge), Database: jsonColumn(database), Git: jsonColumn(text2(entity.Document)), Decided: "git", CreatedAt: at(d.now()),
			}
			if err := d.gorm.Create(&row).Error; err != nil {
				t.Fatal(err)
			}
			_, err := d.ResolveConflict(ctx, id, row.ID, document.PreferDatabase, nil)
			return err
		}
		if _, ok := errors.AsType[*document.Problem](resolve(server("DB", `{"T":"published"}`))); !ok {
			t.Error("a side made a secret public")
		}
		if err := resolve(server("DB", `{"T":{"secret":true}}`)); err != nil {
			t.Fatal(err)
		}
		got, err := d.GetEntity(ctx, id, document.MCPServers, "a", "")
		if err != nil || !got.Secrets["env/T"] || got.Document.Fields["name"] != "DB" {
			t.Errorf("entity %+v, %v", got, err)
		}
	})
}
