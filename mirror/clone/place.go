package clone

import (
	"crypto/sha1"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"
)

// change is one path that differs between two trees; mode 0 is nothing.
type change struct {
	path     string
	old, new treeEntry
	// also is another content that is nobody's edit: somebody pulled it.
	also plumbing.Hash
}

var tmpCount atomic.Uint64

func tmpName() string { return tmpPrefix + strconv.FormatUint(tmpCount.Add(1), 36) }

// content gives what is to be written: bytes, or a stream for large objects.
type content struct {
	data   []byte
	stream io.Reader
	id     plumbing.Hash
	size   int64
}

// placeFile writes one file (or symbolic link) into d and returns its state for
// the index. What stood there and is neither old nor new is moved aside.
func (c *Clone) placeFile(d *workDir, name string, ch *change, from content, k *keeper) (fileStat, error) {
	tmp := tmpName()
	if err := c.writeTemp(d, tmp, ch.new, from); err != nil {
		d.root.Remove(tmp)
		return fileStat{}, err
	}
	if err := c.swapIn(d, tmp, name, ch, k); err != nil {
		d.root.Remove(tmp)
		return fileStat{}, err
	}
	return d.stat(name)
}

func (c *Clone) writeTemp(d *workDir, tmp string, e treeEntry, from content) error {
	if e.mode&modeFormat == modeSymlink {
		data := from.data
		if from.stream != nil {
			return fmt.Errorf("symbolic link of %d bytes", from.size)
		}
		return d.root.Symlink(string(data), tmp)
	}
	mode := fs.FileMode(0o666)
	if e.mode&0o111 != 0 {
		mode = 0o777
	}
	f, err := d.root.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if from.stream != nil {
		err = copyVerified(f, from)
	} else {
		_, err = f.Write(from.data)
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// copyVerified copies a large object and checks its hash on the way.
func copyVerified(w io.Writer, from content) error {
	h := sha1.New()
	h.Write(objectHeader(plumbing.BlobObject, from.size))
	n, err := io.Copy(io.MultiWriter(w, h), from.stream)
	if err != nil {
		return err
	}
	var id plumbing.Hash
	if h.Sum(id[:0]); n != from.size || id != from.id {
		return &missingError{from.id, errSize}
	}
	return nil
}

// swapIn gives tmp its name.
func (c *Clone) swapIn(d *workDir, tmp, name string, ch *change, k *keeper) error {
	if ch.old.mode == 0 {
		err := renameNew(d.file, tmp, name)
		if err == nil || !errors.Is(err, fs.ErrExist) && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	err := exchange(d.file, tmp, name)
	switch {
	case err == nil:
		return c.disposeOld(d, tmp, ch, k)
	case errors.Is(err, fs.ErrNotExist):
		return d.root.Rename(tmp, name)
	case !errors.Is(err, errors.ErrUnsupported):
		return err
	}
	// Without the exchange: look first, then rename.
	if fi, err := d.root.Lstat(name); err == nil && (fi.IsDir() || !c.isOurs(d, name, ch)) {
		kept, err := k.moveAside(joinPath(d.path, name), ch.path)
		if err != nil {
			return err
		}
		c.strayed(ch, kept)
	}
	return d.root.Rename(tmp, name)
}

// disposeOld removes what was swapped out when it is ours, else keeps it.
func (c *Clone) disposeOld(d *workDir, tmp string, ch *change, k *keeper) error {
	if c.isOurs(d, tmp, ch) {
		return d.root.Remove(tmp)
	}
	kept, err := k.moveAside(joinPath(d.path, tmp), ch.path)
	if err == nil {
		c.strayed(ch, kept)
	}
	return err
}

// removeFile takes a file away.
func (c *Clone) removeFile(d *workDir, name string, ch *change, k *keeper) error {
	if ch.old.isSubmodule() {
		d.root.Remove(name) // fails when somebody filled it
		return nil
	}
	tmp := tmpName()
	if err := d.root.Rename(name, tmp); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	return c.disposeOld(d, tmp, ch, k)
}

// isOurs reports whether the file at name holds what one of the two commits has
// there, what is in the database since, or nothing at all, as a crash leaves it.
func (c *Clone) isOurs(d *workDir, name string, ch *change) bool {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return false
	}
	if fi.IsDir() {
		sub := ch.old.isSubmodule()
		return sub && d.root.Remove(name) == nil && d.root.Mkdir(name, 0o777) == nil // empty
	}
	if fi.Mode().IsRegular() && fi.Size() == 0 && ch.old.mode != 0 {
		return !justChanged(fi, filling)
	}
	id, ok := hashFile(d.root, name, fi)
	taken := c.edits.taken[ch.path]
	return ok && (id == ch.old.id && ch.old.mode != 0 || id == ch.new.id && ch.new.mode != 0 || id == ch.also || taken.imported && id == taken.id)
}

// hashFile is the blob id that a working file would have.
func hashFile(root *os.Root, name string, fi fs.FileInfo) (id plumbing.Hash, ok bool) {
	switch {
	case fi.Mode().IsRegular():
		f, err := root.Open(name)
		if err != nil {
			return id, false
		}
		defer f.Close()
		h := sha1.New()
		h.Write(objectHeader(plumbing.BlobObject, fi.Size()))
		n, err := io.Copy(h, io.LimitReader(f, fi.Size()+1))
		if err != nil || n != fi.Size() {
			return id, false
		}
		h.Sum(id[:0])
		return id, true
	case fi.Mode()&fs.ModeSymlink != 0:
		target, err := root.Readlink(name)
		if err != nil {
			return id, false
		}
		return hashObject(plumbing.BlobObject, []byte(target)), true
	}
	return id, false
}
