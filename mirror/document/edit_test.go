package document

import (
	"strings"
	"testing"
)

func TestEdit(t *testing.T) {
	tests := []struct {
		name, file, fields, want string
		kind                     Kind
	}{
		{name: "value", file: "{\n    \"name\": \"A\",\n    \"slug\": \"a\"\n}", fields: `{"slug":"a","name":"B"}`,
			want: "{\n    \"name\": \"B\",\n    \"slug\": \"a\"\n}"},
		{name: "CRLF, tabs, mark", file: "\xef\xbb\xbf{\r\n\t\"slug\": \"a\",\r\n\t\"name\": \"A\"\r\n}\r\n", fields: `{"slug":"a","name":"A","skills":["x"]}`,
			want: "\xef\xbb\xbf{\r\n\t\"slug\": \"a\",\r\n\t\"name\": \"A\",\r\n\t\"skills\": [\r\n\t\t\"x\"\r\n\t]\r\n}\r\n"},
		{name: "one line", file: `{"slug":"a","name":"A"}`, fields: `{"slug":"a","name":"A","description":"d","skills":["x","y"]}`,
			want: `{"slug":"a","name":"A","description":"d","skills":["x","y"]}`},
		{name: "one airy line", file: `{ "slug": "a", "name": "A" }`, fields: `{"slug":"a","name":"A","skills":["x","y"]}`,
			want: `{ "slug": "a", "name": "A", "skills": ["x", "y"] }`},
		{name: "key goes where the order suggests", file: "{\n  \"$schema\": \"s\",\n  \"slug\": \"a\",\n  \"skills\": [\"x\"],\n  \"name\": \"A\"\n}\n",
			fields: `{"$schema":"s","slug":"a","name":"A","skills":["x"],"description":"d","commands":["c"],"x-b":1}`,
			want:   "{\n  \"$schema\": \"s\",\n  \"slug\": \"a\",\n  \"skills\": [\"x\"],\n  \"commands\": [\n    \"c\"\n  ],\n  \"name\": \"A\",\n  \"description\": \"d\",\n  \"x-b\": 1\n}\n"},
		{name: "key comes first", file: "{\n  \"name\": \"A\"\n}", fields: `{"slug":"a","name":"A"}`, want: "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}"},
		{name: "key comes first on a line", file: `{"name": "A", "skills": ["x"]}`, fields: `{"slug":"a","name":"A","skills":["x"]}`, want: `{"slug": "a", "name": "A", "skills": ["x"]}`},
		{name: "first key goes", file: "{\n  \"description\": \"d\",\n\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}", fields: `{"slug":"a","name":"A"}`,
			want: "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}"},
		{name: "last key goes", file: "{\n  \"slug\": \"a\",\n  \"name\": \"A\",\n  \"description\": \"d\"\n}\n", fields: `{"slug":"a","name":"A"}`,
			want: "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}\n"},
		{name: "commas lead", file: "{ \"slug\": \"a\"\n, \"name\": \"A\"\n}", fields: `{"slug":"a","name":"A","description":"d"}`,
			want: "{ \"slug\": \"a\"\n, \"name\": \"A\"\n, \"description\": \"d\"\n}"},
		{name: "default stays", file: `{"slug":"a","name":"A","status":"active","least_privilege":false,"skills":[]}`, fields: `{"slug":"a","name":"B"}`,
			want: `{"slug":"a","name":"B","status":"active","least_privilege":false,"skills":[]}`},
		{name: "what is no default goes", file: `{"slug":"a","name":"A","status":"draft"}`, fields: `{"slug":"a","name":"A"}`, want: `{"slug":"a","name":"A"}`},
		{name: "number's spelling stays", file: `{"slug":"a","name":"A","x-n":[1e2,1.0]}`, fields: `{"slug":"a","name":"A","x-n":[100,2]}`, want: `{"slug":"a","name":"A","x-n":[1e2,2]}`},
		{name: "escapes stay", file: `{"slug":"\u0061","name":"A"}`, fields: `{"slug":"a","name":"<&>"}`, want: `{"slug":"\u0061","name":"<&>"}`},
		{name: "array on a line", file: `{"slug": "a", "name": "A", "skills": [ "x", "z" ]}`, fields: `{"slug":"a","name":"A","skills":["x","y","z","zz"]}`,
			want: `{"slug": "a", "name": "A", "skills": [ "x", "y", "z", "zz" ]}`},
		{name: "array on lines", file: "{\n  \"slug\": \"a\", \"name\": \"A\",\n  \"skills\": [\n    \"b\",\n    \"c\"\n  ]\n}", fields: `{"slug":"a","name":"A","skills":["a","c","d"]}`,
			want: "{\n  \"slug\": \"a\", \"name\": \"A\",\n  \"skills\": [\n    \"a\",\n    \"c\",\n    \"d\"\n  ]\n}"},
		{name: "array gets one in front", file: "{\n  \"slug\": \"a\", \"name\": \"A\",\n  \"skills\": [\"b\", \"c\"]\n}", fields: `{"slug":"a","name":"A","skills":["a","b","c"]}`,
			want: "{\n  \"slug\": \"a\", \"name\": \"A\",\n  \"skills\": [\"a\", \"b\", \"c\"]\n}"},
		{name: "array emptied within a value", file: "{\"slug\":\"a\",\"name\":\"A\",\"integrations\":{\"x\":{\"tools\":[\n1\n]}}}", fields: `{"slug":"a","name":"A","integrations":{"x":{"tools":[]}}}`,
			want: "{\"slug\":\"a\",\"name\":\"A\",\"integrations\":{\"x\":{\"tools\":[]}}}"},
		{name: "empty array filled", file: "{\n \"slug\": \"a\",\n \"name\": \"A\",\n \"integrations\": {\n  \"x\": {\"tools\": []},\n  \"y\": {\n   \"tools\": []\n  }\n }\n}",
			fields: `{"slug":"a","name":"A","integrations":{"x":{"tools":["t"]},"y":{"tools":["t"]}}}`,
			want:   "{\n \"slug\": \"a\",\n \"name\": \"A\",\n \"integrations\": {\n  \"x\": {\"tools\": [\"t\"]},\n  \"y\": {\n   \"tools\": [\n    \"t\"\n   ]\n  }\n }\n}"},
		{name: "table stays sorted", file: "{\n  \"slug\": \"a\",\n  \"name\": \"A\",\n  \"integrations\": {\n    \"b\": {},\n    \"d\": {}\n  }\n}",
			fields: `{"slug":"a","name":"A","integrations":{"a":{},"b":{},"c":{},"d":{},"e":{}}}`,
			want:   "{\n  \"slug\": \"a\",\n  \"name\": \"A\",\n  \"integrations\": {\n    \"a\": {},\n    \"b\": {},\n    \"c\": {},\n    \"d\": {},\n    \"e\": {}\n  }\n}"},
		{name: "empty object", file: "{}\n", fields: `{"slug":"a","name":"A"}`, want: "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}\n"},
		{name: "does not parse", file: "{\n  \"slug\": \"a\",\n}", fields: `{"slug":"a","name":"A"}`, want: "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}\n"},
		{name: "no object", file: "[]", fields: `{"slug":"a","name":"A"}`, want: "{\n  \"slug\": \"a\",\n  \"name\": \"A\"\n}\n"},
		{name: "invalid otherwise", file: `{"slug":"b","client_secret":"x", "name":1}`, fields: `{"slug":"a","name":"A"}`, want: `{"slug":"a", "name":"A"}`},
		{name: "argument by name", kind: Commands, file: "{\"slug\":\"a\",\"name\":\"A\",\"prompt\":\"p\",\"arguments\":[\n {\"name\":\"b\", \"x\":1},\n {\"name\":\"c\"}\n]}",
			fields: `{"slug":"a","name":"A","prompt":"p","arguments":[{"name":"a"},{"name":"b","x":2},{"name":"c","title":"C"}]}`,
			want:   "{\"slug\":\"a\",\"name\":\"A\",\"prompt\":\"p\",\"arguments\":[\n {\n  \"name\":\"a\"\n },\n {\"name\":\"b\", \"x\":2},\n {\"name\":\"c\",\"title\":\"C\"}\n]}"},
		{name: "type's old name stays", kind: MCPServers, file: `{"slug":"a","name":"A","type":"streamable-http","url":"https://x"}`, fields: `{"slug":"a","name":"A","type":"http","url":"https://y"}`,
			want: `{"slug":"a","name":"A","type":"streamable-http","url":"https://y"}`},
		{name: "entries keep their spelling", kind: MCPServers, file: `{"slug":"a","name":"A","type":"http","url":"https://x","env":{"A":{"value":"1"},"B":{"value":"1","secret":false},"C":{"secret":true,"value":null},"D":"1","E":{"value":"1"}}}`,
			fields: `{"slug":"a","name":"A","type":"http","url":"https://x","env":{"A":"2","B":"2","C":{"secret":true,"required":true},"D":{"secret":true},"E":"1"}}`,
			want:   `{"slug":"a","name":"A","type":"http","url":"https://x","env":{"A":{"value":"2"},"B":{"value":"2","secret":false},"C":{"secret":true,"required":true,"value":null},"D":{"secret":true},"E":{"value":"1"}}}`},
		{name: "public becomes secret", kind: MCPServers, file: `{"slug":"a","name":"A","type":"http","url":"https://x","env":{"A":{"value":"1","secret":false,"description":"d"}}}`,
			fields: `{"slug":"a","name":"A","type":"http","url":"https://x","env":{"A":{"secret":true,"description":"d"}}}`,
			want:   `{"slug":"a","name":"A","type":"http","url":"https://x","env":{"A":{"secret":true,"description":"d"}}}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.kind == "" {
				test.kind = Toolkits
			}
			d := mustDocument(t, test.kind, test.fields)
			got := string(Edit([]byte(test.file), d))
			if got != test.want {
				t.Errorf("got\n%s\nwant\n%s", show(got), show(test.want))
			}
			if again := string(Edit([]byte(got), d)); again != got {
				t.Errorf("edited twice\n%s", show(again))
			}
		})
	}
}

func show(s string) string {
	return strings.NewReplacer("\t", "→", "\r", "¬", "\ufeff", "BOM").Replace(s)
}

// mustDocument reads a document's fields without validating them.
func mustDocument(t testing.TB, k Kind, fields string) *Document {
	t.Helper()
	d, p := UnmarshalDocument(k, []byte(fields), Limits{})
	if p != nil {
		t.Fatal(p)
	}
	return d.Normalize()
}
