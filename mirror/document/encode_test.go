package document

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Each testdata/encode/*.json is a file as confmirror writes it; the fields are
// given here in another order.
func TestEncode(t *testing.T) {
	for name, fields := range map[string]string{
		"toolkits-full": `{"x-b":{"b":1,"a":[{}]},"$schema":"s","commands":["c","b"],"skills":["s"],"integrations":{"z":{"zz":1,"resources":["r"],"prompts":[],"tools":["t","a"]},"b":{"tools":"*"},"c":{}},
			"least_privilege":true,"status":"draft","description":"<a> & \"b\"\n\u2028é😀","name":"A","slug":"a"}`,
		"toolkits-minimal": `{"name":"A","slug":"a","status":"active","least_privilege":false,"skills":[],"integrations":{},"description":null}`,
		"commands-full":    `{"arguments":[{"required":false,"description":"d","title":"T","name":"n","x":null},{"name":"m"}],"prompt":"p","description":"d","name":"A","slug":"a"}`,
		"mcp-servers-full": `{"tools":{"b":{"description":"d","enabled":false},"a":{}},"headers":{"H":{"description":"d","required":true,"secret":true}},"env":{"B":{"value":"v","secret":false},"A":{"required":false,"value":"v"}},
			"args":["-y","x"],"command":"c","type":"stdio","description":"d","name":"A","slug":"a"}`,
		"mcp-servers-none": `{"slug":"a","name":"A","type":"streamable-http","url":"https://x","tools":{},"x-n":1.50e2}`,
		"mcp-clients-full": `{"scope":"s","token_endpoint_auth_method":"none","response_types":["code"],"grant_types":["g"],"redirect_uris":["https://x","app:/cb"],"logo_uri":"https://l","client_uri":"https://c","enabled":false,"description":"d","name":"A","slug":"a"}`,
	} {
		t.Run(name, func(t *testing.T) {
			kind := Kind(name[:strings.LastIndexByte(name, '-')])
			got := Encode(mustDocument(t, kind, fields))
			golden := filepath.Join("testdata", "encode", name+".json")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
			if _, p := ParseFile(kind, "a", want, Limits{}); p != nil {
				t.Error(p)
			}
		})
	}
}

// Digests are kept in databases: a change here needs a new DigestVersion.
func TestDigestIsStable(t *testing.T) {
	for want, d := range map[Digest]*Document{
		"1:1d44ce38503e274cb8027a0cd97d9097eea5c486810b4ce54a383c13e8bf84b9": mustDocument(t, Toolkits, `{"slug":"a","name":"é<\n\u0001","x-n":[1e2,null,true,{"b":"","a":1.50}]}`),
		"1:0436b0f92052d4e8e8f3206177cc6ab00658801f9649f2b6291fee9eb727df51": mustDocument(t, MCPServers, samples[MCPServers]),
		"1:32bd7d1ccc8b07fcd1dd4569cd1a3e489b0f6a2bfe69cec579164da95c59c7a1": mustDocument(t, Commands, samples[Commands]),
		"1:c0c4fc5afbbffb93a0318f6921428d78e7001b561f908b82bf91e7f1a361fe71": mustDocument(t, Toolkits, samples[Toolkits]),
		"1:658c6dc95800139aefa63b67288294af8145b0034d06880b50cfd0175b7868f2": mustDocument(t, Commands, `{"slug":"b","name":"\b\f\r\t\/\u001f\u007f\u2028\ud83d\ude00","prompt":"x","z":{},"é":[],"x":-0.0,"y":[1E400,12.500e-3,123456789012345678901234567890],"a":[[],{},[{"b":{"c":[""]}}]]}`),
		"1:d187b70828f851b9f8a2b1b60832d5d360d35489bed464d1ae482930514abeae": {Kind: Skills, Slug: "answer-customers", Files: sampleSkill},
		"1:77d54f4b4059e8ee197c8937778132a87199ae0a2660bab7092e52ed1e0b2bcb": {Kind: MCPClients},
		"1:bec69c64b8d611637c147156a9cb883e237c926b6c55ed4bf45964c796514e5d": {Kind: Skills, Slug: "a", Files: []File{{Path: SkillFile, Content: []byte("x")}, {Path: "a b", Executable: true}}},
	} {
		if got := d.Digest(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if a, b := (&Document{Kind: Toolkits, Slug: "a"}).Normalize(), (&Document{Kind: Commands, Slug: "a"}).Normalize(); a.Digest() == b.Digest() {
		t.Error("the kind does not count")
	}
}
