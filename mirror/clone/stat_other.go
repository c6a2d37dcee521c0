//go:build !linux

package clone

import (
	"io/fs"
	"time"
)

// statOf leaves the fields empty that differ between systems: git then looks at
// the content once and fills them in.
func statOf(fi fs.FileInfo) fileStat {
	m := fi.ModTime()
	return fileStat{mtimeSec: uint32(m.Unix()), mtimeNsec: uint32(m.Nanosecond()), size: uint32(fi.Size())}
}

// changedAt is when a file was changed last.
func changedAt(fi fs.FileInfo) time.Time { return fi.ModTime() }

// stat is statOf by name.
func (d *workDir) stat(name string) (fileStat, error) {
	fi, err := d.root.Lstat(name)
	if err != nil {
		return fileStat{}, err
	}
	return statOf(fi), nil
}
