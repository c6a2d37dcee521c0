package daemon

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/confmirror/confmirror/mirror"
)

// proxyHint ends the remedies of what a proxy could be the way around.
const proxyHint = " Where the Internet is reached by a proxy only, name it in HTTPS_PROXY."

// fault tells why a place was not reached, and what can be done.
func (p *place) fault() *mirror.Fault {
	var message, remedy string
	switch p.step {
	case "dns":
		message, remedy = p.notFound()
	case "proxy":
		message, remedy = p.proxyFault()
	case "connect":
		message, remedy = p.notConnected()
	default:
		message, remedy = p.notTrusted()
	}
	return &mirror.Fault{Code: mirror.CodeNetworkUnreachable, Message: message, Remedy: remedy, Class: mirror.Transient, Err: p.err}
}

// setting is the setting that a person looks at first.
func (p *place) setting() string { return p.settings[0] }

func (p *place) port() string {
	return cmp.Or(p.url.Port(), map[string]string{"https": "443", "http": "80"}[p.url.Scheme])
}

func (p *place) notFound() (message, remedy string) {
	name := p.url.Hostname()
	if dns, ok := errors.AsType[*net.DNSError](p.err); ok && dns.IsNotFound {
		return fmt.Sprintf("There is no host of the name %s (%s).", name, p.setting()),
			fmt.Sprintf("Check %s for a slip, and that this machine's DNS knows the name.", p.setting()) + proxyHint
	}
	return fmt.Sprintf("This machine's DNS does not answer, so that %s (%s) cannot be found.", name, p.setting()),
		"Check the machine's network and its name servers (/etc/resolv.conf)." + proxyHint
}

func (p *place) notConnected() (message, remedy string) {
	at := fmt.Sprintf("%s, port %s (%s)", p.url.Hostname(), p.port(), p.setting())
	switch {
	case errors.Is(p.err, syscall.ECONNREFUSED):
		return "Nobody takes connections at " + at + ".",
			fmt.Sprintf("Check host and port in %s, that the server runs, and the firewalls on the way.", p.setting()) + proxyHint
	case timedOut(p.err):
		return "No answer from " + at + ": a firewall may drop what is sent there.",
			fmt.Sprintf("Have connections from this machine to %s, port %s, allowed.", p.url.Hostname(), p.port()) + proxyHint
	}
	return "No connection to " + at + ": " + innermost(p.err) + ".", "Check the machine's network and the firewalls on the way." + proxyHint
}

func (p *place) notTrusted() (message, remedy string) {
	name := p.url.Hostname()
	of := fmt.Sprintf("The certificate of %s (%s)", name, p.setting())
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](p.err); ok && invalid.Reason == x509.Expired {
		when := "expired on " + invalid.Cert.NotAfter.UTC().Format(time.DateOnly)
		if now := time.Now(); now.Before(invalid.Cert.NotBefore) {
			when = "is not valid before " + invalid.Cert.NotBefore.UTC().Format(time.DateOnly)
		}
		return of + " " + when + ".",
			fmt.Sprintf("It has to be renewed on the server. If it is not that old: this machine's clock says %s.", time.Now().UTC().Format(time.DateTime))
	}
	if unknown, ok := errors.AsType[x509.UnknownAuthorityError](p.err); ok {
		return of + " is signed by " + issuerOf(unknown.Cert) + ", whom this machine does not trust.",
			"Install the authority's certificate in the system's store, or name a PEM file with it in SSL_CERT_FILE. A company's proxy that looks into TLS has an authority of its own."
	}
	if other, ok := errors.AsType[x509.HostnameError](p.err); ok {
		return of + " is for " + namesOf(other.Certificate) + ".",
			fmt.Sprintf("Write one of these names into %s, or have the server's certificate name %s, too.", p.setting(), name)
	}
	if _, plain := errors.AsType[tls.RecordHeaderError](p.err); plain || errors.Is(p.err, http.ErrSchemeMismatch) {
		return fmt.Sprintf("%s does not speak TLS at port %s (%s).", name, p.port(), p.setting()),
			fmt.Sprintf("Check the port in %s; http:// is for this machine itself only.", p.setting())
	}
	if timedOut(p.err) {
		return fmt.Sprintf("%s does not answer in the TLS handshake (%s).", name, p.setting()),
			"A firewall or a proxy on the way may hold TLS back: have it allowed." + proxyHint
	}
	return fmt.Sprintf("TLS with %s fails (%s): %s.", name, p.setting(), innermost(p.err)),
		fmt.Sprintf("Check the port in %s, and the server's TLS settings: version 1.2 or 1.3 is needed.", p.setting())
}

