package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

// instanceFile in the data directory names this installation, and is locked by the
// process that runs it. The kernel gives the lock back when that process dies,
// however it dies: whoever gets it next is the same holder to the database, and
// goes on with the leases that the dead one left, without waiting for their end.
const instanceFile = "instance"

// errInUse: another process runs with this data directory.
var errInUse = errors.New("another confmirror is running with this data_dir")

// instance is the claim on a data directory.
type instance struct {
	holder string
	lock   *os.File
}

// takeInstance locks the data directory; errInUse when another process has it.
func takeInstance(dataDir string) (*instance, error) {
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dataDir, instanceFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := lockFile(lock); err != nil {
		lock.Close()
		return nil, err
	}
	id, err := readInstance(lock)
	if err != nil {
		lock.Close()
		return nil, err
	}
	return &instance{holder: hostname() + "/" + id, lock: lock}, nil
}

// readInstance reads the installation's id, or makes one.
func readInstance(f *os.File) (string, error) {
	buf := make([]byte, 64)
	n, _ := f.ReadAt(buf, 0)
	if id, err := uuid.Parse(strings.TrimSpace(string(buf[:n]))); err == nil {
		return id.String(), nil
	}
	id := uuid.NewString()
	if err := f.Truncate(0); err != nil {
		return "", err
	}
	_, err := f.WriteAt([]byte(id+"\n"), 0)
	return id, err
}

func (i *instance) release() { i.lock.Close() }

// passerby names a process that runs beside another one on the same data directory.
func passerby() string { return fmt.Sprintf("%s/%d/%s", hostname(), os.Getpid(), uuid.NewString()[:8]) }

func hostname() string {
	if host, err := os.Hostname(); err == nil {
		return host
	}
	return "unknown"
}
