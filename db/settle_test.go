package db

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func init() {
	storeCases["settle: only with the lease"] = testSettleLease
	storeCases["settle: what is remembered"] = testSettleAll
	storeCases["settle: the brake's hour"] = testSettleBrake
	storeCases["settle: a verdict given meanwhile"] = testSettleVerdict
	storeCases["settle: names that are no text"] = testSettleBytes
	storeCases["intents and their contents"] = testIntents
	storeCases["skills: the columns' edits"] = testSkillColumns
	storeCases["skills: a stale column is no edit"] = testSkillStale
	storeCases["skills: an edit after the look"] = testSkillLate
}

func testSettleLease(t *testing.T, w *world) {
	id := w.insert("a", "A")
	w.exec(`UPDATE bitbucket_connections SET lease_epoch = lease_epoch + 1`)
	s := &mirror.Settlement{Cursor: "c", Bases: []*mirror.Base{agreed(toolkit("a", "A"), id)}, Consumed: []int64{w.all().Changes[0].ID}}
	if err := w.db.Settle(t.Context(), w.mirror, s); !errors.Is(err, mirror.ErrLeaseLost) {
		t.Fatal(err)
	}
	o := w.all()
	w.equal([]int{len(o.Bases), len(o.Changes)}, []int{0, 1})
	w.mirror = w.again(w.mirror)
	w.settle(*s)
	o = w.all()
	w.equal([]int{len(o.Bases), len(o.Changes)}, []int{1, 0})
}

func testSettleAll(t *testing.T, w *world) {
	key := func(slug string) mirror.Key {
		return mirror.Key{Kind: document.Toolkits, Path: "toolkits/" + slug + ".json"}
	}
	id := w.insert("a", "A")
	detected := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	problem := mirror.EntityError{Code: document.InvalidJSON, HTTPCode: 400, Message: "line 1", DetectedAt: detected}
	detail := &mirror.Detail{Code: mirror.CodeDeletionsHeld, Message: "m", Remedy: "r", Since: detected}
	left := &mirror.Unsettled{
		Key: key("x"), RowID: id, Slug: "x", Reason: mirror.ReasonInvalid, WaitsFor: []string{"b", "a"}, Due: true,
		Digest: "1:ab", GitID: "g", Direction: mirror.ToGit,
	}
	first := mirror.Settlement{
		Cursor: "c1", RemoteSeen: "c1", Unsettled: []*mirror.Unsettled{left, {Key: key("y"), Reason: mirror.ReasonRaced, Due: true}},
		Bases:    []*mirror.Base{agreed(toolkit("a", "A"), id), agreed(toolkit("gone", "G"), "")},
		Statuses: []mirror.RowStatus{{Kind: document.Toolkits, RowID: id, Integration: mirror.GitIntegration{Path: "toolkits/a.json", GitID: "g", Commit: "c1", SyncedAt: &detected, Error: &problem}}},
		Rejected: []*mirror.RejectedFile{{Key: key("bad"), Slug: "bad", GitID: "g", Error: problem}, {Key: key("worse"), Slug: "worse", GitID: "g", Error: problem}},
		Events:   []mirror.Event{{Code: "HISTORY_REWRITTEN", Message: "m"}},
		State:    mirror.State{Name: mirror.StateHeld, Detail: detail, Conditions: []mirror.Detail{*detail}},
		Run:      &mirror.Report{RunID: "r1", Trigger: "poll", State: mirror.StateHeld, Commits: []mirror.Hash{"c1"}, StartedAt: detected, Detail: detail, Actions: []mirror.Action{{Slug: "a"}}},
		Covered:  2,
	}
	w.settle(first)
	w.equal(w.again(w.mirror).State, first.State)
	o := w.all()
	w.equal(o.Unsettled[0], left)
	w.equal(row(o, id).Integration, first.Statuses[0].Integration)
	w.equal(len(o.Changes), 1) // a status is no edit
	w.equal(w.text(`SELECT count(*) FROM rejected_files`), "2")
	w.equal(w.text(`SELECT actions FROM sync_runs`) != "NULL", true)

	// A second round of the same run; everything again, and some of it undone.
	first.Run.Imported, first.Run.Detail = 3, nil
	first.DropBases, first.Bases = []mirror.Key{key("gone"), key("a")}, []*mirror.Base{agreed(toolkit("a", "AA"), id), agreed(toolkit("a", "A2"), id)}
	first.Settled, first.Unsettled = []mirror.Key{key("x"), key("y")}, []*mirror.Unsettled{left, left}
	first.Accepted, first.Rejected = []mirror.Key{key("bad")}, []*mirror.RejectedFile{first.Rejected[1]}
	first.Statuses[0].Integration = mirror.GitIntegration{}
	first.State, first.Covered = mirror.State{Name: mirror.StateOK}, 1
	w.settle(first)
	o = w.all()
	w.equal([]int{len(o.Bases), len(o.Unsettled)}, []int{1, 1})
	w.equal(o.Bases[0].Digest, toolkit("a", "A2").Digest())
	w.equal(w.text(`SELECT git_integration FROM toolkits`), "NULL")
	w.equal(w.text(`SELECT path FROM rejected_files`), "toolkits/worse.json")
	w.equal(w.text(`SELECT count(*) FROM sync_runs`), "1")
	w.equal(w.text(`SELECT imported FROM sync_runs`), "3")
	w.equal(w.text(`SELECT detail FROM sync_runs`), "NULL")
	w.equal(w.text(`SELECT count(*) FROM mirror_events`), "2")
	m := w.again(w.mirror)
	w.equal(m.State, mirror.State{Name: mirror.StateOK})
	w.equal(m.Covered, int64(2)) // never goes back

	// A parted base keeps its content.
	parted := *o.Bases[0]
	parted.Parted = true
	w.settle(mirror.Settlement{Bases: []*mirror.Base{&parted}})
	o = w.all()
	w.equal(o.Bases[0].Parted, true)
	w.ok(w.db.Contents(t.Context(), w.mirror, o.Bases))
	w.equal(o.Bases[0].Content.Bytes, document.Encode(toolkit("a", "A2")))
}

