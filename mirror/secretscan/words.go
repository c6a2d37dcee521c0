package secretscan

import (
	"slices"
	"sync"
	"unicode"
)

// words is an automaton that finds all words of all rules in one pass over a text (after
// Aho and Corasick), whatever their case. Letters that no word has are one class, so its
// table is small.
type words struct {
	class   [unicode.MaxASCII + 1]uint8 // of a letter; 0 is in no word
	classes int
	next    []uint16 // by state and class; state 0 is the beginning
	last    []uint16 // by state: the same state if a word ends there, or else that of the longest word that its end is; 0 is none
	shorter []uint16 // by state of a word: that of the longest shorter word that its end is; 0 is none
	found   map[uint16]*word
}

// word is one that rules wait for.
type word struct {
	length   int      // in letters
	here     []uint16 // rules of which a match may begin with it
	anywhere []uint16 // rules that may match anywhere in a text that has it
}

// allWords is made with the first scan, within a millisecond.
var allWords = sync.OnceValue(func() *words {
	w := &words{classes: 1, found: map[uint16]*word{}}
	for i := range rules {
		for _, text := range slices.Concat(rules[i].words, rules[i].keywords) {
			for _, letter := range []byte(text) {
				if w.class[letter] == 0 {
					w.class[letter] = uint8(w.classes)
					w.classes++
				}
			}
		}
	}
	for c := byte('A'); c <= 'Z'; c++ {
		w.class[c] = w.class[c+'a'-'A']
	}
	w.grow()
	for i := range rules {
		r := &rules[i]
		for _, text := range r.words {
			word := w.add(text)
			word.here = append(word.here, uint16(i))
		}
		if r.words != nil {
			continue
		}
		for _, text := range r.keywords {
			word := w.add(text)
			word.anywhere = append(word.anywhere, uint16(i))
		}
	}
	w.link()
	return w
})

func (w *words) grow() (state uint16) {
	w.next = append(w.next, make([]uint16, w.classes)...)
	w.last, w.shorter = append(w.last, 0), append(w.shorter, 0)
	return uint16(len(w.last) - 1)
}

func (w *words) add(text string) *word {
	state := uint16(0)
	for _, letter := range []byte(text) {
		at := int(state)*w.classes + int(w.class[letter])
		if w.next[at] == 0 {
			grown := w.grow()
			w.next[at] = grown
		}
		state = w.next[at]
	}
	if w.found[state] == nil {
		w.found[state] = &word{length: len(text)}
		w.last[state] = state
	}
	return w.found[state]
}

// link makes of a tree of words an automaton that never looks back: where the tree ends,
// it goes on from the longest end of what was read that is in the tree.
func (w *words) link() {
	back := make([]uint16, len(w.last)) // by state: that of its longest proper end
	queue := []uint16{0}
	for ; len(queue) > 0; queue = queue[1:] {
		state := queue[0]
		for class := range w.classes {
			next := &w.next[int(state)*w.classes+class]
			fallback := w.next[int(back[state])*w.classes+class]
			if *next == 0 {
				*next = fallback
				continue
			}
			if state != 0 {
				back[*next] = fallback
			}
			w.shorter[*next] = w.last[back[*next]]
			if w.last[*next] == 0 {
				w.last[*next] = w.shorter[*next]
			}
			queue = append(queue, *next)
		}
	}
}

// The only letters beyond ASCII that count as one of its letters when case does not matter.
const (
	longS  = '\u017f'
	kelvin = '\u212a'
)

// walk visits every word in text, with the end of its place.
func (w *words) walk(text string, visit func(end int, found *word)) {
	state := uint16(0)
	for i, letter := range text {
		size := 1
		switch {
		case letter == longS:
			letter, size = 's', len("\u017f")
		case letter == kelvin:
			letter, size = 'k', len("\u212a")
		case letter > unicode.MaxASCII:
			state = 0
			continue
		}
		state = w.next[int(state)*w.classes+int(w.class[letter])]
		for at := w.last[state]; at != 0; at = w.shorter[at] {
			visit(i+size, w.found[at])
		}
	}
}
