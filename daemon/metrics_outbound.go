package daemon

import (
	"io"
	"net/http"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
)

// meter is a transport that counts what goes to which host.
type meter struct {
	*http.Transport
	requests       *prometheus.CounterVec // by host and status
	sent, received *prometheus.CounterVec // by host
}

func newMeter(to *http.Transport, registry prometheus.Registerer) *meter {
	vec := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "confmirror_outbound_" + name, Help: help}, append([]string{"host"}, labels...))
		registry.MustRegister(c)
		return c
	}
	return &meter{
		Transport: to,
		requests:  vec("requests_total", `Requests to git hosts, REST interfaces and token endpoints, by host and status ("error": no answer).`, "status"),
		sent:      vec("sent_bytes_total", "Bytes of request bodies, by host."),
		received:  vec("received_bytes_total", "Bytes of answers' bodies, by host."),
	}
}

// RoundTrip counts a request.
func (m *meter) RoundTrip(r *http.Request) (*http.Response, error) {
	host := r.URL.Hostname()
	if r.Body != nil && r.Body != http.NoBody {
		r = r.Clone(r.Context())
		r.Body = &meteredBody{r.Body, m.sent.WithLabelValues(host)}
	}
	answer, err := m.Transport.RoundTrip(r)
	if err != nil {
		m.requests.WithLabelValues(host, "error").Inc()
		return nil, err
	}
	m.requests.WithLabelValues(host, strconv.Itoa(answer.StatusCode)).Inc()
	answer.Body = &meteredBody{answer.Body, m.received.WithLabelValues(host)}
	return answer, nil
}

// meteredBody counts what is read of a body.
type meteredBody struct {
	io.ReadCloser
	bytes prometheus.Counter
}

func (b *meteredBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.bytes.Add(float64(n))
	return n, err
}
