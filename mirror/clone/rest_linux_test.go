package clone_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A clone that rests holds no descriptors but its own three, and is used as if nothing had
// been.
func TestRest(t *testing.T) {
	w := newWorld(t)
	for i := range 3 {
		w.commit("main", files{"toolkits/a.json": fmt.Sprint(i), "toolkits/b.json": "1"})
		w.pull(t)
		w.Rest()
		w.Rest()
		w.clean(t)
		for _, fd := range descriptors(t) {
			if strings.HasSuffix(fd, ".pack") && strings.HasPrefix(fd, w.dir) {
				t.Errorf("%s is open", fd)
			}
		}
	}
	w.write(t, "toolkits/a.json", "mine")
	w.commit("main", files{"toolkits/a.json": "new"})
	w.pull(t)
	if d := cmp.Diff(files{"toolkits/a.json": "mine"}, w.kept(t)); d != "" {
		t.Error(d)
	}
}

// descriptors are the names of the files that this process has open.
func descriptors(t *testing.T) []string {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if name, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil {
			names = append(names, name)
		}
	}
	return names
}