func testSettleBrake(t *testing.T, w *world) {
	// The daemon's own clock has no say.
	w.db.now = func() time.Time { return time.Now().Add(-24 * time.Hour).UTC() }
	first := "deleted = 3"
	settled := func(which string, ago time.Duration) {
		w.exec("UPDATE mirror_deletions SET settled_at = " + w.db.sqlIn(-ago) + " WHERE " + which)
	}
	id := w.insert("a", "A")
	w.settle(mirror.Settlement{Bases: []*mirror.Base{agreed(toolkit("a", "A"), id)}, Deleted: 3})
	settled(first, 50*time.Minute)
	w.settle(mirror.Settlement{Deleted: 1})
	w.ok(w.db.noteDeletions(w.db.gorm, w.mirror, mirror.ToDatabase, 2))
	o := w.all()
	w.equal(o.Deleted, map[mirror.Direction]int{mirror.ToGit: 4, mirror.ToDatabase: 2})
	w.equal([]int{o.Mirrored, o.LargestMirrored}, []int{1, 4})
	settled(first, 61*time.Minute)
	w.equal(w.all().Deleted, map[mirror.Direction]int{mirror.ToGit: 1, mirror.ToDatabase: 2})
	settled("true", 61*time.Minute)
	o = w.all()
	w.equal([]int{len(o.Deleted), o.LargestMirrored}, []int{0, 1})
}

