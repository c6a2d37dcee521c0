package main_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

// soakFor is how long the soak goes on; 0 is one act, of everything that is worst.
func soakFor(t *testing.T) time.Duration {
	text := os.Getenv("CONFMIRROR_TEST_SOAK")
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("CONFMIRROR_TEST_SOAK: %v", err)
	}
	return d
}

// act is one fault while both sides are edited; it ends with everything mended.
type act struct {
	name string
	play func(s *soak)
}

// longerThanALease is how long a daemon has to be away for others to take what it holds.
const longerThanALease = 25 * time.Second

var acts = []act{
	{"one is killed, another one's database goes silent", func(s *soak) {
		killed, cutOff := s.two()
		s.must(killed.kill())
		killed.process = nil
		cutOff.wire.silence()
		s.editFor(longerThanALease, 20)
		cutOff.wire.heal()
		s.start(killed)
		s.editFor(3*time.Second, 20)
	}},
	{"one is frozen, and goes on as if nothing had been", func(s *soak) {
		frozen, _ := s.two()
		s.must(frozen.cmd.Process.Signal(syscall.SIGSTOP))
		s.editFor(longerThanALease, 20)
		s.must(frozen.cmd.Process.Signal(syscall.SIGCONT))
		s.editFor(3*time.Second, 20)
	}},
	{"all are restarted one after the other", func(s *soak) {
		for _, m := range s.members {
			s.end(m)
			s.editFor(2*time.Second, 20)
			s.start(m)
			s.editFor(5*time.Second, 20)
		}
	}},
	{"the database cuts all connections, again and again", func(s *soak) {
		for range 10 {
			for _, m := range s.members {
				m.wire.cut()
			}
			s.editFor(time.Second, 20)
		}
	}},
	{"the host fails in all ways", func(s *soak) {
		for _, f := range []bitbuckettest.Fault{
			{Status: http.StatusServiceUnavailable}, {Status: http.StatusInternalServerError, Body: "oops"}, {CutRequest: true}, {CutAnswer: true}, {CutAfter: 20}, {Stall: true},
		} {
			undo := s.standIn.Inject(f)
			s.editFor(3*time.Second, 20)
			undo()
		}
	}},
}

// two are two of the daemons.
func (s *soak) two() (a, b *member) {
	order := s.rand.Perm(len(s.members))
	return s.members[order[0]], s.members[order[1]]
}

// TestSoak has three daemons mirror fifty organizations while both sides are edited and things
// fail. After each act everything is equal, nothing was committed twice, and what the daemons
// take does not grow. Of it a test plays the first act; scripts/soak plays them all, for long.
func TestSoak(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	duration := soakFor(t)
	s := newSoak(t, rand.New(rand.NewPCG(seed, 0)), binary, 50, 3)
	t.Logf("seed %d", seed)
	for _, m := range s.members {
		s.start(m)
	}
	s.settle(2 * time.Minute)
	samples := make([][]sample, len(s.members))
	began := time.Now()
	for n := 0; n == 0 || time.Since(began) < duration; n++ {
		a := acts[n%len(acts)]
		marks, start := s.marks, time.Now()
		a.play(s)
		edits := s.marks - marks
		mending := time.Now()
		s.settle(3 * time.Minute)
		s.judge()
		told := ""
		for i, m := range s.members {
			x := m.sample(t)
			samples[i] = append(samples[i], x)
			told += fmt.Sprintf("; %s %d MiB, %d descriptors, %d goroutines", m.name, x.resident>>20, x.descriptors, x.goroutines)
		}
		say(t, "act %d, %s: %d edits in %.0f s, equal %.1f s later%s; they hold %v", n+1, a.name, edits, mending.Sub(start).Seconds(), time.Since(mending).Seconds(), told, s.shares())
		if t.Failed() {
			return
		}
	}
	for i, m := range s.members {
		flat(t, m.name, samples[i])
	}
	for _, m := range s.members {
		s.end(m)
	}
}

// say shows at once what a long run does.
func say(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Logf(format, args...)
	if os.Getenv("CONFMIRROR_TEST_SOAK") != "" {
		fmt.Fprintf(os.Stderr, "%s %s\n", time.Now().Format("15:04:05"), fmt.Sprintf(format, args...))
	}
}

// flat makes sure that the last third of a long run takes no more than the first.
func flat(t *testing.T, name string, samples []sample) {
	t.Helper()
	third := len(samples) / 3
	if third < len(acts) {
		return // every act has to be in both
	}
	for _, of := range []struct {
		what  string
		value func(sample) int64
		slack int64
	}{
		{"bytes of memory", func(x sample) int64 { return x.resident }, 16 << 20},
		{"descriptors", func(x sample) int64 { return int64(x.descriptors) }, 64}, // mirrors change hands
		{"goroutines", func(x sample) int64 { return int64(x.goroutines) }, 32},
	} {
		first, last := highest(samples[:third], of.value), highest(samples[len(samples)-third:], of.value)
		if last > first*5/4+of.slack {
			t.Errorf("%s: up to %d %s in the first third, %d in the last", name, first, of.what, last)
		}
	}
}

func highest(samples []sample, value func(sample) int64) int64 {
	var all []int64
	for _, x := range samples {
		all = append(all, value(x))
	}
	return slices.Max(all)
}
