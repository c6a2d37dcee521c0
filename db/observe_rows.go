package db

import (
	"slices"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// some loads what the changes, entries, rows and intents concern: see mirror.Observation.
func (s *observing) some(q mirror.Query, intents []*mirror.Intent) error {
	named := newReferences()
	for _, slug := range q.Servers {
		named.add(document.MCPServers, slug)
	}
	for _, c := range s.changes {
		k := document.Kind(c.Kind)
		s.want(k, c.RowID, c.SlugBefore, "")
		s.want(k, "", c.SlugAfter, "")
		if c.SlugBefore != c.SlugAfter {
			named.add(k, c.SlugBefore)
		}
	}
	for _, r := range q.Rows {
		s.want(r.Kind, r.ID, "", "")
	}
	for _, e := range q.Entries {
		s.want(e.Kind, "", e.Slug, e.Path)
		if e.GitID == "" {
			named.add(e.Kind, e.Slug)
		}
	}
	for _, i := range intents {
		s.want(i.Kind, i.RowID, i.Slug, i.Path)
	}
	open := func() error { return s.addOpen(named[document.MCPServers].list()) }
	if q.Open {
		open = func() error { return s.addUnsettled(s.tx) }
	}
	if err := open(); err != nil {
		return err
	}
	for _, u := range s.left {
		s.want(document.Kind(u.Kind), u.RowID, u.Slug, u.Path)
		if u.Due {
			named.add(document.Kind(u.Kind), u.Slug)
		}
	}
	if err := s.addNaming(named); err != nil {
		return err
	}
	for _, k := range document.Kinds {
		if err := s.addWanted(k); err != nil {
			return err
		}
	}
	if err := s.addWantedBases(); err != nil {
		return err
	}
	if err := s.addBaseRows(); err != nil {
		return err
	}
	// What was left open where a base or a row was found on the way.
	for key, b := range s.bases {
		s.want(key.Kind, b.RowID, "", key.Path)
	}
	for key := range s.rows {
		s.want(key.Kind, key.ID, "", "")
	}
	return s.addOpen(nil)
}

// references are slugs by kind: a toolkit that names one of them may be concerned.
type references map[document.Kind]set

func newReferences() references {
	r := references{}
	for _, k := range document.Referable {
		r[k] = set{}
	}
	return r
}

// add notes a slug that may have been given up for another one.
func (r references) add(k document.Kind, slug string) {
	if r[k] != nil && slug != "" {
		r[k][slug] = true
	}
}

// addNaming loads the toolkits that name one of the slugs.
func (s *observing) addNaming(named references) error {
	columns := map[document.Kind]string{document.MCPServers: "integrations", document.Commands: "commands", document.Skills: "skills"}
	var conditions []clause.Expression
	for _, k := range document.Referable {
		if len(named[k]) > 0 {
			conditions = append(conditions, s.referring(k, columns[k], named[k].list()))
		}
	}
	if len(conditions) == 0 {
		return nil
	}
	t := tables[document.Toolkits]
	rows, err := s.read(where(s.tx, t.ours(), live, anyOf(conditions), s.besides(s.mirror.OrganizationID)), t)
	if err != nil {
		return err
	}
	s.addRows(rows)
	return nil
}

// referring is "the toolkit names one of these", by the index that each database has.
func (s *observing) referring(k document.Kind, column string, slugs []string) clause.Expression {
	if s.postgres {
		return s.naming(column, slugs)
	}
	return clause.Expr{
		SQL: "id IN (SELECT toolkit_id FROM mirror_references WHERE organization_id = ? AND kind = ?" +
			" AND slug IN (SELECT value FROM json_each(?)))",
		Vars: []any{s.mirror.OrganizationID, string(k), jsonList(slugs)},
	}
}

// naming is "the JSON column has one of these slugs" as key of its object or as
// element of its array. In SQLite it may hold anything at all.
func (s *observing) naming(column string, slugs []string) clause.Expression {
	if s.postgres {
		return anyKey{column, slugs}
	}
	return clause.Expr{
		SQL: "EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(" + column + ") THEN " + column + " ELSE '[]' END) AS named" +
			" WHERE CASE WHEN typeof(named.key) = 'text' THEN named.key ELSE named.value END IN (SELECT value FROM json_each(?)))",
		Vars: []any{jsonList(slugs)},
	}
}

// anyKey is PostgreSQL's operator ?|, which an index serves. (GORM would take the
// question mark of an expression's text for a parameter.)
type anyKey struct {
	column string
	slugs  []string
}

func (k anyKey) Build(b clause.Builder) {
	b.WriteString(k.column + " ?| CAST(")
	b.AddVar(b, textArray(k.slugs))
	b.WriteString(" AS text[])")
}

// addOpen loads the unsettled entities that are due, wait for one of the servers,
// or stand at a wanted path or row.
func (s *observing) addOpen(servers []string) error {
	if !s.anyLeft {
		return nil
	}
	var paths, ids []string
	for _, k := range document.Kinds { // a path begins with its kind's directory: they do not mix
		paths = append(paths, s.wanted.paths[k].list()...)
		ids = append(ids, s.wanted.ids[k].list()...)
	}
	conditions := []clause.Expression{clause.Expr{SQL: "due"}}
	if len(paths) > 0 {
		conditions = append(conditions, s.inText("path", textsOf(paths)))
	}
	if len(ids) > 0 {
		conditions = append(conditions, s.inText("row_id", ids))
	}
	if len(servers) > 0 {
		conditions = append(conditions, s.naming("waits_for", servers))
	}
	return s.addUnsettled(where(s.tx, anyOf(conditions)))
}

// addWanted loads a kind's wanted rows.
func (s *observing) addWanted(k document.Kind) error {
	t := tables[k]
	if ids := s.wanted.ids[k].list(); len(ids) > 0 {
		rows, err := s.loadIDs(s.tx, s.mirror.OrganizationID, t, ids)
		if err != nil {
			return err
		}
		s.addRows(rows)
	}
	slugs := set{}
	for slug := range s.wanted.slugs[k] {
		slugs[slug] = true
	}
	for _, r := range s.rows { // a live row's slug is answered for: nobody else counts there
		if e := r.record.entity(); r.kind == k && !e.DeletedAt.Valid && owner(r.record) == nil {
			delete(slugs, e.Slug)
		}
	}
	if slugs := slugs.list(); len(slugs) > 0 {
		rows, err := s.load(s.tx, s.mirror.OrganizationID, t, t.ours(), s.inText("slug", slugs))
		if err != nil {
			return err
		}
		s.addRows(rows)
	}
	return nil
}

// addWantedBases loads the bases of the wanted rows, and those at the wanted paths.
//
// Neither query names more columns than tell its rows: a planner without statistics
// takes every further condition for selective, and walks all of a kind's bases.
func (s *observing) addWantedBases() error {
	wanted := map[mirror.RowKey]bool{}
	for k, ids := range s.wanted.ids {
		for id := range ids {
			wanted[mirror.RowKey{Kind: k, ID: id}] = true // its row may be gone for good
		}
	}
	for key, r := range s.rows {
		wanted[key] = true
		s.want(key.Kind, "", r.record.entity().Slug, "")
	}
	ids := set{}
	for key := range wanted {
		ids[key.ID] = true
	}
	if len(ids) > 0 {
		bases, err := s.basesWhere(s.inText("row_id", ids.list()))
		if err != nil {
			return err
		}
		s.addBases(slices.DeleteFunc(bases, func(b *baseRow) bool {
			return b.Identity != s.identity || !wanted[mirror.RowKey{Kind: document.Kind(b.Kind), ID: b.RowID}]
		}))
	}
	var kinds, paths []string
	for _, k := range document.Kinds {
		before := len(paths)
		for path := range s.wanted.paths[k] {
			if s.bases[mirror.Key{Kind: k, Path: path}] == nil {
				paths = append(paths, path)
			}
		}
		if len(paths) > before {
			kinds = append(kinds, string(k))
		}
	}
	if len(paths) == 0 {
		return nil
	}
	slices.Sort(paths)
	bases, err := s.basesWhere(clause.Eq{Column: "identity", Value: s.identity}, s.inText("kind", kinds), s.inText("path", paths))
	s.addBases(bases)
	return err
}

// addBaseRows loads the rows of bases that are still missing.
func (s *observing) addBaseRows() error {
	missing := map[document.Kind]set{}
	for _, b := range s.bases {
		k := document.Kind(b.Kind)
		if tables[k] == nil || b.RowID == "" || s.rows[mirror.RowKey{Kind: k, ID: b.RowID}] != nil || s.wanted.ids[k][b.RowID] {
			continue
		}
		if missing[k] == nil {
			missing[k] = set{}
		}
		missing[k][b.RowID] = true
	}
	for k, ids := range missing {
		rows, err := s.loadIDs(s.tx, s.mirror.OrganizationID, tables[k], ids.list())
		if err != nil {
			return err
		}
		s.addRows(rows)
	}
	return nil
}

func (s *observing) addRows(rows []*storedRow) {
	for _, r := range rows {
		s.rows[mirror.RowKey{Kind: r.kind, ID: r.record.entity().ID}] = r
	}
}

func (s *observing) basesWhere(conditions ...clause.Expression) ([]*baseRow, error) {
	var bases []*baseRow
	err := where(s.tx, conditions...).Where("organization_id = ?", s.mirror.OrganizationID).Find(&bases).Error
	return bases, err
}

func (s *observing) addBases(bases []*baseRow) {
	for _, b := range bases {
		s.bases[b.key()] = b
		s.byRow[mirror.RowKey{Kind: document.Kind(b.Kind), ID: b.RowID}] = b
	}
}

func (s *observing) addUnsettled(tx *gorm.DB) error {
	var left []*unsettledRow
	err := tx.Where("organization_id = ? AND identity = ?", s.mirror.OrganizationID, s.identity).Find(&left).Error
	for _, u := range left {
		u.Path, u.Slug = nameOf(u.Path), nameOf(u.Slug)
		s.left[mirror.Key{Kind: document.Kind(u.Kind), Path: u.Path}] = u
	}
	return err
}
