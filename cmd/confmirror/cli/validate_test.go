package cli

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// checkout is a directory to be validated.
type checkout struct {
	t   *testing.T
	dir string
}

func newCheckout(t *testing.T) *checkout { return &checkout{t, t.TempDir()} }

// path is where a file stands; its directory is made.
func (c *checkout) path(name string) string {
	c.t.Helper()
	at := c.dir + "/" + name
	c.must(os.MkdirAll(filepath.Dir(at), 0o755))
	return at
}

func (c *checkout) write(name, content string) {
	c.t.Helper()
	c.must(os.WriteFile(c.path(name), []byte(content), 0o644))
}

func (c *checkout) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// validate runs the command, which has to end with a status.
func (c *checkout) validate(status int, flags ...string) string {
	c.t.Helper()
	var out, errs bytes.Buffer
	p := &Program{Stdout: &out, Stderr: &errs}
	if got := p.Run(c.t.Context(), append([]string{"validate", c.dir}, flags...)); got != status {
		c.t.Errorf("exit status %d, not %d\n%s%s", got, status, &out, &errs)
	}
	return out.String()
}

type foundProblems struct {
	Checked  int
	Problems []foundProblem
}

// all are the problems by path, as JSON has them; the other formats have to say the same.
func (c *checkout) all(status int, flags ...string) map[string]string {
	c.t.Helper()
	var found foundProblems
	c.must(json.Unmarshal([]byte(c.validate(status, append(flags, "--format=json")...)), &found))
	problems := map[string]string{}
	var lines, failures []string
	for _, p := range found.Problems {
		problems[p.Path] = string(p.Code)
		at := p.Path
		if at[0] != '"' { // JSON quotes only what is no text
			at = quoted(at)
		}
		line := fmt.Sprintf("%s:%d:%d %s %s", at, p.Line, p.Column, p.Code, p.Message)
		lines, failures = append(lines, line), append(failures, string(p.Code)+" "+line)
		if p.Line < 1 || p.Column < 1 || (p.Slug == "") != (p.Path == string(p.Kind)) || p.Message == "" {
			c.t.Errorf("%+v", p)
		}
	}
	if len(problems) != len(found.Problems) {
		c.t.Errorf("%d problems at %d paths", len(found.Problems), len(problems))
	}
	text := strings.Split(strings.TrimSuffix(c.validate(status, append(flags, "--format=text")...), "\n"), "\n")
	if diff := cmp.Diff(lines, text); diff != "" && len(lines) > 0 {
		c.t.Errorf("text says something else:\n%s", diff)
	}
	if diff := cmp.Diff(failures, c.junit(status, found, flags...)); diff != "" {
		c.t.Errorf("JUnit says something else:\n%s", diff)
	}
	return problems
}

// junit are the failures of the report, which has to be well-formed, add up and name no case twice.
func (c *checkout) junit(status int, found foundProblems, flags ...string) (failures []string) {
	c.t.Helper()
	var report junitSuites
	c.must(xml.Unmarshal([]byte(c.validate(status, append(flags, "--format=junit")...)), &report))
	names := map[string]bool{}
	tests, failed := 0, 0
	for _, suite := range report.Suites {
		tests += suite.Tests
		failed += suite.Failures
		for _, one := range suite.Cases {
			if names[one.Name] || one.Class != suite.Name || !strings.HasPrefix(one.File, strings.TrimSuffix(one.Name, `"`)) {
				c.t.Errorf("case %+v", one)
			}
			names[one.Name] = true
			if one.Failure != nil {
				failures = append(failures, one.Failure.Type+" "+one.Failure.Text)
			}
		}
	}
	if tests != found.Checked || report.Tests != tests || len(names) != tests || report.Failures != failed || failed != len(failures) {
		c.t.Errorf("%d of %d cases of %d entities, %d and %d failures", report.Tests, tests, found.Checked, report.Failures, failed)
	}
	return failures
}

func TestValidateThousandsOfProblems(t *testing.T) {
	c := newCheckout(t)
	for i := range 2000 {
		c.write(fmt.Sprintf("src/toolkits/t%d.json", i), fmt.Sprintf(`{"slug":"t%d","name":"T","integrations":{"gone":{}}}`, i))
		c.write(fmt.Sprintf("src/commands/c%d.json", i), fmt.Sprintf(`{"slug":"c%d","name":"C","prompt":"P"}`, i))
	}
	problems := c.all(exitProblems, "--path-prefix=src")
	if len(problems) != 2000 || problems["src/toolkits/t1999.json"] != "MISSING_INTEGRATION" {
		t.Errorf("%d problems", len(problems))
	}
	if problems := c.all(exitDone); len(problems) != 0 {
		t.Errorf("without the prefix: %v", problems)
	}
}
