package configs

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// sample is a value that the key does not have by default and that is valid.
func sample(key string, v reflect.Value) string {
	given := map[string]string{
		"database.url": "postgres://u@h/d", "http.listen": "127.0.0.1:9", "http.public_url": "https://x", "http.allowed_hosts": "a,b",
		"encryption.key": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", "encryption.previous_keys": "ISEhISEhISEhISEhISEhISEhISEhISEhISEhISEhISE",
		"sync.poll": "@every 5m", "sync.audit": "@daily", "sync.conflict": "database", "sync.deletions": "keep", "sync.credential_rebind": "hold",
		"sync.push": "auto", "sync.secret_scan": "off", "log.level": "debug", "log.format": "json", "mirrors[0].organization": "acme",
		"mirrors[0].push": "auto", "mirrors[0].conflict": "database", "mirrors[0].api_url": "https://a", "mirrors[0].oauth_url": "https://o", "mirrors[0].git_url": "https://g",
	}
	if s, ok := given[key]; ok {
		return s
	}
	switch v.Interface().(type) {
	case bool:
		return "false"
	case int:
		return "7"
	case time.Duration:
		return "7s"
	case Size:
		return "7KiB"
	}
	return "seven"
}

// Every key can be set in the file and in the environment, to the same effect, and
// is named in the error when it holds what no key takes.
func TestEveryKeyInBothLayers(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("seven", []byte("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	shape := defaults()
	shape.Mirrors = []*MirrorConfig{{}}
	keys := 0
	walk(reflect.ValueOf(shape).Elem(), "", func(f leaf) {
		keys++
		value := sample(f.key, f.value)
		fromEnviron, fromFile := set(t, envName(f.key)+"="+value, ""), set(t, "", inYAML(f, value))
		got, want := dump(fromEnviron, f.key), dump(fromFile, f.key)
		if got != want || got == dump(shape, f.key) {
			t.Errorf("%s: %s from the environment, %s from the file, %s by default", f.key, got, want, dump(shape, f.key))
		}
	})
	if keys < 45 {
		t.Errorf("only %d keys", keys)
	}
}

func inYAML(f leaf, value string) string {
	if f.value.Kind() == reflect.Slice {
		value = "[" + value + "]"
	} else if f.value.Kind() == reflect.String || f.value.Kind() == reflect.Pointer || secretType(f.value.Type()) {
		value = fmt.Sprintf("%q", value)
	}
	if name, ok := strings.CutPrefix(f.key, "mirrors[0]."); ok {
		return "mirrors: [{" + name + ": " + value + "}]"
	}
	parts := strings.Split(f.key, ".")
	return strings.Join(parts[:len(parts)-1], ": {") + strings.Repeat(": {", min(len(parts)-1, 1)) + parts[len(parts)-1] + ": " + value + strings.Repeat("}", len(parts)-1)
}

// set reads the two layers without judging them: one key alone makes no valid mirror.
func set(t *testing.T, variable, yaml string) *Config {
	t.Helper()
	l := &loader{config: defaults(), file: "c.yaml", origins: map[string]origin{}}
	l.readYAML([]byte(yaml))
	l.readEnviron([]string{variable})
	for _, p := range l.problems {
		t.Errorf("%s%s: %v", variable, yaml, p)
	}
	return l.config
}

func dump(c *Config, key string) (s string) {
	walk(reflect.ValueOf(c).Elem(), "", func(f leaf) {
		if f.key != key {
			return
		}
		switch v := f.value.Interface().(type) {
		case mirror.Secret:
			s = v.Reveal()
		case *string:
			if s = "left out"; v != nil {
				s = *v
			}
		default:
			s = fmt.Sprintf("%+v", v)
			if list, ok := v.([]mirror.Secret); ok && len(list) > 0 {
				s = list[0].Reveal()
			}
		}
	})
	return s
}

// The example names every key, loads as it stands, and what it sets is the default.
func TestExample(t *testing.T) {
	content, err := os.ReadFile("confmirror.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "c.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(filepath.Dir(path))
	got, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Path, want.files = got.Path, got.files
	if want.HTTP.AllowedHosts = []string{}; !reflect.DeepEqual(got.HTTP, want.HTTP) || !reflect.DeepEqual(got.Sync, want.Sync) || got.Log != want.Log ||
		got.DataDir != want.DataDir || got.Database != want.Database || got.Admin != want.Admin || !got.Encryption.Key.IsZero() || len(got.Mirrors) != 0 {
		t.Errorf("the example differs from the defaults:\n got %+v\nwant %+v", got, want)
	}

	// The mirror in it is commented out: read it too, with the files that it names.
	l := &loader{config: defaults(), file: "example", origins: map[string]origin{}}
	l.readYAML([]byte(uncommented(string(content))))
	if len(l.problems) > 0 {
		t.Fatal(l.problems)
	}
	l.config.Mirrors[0].ClientSecret = mirror.NewSecret("x")
	l.config.Mirrors[0].AccessTokenFile = ""
	l.config.derive()
	l.validate()
	if len(l.problems) > 0 {
		t.Error(l.problems)
	}
	twins := map[string]bool{}
	walk(reflect.ValueOf(l.config).Elem(), "", func(f leaf) {
		if f.file.IsValid() { // a secret stands there under its own name or its file's
			twins[f.key] = true
			if l.origins[f.key].where == "" && l.origins[f.key+"_file"].where == "" {
				t.Errorf("the example lacks %s", f.key)
			}
		}
	})
	walk(reflect.ValueOf(l.config).Elem(), "", func(f leaf) {
		if !twins[f.key] && !twins[strings.TrimSuffix(f.key, "_file")] && l.origins[f.key].where == "" {
			t.Errorf("the example lacks %s", f.key)
		}
	})
	m, want2 := l.config.Mirrors[0].Settings(), mirror.Settings{APIURL: mirror.DefaultAPIURL, OAuthURL: mirror.DefaultOAuthURL, GitURL: mirror.DefaultGitURL}
	if m.APIURL != want2.APIURL || m.OAuthURL != want2.OAuthURL || m.GitURL != want2.GitURL {
		t.Errorf("the example's mirror has other URLs than the defaults: %+v", m)
	}
}

// uncommented takes the comment mark off the list of mirrors.
func uncommented(content string) string {
	before, mirrors, _ := strings.Cut(content, "\n#mirrors:")
	return before + "\nmirrors:" + strings.ReplaceAll(mirrors, "\n#", "\n")
}
