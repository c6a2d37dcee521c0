package clone

import (
	"errors"
	"io/fs"
	"syscall"

	"github.com/confmirror/confmirror/mirror"
)

// cloneFault is a fault of this machine: of its disk, mostly. Where the system
// says what is wrong, message gives way to that.
func cloneFault(message string, err error) *mirror.Fault {
	f := &mirror.Fault{
		Code: mirror.CodeCloneFailed, Message: message, Class: mirror.Transient, Err: err,
		Remedy: "Check that the data directory is writable and has room. The clone can be deleted: it is made again.",
	}
	is := func(codes ...syscall.Errno) bool {
		for _, code := range codes {
			if errors.Is(err, code) {
				return true
			}
		}
		return false
	}
	switch {
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		f.Message = "The disk that holds the clone is full."
		f.Remedy = "Make room on the disk of the data directory (space, inodes, or the quota of the daemon's user). The mirror then goes on by itself; nothing is lost."
	case is(syscall.EROFS):
		f.Message = "The disk that holds the clone is read-only."
		f.Remedy = "Mount the disk of the data directory writable. The mirror then goes on by itself; nothing is lost."
	case errors.Is(err, fs.ErrPermission):
		f.Message = "The daemon may not write in the clone's directory."
		f.Remedy = "Give the daemon's user the right to read and write the data directory and all that is in it. The mirror then goes on by itself; nothing is lost."
	case is(syscall.EIO):
		f.Message = "The disk that holds the clone fails."
		f.Remedy = "Look at the system's log for the disk's errors, and choose another data directory if they stay. The clone is made again."
	case is(syscall.EMFILE, syscall.ENFILE):
		f.Message = "The daemon has too many files open to use the clone."
		f.Remedy = "Raise the limit of open files (LimitNOFILE of the service, or ulimit -n)."
	}
	return f
}

// ofMachine reports that an error of reading says nothing about what is read.
func ofMachine(err error) bool {
	for _, code := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, code) {
			return true
		}
	}
	return errors.Is(err, fs.ErrPermission)
}
