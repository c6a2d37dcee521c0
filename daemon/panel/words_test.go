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
