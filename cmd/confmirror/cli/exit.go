package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/confmirror/confmirror/configs"
	"github.com/confmirror/confmirror/db"
	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// Exit statuses, of every command.
const (
	exitDone     = 0
	exitFailed   = 1
	exitUsage    = 2 // wrong usage or configuration
	exitProblems = 3 // done, but entities have errors or conflicts
	exitBlocked  = 4 // blocked or held
)

// outcome is a command's exit status when what there is to say is printed already.
type outcome int

func (o outcome) Error() string { return fmt.Sprintf("exit status %d", int(o)) }

// result is nil for a command that is done.
func result(status int) error {
	if status == exitDone {
		return nil
	}
	return outcome(status)
}

// worse orders outcomes of several mirrors: what needs a person comes first,
// then what failed and will be tried again, then what is wrong with entities.
func worse(a, b int) int {
	rank := map[int]int{exitDone: 0, exitProblems: 1, exitFailed: 2, exitUsage: 3, exitBlocked: 4}
	if rank[b] > rank[a] {
		return b
	}
	return a
}

// usageError is a command line that cannot be understood.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

// misuse is a usageError of a command's own.
func misuse(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// hinted is an error with what the operator can do about it.
type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }

func hint(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// exitStatus is the status that stands for a command's error.
func exitStatus(err error) int {
	var done outcome
	if errors.As(err, &done) {
		return int(done)
	}
	var fault *mirror.Fault
	switch {
	case err == nil:
		return exitDone
	case misconfigured(err):
		return exitUsage
	case errors.As(err, &fault) && fault.Class == mirror.Permanent:
		if fault.Code == mirror.CodeDatabaseFailed {
			return exitUsage // an address that cannot be read
		}
		return exitBlocked
	}
	return exitFailed
}

// misconfigured reports an error that is the same at every start until somebody
// changes the command line or the configuration.
func misconfigured(err error) bool {
	var (
		usage    *usageError
		setting  *mirror.SettingsError
		mismatch *db.KeyMismatchError
		unknown  *db.UnknownKeyError
		problem  *document.Problem
	)
	return errors.As(err, &usage) || errors.Is(err, configs.ErrInvalid) || errors.As(err, &setting) ||
		errors.As(err, &mismatch) || errors.As(err, &unknown) || errors.As(err, &problem) || errors.Is(err, db.ErrSecretsNeeded)
}

// explain prints an error: what happened, why, and what can be done.
func (p *Program) explain(err error) {
	var done outcome
	if err == nil || errors.As(err, &done) {
		return
	}
	message, cause, remedy := describe(err)
	fmt.Fprintf(p.Stderr, "confmirror: %s\n", message)
	if cause != "" {
		fmt.Fprintf(p.Stderr, "cause: %s\n", cause)
	}
	if remedy != "" {
		fmt.Fprintf(p.Stderr, "hint: %s\n", remedy)
	}
}

func describe(err error) (message, cause, remedy string) {
	message = err.Error()
	var fault *mirror.Fault
	var usage *usageError
	var help *hinted
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted", "", ""
	case errors.As(err, &fault):
		// What was wrapped around the fault says where; the fault itself is told in parts.
		message = strings.TrimSuffix(message, fault.Error()) + fault.Code + ": " + fault.Message
		remedy = fault.Remedy
		if fault.Err != nil {
			cause = strings.Join(strings.Fields(fault.Err.Error()), " ") // some causes have several lines
		}
	case errors.As(err, &usage) && !errors.As(err, &help):
		remedy = "see `confmirror --help`, or --help after a command"
	}
	if errors.As(err, &help) {
		remedy = help.hint
	}
	return message, cause, remedy
}
