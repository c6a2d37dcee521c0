package bitbuckettest

import (
	"fmt"
	"regexp"
	"strings"
)

// Queries of lists (https://developer.atlassian.com/cloud/bitbucket/rest/intro/#querying):
// comparisons with =, != and ~, joined by AND and OR, of which AND binds closer. Parentheses
// and other operators are refused, as is a field that the objects do not have.

var comparison = regexp.MustCompile(`^\s*([a-z_]+(?:\.[a-z_]+)*)\s*(!=|=|~)\s*("(?:[^"\\]|\\.)*"|[A-Za-z0-9_-]+)\s*`)

var joint = regexp.MustCompile(`^(?i:(AND|OR)\s)`)

// filter keeps the objects that a query is true for.
func filter(values []object, query string) ([]object, error) {
	if query == "" {
		return values, nil
	}
	var kept []object
	for _, v := range values {
		ok, err := matches(v, query)
		if err != nil {
			return nil, err
		}
		if ok {
			kept = append(kept, v)
		}
	}
	if len(values) == 0 {
		if _, err := matches(nil, query); err != nil {
			return nil, err
		}
	}
	return kept, nil
}

// matches evaluates a query; of a nil object only the query's form is looked at.
func matches(v object, query string) (bool, error) {
	any, all := false, true
	for rest := query; ; {
		m := comparison.FindStringSubmatch(rest)
		if m == nil {
			return false, fmt.Errorf("invalid query near %q", rest)
		}
		rest = rest[len(m[0]):]
		text := strings.NewReplacer(`\"`, `"`, `\\`, `\`).Replace(strings.Trim(m[3], `"`))
		ok, err := compare(v, m[1], m[2], text)
		if err != nil {
			return false, err
		}
		all = all && ok
		if rest == "" {
			return any || all, nil
		}
		j := joint.FindString(rest)
		if j == "" {
			return false, fmt.Errorf("invalid query near %q", rest)
		}
		if strings.EqualFold(strings.TrimSpace(j), "or") {
			any, all = any || all, true
		}
		rest = rest[len(j):]
	}
}

func compare(v object, field, operator, text string) (bool, error) {
	if v == nil {
		return false, nil
	}
	var at any = v
	for name := range strings.SplitSeq(field, ".") {
		o, ok := at.(object)
		if !ok {
			return false, nil // of something that is null
		}
		if at, ok = o[name]; !ok {
			return false, fmt.Errorf("invalid field %q", field)
		}
	}
	have := fmt.Sprint(at)
	switch operator {
	case "=":
		return have == text, nil
	case "!=":
		return have != text, nil
	}
	return strings.Contains(strings.ToLower(have), strings.ToLower(text)), nil
}
