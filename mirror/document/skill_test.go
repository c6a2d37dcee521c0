package document

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const mainFile = "---\nname: a\ndescription: d\n---\n"

func TestParseSkill(t *testing.T) {
	limits := Limits{MaxFileSize: 1000, MaxSkillFiles: 3, MaxSkillSize: 1500}
	tests := []struct {
		name  string
		files []File
		code  Code
		file  string
	}{
		{name: "fine", files: []File{{Path: "x/y.sh", Executable: true}, {Path: SkillFile, Content: []byte(mainFile)}}},
		{name: "nothing", code: EmptyDirectory},
		{name: "another case", files: []File{{Path: "skill.md", Content: []byte(mainFile)}}, code: EmptyDirectory},
		{name: "too many", files: []File{{Path: SkillFile}, {Path: "a"}, {Path: "b"}, {Path: "c"}}, code: ValidationFailed},
		{name: "too large", files: []File{{Path: SkillFile, Content: []byte(mainFile)}, {Path: "a", Content: make([]byte, 1001)}}, code: FetchFailed, file: "a"},
		{name: "too large together", files: []File{{Path: SkillFile, Content: []byte(mainFile)}, {Path: "a", Content: make([]byte, 1000)}, {Path: "b", Content: make([]byte, 1000)}}, code: FetchFailed},
		{name: "LFS pointer", files: []File{{Path: SkillFile, Content: []byte(mainFile)}, {Path: "a", Content: []byte("version https://git-lfs.github.com/spec/v1\n")}}, code: FetchFailed, file: "a"},
		{name: "path", files: []File{{Path: SkillFile, Content: []byte(mainFile)}, {Path: "../a"}}, code: ValidationFailed},
		{name: "main file", files: []File{{Path: SkillFile, Content: []byte("x")}}, code: ValidationFailed, file: SkillFile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, p := ParseSkill("a", test.files, limits)
			switch {
			case p == nil && test.code == "":
				if d.Files[0].Path != SkillFile || d.Name() != "a" {
					t.Errorf("got %+v", d)
				}
			case p == nil || p.Code != test.code || p.File != test.file:
				t.Errorf("got %+v", p)
			}
		})
	}
}

func TestSkillPaths(t *testing.T) {
	for path, valid := range map[string]bool{
		"a": true, "a/b.c": true, ".github/x": true, "git": true, ".gitignore": true, "a b": true, "é/😀": true, "...": true, "x.git": true,
		"": false, "/a": false, "a/": false, "a//b": false, ".": false, "a/../b": false, "a/./b": false, `a\b`: false, "a\x00": false, "a\n": false, "a\u0085": false, "\xff": false,
		".git": false, "a/.GIT/config": false, "GIT~1": false, ".git ": false, ".git.": false, ".g\u200cit": false, "\ufeff.git": false, ".git::$INDEX_ALLOCATION": false, ".git . .": false,
		strings.Repeat("a", 255): true, strings.Repeat("a", 256): false, strings.Repeat("a/", 2048) + "a": false,
	} {
		if rule := pathRule(path); (rule == "") != valid {
			t.Errorf("%.40q: %q", path, rule)
		}
	}
	for _, paths := range [][]string{{"a", "a"}, {"a", "a/b"}, {"a/b/c", "a-", "a"}} {
		var files []File
		for _, p := range paths {
			files = append(files, File{Path: p})
		}
		if validatePaths(files) == nil {
			t.Errorf("%v has no problem", paths)
		}
	}
	if p := validatePaths([]File{{Path: "a"}, {Path: "a-b/c"}, {Path: "ab/c"}}); p != nil {
		t.Error(p)
	}
}

func TestSkillJSON(t *testing.T) {
	d, p := UnmarshalDocument(Skills, []byte(`{"slug":"a","owner_id":null,"files":[
		{"path":"run","content_base64":"AP8=","executable":true},{"path":"SKILL.md","content":"é\n"}]}`), Limits{})
	if p != nil {
		t.Fatal(p)
	}
	want := &Document{Kind: Skills, Slug: "a", Files: []File{{Path: "SKILL.md", Content: []byte("é\n")}, {Path: "run", Executable: true, Content: []byte{0, 255}}}}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Fatal(diff)
	}
	if got := string(mustJSON(d)); got != `{"slug":"a","files":[{"path":"SKILL.md","content":"é\n","executable":false},{"path":"run","content_base64":"AP8=","executable":true}]}` {
		t.Error(got)
	}
	for bad, message := range map[string]string{
		`[]`: "must be a JSON object", `{"slug":"a"}`: "files: must be an array", `{"files":[1]}`: "files[0].path", `{"files":[{"path":"a"}]}`: "files[0]: must have either",
		`{"files":[{"path":"a","content":1}]}`: "files[0].content", `{"files":[{"path":"a","content_base64":"?"}]}`: "base64", `{"files":[{"path":"a","content":"","executable":1}]}`: "executable",
	} {
		if _, p := UnmarshalDocument(Skills, []byte(bad), Limits{}); p == nil || !strings.Contains(p.Message, message) || p.Line != 1 {
			t.Errorf("%s: %+v", bad, p)
		}
	}
}

func TestSkillDigest(t *testing.T) {
	file := rapid.Custom(func(t *rapid.T) File {
		return File{Path: rapid.SampledFrom([]string{"a", "b", "a b"}).Draw(t, "path"), Executable: rapid.Bool().Draw(t, "x"), Content: rapid.SliceOfN(rapid.Byte(), 0, 2).Draw(t, "content")}
	})
	skills := rapid.Custom(func(t *rapid.T) *Document {
		return (&Document{Kind: Skills, Files: rapid.SliceOfNDistinct(file, 0, 3, func(f File) string { return f.Path }).Draw(t, "files")}).Normalize()
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := skills.Draw(t, "a"), skills.Draw(t, "b")
		equal := bytes.Equal(mustJSON(a), mustJSON(b))
		if equal != (a.Digest() == b.Digest()) {
			t.Fatalf("equal %v, digests %s and %s", equal, a.Digest(), b.Digest())
		}
	})
}
