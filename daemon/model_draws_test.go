package daemon_test

import (
	"math/bits"

	"pgregory.net/rapid"
)

// rapid's own numbers tend to the small, for tests of edge cases; here every choice is as
// likely as the others.

// below draws a number less than n.
func (h *history) below(what string, n int) int {
	if n == 1 {
		return 0
	}
	return rapid.Custom(func(t *rapid.T) int {
		for {
			number := 0
			for range bits.Len(uint(n - 1)) {
				number *= 2
				if rapid.Bool().Draw(t, "") {
					number++
				}
			}
			if number < n {
				return number
			}
		}
	}).Draw(h.rt, what)
}

func (h *history) between(what string, low, high int) int { return low + h.below(what, high-low+1) }

func (h *history) oneIn(n int, what string) bool { return h.below(what, n) == n-1 }

// pick draws one, or the zero value from nothing.
func pick[T any](h *history, what string, from []T) (one T) {
	if len(from) > 0 {
		one = from[h.below(what, len(from))]
	}
	return one
}

// repeat does something some times, about as often as said. It asks before each time, so
// that rapid can leave out any of them.
func (h *history) repeat(what string, low, about, high int, do func() bool) {
	for n := 0; n < high && (n < low || h.below("more "+what, about+1) > 0); n++ {
		if !do() {
			return
		}
	}
}
