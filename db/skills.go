package db

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"gorm.io/gorm"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// A skill's name and description stand twice in the database: in the columns,
// and in SKILL.md, which decides. Two edits of the columns alone are edits of
// the skill all the same, and are read as if SKILL.md had been edited:
//
//   - the slug was changed, and SKILL.md still has the agreed slug as its name;
//   - the description was changed (the capture says so: a stale column is no
//     edit), and SKILL.md still has the agreed one, or nothing was agreed.
//
// Once such an edit is agreed, SKILL.md follows; see followSkills.

// derive finds the documents (in stored form) of skills whose columns were
// edited, by row id; skills without such an edit are left out.
//
// agreed is what each was agreed as: its base, and what pushes of ours may have made of it
// since. SKILL.md says what one of them says, unless it was edited, too.
func (d *DB) derive(tx *gorm.DB, organizationID string, skills []*storedRow, agreed map[string][]*baseRow, described set) (map[string]*document.Document, error) {
	edited := map[string]*document.Document{}
	var candidates []*storedRow
	for _, r := range skills {
		e := r.record.entity()
		if r.kind != document.Skills || r.problem != nil {
			continue
		}
		name, description := r.document.Frontmatter()
		named := func(b *baseRow) bool { return name == b.Slug }
		if name != e.Slug && slices.ContainsFunc(agreed[e.ID], named) && document.ValidSlug(document.Skills, e.Slug) {
			edited[e.ID] = r.document.Renamed(e.Slug)
		}
		if described[e.ID] && e.Description != nil && *e.Description != "" && *e.Description != description {
			candidates = append(candidates, r)
		}
	}
	mains, err := d.agreedMains(tx, organizationID, candidates, agreed)
	if err != nil {
		return nil, err
	}
	for _, r := range candidates {
		e := r.record.entity()
		says := func(main *document.Document) bool { return sameDescription(r.document, main) }
		if len(agreed[e.ID]) > 0 && !slices.ContainsFunc(mains[e.ID], says) {
			continue // SKILL.md's own was edited as well, and it decides
		}
		doc := r.document
		if renamed := edited[e.ID]; renamed != nil {
			doc = renamed
		}
		edited[e.ID] = doc.WithDescription(*e.Description)
	}
	return edited, nil
}

func sameDescription(d, agreed *document.Document) bool {
	_, is := d.Frontmatter()
	_, was := agreed.Frontmatter()
	return is == was
}

// agreedMains are the agreed SKILL.md of skills, by row id, as documents of one file.
func (d *DB) agreedMains(tx *gorm.DB, organizationID string, skills []*storedRow, bases map[string][]*baseRow) (map[string][]*document.Document, error) {
	lists, mains := set{}, map[string]set{}
	for _, r := range skills {
		for _, base := range bases[r.record.entity().ID] {
			lists[base.ContentID] = true
		}
	}
	contents, err := d.readContents(tx, organizationID, lists)
	if err != nil {
		return nil, err
	}
	files := set{}
	for _, r := range skills {
		id := r.record.entity().ID
		mains[id] = set{}
		for _, base := range bases[id] {
			var agreed skillList
			if err := json.Unmarshal(contents[base.ContentID], &agreed); err != nil {
				continue // nothing is known of the agreed SKILL.md
			}
			for _, f := range agreed {
				if f.Path == document.SkillFile {
					mains[id][f.Content], files[f.Content] = true, true
				}
			}
		}
	}
	if contents, err = d.readContents(tx, organizationID, files); err != nil {
		return nil, err
	}
	docs := make(map[string][]*document.Document, len(mains))
	for id, list := range mains {
		for main := range list {
			docs[id] = append(docs[id], &document.Document{Kind: document.Skills, Files: []document.File{{Path: document.SkillFile, Content: contents[main]}}})
		}
	}
	return docs, nil
}

// describedRows are the skills whose description was changed by the writes.
func describedRows(changes []changeRow) set {
	rows := set{}
	for _, c := range changes {
		if c.Described && c.Kind == string(document.Skills) {
			rows[c.RowID] = true
		}
	}
	return rows
}

// withColumns reads the edits of a skill's columns into its document that no run has
// seen yet.
func (d *DB) withColumns(query *gorm.DB, organizationID string, r *storedRow) error {
	id := r.record.entity().ID
	fresh := func() *gorm.DB { return query.Session(&gorm.Session{NewDB: true}) }
	var identity string
	err := fresh().Model(&connectionRow{}).Where("organization_id = ? AND disconnected_at IS NULL", organizationID).Select("identity").Scan(&identity).Error
	if err != nil {
		return err
	}
	byRow, err := d.agreedSkills(fresh(), organizationID, parseIdentity(identity), []string{id}, nil)
	if err != nil {
		return err
	}
	changes, err := d.changesOf(query.Session(&gorm.Session{NewDB: true}), organizationID, keysOf(document.Skills, []string{id}))
	if err != nil {
		return err
	}
	edited, err := d.derive(query.Session(&gorm.Session{NewDB: true}), organizationID, []*storedRow{r}, byRow, describedRows(changes))
	if doc := edited[id]; doc != nil {
		r.document = doc
	}
	return err
}

