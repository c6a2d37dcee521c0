package web

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/confmirror/confmirror/mirror/document"
)

// maxForm bounds the body of everything that is no document.
const maxForm = 64 << 10

// form is a JSON object with fields that are known by name. It is read strictly: a
// misspelt field that was quietly left out would be worse than an error.
type form map[string]any

// form reads the request's body; an empty one is an empty form.
func (c *call) form(known ...string) (form, error) {
	body, err := c.body(maxForm)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return form{}, nil
	}
	value, problem := document.ParseValue(body, document.Limits{})
	if problem != nil {
		return nil, problem
	}
	fields, ok := value.(map[string]any)
	if !ok {
		return nil, badRequest("The body must be a JSON object.")
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(known, name) {
			return nil, unknownField(name, known)
		}
	}
	return fields, nil
}

func unknownField(name string, known []string) *failure {
	f := fail(http.StatusBadRequest, "UNKNOWN_FIELD", "%q is no field of this request; it has %s.", shorten(name), orNone(known))
	f.fields = map[string]string{shorten(name): "unknown"}
	return f
}

func orNone(known []string) string {
	if len(known) == 0 {
		return "none"
	}
	return strings.Join(known, ", ")
}

// shorten bounds a text of the request's that an answer repeats.
func shorten(text string) string {
	const most = 64
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "..."
	}
	return text
}

// text is a field's string; given is false where it is left out, and null reads as "".
func (f form) text(name string) (text string, given bool, err error) {
	value, given := f[name]
	switch value := value.(type) {
	case nil:
		return "", given, nil
	case string:
		return value, true, nil
	}
	return "", given, wrongType(name, "a string")
}

// author reads the field updated_by; nil names nobody.
func (f form) author() (*string, error) {
	name, _, err := f.text("updated_by")
	if err != nil || name == "" {
		return nil, err
	}
	return &name, nil
}

// flag is a field's yes or no; left out is no.
func (f form) flag(name string) (bool, error) {
	switch value := f[name].(type) {
	case nil:
		return false, nil
	case bool:
		return value, nil
	}
	return false, wrongType(name, "true or false")
}

func wrongType(name, expected string) *failure {
	f := badRequest("%s: expected %s.", name, expected)
	f.fields = map[string]string{name: "expected " + expected}
	return f
}

// invalidFields says what is wrong with a form's values.
func invalidFields(fields map[string]string) *failure {
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		lines = append(lines, fmt.Sprintf("%s: %s", name, fields[name]))
	}
	f := fail(http.StatusUnprocessableEntity, "VALIDATION_FAILED", "%s", strings.Join(lines, "; "))
	f.fields = fields
	return f
}
