package secretscan

import (
	"regexp/syntax"
	"slices"
	"unicode"
)

// trim cuts optional parts off both ends of an expression. An assertion (a word's
// border, the end of the text) is none and stops it: what stands beside it matters.
func trim(tree *syntax.Regexp) {
	if tree.Op == syntax.OpAlternate {
		for _, sub := range tree.Sub {
			trim(sub)
		}
	}
	if tree.Op != syntax.OpConcat {
		return
	}
	for len(tree.Sub) > 1 && optional(tree.Sub[0]) {
		tree.Sub = tree.Sub[1:]
	}
	for last := len(tree.Sub) - 1; last > 0 && optional(tree.Sub[last]); last-- {
		tree.Sub = tree.Sub[:last]
	}
}

func optional(part *syntax.Regexp) bool {
	switch part.Op {
	case syntax.OpStar, syntax.OpQuest, syntax.OpEmptyMatch:
		return true
	case syntax.OpRepeat:
		return part.Min == 0
	case syntax.OpCapture:
		return optional(part.Sub[0])
	}
	return false
}

// Bounds of beginnings.
const (
	mostBeginnings    = 300
	shortestBeginning = 2
	longestBeginning  = 8
)

// beginnings are words, in lower case, of which every match begins with one; nil when
// there are too many, too short ones, or none can be told.
func beginnings(tree *syntax.Regexp) []string {
	found, ok := begin(tree)
	if !ok {
		return nil
	}
	var words []string
	for _, b := range found {
		if len(b.word) < shortestBeginning {
			return nil
		}
		words = append(words, b.word)
	}
	slices.Sort(words)
	words = slices.Compact(words)
	// A word that begins with another one is found with it.
	return slices.DeleteFunc(words, func(word string) bool {
		return slices.ContainsFunc(words, func(other string) bool {
			return len(other) < len(word) && word[:len(other)] == other
		})
	})
}

// beginning is how a match may begin. One that is open goes on in a way that is not told.
type beginning struct {
	word string
	open bool
}

func begin(part *syntax.Regexp) (found []beginning, ok bool) {
	switch part.Op {
	case syntax.OpEmptyMatch, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpEndLine, syntax.OpEndText:
		return []beginning{{}}, true
	case syntax.OpBeginLine, syntax.OpBeginText:
		return nil, false // asks for more than one byte before
	case syntax.OpLiteral:
		word := ""
		for _, r := range part.Rune {
			if r > unicode.MaxASCII {
				return nil, false
			}
			word += string(unicode.ToLower(r))
		}
		return []beginning{{word: word}}, true
	case syntax.OpCharClass:
		return beginClass(part.Rune), true
	case syntax.OpCapture:
		return begin(part.Sub[0])
	case syntax.OpPlus:
		return beginOpen(part.Sub[0])
	case syntax.OpRepeat:
		if part.Min > 0 {
			return beginOpen(part.Sub[0])
		}
	case syntax.OpAlternate:
		for _, sub := range part.Sub {
			more, ok := begin(sub)
			if found = append(found, more...); !ok || len(found) > mostBeginnings {
				return nil, false
			}
		}
		return found, true
	case syntax.OpConcat:
		return beginConcat(part.Sub)
	}
	return []beginning{{open: true}}, true
}

func beginOpen(part *syntax.Regexp) ([]beginning, bool) {
	found, ok := begin(part)
	for i := range found {
		found[i].open = true
	}
	return found, ok
}

// beginClass spells a small class out.
func beginClass(ranges []rune) (found []beginning) {
	const most = 16
	for i := 0; i < len(ranges); i += 2 {
		for r := ranges[i]; r <= ranges[i+1]; r++ {
			if r == '\u017f' || r == '\u212a' {
				continue // taken for s and k
			}
			if b := (beginning{word: string(unicode.ToLower(r))}); !slices.Contains(found, b) {
				found = append(found, b)
			}
			if len(found) > most || r > unicode.MaxASCII {
				return []beginning{{open: true}}
			}
		}
	}
	return found
}

func beginConcat(parts []*syntax.Regexp) ([]beginning, bool) {
	found := []beginning{{}}
	for _, part := range parts {
		if !slices.ContainsFunc(found, func(b beginning) bool { return !b.open }) {
			break
		}
		next, ok := begin(part)
		if !ok {
			return nil, false
		}
		var longer []beginning
		for _, b := range found {
			if b.open || len(b.word) >= longestBeginning {
				longer = append(longer, beginning{b.word, true})
				continue
			}
			for _, n := range next {
				longer = append(longer, beginning{b.word + n.word, n.open})
			}
		}
		if len(longer) > mostBeginnings {
			for i := range found {
				found[i].open = true
			}
			break
		}
		found = longer
	}
	return found, true
}
