package cli

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// An interrupted check says so, and what it prints for programs is JSON all the same.
func TestCheckInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	host := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			io.Copy(io.Discard, r.Body) // only then is it seen that the client has gone
			interrupt()
			<-r.Context().Done()
		}
	}))
	defer host.Close()
	p, stdout, stderr := program(t,
		"CONFMIRROR_MIRRORS_0_ORGANIZATION=acme", "CONFMIRROR_MIRRORS_0_WORKSPACE=acme-corp", "CONFMIRROR_MIRRORS_0_REPOSITORY=webrix-sync",
		"CONFMIRROR_MIRRORS_0_API_URL=", "CONFMIRROR_MIRRORS_0_GIT_URL="+host.URL,
		"CONFMIRROR_MIRRORS_1_ORGANIZATION=other", "CONFMIRROR_MIRRORS_1_WORKSPACE=acme-corp", "CONFMIRROR_MIRRORS_1_REPOSITORY=other-sync",
		"CONFMIRROR_MIRRORS_1_API_URL=", "CONFMIRROR_MIRRORS_1_GIT_URL="+host.URL)
	status := p.Run(ctx, []string{"check", "--json"})
	var printed struct {
		Checks []struct{ Organization string }
	}
	if err := json.Unmarshal([]byte(stdout.String()), &printed); err != nil {
		t.Fatalf("%v: %s%s", err, stdout, stderr)
	}
	if status != 1 || !strings.Contains(stderr.String(), "confmirror: interrupted\n") {
		t.Errorf("exit status %d: %s", status, stderr)
	}
	if len(printed.Checks) != 1 || printed.Checks[0].Organization != "acme" {
		t.Errorf("%+v: tested after the interrupt", printed.Checks)
	}
}
