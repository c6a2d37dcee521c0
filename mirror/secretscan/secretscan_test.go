package secretscan

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
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
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.Find(c.text); got != c.rule {
				t.Errorf("got %q, want %q", got, c.rule)
			}
		})
	}
}

// What the library finds, the filter before it suspects.
func TestNothingSlipsThroughTheFilter(t *testing.T) {
	r, err := New().load()
	if err != nil {
		t.Fatal(err)
	}
	var keywords []string
	for _, rule := range r.detector.Config.Rules {
		keywords = append(keywords, rule.Keywords...)
	}
	slices.Sort(keywords)
	if len(r.suspects.always) > 3 || len(r.suspects.byWord) < 200 {
		t.Errorf("the rules were not understood: %d without words, %d words", len(r.suspects.always), len(r.suspects.byWord))
	}
	found := 0
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(
			rapid.SampledFrom(keywords),
			rapid.SampledFrom([]string{" = ", ": ", "=", " := ", "'", `"`, "\n", " ", "_", "-", ".", "`", ";", "https://", "@", githubToken, privateKey}),
			rapid.StringMatching(`[A-Za-z0-9]{8,64}`),
			rapid.StringMatching(`[a-f0-9]{32,64}`),
			rapid.StringMatching(`[ -~]{0,20}`),
		)
		text := strings.Join(rapid.SliceOfN(part, 1, 12).Draw(t, "parts"), "")
		if len(r.detector.DetectString(text)) > 0 {
			found++
			if !r.suspects.any(text) {
				t.Fatalf("not suspected: %q", text)
			}
		}
	})
	if found == 0 {
		t.Error("no text had a credential")
	}
}

// BenchmarkFind scans prose in which some words are keywords of rules.
func BenchmarkFind(b *testing.B) {
	text := strings.Repeat("The tool lists open issues, reads the secret's name and asks for a token of the bot account when the key has expired. ", 20)
	s := New()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if s.Find(text) != "" {
			b.Fatal("prose is taken for a credential")
		}
	}
}
