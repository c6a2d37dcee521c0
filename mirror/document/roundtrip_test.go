package document

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// mustParse reads a file and demands that it is exactly the document.
func mustParse(t *rapid.T, file []byte, want *Document) {
	t.Helper()
	got, p := ParseFile(want.Kind, want.Slug, file, Limits{})
	if p != nil {
		t.Fatalf("%v\n%s", p, file)
	}
	if diff := cmp.Diff(want, got); diff != "" || got.Digest() != want.Digest() {
		t.Fatalf("%s\n%s", diff, file)
	}
}

func TestEverySpellingParsesToTheDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, jsonKinds.Draw(t, "kind"))
		mustParse(t, fileOf(t, d), d)
		mustParse(t, Encode(d), d)
		if p := d.Validate(Limits{}); p != nil {
			t.Fatal(p)
		}
	})
}

func TestEditGivesExactlyTheDocument(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := jsonKinds.Draw(t, "kind")
		d, e := documentOf(t, k), documentOf(t, k)
		for name, value := range d.Fields { // so that some values are the same
			if rapid.IntRange(0, 3).Draw(t, "same") == 0 && k != MCPServers {
				e.Fields[name] = value
			}
		}
		e.Normalize()
		file := fileOf(t, d)
		if same := Edit(file, d); string(same) != string(file) {
			t.Fatalf("nothing differs, but\n%s\nbecame\n%s", file, same)
		}
		root, _ := parseJSON(file, fileDepth)
		edited := editFile(file, root, e)
		mustParse(t, edited, e)
		after, _ := parseJSON(edited, fileDepth)
		for _, m := range root.items {
			if value, has := e.Fields[m.key]; has && equal(value, d.Fields[m.key]) {
				now := after.member(m.key)
				if now == nil || string(edited[now.start:now.end]) != string(file[m.value.start:m.value.end]) {
					t.Fatalf("%s changed from\n%s\nto\n%s", m.key, file, edited)
				}
			}
		}
		if again := Edit(edited, e); string(again) != string(edited) {
			t.Fatalf("edited twice\n%s\n%s", edited, again)
		}
	})
}

// In a file of its own layout an edit cannot be told from a new file, unknown
// keys aside, which keep the places they have.
func TestEditOfAnOwnFileIsEncode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := jsonKinds.Draw(t, "kind")
		d, e := documentOf(t, k), documentOf(t, k)
		for _, x := range []*Document{d, e} {
			for _, key := range append(x.UnknownKeys(), "integrations", "tools", "env", "headers", "arguments") {
				delete(x.Fields, key)
			}
		}
		if got, want := string(Edit(Encode(d), e)), string(Encode(e)); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func TestMarshalRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, jsonKinds.Draw(t, "kind"))
		data, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		got, p := UnmarshalDocument(d.Kind, data, Limits{})
		if p != nil {
			t.Fatal(p)
		}
		if diff := cmp.Diff(d, got); diff != "" {
			t.Fatal(diff)
		}
	})
}
