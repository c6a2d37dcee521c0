package panel

import (
	"slices"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/confmirror/confmirror/mirror/document"
)

// difference is one file's.
type difference struct {
	File  string // of a skill
	Lines []diffLine
}

type diffLine struct{ Tone, Text string }

// maxShown bounds what is shown of one file, and maxPage what is shown of a skill's files
// together: a page is read by a person, and rendered by a browser.
const (
	maxShown = 64 << 10
	maxPage  = 1 << 20
)

// differences are those of the files of two sides: line by line until a page is full.
func differences(before, after []document.File) []difference {
	var all []difference
	room := maxPage
	for _, name := range names(before, after) {
		if d := differenceOf(name, find(before, name), find(after, name), &room); len(d.Lines) > 0 {
			all = append(all, d)
		}
	}
	return all
}

// filesOf are a document's files; one that is a single file has no name.
func filesOf(d *document.Document) []document.File {
	if d.Kind == document.Skills {
		return d.Files
	}
	return []document.File{{Content: document.Encode(d)}}
}

// names are those of the files of either side, sorted.
func names(sides ...[]document.File) []string {
	var all []string
	for _, files := range sides {
		for _, f := range files {
			all = append(all, f.Path)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func find(files []document.File, name string) *document.File {
	if i := slices.IndexFunc(files, func(f document.File) bool { return f.Path == name }); i >= 0 {
		return &files[i]
	}
	return nil
}

// differenceOf compares one file, which either side may lack; equal ones differ in no line.
// What there is no room for is only measured.
func differenceOf(name string, from, to *document.File, room *int) difference {
	d := difference{File: name}
	before, after := textOf(from), textOf(to)
	switch {
	case from != nil && to != nil && string(from.Content) == string(to.Content):
		if from.Executable != to.Executable {
			d.Lines = []diffLine{{Text: "executable on one side only"}}
		}
	case before == nil || after == nil, *before == *after, len(*before)+len(*after) > *room:
		d.Lines = []diffLine{{"bad", "− " + size(from)}, {"good", "+ " + size(to)}}
	default:
		*room -= len(*before) + len(*after)
		d.Lines = diffLines(*before, *after)
	}
	return d
}

// textOf is a file as far as it can be shown line by line; one that is not there is empty.
func textOf(f *document.File) *string {
	text := ""
	if f != nil {
		if !f.IsText() || len(f.Content) > maxShown {
			return nil
		}
		text = string(f.Content)
	}
	return &text
}

func size(f *document.File) string {
	if f == nil {
		return "nothing"
	}
	return count(len(f.Content), "byte", "bytes")
}

// diffLines are what was taken away and what came, each with a few lines around it.
func diffLines(before, after string) []diffLine {
	unified, err := udiff.ToUnifiedDiff("", "", before, udiff.Lines(before, after), udiff.DefaultContextLines)
	if err != nil { // edits that do not fit their own text
		return []diffLine{{Text: err.Error()}}
	}
	var lines []diffLine
	for i, hunk := range unified.Hunks {
		if i > 0 {
			lines = append(lines, diffLine{Text: "⋯"})
		}
		for _, line := range hunk.Lines {
			text := strings.TrimRight(line.Content, "\r\n")
			switch line.Kind {
			case udiff.Delete:
				lines = append(lines, diffLine{"bad", "− " + text})
			case udiff.Insert:
				lines = append(lines, diffLine{"good", "+ " + text})
			default:
				lines = append(lines, diffLine{"", "  " + text})
			}
		}
	}
	return lines
}
