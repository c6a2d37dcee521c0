package document

import (
	"net"
	"net/url"
	"strings"
)

// Target is who gets the values of an MCP server's env and headers: its type, and
// the command that is run or the scheme, host and port that are called. Servers
// with equal targets hand their values to the same one, whatever the arguments or
// the path. "" for a document that names nobody, and for other kinds.
//
// It tells nothing that a file could not: of a url another program wrote, user and
// password are no part of it.
func Target(d *Document) string {
	if d == nil || d.Kind != MCPServers {
		return ""
	}
	text := func(name string) string {
		value, _ := d.Fields[name].(string)
		return value
	}
	switch kind := text("type"); kind {
	case "stdio":
		if command := text("command"); command != "" {
			return "stdio " + command
		}
	case "http", "streamable-http", "sse":
		if origin := origin(text("url")); origin != "" {
			return strings.TrimPrefix(kind, "streamable-") + " " + origin
		}
	}
	return ""
}

// origin is a URL's scheme, host and port, the scheme's own port included; "" if
// the rule for a server's url refuses it for want of them.
func origin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return ""
	case port == "" && u.Scheme == "http":
		port = "80"
	case port == "":
		port = "443"
	}
	return u.Scheme + "://" + net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}
