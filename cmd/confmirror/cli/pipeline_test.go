package cli

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// readmePipeline is the script of the pipeline that README.md offers.
func readmePipeline(t *testing.T) []string {
	t.Helper()
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```yaml\n(# bitbucket-pipelines.yml\n.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("README.md has no bitbucket-pipelines.yml")
	}
	type step struct {
		Step struct{ Script []string }
	}
	var file struct {
		Image     string
		Clone     struct{ Depth int }
		Pipelines struct {
			Default      []step
			PullRequests map[string][]step `yaml:"pull-requests"`
		}
	}
	if err := yaml.UnmarshalWithOptions(block[1], &file); err != nil {
		t.Fatal(err)
	}
	script := file.Pipelines.Default[0].Step.Script
	if again := file.Pipelines.PullRequests["**"][0].Step.Script; len(script) == 0 || strings.Join(again, "\n") != strings.Join(script, "\n") {
		t.Fatalf("scripts: %q and %q", script, again)
	}
	return script
}

// The pipeline in README.md, copied as it is, lets a good repository pass, and stops a bad one
// with a report that pipelines find by its directory's name.
func TestPipelineOfTheReadme(t *testing.T) {
	script := readmePipeline(t)
	if !strings.HasPrefix(script[0], "go install github.com/confmirror/confmirror/cmd/confmirror@") {
		t.Fatalf("the first command: %s", script[0])
	}
	script[0] = "set -e" // the program is installed already, and a pipeline ends at the first failure
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(program, filepath.Join(bin, "confmirror")); err != nil {
		t.Fatal(err)
	}
	c := newCheckout(t)
	run := func() (status int, out string) {
		t.Helper()
		shell := exec.Command("bash", "-c", strings.Join(script, "\n"))
		shell.Dir = c.dir
		shell.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"))
		said, err := shell.CombinedOutput()
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) {
			t.Fatal(err)
		}
		return shell.ProcessState.ExitCode(), string(said)
	}
	report := func() string {
		t.Helper()
		xml, err := os.ReadFile(c.dir + "/test-results/confmirror.xml")
		c.must(err)
		return string(xml)
	}
	c.write("toolkits/a.json", `{"slug":"a","name":"A"}`)
	if status, out := run(); status != exitDone || !strings.Contains(report(), `tests="1" failures="0"`) {
		t.Errorf("a good repository: exit status %d\n%s%s", status, out, report())
	}
	c.write("toolkits/b.json", `{"slug":"b"}`)
	if status, out := run(); status != exitProblems || !strings.Contains(out, "toolkits/b.json:1:1 VALIDATION_FAILED") || !strings.Contains(report(), `tests="2" failures="1"`) {
		t.Errorf("a bad repository: exit status %d\n%s%s", status, out, report())
	}
}
