package document

import (
	"flag"
	"os"
	"testing"
)

// The properties are cheap here: ten times the checks that rapid makes unasked.
func TestMain(m *testing.M) {
	checks := flag.Lookup("rapid.checks")
	if err := checks.Value.Set("1000"); err != nil {
		panic(err)
	}
	flag.Parse()
	os.Exit(m.Run())
}
