package clone

import (
	"bufio"
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/go-git/go-git/v5/plumbing"
)

func packPath(id plumbing.Hash, ext string) string {
	return "objects/pack/pack-" + id.String() + ext
}

// writePack stores count objects as one pack, and returns its name and where in it they stand.
func (s *store) writePack(ctx context.Context, count int, next func(i int) (packItem, error)) (plumbing.Hash, []packEntry, error) {
	f, tmp, err := s.tempPack()
	if err != nil {
		return plumbing.ZeroHash, nil, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	id, entries, err := writePackTo(ctx, w, count, next)
	if err == nil {
		err = w.Flush()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = s.installPack(tmp, id, entries)
	}
	if err != nil {
		s.git.Remove(tmp)
	}
	return id, entries, err
}

// tempPack makes a temporary file that sweep recognizes.
func (s *store) tempPack() (*os.File, string, error) {
	for i := 0; ; i++ {
		name := "objects/pack/tmp_pack_confmirror" + string(rune('a'+i))
		f, err := s.git.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
		if !errors.Is(err, fs.ErrExist) || i > 20 {
			return f, name, err
		}
	}
}

// installPack gives a complete pack its name.
func (s *store) installPack(tmp string, id plumbing.Hash, entries []packEntry) error {
	tmpIdx, err := s.writePackIndex(id, entries)
	if err != nil {
		return err
	}
	return s.namePack(tmp, tmpIdx, id)
}

// writePackIndex writes the index of a pack that has no name yet.
func (s *store) writePackIndex(id plumbing.Hash, entries []packEntry) (tmpIdx string, err error) {
	tmpIdx = "objects/pack/tmp_idx_" + id.String()
	s.git.Remove(tmpIdx)
	return tmpIdx, writeNew(s.git, tmpIdx, encodePackIndex(entries, id), 0o444)
}

// namePack gives a pack and its index their names. The index comes last because it is
// what makes a pack visible.
func (s *store) namePack(tmp, tmpIdx string, id plumbing.Hash) (err error) {
	defer func() {
		if err != nil {
			s.git.Remove(tmpIdx)
		}
	}()
	if err := s.git.Chmod(tmp, 0o444); err != nil {
		return err
	}
	if err := s.git.Rename(tmp, packPath(id, ".pack")); err != nil {
		return err
	}
	if err := s.git.Rename(tmpIdx, packPath(id, ".idx")); err != nil {
		return err
	}
	s.reopen()
	return nil
}
