package daemon

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/confmirror/confmirror/mirror"
)

// conditionCodes are all that a daemon may say of itself, beside what it says of its mirrors.
var conditionCodes = []string{mirror.CodeConfigInvalid, mirror.CodeConfigNeedsRestart}

// conditions are what a person should know of the daemon although it works.
type conditions struct {
	now   func() time.Time
	gauge *prometheus.GaugeVec // 1 while a condition lasts

	mu   sync.Mutex
	list []mirror.Detail // by code
}

func newConditions(registry *prometheus.Registry, now func() time.Time) *conditions {
	c := &conditions{now: now, gauge: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "confmirror_condition", Help: "1 while a person should look at the daemon, by code, although it works.",
	}, []string{"code"})}
	registry.MustRegister(c.gauge)
	for _, code := range conditionCodes {
		c.gauge.WithLabelValues(code).Set(0)
	}
	return c
}

// set says what is so now, and reports whether that is news.
func (c *conditions) set(code, message, remedy string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at, has := c.find(code)
	if has && c.list[at].Message == message {
		return false
	}
	since := c.now().UTC()
	if has {
		since = c.list[at].Since
		c.list = slices.Delete(c.list, at, at+1)
	}
	c.list = slices.Insert(c.list, at, mirror.Detail{Code: code, Message: message, Remedy: remedy, Since: since})
	c.gauge.WithLabelValues(code).Set(1)
	return true
}

// clear says that it is so no more.
func (c *conditions) clear(code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if at, has := c.find(code); has {
		c.list = slices.Delete(c.list, at, at+1)
		c.gauge.WithLabelValues(code).Set(0)
	}
}

func (c *conditions) all() []mirror.Detail {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.list)
}

func (c *conditions) find(code string) (at int, has bool) {
	return slices.BinarySearchFunc(c.list, code, func(d mirror.Detail, code string) int { return strings.Compare(d.Code, code) })
}
