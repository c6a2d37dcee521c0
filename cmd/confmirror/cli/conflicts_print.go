package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/aymanbagabas/go-udiff"

	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror/document"
)

// version is what one side has at a place.
type version struct {
	side  string
	value any // nil: nothing
}

// printPlaces prints each place with what base, git and the database had there.
func (p *Program) printPlaces(c *db.Conflict, places []string) {
	var shown []string
	for _, place := range places {
		if c.Kind == document.Skills { // a line is not the same line on the other side
			for _, d := range []*document.Document{c.Git, c.Database, c.Base} {
				place = d.FilePath(place)
			}
		}
		if slices.Contains(shown, place) {
			continue
		}
		shown = append(shown, place)
		sides := []version{{side: "base"}, {side: "git"}, {side: "database"}}
		for i, d := range []*document.Document{c.Base, c.Git, c.Database} {
			sides[i].value, _ = d.At(place)
			if sides[i].side == string(c.Winner()) {
				sides[i].side += ", won"
			}
		}
		fmt.Fprintf(p.Stdout, "\n%s\n", printable(place))
		p.printVersions(sides)
	}
}

// printVersions prints what the sides have at one place: in a line each, or, of longer
// texts, how they differ from the first one that has any.
func (p *Program) printVersions(sides []version) {
	values := make([]any, len(sides))
	for i, v := range sides {
		values[i] = v.value
	}
	if !haveLines(values...) {
		w := table(p.Stdout)
		for _, v := range sides {
			fmt.Fprintf(w, "  %s\t%s\n", v.side, inline(v.value))
		}
		w.Flush()
		return
	}
	from := slices.IndexFunc(values, func(value any) bool { return value != nil })
	for i, v := range sides {
		switch {
		case v.value == nil:
			fmt.Fprintf(p.Stdout, "  %s: nothing\n", v.side)
		case i > from:
			p.printDiff(sides[from], v)
		}
	}
}

func (p *Program) printDiff(a, b version) {
	before, _ := textOf(a.value)
	after, _ := textOf(b.value)
	diff := udiff.Unified(a.side, b.side, before, after)
	if diff == "" {
		fmt.Fprintf(p.Stdout, "  %s: as %s\n", b.side, a.side)
		return
	}
	for line := range strings.Lines(diff) {
		fmt.Fprintf(p.Stdout, "  %s\n", printable(strings.TrimRight(line, "\r\n")))
	}
}

// printChanges prints what taking a side changes.
func (p *Program) printChanges(changes []db.PlaceChange) {
	for _, c := range changes {
		if c.From != nil && c.To != nil && haveLines(c.From, c.To) {
			fmt.Fprintf(p.Stdout, "  %s\n", printable(c.Place))
			p.printDiff(version{"now", c.From}, version{"then", c.To})
			continue
		}
		fmt.Fprintf(p.Stdout, "  %s: %s -> %s\n", printable(c.Place), brief(c.From), brief(c.To))
	}
}

// printDifference prints what became of places that were decided on.
func (p *Program) printDifference(e *db.PlacesChangedError) {
	for _, place := range e.Places {
		fmt.Fprintf(p.Stdout, "  %s\n", printable(place.Place))
		p.printVersions([]version{{"decided", place.Decided}, {"now", place.Now}, {string(e.Take), place.Wanted}})
	}
}

// haveLines reports whether values are texts of more than one line, to be shown as a
// difference. Nothing fits to all.
func haveLines(values ...any) bool {
	long := false
	for _, value := range values {
		text, ok := textOf(value)
		if !ok && value != nil {
			return false
		}
		long = long || strings.Contains(strings.TrimSuffix(text, "\n"), "\n")
	}
	return long
}

// textOf is a value as lines of text, if it is one. The last line is ended, so that a
// difference tells of lines only.
func textOf(value any) (text string, ok bool) {
	switch v := value.(type) {
	case string:
		text = v
	case document.File:
		if !v.IsText() {
			return "", false
		}
		text = string(v.Content)
		if v.Executable {
			text = "(executable)\n" + text
		}
	default:
		return "", false
	}
	if text != "" && !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	return text, true
}

// inline is a value in one line.
func inline(value any) string {
	if value == nil {
		return "-"
	}
	mode := ""
	if f, ok := value.(document.File); ok {
		if f.Executable {
			mode = ", executable"
		}
		if !f.IsText() || len(f.Content) > longest {
			return "a file of " + count(len(f.Content), "byte", "bytes") + mode
		}
		value = string(f.Content)
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(value); err != nil {
		return fmt.Sprint(value)
	}
	return printable(strings.TrimSpace(out.String())) + mode
}

// longest is the longest text that stands in a line with others.
const longest = 100

// brief is inline, cut where it is too long.
func brief(value any) string {
	text := []rune(inline(value))
	if len(text) <= longest {
		return string(text)
	}
	return string(text[:longest]) + "..."
}

// printable keeps a document from writing to the terminal what is no text.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
}
