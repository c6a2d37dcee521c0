package document

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func skill(main string) *Document {
	return &Document{Kind: Skills, Slug: "a", Files: []File{{Path: SkillFile, Content: []byte(main)}}}
}

func TestFrontmatter(t *testing.T) {
	tests := []struct {
		name, file  string
		message     string
		description string
	}{
		{name: "plain", file: "---\nname: a\ndescription: d e\n---\n", description: "d e"},
		{name: "CRLF and mark", file: "\xef\xbb\xbf---\r\nname: a\r\ndescription: d\r\n---\r\nbody", description: "d"},
		{name: "quotes", file: "--- \nname: 'a'\ndescription: \"d \\u00e9\"\n---", description: "d é"},
		{name: "literal", file: "---\nname: a\ndescription: |\n  d\n  e\n---", description: "d\ne\n"},
		{name: "folded", file: "---\nname: a\ndescription: >-\n  d\n  e\n---", description: "d e"},
		{name: "continued", file: "---\nname: a\ndescription: d\n  e\n---", description: "d e"},
		{name: "braces", file: "---\n{name: a, description: d}\n---", description: "d"},
		{name: "anchor", file: "---\nname: &n a\ndescription: *n\n---", description: "a"},
		{name: "tag", file: "---\nname: a\ndescription: !!str 1\n---", description: "1"},
		{name: "unknown keys", file: "---\nname: a\ndescription: d\nmetadata: {x: [1]}\nallowed-tools: Bash(git:*) Read\n---", description: "d"},
		{name: "none", file: "# a\n", message: "line 1, column 1: the file must begin with frontmatter"},
		{name: "not closed", file: "---\nname: a\n", message: "frontmatter"},
		{name: "empty", file: "---\n---\n", message: "line 2, column 1: the frontmatter must be one YAML mapping"},
		{name: "sequence", file: "---\n- a\n---\n", message: "mapping"},
		{name: "no name", file: "---\ndescription: d\n---\n", message: "name is required"},
		{name: "other name", file: "---\nname: b\ndescription: d\n---\n", message: "line 2, column 1: the frontmatter's name must equal"},
		{name: "name is a number", file: "---\nname: 1\ndescription: d\n---\n", message: "must be a string"},
		{name: "no description", file: "---\nname: a\n---\n", message: "description is required"},
		{name: "description null", file: "---\nname: a\ndescription:\n---\n", message: "must be a string"},
		{name: "description empty", file: "---\nname: a\ndescription: ''\n---\n", message: "must not be empty"},
		{name: "description too long", file: "---\nname: a\ndescription: " + strings.Repeat("é", 1025) + "\n---\n", message: "at most 1024"},
		{name: "description of 1024", file: "---\nname: a\ndescription: " + strings.Repeat("é", 1024) + "\n---\n", description: strings.Repeat("é", 1024)},
		{name: "colon", file: "---\nname: a\ndescription: Use: hunter2\n---\n", message: "line 3, column 14: the frontmatter is not valid YAML: mapping value"},
		{name: "twice", file: "---\nname: a\nname: a\n---\n", message: "line 3, column 1: a key of the frontmatter is there twice"},
		{name: "too large", file: "---\nname: a\n# " + strings.Repeat("x", 64<<10) + "\n---\n", message: "larger than"},
		{name: "not UTF-8", file: "---\nname: a\xff\n---\n", message: "line 2, column 8: the file is not UTF-8"},
		{name: "NUL", file: "---\nname: a\n---\n\x00", message: "U+0000"},
		{name: "bad escape", file: "---\nname: \"\\h\"\n---\n", message: "not valid YAML"},
		{name: "merge key", file: "---\n<<: {name: a}\n---\n", message: "name is required"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, p := ParseSkill("a", skill(test.file).Files, Limits{})
			if test.message != "" {
				if p == nil || !strings.Contains(p.Message, test.message) {
					t.Fatalf("got %v, want ...%s...", p, test.message)
				}
				if p.Code != ValidationFailed || p.File != SkillFile || p.Line == 0 || strings.Contains(p.Message, "hunter2") {
					t.Errorf("got %+v", p)
				}
				return
			}
			if p != nil {
				t.Fatal(p)
			}
			if name, description := d.Frontmatter(); name != "a" || description != test.description {
				t.Errorf("got %q and %q, want %q", name, description, test.description)
			}
		})
	}
}

