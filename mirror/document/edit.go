package document

import (
	"bytes"
	"maps"
	"slices"
)

// Edit changes an existing file of a JSON kind so that it parses to exactly d,
// changing only the bytes of values that differ. A file that does not parse is
// replaced by Encode's.
func Edit(file []byte, d *Document) []byte {
	d = d.normal()
	p := borrowParser()
	defer p.giveBack()
	root, bad := p.parse(file, fileDepth)
	if bad != nil || root.kind != objectNode {
		return Encode(d)
	}
	if root.reads(d) {
		return bytes.Clone(file)
	}
	edited := editFile(file, root, d)
	if !readsAs(edited, d) {
		return Encode(d) // better another layout than another content
	}
	return edited
}

func editFile(file []byte, root *node, d *Document) []byte {
	e := &editor{src: file, style: styleOf(file, root)}
	body := e.value(root, schemaOf(d.Kind), respell(d, root), true)
	return slices.Concat(file[:root.start], body, file[root.end:])
}

// readsAs reports whether a file holds exactly the document.
func readsAs(file []byte, d *Document) bool {
	p := borrowParser()
	defer p.giveBack()
	root, bad := p.parse(file, fileDepth)
	return bad == nil && root.reads(d)
}

// reads reports whether a file's value stands for exactly the document, which is normal.
func (n *node) reads(d *Document) bool {
	if n.kind != objectNode {
		return false
	}
	read := 0
	for _, m := range n.items {
		target, wanted := d.Fields[m.key]
		if !wanted || !m.value.equals(target) {
			normal, present, _ := normalField(d.Kind, m.key, m.value.any())
			if present != wanted || present && !equal(normal, target) {
				return false
			}
		}
		if wanted {
			read++
		}
	}
	return read == len(d.Fields)
}

// respell is the document's fields as the file spells them: where the file
// already says the same in other words (a default written out, an object for a
// plain string), those words stay.
func respell(d *Document, root *node) map[string]any {
	fields := maps.Clone(d.Fields)
	for _, m := range root.items {
		target, wanted := d.Fields[m.key]
		if wanted && m.value.equals(target) {
			continue
		}
		raw := m.value.any()
		normal, present, _ := normalField(d.Kind, m.key, raw)
		switch {
		case present == wanted && (!wanted || equal(normal, target)):
			fields[m.key] = raw
		case wanted && holdsEntries(d.Kind, m.key):
			fields[m.key] = respellEntries(raw, target)
		}
	}
	return fields
}

func respellEntries(raw, target any) any {
	old, wasObject := raw.(map[string]any)
	entries, isObject := target.(map[string]any)
	if !wasObject || !isObject {
		return target
	}
	entries = maps.Clone(entries)
	for name, content := range entries {
		if before, had := old[name]; had {
			entries[name] = respellEntry(before, content)
		}
	}
	return entries
}

// respellEntry spells an entry as an object with "secret": false or "value":
// null where the file does so, and leaves a secret entry the keys that are the
// file's own.
func respellEntry(raw, target any) any {
	if normal, _ := normalEntry(raw); equal(normal, target) {
		return raw
	}
	old, wasObject := raw.(map[string]any)
	if !wasObject {
		return target
	}
	entry, isObject := spelledOut(target).(map[string]any)
	if !isObject {
		return target
	}
	entry = maps.Clone(entry)
	if _, set := entry["secret"]; !set && old["secret"] == false {
		entry["secret"] = false
	}
	if value, had := old["value"]; had && value == nil {
		if _, set := entry["value"]; !set {
			entry["value"] = nil
		}
	}
	for name, content := range old {
		if entry["secret"] == true && old["secret"] == true && !inSecret(name) {
			entry[name] = content
		}
	}
	return entry
}

// editor writes the values of a file anew, copying the bytes of all that stays.
type editor struct {
	src   []byte
	style style
}

// value is the text of a node that shall hold want. spread says whether items of
// a container that was empty get lines of their own.
func (e *editor) value(n *node, s *schema, want any, spread bool) []byte {
	if n.equals(want) {
		return e.src[n.start:n.end]
	}
	switch want := want.(type) {
	case map[string]any:
		if n.kind == objectNode && len(n.items) > 0 {
			return e.object(n, s, want)
		}
	case []any:
		if n.kind == arrayNode && len(n.items) > 0 {
			return e.array(n, s, want)
		}
	}
	return e.style.appendValue(nil, s, want, e.indentAt(n.start), spread)
}

