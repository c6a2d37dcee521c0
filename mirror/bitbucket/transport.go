package bitbucket

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/confmirror/confmirror/mirror"
)

// defaultHTTP has a limit for every phase in which a peer can stand still.
var defaultHTTP = &http.Client{
	Timeout: time.Minute,
	Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 30 * time.Second,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
	},
}

const defaultUserAgent = "confmirror"

// maxRedirects within one origin.
const maxRedirects = 5

// sameOrigin is the client with a redirect policy that never carries credentials
// to another scheme, host or port: such a redirect is the answer. So is one that would
// make a write into a read.
func sameOrigin(c *http.Client) *http.Client {
	if c == nil {
		c = defaultHTTP
	}
	own := *c
	own.CheckRedirect = func(r *http.Request, via []*http.Request) error {
		if len(via) > maxRedirects || r.Method != via[0].Method || r.URL.Scheme != via[0].URL.Scheme || !strings.EqualFold(r.URL.Host, via[0].URL.Host) {
			return http.ErrUseLastResponse
		}
		return nil
	}
	return &own
}

// checkURL accepts what credentials may be sent to: https, or http on a loopback host.
func checkURL(key, raw string) (*url.URL, error) {
	clean, err := mirror.CleanURL(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return url.Parse(clean)
}

// transportFault tells of a request that got no answer.
func transportFault(what string, u *url.URL, err error) *mirror.Fault {
	var named *url.Error
	if errors.As(err, &named) {
		err = named.Err // without the address, which is told below
	}
	err = mirror.WithoutLocation(err)
	message := what + " cannot be reached."
	var dns *net.DNSError
	switch {
	case errors.Is(err, context.DeadlineExceeded) || isTimeout(err):
		message = what + " did not answer in time."
	case errors.As(err, &dns):
		message = "The name " + dns.Name + " cannot be resolved."
	}
	f := unreachable(message, fmt.Errorf("%s: %w", u.Host, err))
	f.Remedy = "It will be tried again. If this lasts, `confmirror check` tells apart the network, DNS, proxy, firewall and certificates between this machine and " + u.Host + "."
	return f
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

func unreachable(message string, err error) *mirror.Fault {
	return &mirror.Fault{
		Code: mirror.CodeNetworkUnreachable, Message: message,
		Remedy: "It will be tried again. If this lasts, see https://bitbucket.status.atlassian.com.",
		Class:  mirror.Transient, Err: err,
	}
}

// somebodyElse: what answered may be no Bitbucket, but a page of a proxy's, or of another
// part of the host.
func somebodyElse(message, setting, cloud string, err error) *mirror.Fault {
	f := unreachable(message, err)
	f.Remedy = "It will be tried again. If this lasts, check " + setting + " (Bitbucket Cloud's is " + cloud +
		"). If that is right, a proxy or a firewall answers in Bitbucket's place: have the host let through, or name the proxy in HTTPS_PROXY."
	return f
}

// rateLimited: after is 0 as a rule, Bitbucket does not promise a Retry-After.
func rateLimited(after time.Duration, err error) *mirror.Fault {
	return &mirror.Fault{
		Code:       mirror.CodeRateLimited,
		Message:    "Bitbucket limits how many requests this consumer may make in an hour.",
		Remedy:     "It will be tried again later. If this lasts, poll less often or use an OAuth consumer of its own for confmirror.",
		Class:      mirror.Transient,
		RetryAfter: after, Err: err,
	}
}

// maxRetryAfter bounds how long a remote can make us wait: its limits are hourly.
const maxRetryAfter = time.Hour

func retryAfter(value string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.Atoi(strings.TrimSpace(value)); err == nil {
		d = time.Duration(max(0, min(n, int(maxRetryAfter/time.Second)))) * time.Second
	} else if t, err := http.ParseTime(value); err == nil {
		d = t.Sub(now)
	}
	return max(0, min(d, maxRetryAfter))
}

func statusText(status int) string {
	return strings.TrimSpace(strconv.Itoa(status) + " " + http.StatusText(status))
}

// maxText is how much of a remote's text is shown.
const maxText = 500

// cleanText makes a remote's text one printable line without the given secrets.
func cleanText(text string, secrets ...string) string {
	text = mirror.Conceal(text, secrets...)
	text = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(c rune) bool {
		return unicode.IsSpace(c) || !unicode.IsPrint(c)
	}), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + " ..."
	}
	return text
}
