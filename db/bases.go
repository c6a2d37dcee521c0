package db

import (
	"context"
	"fmt"
	"strconv"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/google/uuid"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// engineBatch rows of the engine's tables go into one INSERT.
const engineBatch = 1000

// putBases drops and writes bases. Nothing is done about the skills locked.
func (d *DB) putBases(tx *gorm.DB, m *mirror.Mirror, bases []*mirror.Base, drop []mirror.Key, locked []string) error {
	held := set{}
	for _, id := range locked {
		held[id] = true
	}
	identity := identityKey(m.Identity)
	latest := map[mirror.Key]*mirror.Base{} // a key twice in one statement is an error in PostgreSQL
	var keys []mirror.Key
	for _, b := range bases {
		if b.Kind == document.Skills && held[b.RowID] {
			continue
		}
		if latest[b.Key] == nil {
			keys = append(keys, b.Key)
		}
		latest[b.Key] = b
	}
	kept := make([]*mirror.Base, len(keys))
	for i, key := range keys {
		kept[i] = latest[key]
	}
	// Before anything is dropped: a base may keep the content of the one that it replaces.
	contents, err := d.keepContents(tx, m.OrganizationID, identity, kept)
	if err != nil {
		return err
	}
	for k, paths := range byKind(drop) {
		query := where(tx, d.inText("path", paths)).Where("organization_id = ? AND identity = ? AND kind = ?", m.OrganizationID, identity, k)
		if k == document.Skills && len(locked) > 0 {
			query = query.Not(d.inText("row_id", locked))
		}
		if err := query.Delete(&baseRow{}).Error; err != nil {
			return err
		}
	}
	rows := make([]baseValues, len(kept))
	for i, b := range kept {
		rows[i] = valuesOf(b, contents[i])
	}
	_, err = insertSet[struct{}](d, tx, intoBases, rows, m.OrganizationID, identity)
	return err
}

// baseValues are a base in intoBases, or in an intent.
type baseValues struct {
	Kind        document.Kind   `json:"kind"`
	Path        string          `json:"path"`
	RowID       string          `json:"row_id"`
	Slug        string          `json:"slug"`
	GitID       string          `json:"git_id"`
	Digest      document.Digest `json:"digest"`
	UnknownKeys []string        `json:"unknown_keys,omitempty"`
	ContentID   string          `json:"content_id"`
	Parted      bool            `json:"parted"`
}

func valuesOf(b *mirror.Base, content string) baseValues {
	return baseValues{
		Kind: b.Kind, Path: b.Path, RowID: b.RowID, Slug: b.Slug, GitID: b.GitID, Digest: b.Digest,
		UnknownKeys: b.UnknownKeys, ContentID: content, Parted: b.Parted,
	}
}

var intoBases = insertion{
	table:  "mirror_bases",
	common: []setColumn{{"organization_id", "uuid"}, {"identity", "text"}},
	columns: []setColumn{
		{"kind", "text"}, {"path", "text"}, {"row_id", "text"}, {"slug", "text"}, {"git_id", "text"}, {"digest", "text"},
		{"unknown_keys", "jsonb"}, {"content_id", "text"}, {"parted", "boolean"},
	},
	end: "ON CONFLICT (organization_id, identity, kind, path) DO UPDATE SET row_id = excluded.row_id, slug = excluded.slug, git_id = excluded.git_id," +
		" digest = excluded.digest, unknown_keys = excluded.unknown_keys, content_id = excluded.content_id, parted = excluded.parted",
}

// byKind groups paths, as columns hold them.
func byKind(keys []mirror.Key) map[document.Kind][]string {
	paths := map[document.Kind][]string{}
	for _, key := range keys {
		paths[key.Kind] = append(paths[key.Kind], textOf(key.Path))
	}
	return paths
}

// jsonStrings is a list for a column; NULL if it is empty.
func jsonStrings(list []string) jsonColumn {
	if len(list) == 0 {
		return ""
	}
	return encode(list)
}

// putConflicts keeps documents. One that is open already stays as it is: a run that
// died does not double it. One that somebody had resolved, and that happened once more
// in another run, is open again.
func (d *DB) putConflicts(tx *gorm.DB, m *mirror.Mirror, runID string, conflicts []*mirror.Conflict) error {
	if len(conflicts) == 0 {
		return nil
	}
	type key struct {
		mirror.Key
		row, base, git string
		database       document.Digest
	}
	seen := map[key]bool{} // twice in one statement is an error in PostgreSQL
	var rows, pending []conflictRow
	for _, c := range conflicts {
		k := key{c.Key, c.RowID, c.BaseGitID, c.GitID, c.DatabaseID}
		if seen[k] {
			continue
		}
		seen[k] = true
		row := conflictRow{
			ID: uuid.NewString(), OrganizationID: m.OrganizationID, RunID: runID,
			Kind: string(c.Kind), Path: c.Path, RowID: c.RowID, Slug: c.Slug, Reason: string(c.Reason),
			Base: documentColumn(c.Base), Database: documentColumn(c.Database), Git: documentColumn(c.Git),
			Decided: string(c.Decided), Places: jsonStrings(c.Places),
			BaseGitID: c.BaseGitID, DatabaseDigest: string(c.DatabaseID), GitID: c.GitID, CreatedAt: at(d.now()),
		}
		if c.Reason == mirror.ConflictTaken { // whoever decided has seen it
			row.ResolvedAt, row.Resolution = row.CreatedAt, row.Decided
		}
		if c.Pending {
			pending = append(pending, row)
		} else {
			rows = append(rows, row)
		}
	}
	again := upsert([]string{"organization_id", "kind", "path", "row_id", "base_git_id", "database_digest", "git_id"},
		"run_id", "slug", "reason", "decided", "places", "created_at", "resolved_at", "resolution")
	again.Where = clause.Where{Exprs: []clause.Expression{
		clause.Expr{SQL: "conflicts.resolved_at IS NOT NULL AND conflicts.run_id <> excluded.run_id"},
	}}
	if err := writeConflicts(tx, clause.OnConflict{DoNothing: true}, pending); err != nil {
		return err
	}
	return writeConflicts(tx, again, rows)
}

// writeConflicts writes few rows in a statement: a skill's documents may be large.
func writeConflicts(tx *gorm.DB, known clause.OnConflict, rows []conflictRow) error {
	if len(rows) == 0 {
		return nil
	}
	return tx.Clauses(known).CreateInBatches(rows, 20).Error
}

func documentColumn(d *document.Document) jsonColumn {
	if d == nil {
		return ""
	}
	return encode(d)
}

// Intend writes intents and conflicts before a push, and fills the intents' ids.
func (d *DB) Intend(ctx context.Context, m *mirror.Mirror, runID string, intents []*mirror.Intent, conflicts []*mirror.Conflict) error {
	identity := identityKey(m.Identity)
	return d.write(ctx, func(tx *gorm.DB) error {
		if _, err := d.leased(tx, "SHARE", m); err != nil {
			return err
		}
		if err := d.putConflicts(tx, m, runID, conflicts); err != nil || len(intents) == 0 {
			return err
		}
		bases := make([]*mirror.Base, len(intents))
		for i, intent := range intents {
			bases[i] = &intent.Base
		}
		contents, err := d.keepContents(tx, m.OrganizationID, identity, bases)
		if err != nil {
			return err
		}
		rows := make([]intentValues, len(intents))
		for i, n := range intents {
			rows[i] = intentValues{Ref: n.Ref, Commit: n.Commit, Deleted: n.Deleted, baseValues: valuesOf(&n.Base, contents[i])}
		}
		written, err := insertSet[writtenIntent](d, tx, intoIntents, rows, m.OrganizationID, identity, runID, at(d.now()))
		if err != nil {
			return err
		}
		ids := make(map[writtenIntent][]int64, len(written))
		for _, w := range written {
			id := w.ID
			w.ID = 0
			ids[w] = append(ids[w], id)
		}
		for _, n := range intents {
			w := writtenIntent{Kind: string(n.Kind), Path: n.Path, RowID: n.RowID, Deleted: n.Deleted}
			if len(ids[w]) == 0 {
				return fmt.Errorf("the intent for %s was not stored as it is", strconv.Quote(n.Path))
			}
			n.ID, ids[w] = ids[w][0], ids[w][1:]
		}
		return nil
	})
}

// intentValues are an intent in intoIntents.
type intentValues struct {
	Ref     string      `json:"ref"`
	Commit  mirror.Hash `json:"commit_hash"`
	Deleted bool        `json:"deleted"`
	baseValues
}

// writtenIntent tells which intent got which id.
type writtenIntent struct {
	ID                int64
	Kind, Path, RowID string
	Deleted           bool
}

var intoIntents = insertion{
	table:  "mirror_intents",
	common: []setColumn{{"organization_id", "uuid"}, {"identity", "text"}, {"run_id", "text"}, {"created_at", "timestamptz"}},
	columns: []setColumn{
		{"ref", "text"}, {"commit_hash", "text"}, {"deleted", "boolean"}, {"kind", "text"}, {"path", "text"}, {"row_id", "text"}, {"slug", "text"},
		{"git_id", "text"}, {"digest", "text"}, {"unknown_keys", "jsonb"}, {"content_id", "text"},
	},
	end: "RETURNING id, kind, path, row_id, deleted",
}