// object edits key by key; a new key goes where the kind's order suggests.
func (e *editor) object(n *node, s *schema, want map[string]any) []byte {
	c := e.container(n)
	index := make(map[string]int, len(n.items))
	var kept []string
	renamed := renamedKeys(n, s, want)
	for i, m := range n.items {
		name, isRenamed := renamed[m.key]
		if !isRenamed {
			name = m.key
		}
		index[name] = i
		if _, keep := want[name]; keep {
			kept = append(kept, name)
		}
	}
	for _, name := range s.arranged(kept, want) {
		if i, old := index[name]; old {
			m := n.items[i]
			head := e.src[m.keyStart:m.value.start]
			if m.key != name {
				head = slices.Concat(appendString(nil, name), e.src[m.keyEnd:m.value.start])
			}
			c.keep(i, slices.Concat(head, e.value(m.value, s.child(name), want[name], c.spread(i))))
			continue
		}
		c.add(func(indent string, spread bool) []byte {
			text := append(appendString(nil, name), c.colon...)
			return e.style.appendValue(text, s.child(name), want[name], indent, spread)
		})
	}
	return c.text(n)
}

// renamedKeys pairs free keys that vanished with new ones of equal value: their values
// stay as they are spelled. Keys that the schema knows are never paired.
func renamedKeys(n *node, s *schema, want map[string]any) map[string]string {
	if len(s.keys) > 0 || max(len(n.items), len(want)) > mostRenamed {
		return nil
	}
	had := make(map[string]bool, len(n.items))
	for _, m := range n.items {
		had[m.key] = true
	}
	var renamed map[string]string
	taken := map[string]bool{}
	for _, m := range n.items {
		if _, stays := want[m.key]; stays {
			continue
		}
		for _, name := range sortedKeys(want) {
			if !had[name] && !taken[name] && m.value.equals(want[name]) {
				if renamed == nil {
					renamed = map[string]string{}
				}
				renamed[m.key], taken[name] = name, true
				break
			}
		}
	}
	return renamed
}

// mostRenamed bounds the objects in which renamed keys are looked for.
const mostRenamed = 1000

// arranged is the order of an object's keys when kept are there already: a new
// one comes after the nearest key before it in the schema's order, else before
// the nearest after it. Names without such an order keep a table sorted that
// is, and go last elsewhere.
func (s *schema) arranged(kept []string, want map[string]any) []string {
	all := s.ordered(want)
	known := len(s.keys)
	if known == 0 && slices.IsSorted(kept) {
		return all
	}
	present := setOf(kept)
	out := slices.Clone(kept)
	for _, name := range all {
		if present[name] {
			continue
		}
		at, r := len(out), s.rank(name)
		if r < known {
			at = s.placeOf(r, out)
		}
		out = slices.Insert(out, at, name)
	}
	return out
}

// placeOf is where a key of rank r goes among names.
func (s *schema) placeOf(r int, names []string) int {
	at, nearest := len(names), len(s.keys)
	for i, name := range names {
		if other := s.rank(name); other > r && other < nearest {
			at, nearest = i, other
		}
	}
	nearest = -1
	for i, name := range names {
		if other := s.rank(name); other < r && other > nearest {
			at, nearest = i+1, other
		}
	}
	return at
}

// array edits element by element: equal ones stay (arguments: those of the same
// name), what stands between them is changed in pairs, added or removed.
func (e *editor) array(n *node, s *schema, want []any) []byte {
	c := e.container(n)
	old, wanted := make([]string, len(n.items)), make([]string, len(want))
	for i, m := range n.items {
		old[i] = elementID(s, m.value.any())
	}
	for i, v := range want {
		wanted[i] = elementID(s, v)
	}
	edit := func(i, j int) {
		c.keep(i, e.value(n.items[i].value, s.element(), want[j], c.spread(i)))
	}
	i := 0
	add := func(h hunk) {
		for shift := h.bLo - h.aLo; i < h.aLo; i++ {
			edit(i, i+shift)
		}
		j := h.bLo
		for ; i < h.aHi && j < h.bHi; i, j = i+1, j+1 {
			edit(i, j)
		}
		for ; j < h.bHi; j++ {
			c.add(func(indent string, spread bool) []byte {
				return e.style.appendValue(nil, s.element(), want[j], indent, spread)
			})
		}
		i = h.aHi
	}
	for _, h := range diff(old, wanted) {
		add(h)
	}
	add(hunk{len(old), len(old), len(want), len(want)})
	return c.text(n)
}

// elementID is a text by which elements of a list are taken for the same.
func elementID(s *schema, value any) string {
	if s.join == byName {
		if object, ok := value.(map[string]any); ok {
			if name, ok := object["name"].(string); ok {
				return "name " + name
			}
		}
	}
	return identity(value)
}
