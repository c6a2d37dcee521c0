package web

import (
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror/document"
)

// Wrong tokens that a peer may send at once, and how fast it gets new attempts.
// Sixty are more than a script with an old token needs to be told, and one a second
// leaves guessing even a short token hopeless.
const (
	attempts       = 60
	attemptsReturn = time.Second
	maxPeers       = 10_000
)

// limiter counts wrong tokens by peer: a bucket of attempts that fills again with
// time. An empty bucket refuses right tokens too, or guessing would go on.
// Requests without any token are no guesses and cost nothing.
type limiter struct {
	now   func() time.Time
	mu    sync.Mutex
	peers map[string]*bucket
}

type bucket struct {
	spent int
	since time.Time // what was spent before then has been given back
}

func newLimiter(now func() time.Time) *limiter {
	return &limiter{now: now, peers: map[string]*bucket{}}
}

// wait is how long the peer has to wait for its next attempt; 0 is not at all.
func (l *limiter) wait(peer string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.peers[peer]
	if b == nil || l.refill(b) < attempts {
		return 0
	}
	return max(b.since.Add(attemptsReturn).Sub(l.now()), time.Millisecond)
}

// spend counts a wrong token.
func (l *limiter) spend(peer string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.peers[peer]
	if b == nil {
		if len(l.peers) >= maxPeers {
			l.sweep()
		}
		b = &bucket{since: l.now()}
		l.peers[peer] = b
	}
	l.refill(b)
	b.spent = min(b.spent+1, attempts)
}

func (l *limiter) refill(b *bucket) (spent int) {
	if back := int(l.now().Sub(b.since) / attemptsReturn); back > 0 {
		b.spent = max(b.spent-back, 0)
		b.since = b.since.Add(time.Duration(back) * attemptsReturn)
	}
	return b.spent
}

// sweep forgets peers that have all attempts again; if that are too few, all of
// them: memory is worth more than the count.
func (l *limiter) sweep() {
	for peer, b := range l.peers {
		if l.refill(b) == 0 {
			delete(l.peers, peer)
		}
	}
	if len(l.peers) >= maxPeers {
		clear(l.peers)
	}
}

// peerOf names who sent a request: the TCP peer, an IPv6 network as a whole. Behind
// a proxy on this machine it is whom the proxy names, or one wrong script would
// lock everybody out; nobody else can make up such a name.
func peerOf(r *http.Request) string {
	address, ok := remote(r)
	if !ok {
		return r.RemoteAddr
	}
	if address.IsLoopback() {
		forwarded := r.Header.Values("X-Forwarded-For")
		if len(forwarded) > 0 {
			last := forwarded[len(forwarded)-1]
			last = strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])
			if named, err := netip.ParseAddr(last); err == nil {
				address = named.Unmap()
			}
		}
	}
	if address.Is6() {
		if network, err := address.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return address.String()
}

// remote is the TCP peer's address.
func remote(r *http.Request) (netip.Addr, bool) {
	peer, err := netip.ParseAddrPort(r.RemoteAddr)
	return peer.Addr().Unmap(), err == nil
}

// local reports whether a request comes from this machine, and not through a proxy that
// speaks for somebody else, nor from a page in a browser here whose name was made to lead here.
func local(r *http.Request) bool {
	name := (&url.URL{Host: r.Host}).Hostname()
	if !document.Loopback(name) {
		return false
	}
	for _, header := range []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-Ip", "Via"} {
		if r.Header.Get(header) != "" {
			return false
		}
	}
	address, ok := remote(r)
	return ok && address.IsLoopback()
}
