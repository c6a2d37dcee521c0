package configs

import (
	"net"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Bounds of what makes sense.
const (
	maxBatchWindow = time.Hour
	minFileSize    = Size(1 << 10)
	maxFileSize    = Size(100 << 20) // what Bitbucket Cloud takes in one file
	maxSkillFiles  = 100_000
)

// validate checks every value, and brings some into their normal form.
func (l *loader) validate() {
	c := l.config
	if c.DataDir == "" || strings.ContainsRune(c.DataDir, 0) {
		l.invalid("data_dir", "%q: expected a directory", c.DataDir)
	}
	if u := c.Database.URL.Reveal(); u != "" && !strings.HasPrefix(u, "postgres://") && !strings.HasPrefix(u, "postgresql://") {
		l.invalid("database.url", `expected postgres://user@host/database, or "" for the embedded database`)
	}
	l.validateHTTP()
	l.validateOIDC()
	l.validateKeys()
	l.validateSync()
	l.validateNotifications()
	l.word("log.level", c.Log.Level, "debug", "info", "warn", "error")
	l.word("log.format", c.Log.Format, "text", "json")
	l.validateMirrors()
}

func (l *loader) validateHTTP() {
	h := &l.config.HTTP
	if _, port, err := net.SplitHostPort(h.Listen); err != nil || !validPort(port) {
		l.invalid("http.listen", "%q: expected host:port, such as 127.0.0.1:8080 or :8080", h.Listen)
	}
	if l.origins["http.public_url"].where == "" {
		// It follows from listen, right or wrong.
	} else if clean, err := mirror.CleanWebURL(h.PublicURL); err != nil {
		l.invalid("http.public_url", "%q: %v", mirror.RedactURL(h.PublicURL), err)
	} else {
		h.PublicURL = clean
	}
	for i, host := range h.AllowedHosts {
		clean := strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"))
		if _, err := netip.ParseAddr(clean); err != nil && !validHostname(clean) {
			l.invalid("http.allowed_hosts", "%q: expected a host's name or address, without scheme, port or path", host)
			continue
		}
		h.AllowedHosts[i] = clean
	}
}

func (l *loader) validateOIDC() {
	o := &l.config.HTTP.OIDC
	if o.Issuer == "" {
		if o.ClientID != "" || !o.ClientSecret.IsZero() || o.ClientSecretFile != "" || o.AllowedGroup != "" {
			l.invalid("http.oidc.issuer", "it is empty, and so the rest of http.oidc has no effect; expected the provider's issuer, such as https://login.example.com/realms/acme")
		}
		return
	}
	if _, err := mirror.CleanWebURL(o.Issuer); err != nil {
		l.invalid("http.oidc.issuer", "%q: %v", mirror.RedactURL(o.Issuer), err)
	} else if u, _ := url.Parse(o.Issuer); u.Scheme == "http" && !document.Loopback(u.Hostname()) {
		l.invalid("http.oidc.issuer", "%q: expected https; http is for loopback hosts only", o.Issuer)
	}
	if o.ClientID == "" {
		l.invalid("http.oidc.client_id", "expected the id that the provider gave this application")
	}
	if o.AllowedGroup == "" {
		l.invalid("http.oidc.allowed_group", "expected the group whose members may sign in: without one everybody who has an account would be an administrator")
	}
	if o.GroupsClaim == "" {
		l.invalid("http.oidc.groups_claim", "expected the claim that lists a person's groups, such as groups")
	}
	if !slices.Contains(o.Scopes, "openid") {
		l.invalid("http.oidc.scopes", "expected openid among them")
	}
}

func validPort(s string) bool {
	_, err := strconv.ParseUint(s, 10, 16)
	return err == nil
}

func validHostname(s string) bool {
	if s == "" || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

// Reachable is a listener's address as a client on the same machine names it.
func Reachable(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip, err := netip.ParseAddr(host); host == "" || err == nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}

func (l *loader) validateKeys() {
	e := &l.config.Encryption
	var seen []string
	check := func(key string, secret mirror.Secret) {
		raw, err := DecodeKey(secret)
		switch {
		case err != nil:
			l.invalid(key, "%v", err)
		case slices.Contains(seen, string(raw)):
			l.invalid(key, "the same key stands in encryption twice; expected only keys that were replaced")
		}
		seen = append(seen, string(raw))
	}
	if !e.Key.IsZero() {
		check("encryption.key", e.Key)
	}
	for _, previous := range e.PreviousKeys {
		check("encryption.previous_keys", previous)
	}
}

func (l *loader) validateSync() {
	s := &l.config.Sync
	l.schedule("sync.poll", s.Poll)
	l.schedule("sync.audit", s.Audit)
	if s.BatchWindow < 0 || s.BatchWindow > maxBatchWindow {
		l.invalid("sync.batch_window", "%q: expected 0s to 1h", s.BatchWindow)
	}
	l.number("sync.split_commits_up_to", s.SplitCommitsUpTo, 0, 1000)
	l.word("sync.conflict", s.Conflict, document.PreferGit, document.PreferDatabase)
	l.word("sync.deletions", s.Deletions, DeletionsPropagate, DeletionsKeep)
	l.word("sync.credential_rebind", s.CredentialRebind, RebindAllow, RebindHold)
	l.number("sync.delete_limit.count", s.DeleteLimit.Count, 0, 1_000_000)
	l.number("sync.delete_limit.percent", s.DeleteLimit.Percent, 0, 100)
	l.word("sync.push", s.Push, mirror.PushDirect, mirror.PushPullRequest, mirror.PushAuto)
	if s.MaxFileSize < minFileSize || s.MaxFileSize > maxFileSize {
		l.invalid("sync.max_file_size", "%q: expected %v to %v", s.MaxFileSize, minFileSize, maxFileSize)
	}
	l.number("sync.max_skill_files", s.MaxSkillFiles, 1, maxSkillFiles)
	l.word("sync.secret_scan", s.SecretScan, SecretScanBlock, SecretScanOff)
}

// validateNotifications does not show the address: it may hold a secret.
func (l *loader) validateNotifications() {
	n := &l.config.Notifications
	if n.URL.IsZero() {
		if !n.Secret.IsZero() {
			l.invalid("notifications.url", "it is empty, and so notifications.secret has no effect; expected where notifications are sent")
		}
		return
	}
	u, err := url.Parse(n.URL.Reveal())
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Port() != "" && !validPort(u.Port()):
		l.invalid("notifications.url", "expected an absolute https:// URL without user name and password")
	case u.Scheme == "http" && !document.Loopback(u.Hostname()):
		l.invalid("notifications.url", "expected https; http is for loopback hosts only")
	}
}

func (l *loader) schedule(key, expr string) {
	if _, err := ParseSchedule(expr); err != nil {
		l.invalid(key, `%q: expected a cron expression, such as "*/5 * * * *", "@daily" or "@every 1m" (%v)`, expr, err)
	}
}

func (l *loader) number(key string, n, low, high int) {
	if n < low || n > high {
		l.invalid(key, "%d: expected %d to %d", n, low, high)
	}
}

// word reports a value that is none of those allowed.
func (l *loader) word(key string, value any, allowed ...any) {
	if message := notAWord(value, allowed...); message != "" {
		l.invalid(key, "%s", message)
	}
}

func notAWord(value any, allowed ...any) string {
	got := reflect.ValueOf(value).String()
	var names []string
	for _, a := range allowed {
		names = append(names, reflect.ValueOf(a).String())
	}
	if slices.Contains(names, got) {
		return ""
	}
	message := quote(got) + ": expected " + orList(names)
	if hint := nearest(strings.ToLower(got), names); hint != "" {
		message += "; did you mean " + quote(hint) + "?"
	}
	return message
}

func orList(names []string) string {
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
