// Package parallel does independent pieces of one thing's work on all processors.
package parallel

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// fewWork items are done by the caller alone.
const fewWork = 8

// Each does work on n independent things, on all processors where that is worth it. It
// returns when all of it is done, with the first error by the order of the things.
func Each(n int, do func(i int) error) error {
	errs := make([]error, n)
	if n < fewWork {
		for i := range n {
			errs[i] = do(i)
		}
	} else {
		var next atomic.Int64
		var wg sync.WaitGroup
		for range min(runtime.GOMAXPROCS(0), n) {
			wg.Go(func() {
				for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
					errs[i] = do(i)
				}
			})
		}
		wg.Wait()
	}
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// Ahead prepares n parts of a work that has to be done in order, some of them while an
// earlier one is used: what is prepared and not used yet is about one part for each
// processor. It ends at the first error of use, when nothing is being prepared any more.
func Ahead[T any](n int, prepare func(i int) T, use func(part T) error) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	parts := make([]chan T, n)
	begin := func(i int) {
		if i >= n {
			return
		}
		parts[i] = make(chan T, 1)
		wg.Go(func() { parts[i] <- prepare(i) })
	}
	for i := range runtime.GOMAXPROCS(0) {
		begin(i)
	}
	for i := range n {
		part := <-parts[i]
		begin(i + runtime.GOMAXPROCS(0))
		if err := use(part); err != nil {
			return err
		}
	}
	return nil
}
