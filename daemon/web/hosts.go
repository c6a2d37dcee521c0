package web

import (
	"fmt"
	"net/netip"
	"net/url"
	"strings"
)

// refusedHost says why a connection made by API or panel may not name an address's
// host; "" if it may. Whoever may make a connection could otherwise have the daemon
// ask any machine that it reaches.
func refusedHost(address string, allowed []string) string {
	if address == "" {
		return ""
	}
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return "" // Settings.Check has said so
	}
	host := canonicalHost(u.Hostname())
	if neverAsked(host) {
		return fmt.Sprintf("%q: a link-local or metadata address, which no connection may name", host)
	}
	if host == "bitbucket.org" || strings.HasSuffix(host, ".bitbucket.org") {
		return ""
	}
	for _, other := range allowed {
		if host == canonicalHost(other) {
			return ""
		}
	}
	return fmt.Sprintf("%q: the host is neither Bitbucket's nor listed in the configuration's http.allowed_hosts; expected bitbucket.org, one of its subdomains, or a listed host", host)
}

// canonicalHost is a host's name or address in the one form that equal ones share.
func canonicalHost(host string) string {
	host = strings.ToLower(strings.TrimSuffix(strings.Trim(strings.TrimSpace(host), "[]"), "."))
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return host
}

// neverAsked are the hosts at which clouds hand out credentials to whoever asks from
// inside. Listing them does not help.
func neverAsked(host string) bool {
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host == "metadata" || host == "metadata.google.internal" || host == "instance-data.ec2.internal"
	}
	return NeverAsked(ip)
}

// NeverAsked reports whether no connection may lead to an address, whatever name
// stood for it: link-local, a cloud's metadata, or none of a machine.
func NeverAsked(ip netip.Addr) bool {
	ip = ip.Unmap().WithZone("")
	return ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() || ip.IsUnspecified() || ip.IsMulticast() ||
		ip == netip.MustParseAddr("fd00:ec2::254") || ip == netip.MustParseAddr("100.100.100.200")
}
