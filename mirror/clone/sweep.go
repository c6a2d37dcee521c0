package clone

import (
	"bytes"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// sweepKilled removes what killed processes left, ours and others': temporary files,
// stale locks, and packs that never got their index.
func (c *Clone) sweepKilled() {
	c.sweepOwn()
	if left := c.unfinished(); len(left) > 0 && !c.gitAtWork() {
		for _, name := range left {
			c.git.Remove(name)
		}
	}
	c.sweepOthers()
}

// unfinished lists the files of objects and packs that were being written, and may
// still be, by a git that is at work.
func (c *Clone) unfinished() (names []string) {
	for _, dir := range []string{"objects/pack", "objects"} {
		for _, e := range readDir(c.git, dir) {
			name := dir + "/" + e.Name()
			pack, isPack := strings.CutSuffix(name, ".pack")
			if strings.HasPrefix(e.Name(), "tmp_") || isPack && !exists(c.git, pack+".idx") {
				names = append(names, name)
			}
		}
	}
	return names
}

// sweepOthers removes what people's git would fail on, or never get past, in files
// that we do not need ourselves.
func (c *Clone) sweepOthers() {
	c.sweepLocks()
	c.sweepRefs("refs")
	for _, name := range elsewhere {
		if exists(c.git, name) {
			c.removeBroken(name)
		}
	}
	for _, list := range []struct {
		name string
		line func([]byte) bool
	}{
		{"packed-refs", isPackedRef},
		{"shallow", func(line []byte) bool { return isID(string(line)) }},
	} {
		fi, err := c.git.Lstat(list.name)
		if err != nil {
			continue
		}
		var b []byte
		if fi.Mode().IsRegular() {
			b, _ = c.git.ReadFile(list.name)
		}
		good := len(b) > 0 && b[len(b)-1] == '\n'
		for line := range bytes.Lines(b) {
			good = good && list.line(bytes.TrimSuffix(line, []byte("\n")))
		}
		if !good {
			c.removeBroken(list.name)
		}
	}
}

// removeBroken removes a file of .git, or whatever stands in its place.
func (c *Clone) removeBroken(name string) {
	c.log.Warn("removed a broken file from the clone", "path", name)
	c.git.RemoveAll(name)
}

// elsewhere are files that make git look for a repository, or a part of one, in
// another place. A clone of ours is whole.
var elsewhere = []string{"commondir", "info/grafts", "objects/info/alternates", "objects/info/http-alternates"}

// isPackedRef reports whether a line can stand in packed-refs.
func isPackedRef(line []byte) bool {
	text := string(line)
	if peeled, ok := strings.CutPrefix(text, "^"); ok {
		return isID(peeled)
	}
	id, ref, _ := strings.Cut(text, " ")
	return strings.HasPrefix(text, "#") || isID(id) && strings.HasPrefix(ref, "refs/")
}

func isID(text string) bool {
	_, ok := toID(mirror.Hash(text))
	return ok
}

// sweepRefs removes refs that name nothing: empty ones, as a power cut leaves them,
// and noise.
func (c *Clone) sweepRefs(dir string) {
	for _, e := range readDir(c.git, dir) {
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			c.sweepRefs(name)
			continue
		}
		b, _ := c.git.ReadFile(name)
		text := strings.TrimSpace(string(b))
		if strings.HasSuffix(name, ".lock") || isID(text) || strings.HasPrefix(text, "ref: ") {
			continue
		}
		c.removeBroken(name)
	}
}

// sweepTemp removes our temporary files from a working directory.
func sweepTemp(d *workDir) {
	for _, e := range readDir(d.root, ".") {
		if strings.HasPrefix(e.Name(), tmpPrefix) && !e.IsDir() {
			d.root.Remove(e.Name())
		}
	}
}

// sweepObjects counts loose objects and removes empty ones, which a power cut
// leaves: an object that is missing can be fetched, an empty one only confuses.
func (c *Clone) sweepObjects() (loose pile) {
	for _, o := range looseFiles(c.git) {
		if o.size > 0 {
			loose.add(o.size)
			continue
		}
		c.git.RemoveAll(loosePath(o.id))
	}
	return loose
}

// looseFile is the file of a loose object. What is no file has no size.
type looseFile struct {
	id   plumbing.Hash
	size int64
}

// looseFiles lists the loose objects there are, whatever state they are in.
func looseFiles(git *os.Root) (out []looseFile) {
	for _, dir := range readDir(git, "objects") {
		if len(dir.Name()) != 2 || !dir.IsDir() {
			continue
		}
		for _, e := range readDir(git, "objects/"+dir.Name()) {
			o := looseFile{}
			if !parseHex(&o.id, []byte(dir.Name()+e.Name())) {
				continue
			}
			if fi, err := e.Info(); err == nil && fi.Mode().IsRegular() {
				o.size = fi.Size()
			}
			out = append(out, o)
		}
	}
	return out
}

func readDir(root *os.Root, name string) []fs.DirEntry {
	d, err := root.Open(name)
	if err != nil {
		return nil
	}
	defer d.Close()
	entries, _ := d.ReadDir(-1)
	return entries
}
