package cli

import (
	"context"
	"fmt"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"github.com/confmirror/confmirror/mirror"
	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) validateCommand() *cobra.Command {
	var prefix, format string
	c := &cobra.Command{
		Use:   "validate DIR",
		Short: "Check a checked-out repository, offline",
		Long: `Check every configuration file of a checked-out repository by the rules that an
import applies, without network and database: for CI pipelines and for editors.
Toolkits are checked against the MCP servers in the same directory.

Each problem is a line "path:line:column CODE message".

Exit status: 0 all files are valid; 3 there are problems.`,
		Example: `  confmirror validate .
  confmirror validate . --path-prefix src --format junit >report.xml`,
		Args: cobra.ExactArgs(1),
		RunE: p.work(func(_ context.Context, args []string) error { return p.validate(args[0], prefix, format) }),
	}
	c.Flags().StringVar(&prefix, "path-prefix", "", "`directory` in the repository that holds the five kinds' directories")
	c.Flags().StringVar(&format, "format", "text", "text, json or junit")
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json", "junit"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func (p *Program) validate(dir, prefix, format string) error {
	write, ok := map[string]func(*validation) error{
		"text": p.validationText, "json": p.validationJSON, "junit": p.validationJUnit,
	}[format]
	if !ok {
		return misuse("--format %q: expected text, json or junit", format)
	}
	clean, err := mirror.CleanPathPrefix(prefix)
	if err != nil {
		return misuse("--path-prefix %q: %w", prefix, err)
	}
	limits := document.DefaultLimits
	if p.configPath != "" { // a pipeline has no configuration, as a rule
		c, err := p.load()
		if err != nil {
			return err
		}
		limits = c.Rules().Limits
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return &usageError{err}
	}
	defer root.Close()
	if clean != "" {
		if info, err := root.Stat(clean); err != nil || !info.IsDir() {
			return misuse("--path-prefix %q: %s has no such directory", prefix, dir)
		}
	}
	v := &validation{root: root, layout: document.Layout{Prefix: clean}, limits: limits, submodules: submodules(root)}
	v.run()
	if len(v.files) == 0 {
		fmt.Fprintf(p.Stderr, "nothing to check: %s has no files in %s\n", path.Join(dir, clean), strings.Join(kindNames(), ", "))
	}
	if err := write(v); err != nil {
		return err
	}
	if v.failed() > 0 {
		return outcome(exitProblems)
	}
	return nil
}

// validation is one repository's check.
type validation struct {
	root       *os.Root
	layout     document.Layout
	limits     document.Limits
	submodules map[string]bool // paths that .gitmodules names
	files      []*validated    // by kind and name
	servers    map[string]document.Server
	// valid, if set, gets each valid document; what it returns is the file's problem then.
	valid func(f *validated, d *document.Document) *document.Problem
}

// validated is one entity's file, or a skill's directory, or a kind's directory that cannot be read.
type validated struct {
	kind    document.Kind
	slug    string
	path    string            // in the repository
	problem *document.Problem // nil: valid

	// Of a toolkit, until its references are checked.
	content  []byte
	document *document.Document
}

// where is the place of the problem.
func (f *validated) where() (path string, line, column int) {
	path = f.path
	if f.problem.File != "" && f.kind == document.Skills {
		path += "/" + f.problem.File
	}
	return path, max(f.problem.Line, 1), max(f.problem.Column, 1)
}

// line is the problem as text.
func (f *validated) line() string {
	path, line, column := f.where()
	message := strings.ReplaceAll(f.problem.Message, "\n", " ")
	return fmt.Sprintf("%s:%d:%d %s %s", quoted(path), line, column, f.problem.Code, message)
}

func (v *validation) failed() (n int) {
	for _, f := range v.files {
		if f.problem != nil {
			n++
		}
	}
	return n
}

func (v *validation) run() {
	if v.servers == nil {
		v.servers = map[string]document.Server{}
	}
	for _, kind := range document.Kinds {
		v.walk(kind)
	}
	for _, f := range v.files {
		if f.document != nil {
			if f.problem = document.CheckReferences(f.document, v.servers).Locate(f.content); f.problem == nil {
				f.problem = v.take(f, f.document)
			}
			f.content, f.document = nil, nil
		}
	}
}

func (v *validation) take(f *validated, d *document.Document) *document.Problem {
	if v.valid == nil {
		return nil
	}
	return v.valid(f, d)
}

// parsed takes note of an entity's file. What later checks do not need is not kept: a
// repository may be large. A server whose own file is wrong is there, and its tools are
// not known.
func (v *validation) parsed(f *validated, content []byte) {
	d, problem := document.ParseFile(f.kind, f.slug, content, v.limits)
	f.problem = problem
	switch {
	case problem != nil:
	case f.kind == document.Toolkits:
		f.content, f.document = content, d
	default:
		if f.kind == document.MCPServers {
			v.servers[f.slug] = d.ServerFacts()
		}
		f.problem = v.take(f, d)
	}
}
