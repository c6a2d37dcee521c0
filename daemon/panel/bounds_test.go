package panel

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/document"
)

// A page has an end, however much a skill holds: the rest of it is measured, and kept.
func TestPagesAreBounded(t *testing.T) {
	skill := func(line string) *document.Document {
		d := &document.Document{Kind: document.Skills, Slug: "big"}
		for i := range 500 {
			d.Files = append(d.Files, document.File{Path: fmt.Sprintf("%03d", i), Content: bytes.Repeat([]byte(line), maxShown/len(line))})
		}
		d.Files = append(d.Files, document.File{Path: document.SkillFile, Content: []byte("---\n---\n")})
		return d
	}
	before, after := skill("a\n"), skill("b\n")

	shown := 0
	all := differences(before.Files, after.Files)
	if len(all) != 500 {
		t.Fatalf("%d files differ", len(all))
	}
	for _, d := range all {
		for _, line := range d.Lines {
			shown += len(line.Text)
		}
	}
	if last := all[499].Lines; shown > 4*maxPage || len(last) != 2 || last[0].Text != "− 65536 bytes" {
		t.Errorf("%d bytes of differences, the last of which is %.100v", shown, last)
	}
	if first := all[0].Lines; len(first) < 1000 {
		t.Errorf("of the first there are %d lines", len(first))
	}

	shown = 0
	edit := editable(before.Files)
	for _, f := range edit {
		shown += len(f.Text)
	}
	if last := edit[500]; shown > maxPage+maxShown || !last.IsText || !edit[0].IsText || edit[499].IsText || edit[499].Size != maxShown {
		t.Errorf("%d bytes to edit, of SKILL.md: %v", shown, last)
	}

	if text := documentText(before); len(text) > 2*maxShown+100 || !strings.HasSuffix(text, "files, not shown\n") {
		t.Errorf("%d bytes: %.50s", len(text), text[max(0, len(text)-50):])
	}
	command := &document.Document{Kind: document.Commands, Slug: "a", Fields: map[string]any{"prompt": strings.Repeat("ä", maxShown)}}
	if text := documentText(command); len(text) > maxShown+100 || !strings.HasSuffix(text, "bytes, not shown\n") || strings.Contains(text, "\uFFFD") {
		t.Errorf("%d bytes: %.50s", len(text), text[max(0, len(text)-50):])
	}
}
