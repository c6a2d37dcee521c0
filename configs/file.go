package configs

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/confmirror/confmirror/mirror"
)

// maxFile bounds what is read as a configuration.
const maxFile = 1 << 20

// readYAML sets what the file sets. Anything wrong is added to the problems.
func (l *loader) readYAML(content []byte) {
	d := fileDecoder{loader: l, lines: strings.Split(string(content), "\n"), anchors: map[string]ast.Node{}}
	defer func() {
		// The parser is not ours: a file that upsets it must not end a running daemon.
		if r := recover(); r != nil {
			l.report(Problem{Where: l.file, Message: "cannot be read as YAML"})
		}
	}()
	if len(content) > maxFile {
		l.report(Problem{Where: l.file, Message: fmt.Sprintf("is larger than %v", Size(maxFile))})
		return
	}
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		d.syntax(err)
		return
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil && doc.Body.Type() != ast.CommentType {
			bodies = append(bodies, doc.Body)
		}
	}
	switch len(bodies) {
	case 0: // nothing but comments
	case 1:
		ast.Walk(anchorFinder(d.anchors), bodies[0])
		if body := d.plain(bodies[0]); body != nil {
			d.section(body, reflect.ValueOf(l.config).Elem(), "")
		}
	default:
		d.report(bodies[1].GetToken(), "", "", "expected one YAML document, found several")
	}
}

// fileDecoder sets a Config's fields from a YAML tree. It goes by the same table of
// keys as the environment, so that it can name all unknown keys and all bad values
// of a file at once, and show a line without a secret that may stand in it.
type fileDecoder struct {
	*loader
	lines   []string
	anchors map[string]ast.Node
	merges  int // merge keys followed so far
}

// maxMerges bounds them: an anchor may lead to itself, or to itself several times.
const maxMerges = 1000

type anchorFinder map[string]ast.Node

func (a anchorFinder) Visit(n ast.Node) ast.Visitor {
	if anchor, ok := n.(*ast.AnchorNode); ok {
		a[anchor.Name.GetToken().Value] = anchor.Value
	}
	return a
}

// plain sees through anchors, aliases and tags. It is nil for null.
func (d *fileDecoder) plain(n ast.Node) ast.Node {
	for range 10 { // an alias may lead to itself
		switch m := n.(type) {
		case *ast.AnchorNode:
			n = m.Value
		case *ast.AliasNode:
			n = d.anchors[m.Value.GetToken().Value]
		case *ast.TagNode:
			n = m.Value
		case *ast.NullNode:
			return nil
		default:
			return n
		}
	}
	return nil
}

// entry is one key of a mapping.
type entry struct {
	name  string
	key   *token.Token
	value ast.Node // nil for null
}

// entries lists a mapping's keys; those of a merge key ("<<") come first, so that
// the mapping's own replace them.
func (d *fileDecoder) entries(n ast.Node) ([]entry, bool) {
	var values []*ast.MappingValueNode
	switch m := n.(type) {
	case *ast.MappingNode:
		values = m.Values
	case *ast.MappingValueNode:
		values = []*ast.MappingValueNode{m}
	default:
		return nil, false
	}
	var merged, own []entry
	for _, v := range values {
		if v.Key.IsMergeKey() {
			from := d.plain(v.Value)
			sources := []ast.Node{from}
			if list, ok := from.(*ast.SequenceNode); ok {
				sources = slices.Clone(list.Values)
				slices.Reverse(sources) // the first of several wins
			}
			for _, s := range sources {
				if d.merges++; d.merges > maxMerges {
					if d.merges == maxMerges+1 {
						d.report(v.Key.GetToken(), "", "<<:", "expected fewer merge keys, and none that leads to itself")
					}
					break
				}
				more, _ := d.entries(d.plain(s))
				merged = append(merged, more...)
			}
			continue
		}
		t := v.Key.GetToken()
		own = append(own, entry{name: t.Value, key: t, value: d.plain(v.Value)})
	}
	all := append(merged, own...)
	last := map[string]int{}
	for i, e := range all {
		last[e.name] = i
	}
	var list []entry
	for i, e := range all {
		if last[e.name] == i {
			list = append(list, e)
		}
	}
	return list, true
}

// section sets the keys of a struct.
func (d *fileDecoder) section(n ast.Node, v reflect.Value, key string) {
	list, ok := d.entries(n)
	if !ok {
		d.report(n.GetToken(), key, "", "expected keys with values, such as "+example(v))
		return
	}
	known := fields(v)
	for _, e := range list {
		i := slices.IndexFunc(known, func(f field) bool { return f.name == e.name })
		switch {
		case i < 0:
			d.unknown(e, key, known)
		case e.value == nil: // null: as if left out
		default:
			d.value(e, known[i].value, join(key, e.name))
		}
	}
}

func example(v reflect.Value) string { return fields(v)[0].name + ": ..." }

