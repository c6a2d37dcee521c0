package mirror

import (
	"strings"
	"testing"
)

// A marker is found as an editor on the web leaves it, and nowhere but on its own line.
func TestCommentMarker(t *testing.T) {
	marker := CommentMarker("a \"b\"\n")
	if strings.Contains(strings.TrimSuffix(marker, `"`)[len(`[confmirror]: # "`):], `"`) || strings.Contains(marker, "\n") {
		t.Errorf("a name breaks out of the marker: %s", marker)
	}
	for text, want := range map[string]bool{
		marker:                        true,
		marker + "\n\nFine.":          true,
		"Hello\r\n" + marker + "\r\n": true,
		"\n  " + strings.ReplaceAll(marker, "[", `\[`) + "\n": true,
		"":                           false,
		"> " + marker:                false,
		"I read " + marker:           false,
		CommentMarker("other"):       false,
		marker[:len(marker)-1] + "x": false,
	} {
		if HasMarker(text, marker) != want {
			t.Errorf("%q: %v", text, !want)
		}
	}
}

func TestShortHash(t *testing.T) {
	full := Hash(strings.Repeat("0123456789", 4))
	for short, want := range map[ShortHash]bool{
		"012345678901": true, ShortHash(full): true, "0123456": true,
		"": false, "012345": false, "012345678902": false,
	} {
		if short.Abbreviates(full) != want {
			t.Errorf("%q: %v", short, !want)
		}
	}
	if ShortHash("0123456").Abbreviates("") {
		t.Error("no commit is meant")
	}
}
