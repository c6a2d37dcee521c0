package configs

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is what every error of this package is: errors.Is(err, ErrInvalid).
var ErrInvalid = errors.New("invalid configuration")

// Error lists everything that is wrong with a configuration. It holds no secret's value.
type Error struct{ Problems []Problem }

// Problem is one thing that is wrong.
type Problem struct {
	// Where is "file:line:column" or an environment variable's name; "" for a default.
	Where string
	// Key is the full key, such as "sync.poll" or "mirrors[0].branch"; "" when it
	// is of no known key.
	Key     string
	Message string
	// Excerpt shows the place in the file with a caret; "" without one.
	Excerpt string
	Err     error // the cause, if there is one: fs.ErrNotExist, ...
}

func (p Problem) String() string {
	if p.Excerpt != "" {
		return p.Summary() + "\n" + p.Excerpt
	}
	return p.Summary()
}

// Summary is the problem in one line.
func (p Problem) Summary() string {
	var b strings.Builder
	if p.Where != "" {
		b.WriteString(p.Where + ": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.Message)
	return b.String()
}

func (e *Error) Error() string {
	lines := make([]string, 0, len(e.Problems)+1)
	if len(e.Problems) == 1 {
		lines = append(lines, "invalid configuration:")
	} else {
		lines = append(lines, fmt.Sprintf("invalid configuration, %d problems:", len(e.Problems)))
	}
	for _, p := range e.Problems {
		lines = append(lines, "  "+strings.ReplaceAll(p.String(), "\n", "\n  "))
	}
	return strings.Join(lines, "\n")
}

// Is makes every Error an ErrInvalid.
func (e *Error) Is(target error) bool { return target == ErrInvalid }

// Unwrap gives the causes.
func (e *Error) Unwrap() []error {
	var causes []error
	for _, p := range e.Problems {
		if p.Err != nil {
			causes = append(causes, p.Err)
		}
	}
	return causes
}
