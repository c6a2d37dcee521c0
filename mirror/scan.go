package mirror

import (
	"bytes"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/confmirror/confmirror/mirror/document"
)

// Scanner finds what looks like a credential; it names the rule, "" for nothing found.
type Scanner interface {
	Find(text string) (rule string)
}

// scan holds back documents with a public field that looks like a credential, unless
// the branch has it already. The entity gets the problem, everything else goes on.
func (p *planner) scan() {
	if p.Scanner == nil {
		return
	}
	work := make(chan *Decision)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for d := range work {
				problem := p.credential(d)
				switch {
				case problem == nil:
				case d.gitChange() == changed && d.writesRow(): // git's own edit is not to blame
					d.Problem, d.withheld = problem, true
				default:
					d.refuse(problem)
					d.Document, d.RowProblem, d.Conflicts = nil, true, nil
				}
			}
		})
	}
	for _, d := range p.decisions {
		if d.Effect == Converge && d.writesFile(p.Layout) {
			work <- d
		}
	}
	close(work)
	wg.Wait()
}

// credential scans what a decision would newly put on the branch. The texts are
// scanned together; only a find makes it look for the field.
func (p *planner) credential(d *Decision) *document.Problem {
	texts := map[string]string{}
	known := map[string]bool{}
	if old := d.file().Document; old != nil {
		publicTexts(old, func(_, text string) { known[text] = true })
	}
	publicTexts(d.Document, func(field, text string) {
		if !known[text] {
			texts[field] = text
		}
	})
	fields := make([]string, 0, len(texts))
	for field := range texts {
		fields = append(fields, field)
	}
	sort.Strings(fields)
	var all strings.Builder
	for _, field := range fields {
		all.WriteString(texts[field])
		all.WriteString("\n\n")
	}
	if all.Len() == 0 || p.Scanner.Find(all.String()) == "" {
		return nil
	}
	for _, field := range fields {
		if rule := p.Scanner.Find(texts[field]); rule != "" {
			return document.Invalid("%s looks like a credential (rule %s), so the entity is not exported: move it to a secret env or headers entry, or set sync.secret_scan to off", field, rule)
		}
	}
	return nil
}

// binaryHead is how much of a file tells whether it is text: one with U+0000 in it is none.
const binaryHead = 8 << 10

// publicTexts visits every text of a document that a file would show.
func publicTexts(d *document.Document, visit func(field, text string)) {
	for _, f := range d.Files {
		if !bytes.ContainsRune(f.Content[:min(len(f.Content), binaryHead)], 0) { // text, in whatever encoding
			visit(f.Path, string(f.Content))
		}
	}
	var walk func(field string, value any)
	walk = func(field string, value any) {
		switch v := value.(type) {
		case string:
			visit(field, v)
		case []any:
			for i, element := range v {
				walk(fmt.Sprintf("%s[%d]", field, i), element)
			}
		case map[string]any:
			for i, key := range slices.Sorted(maps.Keys(v)) {
				visit(fmt.Sprintf("%s: key %d", field, i+1), key) // which may itself be one, so it is not named
				walk(field+"."+key, v[key])
			}
		}
	}
	for key, value := range d.Fields {
		walk(key, value)
	}
}
