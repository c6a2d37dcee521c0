package daemon

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/confmirror/confmirror/mirror"
)

// Nudge asks for a run of a mirror.
type Nudge struct {
	Trigger string
	// Look at the remote; without it only the database is known to have changed.
	Look bool
	// Full compares everything.
	Full bool
	// Record the run even if it does nothing.
	Record bool
	// Person: somebody asked; no pause or back-off stands in the way.
	Person bool
	// Delivery: a webhook told of something, so what blocks the mirror may be gone.
	Delivery bool
	// Background: nobody waits for what it brings about, if anything. Others go first.
	Background bool
}

// merge adds up two nudges; the first one names the run.
func (n Nudge) merge(o Nudge) Nudge {
	if n.Trigger == "" || (o.Person && !n.Person) {
		n.Trigger = o.Trigger
	}
	n.Look = n.Look || o.Look
	n.Full = n.Full || o.Full
	n.Record = n.Record || o.Record
	n.Person = n.Person || o.Person
	n.Delivery = n.Delivery || o.Delivery
	n.Background = n.Background && o.Background
	return n
}

// Result of a run.
type Result struct {
	Report *mirror.Report
	Err    error
}

// ErrStopped: the queue takes no more work.
var ErrStopped = errors.New("the daemon is stopping")

// Job runs a mirror once. again is when it should run by itself (0: not before a nudge).
type Job func(ctx context.Context, organizationID string, n Nudge) (r Result, again time.Duration)

// Queue runs mirrors on a few workers: at most one run of a mirror at a time, and
// at most one more pending. States of a mirror: idle, waiting (its timer runs),
// ready (in the list), running; a nudge while running makes it wait again after.
type Queue struct {
	job     Job
	window  func() time.Duration // how long a first change waits for others
	mu      sync.Mutex
	work    *sync.Cond // of mu: ready, spare or stopped changed
	ready   []string
	spare   []string // ready, in the background
	first   int      // how many of ready went before the first of spare
	mirrors map[string]*entry
	stopped bool
}

type entry struct {
	pending *Nudge
	waiters []chan Result
	timer   *time.Timer
	due     time.Time // of the timer
	queued  bool
	running bool
	// pause: nudges that no person made wait until then.
	pause time.Time
	// looked is when the remote was last looked at.
	looked time.Time
}

// backgroundTurn: so many others go before one in the background, which is not to starve.
const backgroundTurn = 4

// lookInterval is the least time between two looks at one remote that no person asked for.
const lookInterval = time.Second

// NewQueue makes a queue; Run starts its workers.
func NewQueue(window func() time.Duration, job Job) *Queue {
	q := &Queue{job: job, window: window, mirrors: map[string]*entry{}}
	q.work = sync.NewCond(&q.mu)
	return q
}

// Run works until ctx ends, then waits for the runs under way, which go on under
// the context work.
func (q *Queue) Run(ctx, work context.Context, workers int) {
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for {
				id, ok := q.next()
				if !ok {
					return
				}
				q.run(work, id)
			}
		})
	}
	<-ctx.Done()
	q.stop()
	wg.Wait()
}

// next waits for a mirror that is ready to run.
func (q *Queue) next() (id string, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready)+len(q.spare) == 0 && !q.stopped {
		q.work.Wait()
	}
	switch {
	case q.stopped:
		return "", false
	case len(q.ready) == 0, len(q.spare) > 0 && q.first >= backgroundTurn:
		id, q.spare, q.first = q.spare[0], q.spare[1:], 0
	default:
		id, q.ready = q.ready[0], q.ready[1:]
		q.first++
	}
	return id, true
}

func (q *Queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.stopped = true
	q.work.Broadcast()
	for _, e := range q.mirrors {
		if e.timer != nil {
			e.timer.Stop()
		}
		e.answer(Result{Err: ErrStopped})
	}
}

// Nudge asks for a run and returns at once.
func (q *Queue) Nudge(organizationID string, n Nudge) { q.add(organizationID, n, nil) }

