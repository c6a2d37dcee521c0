package secretscan

import (
	"math"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// rule is one of the library's, and what the filter before it must know.
type rule struct {
	id       string
	keywords []string // in lower case; a text without any of them does not break the rule
	words    []string // in lower case; every match of start begins with one, or nil when that cannot be said
	// Every match of start has one of the letters marks, at most so many letters behind its
	// word; "" when none can be told.
	marks   string
	within  int
	start   expression
	whole   expression
	group   int     // of the whole expression: the secret; 0 is the first one that is not empty
	entropy float64 // in bits; a secret breaks the rule if it has more, 0 is no bound
	allowed []allowance
}

// expression is compiled when it is first asked, and then kept: all of all rules together
// are five megabytes.
type expression struct {
	source   string
	once     sync.Once
	compiled *regexp.Regexp
}

func (e *expression) get() *regexp.Regexp {
	e.once.Do(func() { e.compiled = regexp.MustCompile(e.source) })
	return e.compiled
}

// allowance excuses a match.
type allowance struct {
	of         target
	expression expression // that excuses when it matches the target
	words      []string   // in lower case; a secret that has one is excused
}

// target is what an allowance's expression looks at.
type target int

const (
	ofSecret target = iota
	ofMatch
	ofLine
)

func (a *allowance) excuses(seen [3]string) bool {
	if a.expression.source != "" && seen[a.of] != "" && a.expression.get().MatchString(seen[a.of]) {
		return true
	}
	lower := strings.ToLower(seen[ofSecret])
	return lower != "" && slices.ContainsFunc(a.words, func(word string) bool { return strings.Contains(lower, word) })
}

func excused(allowances []allowance, seen [3]string) bool {
	for i := range allowances {
		if allowances[i].excuses(seen) {
			return true
		}
	}
	return false
}

// allowSignature in a line excuses what the line holds.
const allowSignature = "gitleaks:allow"

// breaks reports whether text holds what the rule is about, exactly as the library judges:
// tests hold the two against each other.
func (r *rule) breaks(text string) bool {
	if len(r.keywords) > 0 {
		lower := strings.ToLower(text)
		if !slices.ContainsFunc(r.keywords, func(word string) bool { return strings.Contains(lower, word) }) {
			return false
		}
	}
	for _, at := range r.whole.get().FindAllStringIndex(text, -1) {
		match := strings.Trim(text[at[0]:at[1]], "\n")
		line := line(text, at[0], at[0]+len(match))
		if strings.Contains(line, allowSignature) {
			continue
		}
		secret := r.secret(match)
		if r.entropy != 0 && entropy(secret) <= r.entropy {
			continue
		}
		seen := [...]string{ofSecret: secret, ofMatch: match, ofLine: line}
		if !excused(everywhere, seen) && !excused(r.allowed, seen) {
			return true
		}
	}
	return false
}

// secret is the part of a match that a rule calls one.
func (r *rule) secret(match string) string {
	groups := r.whole.get().FindStringSubmatch(match)
	if len(groups) < 2 {
		return match
	}
	if r.group > 0 {
		return groups[r.group]
	}
	for _, group := range groups[1:] {
		if group != "" {
			return group
		}
	}
	return match
}

// line is what the library takes for the line around text[start:end]: with the line feed
// before it; and on a last line that no line feed ends, all text before it.
func line(text string, start, end int) string {
	if !strings.Contains(text, "\n") {
		return text
	}
	feed := strings.IndexByte(text[min(start+1, len(text)):], '\n')
	if feed < 0 {
		if stop := strings.IndexAny(text[end:], "\r\n"); stop >= 0 {
			return text[:end+stop]
		}
		return text
	}
	from := max(0, strings.LastIndexByte(text[:start+1], '\n'))
	if stop := strings.IndexByte(text[end:], '\n'); stop >= 0 {
		return text[from : end+stop]
	}
	return text[from:max(start+1+feed, end)]
}

// entropy of a text in bits for each letter, as the library counts it.
func entropy(text string) (bits float64) {
	counts := map[rune]int{}
	for _, r := range text {
		counts[r]++
	}
	for _, n := range counts {
		share := float64(n) / float64(len(text))
		bits -= share * math.Log2(share)
	}
	return bits
}
