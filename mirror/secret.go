package mirror

import (
	"encoding/base64"
	"log/slog"
	"strings"
)

// Redacted is what a Secret prints as.
const Redacted = "[redacted]"

// Secret holds a credential. It prints, logs and marshals as [Redacted]; only
// Reveal gives the value.
type Secret struct{ value string }

// NewSecret wraps a credential.
func NewSecret(value string) Secret { return Secret{value} }

// Reveal returns the credential. Call it where it is sent or sealed, nowhere else.
func (s Secret) Reveal() string { return s.value }

// IsZero reports whether there is no credential.
func (s Secret) IsZero() bool { return s.value == "" }

func (s Secret) String() string {
	if s.value == "" {
		return ""
	}
	return Redacted
}

func (s Secret) GoString() string              { return `mirror.NewSecret("` + s.String() + `")` }
func (s Secret) MarshalText() ([]byte, error)  { return []byte(s.String()), nil }
func (s Secret) MarshalYAML() (any, error)     { return s.String(), nil }
func (s Secret) LogValue() slog.Value          { return slog.StringValue(s.String()) }
func (s *Secret) UnmarshalText(b []byte) error { s.value = string(b); return nil }

// Conceal takes secrets out of a text that somebody else wrote, such as a refusal that
// repeats what it was sent. Cut the text afterwards: what is left of a secret is not found.
func Conceal(text string, secrets ...string) string {
	for _, s := range secrets {
		if s != "" {
			text = strings.ReplaceAll(text, s, Redacted)
		}
	}
	return text
}

// BasicAuth is a user and a password as a header of HTTP holds them.
func BasicAuth(user, password string) string {
	return base64.StdEncoding.EncodeToString([]byte(user + ":" + password))
}
