package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/confmirror/confmirror/mirror"
)

// Traces tell how long the parts of single runs took, where metrics tell of all of them
// together. They are off, and cost nothing, unless OpenTelemetry's own variables name a
// collector: OTEL_EXPORTER_OTLP_ENDPOINT, or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT. All others that its
// OTLP exporter over HTTP knows count, too (headers, certificates, OTEL_SERVICE_NAME,
// OTEL_TRACES_SAMPLER).
//
// A run is a span; its stages and its requests are spans in it. Names, codes and numbers are
// in them, no contents and no paths of files.

// tracingWanted reports whether the environment names a collector.
func tracingWanted() bool {
	if strings.EqualFold(os.Getenv("OTEL_SDK_DISABLED"), "true") || os.Getenv("OTEL_TRACES_EXPORTER") == "none" {
		return false
	}
	return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
}

// newTracer makes the tracer; end sends what is left. Without a collector both do nothing.
func newTracer(ctx context.Context, version string, log *slog.Logger) (_ trace.Tracer, end func(context.Context), _ error) {
	const name = "github.com/confmirror/confmirror/daemon"
	if !tracingWanted() {
		return noop.NewTracerProvider().Tracer(name), func(context.Context) {}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("traces: %w", err)
	}
	described, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("confmirror"), semconv.ServiceVersion(version)), resource.WithHost(), resource.WithFromEnv())
	if err != nil {
		log.Warn("traces describe this process only in part", "error", err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithResource(described), sdktrace.WithSpanProcessor(
		sdktrace.NewBatchSpanProcessor(&toldExporter{SpanExporter: exporter, log: log})))
	return provider.Tracer(name), func(ctx context.Context) {
		if err := provider.Shutdown(ctx); err != nil {
			log.Warn("the last traces were not sent", "error", err)
		}
	}, nil
}

// toldExporter logs when a collector stops to answer, and when it does again, and not each
// time. What it could not take is gone: traces are no memory.
type toldExporter struct {
	sdktrace.SpanExporter
	log     *slog.Logger
	failing bool // the batch processor calls one at a time
}

func (e *toldExporter) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	err := e.SpanExporter.ExportSpans(ctx, spans)
	switch {
	case err != nil && !e.failing:
		e.log.Warn("traces cannot be sent, and are dropped until the collector answers", "error", err)
	case err == nil && e.failing:
		e.log.Info("traces are sent again")
	}
	e.failing = err != nil
	return nil // told
}

// runTrace is one run's span, and that of its stage.
type runTrace struct {
	ctx    context.Context
	tracer trace.Tracer
	span   trace.Span

	mu    sync.Mutex
	name  string
	stage trace.Span // nil: none yet
}

// traceRun begins a run's span.
func (d *Daemon) traceRun(ctx context.Context, m *mirror.Mirror, req mirror.Request) *runTrace {
	t := &runTrace{tracer: d.tracer}
	t.ctx, t.span = d.tracer.Start(ctx, "run", trace.WithAttributes(
		attribute.String("confmirror.organization", m.Organization),
		attribute.String("confmirror.run", req.RunID),
		attribute.String("confmirror.trigger", req.Trigger),
	))
	return t
}

// progress ends a stage where another one begins.
func (t *runTrace) progress(p mirror.Progress) {
	if !t.span.IsRecording() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.name == p.Stage {
		return
	}
	t.endStage()
	t.name = p.Stage
	_, t.stage = t.tracer.Start(t.ctx, p.Stage)
}

// endStage is called with the mutex held.
func (t *runTrace) endStage() {
	if t.stage != nil {
		t.stage.End()
		t.stage = nil
	}
}

func (t *runTrace) end(report *mirror.Report, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.endStage()
	t.span.SetAttributes(attribute.String("confmirror.state", string(report.State)))
	if err != nil {
		f := mirror.AsFault(err)
		t.span.SetAttributes(attribute.String("confmirror.code", f.Code))
		t.span.SetStatus(codes.Error, f.Message)
	}
	t.span.End()
}

// tracedTransport makes a span of each request that belongs to a run, up to the head of its
// answer.
type tracedTransport struct {
	http.RoundTripper
	tracer trace.Tracer
}

func (t *tracedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !trace.SpanFromContext(r.Context()).IsRecording() {
		return t.RoundTripper.RoundTrip(r)
	}
	ctx, span := t.tracer.Start(r.Context(), r.Method, trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		semconv.HTTPRequestMethodKey.String(r.Method),
		semconv.ServerAddress(r.URL.Hostname()),
	))
	defer span.End()
	answer, err := t.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		span.SetStatus(codes.Error, "no answer")
		return nil, err
	}
	span.SetAttributes(semconv.HTTPResponseStatusCode(answer.StatusCode))
	if answer.StatusCode >= http.StatusBadRequest {
		span.SetStatus(codes.Error, "")
	}
	return answer, nil
}

// CloseIdleConnections is what http.Client asks of a transport.
func (t *tracedTransport) CloseIdleConnections() {
	if c, ok := t.RoundTripper.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
