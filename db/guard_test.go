package db

import (
	"encoding/json"
	"testing"
)

// TestGuard: whatever differs has another guard, wherever one value ends and the next begins.
func TestGuard(t *testing.T) {
	unreadable, readable := jsonColumn("x"), jsonColumn(`"x"`)
	seen := map[string]string{}
	for what, note := range map[string]func(*guard){
		"nothing":            func(*guard) {},
		"NULL":               func(g *guard) { g.note("a", nil, false, nil) },
		"empty text":         func(g *guard) { g.note("a", "", false, nil) },
		"text":               func(g *guard) { g.note("a", "x", false, &readable) },
		"another column":     func(g *guard) { g.note("b", "x", false, nil) },
		"unreadable":         func(g *guard) { g.note("a", nil, true, &unreadable) },
		"no flag":            func(g *guard) { g.note("a", nil, true, &flag{Valid: true, Other: "not a boolean"}) },
		"yes":                func(g *guard) { g.note("a", true, false, nil) },
		"yes, as text":       func(g *guard) { g.note("a", "true", false, nil) },
		"number":             func(g *guard) { g.note("a", json.Number("1"), false, nil) },
		"number as text":     func(g *guard) { g.note("a", "1", false, nil) },
		"list":               func(g *guard) { g.note("a", []any{"x", "y"}, false, nil) },
		"list of one":        func(g *guard) { g.note("a", []any{"x"}, false, nil); g.add("y") },
		"list in a list":     func(g *guard) { g.note("a", []any{[]any{"x"}, "y"}, false, nil) },
		"object":             func(g *guard) { g.note("a", map[string]any{"x": "y"}, false, nil) },
		"empty object":       func(g *guard) { g.note("a", map[string]any{}, false, nil) },
		"empty list":         func(g *guard) { g.note("a", []any{}, false, nil) },
		"file":               func(g *guard) { g.file(skillFileRow{Path: "x"}) },
		"executable file":    func(g *guard) { g.file(skillFileRow{Path: "x", Executable: flag{Bool: true, Valid: true}}) },
		"file with contents": func(g *guard) { g.file(skillFileRow{Path: "x", Content: []byte("x")}) },
	} {
		g := &guard{}
		note(g)
		if other, twice := seen[g.digest()]; twice {
			t.Errorf("%s has the guard of %s", what, other)
		}
		seen[g.digest()] = what
	}
	one, two := &guard{}, &guard{}
	one.add(map[string]any{"a": nil, "b": true})
	two.add(map[string]any{"b": true, "a": nil})
	if one.digest() != two.digest() {
		t.Error("the order of keys counts")
	}
}
