package document

import "testing"

func TestSimilarity(t *testing.T) {
	skillOf := func(main string, files ...string) *Document {
		d := skill(main)
		for i := 0; i < len(files); i += 2 {
			d.Files = append(d.Files, File{Path: files[i], Content: []byte(files[i+1])})
		}
		return d.Normalize()
	}
	json := func(k Kind, fields string) *Document { return mustDocument(t, k, fields) }
	tests := []struct {
		name          string
		a, b          *Document
		same, similar bool
	}{
		{"slug and name", json(Toolkits, `{"slug":"a","name":"A","skills":["x"]}`), json(Toolkits, `{"slug":"b","name":"B","skills":["x"]}`), true, true},
		{"an edit", json(Toolkits, `{"slug":"a","name":"A","skills":["x"]}`), json(Toolkits, `{"slug":"b","name":"A","skills":["y"]}`), false, true},
		{"too much", json(Toolkits, `{"slug":"a","name":"A","skills":["x"],"description":"d"}`), json(Toolkits, `{"slug":"b","name":"B","skills":["x"]}`), false, false},
		{"nothing but names", json(Toolkits, `{"slug":"a","name":"A"}`), json(Toolkits, `{"slug":"b","name":"B"}`), true, false},
		{"another kind", json(Toolkits, `{"slug":"a","name":"A"}`), json(MCPClients, `{"slug":"a","name":"A"}`), false, false},
		{"another host", json(MCPServers, `{"slug":"a","name":"A","type":"http","url":"https://x","description":"d"}`), json(MCPServers, `{"slug":"b","name":"A","type":"http","url":"https://y","description":"d"}`), false, false},
		{"skill", skillOf(mainFile, "x", "1"), skillOf("---\nname: b-c\ndescription: d\n---\n", "x", "1"), true, true},
		{"skill's edit", skillOf(mainFile, "x", "1"), skillOf("---\nname: b\ndescription: e\n---\n", "x", "1"), false, true},
		{"skill's other file", skillOf(mainFile, "x", "1"), skillOf(mainFile, "y", "1"), false, false},
	}
	for _, test := range tests {
		if same, similar := test.a.Nameless() == test.b.Nameless(), Similar(test.a, test.b); same != test.same || similar != test.similar {
			t.Errorf("%s: same %v, similar %v", test.name, same, similar)
		}
	}
}

func TestRenamed(t *testing.T) {
	d := mustDocument(t, Toolkits, `{"slug":"a","name":"A"}`)
	if r := d.Renamed("b"); r.Slug != "b" || r.Fields["slug"] != "b" || d.Fields["slug"] != "a" {
		t.Errorf("got %+v from %+v", r, d)
	}
}

func TestDropUnknown(t *testing.T) {
	d := mustDocument(t, Toolkits, `{"slug":"a","name":"A","x-a":1,"$schema":"s","b":1,"c":1}`)
	d.DropUnknown(func(key string) bool { return key == "c" })
	if got := string(mustJSON(d)); got != `{"slug":"a","name":"A","$schema":"s","c":1,"x-a":1}` {
		t.Error(got)
	}
}
