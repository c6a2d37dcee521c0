package document

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// What one parser left behind does not show in what the next one reads, whatever became
// of the text, and however many read at once.
func TestParsersLeaveNothingBehind(t *testing.T) {
	var many strings.Builder
	for i := range 3 * mostRoom {
		fmt.Fprintf(&many, `%q: [%d, "a\tb", {}], `, fmt.Sprint("x-", i), i)
	}
	large := strings.Replace(samples[MCPServers], `"slug"`, many.String()+`"slug"`, 1)
	texts := map[string]Digest{}
	for _, text := range []string{samples[MCPServers], large} {
		texts[text] = mustDocument(t, MCPServers, text).Digest()
	}
	for _, broken := range []string{strings.TrimSuffix(large, "}\n"), strings.Replace(large, `"headers"`, `"x-0"`, 1)} {
		texts[broken] = ""
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 5 {
				for text, want := range texts {
					d, p := ParseFile(MCPServers, "issue-tracker", []byte(text), Limits{})
					switch {
					case want == "" && p == nil:
						t.Error("a broken file is read")
					case want != "" && p != nil:
						t.Error(p)
					case want != "" && d.Digest() != want:
						t.Errorf("got %s, want %s", d.Digest(), want)
					}
				}
			}
		})
	}
	all.Wait()
}
