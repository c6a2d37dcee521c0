package daemon_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// canaries finds what must not be there.
func canaries(text string) []string {
	var found []string
	for _, line := range strings.Split(text, "\n") {
		if strings.Contains(line, "canary-") {
			found = append(found, line)
		}
	}
	return found
}

func TestSecretsNeverLeave_C2_C3(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		w.insert("mcp_servers", "slug", "'gh'", "name", "'GH'", "type", "'http'", "url", "'https://x.example'",
			"env", `'{"A":{"value":"canary-1","secret":true},"B":{"value":"canary-2"},"C":"canary-3","D":["canary-4"],"E":{"value":"canary-5","secret":"false"}}'`,
			"headers", `'{"Authorization":{"value":"canary-6","secret":true,"description":"ask ops"}}'`,
			"auth", `'{"token":"canary-7"}'`, "extra", `'{"auth":"canary-8","internal":"canary-9"}'`)
		w.insert("mcp_clients", "slug", "'cl'", "name", "'CL'", "client_id", "'canary-10'", "client_secret", "'canary-11'")
		w.synced()
		w.wantFile("mcp-servers/gh.json", strings.ReplaceAll(`{
  "slug": "gh",
  "name": "GH",
  "type": "http",
  "url": "https://x.example",
  "env": {
    "A": {S},
    "B": {S},
    "C": {S},
    "D": {S},
    "E": {S}
  },
  "headers": {
    "Authorization": {
      "secret": true,
      "description": "ask ops"
    }
  }
}
`, "{S}", "{\n      \"secret\": true\n    }"))

		// An import keeps the values, and a file that carries one is refused.
		file := w.files()["mcp-servers/gh.json"]
		w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(file, "x.example", "y.example", 1)))
		w.synced()
		if env := w.query("SELECT env FROM mcp_servers WHERE slug = 'gh'"); !strings.Contains(env, "canary-1") || !strings.Contains(env, "canary-3") {
			t.Errorf("the import lost secrets: %s", env)
		}
		if auth := w.query("SELECT auth FROM mcp_servers WHERE slug = 'gh' AND url = 'https://y.example'"); !strings.Contains(auth, "canary-7") {
			t.Errorf("auth: %s", auth)
		}
		w.commit(bitbuckettest.Write("mcp-servers/gh.json", strings.Replace(file, `"B": {`, `"B": "planted-by-file", "Z": {`, 1)))
		w.synced()
		if got := w.entityError("mcp-servers", "gh"); got != "VALIDATION_FAILED" {
			t.Errorf("a file with a secret's value: %q", got)
		}
		message := w.get("mcp-servers/gh")["git_integration"].(map[string]any)["error"].(map[string]any)["message"].(string)
		if !strings.Contains(message, "B") || strings.Contains(message, "planted") {
			t.Errorf("message %q", message)
		}
		if dump := w.query("SELECT env FROM mcp_servers WHERE slug = 'gh'"); strings.Contains(dump, "planted") {
			t.Error("the planted value was stored")
		}

		objects, err := w.repo.Git("cat-file", "--batch-all-objects", "--batch", "--buffer")
		w.must(err)
		if found := canaries(objects); len(found) > 0 {
			t.Errorf("on the remote: %q", found)
		}
		w.must(filepath.WalkDir(w.cloneDir(), func(path string, e fs.DirEntry, err error) error {
			if err != nil || !e.Type().IsRegular() {
				return err
			}
			data, err := os.ReadFile(path)
			if strings.Contains(string(data), "canary-") || strings.Contains(string(data), w.config.Mirrors[0].ClientSecret.Reveal()) {
				t.Errorf("a secret is in %s", path)
			}
			return err
		}))
		for _, path := range []string{"mcp-servers/gh", "mcp-clients/cl", "mcp-servers", "mirror", "mirror/runs"} {
			status, answer := w.callRaw("GET", path)
			answer = strings.ReplaceAll(answer, "canary-9", "") // no secret: another program's key, for administrators
			if found := canaries(answer); len(found) > 0 || status != 200 {
				t.Errorf("%s answers %d with %q", path, status, found)
			}
		}
		w.stop()
		log := w.log.String()
		for _, secret := range []string{"canary-", "planted", adminToken, webhookSecret, w.config.Mirrors[0].ClientSecret.Reveal()} {
			if strings.Contains(log, secret) {
				t.Errorf("the log has %q", secret)
			}
		}
		if dump := w.query("SELECT client_secret || webhook_secret FROM bitbucket_connections"); strings.Contains(dump, webhookSecret) || dump == "" {
			t.Errorf("credentials are not sealed: %q", dump)
		}
	})
}

func TestPublicCredentialIsHeldBack(t *testing.T) {
	eachWorld(t, nil, func(w *world) {
		token := "ghp_" + "x7Kq2mZ9vR4tL8wN1pB6cY3dF5gH0jS2aQ9e"
		w.insert("commands", "slug", "'leaky'", "name", "'Leaky'", "prompt", quote("Use "+token))
		w.insert("commands", "slug", "'clean'", "name", "'Clean'", "prompt", "'Hi'")
		w.synced()
		w.wantNoFile("commands/leaky.json")
		if _, there := w.files()["commands/clean.json"]; !there {
			t.Error("everything else does not go on")
		}
		item := w.get("commands/leaky")["git_integration"].(map[string]any)["error"].(map[string]any)
		if message := item["message"].(string); item["code"] != "VALIDATION_FAILED" || !strings.Contains(message, "prompt") || strings.Contains(message, token) {
			t.Errorf("error: %v", item)
		}
		w.exec("UPDATE commands SET prompt = 'Use the environment' WHERE slug = 'leaky'")
		w.synced()
		if _, there := w.files()["commands/leaky.json"]; !there {
			t.Error("the mended row was not exported")
		}
	})
}
