package clone

import (
	"strings"
	"unicode"
)

// maxShown bounds a remote's text in a message, in bytes.
const maxShown = 500

// cleanText makes a remote's text fit to be shown: one line, no control
// characters, bounded.
func cleanText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsSpace(r) {
			return ' '
		}
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown-3], "") + "..."
	}
	return s
}

// firstLine is the first line of a body that says something.
func firstLine(body string) string {
	for line := range strings.Lines(body) {
		if line = cleanText(line); line != "" {
			return line
		}
	}
	return ""
}

func containsFold(s string, subs ...string) bool {
	s = strings.ToLower(s)
	for _, sub := range subs {
		if strings.Contains(s, strings.ToLower(sub)) {
			return true
		}
	}
	return false
}
