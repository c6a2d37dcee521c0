package clone

import (
	"context"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

// editLook is one look at the working files.
type editLook struct {
	c       *Clone
	ctx     context.Context
	still   time.Duration
	found   *mirror.Edits
	known   map[string]bool // the mirrored files of the commit; nil where the index tells
	size    int64           // of what was found
	fresh   map[string]bool // entities of which something is not still, by path
	missing bool
}

func (l *editLook) look(head plumbing.Hash) error {
	all, err := l.c.rootDiff(plumbing.ZeroHash, head)
	if err != nil {
		return err
	}
	if l.c.indexForeign {
		l.known = map[string]bool{}
	}
	w := &checkoutRun{c: l.c, ctx: l.ctx}
	defer w.leave()
	err = all(l.ctx, func(ch *change) error {
		if _, _, err := l.c.checkPath(ch.path, false); err != nil || !ch.new.isRegular() {
			return nil
		}
		if l.known != nil {
			l.known[ch.path] = true
		}
		dir, name := splitPath(ch.path)
		if w.enter(dir, false) != nil {
			l.missing = true
			return nil
		}
		return l.file(w.dir, name, ch.path, ch.new)
	})
	if err != nil {
		return err
	}
	for _, k := range document.Kinds {
		if err := l.added(l.c.o.Layout.Dir(k), k, 0); err != nil {
			return err
		}
	}
	// An entity is told of whole: half of what somebody is writing is nothing.
	l.found.Later = len(l.fresh) > 0
	l.found.Changes = slices.DeleteFunc(l.found.Changes, func(ch mirror.FileChange) bool { return l.fresh[l.c.entityPath(ch.Path)] })
	return nil
}

// file looks at one file, which the commit has as e; mode 0: it has none.
func (l *editLook) file(d *workDir, name, path string, e treeEntry) error {
	fi, err := d.root.Lstat(name)
	if err != nil || fi.Mode().IsRegular() && fi.Size() == 0 && e.id != hashObject(plumbing.BlobObject, nil) {
		at := name // somebody may be about to fill it
		if err != nil {
			at = "." // or to put another one there
		}
		switch {
		case e.mode == 0:
		case l.touched(d, at):
			l.fresh[l.c.entityPath(path)] = true
		default:
			l.missing = true
		}
		return nil
	}
	if !fi.Mode().IsRegular() {
		return nil // a checkout moves it aside
	}
	if at, ok := l.c.index.find(path); ok && e.mode != 0 && at.id() == e.id && at.sameStat(statOf(fi)) {
		return nil
	}
	if most := l.c.o.Limits.MaxFileSize; fi.Size() > most {
		if l.c.edits.large[path] != fi.Size() {
			l.c.edits.large[path] = fi.Size()
			l.c.log.Warn("an edit in the working tree is not taken: it stays in the file", "path", path, "why", "it is too large", "bytes", fi.Size(), "limit", most)
		}
		return nil
	}
	id, ok := hashFile(d.root, name, fi)
	executable := fi.Mode().Perm()&0o100 != 0
	if !ok || id == e.id && (executable == (e.mode == modeExecutable) || !l.c.inSkill(path)) {
		delete(l.c.edits.taken, path)
		return nil
	}
	if l.touched(d, name) {
		l.fresh[l.c.entityPath(path)] = true
		return nil
	}
	if l.c.edits.taken[path].id == id {
		return nil
	}
	if known, err := l.c.everHad(l.ctx, path, id); err != nil || known && id != e.id {
		return err
	}
	content, err := readWhole(d.root, name, l.c.o.Limits.MaxFileSize)
	if err != nil || hashObject(plumbing.BlobObject, content) != id {
		l.fresh[l.c.entityPath(path)] = true // it is being written, after all
		return nil
	}
	if l.size += int64(len(content)); l.size > mostEdited && len(l.found.Changes) > 0 {
		l.fresh[l.c.entityPath(path)] = true
		return nil
	}
	l.found.Changes = append(l.found.Changes, mirror.FileChange{Path: path, Content: content, Executable: executable})
	return nil
}

// touched reports whether something was changed too recently, by the kernel's account.
func (l *editLook) touched(d *workDir, name string) bool {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return true
	}
	return justChanged(fi, l.still)
}

// justChanged reports whether a file was changed so recently that somebody may be at it.
func justChanged(fi fs.FileInfo, still time.Duration) bool {
	age := time.Since(changedAt(fi))
	return age < still && age > -time.Hour // or its clock is another one
}

// filling is how long a file may be empty before somebody fills it.
const filling = 2 * time.Second

// added looks for files that the commit does not have.
func (l *editLook) added(dir string, k document.Kind, depth int) error {
	d, err := l.c.openDir(nil, dir, false, nil)
	if err != nil {
		return nil // there is none, or something else stands there
	}
	defer d.release()
	for _, e := range readDir(d.root, ".") {
		name, path := e.Name(), joinPath(dir, e.Name())
		if err := l.ctx.Err(); err != nil {
			return err
		}
		if !safeName(name) || Passing(name) {
			continue
		}
		if e.IsDir() {
			if k == document.Skills && depth < maxEditDepth {
				if err := l.added(path, k, depth+1); err != nil {
					return err
				}
			}
			continue
		}
		if l.isKnown(path) {
			continue
		}
		if _, _, err := l.c.checkPath(path, false); err != nil {
			continue
		}
		if err := l.file(d, name, path, treeEntry{}); err != nil {
			return err
		}
	}
	return nil
}

func (l *editLook) isKnown(path string) bool {
	if l.known != nil {
		return l.known[path]
	}
	_, known := l.c.index.find(path)
	return known
}

// mostEdited bounds the contents that one look brings, the rest comes with the next one, and
// maxEditDepth how deep a skill's directories may go.
const (
	mostEdited   = 32 << 20
	maxEditDepth = 20
)

// Passing reports whether a name is of a file that is nobody's edit: one that is about to get
// another name, or that editors make beside the one they edit.
func Passing(name string) bool { return strings.HasPrefix(name, tmpPrefix) || editors(name) }

// editors reports whether a name is of a file that editors make beside the one they edit.
func editors(name string) bool {
	for _, suffix := range []string{"~", ".swp", ".swx", ".swo", ".tmp", ".bak", ".orig", ".rej", ".part"} {
		if strings.HasSuffix(name, suffix) {
			return true
		}
	}
	return strings.HasPrefix(name, ".#") || strings.HasPrefix(name, "#") || name == "4913" || name == ".DS_Store"
}
