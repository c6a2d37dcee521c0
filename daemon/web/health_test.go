package web

import "testing"

func TestReady(t *testing.T) {
	each(t, func(w *world) {
		w.do("GET", "/readyz", nil, anonymous).is(200)
		w.do("GET", "/healthz", nil, anonymous).is(200)
		w.engine.stuck.Store(true)
		w.do("GET", "/healthz", nil, anonymous).fails(503, "STUCK")
		w.engine.stuck.Store(false)
	})
}
