package document

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"
)

// compiled are the schemas as an editor has them.
var compiled = sync.OnceValue(func() map[Kind]*jsonschema.Schema {
	all := map[Kind]*jsonschema.Schema{}
	compiler := jsonschema.NewCompiler()
	for _, k := range Kinds {
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(JSONSchema(k)))
		if err != nil {
			panic(err)
		}
		id := parsed.(map[string]any)["$id"].(string)
		if err := compiler.AddResource(id, parsed); err != nil {
			panic(err)
		}
		all[k] = compiler.MustCompile(id) // checks it against the schema of schemas
	}
	return all
})

// inexpressible are rules that JSON Schema cannot say, or not shortly: a document that
// breaks none but those passes the schema.
var inexpressible = []string{
	"must equal the file's name", "another argument has this name", "U+0000", "nesting is too deep", numberRange,
	"is no valid URL", "is no valid URI", "must be a URL with a host", "must be a URI with a host", "must be an https URL with a host",
	"must be https, http is for loopback hosts only", "must have something after the scheme",
}

// agree demands that a file is accepted by both, or refused by both.
func agree(t *rapid.T, k Kind, file []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(bytes.TrimPrefix(file, utf8BOM)))
	if err != nil {
		t.Fatalf("%v\n%s", err, file)
	}
	_, problem := ParseFile(k, "a", file, Limits{})
	refused := compiled()[k].Validate(value)
	switch {
	case problem == nil && refused != nil:
		t.Fatalf("the schema alone refuses a %s: %v\n%s", k.Singular(), refused, file)
	case problem != nil && refused == nil && !slices.ContainsFunc(inexpressible, func(rule string) bool { return strings.Contains(problem.Message, rule) }):
		t.Fatalf("the schema accepts what is no %s: %v\n%s", k.Singular(), problem, file)
	}
}

func TestSchemaAcceptsWhatIsValid(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, jsonKinds.Draw(t, "kind"))
		file := fileOf(t, d)
		if _, problem := ParseFile(d.Kind, "a", file, Limits{}); problem != nil {
			t.Fatalf("not valid: %v\n%s", problem, file)
		}
		agree(t, d.Kind, file)
	})
}

// Documents that somebody spoiled are refused by both, unless a rule says otherwise.
func TestSchemaRefusesWhatIsNot(t *testing.T) {
	strange := rapid.Map(rapid.SampledFrom([]string{
		`null`, `true`, `1`, `""`, `" "`, `"*"`, `"A"`, `"a--b"`, `"draft"`, `"stdio"`, `"http"`, `"streamable-http"`,
		`"` + strings.Repeat("é", 1024) + `"`, `"` + strings.Repeat("a", 1025) + `"`,
		`[]`, `[""]`, `[null]`, `["A"]`, `{}`, `{"":null}`, `{"a":{}}`, `{"A":null}`,
		`{"secret":true,"value":"v"}`, `{"secret":true,"value":null}`, `{"secret":null}`, `{"value":null}`,
		`"https://"`, `"HTTPS://a"`, `"https:a"`, `"https://a@b"`, `"http://a b"`, `"http://a.example"`, `"https://a?@"`,
		`"http://localhost:1/x"`, `"http://[::1]"`, `"http://127.0.0.1"`, `"http://LOCALHOST."`, `"http://x.localhost/"`, `"http://u@localhost"`, `"http://127.0.0.1.a.example"`,
		`"app:x"`, `"app:"`, `"://"`, `"JavaScript:x"`, `"data:,"`, `"viewsource:x"`,
	}), func(text string) any {
		root, err := parseJSON([]byte(text), fileDepth)
		if err != nil {
			panic(err.rule)
		}
		return root.any()
	})
	rapid.Check(t, func(t *rapid.T) {
		d := documentOf(t, jsonKinds.Draw(t, "kind"))
		for range 20 {
			spoiled := d.Clone()
			spoil(t, schemaOf(d.Kind), spoiled.Fields, strange)
			agree(t, d.Kind, jsonOf(spoiled.Fields))
		}
	})
}

