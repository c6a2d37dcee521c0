package clone

import (
	"os"
	"strings"
)

// gitAtWork reports whether somebody's git runs in the clone. Wherever it was
// called from, git works from the top of the working tree or from .git. One that
// may not be looked at (another user's) is not seen.
func (c *Clone) gitAtWork() bool {
	processes, err := os.ReadDir("/proc")
	if err != nil {
		return false
	}
	for _, p := range processes {
		name, _ := os.ReadFile("/proc/" + p.Name() + "/comm")
		if string(name) != "git\n" && !strings.HasPrefix(string(name), "git-") {
			continue
		}
		at, err := os.Stat("/proc/" + p.Name() + "/cwd")
		if err != nil {
			continue
		}
		for _, dir := range []*os.Root{c.root, c.git} {
			if here, err := dir.Stat("."); err == nil && os.SameFile(at, here) {
				return true
			}
		}
	}
	return false
}
