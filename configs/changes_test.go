package configs_test

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/confmirror/confmirror/configs"
)

func TestChanges(t *testing.T) {
	write(t, map[string]string{
		"a.yaml": "mirrors: [{organization: a, repository: w/r, access_token_file: token}, {organization: b, repository: w/b, access_token: t}]\nadmin: {token: one}\nhttp: {allowed_hosts: [a, b]}",
		"b.yaml": "mirrors: [{organization: a, repository: w/r, access_token_file: token, api_url: ''}]\nadmin: {token: two}\nhttp: {allowed_hosts: [a b]}\nsync: {poll: '@every 2m'}",
		"token":  "one",
	})
	if _, err := configs.Load("b.yaml", nil); err == nil {
		t.Error("a host with a space is taken")
	}
	a := load(t, "a.yaml")
	if got := configs.Changes(a, load(t, "a.yaml")); len(got) != 0 {
		t.Errorf("nothing changed but %q", got)
	}
	if err := os.WriteFile("token", []byte("two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b := load(t, "b.yaml", "CONFMIRROR_HTTP_ALLOWED_HOSTS=a")
	want := []string{"admin.token", "http.allowed_hosts", "mirrors[0].access_token", "mirrors[0].api_url", "mirrors[1]", "sync.poll"}
	if d := cmp.Diff(want, configs.Changes(a, b)); d != "" {
		t.Errorf("Changes (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want, configs.Changes(b, a)); d != "" {
		t.Errorf("the other way round (-want +got):\n%s", d)
	}
}
