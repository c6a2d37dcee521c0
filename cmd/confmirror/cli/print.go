package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// printJSON prints a result for programs.
func (p *Program) printJSON(v any) error {
	e := json.NewEncoder(p.Stdout)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// table aligns columns; callers write cells separated by tabs.
func table(w io.Writer) *tabwriter.Writer { return tabwriter.NewWriter(w, 0, 0, 2, ' ', 0) }

// short is a commit as people read it.
func short(h mirror.Hash) string {
	if h == "" {
		return "-"
	}
	return string(h[:min(len(h), 10)])
}

// count says "1 entity", "2 entities".
func count(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("1 %s", one)
	}
	return fmt.Sprintf("%d %s", n, many)
}

// took is a duration as people read it.
func took(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

// printDetail prints a mirror-level problem with its remedy.
func printDetail(w io.Writer, indent string, d *mirror.Detail) {
	if d == nil {
		return
	}
	fmt.Fprintf(w, "%s%s: %s\n", indent, d.Code, d.Message)
	if d.Remedy != "" {
		fmt.Fprintf(w, "%shint: %s\n", indent, d.Remedy)
	}
}