// spoil puts something strange somewhere below an object, or removes what is there.
func spoil(t *rapid.T, s *schema, fields map[string]any, strange *rapid.Generator[any]) {
	names := append(sortedKeys(fields), "A", "x-a", rapid.SampledFrom(sortedKeys(forbidden)).Draw(t, "forbidden"))
	for _, k := range s.keys {
		names = append(names, k.name)
	}
	name := rapid.SampledFrom(names).Draw(t, "key")
	s = s.child(name)
	if _, has := fields[name]; !has && s.shape != anything {
		fields[name] = valueOf(t, s)
	}
	deeper := rapid.IntRange(0, 3).Draw(t, "deeper") > 0
	switch value := fields[name].(type) {
	case map[string]any:
		if deeper {
			spoil(t, s, value, strange)
			return
		}
	case []any:
		if deeper && len(value) > 0 {
			i := rapid.IntRange(0, len(value)-1).Draw(t, "index")
			if element, ok := value[i].(map[string]any); ok {
				spoil(t, s.element(), element, strange)
			} else {
				value[i] = strange.Draw(t, "element")
			}
			return
		}
	}
	if rapid.IntRange(0, 4).Draw(t, "how") == 0 {
		delete(fields, name)
		return
	}
	fields[name] = strange.Draw(t, "value")
}

func jsonOf(fields map[string]any) []byte {
	data, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return data
}

// One document for each rule that JSON Schema can say.
func TestSchemaOfEachRule(t *testing.T) {
	for _, test := range []struct {
		kind    Kind
		members string // take the place of the minimal ones
		valid   bool
	}{
		{Toolkits, ``, true},
		{Toolkits, `"x-team":{"a":1},"$schema":"urn:x","zz":null`, true},
		{Toolkits, `"id":"1"`, false},
		{Toolkits, `"auth":null`, false},
		{Toolkits, `"client_secret":""`, false},
		{Toolkits, `"slug":"A"`, false},
		{Toolkits, `"slug":"a_b..c"`, false},
		{Toolkits, `"name":""`, false},
		{Toolkits, `"status":"gone"`, false},
		{Toolkits, `"status":[]`, true},
		{Toolkits, `"description":{}`, true},
		{Toolkits, `"description":[1]`, false},
		{Toolkits, `"integrations":{"a":{"tools":"*"}}`, true},
		{Toolkits, `"integrations":{"a":{"tools":"+"}}`, false},
		{Toolkits, `"integrations":{"A":{}}`, false},
		{Toolkits, `"integrations":{"a":null}`, false},
		{Toolkits, `"skills":["a.b"]`, false},
		{Toolkits, `"commands":["a.b"]`, true},
		{Commands, `"prompt":null`, false},
		{Commands, `"arguments":[{"name":"a","title":null}]`, true},
		{Commands, `"arguments":[{"title":"a"}]`, false},
		{MCPServers, `"type":"streamable-http"`, true},
		{MCPServers, `"type":"stdio","url":null,"command":"c"`, true},
		{MCPServers, `"type":"stdio"`, false},
		{MCPServers, `"type":"stdio","url":"","command":""`, false},
		{MCPServers, `"command":"c"`, false},
		{MCPServers, `"url":"https://u:p@x"`, false},
		{MCPServers, `"tools":{}`, true},
		{MCPServers, `"tools":[]`, false},
		{MCPServers, `"tools":{"t":null}`, false},
		{MCPServers, `"env":{"A":"v","B":{"value":null,"secret":false},"C":{"secret":true,"value":null,"x-a":1}}`, true},
		{MCPServers, `"env":{"A":{"secret":true,"value":"v"}}`, false},
		{MCPServers, `"headers":{"A":{"secret":null}}`, false},
		{MCPServers, `"headers":{"A":1}`, false},
		{MCPClients, `"logo_uri":"http://x"`, false},
		{MCPClients, `"redirect_uris":["app:x","http://localhost:1","https://x/y"]`, true},
		{MCPClients, `"redirect_uris":["http://x.example"]`, false},
		{MCPClients, `"redirect_uris":["JavaScript:x"]`, false},
	} {
		fields, spoiled := map[string]any{}, map[string]any{}
		mustUnmarshal(t, "{"+minimal[test.kind]+"}", &fields)
		mustUnmarshal(t, "{"+test.members+"}", &spoiled)
		maps.Copy(fields, spoiled)
		file := jsonOf(fields)
		_, problem := ParseFile(test.kind, "a", file, Limits{})
		refused := compiled()[test.kind].Validate(fields)
		if accepted := refused == nil; accepted != test.valid || (problem == nil) != test.valid {
			t.Errorf("%s: schema says %v, check says %v", file, refused, problem)
		}
	}
}

