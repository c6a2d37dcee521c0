package mirror

import (
	"runtime"
	"sync"
	"sync/atomic"
)

// fewWork items are done by the caller alone.
const fewWork = 8

// each does work on n independent things, on all processors where that is worth it. It
// returns when all of it is done, with the first error by the order of the things.
func each(n int, do func(i int) error) error {
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