func testSettleVerdict(t *testing.T, w *world) {
	held := &mirror.Unsettled{Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/a.json"}, Reason: mirror.ReasonHeld, Direction: mirror.ToGit, GitID: "g"}
	w.settle(mirror.Settlement{Unsettled: []*mirror.Unsettled{held}})
	w.exec(`UPDATE mirror_unsettled SET verdict = 'approved', due = true`)
	w.settle(mirror.Settlement{Unsettled: []*mirror.Unsettled{held}}) // a run that had not seen it
	o := w.all()
	w.equal([]any{o.Unsettled[0].Verdict, o.Unsettled[0].Due, o.Held[mirror.ToGit]}, []any{mirror.Approved, true, 0})
	other := *held
	other.GitID = "another file"
	w.settle(mirror.Settlement{Unsettled: []*mirror.Unsettled{&other}})
	w.equal(w.all().Unsettled[0].Verdict, mirror.Undecided)
}

func testIntents(t *testing.T, w *world) {
	file, skill := toolkit("a", "A"), skillDocument("s", "x", document.File{Path: "f", Content: []byte(strings.Repeat("long ", 100000))})
	intents := []*mirror.Intent{
		{Ref: "refs/heads/main", Commit: "c", Base: *agreed(file, "r1")},
		{Ref: "refs/heads/main", Commit: "c", Base: *agreed(skill, "r2")},
		{Ref: "refs/heads/main", Commit: "c", Deleted: true, Base: mirror.Base{Key: mirror.Key{Kind: document.Toolkits, Path: "toolkits/z.json"}}},
	}
	w.ok(w.db.Intend(t.Context(), w.mirror, "r", intents, nil))
	ids := map[int64]bool{}
	for _, i := range intents {
		ids[i.ID] = true
	}
	if len(ids) != 3 || ids[0] {
		t.Fatalf("ids: %v", ids)
	}
	o := w.observe(mirror.Query{})
	w.equal(len(o.Intents), 3)
	for i, got := range o.Intents {
		want := *intents[i]
		want.Content = nil
		w.equal(*got, want)
	}
	// Found to be the base: its content goes along, and the intent goes.
	base := o.Intents[1].Base
	w.ok(w.db.Contents(t.Context(), w.mirror, []*mirror.Base{&base}))
	w.equal(base.Content.Files, skill.Files)
	w.settle(mirror.Settlement{Bases: []*mirror.Base{&o.Intents[0].Base, &o.Intents[1].Base}, DropIntents: []int64{intents[0].ID, intents[1].ID, intents[2].ID}})
	o = w.all()
	w.equal([]int{len(o.Intents), len(o.Bases)}, []int{0, 2})
	w.ok(w.db.Contents(t.Context(), w.mirror, o.Bases))
	w.equal(o.Bases[0].Content.Files, skill.Files)
	w.equal(o.Bases[1].Content.Bytes, document.Encode(file))
}

// exported settles the export of a row as it was observed.
func (w *world) exported(o *mirror.Observation, id string, drop ...mirror.Key) {
	w.Helper()
	var consumed []int64
	for _, c := range o.Changes {
		consumed = append(consumed, c.ID)
	}
	r := row(o, id)
	if r == nil || r.Problem != nil {
		w.Fatalf("%+v", r)
	}
	w.settle(mirror.Settlement{Bases: []*mirror.Base{agreed(r.Document, id)}, Consumed: consumed, DropBases: drop})
}

func testSkillColumns(t *testing.T, w *world) {
	id := w.skill("s", "first")
	w.exported(w.all(), id)
	// The export of a skill that came without name and description fills them in.
	w.equal([]string{w.text(`SELECT name FROM skills`), w.text(`SELECT description FROM skills`)}, []string{"s", "first"})
	w.equal(len(w.all().Changes), 0)

	w.exec(`UPDATE skills SET slug = 's2', description = 'second'`)
	w.exec(`INSERT INTO skill_files (skill_id, path, content) VALUES (?, 'f', 'x')`, id)
	o := w.observe(mirror.Query{})
	w.equal(row(o, id).Document, skillDocument("s2", "second", document.File{Path: "f", Content: []byte("x")}))
	w.exported(o, id, mirror.Key{Kind: document.Skills, Path: "skills/s"})
	for range 2 {
		o = w.all()
		w.equal(row(o, id).Document, skillDocument("s2", "second", document.File{Path: "f", Content: []byte("x")}))
		w.equal(len(o.Changes), 0)
		w.equal(row(o, id).Document.Digest(), o.Bases[0].Digest)
	}
	w.equal(w.text(`SELECT name FROM skills`), "s2")
}

func testSkillStale(t *testing.T, w *world) {
	id := w.skill("s", "first")
	w.exported(w.all(), id)
	// SKILL.md is edited, the column is not: SKILL.md decides, and the column follows.
	w.exec(`UPDATE skill_files SET content = ?`, []byte(skillMD("s", "from the file")))
	w.exec(`UPDATE skills SET description = description`)
	o := w.observe(mirror.Query{})
	w.equal(row(o, id).Document, skillDocument("s", "from the file"))
	w.exported(o, id)
	w.equal(w.text(`SELECT description FROM skills`), "from the file")
	w.equal(row(w.all(), id).Document, skillDocument("s", "from the file"))
	// Both are edited: SKILL.md decides.
	w.exec(`UPDATE skill_files SET content = ?`, []byte(skillMD("s", "again from the file")))
	w.exec(`UPDATE skills SET description = 'from the column'`)
	w.equal(w.row(id).Document, skillDocument("s", "again from the file"))
	// Nothing was agreed of a skill without a base: the edit is what came last.
	other := w.skill("other", "file")
	w.exec(`UPDATE skills SET description = 'column' WHERE id = ?`, other)
	w.equal(w.row(other).Document, skillDocument("other", "column"))
}

func testSkillLate(t *testing.T, w *world) {
	id := w.skill("s", "first")
	w.exported(w.all(), id)
	w.exec(`UPDATE skills SET slug = 's2'`)
	o := w.observe(mirror.Query{})
	w.exec(`UPDATE skills SET description = 'late', slug = 's3'`)
	w.exported(o, id, mirror.Key{Kind: document.Skills, Path: "skills/s"})
	o = w.observe(mirror.Query{})
	w.equal(row(o, id).Document, skillDocument("s3", "late"))
	if len(o.Changes) == 0 {
		t.Error("the late edit is lost")
	}
	w.exported(o, id, mirror.Key{Kind: document.Skills, Path: "skills/s2"})
	o = w.all()
	w.equal(row(o, id).Document.Digest(), o.Bases[0].Digest)
	w.equal(len(o.Changes), 0)
	// Deleted meanwhile: it stays so.
	w.exec(`UPDATE skills SET slug = 's4'`)
	o = w.observe(mirror.Query{})
	w.exec(`UPDATE skills SET deleted_at = created_at`)
	w.exported(o, id, mirror.Key{Kind: document.Skills, Path: "skills/s3"})
	w.equal(row(w.all(), id).Deleted, true)
}

// Git allows any bytes in a name; PostgreSQL's text does not.
func testSettleBytes(t *testing.T, w *world) {
	key := mirror.Key{Kind: document.Toolkits, Path: "toolkits/\xff.json"}
	entry := mirror.Query{Entries: []mirror.Entry{{Kind: document.Toolkits, Slug: "\xff", Path: key.Path, GitID: "g"}}}
	w.settle(mirror.Settlement{
		Unsettled: []*mirror.Unsettled{{Key: key, Slug: "\xff", Reason: mirror.ReasonInvalid}},
		Rejected:  []*mirror.RejectedFile{{Key: key, Slug: "\xff"}},
	})
	o := w.observe(entry)
	w.equal([]any{len(o.Unsettled), o.Unsettled[0].Key, o.Unsettled[0].Slug}, []any{1, key, "\xff"})
	w.settle(mirror.Settlement{Settled: []mirror.Key{key}, Accepted: []mirror.Key{key}})
	w.equal(len(w.observe(entry).Unsettled), 0)
	w.equal(w.text(`SELECT count(*) FROM rejected_files`), "0")
}
