package clone

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"strings"
	"time"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/confmirror/confmirror/mirror"
)

// Sizes of the store's caches, in bytes.
const (
	baseCacheSize = 16 << 20
	treeCacheSize = 32 << 20
	// mergeCacheSize holds a tree of 50,000 files and the one that it replaced.
	mergeCacheSize = 12 << 20
)

// store is the clone's object database.
type store struct {
	git   *os.Root // .git
	packs packSet
	// packsAt is the pack directory's modification time when packs was read:
	// somebody's "git gc" replaces packs under us.
	packsAt   time.Time
	trees     *treeCache
	recent    recentBlobs
	loose     pile
	packCount int // of packs that may be merged
	resting   bool
}

// pile is what there is of loose objects, about.
type pile struct {
	count int
	bytes int64 // of their files
}

func (p *pile) add(bytes int64) {
	p.count++
	p.bytes += bytes
}

func (p *pile) remove(bytes int64) {
	p.count, p.bytes = max(0, p.count-1), max(0, p.bytes-bytes)
}

func openStore(git *os.Root) *store {
	s := &store{git: git, packs: packSet{git: git, bases: baseCache{limit: baseCacheSize}}, trees: newTreeCache()}
	s.reopen()
	return s
}

// reopen looks at what packs there are.
func (s *store) reopen() {
	s.packsAt = s.packDirTime()
	s.packs.refresh()
	s.packCount = 0
	for _, e := range readDir(s.git, "objects/pack") {
		if strings.HasSuffix(e.Name(), ".pack") {
			if fi, err := e.Info(); err == nil && fi.Size() < mergeBelow {
				s.packCount++
			}
		}
	}
}

func (s *store) packDirTime() time.Time {
	fi, err := s.git.Lstat("objects/pack")
	if err != nil {
		return time.Time{}
	}
	return fi.ModTime()
}

func (s *store) close() { s.packs.close() }

// rest gives back all memory and descriptors that can be had again, until wake.
func (s *store) rest() {
	s.packs.close()
	s.trees, s.recent, s.resting = newTreeCache(), recentBlobs{}, true
}

func (s *store) wake() {
	if s.resting {
		s.resting = false
		s.reopen()
	}
}

// missingError names an object that cannot be read; it is mirror.ErrDamaged.
type missingError struct {
	id  plumbing.Hash
	err error
}

func (e *missingError) Error() string {
	return fmt.Sprintf("object %s: %v", e.id, e.err)
}
func (e *missingError) Unwrap() error        { return e.err }
func (e *missingError) Is(target error) bool { return target == mirror.ErrDamaged }

func loosePath(id plumbing.Hash) string {
	h := id.String()
	return "objects/" + h[:2] + "/" + h[2:]
}

// again runs f, and once more after a look at what packs there are when it failed: a
// repack by somebody's git looks like a missing or unreadable object.
func (s *store) again(id plumbing.Hash, f func() error) error {
	err := f()
	if err == nil {
		return nil
	}
	if errors.Is(err, plumbing.ErrObjectNotFound) && s.packDirTime().Equal(s.packsAt) {
		return &missingError{id, err}
	}
	s.reopen()
	if err = f(); err == nil {
		return nil
	}
	if ofMachine(err) {
		return cloneFault("The clone cannot be read.", err)
	}
	return &missingError{id, err}
}

// has reports whether the object exists, without reading it.
func (s *store) has(id plumbing.Hash) bool { return s.check(id) == nil }

// check is has with the reason.
func (s *store) check(id plumbing.Hash) error {
	return s.again(id, func() error {
		if _, _, err := s.packs.find(id); err == nil {
			return nil
		}
		fi, err := s.git.Lstat(loosePath(id))
		switch {
		case err != nil:
			return plumbing.ErrObjectNotFound
		case fi.Size() == 0:
			return errors.New("its file is empty")
		}
		return nil
	})
}

