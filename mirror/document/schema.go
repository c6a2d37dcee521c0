package document

import "slices"

// shape is the JSON type that a place of a document has.
type shape uint8

const (
	anything shape = iota // an unknown key: any JSON, kept as it is
	text
	boolean
	list
	record // an object with keys of its own
	table  // an object from names to values of one schema
)

// join says how two edits of a list become one.
type join uint8

const (
	whole  join = iota // one place, decided as a whole
	set                // elements come and go independently
	byName             // elements are objects, known by their key "name"
)

// schema describes what may stand at one place of a document: the order it is
// written in, the rules it obeys, and how edits to it are merged. Reading,
// writing, checking and merging all walk the same schemas.
type schema struct {
	shape shape
	keys  []key   // of a record, in the order that files are written in
	each  *schema // of a list's elements and a table's values
	join  join    // of a list

	filled bool              // text: must not be empty
	max    int               // text: most characters; 0 is any number
	alias  map[string]string // text, at the top: other words for some, which are read as those
	star   bool              // list: may also be the string "*"
	entry  bool              // record: an env or headers entry, may also be a string
	rule   *rule             // text, and a table's names
	fork   *fork             // record, at the top
}

// key is one key of a record.
type key struct {
	name     string
	schema   *schema
	required bool
	stated   bool   // null is no way to write that there is none
	absent   any    // the value that the key's absence means, if it may be written out
	about    string // what it is, for people who write the file
}

// fork lets the value of one key decide which of two texts is there.
type fork struct {
	key, value      string
	then, otherwise string // then where key has value, otherwise where it has another; never both
}

// sides are the text that is needed beside these fields, and the one that is not to be there.
func (f *fork) sides(fields map[string]any) (needs, excludes string) {
	if fields[f.key] == f.value {
		return f.then, f.otherwise
	}
	return f.otherwise, f.then
}

// unknown is the schema of keys that a kind does not define.
var unknown = &schema{}

// child is the schema of what stands below a key.
func (s *schema) child(name string) *schema {
	switch s.shape {
	case record:
		if k := s.key(name); k != nil {
			return k.schema
		}
	case table:
		return s.each
	}
	return unknown
}

// element is the schema of a list's elements.
func (s *schema) element() *schema {
	if s.shape == list {
		return s.each
	}
	return unknown
}

func (s *schema) key(name string) *key {
	for i := range s.keys {
		if s.keys[i].name == name {
			return &s.keys[i]
		}
	}
	return nil
}

// rank is the place of a key in a file; keys that the schema does not name come
// last, all alike.
func (s *schema) rank(name string) int {
	for i := range s.keys {
		if s.keys[i].name == name {
			return i
		}
	}
	return len(s.keys)
}

// ordered lists an object's keys as files have them: the schema's order, then
// the others sorted.
func (s *schema) ordered(object map[string]any) []string {
	return s.appendOrdered(make([]string, 0, len(object)), object)
}

// appendOrdered is ordered in room of the caller's, which is empty.
func (s *schema) appendOrdered(room []string, object map[string]any) []string {
	for i := range s.keys {
		if _, has := object[s.keys[i].name]; has {
			room = append(room, s.keys[i].name)
		}
	}
	named := len(room)
	if named == len(object) {
		return room
	}
	for name := range object {
		if s.key(name) == nil {
			room = append(room, name)
		}
	}
	slices.Sort(room[named:])
	return room
}
