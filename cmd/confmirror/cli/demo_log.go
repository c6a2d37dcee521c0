package cli

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
)

// friendly is a slog handler for people who watch the demo: the time, what
// happened, and to what.
type friendly struct {
	mu    *sync.Mutex
	w     io.Writer
	attrs []slog.Attr
}

func newFriendlyLog(w io.Writer) *slog.Logger { return slog.New(&friendly{mu: &sync.Mutex{}, w: w}) }

func (f *friendly) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (f *friendly) WithGroup(string) slog.Handler { return f }

func (f *friendly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &friendly{f.mu, f.w, append(f.attrs[:len(f.attrs):len(f.attrs)], attrs...)}
}

// unshown are attributes that say nothing to somebody with one organization.
var unshown = map[string]bool{"organization": true, "organization_id": true, "run": true, "row": true, "kind": true, "slug": true}

func (f *friendly) Handle(_ context.Context, r slog.Record) error {
	line := r.Message
	if r.Message == "request" {
		line = requestLine(r)
	} else {
		show := func(a slog.Attr) bool {
			line += attribute(a)
			return true
		}
		for _, a := range f.attrs {
			show(a)
		}
		r.Attrs(show)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := fmt.Fprintf(f.w, "%s  %s\n", r.Time.Format("15:04:05.000"), line)
	return err
}

func attribute(a slog.Attr) string {
	value := a.Value.Resolve().String()
	switch {
	case unshown[a.Key] || value == "":
		return ""
	case a.Key == "path":
		return " " + value
	case a.Key == "commit":
		return fmt.Sprintf(" (%.10s)", value)
	case a.Key == "code":
		return ", " + value
	case a.Key == "problem", a.Key == "message":
		return ": " + value
	}
	return fmt.Sprintf("  %s: %s", a.Key, value)
}

// requestLine tells of a request to the daemon.
func requestLine(r slog.Record) string {
	a := map[string]string{}
	r.Attrs(func(attr slog.Attr) bool {
		a[attr.Key] = attr.Value.Resolve().String()
		return true
	})
	if strings.HasPrefix(a["path"], "/api/bitbucket/webhook") {
		return "a webhook arrived: " + a["status"]
	}
	return fmt.Sprintf("%s %s: %s", a["method"], a["path"], a["status"])
}
