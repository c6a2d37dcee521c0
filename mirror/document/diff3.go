package document

import (
	"bytes"
	"slices"
)

// mergeLines joins two edits of a text by runs of lines (diff3): what only one
// side changed is taken from it; where both changed touching lines differently,
// the preferred side's lines stand. conflicts are the line numbers of those
// places in the result, from 1.
func mergeLines(base, database, git []byte, policy Policy) (merged []byte, conflicts []int) {
	o, a, b := splitLines(base), splitLines(database), splitLines(git)
	var out []string
	for _, r := range regions(diff(o, a), diff(o, b), len(o)) {
		ours, theirs := a[r.a.bLo:r.a.bHi], b[r.b.bLo:r.b.bHi]
		switch {
		case !r.inB || slices.Equal(ours, theirs):
			out = append(out, ours...)
		case !r.inA:
			out = append(out, theirs...)
		default:
			conflicts = append(conflicts, len(out)+1)
			if policy == PreferDatabase {
				out = append(out, ours...)
			} else {
				out = append(out, theirs...)
			}
		}
	}
	for _, line := range out {
		merged = append(merged, line...)
	}
	return merged, conflicts
}

// splitLines cuts a text after each line end.
func splitLines(text []byte) []string {
	var lines []string
	for len(text) > 0 {
		end := bytes.IndexByte(text, '\n') + 1
		if end == 0 {
			end = len(text)
		}
		lines = append(lines, string(text[:end]))
		text = text[end:]
	}
	return lines
}

// region is a run of the base's lines, with what became of it on either side.
type region struct {
	a, b     hunk
	inA, inB bool // the side changed it
}

// regions cuts a base of n lines into runs that neither side changed, and runs
// that grow as long as changes of the two sides overlap or touch.
func regions(a, b []hunk, n int) []region {
	var out []region
	at, i, j := 0, 0, 0
	shiftA, shiftB := 0, 0 // what is to be added to the base's line number here
	add := func(hi, nextA, nextB int, inA, inB bool) {
		if at < hi || inA || inB {
			out = append(out, region{
				hunk{at, hi, at + shiftA, hi + nextA}, hunk{at, hi, at + shiftB, hi + nextB}, inA, inB,
			})
		}
		at, shiftA, shiftB = hi, nextA, nextB
	}
	for i < len(a) || j < len(b) {
		lo := n
		if i < len(a) {
			lo = a[i].aLo
		}
		if j < len(b) {
			lo = min(lo, b[j].aLo)
		}
		add(lo, shiftA, shiftB, false, false)
		hi, nextA, nextB, inA, inB := lo, shiftA, shiftB, false, false
		for {
			if i < len(a) && a[i].aLo <= hi {
				hi, nextA, inA = max(hi, a[i].aHi), a[i].bHi-a[i].aHi, true
				i++
			} else if j < len(b) && b[j].aLo <= hi {
				hi, nextB, inB = max(hi, b[j].aHi), b[j].bHi-b[j].aHi, true
				j++
			} else {
				break
			}
		}
		add(hi, nextA, nextB, inA, inB)
	}
	add(n, shiftA, shiftB, false, false)
	return out
}
