package configs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/confmirror/confmirror/configs"
)

const key32 = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

// maxExposure is ten times what systemd-analyze may rate the unit: it says 1.2.
const maxExposure = "15"

// systemd's own judgement of the unit. ./scripts/test installs systemd where it can.
func TestSystemdUnit(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Fatal("systemd-analyze is missing; it comes with systemd (apt-get install systemd)")
	}
	unit, err := os.ReadFile("confmirror.service")
	if err != nil {
		t.Fatal(err)
	}
	const binary = "/usr/local/bin/confmirror"
	if strings.Count(string(unit), "ExecStart="+binary+" ") != 1 {
		t.Fatalf("the unit does not start %s", binary)
	}
	// verify wants the program to be there.
	here, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "confmirror.service")
	if err := os.WriteFile(path, []byte(strings.Replace(string(unit), binary, here, 1)), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(analyze, "verify", "--man=no", path).CombinedOutput(); err != nil || strings.Contains(string(out), "confmirror.service") {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	if out, err := exec.Command(analyze, "security", "--offline=true", "--no-pager", "--threshold="+maxExposure, path).CombinedOutput(); err != nil {
		t.Errorf("systemd-analyze security: %v\n%s", err, out)
	}
}

// secretsDir holds a file for every name, as a mount would.
func secretsDir(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range names {
		content := "secret"
		switch name {
		case "database-url":
			content = "postgres://u:p@h/d"
		case "encryption-key":
			content = key32
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestCompose(t *testing.T) {
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []string
			Volumes     []string
		}
		Secrets map[string]any
	}
	content, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(content, &compose); err != nil {
		t.Fatal(err)
	}
	service := compose.Services["confmirror"]
	dir := secretsDir(t, service.Secrets...)
	var environ []string
	for name, value := range service.Environment {
		environ = append(environ, name+"="+strings.Replace(value, "/run/secrets", dir, 1))
	}
	t.Chdir(t.TempDir())
	c, err := configs.Load("", environ)
	if err != nil {
		t.Fatal(err)
	}
	if c.Admin.Token.IsZero() || c.Database.URL.IsZero() || c.Encryption.Key.IsZero() {
		t.Errorf("a secret is missing: %+v", c)
	}
	for _, name := range service.Secrets {
		if _, ok := compose.Secrets[name]; !ok {
			t.Errorf("the secret %s is defined nowhere", name)
		}
	}
}

func TestKubernetes(t *testing.T) {
	content, err := os.ReadFile("kubernetes.yaml")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]map[string]any{}
	for doc := range strings.SplitSeq(string(content), "\n---\n") {
		var object map[string]any
		if err := yaml.Unmarshal([]byte(doc), &object); err != nil {
			t.Fatal(err)
		}
		kinds[object["kind"].(string)] = object
	}
	var names []string
	for name := range kinds["Secret"]["stringData"].(map[string]any) {
		names = append(names, name)
	}
	dir := secretsDir(t, names...)
	config := kinds["ConfigMap"]["data"].(map[string]any)["confmirror.yaml"].(string)
	path := filepath.Join(t.TempDir(), "confmirror.yaml")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(config, "/etc/confmirror/secrets", dir)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := configs.Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Files()) != 1+len(names) {
		t.Errorf("%d files in use, %d secrets: %q", len(c.Files()), len(names), c.Files())
	}
	pod := at(t, kinds["Deployment"], "spec", "template", "spec")
	container := at(t, pod, "containers").([]any)[0]
	for _, want := range []struct {
		got, want any
	}{
		{at(t, container, "securityContext", "readOnlyRootFilesystem"), true},
		{at(t, pod, "securityContext", "runAsNonRoot"), true},
		{at(t, container, "livenessProbe", "httpGet", "path"), "/healthz"},
		{at(t, container, "readinessProbe", "httpGet", "path"), "/readyz"},
		{at(t, kinds["Deployment"], "spec", "selector", "matchLabels"), at(t, kinds["Deployment"], "spec", "template", "metadata", "labels")},
		{at(t, kinds["Deployment"], "spec", "selector", "matchLabels"), at(t, kinds["Service"], "spec", "selector")},
	} {
		if !reflect.DeepEqual(want.got, want.want) {
			t.Errorf("got %v, want %v", want.got, want.want)
		}
	}
}

func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, name := range path {
		m, ok := v.(map[string]any)
		if !ok || m[name] == nil {
			t.Fatalf("kubernetes.yaml lacks %s", strings.Join(path, "."))
		}
		v = m[name]
	}
	return v
}
