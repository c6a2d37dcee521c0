package daemon

import (
	"sync"

	"github.com/confmirror/confmirror/daemon/web"
)

// events hands what happens to whoever listens. A listener that does not keep up
// misses events; it never holds anybody up.
type events struct {
	mu        sync.Mutex
	listeners map[chan web.Event]struct{}
}

func (e *events) subscribe() (<-chan web.Event, func()) {
	ch := make(chan web.Event, 64)
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.listeners == nil {
		e.listeners = map[chan web.Event]struct{}{}
	}
	e.listeners[ch] = struct{}{}
	return ch, func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		if _, ok := e.listeners[ch]; ok {
			delete(e.listeners, ch)
			close(ch)
		}
	}
}

func (e *events) publish(event web.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for ch := range e.listeners {
		select {
		case ch <- event:
		default:
		}
	}
}
