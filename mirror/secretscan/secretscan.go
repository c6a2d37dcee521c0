// Package secretscan finds what looks like a credential in text that is about to leave
// the database. Its rules are those of a maintained library, gitleaks (MIT license,
// Copyright (c) 2019 Zachary Rice): rules_generated.go holds them, and the tests hold
// every finding against the library's own. Whoever scans needs one method, [Scanner.Find].
//
// The library itself stays out of the program. It compiles hundreds of expressions and
// builds automata of tens of megabytes before the first text; here an expression is
// compiled when a text has a word that a match of it needs, which few texts have.
package secretscan

//go:generate go test -run TestRulesAreTheLibrarys -update

import "slices"

// Scanner looks for credentials. It is safe for concurrent use.
type Scanner struct{}

// New makes a scanner; it costs nothing until it is used.
func New() *Scanner { return &Scanner{} }

// maxScan bounds the text of one scan, in bytes; what is longer is scanned in pieces.
const maxScan = 64 << 10

// overlap of two pieces, so that nothing hides on the border.
const overlap = 4 << 10

// Find names the rule that text breaks, "" for none. It never returns any of the text.
func (s *Scanner) Find(text string) (rule string) {
	for {
		if found := find(text[:min(len(text), maxScan)]); found != "" || len(text) <= maxScan {
			return found
		}
		text = text[maxScan-overlap:]
	}
}

// find asks the rules in the table's order, in which the more telling ones come first.
func find(text string) string {
	suspects := suspects(text)
	slices.Sort(suspects)
	for _, i := range suspects {
		if r := &rules[i]; r.breaks(text) {
			return r.id
		}
	}
	return ""
}
