package clone

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// However many files are read, by however many at once, no more than the limit stay open.
func TestOpenFilesAreBounded(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	pool := &openFiles{limit: 3}
	var files []*lazyFile
	for i := range 20 {
		name := fmt.Sprint(i)
		if err := dir.WriteFile(name, fmt.Appendf(nil, "file %2d", i), 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, &lazyFile{pool: pool, dir: dir, name: name})
	}
	var readers sync.WaitGroup
	for n := range 8 {
		readers.Go(func() {
			for k := range 200 {
				i := (k*7 + n) % len(files)
				b := make([]byte, 7)
				if _, err := files[i].ReadAt(b, 0); err != nil || string(b) != fmt.Sprintf("file %2d", i) {
					t.Errorf("file %d: %q, %v", i, b, err)
				}
			}
		})
	}
	readers.Wait()
	if n := pool.order.Len(); n > 3 {
		t.Errorf("%d files are open", n)
	}
	for _, f := range files {
		f.close()
	}
	if n := pool.order.Len(); n > 0 {
		t.Errorf("%d files are open at the end", n)
	}
	if _, err := files[0].ReadAt(make([]byte, 1), 0); err == nil {
		t.Error("a closed file was read")
	}
}