// size is an object's size, without inflating it.
func (s *store) size(id plumbing.Hash) (size int64, err error) {
	err = s.again(id, func() (err error) {
		if size, err = s.packs.objectSize(id); err == nil {
			return nil
		}
		if _, at, _, lerr := s.openLoose(id); !errors.Is(lerr, fs.ErrNotExist) {
			size, err = at, lerr
		}
		return err
	})
	return size, err
}

// looseReader is an open loose object behind its header.
type looseReader struct {
	io.Reader
	file *os.File
	z    io.ReadCloser
}

func (r *looseReader) Close() error {
	inflaters.Put(r.z)
	return r.file.Close()
}

// openLoose reads a loose object's header; with a nil reader variable the
// caller wants no content, so the file is closed at once.
func (s *store) openLoose(id plumbing.Hash) (kind plumbing.ObjectType, size int64, r *looseReader, err error) {
	kind, size, r, err = s.openLooseContent(id)
	if err == nil {
		r.Close()
	}
	return kind, size, nil, err
}

func (s *store) openLooseContent(id plumbing.Hash) (plumbing.ObjectType, int64, *looseReader, error) {
	f, err := s.git.Open(loosePath(id))
	if err != nil {
		return 0, 0, nil, err
	}
	z, err := newInflater(bufio.NewReader(f))
	if err != nil {
		f.Close()
		return 0, 0, nil, err
	}
	b := bufio.NewReader(z)
	kind, size, err := readLooseHeader(b)
	if err != nil {
		inflaters.Put(z)
		f.Close()
		return 0, 0, nil, err
	}
	return kind, size, &looseReader{b, f, z}, nil
}

// read returns an object whose hash has been verified.
func (s *store) read(id plumbing.Hash, kind plumbing.ObjectType) (data []byte, err error) {
	err = s.again(id, func() error {
		found, got, err := s.readUnverified(id)
		if err != nil {
			return err
		}
		if found != kind {
			return fmt.Errorf("is a %s, not a %s", found, kind)
		}
		if hashObject(found, got) != id {
			return errors.New("its content is damaged")
		}
		data = got
		return nil
	})
	return data, err
}

// blob reads a file of at most limit bytes; of a larger one it tells the size only.
func (s *store) blob(id plumbing.Hash, limit int64) (data []byte, size int64, err error) {
	err = s.again(id, func() error {
		kind, got, err := s.readUpTo(id, limit)
		if large, ok := errors.AsType[largeError](err); ok {
			size = int64(large)
			return nil
		}
		if err == nil && kind != plumbing.BlobObject {
			err = fmt.Errorf("is a %s, not a %s", kind, plumbing.BlobObject)
		}
		if err == nil && hashObject(kind, got) != id {
			err = errors.New("its content is damaged")
		}
		data, size = got, int64(len(got))
		return err
	})
	return data, size, err
}

// recentBlobs are files that were read to be imported, which a checkout writes into the
// working tree next. The zero value is empty.
type recentBlobs struct {
	data map[plumbing.Hash][]byte
	used int
}

const (
	recentSize  = 4 << 20
	recentLarge = 64 << 10 // is not kept
)

func (r *recentBlobs) put(id plumbing.Hash, data []byte) {
	if len(data) > recentLarge {
		return
	}
	if r.used += len(data); r.used > recentSize || r.data == nil {
		r.data, r.used = map[plumbing.Hash][]byte{}, len(data)
	}
	r.data[id] = data
}

// get is nil for a file that is not there, or that somebody wrote into.
func (r *recentBlobs) get(id plumbing.Hash) []byte {
	if data := r.data[id]; data != nil && hashObject(plumbing.BlobObject, data) == id {
		return data
	}
	return nil
}

// readUpTo is readUnverified for an object of at most limit bytes, else a largeError.
func (s *store) readUpTo(id plumbing.Hash, limit int64) (plumbing.ObjectType, []byte, error) {
	kind, data, err := s.packs.readUpTo(id, limit)
	if large := largeError(0); err == nil || errors.As(err, &large) {
		return kind, data, err
	}
	return s.looseUpTo(id, limit, err)
}

