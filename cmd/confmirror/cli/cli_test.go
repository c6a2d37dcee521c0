package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/confmirror/confmirror/db/dbtest"
)

// Under the name confmirror the test binary is the program: scripts run it as a
// process of its own, with its own signals and exit status.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "confmirror" {
		os.Exit(Main("v1.2.3"))
	}
	dbtest.Main(m)
}

// TestScripts shows each command by a script in testdata/script; with
// CONFMIRROR_TEST_UPDATE=1 it writes changed golden files.
func TestScripts(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "confmirror")); err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		Cmds:                scriptCommands(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("CONFMIRROR_TEST_UPDATE") != "",
		Setup: func(e *testscript.Env) error {
			e.Setenv("BIN", bin)
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			return nil
		},
	})
}
