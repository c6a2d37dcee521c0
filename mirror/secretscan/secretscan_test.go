package secretscan

import (
	"strings"
	"testing"
)

// The credentials are made up and taken apart, so that no scanner stumbles over this file.
var (
	githubToken = "ghp_" + "x7Kq2mZ9vR4tL8wN1pB6cY3dF5gH0jS2aQ9e"
	privateKey  = "-----BEGIN RSA " + "PRIVATE KEY-----\n" + strings.Repeat("MIIEpAIBAAKCAQEAx7Kq2mZ9vR4tL8wN1pB6cY3dF5gH0jS2\n", 8) + "-----END RSA " + "PRIVATE KEY-----\n"
)

func TestFind(t *testing.T) {
	s := New()
	for _, c := range []struct{ name, text, rule string }{
		{"nothing", "Summarize the issue in two sentences, and keep the numbers.", ""},
		{"a token", "--token=" + githubToken, "github-pat"},
		{"a private key", "Use this key:\n" + privateKey, "private-key"},
		{"far inside", strings.Repeat("harmless text, line after line\n", 10_000) + githubToken, "github-pat"},
		{"on a border of two pieces", strings.Repeat("x y\n", maxScan/4)[:maxScan-10] + "\n" + githubToken + "\n", "github-pat"},
		{"more than one", "token = " + githubToken + "; secret = " + githubToken, "github-pat"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.Find(c.text); got != c.rule {
				t.Errorf("got %q, want %q", got, c.rule)
			}
		})
	}
}

// What no text asks for is not held in memory.
func TestHarmlessTextCompilesNothing(t *testing.T) {
	allWords().walk("Summarize the issue in two sentences, and keep all numbers in it", func(end int, found *word) {
		t.Errorf("a word of %d letters at %d asks %v and %v", found.length, end, found.here, found.anywhere)
	})
	if states, table := len(allWords().last), len(allWords().next); states < 1000 || table > 200_000 {
		t.Errorf("the automaton has %d states, and a table of %d", states, table)
	}
}

func BenchmarkFind(b *testing.B) {
	for _, c := range []struct{ name, text string }{
		{"prose", "The quick brown fox jumps over the lazy dog, and nobody knows why it would do so on a sunny day in the middle of it. "},
		{"words", "The tool lists open issues, reads the secret's name and asks for a token of the bot account when the key has expired. "},
		{"suspect", "Set api_key: $API_KEY_OF_BOT and ask jira at https://bot:password@example.com for the list of issues that are open. "},
	} {
		b.Run(c.name, func(b *testing.B) {
			text := strings.Repeat(c.text, 20)
			s := New()
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				s.Find(text)
			}
		})
	}
}