func mustUnmarshal(t *testing.T, text string, to any) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(to); err != nil {
		t.Fatal(err)
	}
}

func TestSchemaOfFrontmatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.SampledFrom([]string{"", "a", "A", "a-b", "a.b", "1", "null", "true", "[]", "{}", `""`, "d e", "é", strings.Repeat("x", 64), strings.Repeat("é", 1024), strings.Repeat("x", 1025)})
		var main strings.Builder
		main.WriteString("---\n")
		for _, key := range rapid.Permutation([]string{"name", "description", "license", "metadata", "other"}).Draw(t, "keys")[:rapid.IntRange(1, 5).Draw(t, "n")] {
			main.WriteString(key + ": " + value.Draw(t, key) + "\n")
		}
		head := main.String()[len("---\n"):]
		var fields map[string]any
		if err := yaml.Unmarshal([]byte(head), &fields); err != nil {
			t.Fatal(err)
		}
		name, _ := fields["name"].(string)
		problem := validateMain(name, []byte(main.String()+"---\n"))
		if problem == nil && !ValidSlug(Skills, name) { // no directory has such a name
			problem = Invalid("no slug")
		}
		if refused := compiled()[Skills].Validate(fields); (refused == nil) != (problem == nil) {
			t.Fatalf("schema says %v, check says %v\n%s", refused, problem, head)
		}
	})
}

// What a person reads in the editor: each key in the order of files, with a word about it.
func TestSchemaIsForPeople(t *testing.T) {
	for _, k := range Kinds {
		var described struct {
			Title, Description string
			Properties         json.RawMessage
		}
		mustUnmarshal(t, string(JSONSchema(k)), &described)
		if !strings.Contains(described.Title, k.Singular()) || described.Description == "" {
			t.Errorf("%s: %+v", k, described)
		}
		root, err := parseJSON(described.Properties, fileDepth)
		if err != nil {
			t.Fatal(err.rule)
		}
		keys := schemaOf(k).keys
		if k == Skills {
			keys = frontmatterKeys.keys
		}
		for i, key := range keys {
			if about := root.items[i].value.member("description"); root.items[i].key != key.name || about == nil || about.text == "" {
				t.Errorf("%s: %s stands where %s belongs, or has no description", k, root.items[i].key, key.name)
			}
		}
	}
}

// What a rule says in JSON Schema refuses no text that the rule accepts, however odd.
func TestRulesSayNoMoreThanTheyCheck(t *testing.T) {
	rules := map[string]*rule{"server": serverURL, "page": secureURL, "redirect": redirectURI, "skill": slugOf(Skills), "toolkit": slugOf(Toolkits)}
	schemas := map[string]*jsonschema.Schema{}
	compiler := jsonschema.NewCompiler()
	for name, rule := range rules {
		said, err := json.Marshal(rule.says)
		if err != nil {
			t.Fatal(err)
		}
		parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(said))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource("urn:"+name, parsed); err != nil {
			t.Fatal(err)
		}
		schemas[name] = compiler.MustCompile("urn:" + name)
	}
	pieces := rapid.SliceOfN(rapid.SampledFrom([]string{
		"http", "https", "HTTPS", "hTTp", "app", "a.b+c-1", ":", "://", "//", "/", "?", "#", "@", "u", "u:p@", "localhost", "LocalHost.", "x.localhost", "127.0.0.1", "127.1.2.3", "[::1]", "[::ffff:127.0.0.1]", "[fe80::1%25en0]",
		":80", ":", "example.com", "é", "%41", "%", "-", "_", ".", "a", "9", "a-b", " ", "javascript", "data", "view-source", "\u2028",
	}), 1, 8)
	rapid.Check(t, func(t *rapid.T) {
		text := strings.Join(pieces.Draw(t, "text"), "")
		for name, rule := range rules {
			if wrong := rule.wrong(text); wrong == "" {
				if err := schemas[name].Validate(text); err != nil {
					t.Fatalf("%s accepts %q, and its schema does not: %v", name, text, err)
				}
			}
		}
	})
}
