package document

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A problem points at the key that it is about, or, where that is what is missing, at
// the object that should have it.
func TestProblemsPointAtTheirKey(t *testing.T) {
	strange := rapid.SampledFrom([]any{nil, "", "A", true, json.Number("1")})
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, jsonKinds.Draw(t, "kind"))
		spoil(t, schemaOf(d.Kind), d.Fields, strange)
		file := []byte(strings.ReplaceAll(string(jsonOf(d.Fields)), ",", ",\n"))
		_, p := ParseFile(d.Kind, "a", file, Limits{})
		if p == nil {
			return
		}
		steps := strings.Split(p.Pointer, "/")
		for missing := strings.Contains(p.Message, "is required"); ; missing = false {
			line := strings.Split(string(file), "\n")[p.Line-1]
			key, _ := json.Marshal(unescapePointer(steps[len(steps)-1]))
			if strings.HasPrefix(line[p.Column-1:], string(key)+":") {
				return
			}
			if !missing && (len(steps) == 1 || strings.Trim(string(key), `"0123456789`) == "") {
				return // the document itself, or an array's element
			}
			if !missing {
				t.Fatalf("%v points at %.40s", p, line[p.Column-1:])
			}
			steps = steps[:len(steps)-1]
		}
	})
}
