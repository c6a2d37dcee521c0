package bitbucket_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/bitbucket"
)

func fixture(t testing.TB, name string) []byte {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// W1. The vectors were computed with openssl dgst -sha256 -hmac.
func TestVerifySignature(t *testing.T) {
	secret := mirror.NewSecret("It's a Secret to Everybody")
	body := []byte("Hello, World!")
	const good = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
	for _, tt := range []struct {
		name, header string
		body         []byte
		secret       mirror.Secret
		want         bool
	}{
		{"good", good, body, secret, true},
		{"upper-case digits", "sha256=" + strings.ToUpper(good[7:]), body, secret, true},
		{"secret with a newline", good, body, mirror.NewSecret("It's a Secret to Everybody\n"), true},
		{"other body", good, []byte("Hello, World"), secret, false},
		{"other secret", good, body, mirror.NewSecret("it's a secret to everybody"), false},
		{"no header", "", body, secret, false},
		{"no secret", good, body, mirror.Secret{}, false},
		{"only a newline for a secret", good, body, mirror.NewSecret("\n"), false},
		{"no algorithm", good[7:], body, secret, false},
		{"other algorithm", "sha1=" + good[7:], body, secret, false},
		{"cut", good[:len(good)-2], body, secret, false},
		{"no digits", "sha256=" + strings.Repeat("z", 64), body, secret, false},
		{"nothing", "sha256=", body, secret, false},
		{"trailing space", good + " ", body, secret, false},
	} {
		if got := bitbucket.VerifySignature(tt.body, tt.header, tt.secret); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

func TestSignedFixtures(t *testing.T) {
	secret := mirror.NewSecret("Gz$k7-test-secret")
	for name, header := range map[string]string{
		"cloud-push.json":         "sha256=74bcd13bb6a03e16c56168df6dbae74493f3bf974d89a6f2afd1dbcf7d6d9825",
		"datacenter-refs.json":    "sha256=b782ba385b6fcdce8fdc30cef7d920119e4ebcecd561a793ba471eaeea845e0f",
		"datacenter-ping.json":    "sha256=9084bdf518e51c8c18530b94b1aaa04d59de8dc181a2676eed4ac246871c791d",
		"cloud-push-deleted.json": "sha256=260f6ef4eb2b5008bc6fc6a20949a533055191c36d66f964ffd57cb26598e468",
	} {
		if !bitbucket.VerifySignature(fixture(t, name), header, secret) {
			t.Errorf("%s does not verify", name)
		}
	}
}

func TestParseEvent(t *testing.T) {
	const id = "{7e3c9a52-0d4b-4a36-9b0e-2f1f6c5d8e11}"
	for _, tt := range []struct{ key, fixture, uuid, fullName string }{
		{bitbucket.EventPush, "cloud-push.json", id, "acme-corp/webrix-sync"},
		{bitbucket.EventPush, "cloud-push-deleted.json", id, "acme-corp/webrix-sync"},
		{bitbucket.EventRefsChanged, "datacenter-refs.json", "", "CONF/webrix-sync"},
		{bitbucket.EventPing, "datacenter-ping.json", "", ""},
		{"repo:updated", "datacenter-ping.json", "", ""},
		{"pullrequest:fulfilled", "cloud-pullrequest.json", id, "acme-corp/webrix-sync"},
		{"pr:merged", "datacenter-pullrequest.json", "", "CONF/webrix-sync"},
	} {
		e, err := bitbucket.ParseEvent(tt.key, fixture(t, tt.fixture))
		if want := (bitbucket.Event{Key: tt.key, UUID: tt.uuid, FullName: tt.fullName}); err != nil || e != want {
			t.Errorf("%s: %+v %v", tt.fixture, e, err)
		}
	}
	if bitbucket.IsPush(bitbucket.EventPing) || bitbucket.IsPush("") || !bitbucket.IsPush(bitbucket.EventRefsChanged) {
		t.Error("IsPush")
	}
}

// W3, W5: no shape of body does harm, none is needed but the repository.
func TestParseEventShapes(t *testing.T) {
	for _, body := range []string{
		"", "null", "[]", "{}", "1", `{"repository":null}`, `{"repository":[]}`, `{"repository":"x"}`,
		`{"repository":{"uuid":5}}`, `{"repository":{"uuid":""}}`, `{"push":{"changes":[]}}`, `{"test": true}`,
		`{"repository":{"slug":"x"}}`, strings.Repeat("[", 100_000), `{"repository":{"uuid":"{}"}}`,
	} {
		if e, err := bitbucket.ParseEvent(bitbucket.EventPush, []byte(body)); err == nil {
			t.Errorf("%.40s: %+v", body, e)
		}
	}
	for _, body := range []string{
		`{"push":{"changes":[]},"repository":{"full_name":"a/b"}}`,
		`{"push":{"changes":null},"repository":{"full_name":"a/b"}}`,
		`{"push":7,"repository":{"full_name":"a/b"},"actor":[]}`,
	} {
		if e, err := bitbucket.ParseEvent(bitbucket.EventPush, []byte(body)); err != nil || e.FullName != "a/b" {
			t.Errorf("%s: %+v %v", body, e, err)
		}
	}
	_, err := bitbucket.ParseEvent(bitbucket.EventPush, []byte("{}"))
	if !errors.Is(err, bitbucket.ErrNoRepository) {
		t.Error(err)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, name := range []string{"cloud-push.json", "cloud-push-deleted.json", "datacenter-refs.json", "datacenter-ping.json"} {
		f.Add(bitbucket.EventPush, fixture(f, name))
		f.Add(bitbucket.EventRefsChanged, fixture(f, name))
	}
	f.Fuzz(func(t *testing.T, key string, body []byte) {
		e, err := bitbucket.ParseEvent(key, body)
		if err == nil && bitbucket.IsPush(key) && e.UUID == "" && e.FullName == "" {
			t.Fatal("a push of no repository")
		}
		bitbucket.VerifySignature(body, key, mirror.NewSecret(key))
	})
}

// People are told every event that we want, by the name that they find.
func TestTriggerNames(t *testing.T) {
	_, _, c := cloud(t)
	_, _, f := dataCenter(t)
	for _, tt := range []struct {
		events []string
		want   string
	}{
		{c.HookEvents(), "Repository: Push; Pull request: Created, Updated, Merged, Declined"},
		{f.HookEvents(), "Repository: Push; Pull request: Opened, Source branch updated, Modified, Merged, Declined, Deleted"},
	} {
		if got := bitbucket.TriggerNames(tt.events); got != tt.want || strings.Count(got, ",")+2 != len(tt.events) {
			t.Errorf("%q: %s", tt.events, got)
		}
	}
}
