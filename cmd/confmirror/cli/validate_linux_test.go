package cli

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// What a repository may hold to lead astray whoever reads its files is that entity's
// problem, with the code that an import has for it; the rest is checked.
func TestValidateHostileTrees(t *testing.T) {
	c := newCheckout(t)
	outside := t.TempDir() + "/secret.json"
	c.must(os.WriteFile(outside, []byte(`{"slug":"link","name":"Not ours"}`), 0o644))
	const good = "---\nname: %s\ndescription: D.\n---\n"

	c.write("toolkits/fine.json", `{"slug":"fine","name":"F"}`)
	c.must(os.Symlink(outside, c.path("toolkits/link.json")))
	c.must(os.Symlink("fine.json", c.path("toolkits/near.json")))
	c.must(syscall.Mkfifo(c.path("toolkits/pipe.json"), 0o644))
	c.write("toolkits/caf\xe9.json", `{}`)
	c.write("toolkits/caf\xe8.json", `{}`)
	c.write("toolkits/a\nb.json", `{}`)
	c.write("toolkits/\x1b[31m.json", `{}`)
	c.write(`toolkits/"q".json`, `{}`)
	c.write("toolkits/latin.json", "{\"slug\":\"latin\",\"name\":\"\xe9\"}")
	c.write("toolkits/bell.json", "{\"slug\":\"bell\",\"\\u0007\x7f]]>&<\":1,\"\\u0007\x7f]]>&<\":2}")
	c.write("toolkits/deep.json", strings.Repeat("[", 100_000))
	huge := c.path("toolkits/huge.json")
	c.write("toolkits/huge.json", "{")
	c.must(os.Truncate(huge, 1<<40)) // sparse
	c.write("toolkits/lfs.json", "version https://git-lfs.github.com/spec/v1\n")
	c.write("toolkits/dir.json/x", "a directory is its people's own")

	// A kind's directory that git holds as a link, or as a submodule that was fetched.
	c.must(os.Symlink("toolkits", c.path("commands")))
	c.write("mcp-clients/.git", "gitdir: ../.git/modules/mcp-clients\n")
	c.write("mcp-clients/app.json", `{"slug":"app","name":"A"}`)

	c.write(".gitmodules", "[submodule \"s\"]\n\tpath = skills/sub\n\turl = https://example.com/s\n")
	c.must(os.MkdirAll(c.path("skills/sub"), 0o755))
	c.must(os.MkdirAll(c.path("skills/bare"), 0o755))
	c.write("skills/nested/SKILL.md", fmt.Sprintf(good, "nested"))
	c.write("skills/nested/lib/.GIT/HEAD", "ref: refs/heads/main\n")
	c.must(os.Symlink(outside, c.path("skills/link")))
	c.write("skills/inner/SKILL.md", fmt.Sprintf(good, "inner"))
	c.must(os.Symlink(outside, c.path("skills/inner/a/link")))
	c.write("skills/notes.txt", "a file is its people's own")
	c.write("skills/latin/SKILL.md", fmt.Sprintf(good, "latin"))
	c.write("skills/latin/caf\xe9", "x")
	c.write("skills/many/SKILL.md", fmt.Sprintf(good, "many"))
	for i := range 500 {
		c.write(fmt.Sprintf("skills/many/%d", i), "x")
	}
	c.write("skills/deep/SKILL.md", fmt.Sprintf(good, "deep"))
	c.write("skills/deep/"+strings.Repeat("d/", 70)+"x", "x")
	c.write("skills/yaml/SKILL.md", "---\nname: yaml\ndescription: Use: this\x1b\n---\n")
	c.write("skills/fine/SKILL.md", fmt.Sprintf(good, "fine"))
	c.write("skills/fine/.github/x", "x")

	fetch, invalid := "FETCH_FAILED", "VALIDATION_FAILED"
	want := map[string]string{
		"toolkits/link.json": fetch, "toolkits/near.json": fetch, "toolkits/pipe.json": fetch, "toolkits/huge.json": fetch, "toolkits/lfs.json": fetch,
		`"toolkits/caf\xe9.json"`: invalid, `"toolkits/caf\xe8.json"`: invalid, "toolkits/a\nb.json": invalid, "toolkits/\x1b[31m.json": invalid, `toolkits/"q".json`: invalid,
		"toolkits/latin.json": "INVALID_JSON", "toolkits/bell.json": "INVALID_JSON", "toolkits/deep.json": invalid,
		"commands": fetch, "mcp-clients": fetch,
		"skills/sub": fetch, "skills/bare": "EMPTY_DIRECTORY", "skills/nested/lib": fetch, "skills/link": fetch, "skills/inner/a/link": fetch,
		"skills/latin": invalid, "skills/many": invalid, "skills/deep": invalid, "skills/yaml/SKILL.md": invalid,
	}
	if diff := cmp.Diff(want, c.all(exitProblems)); diff != "" {
		t.Error(diff)
	}
	if out := c.validate(exitProblems); strings.ContainsAny(out, "\x1b\x07\x7f\r") || strings.Contains(out, "Not ours") {
		t.Errorf("what stands there is repeated: %q", out)
	}
}

// An output that takes nothing more is a failure, and not "no problems".
func TestValidateToAFullDisk(t *testing.T) {
	c := newCheckout(t)
	c.write("toolkits/a.json", `{}`)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	c.must(err)
	defer full.Close()
	for _, format := range []string{"text", "json", "junit"} {
		var errs bytes.Buffer
		p := &Program{Stdout: full, Stderr: &errs}
		if got := p.Run(t.Context(), []string{"validate", c.dir, "--format", format}); got != exitFailed || !strings.Contains(errs.String(), "no space left") {
			t.Errorf("%s: exit status %d: %s", format, got, &errs)
		}
	}
}

// What cannot be read is that entity's problem, too.
func TestValidateWithoutTheRightToRead(t *testing.T) {
	c := newCheckout(t)
	c.write("toolkits/a.json", `{"slug":"a","name":"A"}`)
	c.write("toolkits/closed.json", `{"slug":"closed","name":"C"}`)
	c.write("skills/closed/SKILL.md", "x")
	c.write("commands/c.json", "{}")
	for _, name := range []string{"toolkits/closed.json", "skills/closed", "commands"} {
		c.must(os.Chmod(c.dir+"/"+name, 0))
		defer os.Chmod(c.dir+"/"+name, 0o755)
	}
	if os.Geteuid() == 0 { // who may read everything, and on this thread does not want to
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		c.must(os.Chmod(filepath.Dir(c.dir), 0o755))
		c.must(unix.Setfsuid(65534))
		defer unix.Setfsuid(0)
	}
	want := map[string]string{"toolkits/closed.json": "FETCH_FAILED", "skills/closed": "FETCH_FAILED", "commands": "FETCH_FAILED"}
	if diff := cmp.Diff(want, c.all(exitProblems)); diff != "" {
		t.Error(diff)
	}
}
