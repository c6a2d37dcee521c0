package db

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestResolveConflict(t *testing.T) {
	const (
		base     = `{"slug":"a","name":"A","description":"old","skills":["s"]}`
		database = `{"slug":"a","name":"DB","description":"new","skills":["s"]}`
		git      = `{"slug":"a","name":"GIT","description":"old","skills":["s","t"]}`
		merged   = `{"slug":"a","name":"GIT","description":"new","skills":["s","t"]}` // decided for git
		taken    = `{"slug":"a","name":"DB","description":"new","skills":["s","t"]}`
	)
	tests := []struct {
		name         string
		reason       mirror.ConflictReason
		database     string // "": as above
		today        string // "": deleted
		take         document.Policy
		want         string // "": no entity
		err          error
		places       []string
		breaksAnRule bool
	}{
		{name: "the losing side", today: merged, take: document.PreferDatabase, want: taken},
		{name: "the winning side changes nothing", today: merged, take: document.PreferGit, want: merged},
		{name: "edits elsewhere stay", today: `{"slug":"a","name":"GIT","description":"newer","skills":["t"]}`, take: document.PreferDatabase, want: `{"slug":"a","name":"DB","description":"newer","skills":["t"]}`},
		{name: "a renamed entity", today: `{"slug":"b","name":"GIT","description":"new","skills":["s","t"]}`, take: document.PreferDatabase, want: `{"slug":"b","name":"DB","description":"new","skills":["s","t"]}`},
		{name: "the place was edited", today: `{"slug":"a","name":"THIRD","description":"new"}`, take: document.PreferDatabase, want: `{"slug":"a","name":"THIRD","description":"new"}`, places: []string{"/name"}},
		{name: "the place is so already", today: taken, take: document.PreferDatabase, want: taken},
		{name: "deleted", take: document.PreferDatabase, err: ErrGone},
		{name: "a whole document", reason: mirror.ConflictInvalidMerge, today: git, take: document.PreferDatabase, want: database},
		{name: "a side without a document", reason: mirror.ConflictHistoryRewritten, database: "none", today: git, take: document.PreferDatabase},
		{name: "the same, edited", reason: mirror.ConflictHistoryRewritten, database: "none", today: merged, take: document.PreferDatabase, want: merged, places: []string{"/description"}},
		{name: "no side", today: merged, take: "newest", want: merged, breaksAnRule: true},
	}
	each(t, func(t *testing.T, d *DB) {
		for i, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				ctx := t.Context()
				id := newOrganization(t, d, fmt.Sprint("organization-", i))
				entity, _, err := d.PutEntity(ctx, id, document.Toolkits, "a", writeDoc(t, document.Toolkits, git))
				if err != nil {
					t.Fatal(err)
				}
				if test.today != "" {
					_, _, err = d.PutEntity(ctx, id, document.Toolkits, "a", writeDoc(t, document.Toolkits, test.today))
				} else {
					err = d.DeleteEntity(ctx, id, document.Toolkits, "a", EntityEdit{})
				}
				if err != nil {
					t.Fatal(err)
				}
				row := conflictRow{
					ID: uuid.NewString(), OrganizationID: id, Kind: "toolkits", Path: "toolkits/a.json", Slug: "a", RowID: entity.ID,
					Reason: string(mirror.ConflictBothChanged), Base: base, Database: database, Git: git, Decided: "git", CreatedAt: at(d.now()),
				}
				if test.reason != "" {
					row.Reason = string(test.reason)
				}
				if test.database != "" {
					row.Database = ""
				}
				if err := d.gorm.Create(&row).Error; err != nil {
					t.Fatal(err)
				}
				author := "Jane"
				err = d.ResolveConflict(ctx, id, row.ID, test.take, &author)
				changed, _ := errors.AsType[*PlacesChangedError](err)
				problem, _ := errors.AsType[*document.Problem](err)
				switch {
				case test.places != nil:
					if changed == nil || !cmp.Equal(changed.Places, test.places) {
						t.Errorf("error %v", err)
					}
				case test.breaksAnRule:
					if problem == nil {
						t.Errorf("error %v", err)
					}
				case !errors.Is(err, test.err):
					t.Errorf("error %v, want %v", err, test.err)
				}
				items, _, _, _ := d.ListEntities(ctx, id, document.Toolkits, EntityFilter{})
				got := ""
				if len(items) > 0 {
					got = text2(items[0].Document)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Error(diff)
				}
				conflict := must(d.Conflict(ctx, id, row.ID))(t)
				if resolved := conflict.ResolvedAt != nil; resolved != (err == nil) || resolved && conflict.Resolution != string(test.take) {
					t.Errorf("conflict %+v after %v", conflict, err)
				}
				if err == nil {
					if err := d.ResolveConflict(ctx, id, row.ID, test.take, nil); !errors.Is(err, ErrResolved) {
						t.Errorf("twice: %v", err)
					}
				}
			})
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
			return d.ResolveConflict(ctx, id, row.ID, document.PreferDatabase, nil)
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