func TestFrontmatterEdits(t *testing.T) {
	tests := []struct{ name, file, slug, description, want string }{
		{name: "plain", file: "---\nname: a\ndescription: d # why\n---\n# a", slug: "b-c", description: "e",
			want: "---\nname: b-c\ndescription: e # why\n---\n# a"},
		{name: "quotes stay", file: "---\nname: 'a'  # n\ndescription: \"d\"\n---", slug: "b", description: "it's",
			want: "---\nname: 'b'  # n\ndescription: \"it's\"\n---"},
		{name: "quotes where needed", file: "---\nname: a\ndescription: d\n---", slug: "true", description: "Use: this # now",
			want: "---\nname: \"true\"\ndescription: \"Use: this # now\"\n---"},
		{name: "number", file: "---\nname: a\ndescription: d\n---", slug: "1e3", description: "1.0",
			want: "---\nname: \"1e3\"\ndescription: \"1.0\"\n---"},
		{name: "literal", file: "---\r\ndescription: |\r\n  d\r\n\r\n  e\r\n\r\nname: a\r\n---\r\n", slug: "b", description: "f\ng",
			want: "---\r\ndescription: \"f\\ng\"\r\n\r\nname: b\r\n---\r\n"},
		{name: "continued", file: "---\nname: a\ndescription: d\n  e\n  f # g\nx: 1\n---", slug: "b", description: "h",
			want: "---\nname: b\ndescription: h # g\nx: 1\n---"},
		{name: "braces", file: "---\n{name: a, description: 'd'}\n---", slug: "b", description: "e, f",
			want: "---\n{name: b, description: 'e, f'}\n---"},
		{name: "anchor", file: "---\nname: &n a\ndescription: d\nx: *n\n---", slug: "b", description: "e",
			want: "---\nname: &n a\ndescription: e\nx: *n\n---"},
		{name: "key absent", file: "---\nname: a\n---", slug: "b", description: "e", want: "---\ndescription: e\nname: b\n---"},
		{name: "same", file: "---\nname: \"\\x61\"\ndescription: >\n  d\n---", slug: "a", description: "d\n",
			want: "---\nname: \"\\x61\"\ndescription: >\n  d\n---"},
		{name: "no frontmatter", file: "# a", slug: "b", description: "e", want: "# a"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := skill(test.file)
			d := before.Renamed(test.slug).WithDescription(test.description)
			if got := string(d.Files[0].Content); got != test.want {
				t.Errorf("got\n%q, want\n%q", got, test.want)
			}
			if d.Slug != test.slug || string(before.Files[0].Content) != test.file {
				t.Error("slug not set, or the original changed")
			}
		})
	}
}

// Any name and description can be written into any of the usual spellings, and
// not a byte around them changes.
func TestFrontmatterEditsTouchNothingElse(t *testing.T) {
	spellings := []string{"d", `"d"`, "'d'", "'it''s'", `"d \"e\""`, "|\n  d\n  e", ">-\n  d", "d\n  e", `"d` + "\n  e\"", "|-\n   d\n\n   e", ">\n  d\n\n  e\n  # no comment"}
	names := []string{"a", `"a"`, "'a'"}
	rapid.Check(t, func(t *rapid.T) {
		newline := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "newline")
		draw := func(label string, from ...string) string { return rapid.SampledFrom(from).Draw(t, label) }
		start := draw("start", "---\n", "\ufeff---\n", "--- \n")
		head := draw("head", "", "# c\n", "license: MIT # c\n", "metadata:\n  x: 1\n  name: other\n", "x: |\n  name: b\n\n")
		anchor := draw("anchor", "", "!!str ")
		spelling := draw("spelling", spellings...)
		comment := ""
		if !strings.ContainsAny(spelling, "|>") {
			comment = draw("comment", "", " # c", "  # \"c\"")
		}
		between := draw("between", "\n", "\n\n# c\n", "\nversion: '1'\n")
		tail := draw("tail", "\n---\nbody\n", " # c\n---\r\nname: b", "\nallowed-tools: a b\n---", "\n\n---\n\n---\n")
		write := func(description, name string) string {
			text := start + head + "description: " + anchor + description + comment + between + "name: " + name + tail
			return strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\n", newline)
		}
		name := draw("name", names...)
		text := rapid.StringN(1, 40, -1).Filter(func(s string) bool { return !strings.ContainsRune(s, 0) }).Draw(t, "text")
		d := skill(write(spelling, name)).WithDescription(text).Renamed("x-1")
		if name, description := d.Frontmatter(); name != "x-1" || description != text {
			t.Fatalf("%q: got %q, %q for %q", d.Files[0].Content, name, description, text)
		}
		before, after, _ := strings.Cut(write("\x00", "\x00"), "\x00")
		middle, after, _ := strings.Cut(after, "\x00")
		got := string(d.Files[0].Content)
		rest, found := strings.CutPrefix(got, before)
		rest, ended := strings.CutSuffix(rest, after)
		if !found || !ended || !strings.HasSuffix(strings.TrimRight(rest, `x-1'"`), middle) {
			t.Fatalf("more than the values changed of\n%q\nto\n%q", write(spelling, name), got)
		}
	})
}

func TestHostileFrontmatterIsQuick(t *testing.T) {
	for name, yaml := range map[string]string{
		"brackets": strings.Repeat("[", 65000),
		"maps":     strings.Repeat("{a: ", 16000),
		"dashes":   strings.Repeat("- ", 32000),
		"quotes":   strings.Repeat(`"`, 65000),
		"anchors":  strings.Repeat("&a ", 20000),
		"keys":     strings.Repeat("a: ", 20000),
		"bomb":     "a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: &d [*c,*c]\nname: *d\n",
	} {
		start := time.Now()
		if p := skill("---\n" + yaml + "\n---\n").Validate(Limits{}); p == nil {
			t.Errorf("%s: no problem", name)
		}
		if took := time.Since(start); took > soon {
			t.Errorf("%s took %v", name, took)
		}
	}
}
