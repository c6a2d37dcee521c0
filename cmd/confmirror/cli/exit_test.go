package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// L9: the exit status tells the truth (github.com/n8n-as-code issue 610), and what is
// printed says what can be done.
func TestExit(t *testing.T) {
	transient := &mirror.Fault{Code: "NETWORK_UNREACHABLE", Message: "No answer.", Remedy: "Wait.", Err: errors.New("dial\n\trefused")}
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"done":          {nil, 0, ""},
		"said already":  {fmt.Errorf("x: %w", outcome(3)), 3, ""},
		"any error":     {errors.New("no"), 1, "confmirror: no\n"},
		"hint":          {hint(errors.New("no"), "try %d", 1), 1, "confmirror: no\nhint: try 1\n"},
		"interrupted":   {fmt.Errorf("x: %w", context.Canceled), 1, "confmirror: interrupted\n"},
		"usage":         {misuse("no such flag"), 2, "confmirror: no such flag\nhint: see `confmirror --help`, or --help after a command\n"},
		"usage, hint":   {hint(misuse("no"), "do"), 2, "confmirror: no\nhint: do\n"},
		"configuration": {&configs.Error{Problems: []configs.Problem{{Key: "a", Message: "b"}}}, 2, "confmirror: invalid configuration:\n  a: b\n"},
		"key":           {fmt.Errorf("x: %w", &db.KeyMismatchError{KeyID: "k"}), 2, "-"},
		"sealed":        {&db.UnknownKeyError{KeyID: "k"}, 2, "-"},
		"setting":       {&mirror.SettingsError{Key: "branch", Message: "no"}, 2, "confmirror: branch: no\n"},
		"slug":          {document.Invalid("no slug"), 2, "confmirror: VALIDATION_FAILED: no slug\n"},
		"transient":     {fmt.Errorf("acme: %w", transient), 1, "confmirror: acme: NETWORK_UNREACHABLE: No answer.\ncause: dial refused\nhint: Wait.\n"},
		"permanent":     {&mirror.Fault{Code: "PUSH_REFUSED", Message: "No.", Class: mirror.Permanent}, 4, "confmirror: PUSH_REFUSED: No.\n"},
		"address":       {&mirror.Fault{Code: mirror.CodeDatabaseFailed, Message: "No.", Class: mirror.Permanent}, 2, "confmirror: DATABASE_FAILED: No.\n"},
	} {
		var said bytes.Buffer
		(&Program{Stderr: &said}).explain(c.err)
		if status := exitStatus(c.err); status != c.status || c.says != "-" && said.String() != c.says {
			t.Errorf("%s: exit status %d, says\n%s", name, status, &said)
		}
	}
}

// Of several mirrors the one that needs a person decides.
func TestWorse(t *testing.T) {
	order := []int{exitDone, exitProblems, exitFailed, exitUsage, exitBlocked}
	for i, a := range order {
		for j, b := range order {
			if got := worse(a, b); got != order[max(i, j)] {
				t.Errorf("worse(%d, %d) = %d", a, b, got)
			}
		}
	}
}