func (s *store) readUnverified(id plumbing.Hash) (plumbing.ObjectType, []byte, error) {
	kind, data, err := s.packs.read(id)
	if err == nil {
		return kind, data, nil
	}
	return s.looseUpTo(id, math.MaxInt64, err)
}

// looseUpTo reads what a pack lacks, or has damaged, and what may be a file of its own;
// inPacks is why it was not read there.
func (s *store) looseUpTo(id plumbing.Hash, limit int64, inPacks error) (plumbing.ObjectType, []byte, error) {
	kind, size, r, err := s.openLooseContent(id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, nil, inPacks
	case err != nil:
		return 0, nil, err
	}
	defer r.Close()
	if size > limit {
		return 0, nil, largeError(size)
	}
	data, err := inflateExactly(r, size)
	return kind, data, err
}

// stream opens a large object; its hash is the caller's to verify.
func (s *store) stream(id plumbing.Hash) (r io.ReadCloser, err error) {
	err = s.again(id, func() error {
		if r, err = s.packs.stream(id); err == nil {
			return nil
		}
		_, _, loose, lerr := s.openLooseContent(id)
		if lerr == nil {
			r, err = loose, nil
		}
		return err
	})
	return r, err
}

// tree reads and decodes a tree; trees are cached and never changed.
func (s *store) tree(id plumbing.Hash) (*tree, error) {
	if t := s.trees.get(id); t != nil {
		return t, nil
	}
	t, err := s.passingTree(id)
	if err == nil && id != emptyTree {
		s.trees.put(t)
	}
	return t, err
}

// passingTree is a tree that is not needed again.
func (s *store) passingTree(id plumbing.Hash) (*tree, error) {
	if t := s.trees.get(id); t != nil {
		return t, nil
	}
	if id == emptyTree {
		return &tree{id: id}, nil
	}
	data, err := s.read(id, plumbing.TreeObject)
	if err != nil {
		return nil, err
	}
	t, err := parseTree(id, data)
	if err != nil {
		return nil, &missingError{id, err}
	}
	return t, nil
}

func (s *store) commit(id plumbing.Hash) (*commit, error) {
	data, err := s.read(id, plumbing.CommitObject)
	if err != nil {
		return nil, err
	}
	c, err := parseCommit(data)
	if err != nil {
		return nil, &missingError{id, err}
	}
	return c, nil
}

// rootOf is the tree of a commit; the zero id has the empty tree.
func (s *store) rootOf(commit plumbing.Hash) (*tree, error) {
	if commit.IsZero() {
		return &tree{id: emptyTree}, nil
	}
	c, err := s.commit(commit)
	if err != nil {
		return nil, err
	}
	return s.tree(c.tree)
}

// writeLoose stores an object as a file of its own. The temporary file and the
// rename keep a killed process from leaving half an object under its name.
func (s *store) writeLoose(o object) error {
	if s.has(o.id) {
		return nil
	}
	name := loosePath(o.id)
	var buf bytes.Buffer
	deflate(&buf, looseLevel(o), objectHeader(o.kind, int64(len(o.data))), o.data)
	tmp := "objects/tmp_obj_" + o.id.String()
	write := func() error { return writeNew(s.git, tmp, buf.Bytes(), 0o444) }
	if err := write(); err != nil {
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
		s.git.Remove(tmp) // a killed process's
		if err := write(); err != nil {
			return err
		}
	}
	err := s.git.Rename(tmp, name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errNotDir) {
		if err = makeDir(s.git, path.Dir(name)); err == nil {
			err = s.git.Rename(tmp, name)
		}
	}
	if err != nil {
		s.git.Remove(tmp)
		return err
	}
	s.loose.add(int64(buf.Len()))
	return nil
}

// writeNew creates a file that must not exist.
func writeNew(root *os.Root, name string, data []byte, mode fs.FileMode) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		root.Remove(name)
	}
	return err
}
