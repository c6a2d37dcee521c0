package document

import (
	"maps"
	"slices"
)

// Merge joins two documents that both changed since base (nil: no common base).
// Places that only one side changed are taken from it; places both changed
// differently go by the policy, and are listed in lost: JSON pointers, in which
// a command's arguments go by name instead of index; for skills "path", or
// "path:line" with the line of the result. With lost empty the merge is clean.
func Merge(base, database, git *Document, policy Policy) (merged *Document, lost []string) {
	if base == nil {
		base = &Document{Kind: git.Kind}
	}
	m := &merger{policy: policy, seen: map[string]bool{}}
	if git.Kind == Skills {
		merged = m.skills(base, database, git)
	} else {
		fields := m.fields(git.Kind, base.Fields, database.Fields, git.Fields)
		merged = &Document{Kind: git.Kind, Fields: fields}
		merged.Slug, _ = fields["slug"].(string)
	}
	return merged.Clone().normalizeOwn(), m.lost
}

// merger merges values of three sides, and remembers the places that the policy
// decided.
type merger struct {
	policy Policy
	lost   []string
	seen   map[string]bool // what lost holds
}

// absent stands for a key that a side does not have.
var absent any = struct{}{}

// lose remembers a place where one side's edit was lost.
func (m *merger) lose(place string) {
	if !m.seen[place] {
		m.seen[place] = true
		m.lost = append(m.lost, place)
	}
}

func same(a, b any) bool {
	if a == absent || b == absent {
		return a == b
	}
	return equal(a, b)
}

func lookup(object map[string]any, name string) any {
	if value, has := object[name]; has {
		return value
	}
	return absent
}

// decide lets the policy choose at a place that both sides changed.
func (m *merger) decide(path []any, database, git any) any {
	m.lose(pointer(path))
	if m.policy == PreferDatabase {
		return database
	}
	return git
}

// fields merges the top-level keys. There a list or table that is empty is
// absent, so that a side without it is one that emptied it.
func (m *merger) fields(k Kind, base, database, git map[string]any) map[string]any {
	s := schemaOf(k)
	return m.object(nil, s, base, database, git, func(name string, side any) any {
		if side != absent || saysNone(k, name) {
			return side
		}
		switch child := s.child(name); {
		case child.shape == list && child.join != whole:
			return []any{}
		case child.shape == table:
			return map[string]any{}
		}
		return side
	})
}

// object merges key by key. fill, if any, says what a missing key stands for.
func (m *merger) object(path []any, s *schema, base, database, git map[string]any, fill func(string, any) any) map[string]any {
	names := maps.Clone(git)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, database)
	out := make(map[string]any, len(names))
	for _, name := range s.ordered(names) {
		b, d, g := lookup(base, name), lookup(database, name), lookup(git, name)
		if fill != nil {
			b, d, g = fill(name, b), fill(name, d), fill(name, g)
		}
		value := m.value(append(path[:len(path):len(path)], name), s.child(name), b, d, g)
		if value != absent {
			out[name] = value
		}
	}
	return out
}

// value merges one value, as deep as its schema tells.
func (m *merger) value(path []any, s *schema, base, database, git any) any {
	switch {
	case same(database, git), same(base, git):
		return database
	case same(base, database):
		return git
	}
	if s.entry {
		base, database, git = spelledOut(base), spelledOut(database), spelledOut(git)
	}
	d, dIsObject := database.(map[string]any)
	g, gIsObject := git.(map[string]any)
	if dIsObject && gIsObject {
		b, _ := base.(map[string]any)
		if s.entry {
			return m.entry(path, s, b, d, g)
		}
		return m.object(path, s, b, d, g, nil)
	}
	if s.join != whole {
		dList, dIsList := database.([]any)
		gList, gIsList := git.([]any)
		if dIsList && gIsList {
			bList, _ := base.([]any)
			return m.list(path, s, bList, dList, gList)
		}
	}
	return m.decide(path, database, git)
}

// spelledOut is an env or headers entry as the object that its string stands for.
func spelledOut(content any) any {
	if value, ok := content.(string); ok {
		return map[string]any{"value": value}
	}
	return content
}

