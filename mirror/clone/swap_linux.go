package clone

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// errNotDir: a component of a path is a file.
var errNotDir error = unix.ENOTDIR

// exchange swaps two names of one directory in one step, so that what stood
// there can be looked at after the fact: no edit slips in between. On ext4 it is
// also much faster than a rename over an existing file.
func exchange(dir *os.File, a, b string) error {
	return renameat2(dir, a, b, unix.RENAME_EXCHANGE)
}

// renameNew renames, and fails with fs.ErrExist when the new name is taken.
func renameNew(dir *os.File, from, to string) error {
	return renameat2(dir, from, to, unix.RENAME_NOREPLACE)
}

func renameat2(dir *os.File, a, b string, flags uint) error {
	fd := int(dir.Fd())
	for {
		err := unix.Renameat2(fd, a, fd, b, flags)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, unix.EINTR):
			continue
		case errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOSYS):
			return errors.ErrUnsupported // the file system cannot
		}
		return &os.LinkError{Op: "renameat2", Old: a, New: b, Err: err}
	}
}

// flush makes everything written so far durable, in one go for the whole batch.
func flush(dir *os.File) error { return unix.Syncfs(int(dir.Fd())) }
