package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestMerge(t *testing.T) {
	const none = "-" // no common base
	tests := []struct {
		name                string
		kind                Kind
		base, database, git string
		want                string // by policy git
		wantDatabase        string // by policy database, if another
		lost                string
	}{
		{name: "different keys", base: `"name":"A"`, database: `"name":"B"`, git: `"name":"A","status":"draft"`, want: `"name":"B","status":"draft"`},
		{name: "same key", base: `"name":"A"`, database: `"name":"B"`, git: `"name":"C"`, want: `"name":"C"`, wantDatabase: `"name":"B"`, lost: "/name"},
		{name: "same key alike", base: `"name":"A"`, database: `"name":"B"`, git: `"name":"B"`, want: `"name":"B"`},
		{name: "both add a key", base: `"name":"A"`, database: `"name":"A","x-a":1`, git: `"name":"A","x-a":2`, want: `"name":"A","x-a":2`, wantDatabase: `"name":"A","x-a":1`, lost: "/x-a"},
		{name: "removed and changed", base: `"description":"d"`, database: ``, git: `"description":"e"`, want: `"description":"e"`, wantDatabase: ``, lost: "/description"},
		{name: "removed and same", base: `"description":"d","name":"A"`, database: `"name":"A"`, git: `"description":"d","name":"B"`, want: `"name":"B"`},
		{name: "sets", base: `"skills":["a","b","c"]`, database: `"skills":["d","a","c"]`, git: `"skills":["e","c","b","a"]`, want: `"skills":["e","c","a","d"]`},
		{name: "set emptied", base: `"skills":["a","b"]`, database: ``, git: `"skills":["a","b","c"]`, want: `"skills":["c"]`},
		{name: "set emptied by both", base: `"skills":["a","b"]`, database: `"skills":["b"]`, git: `"skills":["a"]`, want: ``},
		{name: "sets without base", base: none, database: `"skills":["a","b"]`, git: `"skills":["b","c"]`, want: `"skills":["b","c","a"]`},
		{name: "without base", base: none, database: `"name":"A","description":"d","x-d":{"a":1,"b":2}`, git: `"name":"B","status":"draft","x-d":{"a":1,"c":3}`,
			want: `"name":"B","description":"d","status":"draft","x-d":{"a":1,"b":2,"c":3}`, wantDatabase: `"name":"A","description":"d","status":"draft","x-d":{"a":1,"b":2,"c":3}`, lost: "/name"},
		{name: "objects", base: `"integrations":{"a":{"tools":["x"]},"b":{}}`, database: `"integrations":{"a":{"tools":["x","y"]}}`, git: `"integrations":{"a":{"tools":["x"],"prompts":[]},"b":{},"c":{}}`,
			want: `"integrations":{"a":{"tools":["x","y"],"prompts":[]},"c":{}}`},
		{name: "table emptied", base: `"integrations":{"a":{},"b":{}}`, database: ``, git: `"integrations":{"a":{},"b":{"tools":"*"},"c":{}}`,
			want: `"integrations":{"b":{"tools":"*"},"c":{}}`, wantDatabase: `"integrations":{"c":{}}`, lost: "/integrations/b"},
		{name: "star against list", base: `"integrations":{"a":{"tools":["x"]}}`, database: `"integrations":{"a":{"tools":"*"}}`, git: `"integrations":{"a":{"tools":["x","y"]}}`,
			want: `"integrations":{"a":{"tools":["x","y"]}}`, wantDatabase: `"integrations":{"a":{"tools":"*"}}`, lost: "/integrations/a/tools"},
		{name: "set against none stated", base: `"integrations":{"a":{"tools":["x"]}}`, database: `"integrations":{"a":{}}`, git: `"integrations":{"a":{"tools":["x","y"]}}`,
			want: `"integrations":{"a":{"tools":["x","y"]}}`, wantDatabase: `"integrations":{"a":{}}`, lost: "/integrations/a/tools"},
		{name: "unknown array is whole", base: `"x-a":[1]`, database: `"x-a":[1,2]`, git: `"x-a":[1,3]`, want: `"x-a":[1,3]`, wantDatabase: `"x-a":[1,2]`, lost: "/x-a"},
		{name: "arguments", kind: Commands, base: `"arguments":[{"name":"a"},{"name":"b","title":"B"}]`,
			database: `"arguments":[{"name":"a","required":true},{"name":"b","title":"B"},{"name":"d"}]`,
			git:      `"arguments":[{"name":"c"},{"name":"a","title":"A"}]`,
			want:     `"arguments":[{"name":"c"},{"name":"a","title":"A","required":true},{"name":"d"}]`},
		{name: "arguments reordered in the database", kind: Commands, base: `"arguments":[{"name":"a"},{"name":"b"}]`,
			database: `"arguments":[{"name":"b"},{"name":"a"}]`, git: `"arguments":[{"name":"a","title":"A"},{"name":"b"},{"name":"c"}]`,
			want: `"arguments":[{"name":"b"},{"name":"a","title":"A"},{"name":"c"}]`},
		{name: "argument in conflict", kind: Commands, base: `"arguments":[{"name":"a/b"}]`, database: `"arguments":[{"name":"a/b","title":"x"}]`, git: `"arguments":[{"name":"a/b","title":"y"}]`,
			want: `"arguments":[{"name":"a/b","title":"y"}]`, wantDatabase: `"arguments":[{"name":"a/b","title":"x"}]`, lost: "/arguments/a~1b/title"},
		{name: "args are whole", kind: MCPServers, base: `"args":["a"]`, database: `"args":["a","b"]`, git: `"args":["a","c"]`, want: `"args":["a","c"]`, wantDatabase: `"args":["a","b"]`, lost: "/args"},
		{name: "tools emptied is not absent", kind: MCPServers, base: `"tools":{"a":{}}`, database: `"tools":{}`, git: `"tools":{"a":{},"b":{}}`, want: `"tools":{"b":{}}`},
		{name: "tools forgotten", kind: MCPServers, base: `"tools":{"a":{}}`, database: ``, git: `"tools":{"a":{},"b":{}}`, want: `"tools":{"a":{},"b":{}}`, wantDatabase: ``, lost: "/tools"},
		{name: "entry of two spellings", kind: MCPServers, base: `"env":{"A":"v"}`, database: `"env":{"A":{"value":"v","description":"d"}}`, git: `"env":{"A":"w"}`,
			want: `"env":{"A":{"value":"w","description":"d"}}`},
		{name: "database makes a secret", kind: MCPServers, base: `"env":{"A":"v"}`, database: `"env":{"A":{"secret":true}}`, git: `"env":{"A":"w"}`,
			want: `"env":{"A":{"secret":true}}`, lost: "/env/A/value"},
		{name: "git makes a secret", kind: MCPServers, base: `"env":{"A":"v"}`, database: `"env":{"A":"w"}`, git: `"env":{"A":{"secret":true}}`, want: `"env":{"A":{"secret":true}}`},
		{name: "database makes it public", kind: MCPServers, base: `"env":{"A":{"secret":true}}`, database: `"env":{"A":"v"}`, git: `"env":{"A":{"secret":true,"required":true}}`,
			want: `"env":{"A":{"value":"v","required":true}}`},
		{name: "redirect uris", kind: MCPClients, base: `"redirect_uris":["https://a"]`, database: `"redirect_uris":["https://a","https://b"]`, git: `"redirect_uris":["https://c"]`, want: `"redirect_uris":["https://c","https://b"]`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == "" {
				test.kind = Toolkits
			}
			read := func(fields string) *Document {
				if fields == none {
					return nil
				}
				return mustDocument(t, test.kind, strings.TrimSuffix(`{"slug":"a",`+fields, ",")+"}")
			}
			if test.wantDatabase == "" && test.lost == "" || test.name == "database makes a secret" {
				test.wantDatabase = test.want
			}
			for policy, want := range map[Policy]string{PreferGit: test.want, PreferDatabase: test.wantDatabase} {
				got, lost := Merge(read(test.base), read(test.database), read(test.git), policy)
				if diff := cmp.Diff(read(want), got); diff != "" {
					t.Errorf("%s: %s", policy, diff)
				}
				if strings.Join(lost, " ") != test.lost {
					t.Errorf("%s: lost %q, want %q", policy, lost, test.lost)
				}
			}
		})
	}
}

func TestMergeProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := jsonKinds.Draw(t, "kind")
		b, x, y := documentOf(t, k), documentOf(t, k), documentOf(t, k)
		if rapid.IntRange(0, 4).Draw(t, "no base") == 0 {
			b = nil
		}
		before := cmp.Diff(x, y)
		merged, lost := Merge(b, x, y, PreferGit)
		other, lostOther := Merge(b, x, y, PreferDatabase)
		if before != cmp.Diff(x, y) {
			t.Fatal("a side was changed")
		}
		if diff := cmp.Diff(lost, lostOther); diff != "" {
			t.Fatalf("the policy changes what is in conflict: %s", diff)
		}
		if len(lost) == 0 && merged.Digest() != other.Digest() {
			t.Fatal("without conflicts the policy changes the result")
		}
		for _, one := range [][2]*Document{{b, y}, {x, b}, {y, y}} {
			if one[0] == nil || one[1] == nil {
				continue
			}
			want := y
			if one[1] == b {
				want = x
			}
			if got, lost := Merge(b, one[0], one[1], PreferGit); cmp.Diff(want, got) != "" || len(lost) > 0 {
				t.Fatalf("one side changed, but %v\n%s", lost, cmp.Diff(want, got))
			}
		}
		if merged.Normalize().Digest() != merged.Clone().Digest() {
			t.Fatal("the result is not normal")
		}
	})
}

