// Package scripts_test holds the rules of this repository that a program can check.
// Each says why it is there.
package scripts_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/confmirror/confmirror"

// root is the repository's directory, seen from this one.
const root = ".."

type pkg struct {
	ImportPath, Name, Doc string
	GoFiles, Imports      []string
}

// short is a package's path in the module: "mirror/document".
func short(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out := run(t, "go", "list", "-e", "-json=ImportPath,Name,Doc,GoFiles,Imports", "./...")
	var list []pkg
	for d := json.NewDecoder(strings.NewReader(out)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if len(p.GoFiles) > 0 { // else tests only
			list = append(list, p)
		}
	}
	return list
}

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = root
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// rooms in the order of their imports: a package may import those of rooms below its
// own. What stands in one line are neighbours, which know nothing of each other; the
// domain can be read and tested without a database, git or a network.
var rooms = [][]string{
	{"mirror/document"},
	{"mirror"},
	{"db", "mirror/clone", "mirror/bitbucket", "configs"},
	{"daemon"},
	{"cmd"},
}

// neighbours that may be imported all the same.
var neighbours = map[string]string{
	"configs": "mirror/bitbucket", // a repository's name is read by one function everywhere
}

// room finds a package's room, and how high it is.
func room(path string) (name string, height int) {
	height = -1
	for h, line := range rooms {
		for _, r := range line {
			// The longest name counts: mirror/clone is no part of mirror.
			if (path == r || strings.HasPrefix(path, r+"/")) && len(r) > len(name) {
				name, height = r, h
			}
		}
	}
	return name, height
}

func TestImportsPointOneWay(t *testing.T) {
	for _, p := range packages(t) {
		from, _ := short(p.ImportPath)
		own, height := room(from)
		if height < 0 {
			t.Errorf("%s belongs to no room", from)
			continue
		}
		for _, i := range p.Imports {
			to, ours := short(i)
			if !ours {
				continue
			}
			other, h := room(to)
			if h > height || h == height && other != own && neighbours[own] != other {
				t.Errorf("%s imports %s", from, to)
			}
			// A stand-in belongs into tests and into the demo, which the command is.
			if strings.HasSuffix(to, "test") && !strings.HasSuffix(from, "test") && own != "cmd" {
				t.Errorf("%s imports %s", from, to)
			}
		}
	}
}

func TestDomainIsPure(t *testing.T) {
	deps := strings.Fields(run(t, "go", "list", "-deps", "./mirror", "./mirror/document"))
	foreign := regexp.MustCompile(`^(net/http|database/sql|gorm\.io/|github\.com/(go-git|jackc|ncruces)/)`)
	for _, d := range deps {
		if foreign.MatchString(d) {
			t.Errorf("mirror depends on %s", d)
		}
	}
}

// `go doc ./db` is where a reader starts.
func TestPackagesAreDocumented(t *testing.T) {
	for _, p := range packages(t) {
		if p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// A name that says nothing collects everything.
func TestPackageNamesSayWhatTheyHold(t *testing.T) {
	vague := []string{"util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "lib"}
	for _, p := range packages(t) {
		if slices.Contains(vague, p.Name) || slices.Contains(vague, filepath.Base(p.ImportPath)) {
			t.Errorf("%s", p.ImportPath)
		}
	}
}

// With a replace in it `go install` of the module fails.
func TestGoModHasNoReplace(t *testing.T) {
	var mod struct{ Replace []any }
	if err := json.Unmarshal([]byte(run(t, "go", "mod", "edit", "-json")), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Replace) > 0 {
		t.Errorf("go.mod replaces %v", mod.Replace)
	}
}

func TestTopLevel(t *testing.T) {
	fixed := []string{
		"cmd", "daemon", "mirror", "db", "configs", "scripts", "go.mod", "go.sum", "Dockerfile",
		"README.md", "LICENSE", "CONTRIBUTING.md", "CHANGELOG.md",
	}
	for path := range strings.SplitSeq(strings.TrimSpace(run(t, "git", "ls-files")), "\n") {
		top, _, _ := strings.Cut(path, "/")
		if !slices.Contains(fixed, top) && !strings.HasPrefix(top, ".") {
			t.Errorf("%s stands at the top level; there belong only %s", path, strings.Join(fixed, ", "))
		}
	}
}

// A test that sleeps is slow or fails now and then, mostly both: wait for a signal,
// poll what is waited for, or use testing/synctest, where time is not real. A test
// that skips itself shows nothing, and nobody sees it.
func TestTestsNeitherSleepNorSkip(t *testing.T) {
	for path := range strings.SplitSeq(strings.TrimSpace(run(t, "git", "ls-files", "*_test.go")), "\n") {
		source, err := os.ReadFile(filepath.Join(root, path))
		if errors.Is(err, os.ErrNotExist) { // deleted, and not committed yet
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, path, source, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		synctest := slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing/synctest"` })
		ast.Inspect(file, func(n ast.Node) bool {
			selector, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, ok := selector.X.(*ast.Ident)
			switch name := selector.Sel.Name; {
			case !ok:
			case of.Name == "time" && name == "Sleep" && !synctest,
				slices.Contains([]string{"t", "b", "f", "tb"}, of.Name) && slices.Contains([]string{"Skip", "Skipf", "SkipNow"}, name):
				t.Errorf("%s: %s.%s", files.Position(n.Pos()), of.Name, name)
			}
			return true
		})
	}
}

// Whoever meets a code looks for it in the README: each has a row there, with what it
// means and what to do.
func TestReadmeExplainsEveryCode(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| (`[A-Z_]+`(?:, `[A-Z_]+`)*) \\| [^|]+ \\| [^|]+ \\|$")
	explained := map[string]bool{}
	for _, match := range row.FindAllStringSubmatch(string(readme), -1) {
		for code := range strings.SplitSeq(match[1], ", ") {
			explained[strings.Trim(code, "`")] = true
		}
	}
	for _, path := range []string{"mirror/fault.go", "mirror/document/problem.go"} {
		source, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		codes := regexp.MustCompile(`(?m)^\t\w+ +(?:Code )?= "([A-Z_]+)"$`).FindAllStringSubmatch(string(source), -1)
		if len(codes) < 6 {
			t.Errorf("%s: %d codes only; they stand elsewhere now", path, len(codes))
		}
		for _, code := range codes {
			if !explained[code[1]] {
				t.Errorf("%s (%s) has no row in README.md", code[1], path)
			}
		}
	}
	// Those of the API stand where they are told.
	told, found := regexp.MustCompile(`(?:\bcode: |\.code = |"code":|\bfail\([\w.]+, )"([A-Z_]+)"`), 0
	for _, dir := range []string{"daemon/web", "cmd/confmirror/cli"} {
		paths, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for _, code := range told.FindAllStringSubmatch(string(source), -1) {
				if found++; !explained[code[1]] {
					t.Errorf("%s (%s) has no row in README.md", code[1], path)
				}
			}
		}
	}
	if found < 30 {
		t.Errorf("%d codes of the API only; they stand elsewhere now", found)
	}
}
