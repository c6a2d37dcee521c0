package db

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/mirror/document"
)

func serverDocument(t *testing.T, text string) *document.Document {
	t.Helper()
	d, problem := document.UnmarshalDocument(document.MCPServers, []byte(text), document.DefaultLimits)
	if problem != nil {
		t.Fatal(problem)
	}
	return d
}

// TestEntryValues goes the whole way of a write: what is sent, what the row held, what it holds then.
func TestEntryValues(t *testing.T) {
	const row = `{"slug":"s","name":"S","type":"stdio","command":"c","env":{
		"KEPT":{"secret":true,"value":"old"}, "PUBLIC":{"secret":false,"value":"shown"}, "BARE":"also secret"}}`
	for _, test := range []struct{ name, sent, want, refused string }{
		{name: "a secret's value omitted keeps it", sent: `{"KEPT":{"secret":true}}`, want: `{"KEPT":{"secret":true,"value":"old"}}`},
		{name: "what a read answered is accepted", sent: `{"KEPT":{"secret":true,"set":true}}`, want: `{"KEPT":{"secret":true,"value":"old"}}`},
		{name: "null clears", sent: `{"KEPT":{"secret":true,"value":null}}`, want: `{"KEPT":{"secret":true}}`},
		{name: "a new value", sent: `{"KEPT":{"secret":true,"value":"new"}}`, want: `{"KEPT":{"secret":true,"value":"new"}}`},
		{name: "an entry that is not sent goes", sent: `{"PUBLIC":"shown"}`, want: `{"PUBLIC":{"secret":false,"value":"shown"}}`},
		{name: "a new secret", sent: `{"NEW":{"secret":true,"value":"v","required":true}}`, want: `{"NEW":{"secret":true,"value":"v","required":true}}`},
		{name: "a new string is public", sent: `{"NEW":"v"}`, want: `{"NEW":{"secret":false,"value":"v"}}`},
		{name: "a new value without secret is public", sent: `{"NEW":{"value":"v","description":"d"}}`, want: `{"NEW":{"secret":false,"value":"v","description":"d"}}`},
		{name: "public to secret keeps the value", sent: `{"PUBLIC":{"secret":true}}`, want: `{"PUBLIC":{"secret":true,"value":"shown"}}`},
		{name: "secret to public with a value", sent: `{"KEPT":{"secret":false,"value":"open"}}`, want: `{"KEPT":{"secret":false,"value":"open"}}`},
		{name: "secret to public without one", sent: `{"KEPT":{"secret":false}}`, refused: `env: "KEPT"`},
		{name: "a string for a secret", sent: `{"KEPT":"slip"}`, refused: `env: "KEPT"`},
		{name: "a string for a bare secret", sent: `{"BARE":"slip"}`, refused: `env: "BARE"`},
		{name: "a value that does not say secret", sent: `{"KEPT":{"value":"slip"}}`, refused: `env: "KEPT"`},
		{name: "a value that is no string", sent: `{"KEPT":{"secret":true,"value":1}}`, refused: `env: "KEPT"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			stored := serverDocument(t, row)
			sent := serverDocument(t, `{"slug":"s","name":"S","type":"stdio","command":"c","env":`+test.sent+`}`)
			file, values, problem := takeValues(sent, document.Redact(stored))
			if test.refused != "" {
				if problem == nil || !strings.Contains(problem.Message, test.refused) || strings.Contains(problem.Message, "slip") {
					t.Fatalf("problem %v", problem)
				}
				return
			}
			if problem == nil {
				problem = file.Validate(document.DefaultLimits)
			}
			if problem != nil {
				t.Fatal(problem)
			}
			got := document.Absorb(file, stored)
			values.putInto(got)
			want := serverDocument(t, `{"env":`+test.want+`}`)
			if diff := cmp.Diff(want.Fields["env"], got.Fields["env"]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestSecretsOf(t *testing.T) {
	stored := serverDocument(t, `{"slug":"s","env":{"A":{"secret":true,"value":"v"},"B":{"secret":true},"C":"bare","D":{"secret":false,"value":"v"},"E":{"value":"v"}},"headers":{"H":{"secret":true,"value":""}}}`)
	want := map[string]bool{"env/A": true, "env/B": false, "env/C": true, "env/E": true, "headers/H": false}
	if diff := cmp.Diff(want, secretsOf(stored, document.Redact(stored))); diff != "" {
		t.Error(diff)
	}
}
