package document

import "fmt"

// Code names what is wrong with a file or a row.
type Code string

const (
	InvalidJSON        Code = "INVALID_JSON"
	ValidationFailed   Code = "VALIDATION_FAILED"
	EmptyDirectory     Code = "EMPTY_DIRECTORY"
	MissingIntegration Code = "MISSING_INTEGRATION"
	MissingTool        Code = "MISSING_TOOL"
	FetchFailed        Code = "FETCH_FAILED"
)

// HTTPCode is the HTTP status that stands for the code in git_integration.
func (c Code) HTTPCode() int {
	if c == FetchFailed {
		return 500
	}
	return 400
}

// Problem says what is wrong with one entity's file or row, for its people.
// The message names position, key and rule, and never repeats content: what
// stands there may be a secret.
type Problem struct {
	Code    Code
	Message string
	// File is the path within a skill that the problem is in; "" for JSON kinds.
	File string
	// Line and Column count from 1, columns in bytes; 0 where there is no position.
	Line, Column int
	// Pointer is the JSON pointer (RFC 6901) of the place in a JSON kind's
	// document that the problem is in; "" for the whole, and where it is no JSON.
	Pointer string
	// WaitsFor names the MCP servers' slugs whose appearance or change may clear
	// the problem (MISSING_INTEGRATION, MISSING_TOOL).
	WaitsFor []string
}

// Error makes a Problem usable as an error.
func (p *Problem) Error() string { return fmt.Sprintf("%s: %s", p.Code, p.Message) }

// Invalid makes a VALIDATION_FAILED problem.
func Invalid(format string, args ...any) *Problem {
	return &Problem{Code: ValidationFailed, Message: fmt.Sprintf(format, args...)}
}