// Wait asks for a run and waits for one that starts after this call.
func (q *Queue) Wait(ctx context.Context, organizationID string, n Nudge) Result {
	done := make(chan Result, 1)
	q.add(organizationID, n, done)
	select {
	case r := <-done:
		return r
	case <-ctx.Done():
		return Result{Err: ctx.Err()}
	}
}

// Running reports whether a run of the mirror is under way.
func (q *Queue) Running(organizationID string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.mirrors[organizationID]
	return e != nil && e.running
}

// Resting reports whether the mirror waits out a pause after a failure.
func (q *Queue) Resting(organizationID string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	e := q.mirrors[organizationID]
	return e != nil && time.Now().Before(e.pause)
}

// Depth is the number of mirrors that wait for a worker.
func (q *Queue) Depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready) + len(q.spare)
}

func (q *Queue) add(id string, n Nudge, done chan Result) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.stopped {
		if done != nil {
			done <- Result{Err: ErrStopped}
		}
		return
	}
	e := q.mirrors[id]
	if e == nil {
		e = &entry{}
		q.mirrors[id] = e
	}
	e.want(n)
	if done != nil {
		e.waiters = append(e.waiters, done)
	}
	switch at := slices.Index(q.spare, id); {
	case e.running:
	case !e.queued:
		q.schedule(id, e, q.dueAt(e, n))
	case at >= 0 && !e.pending.Background:
		q.spare = slices.Delete(q.spare, at, at+1)
		q.ready = append(q.ready, id)
	}
}

// want adds a nudge to those that the next run answers.
func (e *entry) want(n Nudge) {
	if e.pending != nil {
		n = e.pending.merge(n)
	}
	e.pending = &n
}

// dueAt is when a nudge may start a run.
func (q *Queue) dueAt(e *entry, n Nudge) time.Time {
	now := time.Now()
	if n.Person {
		return now
	}
	due := now
	if n.Look {
		if next := e.looked.Add(lookInterval); next.After(due) {
			due = next
		}
	} else {
		due = due.Add(q.window())
	}
	if e.pause.After(due) {
		due = e.pause
	}
	return due
}

// schedule starts or shortens the mirror's timer. Callers hold the lock.
func (q *Queue) schedule(id string, e *entry, due time.Time) {
	if e.timer != nil {
		if !due.Before(e.due) {
			return
		}
		e.timer.Stop()
	}
	e.due = due
	if wait := time.Until(due); wait > 0 {
		var t *time.Timer
		t = time.AfterFunc(wait, func() {
			q.mu.Lock()
			defer q.mu.Unlock()
			if e.timer == t {
				e.timer = nil
				q.enqueue(id, e)
			}
		})
		e.timer = t
		return
	}
	e.timer = nil
	q.enqueue(id, e)
}

// enqueue hands the mirror to a worker. Callers hold the lock.
func (q *Queue) enqueue(id string, e *entry) {
	if e.queued || e.running || q.stopped {
		return
	}
	e.queued = true
	if e.pending.Background {
		q.spare = append(q.spare, id)
	} else {
		q.ready = append(q.ready, id)
	}
	q.work.Signal()
}

func (q *Queue) run(ctx context.Context, id string) {
	q.mu.Lock()
	e := q.mirrors[id]
	n, waiters := *e.pending, e.waiters
	e.pending, e.waiters, e.queued, e.running = nil, nil, false, true
	if n.Look {
		e.looked = time.Now()
	}
	q.mu.Unlock()

	result, again := q.job(ctx, id, n)

	q.mu.Lock()
	defer q.mu.Unlock()
	e.running = false
	e.pause = time.Time{}
	for _, w := range waiters {
		w <- result
	}
	if again > 0 {
		e.pause = time.Now().Add(again)
		e.want(Nudge{Trigger: "retry", Look: true, Background: true})
	}
	switch {
	case e.pending != nil:
		q.schedule(id, e, q.dueAt(e, *e.pending))
	case errors.Is(result.Err, errNotHolder), errors.Is(result.Err, mirror.ErrNoMirror):
		delete(q.mirrors, id) // another daemon's now, or nobody's
	}
}

func (e *entry) answer(r Result) {
	for _, w := range e.waiters {
		w <- r
	}
	e.waiters = nil
}
