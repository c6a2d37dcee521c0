package document

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Validate checks a document that came from the database or the API by the same
// rules as a file's.
func (d *Document) Validate(limits Limits) *Problem {
	limits = limits.orDefault()
	switch {
	case !d.Kind.Valid():
		return Invalid("there is no such kind")
	case !ValidSlug(d.Kind, d.Slug):
		return Invalid("the slug %s is not valid: %s", quoteKey(d.Slug), slugRule(d.Kind))
	case d.Kind == Skills:
		return validateSkill(d.Slug, d.Files, limits)
	}
	if f := noForbiddenKey(d.Fields); f != nil {
		return f.problem()
	}
	if p := validateFields(d.Kind, d.Slug, normalFields(d.Kind, d.Fields), limits).problem(); p != nil {
		return p
	}
	return d.fits(limits)
}

// fits reports a document whose file would be larger than a file may be: it would leave,
// and never be read again. Most are far from it, so that they need not be written for that.
func (d *Document) fits(limits Limits) *Problem {
	const mostPerByte = 6 // \u0000
	if int64(weight(d.Fields))*mostPerByte <= limits.MaxFileSize {
		return nil
	}
	if n := int64(len(Encode(d))); n > limits.MaxFileSize {
		return Invalid("the file would have %d bytes, more than %d", n, limits.MaxFileSize)
	}
	return nil
}

// weight is at least a sixth of what a value takes in a file.
func weight(value any) int {
	const syntax = 40 // quotes, a comma, a line with its indentation
	n := syntax
	switch v := value.(type) {
	case string:
		n += len(v)
	case json.Number:
		n += len(v)
	case []any:
		for _, element := range v {
			n += weight(element)
		}
	case map[string]any:
		for key, element := range v {
			n += len(key) + weight(element)
		}
	}
	return n
}

func slugRule(k Kind) string {
	if k == Skills {
		return fmt.Sprintf("1 to %d lower-case letters and digits, joined by single hyphens", MaxSkillSlug)
	}
	return fmt.Sprintf("1 to %d lower-case letters and digits, joined by single hyphens, dots or underscores", MaxSlug)
}

// orDefault takes the default for every limit that is not set.
func (l Limits) orDefault() Limits {
	if l.MaxFileSize <= 0 {
		l.MaxFileSize = DefaultLimits.MaxFileSize
	}
	if l.MaxSkillFiles <= 0 {
		l.MaxSkillFiles = DefaultLimits.MaxSkillFiles
	}
	if l.MaxSkillSize <= 0 {
		l.MaxSkillSize = DefaultLimits.MaxSkillSize
	}
	if l.MaxDepth <= 0 {
		l.MaxDepth = DefaultLimits.MaxDepth
	}
	l.MaxDepth = min(l.MaxDepth, fileDepth)
	return l
}

// validateFields checks the normal fields of a JSON kind.
func validateFields(k Kind, slug string, fields map[string]any, limits Limits) *fault {
	if f := storable(fields, limits.MaxDepth, new(int)); f != nil {
		return f
	}
	if f := schemaOf(k).check(fields); f != nil {
		return f
	}
	if fields["slug"] != slug {
		return broken("must equal the file's name without .json").below("slug")
	}
	switch k {
	case MCPServers:
		return schemaOf(k).checkFork(fields)
	case Commands:
		return checkArguments(fields)
	}
	return nil
}

// noForbiddenKey wants fields as they came: the normal form drops keys with null.
func noForbiddenKey(fields map[string]any) *fault {
	var found []string
	for name := range fields {
		if forbidden[name] {
			found = append(found, name)
		}
	}
	if found == nil {
		return nil
	}
	return broken("this key never stands in a file").below(slices.Min(found))
}

// storable checks what any value must obey to come back from the database as it
// went in, known key or not.
func storable(value any, depth int, digits *int) *fault {
	switch v := value.(type) {
	case nil, bool:
	case string:
		return storableText(v)
	case json.Number:
		length, ok := scanNumber(string(v))
		if !ok || length != len(v) {
			return broken("is no valid number")
		}
		text, ok := canonicalNumber(string(v))
		if *digits += len(text); !ok || *digits > maxExpansion {
			return broken(numberRange)
		}
	case []any:
		if depth == 0 {
			return broken("nesting is too deep")
		}
		for i, e := range v {
			if f := storable(e, depth-1, digits); f != nil {
				return f.below(i)
			}
		}
	case map[string]any:
		if depth == 0 {
			return broken("nesting is too deep")
		}
		var room [someKeys]string
		for _, name := range appendSorted(room[:0], v) {
			if f := storableText(name); f != nil {
				return f.below(name)
			}
			if f := storable(v[name], depth-1, digits); f != nil {
				return f.below(name)
			}
		}
	default:
		return broken("is no JSON value")
	}
	return nil
}

