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
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := s.Find(c.text); got != c.rule {
				t.Errorf("got %q, want %q", got, c.rule)
			}
		})
	}
}