func TestMergeSkills(t *testing.T) {
	file := func(path, content string) File { return File{Path: path, Content: []byte(content)} }
	run := func(path, content string) File { return File{Path: path, Content: []byte(content), Executable: true} }
	doc := func(files ...File) *Document {
		return (&Document{Kind: Skills, Slug: "a", Files: files}).Normalize()
	}
	tests := []struct {
		name                string
		base, database, git *Document
		want, wantDatabase  *Document
		lost                string
	}{
		{name: "different files", base: doc(file("a", "1"), file("b", "1")), database: doc(file("a", "2"), file("b", "1")), git: doc(file("a", "1"), file("c", "3")), want: doc(file("a", "2"), file("c", "3"))},
		{name: "different lines", base: doc(file("a", "1\n2\n3\n")), database: doc(file("a", "1\n2\n3\n4\n")), git: doc(file("a", "0\n1\n2\n3\n")), want: doc(file("a", "0\n1\n2\n3\n4\n"))},
		{name: "same lines", base: doc(file("a", "1\n2\n3\n4\n")), database: doc(file("a", "1\nx\n3\n")), git: doc(file("a", "1\ny\n3\n4\n")),
			want: doc(file("a", "1\ny\n3\n")), wantDatabase: doc(file("a", "1\nx\n3\n")), lost: "a:2"},
		{name: "binary", base: doc(file("a", "\x00")), database: doc(file("a", "\x001")), git: doc(run("a", "\x002")),
			want: doc(run("a", "\x002")), wantDatabase: doc(run("a", "\x001")), lost: "a"},
		{name: "executable and content", base: doc(file("a", "1")), database: doc(run("a", "1")), git: doc(file("a", "2")), want: doc(run("a", "2"))},
		{name: "removed and changed", base: doc(file("a", "1")), database: doc(), git: doc(file("a", "2")), want: doc(file("a", "2")), wantDatabase: doc(), lost: "a"},
		{name: "added by both", database: doc(file("a", "1"), file("b", "b")), git: doc(file("a", "2")), want: doc(file("a", "2"), file("b", "b")), wantDatabase: doc(file("a", "1"), file("b", "b")), lost: "a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.wantDatabase == nil {
				test.wantDatabase = test.want
			}
			for policy, want := range map[Policy]*Document{PreferGit: test.want, PreferDatabase: test.wantDatabase} {
				got, lost := Merge(test.base, test.database, test.git, policy)
				if got.Digest() != want.Digest() || strings.Join(lost, " ") != test.lost {
					t.Errorf("%s: got %s, lost %q", policy, mustJSON(got), lost)
				}
			}
		})
	}
}

