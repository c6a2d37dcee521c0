// Package benchmark_test measures the whole product against what one would script
// with psql and git, and against go-git's worktree, on the same work: same rows, same
// server, in turns. `scripts/bench` runs it; as benchmarks these never run among tests.
//
// Each contender has a lane: a database, a repository on one plain `git
// http-backend`, and whatever it keeps between two jobs. PostgreSQL runs with the
// durability that it has by default. Times are read off the outside: from the commit
// of the rows to the move of the branch, or from the push to the rows.
package benchmark_test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/confmirror/confmirror/db/dbtest"
	"github.com/confmirror/confmirror/mirror/bitbucket/bitbuckettest"
)

var (
	sizes     = flag.String("sizes", "1000,10000,50000", "numbers of entities")
	databases = flag.String("databases", "postgres,sqlite", "databases")
	only      = flag.String("jobs", "", "only the jobs whose names contain this")
	contest   = flag.String("contenders", "product,script,go-git", "contenders")
	result    = flag.String("result", "", "write the results to this file, as JSON")
	quick     = flag.Bool("quick", false, "fewer rounds")
	profiles  = flag.String("profiles", "", "write the daemon's CPU and heap profiles to this directory")
)

// binary is the program under measurement.
var binary string

func TestMain(m *testing.M) { dbtest.Main(m) }

// BenchmarkWhole is the comparison.
func BenchmarkWhole(b *testing.B) {
	if b.N > 1 {
		b.Fatal("one round of rounds is enough: -benchtime 1x")
	}
	binary = build(b)
	server := bitbuckettest.Start(b, bitbuckettest.Options{Plain: true})
	report := newReport()
	for dialect := range strings.SplitSeq(*databases, ",") {
		for _, size := range numbers(b, *sizes) {
			w := newWorld(b, server, dialect, size)
			w.run(report)
			w.close()
			report.save(b)
		}
	}
	report.print(os.Stdout)
}

// build makes the program as it is released; for profiles a file is laid over it.
func build(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "confmirror")
	args := []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", path}
	if *profiles != "" {
		program, err := filepath.Abs("../../cmd/confmirror/profile.go")
		if err != nil {
			b.Fatal(err)
		}
		source, err := filepath.Abs("testdata/profile.go.txt")
		if err != nil {
			b.Fatal(err)
		}
		overlay := filepath.Join(b.TempDir(), "overlay.json")
		if err := os.WriteFile(overlay, fmt.Appendf(nil, `{"Replace": {%q: %q}}`, program, source), 0o644); err != nil {
			b.Fatal(err)
		}
		b.Setenv("BENCHMARK_PROFILES", *profiles)
		args = []string{"build", "-overlay", overlay, "-o", path}
	}
	if out, err := exec.Command("go", append(args, "../../cmd/confmirror")...).CombinedOutput(); err != nil {
		b.Fatalf("go build: %v\n%s", err, out)
	}
	return path
}

func numbers(b *testing.B, text string) []int {
	b.Helper()
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(part)
		if err != nil {
			b.Fatal(err)
		}
		out = append(out, n)
	}
	return out
}
