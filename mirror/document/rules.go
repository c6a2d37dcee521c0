package document

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// rule is what a text has to obey beside its length.
type rule struct {
	// wrong tells what breaks the rule, in words that follow the place's name, or "" if
	// nothing does. It never repeats the text.
	wrong func(text string) string
	// says is as much of the rule as JSON Schema can say: it refuses no text that wrong accepts.
	says object
}

func oneOf(allowed ...string) *rule {
	last := len(allowed) - 1
	refusal := "must be " + strings.Join(allowed[:last], ", ") + " or " + allowed[last]
	return &rule{
		wrong: func(s string) string {
			if slices.Contains(allowed, s) {
				return ""
			}
			return refusal
		},
		says: object{{"enum", allowed}},
	}
}

func slugOf(k Kind) *rule {
	joints, longest := k.slugForm()
	return &rule{
		wrong: func(s string) string {
			if ValidSlug(k, s) {
				return ""
			}
			return "is no valid " + k.Singular() + " slug"
		},
		says: object{{"maxLength", longest}, {"pattern", "^[a-z0-9]+(?:[" + joints + "][a-z0-9]+)*$"}},
	}
}

// serverURL is the rule for an MCP server's url.
var serverURL = &rule{
	wrong: func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return "is no valid URL"
		}
		switch {
		case u.Scheme != "http" && u.Scheme != "https":
			return "must be an http or https URL"
		case u.Hostname() == "":
			return "must be a URL with a host"
		case u.User != nil:
			return "must not hold a user or password"
		}
		return ""
	},
	says: object{{"pattern", "^" + anyCase("http") + "[sS]?://[^/?#@]+(?:[/?#]|$)"}},
}

// secureURL is the rule for the pages of an MCP client.
var secureURL = &rule{
	wrong: func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return "is no valid URL"
		}
		if u.Scheme != "https" || u.Hostname() == "" {
			return "must be an https URL with a host"
		}
		return ""
	},
	says: object{{"pattern", "^" + anyCase("https") + "://[^/?#]"}},
}

// unsafeSchemes run or show what the URI itself carries; a redirect to one would
// hand the authorization code to whoever wrote it.
var unsafeSchemes = []string{"javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "view-source"}

// redirectURI is the rule for an element of redirect_uris (RFC 8252).
var redirectURI = &rule{
	wrong: func(s string) string {
		u, err := url.Parse(s)
		if err != nil {
			return "is no valid URI"
		}
		switch {
		case u.Scheme == "":
			return "must be an absolute URI"
		case u.Scheme == "https":
			if u.Hostname() == "" {
				return "must be a URI with a host"
			}
		case u.Scheme == "http":
			if !Loopback(u.Hostname()) {
				return "must be https, http is for loopback hosts only"
			}
		case slices.Contains(unsafeSchemes, u.Scheme):
			return "has a scheme that is not allowed for a redirect"
		case u.Opaque == "" && u.Host == "" && u.Path == "" && u.RawQuery == "":
			return "must have something after the scheme"
		}
		return ""
	},
	says: object{
		{"pattern", "^[a-zA-Z][a-zA-Z0-9+.-]*:."},
		{"not", object{{"pattern", "^(?:" + anyCase(strings.Join(unsafeSchemes, "|")) + "):"}}},
		{"allOf", []any{
			object{{"if", object{{"pattern", "^" + anyCase("https") + ":"}}}, {"then", secureURL.says}},
			object{{"if", object{{"pattern", "^" + anyCase("http") + ":"}}}, {"then", object{{"pattern", loopbackURL}}}},
		}},
	},
}

// Loopback reports whether a host name or address (without port) is this machine's
// own: nothing that is sent there over plain http can be read on the way.
func Loopback(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().IsLoopback()
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}

// loopbackURL is the pattern of URLs whose host is Loopback, and of some more: whether an
// IPv6 address is one cannot be said shortly.
var loopbackURL = "^[^:]*://(?:[^/?#]*@)?(?:" +
	"127\\.[0-9.]+|\\[[^\\]]*\\]|(?:[^/?#@:]*\\.)?" + anyCase("localhost") + "\\.?" +
	")(?::[0-9]*)?(?:[/?#]|$)"

// anyCase is a pattern for a text in upper and lower case; schemes and hosts come in both.
func anyCase(text string) string {
	var out strings.Builder
	for _, r := range text {
		if unicode.IsLetter(r) {
			out.WriteString("[" + string(r) + string(unicode.ToUpper(r)) + "]")
		} else {
			out.WriteRune(r)
		}
	}
	return out.String()
}
