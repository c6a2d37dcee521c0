package document

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestRedact(t *testing.T) {
	tests := []struct{ name, stored, want string }{
		{name: "public", stored: `"env":{"A":{"value":"v","secret":false},"B":{"value":"v","secret":false,"required":true}}`, want: `"env":{"A":"v","B":{"value":"v","required":true}}`},
		{name: "secret", stored: `"env":{"A":{"value":"S","secret":true,"description":"d","x":1}}`, want: `"env":{"A":{"secret":true,"description":"d","x":1}}`},
		{name: "bare string", stored: `"headers":{"A":"S"}`, want: `"headers":{"A":{"secret":true}}`},
		{name: "secret not said", stored: `"env":{"A":{"value":"S","required":true}}`, want: `"env":{"A":{"secret":true,"required":true}}`},
		{name: "secret said badly", stored: `"env":{"A":{"value":"S","secret":"false"},"B":{"value":"S","secret":0},"C":{"value":"S","secret":null}}`, want: `"env":{"A":{"secret":true},"B":{"secret":true},"C":{"secret":true}}`},
		{name: "value by another case", stored: `"env":{"A":{"VALUE":"S"," value":"S"}}`, want: `"env":{"A":{"secret":true}}`},
		{name: "other shapes", stored: `"env":{"A":["S"],"B":5,"C":null,"D":true}`, want: `"env":{"A":{"secret":true},"B":{"secret":true},"C":{"secret":true},"D":{"secret":true}}`},
		{name: "no object", stored: `"env":["S"],"headers":"S"`, want: `"env":false,"headers":false`},
		{name: "empty", stored: `"env":null,"headers":{}`, want: ``},
		{name: "forbidden keys", stored: `"auth":"S","client_secret":"S","organization_id":"S","name":"A"`, want: `"name":"A"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			want := mustDocument(t, MCPServers, strings.TrimSuffix(`{"slug":"a",`+test.want, ",")+"}")
			if diff := cmp.Diff(want, Redact(stored(t, `{"slug":"a",`+test.stored+"}"))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// stored reads a document in stored form, which has no normal form.
func stored(t testing.TB, fields string) *Document {
	d, p := UnmarshalDocument(MCPServers, []byte(fields), Limits{})
	if p != nil {
		t.Fatal(p)
	}
	return d
}

func TestAbsorb(t *testing.T) {
	file := mustDocument(t, MCPServers, `{"slug":"a","env":{
		"PLAIN":"v","OBJECT":{"value":"v","required":false},"BARE":{"secret":true},"KEPT":{"secret":true,"description":"new"},
		"HIDDEN":{"secret":true},"NEW":{"secret":true,"required":true},"NULL":{"secret":true},"EMPTY":{"description":"d"}}}`)
	current := stored(t, `{"slug":"a","env":{
		"PLAIN":{"value":"old","secret":false},"BARE":"S1","KEPT":{"value":"S2","secret":true,"description":"old"},
		"HIDDEN":{"value":"was public","secret":false},"NULL":{"value":null},"GONE":{"value":"S3","secret":true}}}`)
	want := stored(t, `{"slug":"a","env":{
		"PLAIN":{"value":"v","secret":false},"OBJECT":{"value":"v","required":false,"secret":false},"BARE":{"secret":true,"value":"S1"},
		"KEPT":{"secret":true,"value":"S2","description":"new"},"HIDDEN":{"secret":true,"value":"was public"},
		"NEW":{"secret":true,"required":true},"NULL":{"secret":true},"EMPTY":{"description":"d","secret":false}}}`)
	got := Absorb(file, current)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(file, Redact(got)); diff != "" {
		t.Errorf("redacting does not lead back: %s", diff)
	}
}

func TestSecretsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file, current := documentOf(t, MCPServers), documentOf(t, MCPServers)
		row := Absorb(file, Absorb(current, nil))
		if diff := cmp.Diff(file, Redact(row)); diff != "" {
			t.Fatal(diff)
		}
		if diff := cmp.Diff(row, Absorb(Redact(row), row)); diff != "" {
			t.Fatal(diff)
		}
		if p := CheckSecrets(Redact(row), Redact(row)); p != nil {
			t.Fatal(p)
		}
	})
}

func TestCheckSecrets(t *testing.T) {
	row := mustDocument(t, MCPServers, `{"slug":"a","env":{"S":{"secret":true},"P":"v"}}`)
	for entry, fine := range map[string]bool{
		`"S":{"secret":true}`: true, `"S":{"secret":true,"required":true}`: true, `"P":"w"`: true, `"P":{"secret":true}`: true, `"N":"v"`: true,
		`"S":"hunter2"`: false, `"S":{"value":"hunter2"}`: false, `"S":{"secret":false}`: false, `"S":{"secret":true,"value":"hunter2"}`: false, `"S":{"description":"d"}`: false,
	} {
		p := CheckSecrets(mustDocument(t, MCPServers, `{"slug":"a","env":{`+entry+`}}`), row)
		if (p == nil) != fine {
			t.Errorf("%s: %v", entry, p)
		}
		if p != nil && (p.Code != ValidationFailed || !strings.HasPrefix(p.Message, "env.S: ") || strings.Contains(p.Message, "hunter2")) {
			t.Errorf("%s: %v", entry, p)
		}
	}
	if p := CheckSecrets(row, nil); p != nil {
		t.Error(p)
	}
	file := []byte("{\n  \"slug\": \"a\",\n  \"env\": {\"S\": \"x\"}\n}")
	p := CheckSecrets(mustDocument(t, MCPServers, string(file)), row).Locate(file)
	if p.Line != 3 || p.Column != 11 || !strings.HasPrefix(p.Message, "line 3, column 11: env.S: ") {
		t.Errorf("located at %d:%d: %s", p.Line, p.Column, p.Message)
	}
}
