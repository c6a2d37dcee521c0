package clone_test

import (
	"fmt"
	"testing"
)

// The jobs that decide how fast an edit arrives, against a real server on this machine.
func BenchmarkJobs(b *testing.B) {
	for _, n := range []int{1_000, 10_000} {
		f := files{}
		for i := range n {
			f[fmt.Sprintf("toolkits/t%06d.json", i)] = fmt.Sprintf(`{"slug": "t%06d", "name": "%d"}`, i, i*i)
		}
		w := newWorld(b)
		head := w.push(b, "", f)
		b.Run(fmt.Sprintf("poll/%d", n), func(b *testing.B) {
			for b.Loop() {
				if _, err := w.Remote(ctx); err != nil {
					b.Fatal(err)
				}
			}
		})
		i := 0
		b.Run(fmt.Sprintf("one change/%d", n), func(b *testing.B) {
			for b.Loop() {
				i++
				head = w.push(b, head, files{"toolkits/t000500.json": fmt.Sprint(i)})
			}
		})
	}
}