func (p *place) proxyFault() (message, remedy string) {
	if p.proxy == nil {
		return "HTTPS_PROXY is no address.", "Write HTTPS_PROXY as http://host:port, or http://user:password@host:port."
	}
	proxy := fmt.Sprintf("The proxy %s (HTTPS_PROXY)", p.proxy.Host) // without the password that it may have
	exempt := fmt.Sprintf(" If %s is reached without a proxy, name it in NO_PROXY.", p.url.Hostname())
	refusal, ok := errors.AsType[*proxyRefusal](p.err)
	switch {
	case ok && refusal.status == http.StatusProxyAuthRequired && p.proxy.User != nil:
		return proxy + " does not accept the user and password that it was given (407).", "Correct both in HTTPS_PROXY: http://user:password@host:port, with %-escapes for special characters." + exempt
	case ok && refusal.status == http.StatusProxyAuthRequired:
		return proxy + " asks for a user and a password (407).", "Write both into HTTPS_PROXY: http://user:password@host:port." + exempt
	case ok && refusal.status >= 500:
		return fmt.Sprintf("%s cannot reach %s, port %s (%s): it answers %d.", proxy, p.url.Hostname(), p.port(), p.setting(), refusal.status),
			fmt.Sprintf("Check %s, and ask who runs the proxy.", p.setting()) + exempt
	case ok:
		return fmt.Sprintf("%s does not let through to %s, port %s (%s): it answers %d.", proxy, p.url.Hostname(), p.port(), p.setting(), refusal.status),
			"Have the host allowed there." + exempt
	}
	if dns, ok := errors.AsType[*net.DNSError](p.err); ok {
		return fmt.Sprintf("%s cannot be found: %s is not resolved.", proxy, dns.Name), "Correct HTTPS_PROXY." + exempt
	}
	return proxy + " cannot be reached: " + innermost(p.err) + ".", "Check HTTPS_PROXY, and that the proxy runs." + exempt
}

func issuerOf(c *x509.Certificate) string {
	name := ""
	if c != nil {
		name = cmp.Or(c.Issuer.CommonName, strings.Join(c.Issuer.Organization, ", "))
	}
	if name == "" {
		return "somebody"
	}
	return `"` + shown(name) + `"`
}

// namesOf are the hosts that a certificate is for.
func namesOf(c *x509.Certificate) string {
	const most = 5
	var names []string
	for _, name := range c.DNSNames {
		names = append(names, shown(name))
	}
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	switch {
	case len(names) == 0:
		return "no host at all"
	case len(names) > most:
		return strings.Join(names[:most], ", ") + " and others"
	}
	return strings.Join(names, ", ")
}

func timedOut(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}

// innermost is an error's own text, without the address and the system calls around it.
func innermost(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	for {
		op, ok := errors.AsType[*net.OpError](err)
		if !ok || op.Err == nil {
			break
		}
		err = op.Err
	}
	if number, ok := errors.AsType[syscall.Errno](err); ok {
		return number.Error()
	}
	return shown(err.Error())
}

// shown makes a remote's text fit to be shown: one line that is no longer than it has to be.
func shown(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