// value sets what stands at one key.
func (d *fileDecoder) value(e entry, v reflect.Value, key string) {
	switch {
	case section(v.Type()):
		d.section(e.value, v, key)
	case v.Type() == reflect.TypeFor[[]*MirrorConfig]():
		items, ok := e.value.(*ast.SequenceNode)
		if !ok {
			d.report(e.value.GetToken(), key, "", "expected a list")
			return
		}
		for i, item := range items.Values {
			m := &MirrorConfig{}
			if item = d.plain(item); item != nil {
				d.section(item, reflect.ValueOf(m).Elem(), indexed(key, i))
			}
			d.config.Mirrors = append(d.config.Mirrors, m)
			d.at(indexed(key, i), d.where(items.GetToken()), "")
		}
	case v.Kind() == reflect.Slice:
		d.list(e, v, key)
	default:
		d.scalar(e, v, key)
	}
}

func (d *fileDecoder) scalar(e entry, v reflect.Value, key string) {
	text, ok := scalarText(e.value)
	if !ok {
		d.report(e.value.GetToken(), key, "", "expected one value, not a list or keys")
		return
	}
	shown := text
	if secretType(v.Type()) {
		shown = mirror.Redacted
	}
	if err := setText(v, text); err != nil {
		d.report(e.value.GetToken(), key, shown, quote(text)+": "+err.Error())
		return
	}
	t := e.value.GetToken()
	d.at(key, d.where(t), d.excerpt(t, key, shown))
}

func (d *fileDecoder) list(e entry, v reflect.Value, key string) {
	sequence, ok := e.value.(*ast.SequenceNode)
	if !ok {
		d.report(e.value.GetToken(), key, "", "expected a list")
		return
	}
	var items []string
	for _, item := range sequence.Values {
		text, ok := scalarText(d.plain(item))
		if !ok {
			d.report(item.GetToken(), key, "", "expected a list of plain values")
			return
		}
		items = append(items, text)
	}
	if err := setList(v, items); err != nil {
		d.report(e.value.GetToken(), key, "", err.Error())
		return
	}
	d.at(key, d.where(e.key), "")
}

// scalarText is a scalar as written, without quotes.
func scalarText(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func (d *fileDecoder) unknown(e entry, key string, known []field) {
	full := join(key, e.name)
	var names []string
	for _, f := range known {
		names = append(names, f.name)
	}
	hint := nearest(e.name, names)
	if hint != "" {
		hint = join(key, hint)
	} else { // perhaps it stands in the wrong section
		walk(reflect.ValueOf(defaults()).Elem(), "", func(l leaf) {
			if hint == "" && (strings.HasSuffix(l.key, "."+e.name) || l.key == e.name) {
				hint = l.key
			}
		})
	}
	message := "unknown key " + quote(full)
	if hint != "" {
		message += "; did you mean " + quote(hint) + "?"
	}
	d.loader.report(Problem{Where: d.where(e.key), Message: message, Excerpt: d.excerpt(e.key, "", e.name+":")})
}

func (d *fileDecoder) report(t *token.Token, key, shown, message string) {
	d.loader.report(Problem{Where: d.where(t), Key: key, Message: message, Excerpt: d.excerpt(t, key, shown)})
}

func (d *fileDecoder) where(t *token.Token) string {
	return fmt.Sprintf("%s:%d:%d", d.file, t.Position.Line, t.Position.Column)
}

// excerpt shows where t stands. The line is put together from the key and what may
// be shown, never copied: it, or the next one, may hold a secret.
func (d *fileDecoder) excerpt(t *token.Token, key, shown string) string {
	name := key[strings.LastIndexByte(key, '.')+1:]
	if name != "" {
		name += ": "
	}
	shown, _, _ = strings.Cut(mirror.RedactURL(shown), "\n")
	if len(shown) > 60 {
		shown = shown[:60] + "..."
	}
	return caret(t.Position.Line, name, shown)
}

func caret(line int, before, at string) string {
	number := fmt.Sprintf("%4d | ", line)
	return strings.TrimRight(number+before+at, " ") + "\n" + strings.Repeat(" ", len(number)-2) + "| " + strings.Repeat(" ", len(before)) + "^"
}

// syntax reports what the parser said. Of the line it shows only what stands before
// a value.
func (d *fileDecoder) syntax(err error) {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		d.loader.report(Problem{Where: d.file, Message: "cannot be read as YAML"})
		return
	}
	t := y.GetToken()
	before := ""
	if i := t.Position.Line - 1; i >= 0 && i < len(d.lines) {
		if name, _, ok := strings.Cut(d.lines[i], ":"); ok && plainKey(name) {
			before = name + ":"
		}
	}
	at := min(max(t.Position.Column-1, 0), len(before))
	d.loader.report(Problem{Where: d.where(t), Message: "not YAML: " + y.GetMessage(), Excerpt: caret(t.Position.Line, before[:at], before[at:])})
}

// plainKey reports whether s is the part of a line before a key's colon.
func plainKey(s string) bool {
	s = strings.TrimLeft(s, " -")
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_") == ""
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