func TestMergeLinesProperties(t *testing.T) {
	lines := rapid.Custom(func(t *rapid.T) []byte {
		return []byte(strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{"a\n", "b\n", "c\n", "d\n", "\n"}), 0, 12).Draw(t, "lines"), "") + rapid.SampledFrom([]string{"", "e"}).Draw(t, "last"))
	})
	rapid.Check(t, func(t *rapid.T) {
		o, a, b := lines.Draw(t, "base"), lines.Draw(t, "database"), lines.Draw(t, "git")
		for _, side := range [][]byte{a, b} {
			was, is := splitLines(o), splitLines(side)
			var out []string
			at := 0
			for _, h := range diff(was, is) {
				out = append(append(out, was[at:h.aLo]...), is[h.bLo:h.bHi]...)
				at = h.aHi
			}
			if strings.Join(append(out, was[at:]...), "") != string(side) {
				t.Fatalf("the diff of %q and %q does not lead there", o, side)
			}
		}
		if got, lost := mergeLines(o, a, o, PreferGit); string(got) != string(a) || len(lost) > 0 {
			t.Fatalf("only the database changed: %q, %v", got, lost)
		}
		if got, lost := mergeLines(o, b, b, PreferGit); string(got) != string(b) || len(lost) > 0 {
			t.Fatalf("both alike: %q, %v", got, lost)
		}
		x, lost := mergeLines(o, a, b, PreferGit)
		y, mirrored := mergeLines(o, b, a, PreferDatabase)
		if string(x) != string(y) || len(lost) != len(mirrored) {
			t.Fatalf("the sides are not alike: %q, %q", x, y)
		}
	})
}

func mustJSON(d *Document) []byte {
	data, err := d.MarshalJSON()
	if err != nil {
		panic(err)
	}
	return data
}

// A rename and an edit of the description, which stands on the next line, are two places.
func TestMergeOfASkillsRenameAndDescription_I3(t *testing.T) {
	of := func(name, description string) *Document {
		d := &Document{Kind: Skills, Slug: name, Files: []File{{Path: SkillFile, Content: []byte("---\nname: " + name + "\ndescription: " + description + "\n---\nBody.\n")}}}
		return d.Normalize()
	}
	for _, policy := range []Policy{PreferGit, PreferDatabase} {
		for name, sides := range map[string][2]*Document{
			"the database renames": {of("new", "old"), of("s", "edited")},
			"git renames":          {of("s", "edited"), of("new", "old")},
		} {
			merged, lost := Merge(of("s", "old"), sides[0], sides[1], policy)
			if len(lost) > 0 || merged.Digest() != of("new", "edited").Digest() || merged.Slug != "new" {
				t.Errorf("%s, %s: lost %v, %s", name, policy, lost, merged.Files[0].Content)
			}
		}
		merged, lost := Merge(of("s", "old"), of("a", "old"), of("b", "edited"), policy)
		if want := map[Policy]string{PreferGit: "b", PreferDatabase: "a"}[policy]; merged.Slug != want || len(lost) != 1 || merged.Digest() != of(want, "edited").Digest() {
			t.Errorf("two names, %s: lost %v, %s", policy, lost, merged.Files[0].Content)
		}
	}
}
