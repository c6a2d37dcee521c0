package web

import (
	"context"
	"log/slog"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	webhooks *prometheus.CounterVec
	streams  prometheus.Gauge
}

func newMetrics(registry prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "confmirror_http_requests_total", Help: "Requests by method, route and status.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "confmirror_http_request_duration_seconds", Help: "How long requests took, by route.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9),
		}, []string{"route"}),
		webhooks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "confmirror_webhook_deliveries_total",
			Help: "Webhook deliveries by result: accepted, ignored, unknown, unsigned, malformed, too_large, failed.",
		}, []string{"result"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "confmirror_event_streams", Help: "Open event streams.",
		}),
	}
	registry.MustRegister(m.requests, m.duration, m.webhooks, m.streams)
	return m
}

// answer watches what a handler sends, and carries what was found out on the way.
type answer struct {
	http.ResponseWriter
	status int
	route  string // the pattern; "" for none
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 && status >= 200 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	return a.ResponseWriter.Write(b)
}

// Answered names the route that a page is, for metrics and log.
func Answered(w http.ResponseWriter, route string) {
	if a, ok := w.(*answer); ok {
		a.route = route
	}
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// measure counts and logs requests: never with a query string, a header or a body.
func (s *Server) measure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w}
		begin := time.Now()
		defer func() {
			took := time.Since(begin)
			route, method := a.route, r.Method
			if route == "" { // names that somebody made up are no labels
				route = "other"
				if method != http.MethodGet && method != http.MethodPost {
					method = "other"
				}
			}
			if a.status == 0 {
				a.status = http.StatusOK
			}
			s.metrics.requests.WithLabelValues(method, route, strconv.Itoa(a.status)).Inc()
			s.metrics.duration.WithLabelValues(route).Observe(took.Seconds())
			s.log.LogAttrs(context.WithoutCancel(r.Context()), levelOf(r.Method, a), "request", slog.String("method", r.Method),
				slog.String("path", r.URL.Path), slog.Int("status", a.status), slog.Duration("took", took), slog.String("peer", peerOf(r)))
		}()
		next.ServeHTTP(a, r)
	})
}

// levelOf keeps the log to what somebody did or should know.
func levelOf(method string, a *answer) slog.Level {
	switch {
	case a.status == http.StatusUnauthorized || a.status == http.StatusTooManyRequests:
		return slog.LevelWarn
	case a.route == "" || method == http.MethodGet || method == http.MethodHead:
		return slog.LevelDebug
	}
	return slog.LevelInfo
}

// guard turns a panic into a 500, sets the headers that every answer has, and
// bounds how long a body may take: one that a handler does not read is read by
// net/http before it answers, and who sends a byte now and then would hold the
// connection for ever.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			if cause == http.ErrAbortHandler { // that very value
				panic(cause)
			}
			s.log.Error("a request panicked", "method", r.Method, "path", r.URL.Path, "panic", cause, "stack", string(debug.Stack()))
			if a, ok := w.(*answer); ok && a.status != 0 {
				panic(http.ErrAbortHandler) // too late for an answer; the client must not take it for a whole one
			}
			s.refuse(&call{Request: r, w: w}, fail(http.StatusInternalServerError, "INTERNAL", "An internal error stopped the request."))
		}()
		if r.ContentLength != 0 {
			_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(sending))
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		next.ServeHTTP(w, r)
	})
}