// entry merges an env or headers entry. One that either side made a secret has
// no value: the row keeps its own, and what a file said about it is lost.
func (m *merger) entry(path []any, s *schema, base, database, git map[string]any) any {
	secret := m.value(append(path[:len(path):len(path)], "secret"), aFlag,
		lookup(base, "secret"), lookup(database, "secret"), lookup(git, "secret"))
	if secret == true {
		value := lookup(git, "value")
		if value != absent && !same(value, lookup(base, "value")) {
			m.lose(pointer(append(path[:len(path):len(path)], "value")))
		}
		base, database, git = maps.Clone(base), maps.Clone(database), maps.Clone(git)
		for _, side := range []map[string]any{base, database, git} {
			delete(side, "value")
		}
	}
	merged, _ := normalEntry(m.object(path, s, base, database, git, nil))
	return merged
}

// list merges two edits of a set, or of a list of named objects.
func (m *merger) list(path []any, s *schema, base, database, git []any) any {
	if s.join == set {
		return mergeSet(base, database, git)
	}
	b, bOK := named(base)
	d, dOK := named(database)
	g, gOK := named(git)
	if !bOK || !dOK || !gOK {
		return m.decide(path, database, git)
	}
	var out []any
	for _, name := range m.order(path, namesOf(base), namesOf(database), namesOf(git)) {
		value := m.value(append(path[:len(path):len(path)], name), s.element(), lookup(b, name), lookup(d, name), lookup(g, name))
		if value != absent {
			out = append(out, value)
		}
	}
	return out
}

// mergeSet keeps git's order, then what the database added; what either side
// removed is gone.
func mergeSet(base, database, git []any) []any {
	inBase, inDatabase, seen := members(base), members(database), map[string]bool{}
	out := []any{}
	for i, side := range [][]any{git, database} {
		for _, e := range side {
			id := identity(e)
			fromGit := i == 0 && (!inBase[id] || inDatabase[id])
			added := i == 1 && !inBase[id]
			if (fromGit || added) && !seen[id] {
				seen[id] = true
				out = append(out, e)
			}
		}
	}
	return out
}

func members(side []any) map[string]bool {
	in := make(map[string]bool, len(side))
	for _, e := range side {
		in[identity(e)] = true
	}
	return in
}

// identity is a text that two values share if they are equal.
func identity(value any) string { return string(appendCanonical(nil, value)) }

// named finds a list's objects by their names; ok is false if one has no name
// of its own.
func named(side []any) (byName map[string]any, ok bool) {
	byName = make(map[string]any, len(side))
	for _, e := range side {
		object, _ := e.(map[string]any)
		name, isText := object["name"].(string)
		if _, twice := byName[name]; !isText || twice {
			return nil, false
		}
		byName[name] = e
	}
	return byName, true
}

func namesOf(side []any) []string {
	names := make([]string, len(side))
	for i, e := range side {
		names[i] = e.(map[string]any)["name"].(string)
	}
	return names
}

// order is the order of all the names of both sides: git's, then what the
// database added; the database's where it alone reordered what both have.
func (m *merger) order(path []any, base, database, git []string) []string {
	b := common(base, database, git)
	d, g := common(database, base, git), common(git, base, database)
	first, second := git, database
	switch {
	case slices.Equal(d, g) || slices.Equal(d, b):
	case slices.Equal(g, b):
		first, second = database, git
	case m.decide(path, "database", "git") == "database":
		first, second = database, git
	}
	out := slices.Clone(first)
	in := setOf(first)
	for _, name := range second {
		if !in[name] {
			out = append(out, name)
		}
	}
	return out
}

// common lists the names that all three sides have, in the order of the first.
func common(names, other, third []string) []string {
	inOther, inThird := setOf(other), setOf(third)
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !inOther[name] || !inThird[name] })
}

func setOf(names []string) map[string]bool {
	in := make(map[string]bool, len(names))
	for _, name := range names {
		in[name] = true
	}
	return in
}
