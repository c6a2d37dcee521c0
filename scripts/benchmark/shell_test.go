package benchmark_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// script is what one would write: testdata/*.sh, with an index on updated_at and
// without the product's triggers, which it has no use for.
type script struct {
	l     *lane
	clone string
	env   []string
}

const never = "1970-01-01T00:00:00Z"

func newScript(l *lane) *script {
	scripts, err := filepath.Abs("testdata")
	l.must(err)
	s := &script{l: l, clone: filepath.Join(l.dir, "clone")}
	database := l.url
	if l.dialect == "sqlite" {
		database = l.file()
	}
	s.env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir, "LC_ALL=C", "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0",
		"GIT_AUTHOR_NAME=Script", "GIT_AUTHOR_EMAIL=script@example.com", "GIT_COMMITTER_NAME=Script", "GIT_COMMITTER_EMAIL=script@example.com",
		"CLONE=" + s.clone, "DATABASE=" + database, "SCRIPTS=" + scripts,
	}
	l.bare()
	l.must(os.Mkdir(s.clone, 0o755))
	s.since(never)
	l.must(s.git("init", "-q", "-b", "main"))
	l.must(s.git("config", "gc.auto", "0"))
	l.must(s.git("remote", "add", "origin", l.cloneURL()))
	return s
}

// bare takes what is the product's out of the database, and adds the scripts' view.
func (l *lane) bare() {
	triggers := "SELECT tgname, tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal"
	drop := "DROP TRIGGER %s ON %s"
	if l.dialect == "sqlite" {
		triggers, drop = "SELECT name, tbl_name FROM sqlite_schema WHERE type = 'trigger'", "DROP TRIGGER %[1]s"
	}
	rows, err := l.sql.Query(triggers)
	l.must(err)
	var drops []string
	for rows.Next() {
		var trigger, table string
		l.must(rows.Scan(&trigger, &table))
		drops = append(drops, fmt.Sprintf(drop, trigger, table))
	}
	l.must(rows.Err())
	for _, d := range drops {
		l.exec(d)
	}
	views, err := os.ReadFile(filepath.Join("testdata", "views-"+l.dialect+".sql"))
	l.must(err)
	l.exec(string(views))
}

func (s *script) since(t string) {
	s.l.must(os.WriteFile(filepath.Join(s.l.dir, "since"), []byte(t+"\n"), 0o644))
}

func (s *script) git(args ...string) error {
	return s.command("git", append([]string{"-C", s.clone}, args...)...)
}

func (s *script) command(name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Env, cmd.Dir = s.env, s.l.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%.2000s", name, err, out)
	}
	return nil
}

func (s *script) sh(name string) error {
	path, err := filepath.Abs(filepath.Join("testdata", name+"-"+s.l.dialect+".sh"))
	if err != nil {
		return err
	}
	return s.command(path)
}

func (s *script) export() error  { return s.sh("export") }
func (s *script) imports() error { return s.sh("import") }
func (s *script) poll() error    { return s.sh("import") }
func (s *script) settled() error { return nil }
func (s *script) close() error   { return nil }
