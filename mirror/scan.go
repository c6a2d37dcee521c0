package mirror

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
	"github.com/confmirror/confmirror/mirror/parallel"
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
	var leaving []*Decision
	for _, d := range p.decisions {
		if d.Effect == Converge && d.writesFile(p.Layout) {
			leaving = append(leaving, d)
		}
	}
	_ = parallel.Each(len(leaving), func(i int) error {
		d := leaving[i]
		problem := p.credential(d)
		switch {
		case problem == nil:
		case d.gitChange() == changed && d.writesRow(): // git's own edit is not to blame
			d.Problem, d.withheld = problem, true
		default:
			d.refuse(problem)
			d.Document, d.RowProblem, d.Conflicts = nil, true, nil
		}
		return nil
	})
}

// credential scans what a decision would newly put on the branch.
func (p *planner) credential(d *Decision) *document.Problem {
	return credential(p.Scanner, d.Document, d.file().Document)
}

// Credential is the problem of a document with a public field that looks like one; nil for none.
func Credential(scanner Scanner, d *document.Document) *document.Problem {
	return credential(scanner, d, nil)
}

func credential(scanner Scanner, d, old *document.Document) *document.Problem {
	name, rule := findCredential(scanner, d, old)
	if rule == "" {
		return nil
	}
	return document.Invalid("%s looks like a credential (rule %s), so the entity is not exported: move it to a secret env or headers entry, or set sync.secret_scan to off", name, rule)
}

// findCredential finds what looks like one in a public field of a document, unless another
// one (nil: none) has the same text; rule is "" for nothing found. The texts are scanned
// together; only a find makes it look for the field.
func findCredential(scanner Scanner, in, old *document.Document) (field, rule string) {
	known := map[string]bool{}
	if old != nil {
		publicTexts(old, func(text string) { known[text] = true })
	}
	var all strings.Builder
	publicTexts(in, func(text string) {
		if !known[text] {
			all.WriteString(text)
			all.WriteString("\n\n")
		}
	})
	if all.Len() == 0 || scanner.Find(all.String()) == "" {
		return "", ""
	}
	for _, f := range publicFields(in) {
		if known[f.text] {
			continue
		}
		if rule := scanner.Find(f.text); rule != "" {
			return f.name, rule
		}
	}
	return "", ""
}

// binaryHead is how much of a file tells whether it is text: one with U+0000 in it is none.
const binaryHead = 8 << 10

// publicTexts visits every text of a document that a file would show.
func publicTexts(d *document.Document, visit func(text string)) {
	for _, f := range d.Files {
		if isText(f.Content) {
			visit(string(f.Content))
		}
	}
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case string:
			visit(v)
		case []any:
			for _, element := range v {
				walk(element)
			}
		case map[string]any:
			for key, element := range v {
				visit(key)
				walk(element)
			}
		}
	}
	for _, value := range d.Fields {
		walk(value)
	}
}

func isText(content []byte) bool {
	return !bytes.ContainsRune(content[:min(len(content), binaryHead)], 0) // in whatever encoding
}

// field is one of a document's texts, and how it is called in a message.
type field struct{ name, text string }

// publicFields are the texts that publicTexts visits, by name.
func publicFields(d *document.Document) (fields []field) {
	for _, f := range d.Files {
		if isText(f.Content) {
			fields = append(fields, field{f.Path, string(f.Content)})
		}
	}
	var walk func(name string, value any)
	walk = func(name string, value any) {
		switch v := value.(type) {
		case string:
			fields = append(fields, field{name, v})
		case []any:
			for i, element := range v {
				walk(fmt.Sprintf("%s[%d]", name, i), element)
			}
		case map[string]any:
			for i, key := range slices.Sorted(maps.Keys(v)) {
				fields = append(fields, field{fmt.Sprintf("%s: key %d", name, i+1), key}) // which may itself be one, so it is not named
				walk(name+"."+key, v[key])
			}
		}
	}
	for key, value := range d.Fields {
		walk(key, value)
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	return fields
}
