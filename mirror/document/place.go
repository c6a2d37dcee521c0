package document

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// Places name what a document is made of, as Merge names what was lost: a JSON
// pointer, in which elements that have a name go by it instead of by index; of a
// skill "path", or "path:line"; "" is the whole document.

// At is what stands at a place; ok is false where nothing does. Of a skill it is a
// whole File: a line is not the same line in another version.
func (d *Document) At(place string) (value any, ok bool) {
	if d == nil {
		return nil, false
	}
	if d.Kind == Skills {
		if f := d.fileAt(place); f != nil {
			return *f, true
		}
		return nil, false
	}
	value = d.Fields
	if place == "" {
		return value, true
	}
	for step := range strings.SplitSeq(strings.TrimPrefix(place, "/"), "/") {
		if value, ok = below(value, unescapePointer(step)); !ok {
			return nil, false
		}
	}
	return value, true
}

// below is one step of At.
func below(value any, name string) (any, bool) {
	switch v := value.(type) {
	case map[string]any:
		child, ok := v[name]
		return child, ok
	case []any:
		if byName, ok := named(v); ok {
			child, ok := byName[name]
			return child, ok
		}
	}
	return nil, false
}

// FilePath is a place's file within a skill: the place without a line.
func (d *Document) FilePath(place string) string {
	if f := d.fileAt(place); f != nil {
		return f.Path
	}
	return place
}

func (d *Document) fileAt(place string) *File {
	if d == nil {
		return nil
	}
	files := byPath(d)
	if f := files[place]; f != nil {
		return f
	}
	if colon := strings.LastIndexByte(place, ':'); colon >= 0 {
		return files[place[:colon]]
	}
	return nil
}

// Differing lists the places at which two documents of one kind differ, in the order
// that files have; nil stands for a document without anything. Of skills it names whole files.
func Differing(a, b *Document) []string {
	c := &comparer{}
	if a == nil {
		a = &Document{Kind: b.Kind}
	}
	if b == nil {
		b = &Document{Kind: a.Kind}
	}
	if a.Kind == Skills {
		c.files(byPath(a), byPath(b))
	} else {
		c.objects(nil, schemaOf(a.Kind), a.Fields, b.Fields)
	}
	return c.places
}

type comparer struct{ places []string }

func (c *comparer) files(a, b map[string]*File) {
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, path := range sortedKeys(all) {
		x, y := a[path], b[path]
		if x == nil || y == nil || x.Executable != y.Executable || !bytes.Equal(x.Content, y.Content) {
			c.places = append(c.places, path)
		}
	}
}

func (c *comparer) objects(path []any, s *schema, a, b map[string]any) {
	names := maps.Clone(a)
	if names == nil {
		names = map[string]any{}
	}
	maps.Copy(names, b)
	for _, name := range s.ordered(names) {
		c.values(append(path[:len(path):len(path)], name), s.child(name), lookup(a, name), lookup(b, name))
	}
}

func (c *comparer) values(path []any, s *schema, a, b any) {
	if same(a, b) {
		return
	}
	x, xIsObject := a.(map[string]any)
	y, yIsObject := b.(map[string]any)
	if xIsObject && yIsObject {
		c.objects(path, s, x, y)
		return
	}
	xList, xIsList := a.([]any)
	yList, yIsList := b.([]any)
	if xIsList && yIsList && s.join == byName && c.lists(path, s, xList, yList) {
		return
	}
	c.places = append(c.places, pointer(path))
}

// lists compares lists of named objects; false where they differ in their order, too.
func (c *comparer) lists(path []any, s *schema, a, b []any) bool {
	x, xNamed := named(a)
	y, yNamed := named(b)
	if !xNamed || !yNamed {
		return false
	}
	inA, inB := namesOf(a), namesOf(b)
	if !slices.Equal(common(inA, inB, inB), common(inB, inA, inA)) {
		return false
	}
	for _, name := range append(inA, slices.DeleteFunc(inB, func(name string) bool { _, both := x[name]; return both })...) {
		c.values(append(path[:len(path):len(path)], name), s.element(), lookup(x, name), lookup(y, name))
	}
	return true
}
