//go:build unix

package clone

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// takeLock takes an advisory lock that the kernel gives back when its holder
// dies, however it dies.
func takeLock(root *os.Root, name string) (*os.File, error) {
	for range 10 {
		f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
		if err != nil {
			return nil, err
		}
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err != nil {
			f.Close()
			if errors.Is(err, unix.EWOULDBLOCK) {
				return nil, ErrLocked
			}
			return nil, err
		}
		// A lock on a file that was deleted meanwhile guards nothing.
		mine, err1 := f.Stat()
		there, err2 := root.Lstat(name)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			return f, nil
		}
		f.Close()
	}
	return nil, ErrLocked
}

// giveLock gives the lock back. Closing the file alone may be late: a process that is
// being started has a copy of every descriptor until it executes its program.
func giveLock(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}
