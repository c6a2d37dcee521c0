package bitbuckettest

import (
	"sync"
	"time"
)

// rateLimit counts the REST requests of each account within the last hour.
type rateLimit struct {
	mu     sync.Mutex
	hourly int // 0: no limit
	asked  map[string][]time.Time
}

// SetRateLimit allows each consumer, token or person so many REST requests within an
// hour, from now on; 0 ends it. Git is not limited.
func (s *Server) SetRateLimit(hourly int) {
	s.limits.mu.Lock()
	defer s.limits.mu.Unlock()
	s.limits.hourly = hourly
	s.limits.asked = make(map[string][]time.Time)
}

// take counts a request; false when it is one too many. Refused ones do not count.
func (l *rateLimit) take(account string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hourly == 0 {
		return true
	}
	asked := l.asked[account]
	for len(asked) > 0 && now.Sub(asked[0]) >= time.Hour {
		asked = asked[1:]
	}
	if len(asked) >= l.hourly {
		return false
	}
	l.asked[account] = append(asked, now)
	return true
}
