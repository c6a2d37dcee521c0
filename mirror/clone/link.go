package clone

import (
	"sync/atomic"
	"time"
)

// thinCost is what deltas in a pack of many objects cost the remote, which has to make
// them whole again. They pay where the link takes longer for what they save.
const thinCost = 40 * time.Millisecond

// linkSample is how many bytes tell something of a link's speed: fewer disappear in
// the buffers of the system at once.
const linkSample = 128 << 10

// linkSpeed is what requests have told of the link to the remote. The zero value is
// one of which nothing is known yet.
type linkSpeed struct{ perSecond atomic.Int64 }

// unknownLink is taken for a link of which nothing is known: a megabyte in an eighth
// of a second.
const unknownLink = 8 << 20

// sent notes a request's body and how long the system took to accept it.
func (l *linkSpeed) sent(bytes int64, took time.Duration) {
	if bytes < linkSample {
		return
	}
	now := int64(float64(bytes) / max(took, time.Millisecond).Seconds())
	if old := l.perSecond.Load(); old > 0 {
		now = (now + old) / 2
	}
	l.perSecond.Store(max(now, 1))
}

// inTime is how many bytes the link moves in d.
func (l *linkSpeed) inTime(d time.Duration) int64 {
	speed := l.perSecond.Load()
	if speed == 0 {
		speed = unknownLink
	}
	return int64(float64(speed) * d.Seconds())
}
