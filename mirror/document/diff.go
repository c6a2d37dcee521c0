package document

import (
	"slices"
	"sort"

	"github.com/aymanbagabas/go-udiff/lcs"
)

// hunk says that a[aLo:aHi] became b[bLo:bHi].
type hunk struct{ aLo, aHi, bLo, bHi int }

// diff finds what differs between two sequences, as hunks in order with
// something equal between any two. It is near linear: lines that are unique on
// both sides hold the sequences together, and the search between two such lines
// is bounded, at the price of hunks larger than they need be.
func diff(a, b []string) []hunk {
	var hunks []hunk
	add := func(h hunk) {
		if last := len(hunks) - 1; last >= 0 && hunks[last].aHi == h.aLo && hunks[last].bHi == h.bLo {
			hunks[last].aHi, hunks[last].bHi = h.aHi, h.bHi
		} else {
			hunks = append(hunks, h)
		}
	}
	gap := func(aLo, aHi, bLo, bHi int) {
		if aLo == aHi && bLo == bHi {
			return
		}
		if aLo == aHi || bLo == bHi {
			add(hunk{aLo, aHi, bLo, bHi})
			return
		}
		for _, d := range lcs.DiffLines(a[aLo:aHi], b[bLo:bHi]) {
			add(hunk{aLo + d.Start, aLo + d.End, bLo + d.ReplStart, bLo + d.ReplEnd})
		}
	}
	i, j := 0, 0
	for _, anchor := range anchors(a, b) {
		gap(i, anchor[0], j, anchor[1])
		i, j = anchor[0]+1, anchor[1]+1
	}
	gap(i, len(a), j, len(b))
	return hunks
}

// anchors pairs the lines that both sides have exactly once, leaving out those
// that changed places (patience diff).
func anchors(a, b []string) [][2]int {
	type count struct{ inA, inB, at int }
	counts := make(map[string]*count, len(b))
	for j, line := range b {
		c := counts[line]
		if c == nil {
			c = &count{}
			counts[line] = c
		}
		c.inB++
		c.at = j
	}
	for _, line := range a {
		if c := counts[line]; c != nil {
			c.inA++
		}
	}
	var pairs [][2]int
	for i, line := range a {
		if c := counts[line]; c != nil && c.inA == 1 && c.inB == 1 {
			pairs = append(pairs, [2]int{i, c.at})
		}
	}
	return rising(pairs)
}

// rising is a longest subsequence of pairs whose second numbers rise.
func rising(pairs [][2]int) [][2]int {
	var tops []int // tops[n] ends the lowest rising subsequence of n+1 pairs
	before := make([]int, len(pairs))
	for i, pair := range pairs {
		n := sort.Search(len(tops), func(n int) bool { return pairs[tops[n]][1] >= pair[1] })
		before[i] = -1
		if n > 0 {
			before[i] = tops[n-1]
		}
		if n == len(tops) {
			tops = append(tops, i)
		} else {
			tops[n] = i
		}
	}
	if len(tops) == 0 {
		return nil
	}
	var out [][2]int
	for i := tops[len(tops)-1]; i >= 0; i = before[i] {
		out = append(out, pairs[i])
	}
	slices.Reverse(out)
	return out
}
