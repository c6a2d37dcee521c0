//go:build !linux

package clone

import (
	"errors"
	"os"
	"syscall"
)

var errNotDir error = syscall.ENOTDIR

func exchange(*os.File, string, string) error  { return errors.ErrUnsupported }
func renameNew(*os.File, string, string) error { return errors.ErrUnsupported }

func flush(dir *os.File) error { return dir.Sync() }
