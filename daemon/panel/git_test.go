package panel

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// A history that was not gone through to its end is not said to have nothing.
func TestHistoryThatWasCutOff(t *testing.T) {
	v := newViews(time.Now)
	for older, want := range map[bool]string{true: "older ones are in the repository", false: "No commit of the branch has it."} {
		var out bytes.Buffer
		body := gitBody{Sight: &mirror.Sight{Older: older}, Equal: "Both say the same."}
		if err := v.render(&out, frame{page: &page{name: "git", Body: body}}); err != nil {
			t.Fatal(err)
		}
		if text := out.String(); !strings.Contains(text, want) || strings.Contains(text, "No commit") == older {
			t.Errorf("older %t: %s", older, text)
		}
	}
}
