package dbtest

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// BinariesEnv names the directory that holds initdb and postgres.
const BinariesEnv = "CONFMIRROR_TEST_POSTGRES_BIN"

var errNoBinaries = errors.New(`no PostgreSQL server on this machine: initdb and postgres were found neither in
/usr/lib/postgresql/*/bin nor in PATH. Install one (Debian: apt-get install postgresql; no running
server is needed), or set ` + BinariesEnv + ` to the directory that holds the two`)

// binaries finds the directory of the newest installed PostgreSQL.
func binaries() (string, error) {
	if dir := os.Getenv(BinariesEnv); dir != "" {
		if !complete(dir) {
			return "", errors.New(BinariesEnv + "=" + dir + " does not hold initdb and postgres")
		}
		return dir, nil
	}
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // Debian; its initdb is not in PATH
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	if path, err := exec.LookPath("initdb"); err == nil {
		if resolved, err := filepath.EvalSymlinks(path); err == nil {
			path = resolved
		}
		dirs = append(dirs, filepath.Dir(path))
	}
	for _, dir := range dirs {
		if complete(dir) {
			return dir, nil
		}
	}
	return "", errNoBinaries
}

func complete(dir string) bool {
	for _, name := range []string{"initdb", "postgres"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.IsDir() {
			return false
		}
	}
	return true
}

// version is the 15 of /usr/lib/postgresql/15/bin.
func version(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}
