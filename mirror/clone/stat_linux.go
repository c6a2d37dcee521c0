package clone

import (
	"errors"
	"io/fs"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// statOf is what git's index keeps of a file.
func statOf(fi fs.FileInfo) fileStat {
	s, ok := fi.Sys().(*syscall.Stat_t)
	if !ok {
		return fileStat{}
	}
	return truncate(unix.Timespec(s.Ctim), unix.Timespec(s.Mtim), s.Dev, s.Ino, s.Uid, s.Gid, s.Size)
}

// changedAt is when a file was changed last, its name and mode included.
func changedAt(fi fs.FileInfo) time.Time {
	if s, ok := fi.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return fi.ModTime()
}

// stat is statOf by name. Looking at all of a large working tree is mostly this call.
func (d *workDir) stat(name string) (fileStat, error) {
	for {
		var s unix.Stat_t
		err := unix.Fstatat(int(d.file.Fd()), name, &s, unix.AT_SYMLINK_NOFOLLOW)
		if err == nil {
			return truncate(s.Ctim, s.Mtim, s.Dev, s.Ino, s.Uid, s.Gid, s.Size), nil
		}
		if !errors.Is(err, unix.EINTR) {
			return fileStat{}, &fs.PathError{Op: "fstatat", Path: joinPath(d.path, name), Err: err}
		}
	}
}

// truncate cuts what is too large for the index, as git does.
func truncate(ctime, mtime unix.Timespec, dev, ino uint64, uid, gid uint32, size int64) fileStat {
	return fileStat{
		ctimeSec: uint32(ctime.Sec), ctimeNsec: uint32(ctime.Nsec),
		mtimeSec: uint32(mtime.Sec), mtimeNsec: uint32(mtime.Nsec),
		dev: uint32(dev), ino: uint32(ino), uid: uid, gid: gid, size: uint32(size),
	}
}
