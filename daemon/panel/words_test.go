package panel

import (
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func TestEveryStateHasItsWords(t *testing.T) {
	for name := range shownStates {
		if s := stateShown(name); s.Words == "" || s.Mark == "" {
			t.Errorf("%s: %+v", name, s)
		}
	}
	if s := stateShown("new"); s.Words != "new" {
		t.Errorf("%+v", s)
	}
}

func TestDid(t *testing.T) {
	for want, r := range map[string]*mirror.Report{
		"": {DurationMS: 5}, "1 to git": {Exported: 1}, "2 to git, 1 to the database, 3 deleted, 1 merged, 1 conflict, 2 errors": {Exported: 2, Imported: 1, Deleted: 3, Merged: 1, Conflicts: 1, Errors: 2},
	} {
		if got := didShown(r); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// What somebody types looks so, and nothing in a text is markup.
func TestCoded(t *testing.T) {
	for text, want := range map[string]string{
		"Use `confmirror check`; or `x`.": "Use <code>confmirror check</code>; or <code>x</code>.", "one ` only": "one ` only", "": "",
		"<b>`<i>`": "&lt;b&gt;<code>&lt;i&gt;</code>",
	} {
		if got := string(coded(text)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestEveryReasonHasItsWords(t *testing.T) {
	for _, r := range []mirror.ConflictReason{mirror.ConflictBothChanged, mirror.ConflictReplaced, mirror.ConflictHistoryRewritten, mirror.ConflictPrivate, mirror.ConflictInvalidMerge, mirror.ConflictTaken} {
		if words := reasonShown(r); words == "" || words == string(r) {
			t.Errorf("%s: %q", r, words)
		}
	}
	if words := reasonShown("new"); words != "new" {
		t.Errorf("%q", words)
	}
}

// Skills are shown file by file; what is no text is only counted.
func TestDocumentText(t *testing.T) {
	d := &document.Document{Kind: document.Skills, Files: []document.File{{Path: "SKILL.md", Content: []byte("# A\n")}, {Path: "a.bin", Content: []byte{0xff, 0}}}}
	if got := documentText(d); got != "── SKILL.md\n# A\n\n── a.bin: 2 bytes\n" {
		t.Errorf("%q", got)
	}
	if got := documentText(nil); got != "(nothing)" {
		t.Errorf("%q", got)
	}
}
