package document

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// An edit at one place of a document changes the bytes of that place and of
// nothing else, whatever the file looks like.
func TestEditTouchesOnePlace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, jsonKinds.Draw(t, "kind"))
		e := d.Clone()
		place := editOnePlace(t, e.Fields)
		e.Normalize()
		file := fileOf(t, d)
		root, _ := parseJSON(file, fileDepth)
		edited := editFile(file, root, e)
		mustRead(t, edited, e)
		after, _ := parseJSON(edited, fileDepth)
		if string(file[:root.start]) != string(edited[:after.start]) || string(file[root.end:]) != string(edited[after.end:]) {
			t.Fatalf("what stands around the object changed from\n%q\nto\n%q", file, edited)
		}
		if where := touched(file, root, edited, after, place); where != "" {
			t.Fatalf("an edit at %v touched %s of\n%s\n=>\n%s", place, where, file, edited)
		}
		if crlf := strings.Count(string(file), "\r\n"); crlf > 0 && crlf == strings.Count(string(file), "\n") && strings.Count(string(edited), "\r\n") != strings.Count(string(edited), "\n") {
			t.Fatalf("line ends are mixed: %q", edited)
		}
		if body := string(file[root.start:root.end]); !strings.Contains(body, "\n") && strings.Contains(string(edited[after.start:after.end]), "\n") {
			t.Fatalf("a file of one line got more: %q", edited)
		}
	})
}

// mustRead demands that a file, valid or not, says exactly the document.
func mustRead(t *rapid.T, file []byte, want *Document) {
	t.Helper()
	if !readsAs(file, want) {
		t.Fatalf("the file does not say %s\n%s", mustJSON(want), file)
	}
}

// editOnePlace changes, adds or removes one value somewhere below fields, and
// returns the steps that lead there.
func editOnePlace(t *rapid.T, fields map[string]any) (place []any) {
	var edit func(value any, set func(any))
	edit = func(value any, set func(any)) {
		deeper := rapid.IntRange(0, 2).Draw(t, "deeper") > 0
		switch v := value.(type) {
		case map[string]any:
			if len(v) > 0 && deeper {
				name := rapid.SampledFrom(sortedKeys(v)).Draw(t, "step")
				place = append(place, name)
				edit(v[name], func(content any) { v[name] = content })
				return
			}
			name := rapid.SampledFrom(append(sortedKeys(v), "added")).Draw(t, "key")
			place = append(place, name)
			if _, has := v[name]; has {
				delete(v, name)
			} else {
				v[name] = anyValue(t, 2)
			}
			return
		case []any:
			i := rapid.IntRange(0, len(v)).Draw(t, "index")
			place = append(place, i)
			switch {
			case i < len(v) && deeper:
				edit(v[i], func(content any) { v[i] = content })
			case i < len(v) && rapid.Bool().Draw(t, "remove"):
				set(slices.Delete(slices.Clone(v), i, i+1))
			default:
				set(slices.Insert(slices.Clone(v), i, any("added")))
			}
			return
		}
		set(map[bool]any{true: "changed", false: json.Number("12345678901234567890")}[rapid.Bool().Draw(t, "text")])
	}
	edit(fields, nil)
	return place
}

// touched names a place away from the edited one whose bytes changed, "" for none.
func touched(file []byte, a *node, edited []byte, b *node, place []any) string {
	if a.kind != b.kind || len(place) == 0 {
		return ""
	}
	var before, after []string
	var was, is *node
	collect := func(src []byte, n *node, texts *[]string, at **node) {
		for i, m := range n.items {
			if n.kind == objectNode && m.key == place[0] || n.kind == arrayNode && place[0] == i && len(a.items) == len(b.items) {
				*at = m.value
				continue
			}
			*texts = append(*texts, string(src[m.keyStart:m.value.end]))
		}
	}
	collect(file, a, &before, &was)
	collect(edited, b, &after, &is)
	if a.kind == arrayNode && len(a.items) != len(b.items) { // one came or went
		longer, shorter := before, after
		if len(shorter) > len(longer) {
			longer, shorter = shorter, longer
		}
		longer = slices.Delete(slices.Clone(longer), place[0].(int), place[0].(int)+1)
		before, after = longer, shorter
	}
	if !slices.Equal(before, after) {
		return strings.Join(before, " ") + " which is now " + strings.Join(after, " ")
	}
	if was != nil && is != nil {
		return touched(file, was, edited, is, place[1:])
	}
	return ""
}
