package mirror

import "log/slog"

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
