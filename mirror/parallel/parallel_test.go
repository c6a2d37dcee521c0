package parallel_test

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/confmirror/confmirror/mirror/parallel"
)

func TestEachDoesAllOfItAndTellsTheFirstError(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 100} {
		var done atomic.Int64
		err := parallel.Each(n, func(i int) error {
			done.Add(1)
			if i%3 == 2 {
				return fmt.Errorf("%d", i)
			}
			return nil
		})
		if int(done.Load()) != n {
			t.Errorf("%d of %d were done", done.Load(), n)
		}
		if want := n > 2; (err != nil) != want || want && err.Error() != "2" {
			t.Errorf("of %d things the error is %v", n, err)
		}
	}
}

func TestAheadUsesInOrder(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 50} {
		var used []int
		err := parallel.Ahead(n, func(i int) int { return i }, func(i int) error {
			used = append(used, i)
			return nil
		})
		if err != nil || len(used) != n {
			t.Fatalf("%v were used of %d: %v", used, n, err)
		}
		for i, part := range used {
			if i != part {
				t.Fatalf("%v is not in order", used)
			}
		}
	}
}

// A part is prepared while an earlier one is used, and what waits is bounded.
func TestAheadPreparesAhead(t *testing.T) {
	const n = 50
	second := make(chan struct{})
	var once sync.Once
	var prepared, used, most atomic.Int64
	err := parallel.Ahead(n, func(i int) int {
		if i > 0 {
			once.Do(func() { close(second) })
		}
		if waiting := prepared.Add(1) - used.Load(); waiting > most.Load() {
			most.Store(waiting)
		}
		return i
	}, func(i int) error {
		if i == 0 {
			<-second
		}
		used.Add(1)
		return nil
	})
	if err != nil || most.Load() > int64(runtime.GOMAXPROCS(0))+1 {
		t.Errorf("%d parts waited to be used: %v", most.Load(), err)
	}
}

func TestAheadEndsAtAnError(t *testing.T) {
	full := errors.New("full")
	var under atomic.Int64
	used := 0
	err := parallel.Ahead(100, func(i int) int {
		under.Add(1)
		defer under.Add(-1)
		return i
	}, func(i int) error {
		used++
		if i == 3 {
			return full
		}
		return nil
	})
	if err != full || used != 4 || under.Load() != 0 {
		t.Errorf("%d parts were used, %d are being prepared: %v", used, under.Load(), err)
	}
}
