package secretscan

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// suspects are the rules that a text may break, by their place in the table; it breaks no
// other one. That is cheap to tell, and nearly all text ends here.
//
// An expression matches somewhere in a text if and only if it does without the optional
// parts at its ends ("up to fifty letters before the word token", which is what takes the
// time). What is left, a rule's start, begins in nearly every rule with one of a few
// words: all of these are looked for at once, and the start is tried where one stands and
// nowhere else.
func suspects(text string) (found []uint16) {
	var asked []uint16 // rules that said no, and look anywhere
	allWords().walk(text, func(end int, word *word) {
		for _, i := range word.here {
			if !slices.Contains(found, i) && rules[i].marked(text[end:]) && rules[i].start.get().MatchString(before(text, end, word.length)) {
				found = append(found, i)
			}
		}
		for _, i := range word.anywhere {
			if slices.Contains(found, i) || slices.Contains(asked, i) {
				continue
			}
			if rules[i].start.get().MatchString(text) {
				found = append(found, i)
			} else {
				asked = append(asked, i)
			}
		}
	})
	return found
}

// before is text from the byte before a word on: an expression may ask what stands there.
func before(text string, end, letters int) string {
	for range letters {
		_, size := utf8.DecodeLastRuneInString(text[:end])
		end -= size
	}
	if end == 0 {
		return "\n" + text
	}
	return text[end-1:]
}

// marked reports whether the text behind a word has what a match has there. It is far
// cheaper to tell than a match.
func (r *rule) marked(text string) bool {
	if r.marks == "" {
		return true
	}
	letters := 0
	for i := 0; i < len(text) && letters < r.within; i++ {
		if c := text[i]; c < utf8.RuneSelf {
			if strings.IndexByte(r.marks, c) >= 0 {
				return true
			}
			letters++
		} else if utf8.RuneStart(c) {
			letters++
		}
	}
	return false
}
