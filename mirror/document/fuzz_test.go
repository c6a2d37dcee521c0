package document

import (
	"encoding/json"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func anyKind(n byte) Kind { return []Kind{Toolkits, Commands, MCPServers, MCPClients}[n%4] }

// What parses is valid, normal, and comes back from its own encoding.
func FuzzParse(f *testing.F) {
	for i, k := range []Kind{Toolkits, Commands, MCPServers, MCPClients} {
		f.Add(byte(i), []byte("{"+minimal[k]+"}"))
	}
	f.Add(byte(2), []byte("\xef\xbb\xbf{\r\n"+minimal[MCPServers]+`,"env":{"A":{"value":"\u00e9","secret":false},"B":{"secret":true}},"x":[1e2,-0,null]}`))
	f.Fuzz(func(t *testing.T, kind byte, file []byte) {
		k := anyKind(kind)
		d, p := ParseFile(k, "a", file, Limits{})
		if p != nil {
			if len(p.Message) > 1000 || strings.ContainsAny(p.Message, "\x00\n\r\x1b") {
				t.Errorf("bad message %q", p.Message)
			}
			return
		}
		if !json.Valid(file) && !strings.HasPrefix(string(file), "\ufeff") {
			t.Error("others do not take this for JSON")
		}
		if p := d.Validate(Limits{}); p != nil {
			t.Error(p)
		}
		if d.Clone().Normalize().Digest() != d.Digest() {
			t.Error("not normal")
		}
		again, p := ParseFile(k, "a", Encode(d), Limits{MaxFileSize: 1 << 40})
		if p != nil || again.Digest() != d.Digest() {
			t.Errorf("encoding changes it: %v\n%s", p, Encode(d))
		}
		if string(Edit(file, d)) != string(file) {
			t.Error("an edit without a change changes the file")
		}
		d.Integrations()
		CheckReferences(d, nil)
		d.ServerFacts()
	})
}

// Any object edited into any other gives exactly that, without the help of Encode.
func FuzzEdit(f *testing.F) {
	f.Add(byte(0), []byte("{\n  \"slug\": \"a\",\n  \"skills\": [\"x\", \"y\"]\n}\n"), []byte(`{"slug":"a","skills":["y","z"],"name":"A","x":{"b":[]}}`))
	f.Add(byte(2), []byte(`{ "env" : {"A":{"value":null,"secret":false},"B":"v"},"type":"streamable-http" }`), []byte(`{"env":{"A":"w","B":{"secret":true}},"type":"http"}`))
	f.Add(byte(1), []byte("{\"arguments\":[{\"name\":\"a\"}\r\n,{\"name\":\"b\"}]}"), []byte(`{"arguments":[{"name":"b","x":1},{"name":"a"}]}`))
	f.Fuzz(func(t *testing.T, kind byte, file, fields []byte) {
		root, bad := parseJSON(file, fileDepth)
		if bad != nil || root.kind != objectNode {
			return
		}
		d, p := UnmarshalDocument(anyKind(kind), fields, Limits{})
		if p != nil {
			return
		}
		if d.Normalize(); d.Slug == "" {
			d.Fields["slug"] = "a"
		}
		edited := editFile(file, root, d)
		if !readsAs(edited, d) {
			t.Errorf("the edit is not the document:\n%s", edited)
		}
		after, _ := parseJSON(edited, fileDepth)
		if string(file[:root.start])+string(file[root.end:]) != string(edited[:after.start])+string(edited[after.end:]) {
			t.Errorf("what stands around the object changed: %q, %q", file, edited)
		}
		if key := respelt(file, root, edited, after); key != "" {
			t.Errorf("%q is the same and is written anew:\n%s\n%s", key, file, edited)
		}
		if again := Edit(edited, d); string(again) != string(edited) {
			t.Errorf("edited twice:\n%s\n%s", edited, again)
		}
	})
}

// respelt finds a key whose value is the same in both texts and whose bytes are
// not, or that has another place among those that stayed; "" for none.
func respelt(file []byte, a *node, edited []byte, b *node) string {
	var before, after []string
	for _, m := range a.items {
		if b.member(m.key) != nil {
			before = append(before, m.key)
		}
	}
	for _, m := range b.items {
		if a.member(m.key) != nil {
			after = append(after, m.key)
		}
	}
	for i, key := range before {
		was, is := a.member(key), b.member(key)
		switch {
		case after[i] != key:
			return key
		case equal(was.any(), is.any()):
			if string(file[was.start:was.end]) != string(edited[is.start:is.end]) {
				return key
			}
		case was.kind == objectNode && is.kind == objectNode:
			if inner := respelt(file, was, edited, is); inner != "" {
				return inner
			}
		}
	}
	return ""
}

// A skill as the API sends it is read or refused, and says the same when it is
// written and read again.
func FuzzSkillJSON(f *testing.F) {
	f.Add([]byte(`{"slug":"a","files":[{"path":"run","content_base64":"AP8=","executable":true},{"path":"SKILL.md","content":"---\nname: a\ndescription: d\n---\n"}]}`))
	f.Add([]byte(`{"slug":1,"files":[{"path":"../a","content":"\ud83d\ude00"},{"path":"b","content":""},{"path":"a","content":"\u0001"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, p := UnmarshalDocument(Skills, data, Limits{})
		if p != nil {
			if len(p.Message) > 1000 || strings.ContainsAny(p.Message, "\x00\n\r\x1b") {
				t.Errorf("bad message %q", p.Message)
			}
			return
		}
		again, p := UnmarshalDocument(Skills, mustJSON(d), Limits{})
		if p != nil || again.Digest() != d.Digest() || again.Slug != d.Slug {
			t.Errorf("written and read again it is another: %v\n%s", p, mustJSON(d))
		}
		if p := d.Validate(Limits{}); p != nil && strings.ContainsAny(p.Message, "\x00\n\r\x1b") {
			t.Errorf("bad message %q", p.Message)
		}
	})
}

// No path that is accepted leads out of the skill's directory, or into git's own.
func FuzzSkillPath(f *testing.F) {
	for _, path := range []string{"a/b.c", "../a", "/a", "a/./b", "a/.GIT /config", ".g\u200cit", "git~1", ".git::$INDEX_ALLOCATION", "a\\..\\b", "con.json", "..."} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if pathRule(name) != "" {
			return
		}
		if !filepath.IsLocal(name) || path.Clean(name) != name || strings.ContainsAny(name, "\\\x00\n") {
			t.Errorf("%q is accepted", name)
		}
		for part := range strings.SplitSeq(name, "/") {
			if part = strings.TrimRight(part, " ."); strings.EqualFold(part, ".git") || strings.EqualFold(part, "git~1") {
				t.Errorf("%q leads into git's own directory", name)
			}
		}
	})
}

// A SKILL.md of any kind is read or refused, and renaming it changes the name only.
func FuzzFrontmatter(f *testing.F) {
	f.Add([]byte(mainFile), "b", "e: f")
	f.Add([]byte("---\r\ndescription: |-\r\n  d\r\n\r\nname: 'a' # c\r\nx: [1, {y: 2}]\r\n---\r\n"), "true", "é\n")
	f.Add([]byte("---\n{name: &n a, description: *n}\n---"), "b", "\"'")
	f.Fuzz(func(t *testing.T, content []byte, slug, description string) {
		d := skill(string(content))
		p := d.Validate(Limits{})
		if p != nil && strings.ContainsAny(p.Message, "\x00\n\r\x1b") {
			t.Errorf("bad message %q", p.Message)
		}
		front, bad := readFrontmatter(content)
		if bad != nil {
			return
		}
		edited := front.with("name", slug)
		if string(edited) != string(content) && !front.readsBack(edited, "name", slug) {
			t.Errorf("%q does not say %q", edited, slug)
		}
		if !strings.HasSuffix(string(edited), string(content[front.end:])) {
			t.Errorf("%q: the body changed", edited)
		}
		d.WithDescription(description).Frontmatter()
	})
}

// No value of an entry that does not say "secret": false leaves the database.
func FuzzRedact(f *testing.F) {
	f.Add([]byte(`{"A":"v","B":{"value":"v"},"C":{"value":"v","secret":true},"D":{"value":"v","secret":false},"E":["v"],"F":1}`))
	f.Add([]byte(`["v"]`))
	f.Add([]byte(`"v"`))
	f.Fuzz(func(t *testing.T, env []byte) {
		value, p := ParseValue(env, Limits{})
		if p != nil {
			return
		}
		const canary = "CANARY-5f2a"
		stored := &Document{Kind: MCPServers, Slug: "a", Fields: map[string]any{"auth": canary, "headers": plant(value, canary), "env": plant(value, canary)}}
		file := Redact(stored)
		for _, text := range [][]byte{Encode(file), mustJSON(file), Edit([]byte(`{"env":{}}`), file)} {
			if strings.Contains(string(text), canary) {
				t.Fatalf("a secret leaves:\n%s", text)
			}
		}
		if p := file.Validate(Limits{}); p != nil && strings.Contains(p.Message, canary) {
			t.Fatal(p)
		}
		if again := Redact(Absorb(file, stored)); strings.Contains(string(Encode(again)), canary) {
			t.Fatalf("a secret leaves on the way back:\n%s", Encode(again))
		}
	})
}

// plant puts the canary wherever a stored env may hold a secret.
func plant(env any, canary string) any {
	entries, ok := canonicalValue(env).(map[string]any)
	if !ok {
		return []any{canary, env}
	}
	for name, content := range entries {
		entry, ok := content.(map[string]any)
		switch {
		case !ok && name == "":
			entries[name] = canary
		case !ok:
			entries[name] = []any{canary}
		case entry["secret"] != false:
			entry["value"] = map[bool]any{true: canary, false: []any{canary}}[len(name)%2 == 0]
			entry["old_value"] = canary
		}
	}
	return entries
}

// Merging any three documents ends, and says the same whatever the policy.
func FuzzMerge(f *testing.F) {
	f.Add(byte(0), []byte(`{"skills":["a"]}`), []byte(`{"skills":["b"]}`), []byte(`{"skills":["a","c"],"name":"x"}`))
	f.Add(byte(1), []byte(`{"arguments":[{"name":"a"}]}`), []byte(`{"arguments":[{"name":"a","x":1}]}`), []byte(`{"arguments":[1]}`))
	f.Add(byte(2), []byte(`{"env":{"A":"v"}}`), []byte(`{"env":{"A":{"secret":true}}}`), []byte(`{"env":{"A":"w"}}`))
	f.Add(byte(4), []byte("a\nb\nc\n"), []byte("a\nx\nc\n"), []byte("a\nb\nc\nd"))
	f.Fuzz(func(t *testing.T, kind byte, base, database, git []byte) {
		var sides [3]*Document
		for i, text := range [][]byte{base, database, git} {
			if kind%5 == 4 {
				sides[i] = skill(string(text))
				continue
			}
			d, p := UnmarshalDocument(anyKind(kind%5), text, Limits{})
			if p != nil {
				return
			}
			sides[i] = d.Normalize()
		}
		merged, lost := Merge(sides[0], sides[1], sides[2], PreferGit)
		other, lostOther := Merge(sides[0], sides[1], sides[2], PreferDatabase)
		if len(lost) == 0 && (len(lostOther) > 0 || merged.Digest() != other.Digest()) {
			t.Errorf("the policy decides without a conflict: %q", lostOther)
		}
		Merge(nil, sides[1], sides[2], PreferGit)
		if same, lost := Merge(sides[0], sides[1], sides[1], PreferGit); same.Digest() != sides[1].Digest() || len(lost) > 0 {
			t.Errorf("equal sides give another: %q", lost)
		}
		if kept, lost := Merge(sides[0], sides[0], sides[2], PreferDatabase); kept.Digest() != sides[2].Digest() || len(lost) > 0 {
			t.Errorf("only git changed: %q", lost)
		}
	})
}
