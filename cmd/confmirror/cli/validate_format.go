package cli

import (
	"encoding/xml"
	"fmt"

	"github.com/confmirror/confmirror/mirror/document"
)

func (p *Program) validationText(v *validation) error {
	for _, f := range v.files {
		if f.problem != nil {
			fmt.Fprintln(p.Stdout, f.line())
		}
	}
	fmt.Fprintf(p.Stderr, "%s checked, %s\n", count(len(v.files), "entity", "entities"), count(v.failed(), "problem", "problems"))
	return nil
}

// foundProblem is a problem as --format json prints it.
type foundProblem struct {
	Path    string        `json:"path"`
	Line    int           `json:"line"`
	Column  int           `json:"column"`
	Kind    document.Kind `json:"kind"`
	Slug    string        `json:"slug"`
	Code    document.Code `json:"code"`
	Message string        `json:"message"`
}

func (p *Program) validationJSON(v *validation) error {
	problems := []foundProblem{}
	for _, f := range v.files {
		if f.problem != nil {
			path, line, column := f.where()
			problems = append(problems, foundProblem{path, line, column, f.kind, f.slug, f.problem.Code, f.problem.Message})
		}
	}
	return p.printJSON(map[string]any{"checked": len(v.files), "problems": problems})
}

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
}

type junitFailure struct {
	Type    string `xml:"type,attr"`
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// validationJUnit writes what Bitbucket Pipelines, Jenkins and GitLab read.
func (p *Program) validationJUnit(v *validation) error {
	all := junitSuites{Name: "confmirror validate", Tests: len(v.files), Failures: v.failed()}
	for _, kind := range document.Kinds {
		suite := junitSuite{Name: string(kind)}
		for _, f := range v.files {
			if f.kind != kind {
				continue
			}
			c := junitCase{Name: f.path, Class: string(kind)}
			if f.problem != nil {
				suite.Failures++
				c.Failure = &junitFailure{string(f.problem.Code), f.problem.Message, f.line()}
			}
			suite.Cases = append(suite.Cases, c)
		}
		if suite.Tests = len(suite.Cases); suite.Tests > 0 {
			all.Suites = append(all.Suites, suite)
		}
	}
	if _, err := fmt.Fprint(p.Stdout, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(p.Stdout)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := fmt.Fprintln(p.Stdout)
	return err
}
