package secretscan

import (
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	ahocorasick "github.com/BobuSumisu/aho-corasick"
	"github.com/zricethezav/gitleaks/v8/config"
)

// suspects tell cheaply that no rule can match a text. What they suspect goes to the
// library, whose word counts; what they do not suspect it would not find either.
//
// An expression matches somewhere in a text if and only if it does without the
// optional parts at its ends ("up to fifty letters before the word token", which is
// what takes the time). What is left begins, in nearly every rule, with one of a few
// words: all of these are looked for at once, and the expression is tried where one
// stands and nowhere else.
type suspects struct {
	words   *ahocorasick.Trie
	byWord  [][]*regexp.Regexp // by the index of the word; each begins with the byte before it
	keyword [][]*regexp.Regexp // by the same index: of rules that a keyword stands for, anywhere in the text
	always  []*regexp.Regexp   // of rules that have neither
}

func newSuspects(rules map[string]config.Rule) suspects {
	type tries struct{ here, anywhere []*regexp.Regexp }
	byWord := map[string]*tries{}
	of := func(word string) *tries {
		if byWord[word] == nil {
			byWord[word] = &tries{}
		}
		return byWord[word]
	}
	var s suspects
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		rule := rules[id]
		if rule.Regex == nil {
			continue // about paths, of which texts have none
		}
		tree, err := syntax.Parse(rule.Regex.String(), syntax.Perl)
		if err != nil {
			s.always = append(s.always, regexp.MustCompile(rule.Regex.String()))
			continue
		}
		trim(tree)
		expression := "(?:" + tree.String() + ")"
		if words := beginnings(tree); words != nil {
			here := regexp.MustCompile(`\A(?s:.)` + expression)
			for _, word := range words {
				of(word).here = append(of(word).here, here)
			}
			continue
		}
		anywhere := regexp.MustCompile(expression)
		if len(rule.Keywords) == 0 {
			s.always = append(s.always, anywhere)
		}
		for _, word := range rule.Keywords {
			word = strings.ToLower(word)
			of(word).anywhere = append(of(word).anywhere, anywhere)
		}
	}
	builder := ahocorasick.NewTrieBuilder()
	for _, word := range slices.Sorted(maps.Keys(byWord)) {
		builder.AddString(word)
		s.byWord = append(s.byWord, byWord[word].here)
		s.keyword = append(s.keyword, byWord[word].anywhere)
	}
	s.words = builder.Build()
	return s
}

// foreign letters are the only ones beyond ASCII that count as one of its letters when
// case does not matter.
const foreign = "\u017f\u212a"

// any reports whether a rule may match.
func (s *suspects) any(text string) bool {
	if strings.ContainsAny(text, foreign) {
		return true
	}
	for _, expression := range s.always {
		if expression.MatchString(text) {
			return true
		}
	}
	text = "\n" + text // something stands before every word
	var asked []*regexp.Regexp
	found := false
	s.words.Walk(lower(text), func(end, n, word int64) bool {
		for _, expression := range s.byWord[word] {
			if found = expression.MatchString(text[end-n:]); found {
				return false
			}
		}
		for _, expression := range s.keyword[word] {
			if slices.Contains(asked, expression) {
				continue
			}
			asked = append(asked, expression)
			if found = expression.MatchString(text); found {
				return false
			}
		}
		return true
	})
	return found
}

// lower changes ASCII letters only, so that places stay what they are.
func lower(text string) []byte {
	out := []byte(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}
