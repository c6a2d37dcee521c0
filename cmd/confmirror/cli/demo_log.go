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
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s", r.Time.Format("15:04:05.000"), r.Message)
	show := func(a slog.Attr) bool {
		value := a.Value.Resolve().String()
		switch {
		case unshown[a.Key] || value == "":
		case a.Key == "path":
			b.WriteString(" " + value)
		case a.Key == "commit":
			fmt.Fprintf(&b, " (%.10s)", value)
		default:
			fmt.Fprintf(&b, "  %s: %s", a.Key, value)
		}
		return true
	}
	for _, a := range f.attrs {
		show(a)
	}
	r.Attrs(show)
	b.WriteByte('\n')
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := io.WriteString(f.w, b.String())
	return err
}
