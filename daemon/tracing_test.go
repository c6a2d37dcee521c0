package daemon_test

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	traces "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// A run, its stages and its requests are spans of one trace, with nothing secret in them.
func TestTraces(t *testing.T) {
	var mu sync.Mutex
	var spans []*traces.Span
	var raw strings.Builder
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body := io.Reader(r.Body)
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		b, err := io.ReadAll(body)
		var request collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(b, &request)
		}
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		raw.Write(b)
		for _, resource := range request.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				spans = append(spans, scope.Spans...)
			}
		}
	}))
	defer server.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", server.URL)

	w := newWorld(t, dbtest.Target{Dialect: "sqlite", DataDir: t.TempDir()})
	w.start()
	w.insert("commands", "slug", "'greet'", "name", "'Greet'", "prompt", "'Hello'")
	w.commit(bitbuckettest.Write("commands/pushed.json", `{"slug":"pushed","name":"Pushed","prompt":"p"}`))
	w.synced()
	w.stop() // sends what is left

	mu.Lock()
	defer mu.Unlock()
	var told []string
	for _, run := range spans {
		if run.Name != "run" {
			continue
		}
		for _, s := range spans {
			if string(s.ParentSpanId) == string(run.SpanId) && string(s.TraceId) == string(run.TraceId) {
				told = append(told, s.Name)
				if s.StartTimeUnixNano < run.StartTimeUnixNano || s.EndTimeUnixNano > run.EndTimeUnixNano {
					t.Errorf("%s is not within its run", s.Name)
				}
			}
		}
	}
	for _, want := range []string{"observe", "import", "push", "POST"} {
		if !slices.Contains(told, want) {
			t.Errorf("no %s among %v", want, told)
		}
	}
	for _, secret := range []string{w.config.Mirrors[0].ClientSecret.Reveal(), "Hello", "greet.json"} {
		if strings.Contains(raw.String(), secret) {
			t.Errorf("%q is in the traces", secret)
		}
	}
}

// A collector that does not answer is told of once, and nobody waits for it.
func TestTracesWithoutACollector(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "10")
	w := newWorld(t, dbtest.Target{Dialect: "sqlite", DataDir: t.TempDir()})
	w.start()
	for range 3 {
		w.synced()
	}
	w.eventually("it is told", func() bool { return strings.Contains(w.log.String(), "traces cannot be sent") })
	w.synced()
	w.stop()
	if n := strings.Count(w.log.String(), "traces cannot be sent"); n != 1 {
		t.Errorf("told %d times", n)
	}
}
