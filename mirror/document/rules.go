package document

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// A rule says what is wrong with a text, in words that follow the place's name,
// or "" if nothing is. It never repeats the text.

func oneOf(allowed ...string) func(string) string {
	return func(s string) string {
		if slices.Contains(allowed, s) {
			return ""
		}
		last := len(allowed) - 1
		return "must be " + strings.Join(allowed[:last], ", ") + " or " + allowed[last]
	}
}

func slugOf(k Kind) func(string) string {
	return func(s string) string {
		if ValidSlug(k, s) {
			return ""
		}
		return "is no valid " + k.Singular() + " slug"
	}
}

// serverURL is the rule for an MCP server's url.
func serverURL(s string) string {
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
}

// secureURL is the rule for the pages of an MCP client.
func secureURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "is no valid URL"
	}
	if u.Scheme != "https" || u.Hostname() == "" {
		return "must be an https URL with a host"
	}
	return ""
}

// unsafeSchemes run or show what the URI itself carries; a redirect to one would
// hand the authorization code to whoever wrote it.
var unsafeSchemes = []string{"javascript", "data", "file", "vbscript", "blob", "about", "filesystem", "view-source"}

// redirectURI is the rule for an element of redirect_uris (RFC 8252).
func redirectURI(s string) string {
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