func storableText(s string) *fault {
	if strings.IndexByte(s, 0) >= 0 {
		return broken("the character U+0000 cannot be stored")
	}
	if !utf8.ValidString(s) {
		return broken("is not UTF-8")
	}
	return nil
}

// check judges a value by its schema.
func (s *schema) check(value any) *fault {
	switch s.shape {
	case text:
		v, ok := value.(string)
		if !ok {
			return broken("must be a string")
		}
		return s.checkText(v)
	case boolean:
		if _, ok := value.(bool); !ok {
			return broken("must be true or false")
		}
	case list:
		return s.checkList(value)
	case record:
		if _, public := value.(string); public && s.entry {
			return nil
		}
		return s.checkRecord(value)
	case table:
		return s.checkTable(value)
	}
	return nil
}

func (s *schema) checkText(v string) *fault {
	if s.filled && v == "" {
		return broken("must not be empty")
	}
	if s.max > 0 && utf8.RuneCountInString(v) > s.max {
		return broken("must have at most %d characters", s.max)
	}
	if s.rule != nil {
		if wrong := s.rule.wrong(v); wrong != "" {
			return broken("%s", wrong)
		}
	}
	return nil
}

func (s *schema) checkList(value any) *fault {
	if s.star && value == "*" {
		return nil
	}
	v, ok := value.([]any)
	switch {
	case !ok && s.star:
		return broken(`must be an array of strings, or "*"`)
	case !ok:
		return broken("must be an array")
	}
	for i, e := range v {
		if f := s.each.check(e); f != nil {
			return f.below(i)
		}
	}
	return nil
}

func (s *schema) checkRecord(value any) *fault {
	v, ok := value.(map[string]any)
	switch {
	case !ok && s.entry:
		return broken("must be a string or an object")
	case !ok:
		return broken("must be an object")
	}
	for _, k := range s.keys {
		child, present := v[k.name]
		if !present {
			if k.required {
				return broken("is required").below(k.name)
			}
			continue
		}
		if child == nil && !k.required && !k.stated {
			continue // another program's way to write that there is none
		}
		if f := k.schema.check(child); f != nil {
			return f.below(k.name)
		}
	}
	if _, has := v["value"]; has && s.entry && v["secret"] == true {
		return broken(`must not stand beside "secret": true`).below("value")
	}
	return nil
}

func (s *schema) checkTable(value any) *fault {
	v, ok := value.(map[string]any)
	if !ok {
		return broken("must be an object")
	}
	var room [someKeys]string
	for _, name := range appendSorted(room[:0], v) {
		if s.rule != nil {
			if wrong := s.rule.wrong(name); wrong != "" {
				return broken("%s", wrong).below(name)
			}
		}
		if f := s.each.check(v[name]); f != nil {
			return f.below(name)
		}
	}
	return nil
}

// checkFork holds an MCP server to the keys of its type.
func (s *schema) checkFork(fields map[string]any) *fault {
	needs, excludes := s.fork.sides(fields)
	if _, has := fields[needs]; !has {
		return broken("is required with this %s", s.fork.key).below(needs)
	}
	if _, has := fields[excludes]; has {
		return broken("must not be there with this %s", s.fork.key).below(excludes)
	}
	return nil
}

// checkArguments holds a command's arguments to names of their own.
func checkArguments(fields map[string]any) *fault {
	arguments, _ := fields["arguments"].([]any)
	seen := map[any]bool{}
	for i, a := range arguments {
		name := a.(map[string]any)["name"]
		if seen[name] {
			return broken("another argument has this name").below("name").below(i).below("arguments")
		}
		seen[name] = true
	}
	return nil
}

// someKeys is the room on the stack that most objects' keys fit in.
const someKeys = 16

func sortedKeys[V any](m map[string]V) []string {
	return appendSorted(make([]string, 0, len(m)), m)
}

// appendSorted is sortedKeys in room of the caller's, which is empty.
func appendSorted[V any](room []string, m map[string]V) []string {
	for name := range m {
		room = append(room, name)
	}
	slices.Sort(room)
	return room
}
