package main_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	_ "github.com/ncruces/go-sqlite3/driver"

	"github.com/confmirror/confmirror/db/dbtest"
)

// binary is the program under test, built once.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "confmirror-test-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "confmirror")
	args := []string{"build", "-o", binary}
	if raceEnabled {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, ".")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "go build: %v\n%s", err, out)
		os.Exit(1)
	}
	dbtest.Main(cleaning{m, dir})
}

// cleaning removes the binary after the tests.
type cleaning struct {
	*testing.M
	dir string
}

func (c cleaning) Run() int {
	defer os.RemoveAll(c.dir)
	return c.M.Run()
}

// killRounds is how often each database's daemon is killed between edits.
func killRounds() int {
	if n, err := strconv.Atoi(os.Getenv("CONFMIRROR_TEST_KILL_ROUNDS")); err == nil {
		return n
	}
	return 20
}

// betweenJudgements is how many rounds go on before everything is compared.
const betweenJudgements = 10

// TestKilledAtAnyInstant kills the real program again and again: while it connects
// for the first time, while both sides are edited, while it imports much; and meanwhile
// the branch is set back and clones break. Nothing may be lost, nothing may happen
// twice, and nothing may be left lying about.
func TestKilledAtAnyInstant_S1_S6_P5_L10(t *testing.T) {
	rounds := killRounds()
	dbtest.Each(t, func(t *testing.T, target dbtest.Target) {
		seed := rand.Uint64()
		t.Logf("seed %d, %d rounds", seed, rounds)
		k := newKillWorld(t, target, rand.New(rand.NewPCG(seed, 0)))
		k.seed(300, 60)
		for range min(rounds, 4) {
			k.round(1500*time.Millisecond, func() {})
		}
		k.judge()
		k.populate()
		for n := range rounds {
			k.round(2500*time.Millisecond, k.edit)
			switch n % 10 {
			case 3, 8:
				k.setBack()
			case 5:
				k.damage()
			}
			if n%betweenJudgements == betweenJudgements-1 {
				k.judge()
			}
		}
		k.importMuch(400)
		for range min(rounds, 3) {
			k.round(1500*time.Millisecond, func() {})
		}
		k.judge()
		t.Logf("%d edits in the database, %d on the branch, %d commits", k.inDatabase, k.onBranch, len(k.log()))
	})
}
