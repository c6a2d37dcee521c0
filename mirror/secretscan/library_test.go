package secretscan

import (
	"maps"
	"math/rand/v2"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/zricethezav/gitleaks/v8/detect"
	"pgregory.net/rapid"
)

// agree holds a finding against the library's, and tells whether there was one. The library
// goes over its rules in no order, so any that it names will do.
func agree(t interface {
	Helper()
	Errorf(string, ...any)
}, library *detect.Detector, text string,
) bool {
	t.Helper()
	var named []string
	for _, finding := range library.DetectString(text) {
		named = append(named, finding.RuleID)
	}
	switch got := find(text); {
	case got == "" && len(named) > 0:
		t.Errorf("%v slips through in %q", named, text)
	case got != "" && !slices.Contains(named, got):
		t.Errorf("%s is found and not %v in %q", got, named, text)
	}
	return len(named) > 0
}

// Credentials of every rule are found, and excused, as the library does it.
func TestEveryRuleFindsWhatTheLibraryFinds(t *testing.T) {
	library := library(t)
	for i := range rules {
		r := &rules[i]
		t.Run(r.id, func(t *testing.T) {
			random := rand.New(rand.NewPCG(uint64(i), 1))
			tree, err := syntax.Parse(r.whole.source, syntax.Perl)
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for round := 0; round < 4 || found == 0 && round < 40; round++ { // some are rarely random enough
				secret := credential(random, tree)
				if len(r.keywords) > 0 && !slices.ContainsFunc(r.keywords, func(word string) bool { return strings.Contains(strings.ToLower(secret), word) }) {
					secret = r.keywords[random.IntN(len(r.keywords))] + " " + secret
				}
				for _, text := range surroundings(random, secret) {
					if agree(t, library, text) {
						found++
					}
				}
			}
			if found == 0 {
				t.Errorf("no text had a credential")
			}
		})
	}
}

// surroundings are texts with a credential, whole and harmed.
func surroundings(random *rand.Rand, secret string) []string {
	stops := rules[len(rules)-1].allowed
	cut := random.IntN(len(secret))
	return []string{
		secret,
		"Use this:\n\n" + secret + "\nand nothing else.\r\n",
		"x" + secret + "x",
		"key = '" + secret + "' # " + allowSignature,
		"# " + allowSignature + "\nkey: " + secret,
		"# " + allowSignature + "\nkey: " + secret + "\n",
		"kein Geheimni\u017f; 300\u212a: " + strings.NewReplacer("s", "\u017f", "K", "\u212a").Replace(secret) + " \xff",
		strings.ToUpper(secret) + ";" + strings.ToLower(secret),
		secret[:cut] + stops[1].words[random.IntN(len(stops[1].words))] + secret[cut:] + "\n",
		secret[:cut] + "\n" + secret[cut:],
		secret[cut:],
		"t\u00f6ken\u00a0" + secret + "\u2026",
	}
}

// credential is a text that an expression matches, borders of words aside.
func credential(random *rand.Rand, part *syntax.Regexp) string {
	repeat := func(least, most int) string {
		if most < 0 {
			most = least + 20
		}
		var out strings.Builder
		for range least + random.IntN(most-least+1) {
			out.WriteString(credential(random, part.Sub[0]))
		}
		return out.String()
	}
	switch part.Op {
	case syntax.OpLiteral:
		return string(part.Rune)
	case syntax.OpCharClass:
		i := 2 * random.IntN(len(part.Rune)/2)
		low, high := part.Rune[i], min(part.Rune[i+1], max(part.Rune[i], '~'))
		if r := low + random.Int32N(high-low+1); utf8.ValidRune(r) {
			return string(r)
		}
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return string(' ' + random.Int32N('~'-' '))
	case syntax.OpCapture:
		return credential(random, part.Sub[0])
	case syntax.OpStar:
		return repeat(0, -1)
	case syntax.OpPlus:
		return repeat(1, -1)
	case syntax.OpQuest:
		return repeat(0, 1)
	case syntax.OpRepeat:
		return repeat(part.Min, part.Max)
	case syntax.OpAlternate:
		return credential(random, part.Sub[random.IntN(len(part.Sub))])
	case syntax.OpConcat:
		var out strings.Builder
		for _, sub := range part.Sub {
			out.WriteString(credential(random, sub))
		}
		return out.String()
	}
	return ""
}

// So are words of rules in any company.
func TestAnyTextIsJudgedAsTheLibraryDoes(t *testing.T) {
	library := library(t)
	keywords := slices.Sorted(maps.Keys(library.Config.Keywords))
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(
			rapid.SampledFrom(keywords),
			rapid.SampledFrom([]string{
				" = ", ": ", "=", " := ", "'", `"`, "\n", " ", "_", "-", ".", "`", ";", "https://", "@",
				"\u017f", "\u212a", allowSignature, "\r\n", githubToken, privateKey,
			}),
			rapid.StringMatching(`[A-Za-z0-9]{8,64}`),
			rapid.StringMatching(`[a-f0-9]{32,64}`),
			rapid.StringMatching(`[ -~]{0,20}`),
		)
		if agree(t, library, strings.Join(rapid.SliceOfN(part, 1, 12).Draw(t, "parts"), "")) {
			found++
		}
	})
	if found == 0 {
		t.Error("no text had a credential")
	}
}

func FuzzFind(f *testing.F) {
	library := library(f)
	random := rand.New(rand.NewPCG(1, 1))
	for i := range rules {
		tree, err := syntax.Parse(rules[i].whole.source, syntax.Perl)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(rules[i].keywords[0] + " = \"" + credential(random, tree) + "\"\n")
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) <= maxScan {
			agree(t, library, text)
		}
	})
}
