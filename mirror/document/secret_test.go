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
		{name: "secret", stored: `"env":{"A":{"value":"S","secret":true,"description":"d"}}`, want: `"env":{"A":{"secret":true,"description":"d"}}`},
		{name: "other keys of a secret", stored: `"env":{"A":{"value":"S","secret":true,"old_value":"S","note":"S","X-note":"S","x-note":1},"B":{"secret":true,"old_value":"S"},"C":{"value":"S","old_value":"S"}}`,
			want: `"env":{"A":{"secret":true,"x-note":1},"B":{"secret":true},"C":{"secret":true}}`},
		{name: "other keys of what does not know the form", stored: `"env":{"A":{"x-note":"S","description":"d"}}`, want: `"env":{"A":{"secret":true,"description":"d"}}`},
		{name: "other keys of a public entry", stored: `"env":{"A":{"value":"v","secret":false,"note":1,"x-note":1}}`, want: `"env":{"A":{"value":"v","note":1,"x-note":1}}`},
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
			got := Redact(stored(t, `{"slug":"a",`+test.stored+"}"))
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if strings.Contains(string(mustJSON(got)), `"S"`) {
				t.Errorf("a secret leaves: %s", mustJSON(got))
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

// What another program keeps beside a secret's value stays through an import, and
// what a file has beside it stays in the file; neither reaches the other side.
func TestOtherKeysOfASecretStayWhereTheyAre(t *testing.T) {
	row := stored(t, `{"slug":"a","name":"A","env":{
		"SAID":{"value":"S","secret":true,"old_value":"S0","x-note":"row"},"GUESSED":{"value":"S","old_value":"S0"},
		"SHAPELESS":{"password":"S","x-password":"S0"},"EMPTY":{"secret":true,"old_value":"S0"},"PUBLIC":{"value":"v","secret":false,"note":"n"}}}`)
	text := `{"slug":"a","name":"B","env":{
		"SAID":{"secret":true,"old_value":"file","x-note":"file"},"GUESSED":{"secret":true},
		"SHAPELESS":{"secret":true},"EMPTY":{"secret":true,"hint":"file"},"PUBLIC":{"secret":true,"note":"file"}}}`
	file := mustDocument(t, MCPServers, text)
	next := Absorb(file, row)
	want := stored(t, `{"slug":"a","name":"B","env":{
		"SAID":{"value":"S","secret":true,"old_value":"S0","x-note":"file"},"GUESSED":{"value":"S","secret":true,"old_value":"S0"},
		"SHAPELESS":{"secret":true,"value":{"password":"S","x-password":"S0"}},"EMPTY":{"secret":true,"old_value":"S0"},"PUBLIC":{"value":"v","secret":true,"note":"n"}}}`)
	if diff := cmp.Diff(want, next); diff != "" {
		t.Error(diff)
	}
	if got := Redact(next); got.Digest() != file.Digest() {
		t.Errorf("the row differs from the file it was read from: %s", cmp.Diff(file, got))
	}
	next.Fields["env"].(map[string]any)["SAID"].(map[string]any)["required"] = true
	edited := string(Edit([]byte(text), Redact(next)))
	if want := strings.Replace(text, `"SAID":{"secret":true,`, `"SAID":{"secret":true,"required":true,`, 1); edited != want {
		t.Errorf("got\n%s\nwant\n%s", edited, want)
	}
	if lowered := Absorb(mustDocument(t, MCPServers, `{"slug":"a","env":{"SAID":"public"}}`), row); strings.Contains(string(mustJSON(lowered)), "S0") {
		t.Errorf("what stood beside the secret became public with it: %s", mustJSON(lowered))
	}
}

func TestSecretsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		file, current := documentOf(t, MCPServers), documentOf(t, MCPServers)
		before := Absorb(current, nil)
		for _, entry := range entriesOf(before) {
			for _, name := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"old_value", "Value", "note"}), rapid.ID).Draw(t, "other keys") {
				entry[name] = "hidden"
			}
		}
		row := Absorb(file, before)
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

// entriesOf are the secret entries of env and headers in stored form.
func entriesOf(d *Document) []map[string]any {
	var secret []map[string]any
	for _, name := range []string{"env", "headers"} {
		entries, _ := d.Fields[name].(map[string]any)
		for _, entry := range sortedKeys(entries) {
			if object, ok := entries[entry].(map[string]any); ok && object["secret"] == true {
				secret = append(secret, object)
			}
		}
	}
	return secret
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
