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

// mostMarks: among more of them is one in any text.
const mostMarks = 8

// signs are letters that no word has, of which every match has one within so many letters
// from its beginning; "" when none can be told. Prose has words that a rule begins with in
// every other line, but rarely such a sign behind them.
func signs(tree *syntax.Regexp) (marks string, within int) {
	if tree.Op != syntax.OpConcat {
		return "", 0
	}
	for _, part := range tree.Sub {
		if marks := firstSigns(part); marks != "" {
			return marks, within + 1
		}
		most, bounded := longest(part)
		if !bounded {
			break
		}
		within += most
	}
	return "", 0
}

// firstSigns are all letters that a part may begin with, if they are signs.
func firstSigns(part *syntax.Regexp) string {
	found, ok := begin(part)
	if !ok {
		return ""
	}
	var letters []byte
	for _, b := range found {
		if b.word == "" || b.word[0] == '_' || unicode.IsLetter(rune(b.word[0])) || unicode.IsDigit(rune(b.word[0])) || unicode.IsSpace(rune(b.word[0])) {
			return ""
		}
		letters = append(letters, b.word[0])
	}
	slices.Sort(letters)
	if letters = slices.Compact(letters); len(letters) > mostMarks {
		return ""
	}
	return string(letters)
}

// longest is how many letters a part matches at most.
func longest(part *syntax.Regexp) (letters int, bounded bool) {
	switch part.Op {
	case syntax.OpEmptyMatch, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return 0, true
	case syntax.OpLiteral:
		return len(part.Rune), true
	case syntax.OpCharClass, syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return 1, true
	case syntax.OpCapture, syntax.OpQuest:
		return longest(part.Sub[0])
	case syntax.OpRepeat:
		most, bounded := longest(part.Sub[0])
		return most * part.Max, bounded && part.Max >= 0
	case syntax.OpConcat, syntax.OpAlternate:
		for _, sub := range part.Sub {
			most, bounded := longest(sub)
			if !bounded {
				return 0, false
			}
			if part.Op == syntax.OpConcat {
				letters += most
			} else {
				letters = max(letters, most)
			}
		}
		return letters, true
	}
	return 0, false
}