// followSkills makes the columns and SKILL.md of skills say the same, once the
// bases given are about to be agreed: an edit of the columns goes into SKILL.md,
// and columns that fell behind SKILL.md are brought up. It returns the rows that
// are locked by somebody: nothing about them can be settled now.
//
// So are withdrawn skills, by row id: what they were proposed as is about to be forgotten,
// and nothing else tells that the columns are newer than SKILL.md.
//
// It comes before the new bases and the consumption of changes are written.
func (d *DB) followSkills(tx *gorm.DB, m *mirror.Mirror, bases []*mirror.Base, withdrawn []string, consumed []int64) (locked []string, err error) {
	agreed, ids := map[string]*mirror.Base{}, set{}
	for _, id := range withdrawn {
		ids[id] = true
	}
	for _, b := range bases {
		if b.Kind == document.Skills && b.RowID != "" && !b.Parted {
			agreed[b.RowID] = b
			ids[b.RowID] = true
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	// Most need nothing: look first, lock what does.
	mains, err := d.loadMains(tx, m.OrganizationID, ids.list())
	if err != nil {
		return nil, err
	}
	behind, err := d.behind(tx, m, mains, agreed, consumed)
	if err != nil || len(behind) == 0 {
		return nil, err
	}
	ids = set{}
	for id := range behind {
		ids[id] = true
	}
	rows, err := d.lockSkills(tx, m.OrganizationID, ids)
	if err != nil {
		return nil, err
	}
	if behind, err = d.behind(tx, m, slices.Collect(maps.Values(rows)), agreed, consumed); err != nil {
		return nil, err
	}
	t := tables[document.Skills]
	var written []*storedRow
	var skills []*skillRow
	var updated []record
	var files []skillFileRow
	var missing []string
	drop := map[string][]string{}
	for _, id := range ids.list() {
		r := rows[id]
		if r == nil {
			missing = append(missing, id)
			continue
		}
		doc := behind[id]
		if doc == nil {
			continue // somebody did it meanwhile
		}
		skill := r.record.(*skillRow)
		var write []skillFileRow
		drop[id], write = putFiles(skill, doc)
		skill.Entity.UpdatedAt = at(d.now())
		skills, updated, files = append(skills, skill), append(updated, skill), append(files, write...)
		// Who made it private, or moved it, since the run looked is not ours to consume.
		if base := agreed[id]; base != nil && base.Digest == doc.Digest() && base.Slug == skill.Entity.Slug && owner(skill) == nil {
			written = append(written, readRow(document.Skills, skill))
		}
	}
	if len(missing) > 0 { // or gone for good
		if err := where(tx.Model(&skillRow{}), d.inUUID("id", missing)).Order("id").Pluck("id", &locked).Error; err != nil {
			return nil, err
		}
	}
	if err := d.writeFiles(tx, skills, drop, files); err != nil {
		return nil, err
	}
	if err := d.updateRows(tx, t, updated); err != nil {
		return nil, err
	}
	own, err := d.ownChanges(tx, m.OrganizationID, t, written)
	if err != nil {
		return nil, err
	}
	var all []int64
	for _, ids := range own {
		all = append(all, ids...)
	}
	return locked, d.deleteChanges(tx, m.OrganizationID, all, nil)
}

// withdrawnSkills are the rows of skills among what is proposed no longer.
func (d *DB) withdrawnSkills(tx *gorm.DB, m *mirror.Mirror, intents []int64) (ids []string, err error) {
	if m.Proposed.Head == "" || len(intents) == 0 {
		return nil, nil
	}
	err = where(tx.Model(&intentRow{}), d.inIDs("id", intents)).
		Where("organization_id = ? AND kind = ? AND NOT deleted AND ref <> ?", m.OrganizationID, document.Skills, directRef(m.Identity)).
		Distinct().Order("row_id").Pluck("row_id", &ids).Error
	return ids, err
}

// lockSkills locks the skills with these ids and all their files. A skill with a file
// that the lock left out counts as locked by somebody: it is not among the rows.
func (d *DB) lockSkills(tx *gorm.DB, organizationID string, ids set) (map[string]*storedRow, error) {
	skills, err := d.loadIDs(d.lockFree(tx), organizationID, tables[document.Skills], ids.list())
	if err != nil {
		return nil, err
	}
	var found []struct {
		SkillID string
		Files   int
	}
	err = where(tx.Model(&skillFileRow{}), d.inUUID("skill_id", ids.list())).Select("skill_id, count(*) AS files").Group("skill_id").Scan(&found).Error
	if err != nil {
		return nil, err
	}
	files := map[string]int{}
	for _, f := range found {
		files[f.SkillID] = f.Files
	}
	rows := map[string]*storedRow{}
	for _, r := range skills {
		if id := r.record.entity().ID; files[id] == len(r.document.Files) {
			rows[id] = r
		}
	}
	return rows, nil
}

// behind finds, among skills, those that SKILL.md or the columns do not say the same of,
// and what they are to become.
func (d *DB) behind(tx *gorm.DB, m *mirror.Mirror, skills []*storedRow, agreed map[string]*mirror.Base, consumed []int64) (map[string]*document.Document, error) {
	var live []*storedRow
	ids := set{}
	for _, r := range skills {
		if e := r.record.entity(); !e.DeletedAt.Valid {
			live = append(live, r)
			ids[e.ID] = true
		}
	}
	byRow, err := d.agreedSkills(tx, m.OrganizationID, m.Identity, ids.list(), agreed)
	if err != nil {
		return nil, err
	}
	changes, err := d.changesOf(tx, m.OrganizationID, keysOf(document.Skills, ids.list()))
	if err != nil {
		return nil, err
	}
	changes = slices.DeleteFunc(changes, func(c changeRow) bool { return !c.Described })
	docs, err := d.derive(tx, m.OrganizationID, live, byRow, describedRows(changes))
	if err != nil {
		return nil, err
	}
	// A description that was edited after the run looked is not stale.
	known := map[int64]bool{}
	for _, id := range consumed {
		known[id] = true
	}
	late := set{}
	for _, c := range changes {
		late[c.RowID] = late[c.RowID] || !known[c.ID]
	}
	for _, r := range live {
		e := r.record.entity()
		name, description := r.document.Frontmatter()
		if docs[e.ID] == nil && r.problem == nil && name != "" && !late[e.ID] && (!says(e.Name, name) || !says(e.Description, description)) {
			docs[e.ID] = r.document
		}
	}
	return docs, nil
}

// agreedSkills are what skills were agreed as, by row id: bases, and what is proposed to
// people, but for what is being agreed just now.
func (d *DB) agreedSkills(tx *gorm.DB, organizationID string, identity mirror.Identity, ids []string, now map[string]*mirror.Base) (map[string][]*baseRow, error) {
	agreed := map[string][]*baseRow{}
	ours := func(query *gorm.DB) *gorm.DB {
		return where(query, d.inText("row_id", ids)).
			Where("organization_id = ? AND identity = ? AND kind = ?", organizationID, identityKey(identity), document.Skills)
	}
	var bases []*baseRow
	if err := ours(tx).Find(&bases).Error; err != nil {
		return nil, err
	}
	for _, b := range bases {
		agreed[b.RowID] = append(agreed[b.RowID], b)
	}
	var intents []*intentRow
	if err := ours(tx).Where("NOT deleted AND ref <> ?", directRef(identity)).Find(&intents).Error; err != nil {
		return nil, err
	}
	for _, i := range intents {
		if b := now[i.RowID]; b == nil || b.Digest != document.Digest(i.Digest) {
			agreed[i.RowID] = append(agreed[i.RowID], i.agreed())
		}
	}
	return agreed, nil
}

func says(column *string, text string) bool { return column != nil && *column == text }

// putFiles writes a document into the record and returns what has to change in skill_files.
func putFiles(skill *skillRow, stored *document.Document) (drop []string, write []skillFileRow) {
	was := map[string]skillFileRow{}
	for _, f := range skill.Files {
		was[f.Path] = f
	}
	put(skill, stored, nil)
	for _, f := range skill.Files {
		old, there := was[f.Path]
		delete(was, f.Path)
		if !there || old.Content == nil || string(old.Content) != string(f.Content) || old.Executable != f.Executable {
			write = append(write, f)
		}
	}
	for path := range was {
		drop = append(drop, path)
	}
	return drop, write
}

// fileBatchRows files of skills are written by one statement.
const fileBatchRows = 500

// writeFiles changes the files of skills whose rows are written (new ones too).
func (d *DB) writeFiles(tx *gorm.DB, skills []*skillRow, drop map[string][]string, write []skillFileRow) error {
	for _, skill := range skills {
		paths := drop[skill.Entity.ID]
		if len(paths) == 0 {
			continue
		}
		if err := where(tx, d.inText("path", paths)).Where("skill_id = ?", skill.Entity.ID).Delete(&skillFileRow{}).Error; err != nil {
			return fmt.Errorf("files: %w", err)
		}
	}
	var batch []skillFileRow
	size := 0
	for i, f := range write {
		batch = append(batch, f)
		size += len(f.Content)
		if len(batch) < fileBatchRows && size < contentBatchBytes && i < len(write)-1 {
			continue
		}
		if err := tx.Clauses(upsert([]string{"skill_id", "path"}, "content", "executable")).Create(&batch).Error; err != nil {
			return fmt.Errorf("files: %w", err)
		}
		batch, size = nil, 0
	}
	return nil
}
